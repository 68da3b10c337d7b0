/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Step 8: puts the path's header before the IP packet, which is not touched. */
#ifndef BPF_ENCAPSULATE_H
#define BPF_ENCAPSULATE_H

#include "gue.h"
#include "l2.h"
#include "nexthop.h"
#include "outer.h"
#include "pkt.h"
#include "vlan.h"

/* The old Ethernet header is overwritten: the frame grows by what `header` has more than that, and by its tags. */
static __always_inline int make_room(struct pkt *p, const struct tags *tags, __u32 header)
{
	return bpf_xdp_adjust_head(p->ctx, (int)(sizeof(struct ethhdr) + tags->own) -
						   (int)(header + tags->length));
}

static __always_inline enum sl_verdict encapsulate_ipip(struct pkt *p, const struct tags *tags)
{
	bool outer4 = p->path->family == 4;
	void *data;

	if (make_room(p, tags, outer4 ? OUTER4_END : OUTER6_END))
		return SL_DROP_no_headroom;
	data = tags_skip(p, tags);
	/* True for either outer header, since an inner packet has 20 bytes at least; the verifier wants it said. */
	if (data + OUTER6_END > pkt_end(p))
		return SL_DROP_internal;
	write_ipip(p, data, outer4);
	return tags_write(p, tags);
}

static __always_inline enum sl_verdict encapsulate_gue(struct pkt *p, const struct tags *tags)
{
	bool outer4 = p->path->family == 4;
	void *data;

	if (make_room(p, tags, outer4 ? GUE4_END : GUE6_END))
		return SL_DROP_no_headroom;
	data = tags_skip(p, tags);
	/* Likewise; but not IPv6's length for both: behind IPv4's header a last fragment may have less than that. */
	if (outer4) {
		if (data + GUE4_END > pkt_end(p))
			return SL_DROP_internal;
		write_gue4(p, data);
	} else {
		/* With the 8 bytes of the inner packet that a checksum follows from. */
		if (data + GUE6_END + 8 > pkt_end(p))
			return SL_DROP_internal;
		write_gue6(p, data, p->sum_known);
	}
	return tags_write(p, tags);
}

static __always_inline enum sl_verdict encapsulate_l2(struct pkt *p, const struct tags *tags)
{
	void *data;

	if (tags->length != tags->own && make_room(p, tags, sizeof(struct ethhdr)))
		return SL_DROP_no_headroom;
	data = tags_skip(p, tags);
	if (!write_l2(p, data, pkt_end(p)))
		return SL_DROP_internal;
	return tags_write(p, tags);
}

static __always_inline enum sl_verdict encapsulate_tagged(struct pkt *p, const struct tags *tags)
{
	switch (path_encapsulation(p)) {
	case SL_ENCAP_L2:
		return encapsulate_l2(p, tags);
	case SL_ENCAP_GUE:
		return encapsulate_gue(p, tags);
	default:
		return encapsulate_ipip(p, tags);
	}
}

/* Where no frame has tags, they are constants, and nothing is left of them. */
static __always_inline enum sl_verdict encapsulate(struct pkt *p)
{
	struct tags tags = {.own = 0, .length = 0, .bytes = 0};

	if (!KNOB(vlans))
		return encapsulate_tagged(p, &tags);
	tags = tags_out(p);
	return encapsulate_tagged(p, &tags);
}

#endif
