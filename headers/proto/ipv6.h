/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* RFC 8200: extension headers (section 4), of which the fragment header (section 4.5) is one. */
#ifndef PROTO_IPV6_H
#define PROTO_IPV6_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>

/* The fixed start of every extension header. */
struct ipv6_extension {
	__u8 next;	 /* protocol of what follows */
	__u8 length;	 /* 8-byte units after the first; 0 in a fragment header */
	__be16 fragment; /* of a fragment header: offset, two reserved bits, IPV6_MORE */
	__u8 rest[4];
};

#define IPV6_OFFSET bpf_htons(0xfff8) /* in bytes */
#define IPV6_MORE   bpf_htons(0x0001)

/* The headers that may stand before a transport header. */
static inline _Bool ipv6_is_extension(__u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_FRAGMENT;
}

#endif
