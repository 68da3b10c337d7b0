/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Beside the steps: the way home of a packet that shows no flow of its own, but whose backend is known: of an ICMP error by
 * the flow that it quotes (icmp.h), of a later fragment by its packet's first one (fragment.h). What is left of the steps
 * is next hop and outer header.
 */
#ifndef BPF_HOME_H
#define BPF_HOME_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>

#include <proto/ipv4.h>

#include "done.h"
#include "encapsulate.h"
#include "nexthop.h"
#include "pkt.h"

/* Where a packet belongs. */
struct home {
	__u32 hash;    /* the lower half of the flow's */
	__u16 backend; /* SL_NOBODY: the packet has ended */
	__u8 action;   /* by this */
	__u8 tags;     /* of the frame, bytes; of a fragment also HOME_V6 */
};

/* A function that the verifier checks by itself returns nothing but a number. */
union home_number {
	__u64 number;
	struct home is;
};

/* The first so many bytes at a place of the frame, or NULL. The most that icmp_find() says is 25 KB. */
static __always_inline void *home_at(const struct pkt *p, __u32 place, __u32 length)
{
	void *at = pkt_data(p) + (place & 0x7fff);

	PKT_OPAQUE(at);
	return at + length > pkt_end(p) ? NULL : at;
}

/* Which family: 0 or 1 in one register, so that the verifier knows in every branch what it was in the one before. */
static __always_inline __u64 home_is_v6(__u64 v6)
{
	__u64 is_v6 = v6 & 1;

	PKT_OPAQUE(is_v6);
	return is_v6;
}

/* What the steps to a backend need of the packet's own IP header. */
static __always_inline enum sl_verdict home_read(struct pkt *p, __u32 v6)
{
	__u64 is_v6 = home_is_v6(v6);
	struct ipv6hdr *ip6;
	struct iphdr *ip;

	if (!is_v6) {
		ip = home_at(p, pkt_ethernet(p), sizeof(*ip));
		if (!ip)
			return SL_DROP_internal;
		p->family = 4;
		p->tos = ip->tos;
		p->fragment = ip->frag_off;
		p->id = ip->id;
		p->length = bpf_ntohs(ip->tot_len);
		return SL_GO_ON;
	}
	ip6 = home_at(p, pkt_ethernet(p), sizeof(*ip6));
	if (!ip6)
		return SL_DROP_internal;
	p->family = 6;
	p->tos = ip6->priority << 4 | ip6->flow_lbl[0] >> 4;
	p->fragment = IPV4_DF;
	p->length = sizeof(*ip6) + bpf_ntohs(ip6->payload_len);
	return SL_GO_ON;
}

#define HOME_V6		  1
#define HOME_OWN	  2 /* no ICMP error: a fragment of the flow itself (fragment.h) */
#define HOME_SENT_LENGTH  8
#define HOME_SENT_TOO_BIG 0xff /* no XDP action */

/*
 * Sends a packet to its backend; `how`: HOME_V6, HOME_OWN. Returns the XDP action. With HOME_OWN, when it was sent, also its
 * length from bit HOME_SENT_LENGTH on, and it is not counted at its backend yet; or HOME_SENT_TOO_BIG, and nothing is counted.
 */
__noinline int home_send(struct xdp_md *ctx, __u64 number, __u32 how)
{
	union home_number home = {.number = number};
	enum sl_verdict verdict;
	struct pkt p = {0};

	pkt_init(&p, ctx);
	p.hash = home.is.hash;
	p.backend_index = home.is.backend;
	if (KNOB(vlans))
		p.tags = home.is.tags & (SL_TAG | 2 * SL_TAG);
	verdict = home_read(&p, how & HOME_V6);
	/* Outer packets of one packet's fragments are different packets, if they should be cut in pieces, too. */
	if (KNOB(fragments) && how & HOME_OWN)
		p.id ^= p.fragment & IPV4_OFFSET;
	verdict || (verdict = nexthop(&p)) || (verdict = encapsulate(&p));
	if (KNOB(fragments) && verdict == SL_DROP_too_big && how & HOME_OWN)
		return HOME_SENT_TOO_BIG;
	if (verdict) {
		p.service_line = p.backend ? p.backend->service : 0;
		return ended(&p, verdict, counter_row());
	}
	if (!KNOB(fragments) || !(how & HOME_OWN))
		count_verdict(counter_row(), SL_SEND_icmp_error);
	else if (!is_way_back(&p))
		count_verdict(counter_row(), SL_SEND_redirect);
	return (is_way_back(&p) ? XDP_TX : bpf_redirect_map(&egress, p.path->ifindex, XDP_DROP)) |
	       (how & HOME_OWN ? p.length << HOME_SENT_LENGTH : 0);
}

#endif
