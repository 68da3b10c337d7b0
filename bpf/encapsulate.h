/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Step 5: puts the path's header before the IP packet, which is not touched. */
#ifndef BPF_ENCAPSULATE_H
#define BPF_ENCAPSULATE_H

#include "gue.h"
#include "l2.h"
#include "outer.h"
#include "pkt.h"

static __always_inline enum sl_verdict encapsulate_ipip(struct pkt *p)
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
		write_ipv4(p, data, inner_protocol(p), p->length);
	else
		write_ipv6(p, data, inner_protocol(p), p->length);
	return SL_GO_ON;
}

static __always_inline enum sl_verdict encapsulate_gue(struct pkt *p)
{
	bool outer4 = p->path->family == 4;
	void *data;

	if (bpf_xdp_adjust_head(p->ctx,
				(int)sizeof(struct ethhdr) - (int)(outer4 ? GUE4_END : GUE6_END)))
		return SL_DROP_no_headroom;
	data = pkt_data(p);
	if (data + GUE6_END + 8 > pkt_end(p))
		return SL_DROP_internal;
	if (outer4)
		write_gue4(p, data);
	else
		write_gue6(p, data, p->sum_known);
	return SL_GO_ON;
}

static __always_inline enum sl_verdict encapsulate(struct pkt *p)
{
	switch (path_encapsulation(p)) {
	case SL_ENCAP_L2:
		return write_l2(p, pkt_data(p), pkt_end(p)) ? SL_GO_ON : SL_DROP_internal;
	case SL_ENCAP_GUE:
		return encapsulate_gue(p);
	default:
		return encapsulate_ipip(p);
	}
}

#endif
