/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Step 5: puts the path's header before the IP packet, which is not touched. */
#ifndef BPF_ENCAPSULATE_H
#define BPF_ENCAPSULATE_H

#include "outer.h"
#include "pkt.h"

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
	return SL_GO_ON;
}

#endif
