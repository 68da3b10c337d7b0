/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/flow.h>

#include "base/mem.h"
#include "property/world.h"

int world_open_rig(struct rig *rig, uint32_t capacity, const void *object, size_t size)
{
	struct rig_options options = {.flows = capacity,
				      .slots = WORLD_SLOTS,
				      .backends = WORLD_BACKENDS,
				      .syn_ticks = WORLD_SYN,
				      .closing_ticks = WORLD_CLOSING,
				      .order_loads = capacity % 3 == 1,
				      .quic = true,
				      .place_xor = 0x243f6a8885a308d3,
				      .place_factor = 0x13198a2e03707345,
				      .object = object,
				      .object_size = size};

	return rig_open(rig, &options);
}

/* ---- chance ------------------------------------------------------------------------------------- */

/* xorshift64* (Vigna 2016). */
uint64_t world_random(struct world *w)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return w->random * 0x2545f4914f6cdd1dULL;
}

uint32_t world_below(struct world *w, uint32_t limit)
{
	return (world_random(w) >> 32) * limit >> 32;
}

bool world_chance(struct world *w, double probability)
{
	return (world_random(w) >> 11) * 0x1p-53 < probability;
}

/* ---- telling ------------------------------------------------------------------------------------ */

void world_break(struct world *w, uint32_t flow, const char *format, ...)
{
	va_list args;

	if (w->broken[0])
		return;
	va_start(args, format);
	vsnprintf(w->broken, sizeof(w->broken), format, args);
	va_end(args);
	w->broken_flow = flow;
}

static const struct client *traced(const struct world *w)
{
	for (uint32_t c = 0; w->trace && c < w->used; c++)
		if (w->all[c].id == w->trace)
			return &w->all[c];
	return NULL;
}

static struct world_traced look_at(const struct world *w, const struct client *c)
{
	struct world_traced t = {dataplane_hot(w->rig->view, c->flow.slot),
				 dataplane_cold(w->rig->view, c->flow.slot), 0};

	for (uint32_t e = 0; e < w->capacity; e++) {
		const struct sl_flow *f = rig_entry(w->rig, e);

		if (sl_flow_in_use(f->data) &&
		    f->check == sl_flow_check(c->hash, sl_flow_backend(f->data)))
			t.data = f->data;
	}
	return t;
}

bool world_has_changed(const struct world *w)
{
	const struct client *c = traced(w);
	struct world_traced t;

	if (!c)
		return false;
	t = look_at(w, c);
	return t.hot != w->told.hot || t.cold != w->told.cold || t.data != w->told.data;
}

void world_tell(struct world *w, const char *format, ...)
{
	const struct client *c = traced(w);
	struct world_traced t;
	uint64_t before = w->told.data;
	va_list args;

	if (!c)
		return;
	w->told = t = look_at(w, c);
	va_start(args, format);
	fprintf(stderr, "%6" PRId64 "  ", w->now);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "  [slot %u: now %u%s, base %u%s%s%s]\n", c->flow.slot, t.hot & SL_HOT_NOW,
		t.hot & SL_HOT_LOOK ? " look" : "", t.cold & SL_COLD_BASE,
		t.cold & SL_COLD_CROWDED ? " crowded" : "",
		t.cold & SL_COLD_HOLD_TCP ? " hold-tcp" : "",
		t.cold & SL_COLD_HOLD_UDP ? " hold-udp" : "");
	if (t.data == before)
		return;
	if (t.data)
		fprintf(stderr, "        entry: backend %u, age %d%s%s, slot %u\n",
			sl_flow_backend(t.data),
			(int16_t)(w->first_tick + w->now - (uint16_t)t.data),
			t.data & SL_FLOW_SYN_ONLY ? ", SYN only" : "",
			t.data & SL_FLOW_CLOSING ? ", closing" : "", sl_flow_slot(t.data));
	else
		fprintf(stderr, "        entry: none\n");
}

/* ---- what has become of each slot ----------------------------------------------------------------- */

/* What the page promises of a stable slot. */
static void expect_no_entry(struct world *w, uint32_t slot)
{
	for (uint32_t e = 0; e < w->capacity; e++) {
		uint64_t data = rig_entry(w->rig, e)->data;

		if (sl_flow_in_use(data) && sl_flow_slot(data) == slot)
			world_break(w, 0, "slot %u became stable with an entry to %u", slot,
				    sl_flow_backend(data));
	}
}

/* A scan of the words' last change: `was` and `is` are moving, settling or stable as the page defines them. */
static void count_change(struct world *w, uint32_t slot, uint16_t hot, uint32_t cold)
{
	uint16_t old_hot = w->seen_hot[slot], now = hot & SL_HOT_NOW;
	uint32_t old_cold = w->seen_cold[slot], base = cold & SL_COLD_BASE;
	uint16_t old_now = old_hot & SL_HOT_NOW, old_base = old_cold & SL_COLD_BASE;
	bool was_moving = old_hot & SL_HOT_LOOK && old_now != old_base;

	if (old_hot & SL_HOT_LOOK && !(hot & SL_HOT_LOOK)) {
		w->progress[WORLD_settled]++;
		expect_no_entry(w, slot);
	}
	if (now != old_now && now == SL_NOBODY)
		w->progress[WORLD_to_nobody]++;
	if (old_base == SL_NOBODY && base != SL_NOBODY)
		w->progress[WORLD_from_nobody]++;
	if (now != old_now && was_moving)
		w->progress[now == base ? WORLD_back : WORLD_another]++;
	if (now != old_now && !was_moving && now != base)
		w->progress[w->oracle.backends[base].down || w->oracle.backends[base].let_go
				    ? WORLD_moved_off
				    : WORLD_planned]++;
	if (was_moving && hot == old_hot && base == now && !w->oracle.backends[old_base].let_go)
		w->progress[WORLD_rebases]++;
	if (was_moving && hot == old_hot && old_cold & SL_COLD_CROWDED &&
	    !(cold & SL_COLD_CROWDED) && base == old_base)
		w->progress[WORLD_crowded_windows]++;
	if (cold & SL_COLD_CROWDED && !(old_cold & SL_COLD_CROWDED) && hot & SL_HOT_LOOK &&
	    now == base)
		w->progress[WORLD_crowded_settling]++;
}

void world_look(struct world *w)
{
	for (uint32_t s = 0; s < w->oracle.slots; s++) {
		uint16_t hot = dataplane_hot(w->rig->view, s);
		uint32_t cold = dataplane_cold(w->rig->view, s);

		if (hot == w->seen_hot[s] && cold == w->seen_cold[s])
			continue;
		count_change(w, s, hot, cold);
		w->seen_hot[s] = hot;
		w->seen_cold[s] = cold;
	}
	oracle_watch(&w->oracle);
}

/* ---- a run ------------------------------------------------------------------------------------------ */

/* Not only the flows that a dead backend had by its slots are let go, but those by entries, too: soon, whatever goes on. */
static void expect_deaths(struct world *w)
{
	for (int b = 1; b <= WORLD_BACKENDS; b++) {
		const struct sl_backend *backend = &w->rig->view->backends[b];

		if (w->backend[b].health == TRACK_DEAD && !(backend->flags & SL_BACKEND_DEAD) &&
		    w->now - w->backend[b].dead_since > WORLD_DEATH)
			world_break(w, 0, "backend %d is dead for %d ticks, and not let go", b,
				    WORLD_DEATH);
	}
}

static void between(struct world *w)
{
	if (world_chance(w, w->capacity < 512 ? .2 : .02))
		agent_step(w);
}

static void tick(struct world *w)
{
	w->oracle.now = w->now;
	rig_set_tick(w->rig, w->first_tick + w->now);
	w->progress[WORLD_wraps] += (uint16_t)(w->first_tick + w->now) == 0;
	w->noisy = !w->quiet && w->now / 250 % 2;
	world_look(w);
	/* The agent hears of anything between two rounds. */
	if (w->round && world_chance(w, .5))
		agent_finish_round(w);
	if (!w->round) {
		if (!w->quiet)
			events_tick(w);
		agent_want(w);
	}
	clients_tick(w, between);
	/* An agent that is slow leaves its round open over the tick. */
	if (world_chance(w, .9))
		agent_finish_round(w);
	expect_deaths(w);
	w->now++;
}

/* The end: nobody sends any more, so everything must become stable. */
static void expect_peace(struct world *w)
{
	uint32_t slots = w->oracle.slots, unstable = 0, entries = 0;

	w->quiet = true;
	for (int i = 0; i < WORLD_WHEEL && !w->broken[0]; i++)
		tick(w);
	for (uint32_t s = 0; s < slots; s++)
		unstable += w->seen_hot[s] != (w->seen_cold[s] & SL_COLD_BASE);
	for (uint32_t e = 0; e < w->capacity; e++)
		entries += sl_flow_in_use(rig_entry(w->rig, e)->data);
	if (unstable || entries)
		world_break(w, 0,
			    "%u slots are not stable and %u entries are left, long after the last "
			    "packet",
			    unstable, entries);
}

static void reset(struct rig *rig)
{
	struct map_set *maps = &rig->dp->maps;
	const struct sl_limits *l = &maps->limits;

	memset(maps->hot, 0, l->slots / SL_HOT_PER_LINE * sizeof(*maps->hot));
	memset(maps->cold, 0, l->slots / SL_COLD_PER_LINE * sizeof(*maps->cold));
	memset(maps->flows, 0, l->flows / SL_FLOWS_PER_BUCKET * sizeof(*maps->flows));
	for (int b = 1; b <= WORLD_BACKENDS; b++)
		rig->ops->write_flags(rig->dp, b, 0);
	rig_set_longest(rig, 0);
}

bool world_run(struct world *w, struct rig *rig, uint32_t capacity, uint64_t seed, uint32_t trace)
{
	reset(rig);
	*w = (struct world){.rig = rig, .capacity = capacity, .trace = trace};
	w->random = (seed + 1) * 0x9e3779b97f4a7c15ULL ^ (uint64_t)capacity << 40;
	for (int i = 0; i < 8; i++)
		world_random(w);
	w->first_tick = -(uint16_t)(1 + world_below(w, WORLD_TICKS));
	oracle_open(&w->oracle, rig->view, WORLD_SYN, WORLD_CLOSING);
	w->seen_hot = mem_array(w->oracle.slots, sizeof(*w->seen_hot));
	w->seen_cold = mem_array(w->oracle.slots, sizeof(*w->seen_cold));
	rig_set_tick(rig, w->first_tick);
	events_open(w);
	world_look(w);
	clients_open(w);
	memset(w->progress, 0, sizeof(w->progress));
	agent_start(w);
	agent_finish_round(w);
	while (w->now < WORLD_TICKS && !w->broken[0])
		tick(w);
	if (!w->broken[0])
		expect_peace(w);
	w->progress[WORLD_scans] += track_scans(w->track).count;
	return !w->broken[0];
}

void world_free(struct world *w)
{
	track_free(w->track);
	oracle_close(&w->oracle);
	free(w->seen_hot);
	free(w->seen_cold);
	free(w->all);
}
