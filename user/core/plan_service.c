/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operations of one service that is wanted: its table and its record; plan_backends.c has its backends. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "core/plan_build.h"
#include "core/slots.h"

/* ---- slots ----------------------------------------------------------------------------------- */

/* Builds the table, in indices. */
static int build_table(struct service_plan *s)
{
	const struct model_service *service = s->wanted;
	struct maglev_member *members = mem_array(service->backend_count, sizeof(*members));
	uint32_t size = service->config->table_size;
	const uint16_t *positions;

	for (size_t i = 0; i < service->backend_count; i++)
		members[i] = (struct maglev_member){
			.address = service->backends[i].address,
			.weight = service->backends[i].effective_weight,
		};
	positions = tables_get(s->b->tables, service->name, members, service->backend_count, size);
	free(members);
	if (!positions)
		return problems_add(
			s->b->p, -EINVAL, "services.table-size", NULL,
			"service %s: a table of %u slots cannot be built; give it a prime",
			service->name, size);
	for (uint32_t i = 0; i < size; i++)
		s->table[i] = positions[i] == MAGLEV_NONE ? SL_NOBODY : s->indices[positions[i]];
	return 0;
}

static void add_stores(struct service_plan *s, enum plan_phase phase, enum plan_kind kind,
		       const struct dataplane_store *stores, size_t count, const char *does)
{
	struct plan_builder *b = s->b;
	struct dataplane_store *list;

	if (!count)
		return;
	list = arena_alloc(b->plan->arena, count * sizeof(*list));
	memcpy(list, stores, count * sizeof(*list));
	plan_add(b, phase, (struct plan_operation){kind, s->record, .stores = list, .count = count},
		 "service %s: %zu of %u slots %s", s->wanted->name, count,
		 s->wanted->config->table_size, does);
}

static void add_loss(struct service_plan *s, uint32_t moved)
{
	struct plan *plan = s->b->plan;
	struct plan_loss *list;

	if (!moved)
		return;
	list = arena_alloc(plan->arena, (plan->loss_count + 1) * sizeof(*list));
	if (plan->loss_count)
		memcpy(list, plan->losses, plan->loss_count * sizeof(*list));
	list[plan->loss_count++] =
		(struct plan_loss){s->line, moved, s->wanted->config->table_size};
	plan->losses = list;
	plan->slots_moved += moved;
}

/*
 * Stores whatever differs from the table; `present` false: what is in the region now means nothing.
 */
static void plan_slots(struct service_plan *s, bool present)
{
	const struct dataplane_view *view = s->b->view;
	uint32_t size = s->wanted->config->table_size;
	struct dataplane_store *cold = mem_array(size, sizeof(*cold));
	struct dataplane_store *hot = mem_array(size, sizeof(*hot));
	size_t colds = 0, hots = 0;
	uint32_t moved = 0;

	for (uint32_t i = 0; i < size; i++) {
		uint32_t slot = s->base + i;
		struct slot_words words = {dataplane_hot(view, slot), dataplane_cold(view, slot)};
		struct slot_change change;

		if (slot_is_at(words, s->table[i]))
			continue;
		change = slot_change(SLOT_MOVE_FLOWS, words, s->table[i]);
		if (change.store_cold)
			cold[colds++] = (struct dataplane_store){slot, change.words.cold};
		if (change.store_hot)
			hot[hots++] = (struct dataplane_store){slot, change.words.hot};
		moved += present && slot_now(words) != s->table[i];
	}
	add_loss(s, moved);
	add_stores(s, present ? PHASE_COLD : PHASE_FILL, PLAN_STORE_COLD, cold, colds,
		   present ? "are prepared to move" : "are prepared");
	add_stores(s, present ? PHASE_HOT : PHASE_FILL, PLAN_STORE_HOT, hot, hots,
		   present ? "move" : "are filled");
	free(cold);
	free(hot);
}

/* By index: backends that the administrator takes down, whose flows end; NULL: there are none. The caller frees it. */
static bool *find_disabled(const struct service_plan *s)
{
	bool *list = NULL;

	for (size_t i = 0; i < s->wanted->backend_count; i++) {
		if (s->wanted->backends[i].reason != MODEL_DISABLED)
			continue;
		if (!list)
			list = mem_array((size_t)s->b->view->limits.backends + 1, sizeof(*list));
		list[s->indices[i]] = true;
	}
	return list;
}

static const char *table_text(const struct service_plan *s, const struct plan_table *table)
{
	const char *end = "their live flows stay where they are";

	if (table->cut)
		end = arena_format(s->b->plan->arena,
				   "live flows of %u of them end, since their backend is taken "
				   "down, others stay where they are",
				   table->cut);
	return arena_format(s->b->plan->arena, "service %s: %u of %u slots move, step by step; %s",
			    s->wanted->name, table->moved, table->slots, end);
}

/* Says which table is wanted; track.h leads there, and keeps the flows. */
static void want_table(struct service_plan *s)
{
	bool *disabled = find_disabled(s);
	struct plan *plan = s->b->plan;
	uint32_t size = s->wanted->config->table_size;
	uint16_t *indices = arena_alloc(plan->arena, size * sizeof(*indices));
	struct plan_table *table, *list;

	list = arena_alloc(plan->arena, (plan->table_count + 1) * sizeof(*list));
	if (plan->table_count)
		memcpy(list, plan->tables, plan->table_count * sizeof(*list));
	plan->tables = list;
	table = &list[plan->table_count++];
	memcpy(indices, s->table, size * sizeof(*indices));
	*table = (struct plan_table){.base = s->base, .slots = size, .indices = indices};
	for (uint32_t i = 0; i < size; i++) {
		uint32_t now = dataplane_hot(s->b->view, s->base + i) & SL_HOT_NOW;

		table->moved += now != indices[i];
		table->cut += disabled && now <= s->b->view->limits.backends && disabled[now];
	}
	free(disabled);
	plan->slots_moved += table->moved;
	table->text = table_text(s, table);
}

/* ---- the record ------------------------------------------------------------------------------ */

static int refuse_service(struct service_plan *s)
{
	struct ids_room room = ids_room_lines(&s->b->after);
	char all[16];

	snprintf(all, sizeof(all), "%u", room.all);
	return problems_add(
		s->b->p, -ENOSPC, "limits.services", all,
		"none is left for service %s; %u become free when what this change removes "
		"is gone: raise the limit, which takes a restart, or remove first and add "
		"then",
		s->wanted->name, room.retiring);
}

static int refuse_region(struct service_plan *s)
{
	struct ids_room room = ids_room_slots(&s->b->after);
	char all[16];

	snprintf(all, sizeof(all), "%u", room.all);
	return problems_add(
		s->b->p, -ENOSPC, "limits.maglev-slots", all,
		"no hole has the %u slots of service %s: %u are free, the largest hole has "
		"%u, and %u become free when what this change removes is gone; take a smaller "
		"table-size, raise the limit, which takes a restart, or remove first and add "
		"then",
		s->wanted->config->table_size, s->wanted->name, room.free, room.largest,
		room.retiring);
}

/* The flows that another table moves, as slots of the new one: all, where something else is hashed. */
static uint32_t count_moved(const struct service_plan *s)
{
	uint32_t size = s->wanted->config->table_size, moved = 0;

	if ((s->old->flags ^ s->flags) & SL_SERVICE_BY_SOURCE)
		return size;
	for (uint32_t i = 0; i < size; i++) {
		uint32_t slot = s->old->base + (uint64_t)i * s->old->slots / size;

		moved += (dataplane_hot(s->b->view, slot) & SL_HOT_NOW) != s->table[i];
	}
	return moved;
}

/* Writes a new record over a region that is filled already. */
static void plan_record(struct service_plan *s)
{
	struct plan_builder *b = s->b;
	struct sl_service *value = arena_alloc(b->plan->arena, sizeof(*value));

	value->slots_base = s->base;
	value->slots = s->wanted->config->table_size;
	value->counters = s->line;
	value->idle_ticks = dataplane_ticks(b->view, s->wanted->config->idle_timeout_ms);
	value->flags = s->flags;
	value->mss = s->wanted->config->mss_clamp;
	plan_quic_words(s->wanted->config, value->quic);
	snprintf(value->name, sizeof(value->name), "%s", s->wanted->name);
	if (!s->old)
		plan_add(b, PHASE_FILL,
			 (struct plan_operation){.kind = PLAN_CLEAR_COUNTERS, .index = s->line},
			 "service %s: counters begin at 0", value->name);
	plan_add(b, PHASE_FILL,
		 (struct plan_operation){PLAN_WRITE_SERVICE, s->record, .service = value},
		 "service %s: record %u has %u slots from %u on", value->name, s->record,
		 value->slots, value->slots_base);
}

static int plan_new_table(struct service_plan *s)
{
	char *what;

	/* There are twice as many records as services: one is left wherever a line was. */
	if (ids_take_record(&s->b->after, &s->record))
		return refuse_service(s);
	if (ids_take_region(&s->b->after, s->wanted->config->table_size, &s->base))
		return refuse_region(s);
	plan_slots(s, false);
	plan_record(s);
	if (!s->old)
		return 0;
	add_loss(s, count_moved(s));
	ids_retire_service(&s->b->after, s->old, true);
	s->b->forgets |= s->old->tracks;
	what = mem_format("service %s: the former table of %u slots", s->wanted->name,
			  s->old->slots);
	plan_free_record(s->b, s->old->record, what);
	free(what);
	return 0;
}

/* A field of a record in force that a change writes, by one store; so are the next one's words. */
static void plan_mss(struct service_plan *s)
{
	uint16_t mss = s->wanted->config->mss_clamp;

	if (s->b->view->services[s->record].mss == mss)
		return;
	plan_add(s->b, PHASE_LATE, (struct plan_operation){PLAN_WRITE_MSS, s->record, .mss = mss},
		 mss ? "service %s: the MSS of SYNs is lowered to %u"
		     : "service %s: the MSS of SYNs is left as it is",
		 s->wanted->name, mss);
}

static void plan_quic(struct service_plan *s)
{
	struct plan_operation o = {.kind = PLAN_WRITE_QUIC, .index = s->record};

	plan_quic_words(s->wanted->config, o.quic);
	if (memcmp(s->b->view->services[s->record].quic, o.quic, sizeof(o.quic)))
		plan_add(s->b, PHASE_LATE, o,
			 "service %s: its connection ids are read as configured now",
			 s->wanted->name);
}

static int plan_table(struct service_plan *s)
{
	uint32_t size = s->wanted->config->table_size;
	int err = build_table(s);

	if (err)
		return err;
	s->b->plan->slots_total += size;
	if (!s->old || s->old->slots != size || s->old->flags != s->flags)
		return plan_new_table(s);
	s->record = s->old->record;
	s->base = s->old->base;
	plan_mss(s);
	plan_quic(s);
	if (s->tracks)
		want_table(s);
	else
		plan_slots(s, true);
	return 0;
}

static uint16_t flags_of(const struct config_service *service)
{
	return (service->tracking == CONFIG_TRACKING_CHANGES ? SL_SERVICE_TRACKS : 0) |
	       (service->affinity == CONFIG_AFFINITY_SOURCE ? SL_SERVICE_BY_SOURCE : 0) |
	       (service->affinity == CONFIG_AFFINITY_QUIC ? SL_SERVICE_QUIC : 0);
}

int plan_service(struct plan_builder *b, const struct model_service *service)
{
	struct service_plan s = {
		.b = b,
		.wanted = service,
		.old = ids_find_service(b->before, service->name),
		.indices = mem_array(service->backend_count, sizeof(*s.indices)),
		.table = mem_array(service->config->table_size, sizeof(*s.table)),
		.flags = flags_of(service->config),
	};
	int err = 0;

	s.tracks = s.flags & SL_SERVICE_TRACKS;
	if (s.old)
		s.line = s.old->line;
	else if (ids_take_line(&b->after, &s.line))
		err = refuse_service(&s);
	if (!err)
		err = plan_backends(&s);
	if (!err)
		err = plan_table(&s);
	if (!err) {
		plan_add_listeners(b, service->config, s.record);
		plan_add_server_ids(b, service, s.old, s.record, s.indices);
		b->plan->services_added += !s.old;
	}
	free(s.indices);
	free(s.table);
	return err;
}
