/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Step 3: the flow's hash, its slot in the service's Maglev table, and what the slot's hot word says. */
#ifndef BPF_SLOT_H
#define BPF_SLOT_H

#include "maps.h"
#include "pkt.h"

static __always_inline __u64 flow_hash(const struct pkt *p)
{
	__u64 hash;

	if (p->family == 4) {
		hash = sl_hash4(&hash_key, p->source[0], p->destination[0], p->ports, p->protocol);
		/* Else the compiler ends both families' in common, and moves four values for that. */
		PKT_OPAQUE(hash);
		return hash;
	}
	return sl_hash6(&hash_key, p->source, p->destination, p->ports, p->protocol);
}

/*
 * What the slot follows from where that is the packet's source. The entry, the bucket and the outer header's entropy are the
 * flow's in any case.
 */
static __always_inline __u64 source_hash(const struct pkt *p)
{
	return p->family == 4 ? sl_hash_source4(&hash_key, p->source[0], p->destination[0])
			      : sl_hash_source6(&hash_key, p->source, p->destination);
}

static __always_inline enum sl_verdict slot(struct pkt *p)
{
	const struct sl_service *service = p->service;
	__u64 hash = flow_hash(p);
	struct sl_hot_line *line;
	__u32 word, i;

	p->hash = hash;
	if (KNOB(quic) && p->backend_index) { /* its connection id names it */
		p->look = 0;
		return SL_GO_ON;
	}
	if (KNOB(affinity) && service->flags & SL_SERVICE_BY_SOURCE)
		hash = source_hash(p);
	p->slot = service->slots_base + sl_hash_slot(hash, service->slots);
	i = p->slot / SL_HOT_PER_LINE;
	line = bpf_map_lookup_elem(&hot, &i);
	if (!line)
		return SL_DROP_internal;
	word = LOAD(line->word[p->slot % SL_HOT_PER_LINE]);
	p->look = word & SL_HOT_LOOK;
	p->backend_index = word & SL_HOT_NOW;
	return SL_GO_ON;
}

#endif
