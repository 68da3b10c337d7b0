/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Step 5: puts the path's header before the IP packet and chooses the way out. IP in IP in all four
 * combinations: 4in4 RFC 2003, 6in4 RFC 4213, 4in6 and 6in6 RFC 2473. The inner packet is not touched.
 *
 * The header is composed in 64-bit words: those of the template with what differs by packet put in, so
 * that each byte is stored once. Words are numbered from the Ethernet header's start, which the head's
 * alignment does not guarantee to be aligned; x86-64 and arm64 do not mind.
 */
#ifndef BPF_ENCAPSULATE_H
#define BPF_ENCAPSULATE_H

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

/*
 * IPv4: bytes 15 tos, 16-17 length, 18-19 id, 20-21 flags, 23 protocol, 24-25 checksum. The id matters only
 * where fragments may be made, that is with DF clear: RFC 6864.
 */
static __always_inline void write_outer4(const struct pkt *p, __u64 *to)
{
	const __u64 *from = (const __u64 *)p->path->header;
	__u64 length = bpf_htons(p->length + sizeof(struct iphdr));
	__u64 flags = p->fragment & IPV4_DF;
	__u64 id = flags ? 0 : (__u16)(p->id ^ p->hash);
	__u64 protocol = inner_protocol(p);
	__u32 sum = p->path->checksum4 + (p->tos << 8) + length + id + flags + (protocol << 8);

	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	to[0] = from[0];
	to[1] = from[1] | (__u64)p->tos << 56;
	to[2] = from[2] | length | id << 16 | flags << 32 | protocol << 56;
	to[3] = from[3] | (__u16)~sum;
	*(__u16 *)&to[4] = *(const __u16 *)&from[4];
}

/* IPv6: bytes 14-17 version, traffic class and flow label, 18-19 payload length, 20 next header. */
static __always_inline void write_outer6(const struct pkt *p, __u64 *to)
{
	const __u64 *from = (const __u64 *)p->path->header;
	/* The flow label spreads flows over the receiver's queues and the way's links (RFC 6438). */
	__u64 first = bpf_htonl((__u32)p->tos << 20 | (__u32)(p->hash & 0xfffff));
	__u64 length = bpf_htons(p->length);

	to[0] = from[0];
	to[1] = from[1] | first << 48;
	to[2] = from[2] | first >> 16 | length << 16 | (__u64)inner_protocol(p) << 32;
	to[3] = from[3];
	to[4] = from[4];
	to[5] = from[5];
	*(__u32 *)&to[6] = *(const __u32 *)&from[6];
	*((__u16 *)&to[6] + 2) = *((const __u16 *)&from[6] + 2);
}

static __always_inline enum sl_verdict encapsulate(struct pkt *p)
{
	bool outer4 = p->path->family == 4;
	void *data;

	/* The old Ethernet header is overwritten: the frame grows by the outer IP header alone. */
	if (bpf_xdp_adjust_head(p->ctx,
				outer4 ? -(int)sizeof(struct iphdr) : -(int)sizeof(struct ipv6hdr)))
		return SL_DROP_no_headroom;
	data = pkt_data(p);
	/* True for either outer header, since an inner packet has 28 bytes at least; the verifier wants it said. */
	if (data + OUTER6_END > pkt_end(p))
		return SL_DROP_internal;
	if (outer4)
		write_outer4(p, data);
	else
		write_outer6(p, data);
	if (knobs.redirect && p->path->ifindex != p->ctx->ingress_ifindex)
		return SL_SEND_redirect;
	return SL_SEND_tx;
}

#endif
