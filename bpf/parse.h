/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Step 1: Ethernet, IPv4 (RFC 791, options skipped) or IPv6 (RFC 8200, extension headers walked), up to the
 * ports. What options and extension headers say is for the backend, which answers for the address: also a routing header
 * with segments left, or options that are unknown. Nothing is judged here that a packet to somebody else might get wrong:
 * such packets pass. The step itself, parse(), is in vlan.h, which reads the tags before all that.
 */
#ifndef BPF_PARSE_H
#define BPF_PARSE_H

#include <stdbool.h>

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>

#include <proto/ipv4.h>
#include <proto/ipv6.h>

#include "maps.h"
#include "pkt.h"

/* Extension headers that are read; RFC 8504 section 5.3 lets hosts limit them to about as many. */
#define PARSE_EXTENSIONS 6

static __always_inline bool parse_is_ours(const struct pkt *p)
{
	return p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP;
}

/* A fragment that is not the first one of its packet. */
static __always_inline enum sl_verdict parse_later(struct pkt *p)
{
	p->part = PKT_LATER_FRAGMENT;
	return parse_is_ours(p) ? SL_GO_ON : SL_PASS_other_protocol;
}

/* What comes after the IP headers: every transport here begins with four bytes of ports. */
static __always_inline enum sl_verdict parse_transport(struct pkt *p, void *transport, void *end)
{
	if (!parse_is_ours(p))
		return SL_PASS_other_protocol;
	PKT_OPAQUE(transport);
	if (transport + 8 > end)
		return SL_PASS_unreadable;
	p->transport = transport;
	p->ports = *(__u32 *)transport;
	return SL_GO_ON;
}

static __always_inline enum sl_verdict parse_ipv4(struct pkt *p, void *network, void *end)
{
	struct iphdr *ip = network;
	__u32 first;

	if ((void *)(ip + 1) > end)
		return SL_PASS_unreadable;
	/* Version and header length, judged together: 4, and 5 to 15. */
	first = *(__u8 *)ip;
	if (first < 0x45 || first > 0x4f)
		return SL_PASS_unreadable;
	p->family = 4;
	p->protocol = ip->protocol;
	p->tos = ip->tos;
	p->fragment = ip->frag_off;
	p->id = ip->id;
	p->length = bpf_ntohs(ip->tot_len);
	p->headers = (first & 0xf) * 4;
	p->source[0] = ip->saddr;
	p->destination[0] = ip->daddr;
	if (p->fragment & (IPV4_MF | IPV4_OFFSET)) {
		if (p->fragment & IPV4_OFFSET)
			return parse_later(p);
		p->part = PKT_FIRST_FRAGMENT;
	}
	return parse_transport(p, network + p->headers, end);
}

/* An IPv6 header and PARSE_EXTENSIONS of 2,048 bytes lie within. */
#define PARSE_HEADERS_MASK 0x3fff

/*
 * The same number; but the verifier has forgotten how large it is, so that it need not look at all that comes after once
 * more for each number of headers. `any`: a number that it does not know.
 */
static __always_inline __u32 parse_forget(__u32 headers, __u64 any)
{
	__u64 number = headers + any;

	PKT_OPAQUE(number);
	return (number - any) & PARSE_HEADERS_MASK;
}

/* Walks the extension headers from the end of the fixed header on. */
static __always_inline enum sl_verdict parse_extensions(struct pkt *p, void *network, void *end)
{
	struct ipv6_extension *extension = network + sizeof(struct ipv6hdr);
	__u32 length;

#pragma nounroll
	for (int i = 0; i < PARSE_EXTENSIONS; i++) {
		if ((void *)(extension + 1) > end)
			return SL_PASS_unreadable;
		length = sizeof(*extension);
		if (p->protocol != IPPROTO_FRAGMENT)
			length = ipv6_extension_length(p->protocol, extension);
		else if (extension->fragment & IPV6_OFFSET)
			p->part = PKT_LATER_FRAGMENT;
		else if (extension->fragment & IPV6_MORE)
			p->part = PKT_FIRST_FRAGMENT;
		/* With neither it is whole: an atomic fragment (RFC 6946). */
		p->protocol = extension->next;
		p->headers += length;
		extension = (void *)extension + length;
		if (p->part == PKT_LATER_FRAGMENT || !ipv6_is_extension(p->protocol)) {
			p->headers = parse_forget(p->headers, *(__u32 *)network);
			/* It goes on within other extension headers: of which transport, the first one knows. */
			if (KNOB(fragments) && ipv6_is_extension(p->protocol))
				return SL_GO_ON;
			if (p->part == PKT_LATER_FRAGMENT)
				return parse_later(p);
			return parse_transport(p, network + p->headers, end);
		}
	}
	p->part = PKT_MANY_HEADERS;
	return SL_GO_ON;
}

static __always_inline enum sl_verdict parse_ipv6(struct pkt *p, void *network, void *end)
{
	struct ipv6hdr *ip = network;
	__u64 *address;

	if ((void *)(ip + 1) > end || ip->version != 6)
		return SL_PASS_unreadable;
	p->family = 6;
	p->protocol = ip->nexthdr;
	p->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	p->fragment = IPV4_DF;
	p->length = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	p->headers = sizeof(*ip);
	address = (__u64 *)&ip->saddr;
	p->source64[0] = address[0];
	p->source64[1] = address[1];
	p->destination64[0] = address[2];
	p->destination64[1] = address[3];
	if (ipv6_is_extension(p->protocol))
		return parse_extensions(p, ip, end);
	return parse_transport(p, ip + 1, end);
}

static __always_inline enum sl_verdict parse_network(struct pkt *p, __be16 type, void *network,
						     void *end)
{
	if (type == bpf_htons(ETH_P_IP))
		return parse_ipv4(p, network, end);
	if (type == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(p, network, end);
	if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD))
		return SL_PASS_tagged;
	return SL_PASS_not_ip;
}

/* A frame without tags, or whose tags nobody takes. */
static __always_inline enum sl_verdict parse_untagged(struct pkt *p)
{
	void *data = pkt_data(p), *end = pkt_end(p), *network = data + sizeof(struct ethhdr);

	if (network > end)
		return SL_PASS_unreadable;
	if (*(__u8 *)data & 1)
		return SL_PASS_group; /* else every balancer that a switch floods would send a copy */
	/* Not by struct ethhdr: that is packed, and would be read byte by byte. */
	return parse_network(p, *(__be16 *)(data + offsetof(struct ethhdr, h_proto)), network, end);
}

#endif
