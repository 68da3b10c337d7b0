/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/plan_build.h"

void plan_add(struct plan_builder *b, enum plan_phase phase, struct plan_operation operation,
	      const char *format, ...)
{
	struct plan_list *to = &b->phases[phase];
	va_list args;
	char *text;

	va_start(args, format);
	text = mem_vformat(format, args);
	va_end(args);
	operation.text = arena_string(b->plan->arena, text);
	free(text);
	to->list = mem_grow(to->list, to->count, sizeof(*to->list));
	to->list[to->count++] = operation;
}

void plan_free_record(struct plan_builder *b, uint32_t record, const char *what)
{
	static const struct sl_service none;

	plan_add(b, PHASE_FREE,
		 (struct plan_operation){PLAN_WRITE_SERVICE, record, .service = &none},
		 "%s: record %u is freed", what, record);
}

void plan_free_backend(struct plan_builder *b, uint32_t index, const char *what)
{
	static const struct sl_backend none;

	plan_add(b, PHASE_FREE,
		 (struct plan_operation){PLAN_WRITE_BACKEND, index, .backend = &none},
		 "%s: index %u is freed", what, index);
}

/* ---- what goes ------------------------------------------------------------------------------- */

static void plan_removed_service(struct plan_builder *b, const struct ids_service *service)
{
	char text[ADDR_TEXT_SIZE], *what;
	const struct ids_backend *known;
	size_t count;

	known = ids_backends_of(b->before, service->line, &count);
	for (size_t i = 0; i < count; i++) {
		what = mem_format("service %s: backend %s", service->name,
				  addr_format(&known[i].address, text));

		ids_retire_backend(&b->after, known[i].index);
		plan_free_backend(b, known[i].index, what);
		free(what);
	}
	ids_retire_service(&b->after, service, false);
	b->forgets |= service->tracks;
	what = mem_format("service %s", service->name);
	plan_free_record(b, service->record, what);
	free(what);
	b->plan->services_removed++;
	b->plan->backends_removed += count;
}

/* What a change that was cut off left behind. */
static void plan_leftovers(struct plan_builder *b)
{
	const struct ids *ids = b->before;

	for (uint32_t i = 0; i < sl_service_records(&ids->limits); i++)
		if (ids->records[i] == IDS_RETIRING) {
			plan_free_record(b, i, "left over");
			b->forgets |= b->view->services[i].flags & SL_SERVICE_TRACKS;
		}
	for (uint32_t i = 0; i <= ids->limits.backends; i++)
		if (ids->backends[i] == IDS_RETIRING)
			plan_free_backend(b, i, "left over");
}

/* ---- listeners ------------------------------------------------------------------------------- */

void plan_add_listeners(struct plan_builder *b, const struct config_service *service,
			uint32_t record)
{
	for (size_t i = 0; i < service->listener_count; i++) {
		const struct config_listener *wanted = &service->listeners[i];

		b->listeners = mem_grow(b->listeners, b->listener_count, sizeof(*b->listeners));
		b->listeners[b->listener_count++] = (struct dataplane_listener){
			.address = wanted->address,
			.length = wanted->length,
			.echo = service->echo,
			.port = wanted->port,
			.protocol = wanted->protocol == CONFIG_TCP ? IPPROTO_TCP : IPPROTO_UDP,
			.service = record,
		};
	}
}

/* An address answers echo requests where any of its listeners says so; and so it is read back from the table. */
static void spread_echo(struct dataplane_listener *list, size_t count)
{
	for (size_t i = 0, end; i < count; i = end) {
		bool echo = false;

		for (end = i; end < count && list[end].length == list[i].length &&
			      addr_equal(&list[end].address, &list[i].address);
		     end++)
			echo |= list[end].echo;
		for (size_t j = i; j < end; j++)
			list[j].echo = echo && !dataplane_is_server_id(&list[j]);
	}
}

struct listener_changes {
	size_t added, removed, moved, echo;
};

/* Walks both sorted lists at once. */
static struct listener_changes compare_listeners(struct plan_builder *b)
{
	const struct dataplane_listener *old = b->before->listeners, *new = b->listeners;
	const struct dataplane_listener *old_end = old + b->before->listener_count;
	const struct dataplane_listener *new_end = new + b->listener_count;
	struct listener_changes changes = {};

	while (old < old_end || new < new_end) {
		int order = old == old_end   ? 1
			    : new == new_end ? -1
					     : ids_compare_listeners(old, new);

		if (order || old->service != new->service || old->echo != new->echo) {
			changes.added += order > 0;
			changes.removed += order < 0;
			changes.moved += order == 0 && old->service != new->service;
			changes.echo += order == 0 && old->echo != new->echo;
		}
		old += order <= 0;
		new += order >= 0;
	}
	return changes;
}

static bool has_server_ids(const struct dataplane_listener *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (dataplane_is_server_id(&list[i]))
			return true;
	return false;
}

static void plan_listeners(struct plan_builder *b)
{
	bool ids = has_server_ids(b->listeners, b->listener_count) ||
		   has_server_ids(b->before->listeners, b->before->listener_count);
	struct listener_changes changes;
	struct dataplane_listener *list;
	char echo[48] = "";

	if (b->listener_count)
		qsort(b->listeners, b->listener_count, sizeof(*b->listeners),
		      ids_compare_listeners);
	spread_echo(b->listeners, b->listener_count);
	changes = compare_listeners(b);
	if (!changes.added && !changes.removed && !changes.moved && !changes.echo)
		return;
	if (changes.echo)
		snprintf(echo, sizeof(echo), ", %zu with another echo", changes.echo);
	list = arena_alloc(b->plan->arena, b->listener_count * sizeof(*list) + 1);
	if (b->listener_count)
		memcpy(list, b->listeners, b->listener_count * sizeof(*list));
	plan_add(b, PHASE_LISTENERS,
		 (struct plan_operation){PLAN_WRITE_LISTENERS, .listeners = list,
					 .count = b->listener_count},
		 "%s: %zu added, %zu removed, %zu led to another %s%s; %zu are in force then",
		 ids ? "listeners and server ids" : "listeners", changes.added, changes.removed,
		 changes.moved, ids ? "record or backend" : "record", echo, b->listener_count);
}

/* Listeners as they are, but for server ids of backends whose indices are about to be free. */
static void plan_stale_server_ids(struct plan_builder *b)
{
	const struct ids *ids = b->before;

	for (size_t i = 0; i < ids->listener_count; i++) {
		const struct dataplane_listener *l = &ids->listeners[i];

		if (dataplane_is_server_id(l) &&
		    ids->backends[l->service & ~SL_SERVER_ID_CLOSED] != IDS_USED)
			continue;
		b->listeners = mem_grow(b->listeners, b->listener_count, sizeof(*b->listeners));
		b->listeners[b->listener_count++] = *l;
	}
	plan_listeners(b);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int plan_services(struct plan_builder *b, const struct model *model)
{
	const struct ids *before = b->before;
	int err = 0;

	for (size_t i = 0; i < before->service_count; i++)
		if (!model_find_service(model, before->services[i].name))
			plan_removed_service(b, &before->services[i]);
	for (size_t i = 0; i < model->service_count && !err; i++)
		err = plan_service(b, &model->services[i]);
	if (err)
		return err;
	plan_leftovers(b);
	plan_listeners(b);
	return 0;
}

/* The cache lines of slots that are in force. */
static const bool *lines_in_force(struct plan_builder *b)
{
	uint32_t lines = b->view->limits.slots / SL_HOT_PER_LINE;
	bool *keep = arena_alloc(b->plan->arena, lines * sizeof(*keep));

	for (size_t i = 0; i < b->after.region_count; i++) {
		const struct ids_region *region = &b->after.regions[i];

		for (uint32_t slot = 0; slot < region->slots; slot += SL_HOT_PER_LINE)
			keep[(region->base + slot) / SL_HOT_PER_LINE] = region->state == IDS_USED;
	}
	return keep;
}

static void add_grace(struct plan *plan)
{
	plan->list[plan->count++] = (struct plan_operation){
		PLAN_GRACE, .text = "wait until no packet sees what is no longer in force"};
}

static void add_forgetting(struct plan_builder *b)
{
	b->plan->list[b->plan->count++] = (struct plan_operation){
		PLAN_FORGET_FLOWS, .keep = lines_in_force(b),
		.count = b->view->limits.slots / SL_HOT_PER_LINE,
		.text = "forget the flows of slots that are no longer in force"};
	add_grace(b->plan);
}

/* Joins the phases. What is freed is freed after a grace period, once for all. */
static void join_phases(struct plan_builder *b)
{
	struct plan *plan = b->plan;
	size_t length = 0;

	for (int phase = 0; phase < PHASES; phase++)
		length += b->phases[phase].count;
	plan->list = arena_alloc(plan->arena, (length + 3) * sizeof(*plan->list));
	for (int phase = 0; phase < PHASES; phase++) {
		struct plan_list *from = &b->phases[phase];

		if (phase == PHASE_FREE && from->count) {
			add_grace(plan);
			if (b->forgets)
				add_forgetting(b);
		}
		if (from->count)
			memcpy(plan->list + plan->count, from->list,
			       from->count * sizeof(*from->list));
		plan->count += from->count;
		free(from->list);
	}
	plan->lost = b->phases[PHASE_LOST].count;
	plan->count -= plan->lost;
}

static struct plan_builder begin(const struct dataplane_view *view, const struct ids *ids)
{
	struct arena *arena = arena_new();
	struct plan_builder b = {
		.plan = arena_alloc(arena, sizeof(*b.plan)),
		.view = view,
		.before = ids,
	};

	b.plan->arena = arena;
	ids_copy(ids, &b.after);
	return b;
}

static struct plan *end(struct plan_builder *b)
{
	join_phases(b);
	free(b->ways);
	free(b->listeners);
	ids_free(&b->after);
	return b->plan;
}

int plan_make(const struct model *model, const struct dataplane_view *view, const struct ids *ids,
	      struct tables *tables, struct plan **out, struct problems *p)
{
	struct plan_builder b = begin(view, ids);
	struct plan *plan;
	int err;

	b.tables = tables;
	b.p = p;
	err = plan_services(&b, model);
	plan = end(&b);
	if (err)
		plan_free(plan);
	else
		*out = plan;
	return err;
}

struct plan *plan_make_cleaning(const struct dataplane_view *view, const struct ids *ids)
{
	struct plan_builder b = begin(view, ids);

	plan_leftovers(&b);
	plan_stale_server_ids(&b);
	return end(&b);
}

void plan_free(struct plan *plan)
{
	if (plan)
		arena_free(plan->arena);
}
