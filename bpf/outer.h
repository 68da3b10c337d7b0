/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The header that goes before an IP packet on its way to a backend, for traffic and for probes. IP in IP in all four
 * combinations: 4in4 RFC 2003, 6in4 RFC 4213, 4in6 and 6in6 RFC 2473.
 *
 * The template is copied in 64-bit words, then what differs by packet is stored over it: cheaper than to
 * put it into the words first. Neither is aligned to words, so that memcpy would take smaller ones; x86-64
 * and arm64 do not mind.
 */
#ifndef BPF_OUTER_H
#define BPF_OUTER_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>

#include <proto/ipv4.h>

#include "maps.h"
#include "pkt.h"

#define OUTER4_END (sizeof(struct ethhdr) + sizeof(struct iphdr))
#define OUTER6_END (sizeof(struct ethhdr) + sizeof(struct ipv6hdr))

static __always_inline __u8 inner_protocol(const struct pkt *p)
{
	return p->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

static __always_inline void write_outer4(const struct pkt *p, __u64 *to)
{
	const __u64 *from = (const __u64 *)p->path->header;
	struct iphdr *ip = (void *)to + sizeof(struct ethhdr);
	__u16 length = bpf_htons(p->length + sizeof(*ip));
	__u8 protocol = inner_protocol(p);
	__u32 sum = p->path->checksum4 + ((p->tos + protocol) << 8) + length;

	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	to[3] = from[3];
	*(__u16 *)&to[4] = *(const __u16 *)&from[4];
	ip->tos = p->tos;
	ip->tot_len = length;
	ip->protocol = protocol;
	if (p->fragment & IPV4_DF) {
		ip->frag_off = IPV4_DF;
		sum += IPV4_DF;
	} else {
		/* The id matters only where fragments may be made: RFC 6864. */
		ip->id = p->id ^ p->hash;
		sum += ip->id;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~(sum + (sum >> 16));
}

static __always_inline void write_outer6(const struct pkt *p, __u64 *to)
{
	const __u64 *from = (const __u64 *)p->path->header;
	struct ipv6hdr *ip = (void *)to + sizeof(struct ethhdr);

	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	to[3] = from[3];
	to[4] = from[4];
	to[5] = from[5];
	*(__u32 *)&to[6] = *(const __u32 *)&from[6];
	*((__u16 *)&to[6] + 2) = *((const __u16 *)&from[6] + 2);
	/* The flow label spreads flows over the receiver's queues and the way's links (RFC 6438). */
	*(__be32 *)ip = bpf_htonl(6u << 28 | (__u32)p->tos << 20 | (__u32)(p->hash & 0xfffff));
	ip->payload_len = bpf_htons(p->length);
	ip->nexthdr = inner_protocol(p);
}

#endif
