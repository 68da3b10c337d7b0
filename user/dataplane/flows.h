/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flow table over memory, mapped or a test's own. */
#ifndef DATAPLANE_FLOWS_H
#define DATAPLANE_FLOWS_H

#include <sluice/flow.h>

#include "dataplane/dataplane.h"

/* Shows every entry of a table of `flows` entries to the visitor, and deletes what it says. */
void flows_scan(struct sl_flow_bucket *buckets, uint32_t flows,
		const struct dataplane_visitor *visitor);

/* Where flows lie in a table of `flows` entries of this host. */
struct flows_places flows_places(const uint8_t host_key[16], uint32_t flows);

/* Looks a flow up by its hash; its data in *out. False: it has no entry. */
bool flows_find(const struct sl_flow_bucket *buckets, const struct flows_places *places,
		uint64_t hash, uint64_t *out);

/*
 * Copies the entries of a table into an empty one of another size, which no packet uses yet. -ENOSPC: some flow finds no
 * room there, wherever the others go. What packets change meanwhile is lost.
 */
int flows_copy(const struct sl_flow_bucket *from, uint32_t flows, struct sl_flow_bucket *to,
	       const struct flows_places *places);

/* How many entries there are that were written at most `ticks` ago. */
uint32_t flows_young(const struct sl_flow_bucket *buckets, uint32_t flows, uint16_t tick,
		     uint16_t ticks);

/* The same into an empty table of the same size and the same places, where every entry stays. */
void flows_copy_same(const struct sl_flow_bucket *from, uint32_t flows, struct sl_flow_bucket *to);

#endif
