/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Checksums: what a packet's own tells (for gue.h), and how one follows a change. */
#ifndef BPF_SUM_H
#define BPF_SUM_H

#include <stdbool.h>

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>

#include "pkt.h"

/*
 * Whether the packet's own checksum tells what its bytes sum up to. Asked where the transport header is at hand: to keep it
 * for later would have the verifier follow four times as many states through all steps in between.
 */
static __always_inline bool pkt_knows_sum(const struct pkt *p)
{
	const struct udphdr *udp = p->transport;

	if (p->part != PKT_WHOLE || !udp ||
	    p->headers != (p->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)))
		return false;
	return p->protocol != IPPROTO_UDP ||
	       (udp->check && bpf_ntohs(udp->len) == p->length - p->headers);
}

/* The checksum of what had the word `from` and has `to` now. RFC 1624, eqn. 3: HC' = ~(~HC + ~m + m'). */
static __always_inline __u16 sum_replace(__u16 checksum, __u16 from, __u16 to)
{
	__u32 sum = (__u16)~checksum + (__u16)~from + to;

	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

#endif
