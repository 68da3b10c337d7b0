/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* IEEE 802.1Q clause 9: a VLAN tag is its type and 16 bits of control information, before the type of what follows. */
#ifndef PROTO_VLAN_H
#define PROTO_VLAN_H

#include <linux/if_ether.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define VLAN_TAG      4 /* bytes */
#define VLAN_TAGS_MAX 2 /* that are read: a customer's, and a provider's around it */

/* 1 or 0, of a type in wire order: without a branch, of which the verifier would follow both sides through all that comes
 * after. */
static __always_inline __u64 vlan_is_tag(__u64 type)
{
	__u64 customer = type ^ bpf_htons(ETH_P_8021Q), provider = type ^ bpf_htons(ETH_P_8021AD);

	/* The compiler would make branches of it again. */
	asm volatile("" : "+r"(customer));
	asm volatile("" : "+r"(provider));
	return ((customer - 1) | (provider - 1)) >> 63;
}

#endif
