/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The header that goes before an IP packet on its way to a backend, for traffic and for probes. IP in IP in all four
 * combinations: 4in4 RFC 2003, 6in4 RFC 4213, 4in6 and 6in6 RFC 2473; or the same with UDP and GUE in between (gue.h).
 *
 * DSCP and ECN are the inner packet's (RFC 2983 section 3.1, RFC 6040 section 4.1, normal mode).
 *
 * The template is copied in 64-bit words, then what differs by packet is stored over it: cheaper than to
 * put it into the words first. Neither is aligned to words, so that memcpy would take smaller ones; x86-64
 * and arm64 do not mind.
 */
#ifndef BPF_OUTER_H
#define BPF_OUTER_H

#include <stdbool.h>

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>

#include <proto/checksum.h>
#include <proto/ipv4.h>

#include "maps.h"
#include "pkt.h"

#define OUTER4_END (sizeof(struct ethhdr) + sizeof(struct iphdr))
#define OUTER6_END (sizeof(struct ethhdr) + sizeof(struct ipv6hdr))

static __always_inline __u8 inner_protocol(const struct pkt *p)
{
	return p->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

/* What is added to the source, of whose bits those of `entropy` are 0, for the receiver's RSS. */
static __always_inline __u32 source_varies(const struct pkt *p)
{
	return (__u32)p->hash & p->path->entropy;
}

/* A source's last 32 bits, `at` so many bytes in the template: to read them from the packet, just written, costs 10 ns. */
static __always_inline __u32 varied_source(const struct pkt *p, __u32 at)
{
	return *(const __u32 *)(p->path->header + at) | source_varies(p);
}

/* `protocol` and `payload`: what comes after the header, and its bytes. */
static __always_inline void write_ipv4(const struct pkt *p, __u64 *to, __u8 protocol, __u32 payload)
{
	const __u64 *from = (const __u64 *)p->path->header;
	struct iphdr *ip = (void *)to + sizeof(struct ethhdr);
	__u16 length = bpf_htons(payload + sizeof(*ip));
	__u32 sum = p->path->checksum + ((p->tos + protocol) << 8) + length;

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
	if (KNOB(entropy)) {
		ip->saddr = varied_source(p, sizeof(struct ethhdr) + offsetof(struct iphdr, saddr));
		sum += sum_word(source_varies(p));
	}
	ip->check = ~sum_fold(sum);
}

static __always_inline void write_ipv6(const struct pkt *p, __u64 *to, __u8 protocol, __u32 payload)
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
	ip->payload_len = bpf_htons(payload);
	ip->nexthdr = protocol;
	if (KNOB(entropy))
		ip->saddr.in6_u.u6_addr32[3] = varied_source(
			p,
			sizeof(struct ethhdr) + offsetof(struct ipv6hdr, saddr.in6_u.u6_addr32[3]));
}

/* IP in IP, by the family of the path. */
static __always_inline void write_ipip(const struct pkt *p, void *data, bool outer4)
{
	if (outer4)
		write_ipv4(p, data, inner_protocol(p), p->length);
	else
		write_ipv6(p, data, inner_protocol(p), p->length);
}

#endif
