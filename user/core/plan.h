/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From what is wanted (model.h) and what is in force (the maps, and their ids) to the operations
 * that lead from one to the other, each with a sentence for people. Pure: nothing is changed.
 *
 * Between any two operations packets find everything that they can reach in order. So the phases
 * are:
 *
 *	prepare		ways opened, new backends written, paths that are better than before
 *	fill		regions and records of new services, which nothing names yet
 *	listeners	one switch
 *	cold, hot	slots of services that stay, cold words before hot ones
 *	late		paths that are lost, backends that are down: no slot names them by now
 *	free		a grace period, then what nothing names any more is wiped; where flows were
 *			tracked, their entries are deleted before, and another period waited for
 *	lost		paths that are lost, of services that track their flows
 *
 * The slots of services that track their flows are not among the operations, nor are the flags of
 * their backends: a change of theirs goes on for minutes (track.h). The plan only says which tables
 * are wanted. When these are urgent, slots move before the phase `lost`, which apart from the others
 * is done when track.h has had its round.
 *
 * Where nothing differs the plan is empty.
 */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "core/ids.h"
#include "core/model.h"
#include "core/tables.h"
#include "dataplane/dataplane.h"

struct arena;
struct problems;

enum plan_kind {
	PLAN_OPEN_WAY,
	PLAN_CLEAR_COUNTERS,
	PLAN_WRITE_BACKEND,
	PLAN_WRITE_PATH,
	PLAN_WRITE_FLAGS,
	PLAN_WRITE_SERVICE,
	PLAN_WRITE_MSS,
	PLAN_WRITE_QUIC,
	PLAN_WRITE_LISTENERS,
	PLAN_STORE_COLD,
	PLAN_STORE_HOT,
	PLAN_FORGET_FLOWS,
	PLAN_GRACE,
	PLAN_KINDS
};

struct plan_operation {
	enum plan_kind kind;
	uint32_t index; /* of a backend, a record, a line or an interface */
	union {
		const struct sl_service *service; /* all zeros: the record is freed */
		const struct sl_backend *backend; /* all zeros: the index is freed */
		const struct sl_path *path;
		uint32_t flags;
		uint16_t mss;
		uint16_t quic[SL_QUIC_CONFIGS];
		const struct dataplane_store *stores;
		const struct dataplane_listener *listeners;
		const bool *keep; /* [slots / SL_HOT_PER_LINE]: lines of slots whose flows stay */
	};
	size_t count;	  /* of stores or listeners */
	const char *text; /* "service web: 120 of 16381 slots move" */
};

/* The table that a service which tracks its flows is to have; track.h leads there. */
struct plan_table {
	uint32_t base, slots;
	const uint16_t *indices; /* of the backend, by slot */
	uint32_t moved;		 /* slots whose new flows go elsewhere; of these, */
	uint32_t cut;		 /* those of a backend that is taken down: the old ones end, too */
	const char *text;	 /* "service web: 120 of 16381 slots move, their flows stay" */
};

/* Flows of a service that stays which go elsewhere: it does not track them, or its table is replaced. */
struct plan_loss {
	uint32_t line; /* of the service */
	uint32_t moved, slots;
};

struct plan {
	struct arena *arena; /* of everything below */
	struct plan_operation *list;
	size_t count;		   /* of all phases but the last, */
	size_t lost;		   /* and of that one, which follows in the list */
	struct plan_table *tables; /* not among the operations */
	size_t table_count;
	struct plan_loss *losses;
	size_t loss_count;
	uint32_t services_added, services_removed;
	uint32_t backends_added, backends_removed;
	uint32_t slots_total; /* of all services afterwards */
	uint32_t slots_moved; /* of services that stay, whose backend changes */
};

/*
 * Makes a plan. `ids` are those of `view`; tables come from `tables`. Returns 0 and *out, to be
 * freed by plan_free(), or -ENOSPC: what is out of room, and how much there is, is said in `p`.
 */
int plan_make(const struct model *model, const struct dataplane_view *view, const struct ids *ids,
	      struct tables *tables, struct plan **out, struct problems *p);
/*
 * The plan that only frees what changes that were cut off left behind; empty where there is
 * nothing.
 */
struct plan *plan_make_cleaning(const struct dataplane_view *view, const struct ids *ids);
void plan_free(struct plan *plan); /* NULL is fine */

#endif
