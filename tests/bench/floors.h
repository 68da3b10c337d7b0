/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * What no encapsulating XDP program can do without, written as fast as we know: the measure of the program
 * under test. Independent of bpf/ on purpose, so that a slower step there does not make the measure slower.
 *
 *	floor_constant		moves the head and writes 34 constant bytes
 *	floor_read		reads and checks everything up to the TCP flags, and passes the packet
 *	floor_encapsulate	both, with the packet's own length, tos, id, DF and a right checksum; no map
 */
#ifndef BENCH_FLOORS_H
#define BENCH_FLOORS_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/*
 * The constant outer header, in words from the Ethernet header's start: 02:00:00:00:00:01 <- :02, IPv4, ttl 64,
 * 192.0.2.10 -> 10.0.0.1. FLOOR_SUM is the folded sum of its 16-bit words as they lie in memory.
 */
#define FLOOR_WORD0 0x0002010000000002ULL
#define FLOOR_WORD1 0x0045000802000000ULL
#define FLOOR_WORD2 0x0040000000000000ULL
#define FLOOR_WORD3 0x000a0a0200c00000ULL
#define FLOOR_WORD4 0x0100
#define FLOOR_SUM   (0x0045 + 0x0040 + 0x00c0 + 0x0a02 + 0x000a + 0x0100)

#define FLOOR_OUTER (sizeof(struct ethhdr) + sizeof(struct iphdr))

struct floor_packet {
	__u64 addresses,
		ports; /* all of them, mixed: read as the program under test must read them */
	__u32 length, headers; /* bytes: of the IP packet, and of it before the transport header */
	__u16 id, fragment;    /* as they lie in the packet */
	__u8 protocol, inner, tos, flags;
};

static __always_inline _Bool floor_transport(struct floor_packet *p, void *header, void *end)
{
	__u32 left = p->length - p->headers;

	asm volatile("" : "+r"(header));
	if (header + sizeof(struct tcphdr) <= end && p->protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = header;
		__u32 offset = ((__u8 *)header)[12] >> 4 << 2;

		p->ports = *(__u32 *)tcp;
		p->flags = ((__u8 *)header)[13];
		return offset >= sizeof(*tcp) && offset <= left;
	}
	if (header + sizeof(struct udphdr) <= end && p->protocol == IPPROTO_UDP) {
		struct udphdr *udp = header;
		__u32 length = bpf_ntohs(udp->len);

		p->ports = *(__u32 *)udp;
		return length >= sizeof(*udp) && length <= left;
	}
	return 0;
}

static __always_inline _Bool floor_parse4(struct floor_packet *p, void *data, void *end)
{
	struct iphdr *ip = data + sizeof(struct ethhdr);

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return 0;
	p->protocol = ip->protocol;
	p->inner = IPPROTO_IPIP;
	p->tos = ip->tos;
	p->id = ip->id;
	p->fragment = ip->frag_off;
	p->length = bpf_ntohs(ip->tot_len);
	p->headers = ip->ihl * 4;
	p->addresses = (__u64)ip->saddr << 32 ^ ip->daddr;
	if (p->fragment & bpf_htons(0x3fff) || p->length < p->headers ||
	    p->length > end - data - sizeof(struct ethhdr))
		return 0;
	return floor_transport(p, (void *)ip + p->headers, end);
}

static __always_inline _Bool floor_parse6(struct floor_packet *p, void *data, void *end)
{
	struct ipv6hdr *ip = data + sizeof(struct ethhdr);
	__u64 *address = (__u64 *)&ip->saddr;

	if ((void *)(ip + 1) > end || ip->version != 6)
		return 0;
	p->protocol = ip->nexthdr;
	p->inner = IPPROTO_IPV6;
	p->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	p->fragment = bpf_htons(0x4000);
	p->headers = sizeof(*ip);
	p->length = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	p->addresses = address[0] ^ address[1] ^ address[2] ^ address[3];
	if (p->length > end - data - sizeof(struct ethhdr))
		return 0;
	return floor_transport(p, ip + 1, end);
}

static __always_inline _Bool floor_parse(struct xdp_md *ctx, struct floor_packet *p)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	_Bool good = 0;

	if ((void *)(eth + 1) > end || eth->h_dest[0] & 1)
		return 0;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		good = floor_parse4(p, data, end);
	else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		good = floor_parse6(p, data, end);
	/* Else the compiler would leave out what nobody uses. */
	asm volatile("" ::"r"(p->addresses), "r"(p->ports), "r"((__u32)p->flags));
	return good;
}

static __always_inline int floor_read(struct xdp_md *ctx)
{
	struct floor_packet p = {};

	return floor_parse(ctx, &p) ? XDP_PASS : XDP_DROP;
}

static __always_inline __u64 *floor_move(struct xdp_md *ctx)
{
	void *data;

	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(struct iphdr)))
		return NULL;
	data = (void *)(long)ctx->data;
	return data + FLOOR_OUTER > (void *)(long)ctx->data_end ? NULL : data;
}

static __always_inline int floor_constant(struct xdp_md *ctx)
{
	__u64 *to = floor_move(ctx);

	if (!to)
		return XDP_DROP;
	to[0] = FLOOR_WORD0;
	to[1] = FLOOR_WORD1;
	to[2] = FLOOR_WORD2;
	to[3] = FLOOR_WORD3;
	*(__u16 *)&to[4] = FLOOR_WORD4;
	return XDP_TX;
}

static __always_inline int floor_encapsulate(struct xdp_md *ctx)
{
	struct floor_packet p = {};
	__u64 *to, length, fragment;
	__u32 sum;

	if (!floor_parse(ctx, &p))
		return XDP_DROP;
	to = floor_move(ctx);
	if (!to)
		return XDP_DROP;
	length = bpf_htons(p.length + sizeof(struct iphdr));
	fragment = p.fragment & bpf_htons(0x4000);
	if (fragment)
		p.id = 0;
	sum = FLOOR_SUM + (p.tos << 8) + length + p.id + fragment + (p.inner << 8);
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	to[0] = FLOOR_WORD0;
	to[1] = FLOOR_WORD1 | (__u64)p.tos << 56;
	to[2] = FLOOR_WORD2 | length | (__u64)p.id << 16 | fragment << 32 | (__u64)p.inner << 56;
	to[3] = FLOOR_WORD3 | (__u16)~sum;
	*(__u16 *)&to[4] = FLOOR_WORD4;
	return XDP_TX;
}

#endif
