/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Step 6: the way to the backend, and whether the packet fits it. */
#ifndef BPF_NEXTHOP_H
#define BPF_NEXTHOP_H

#include "maps.h"
#include "pkt.h"

/* How the packet goes there; a constant in a program that was loaded for ipip alone. */
static __always_inline enum sl_encapsulation path_encapsulation(const struct pkt *p)
{
	return KNOB(encaps) ? p->path->encapsulation : SL_ENCAP_IPIP;
}

/* Writes the path's two MAC addresses, 12 bytes, where a frame begins. */
static __always_inline void path_write_macs(const struct pkt *p, void *frame)
{
	const void *from = p->path->header;

	*(__u64 *)frame = *(const __u64 *)from;
	*(__u32 *)(frame + 8) = *(const __u32 *)(from + 8);
}

static __always_inline enum sl_verdict nexthop(struct pkt *p)
{
	p->backend = bpf_map_lookup_elem(&backends, &p->backend_index);
	if (!p->backend)
		return SL_DROP_internal;
	/* One load picks the version in force; a spare is rewritten only after a grace period. */
	p->path = &p->backend->path[LOAD(p->backend->active) & 1];
	if (!p->path->ifindex)
		return SL_DROP_no_nexthop;
	return p->length > p->path->inner_max ? SL_DROP_too_big : SL_GO_ON;
}

#endif
