/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables under a change. Before every run slots and flow table are made anew, since a run leaves them otherwise than
 * it found them; after it the counters must tell that the case did what it says.
 */
#include <stdlib.h>
#include <string.h>

#include <sluice/flow.h>

#include "base/mem.h"
#include "bench/bench.h"
#include "bench/run.h"

#define HOLD	    (SL_COLD_HOLD_TCP | SL_COLD_HOLD_UDP)
#define TRIED_TICKS 20	/* age of a handshake that did not go on */
#define INEXACT	    100 /* one packet in so many may do otherwise where the table is full */

/* ---- slots ------------------------------------------------------------------------------------------ */

/* What one word of each slot is to say: some flags, and a backend of the Maglev table or its newcomer. */
struct words {
	bool newcomer;
	uint32_t flags;
};

static uint16_t newcomer_of(uint16_t backend)
{
	return backend + BACKENDS;
}

static void store(const struct world *w, enum bench_service service, bool is_hot,
		  struct words words)
{
	const struct dataplane_ops *ops = dataplane_operations();
	struct dataplane_store *stores = mem_array(TABLE_SIZE, sizeof(*stores));

	for (uint32_t i = 0; i < TABLE_SIZE; i++) {
		uint16_t backend = w->backends[service][i];

		stores[i] = (struct dataplane_store){
			world_slots_base(service) + i,
			words.flags | (words.newcomer ? newcomer_of(backend) : backend)};
	}
	world_check(is_hot ? ops->store_hot(w->dp, stores, TABLE_SIZE)
			   : ops->store_cold(w->dp, stores, TABLE_SIZE),
		    is_hot ? "hot words" : "cold words");
	free(stores);
}

/* ---- the flow table --------------------------------------------------------------------------------- */

static bool is_full(const struct bench_case *c)
{
	return c->table >= TABLE_FLOWS_FLOOD;
}

static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	return x ^ x >> 27;
}

/* Fills every way that is free with a flow of some slot of the service. */
static void fill_up(const struct world *w, const struct bench_case *c)
{
	uint64_t flags = c->table == TABLE_LIVE ? 0 : SL_FLOW_SYN_ONLY, state = 1;
	bool half_at_base = c->table == TABLE_FLOOD || c->table == TABLE_FLOWS_FLOOD;
	uint32_t tick;

	world_check(dataplane_operations()->clock(w->dp, &tick), "the clock");
	tick >>= w->view->clock_shift;
	if (c->table == TABLE_TRIED)
		tick -= TRIED_TICKS;
	for (uint32_t i = 0; i < w->view->limits.flows; i++) {
		uint64_t random = next_random(&state);
		uint32_t slot = (random & 0xffffffff) * TABLE_SIZE >> 32;
		uint16_t backend = w->backends[c->frame.to][slot];

		if (w->flows[i].data & SL_FLOW_BACKEND)
			continue;
		if (!(half_at_base && random >> 63))
			backend = newcomer_of(backend);
		w->flows[i] =
			(struct sl_flow){random, sl_flow_data(world_slots_base(c->frame.to) + slot,
							      flags, backend, tick)};
	}
}

void change_prepare(struct bench *bench, const struct bench_case *c)
{
	const struct world *w = bench_world(bench, c->world);
	bool is_moving = c->slots == SLOTS_MOVING;
	bool has_flows = c->table == TABLE_FLOWS || c->table == TABLE_FLOWS_FLOOD;
	struct bench_case flows = *c;

	flows.flood = false;
	memset(w->flows, 0, w->view->limits.flows * sizeof(*w->flows));
	/* The flows of settling slots were written while the newcomers were base, and held. */
	store(w, c->frame.to, false, (struct words){!is_moving, is_moving ? 0 : HOLD});
	store(w, c->frame.to, true, (struct words){is_moving, SL_HOT_LOOK});
	if (has_flows)
		run_from(bench, &flows, PROGRAM_BALANCER, 0, c->flows);
	if (is_full(c))
		fill_up(w, c);
	store(w, c->frame.to, false,
	      (struct words){false, c->table == TABLE_FLOOD ? SL_COLD_CROWDED : 0});
	/* Once more, since the caches now hold what was written last. */
	if (has_flows)
		run_from(bench, &flows, PROGRAM_BALANCER, 0, c->flows);
}

/* ---- checks ----------------------------------------------------------------------------------------- */

void change_count(const struct world *w, const struct bench_case *c, struct change_counts *out)
{
	for (enum sl_event event = SL_EVENT_NONE + 1; event < SL_EVENTS; event++)
		out->events[event] = world_count_event(w, event);
	out->newcomers = world_count_newcomers(w, c->frame.to);
}

static void check_count(const struct bench_case *c, const char *what, uint64_t count,
			uint64_t expected, uint64_t packets)
{
	uint64_t off = count > expected ? count - expected : expected - count;

	if (off > (is_full(c) ? packets / INEXACT : 0))
		fail("%s: of %lu packets %lu were %s, expected %lu", c->name, packets, count, what,
		     expected);
}

void change_check(const struct world *w, const struct bench_case *c,
		  const struct change_counts *before, uint64_t packets)
{
	static const char *const names[SL_EVENTS] = {
#define SL_EVENT(name, help) [SL_EVENT_##name] = #name,
#include <sluice/events.def>
	};
	struct change_counts after;

	change_count(w, c, &after);
	for (enum sl_event event = SL_EVENT_NONE + 1; event < SL_EVENTS; event++)
		check_count(c, names[event], after.events[event] - before->events[event],
			    event == c->event ? packets * c->happens / 100 : 0, packets);
	check_count(c, "sent to newcomers", after.newcomers - before->newcomers,
		    c->to_newcomers ? packets : 0, packets);
}

#define CHUNK 16384 /* flows; the loads are told with that precision */
#define RARE  1000

void change_fill(struct bench *bench, struct change_loads *out)
{
	static const struct bench_case unknown = {
		.name = "flows until there is no room",
		.world = WORLD_FLOWS,
		.frame = {4, SERVICE_4IN4},
		.verdict = SL_SEND_tx,
		.slots = SLOTS_MOVING,
	};
	const struct world *w = bench_world(bench, unknown.world);
	uint64_t before = world_count_event(w, SL_EVENT_inserted), inserted = 0, refused = 0;

	*out = (struct change_loads){0};
	change_prepare(bench, &unknown);
	while (refused < CHUNK / RARE) {
		uint64_t so_far = inserted;

		run_from(bench, &unknown, PROGRAM_BALANCER, bench->new_flows, CHUNK);
		bench->new_flows += CHUNK;
		inserted = world_count_event(w, SL_EVENT_inserted) - before;
		refused = CHUNK - (inserted - so_far);
		out->rarely = (double)inserted / w->view->limits.flows;
		if (refused && out->first == 0)
			out->first = out->rarely;
	}
}
