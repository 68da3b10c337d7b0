/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes on after a change of a service that tracks its flows: planned changes are gathered for a
 * moment, slots go their way (track.h), drains have their end, and the indices of backends that left
 * become free.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "core/engine_state.h"

#define TICK_MS 1000 /* between two rounds at most */
#define HOLD_MS 4000
#define SCAN_MS 10000
/*
 * A rolling restart is one change and not fifty: it is made when nothing has been added to it for a while, and soon
 * enough that a drain takes effect within 5 s, the hold included.
 */
#define GATHER_MS     300
#define GATHER_MAX_MS 800

/* ---- regions --------------------------------------------------------------------------------- */

static bool is_in_force(const void *arg, uint32_t base)
{
	const struct ids *ids = arg;

	for (size_t i = 0; i < ids->service_count; i++)
		if (ids->services[i].base == base)
			return ids->services[i].tracks;
	return false;
}

/* Of a service that the configuration does not have (yet), T is what its record says. */
static uint16_t idle_ticks_of(const struct engine *engine, const struct ids_service *service)
{
	const struct model_service *wanted = model_find_service(engine->model, service->name);

	return wanted ? dataplane_ticks(engine->options.view, wanted->config->idle_timeout_ms)
		      : service->idle_ticks;
}

/*
 * What was true of a backend is not of whoever gets its index next. The indices of a service that is removed, or tracks
 * its flows no more, become free at once, and another service may have them before anybody else asks.
 */
static void forget_others(struct engine *engine)
{
	const struct ids *ids = &engine->ids;
	bool *is_tracked = mem_array((size_t)ids->limits.backends + 1, sizeof(*is_tracked));

	for (size_t i = 0; i < ids->service_count; i++) {
		const struct ids_backend *known;
		size_t count;

		known = ids_backends_of(ids, ids->services[i].line, &count);
		for (size_t b = 0; b < count; b++)
			is_tracked[known[b].index] = ids->services[i].tracks;
	}
	for (uint32_t index = 1; index <= ids->limits.backends; index++) {
		if (is_tracked[index])
			continue;
		track_forget(engine->track, index);
		engine->drains[index] = (struct engine_drain){};
		engine->clocks[index] = (struct engine_clock){};
	}
	free(is_tracked);
}

static void adopt_regions(struct engine *engine)
{
	const struct ids *ids = &engine->ids;

	forget_others(engine);

	track_sweep(engine->track, is_in_force, ids);
	track_watch_none(engine->track);
	for (size_t i = 0; i < ids->service_count; i++) {
		const struct ids_service *service = &ids->services[i];
		struct track_region region = {
			.record = service->record,
			.line = service->line,
			.base = service->base,
			.slots = service->slots,
			.idle_ticks = idle_ticks_of(engine, service),
		};

		if (service->tracks)
			track_adopt(engine->track, &region);
		else
			track_watch(engine->track, service->base, service->slots);
	}
}

void engine_track_start(struct engine *engine)
{
	const struct dataplane_view *view = engine->options.view;
	const struct track_times times = {
		.hold = dataplane_units(view, HOLD_MS),
		.scan = dataplane_units(view, SCAN_MS),
	};

	engine->track = track_new(view, times);
	engine->due_ms = engine->options.now_ms;
	engine->dead_due_ms = UINT64_MAX;
	engine_tell_astray(engine);
	adopt_regions(engine);
}

/* ---- backends -------------------------------------------------------------------------------- */

/* Walks the wanted and the known backends, both sorted by address. */
static bool tell_backends(struct engine *engine, const struct ids_service *service,
			  const struct model_service *wanted, const struct model_backend *list,
			  size_t count, uint64_t now_ms)
{
	const struct ids_backend *known, *end;
	bool is_worse = false;
	size_t known_count;

	known = ids_backends_of(&engine->ids, service->line, &known_count);
	end = known + known_count;
	for (size_t i = 0; i < count; i++) {
		while (known < end && addr_compare(&known->address, &list[i].address) < 0)
			known++;
		if (known == end || !addr_equal(&known->address, &list[i].address))
			continue;
		track_leave(engine->track, known->index, list[i].leaves);
		is_worse |= track_backend(
			engine->track, known->index,
			engine_clock_health(engine, wanted, &list[i], known->index, now_ms));
	}
	return is_worse;
}

/* Tells track.h how all backends are; whether some are worse than before. */
static bool tell_health(struct engine *engine, uint64_t now_ms)
{
	bool is_worse = false;

	engine->dead_due_ms = UINT64_MAX;
	for (size_t i = 0; i < engine->ids.service_count; i++) {
		const struct ids_service *service = &engine->ids.services[i];
		const struct model_service *wanted =
			model_find_service(engine->model, service->name);

		if (!service->tracks || !wanted)
			continue;
		is_worse |= tell_backends(engine, service, wanted, wanted->backends,
					  wanted->backend_count, now_ms);
		is_worse |= tell_backends(engine, service, wanted, wanted->leaving,
					  wanted->leaving_count, now_ms);
	}
	return is_worse;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

/* People are told when it begins and when it ends. */
static void note_error(struct engine *engine, int err)
{
	bool is_news = !err != !engine->track_error;
	char *problem;

	engine->track_error = err;
	problem = engine_track_problem(engine);
	if (is_news)
		engine_tell(
			engine, problem ? ENGINE_STUCK : ENGINE_GOES_ON, NULL, NULL,
			mem_format("flow tracking: %s", problem ? problem : "slots go on again"));
	free(problem);
}

static void run_round(struct engine *engine, uint64_t now_ms)
{
	uint64_t unit_ns = dataplane_unit_ns(engine->options.view);
	uint64_t due_ms;
	uint32_t left;

	note_error(engine,
		   track_run(engine->track, engine->options.ops, engine->options.dataplane));
	if (engine->track_error || !track_due(engine->track, &left))
		return;
	due_ms = now_ms + (left * unit_ns + 999999) / 1000000;
	if (due_ms < engine->due_ms)
		engine->due_ms = due_ms;
}

/* `adds`: a planned change has come that is another one than before. */
static void note_gathering(struct engine *engine, bool adds, uint64_t now_ms)
{
	bool is_gathering = track_is_gathering(engine->track);

	if (is_gathering && !engine->is_gathering)
		engine->gathering_since_ms = engine->gathered_ms = now_ms;
	if (adds)
		engine->gathered_ms = now_ms;
	engine->is_gathering = is_gathering;
}

/* When what is gathered is put in force. */
static uint64_t release_ms(const struct engine *engine)
{
	uint64_t quiet_ms = engine->gathered_ms + GATHER_MS;
	uint64_t max_ms = engine->gathering_since_ms + GATHER_MAX_MS;

	return quiet_ms < max_ms ? quiet_ms : max_ms;
}

void engine_track_follow(struct engine *engine, const struct plan *plan, uint64_t now_ms)
{
	bool is_urgent, adds = false;

	adopt_regions(engine);
	is_urgent = tell_health(engine, now_ms);
	for (size_t i = 0; plan && i < plan->table_count; i++)
		adds |= track_want(engine->track, plan->tables[i].base, plan->tables[i].indices,
				   is_urgent);
	note_gathering(engine, adds, now_ms);
	run_round(engine, now_ms);
}

/*
 * Whether connections may be at a backend that has neither slots nor entries: those whose ids name it have none, and it
 * is not known when they end. They have the drain's time.
 */
static bool is_named_by_ids(const struct engine *engine, const struct ids_service *service,
			    uint32_t index, uint64_t now_ms)
{
	const struct model_service *wanted = model_find_service(engine->model, service->name);

	return service->flags & SL_SERVICE_QUIC && wanted &&
	       !engine_is_drain_over(&engine->drains[index], wanted->config, now_ms);
}

/* ---- what waits for time --------------------------------------------------------------------- */

/* Whether any backend of a service is gone. */
static bool retire_gone(struct engine *engine, const struct ids_service *service, uint64_t now_ms)
{
	const struct ids_backend *known;
	struct addr *gone = NULL;
	size_t count, gone_count = 0;

	known = ids_backends_of(&engine->ids, service->line, &count);
	for (size_t i = 0; i < count; i++) {
		if (!track_is_gone(engine->track, known[i].index) ||
		    is_named_by_ids(engine, service, known[i].index, now_ms))
			continue;
		ids_retire_backend(&engine->ids, known[i].index);
		gone = mem_grow(gone, gone_count, sizeof(*gone));
		gone[gone_count++] = known[i].address;
	}
	if (gone_count)
		model_remove_leaving(engine->model, service->name, gone, gone_count);
	free(gone);
	return gone_count > 0;
}

/* Frees the indices that nothing names any more. */
static void free_gone(struct engine *engine, uint64_t now_ms)
{
	const struct dataplane_view *view = engine->options.view;
	bool is_any = false;

	for (size_t i = 0; i < engine->ids.service_count; i++)
		is_any |= retire_gone(engine, &engine->ids.services[i], now_ms);
	if (!is_any)
		return;
	engine_clean(engine);
	for (uint32_t index = 1; index <= view->limits.backends; index++)
		if (track_is_gone(engine->track, index) && !view->backends[index].family) {
			track_forget(engine->track, index);
			engine->drains[index] = (struct engine_drain){};
			engine->clocks[index] = (struct engine_clock){};
		}
}

unsigned int engine_track_tick(struct engine *engine, uint64_t now_ms)
{
	engine_tell_drains(engine, now_ms); /* before those that are over are let go */
	tell_health(engine, now_ms);
	note_gathering(engine, false, now_ms);
	if (engine->is_gathering && now_ms >= release_ms(engine)) {
		track_release(engine->track);
		engine->is_gathering = false;
	}
	engine->due_ms = now_ms + TICK_MS;
	run_round(engine, now_ms);
	free_gone(engine, now_ms);
	engine_tell_crowded(engine, now_ms);
	if (engine_mend(engine, now_ms)) {
		adopt_regions(engine);
		run_round(engine, now_ms);
		engine->is_behind = true;
	}
	return engine_due(engine, now_ms);
}

unsigned int engine_due(const struct engine *engine, uint64_t now_ms)
{
	uint64_t due_ms = engine->due_ms;

	if (engine->is_gathering && release_ms(engine) < due_ms)
		due_ms = release_ms(engine);
	if (engine->dead_due_ms < due_ms)
		due_ms = engine->dead_due_ms;
	return due_ms > now_ms ? due_ms - now_ms : 0;
}

/* ---- looking --------------------------------------------------------------------------------- */

bool engine_service_slots(const struct engine *engine, const char *service,
			  struct engine_slots *out)
{
	const struct ids_service *found = ids_find_service(&engine->ids, service);
	uint64_t unit_ns = dataplane_unit_ns(engine->options.view);
	struct track_state state;
	uint32_t now;

	if (!found || !track_state(engine->track, found->base, &state))
		return false;
	*out = (struct engine_slots){
		.stable = state.stable,
		.moving = state.moving,
		.settling = state.settling,
		.crowded = state.crowded,
	};
	if (!state.is_open || engine->options.ops->clock(engine->options.dataplane, &now))
		return true;
	out->open_ms = (now - state.opened) * unit_ns / 1000000;
	if (!state.has_window)
		return true;
	out->since_ms = (now - state.since) * unit_ns / 1000000;
	if ((int32_t)(state.until - now) > 0)
		out->left_ms = (state.until - now) * unit_ns / 1000000;
	return true;
}

/*
 * Without a slot that names it, only entries keep flows there, and these are in slots that settle: none there, or
 * none in a scan that came after the last such slot began to settle.
 */
static bool is_held(const struct engine *engine, const struct engine_backend_place *place,
		    uint32_t entries)
{
	struct track_scans scans = track_scans(engine->track);

	if (place->slots || place->bases)
		return true;
	return place->is_open && (entries || !scans.count || scans.is_stale);
}

struct engine_holding engine_holding(const struct engine *engine, const char *service,
				     const struct engine_backend_place *place, uint64_t now_ms)
{
	const struct model_service *wanted = model_find_service(engine->model, service);
	const struct ids_service *known = ids_find_service(&engine->ids, service);
	struct engine_holding holding = {.leaves = track_leaves(engine->track, place->index)};

	holding.entries = track_entries(engine->track, place->index, &holding.live);
	holding.holds = is_held(engine, place, holding.entries) ||
			(known && engine->drains[place->index].is_on &&
			 is_named_by_ids(engine, known, place->index, now_ms));
	engine_clock_look(engine, place->index, wanted ? wanted->config : NULL, now_ms, &holding);
	return holding;
}

struct track_scans engine_scans(const struct engine *engine)
{
	return track_scans(engine->track);
}

bool engine_scanned_ms(const struct engine *engine, uint64_t *ago)
{
	struct track_scans scans = track_scans(engine->track);
	uint32_t now;

	if (!scans.count || engine->options.ops->clock(engine->options.dataplane, &now))
		return false;
	*ago = (now - scans.last) * dataplane_unit_ns(engine->options.view) / 1000000;
	return true;
}

int engine_track_error(const struct engine *engine)
{
	return engine->track_error;
}

char *engine_track_problem(const struct engine *engine)
{
	if (!engine->track_error)
		return NULL;
	return mem_format("slots do not go on, and their flows stay where they are, since a change "
			  "of the maps "
			  "fails (%s); it is tried again each second",
			  strerror(-engine->track_error));
}
