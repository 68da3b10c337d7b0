/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a change costs the agent: its own slot logic (core/track.h) on the maps of a balancer. Every slot of a region
 * changes; then the flow table, full of live flows of that region, is scanned. Times are of this thread's CPU,
 * without grace periods.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sluice/flow.h>

#include "base/mem.h"
#include "bench/bench.h"
#include "bench/report.h"
#include "bench/run.h"
#include "core/track.h"

#define REPETITIONS 5
#define HOLD_MS	    4000
#define SCAN_MS	    10000
#define IDLE_TICKS  900 /* no window and no entry is over while this runs */

/* What a round took, best of the repetitions, ms. */
struct agent_times {
	double change; /* planned and stored */
	double scan;
};

static double thread_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* Runs a round; adds up what its scan took and what all other steps but grace periods did. */
static void run_round(const struct world *w, struct track *track, uint32_t now,
		      struct agent_times *spent)
{
	const struct dataplane_ops *ops = dataplane_operations();
	const struct track_step *step;

	*spent = (struct agent_times){0};
	do {
		double begin = thread_ms(), ms;
		enum track_kind kind;

		step = track_next(track, now);
		kind = step ? step->kind : TRACK_STORE_HOT;
		if (step) {
			world_check(track_execute(step, ops, w->dp), "a step of a change");
			track_done(track, 0, now);
		}
		ms = thread_ms() - begin;
		if (kind == TRACK_SCAN)
			spent->scan += ms;
		else if (kind != TRACK_GRACE)
			spent->change += ms;
	} while (step);
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 16;
}

/* Every entry is a live flow's, of some slot and some backend. */
static void fill_flows(const struct world *w, uint32_t slots, uint16_t tick)
{
	uint64_t state = 1;

	for (uint32_t i = 0; i < w->view->limits.flows; i++)
		w->flows[i] = (struct sl_flow){
			next_random(&state),
			sl_flow_data(
				next_random(&state) % slots, 0,
				world_backend_index(SERVICE_4IN4, next_random(&state) % BACKENDS),
				tick)};
}

/* The slots from 0 on become stable, each at a backend of its own; `wanted` is another one for each. */
static void make_stable(const struct world *w, uint32_t slots, uint16_t *wanted)
{
	const struct dataplane_ops *ops = dataplane_operations();
	struct dataplane_store *stores = mem_array(slots, sizeof(*stores));

	for (uint32_t slot = 0; slot < slots; slot++) {
		uint16_t backend = world_backend_index(SERVICE_4IN4, slot % BACKENDS);

		stores[slot] = (struct dataplane_store){slot, backend};
		wanted[slot] = backend + BACKENDS;
	}
	world_check(ops->store_hot(w->dp, stores, slots), "hot words");
	world_check(ops->store_cold(w->dp, stores, slots), "cold words");
	free(stores);
}

static void measure(const struct world *w, uint32_t slots, const uint16_t *wanted, uint32_t now,
		    struct agent_times *best)
{
	const struct track_region region = {SERVICE_4IN4, 0, slots, IDLE_TICKS, 0};
	const struct track_times times = {dataplane_units(w->view, HOLD_MS),
					  dataplane_units(w->view, SCAN_MS)};
	struct track *track = track_new(w->view, times);
	struct agent_times change, scan;
	struct track_state state;

	track_adopt(track, &region);
	run_round(w, track, now, &change); /* what a start has to do */
	track_want(track, 0, wanted, false);
	track_release(track);
	run_round(w, track, now, &change);
	track_state(track, 0, &state);
	if (state.moving != slots)
		fail("a change of %u slots: %u are moving", slots, state.moving);
	run_round(w, track, now, &scan);
	if (track_scans(track).count != 1 || track_scans(track).entries != w->view->limits.flows)
		fail("a scan of %u entries over %u slots: %lu scans, %lu entries",
		     w->view->limits.flows, slots, track_scans(track).count,
		     track_scans(track).entries);
	track_free(track);
	best->change = change.change < best->change ? change.change : best->change;
	best->scan = scan.scan < best->scan ? scan.scan : best->scan;
}

static json_t *agent_row(const struct world *w, uint32_t slots, double change_limit,
			 double scan_limit)
{
	struct agent_times best = {1e9, 1e9};
	uint16_t *wanted = mem_array(slots, sizeof(*wanted));
	json_t *out;
	uint32_t now;

	world_check(dataplane_operations()->clock(w->dp, &now), "the clock");
	fill_flows(w, slots, now >> w->view->clock_shift);
	for (int i = 0; i < REPETITIONS; i++) {
		make_stable(w, slots, wanted);
		measure(w, slots, wanted, now, &best);
	}
	free(wanted);
	out = json_pack("{s:i, s:i, s:f, s:f, s:f}", "slots", (int)slots, "entries",
			(int)w->view->limits.flows, "change_ms", best.change, "scan_ms", best.scan,
			"scan_limit_ms", scan_limit);
	if (change_limit != 0)
		json_object_set_new(out, "change_limit_ms", json_real(change_limit));
	return out;
}

json_t *agent_run(struct bench *bench)
{
	const struct world *w = bench_world(bench, WORLD_REDIRECT);
	json_t *out = json_array();

	json_array_append_new(out, agent_row(w, TABLE_SIZE, 5, 5));
	json_array_append_new(out, agent_row(w, w->view->limits.slots, 0, 20));
	return out;
}
