/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operations of the backends of one service that is wanted. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "core/plan_build.h"

static int refuse_backend(struct service_plan *s, const struct addr *address)
{
	struct ids_room room = ids_room_backends(&s->b->after);
	char text[ADDR_TEXT_SIZE], all[16];

	snprintf(all, sizeof(all), "%u", room.all);
	return problems_add(
		s->b->p, -ENOSPC, "limits.backends", all,
		"none is left for backend %s of service %s; %u become free when what this "
		"change removes is gone: raise the limit, which takes a restart, or remove "
		"first and add then",
		addr_format(address, text), s->wanted->name, room.retiring);
}

/* A way out is opened before the first path over it. */
static void open_way(struct plan_builder *b, const struct model_backend *backend)
{
	uint32_t ifindex = backend->path.ifindex;

	if (!ifindex)
		return;
	for (size_t i = 0; i < b->way_count; i++)
		if (b->ways[i] == ifindex)
			return;
	b->ways = mem_grow(b->ways, b->way_count, sizeof(*b->ways));
	b->ways[b->way_count++] = ifindex;
	plan_add(b, PHASE_PREPARE, (struct plan_operation){.kind = PLAN_OPEN_WAY, .index = ifindex},
		 "interface %s (index %u): packets may leave by it", net_way_out(&backend->way),
		 ifindex);
}

/* Nothing is there yet that would have to be led away in order. */
static uint32_t new_flags(enum model_reason reason)
{
	return model_flags(reason) | (model_health(reason) == TRACK_DEAD ? SL_BACKEND_DEAD : 0);
}

static void plan_new_backend(struct service_plan *s, const struct model_backend *wanted,
			     uint32_t index)
{
	struct plan_builder *b = s->b;
	struct sl_backend *value = arena_alloc(b->plan->arena, sizeof(*value));
	uint32_t line = sl_counter_backends(&b->view->limits) + index;
	char text[ADDR_TEXT_SIZE];

	*value = (struct sl_backend){
		.flags = s->tracks ? new_flags(wanted->reason) : model_flags(wanted->reason),
		.service = s->line,
		.family = wanted->address.family,
		.path[0] = wanted->path,
	};
	memcpy(value->address, wanted->address.bytes, sizeof(value->address));
	addr_format(&wanted->address, text);
	open_way(b, wanted);
	plan_add(b, PHASE_PREPARE,
		 (struct plan_operation){.kind = PLAN_CLEAR_COUNTERS, .index = line},
		 "service %s: backend %s: counters begin at 0", s->wanted->name, text);
	plan_add(b, PHASE_PREPARE,
		 (struct plan_operation){PLAN_WRITE_BACKEND, index, .backend = value},
		 "service %s: backend %s gets index %u", s->wanted->name, text, index);
	b->plan->backends_added++;
}

/*
 * A path that is lost, and a flag that is set, come after the slots; what gets better comes before
 * them.
 */
static void plan_known_backend(struct service_plan *s, const struct model_backend *wanted,
			       uint32_t index)
{
	struct plan_builder *b = s->b;
	const struct sl_backend *present = &b->view->backends[index];
	const struct sl_path *path = &present->path[present->active & 1];
	uint32_t flags = model_flags(wanted->reason);
	char text[ADDR_TEXT_SIZE];

	addr_format(&wanted->address, text);
	if (memcmp(path, &wanted->path, sizeof(*path))) {
		struct sl_path *value = arena_alloc(b->plan->arena, sizeof(*value));
		bool is_lost = !wanted->path.ifindex;

		*value = wanted->path;
		open_way(b, wanted);
		plan_add(b, is_lost ? (s->tracks ? PHASE_LOST : PHASE_LATE) : PHASE_PREPARE,
			 (struct plan_operation){PLAN_WRITE_PATH, index, .path = value},
			 "service %s: backend %s %s%s", s->wanted->name, text,
			 is_lost ? "has no way" : "is reached over ",
			 is_lost ? "" : wanted->way.device);
	}
	if (flags != present->flags && !s->tracks)
		plan_add(b, flags & ~present->flags ? PHASE_LATE : PHASE_PREPARE,
			 (struct plan_operation){PLAN_WRITE_FLAGS, index, .flags = flags},
			 "service %s: backend %s is %s", s->wanted->name, text,
			 flags & SL_BACKEND_DOWN ? "down" : "no longer down");
}

/* Its flows may end first: nothing is freed here. */
static void plan_leaving_backend(struct service_plan *s, const struct ids_backend *known)
{
	const struct model_backend *leaving = model_find_leaving(s->wanted, &known->address);

	if (!leaving)
		return;
	plan_known_backend(s, leaving, known->index);
	s->b->plan->backends_removed += !leaving->leaves_already;
}

static void plan_removed_backend(struct service_plan *s, const struct ids_backend *known)
{
	char text[ADDR_TEXT_SIZE];
	char *what;

	if (s->tracks) {
		plan_leaving_backend(s, known);
		return;
	}
	what = mem_format("service %s: backend %s", s->wanted->name,
			  addr_format(&known->address, text));
	ids_retire_backend(&s->b->after, known->index);
	plan_free_backend(s->b, known->index, what);
	s->b->plan->backends_removed++;
	free(what);
}

/* Walks the wanted and the known backends, both sorted by address. */
int plan_backends(struct service_plan *s)
{
	const struct model_service *service = s->wanted;
	const struct ids_backend *known, *end;
	size_t count = 0;

	known = ids_backends_of(s->b->before, s->line, &count);
	end = known + count;
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct model_backend *wanted = &service->backends[i];
		uint32_t index;

		while (known < end && addr_compare(&known->address, &wanted->address) < 0)
			plan_removed_backend(s, known++);
		if (known < end && addr_equal(&known->address, &wanted->address)) {
			index = known++->index;
			plan_known_backend(s, wanted, index);
		} else {
			if (ids_take_backend(&s->b->after, &index))
				return refuse_backend(s, &wanted->address);
			plan_new_backend(s, wanted, index);
		}
		s->indices[i] = index;
	}
	while (known < end)
		plan_removed_backend(s, known++);
	return 0;
}
