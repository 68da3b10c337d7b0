/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What operators and probes do: tables change, backends are drained, fail, come back, die, leave; T changes. */
#include <string.h>

#include "base/mem.h"
#include "property/world.h"

#define DEAD_AFTER 12

static bool is_usable(const struct world *w, uint16_t b, bool even_drained)
{
	return w->backend[b].health == TRACK_UP && !w->backend[b].leaves &&
	       (even_drained || !w->backend[b].drained);
}

/* One that takes new flows; a drained one rather than nobody. */
static uint16_t any_usable(struct world *w)
{
	for (int drained = 0; drained < 2; drained++) {
		uint16_t list[WORLD_BACKENDS], count = 0;

		for (int b = 1; b <= WORLD_BACKENDS; b++)
			if (is_usable(w, b, drained))
				list[count++] = b;
		if (count)
			return list[world_below(w, count)];
	}
	return SL_NOBODY;
}

static unsigned int usable(const struct world *w, bool even_drained)
{
	unsigned int count = 0;

	for (int b = 1; b <= WORLD_BACKENDS; b++)
		count += is_usable(w, b, even_drained);
	return count;
}

void events_fill(struct world *w, enum rig_service service, uint16_t table[WORLD_SLOTS_MOST])
{
	bool drained = usable(w, false) == 0;

	for (int i = 0; i < WORLD_SLOTS_MOST; i++) {
		uint16_t *want = &w->want[service][i];

		if (*want == SL_NOBODY || !is_usable(w, *want, drained))
			*want = any_usable(w);
		table[i] = w->nobody_until[service] > w->now ? SL_NOBODY : *want;
	}
}

void events_open(struct world *w)
{
	for (int s = RIG_TCP; s < RIG_SERVICES; s++) {
		w->idle[s] = s == RIG_UDP ? 40 : 60;
		for (int i = 0; i < WORLD_SLOTS_MOST; i++)
			w->want[s][i] = 1 + i % WORLD_BACKENDS;
	}
	regions_open(w);
}

/* ---- what may happen in a tick ---------------------------------------------------------------------- */

static void change_tables(struct world *w, uint16_t b)
{
	(void)b;
	for (int s = RIG_TCP; s < RIG_SERVICES; s++)
		for (int i = 0; i < WORLD_SLOTS_MOST; i++)
			if (world_chance(w, .3))
				w->want[s][i] = any_usable(w);
}

static void drain(struct world *w, uint16_t b)
{
	if (!w->backend[b].drained && usable(w, false) < 3)
		return;
	w->backend[b].drained = !w->backend[b].drained;
	w->progress[WORLD_drains] += w->backend[b].drained;
	world_tell(w, "backend %u is %s", b,
		   w->backend[b].drained ? "drained" : "not drained any more");
}

static void fail(struct world *w, uint16_t b)
{
	if (!is_usable(w, b, true) || usable(w, true) < 3)
		return;
	w->backend[b].comes_back = world_chance(w, .6);
	w->backend[b].until =
		w->now + (w->backend[b].comes_back ? 1 + (int64_t)world_below(w, DEAD_AFTER - 1)
						   : DEAD_AFTER);
	agent_health(w, b, TRACK_DOWN);
}

/* The admin's `down`: at once. */
static void take_down(struct world *w, uint16_t b)
{
	if (!is_usable(w, b, true) || usable(w, true) < 3)
		return;
	w->progress[WORLD_deaths]++;
	agent_health(w, b, TRACK_DEAD);
}

static void revive(struct world *w, uint16_t b)
{
	if (w->backend[b].health != TRACK_DEAD || w->backend[b].leaves)
		return;
	w->progress[WORLD_revivals]++;
	oracle_revive(&w->oracle, b);
	agent_health(w, b, TRACK_UP);
	for (int s = RIG_TCP; s < RIG_SERVICES; s++)
		for (int i = 0; i < WORLD_SLOTS_MOST; i++)
			if (world_chance(w, .2))
				w->want[s][i] = b;
}

static void remove_backend(struct world *w, uint16_t b)
{
	if (w->backend[b].health != TRACK_DEAD || w->backend[b].leaves)
		return;
	w->backend[b].leaves = true;
	track_leave(w->track, b, true);
	world_tell(w, "backend %u is removed from the configuration", b);
}

/* Back before its index was given up: the same one. */
static void add_again(struct world *w, uint16_t b)
{
	if (!w->backend[b].leaves)
		return;
	w->backend[b].leaves = false;
	track_leave(w->track, b, false);
	revive(w, b);
}

static void send_to_nobody(struct world *w, uint16_t b)
{
	w->nobody_until[1 + b % (RIG_SERVICES - 1)] = w->now + 1 + world_below(w, 40);
}

static void end_nobody(struct world *w)
{
	for (int s = RIG_TCP; s < RIG_SERVICES; s++)
		if (w->nobody_until[s] && w->nobody_until[s] <= w->now) {
			w->nobody_until[s] = 0;
			w->want_changed = true;
		}
}

static void change_idle(struct world *w, uint16_t b)
{
	enum rig_service s = 1 + b % (RIG_SERVICES - 1);
	uint16_t idle = 30 + world_below(w, 80);

	w->progress[WORLD_raised] += idle > w->idle[s];
	w->idle[s] = idle;
	world_tell(w, "T of service %d is %u", s, idle);
}

static const struct {
	double probability; /* in a tick */
	void (*happens)(struct world *w, uint16_t backend);
} events[] = {
	{.02, change_tables},	{.01, drain},
	{.015, fail},		{.003, take_down},
	{.012, revive},		{.004, remove_backend},
	{.01, add_again},	{.002, send_to_nobody},
	{.004, change_idle},	{.001, regions_resize},
	{.001, regions_remove}, {.03, regions_add},
	{.006, regions_track},	{.001, regions_move_listener},
	{.004, quic_rotate},
};

static void end_failures(struct world *w)
{
	for (int b = 1; b <= WORLD_BACKENDS; b++) {
		if (w->backend[b].health != TRACK_DOWN || w->now < w->backend[b].until)
			continue;
		w->progress[w->backend[b].comes_back ? WORLD_false_alarms : WORLD_deaths]++;
		agent_health(w, b, w->backend[b].comes_back ? TRACK_UP : TRACK_DEAD);
	}
}

static bool is_named(const struct world *w, uint16_t b)
{
	for (uint32_t s = 0; s < w->oracle.slots; s++)
		if ((dataplane_hot(w->rig->view, s) & SL_HOT_NOW) == b ||
		    (dataplane_cold(w->rig->view, s) & SL_COLD_BASE) == b)
			return true;
	for (uint32_t e = 0; e < w->capacity; e++)
		if ((rig_entry(w->rig, e)->data >> 16 & 0xffff) == b)
			return true;
	return false;
}

/* An index that nothing names any more becomes another backend's. */
static void reuse_indexes(struct world *w)
{
	for (int b = 1; b <= WORLD_BACKENDS; b++) {
		if (!w->backend[b].leaves || !track_is_gone(w->track, b))
			continue;
		if (is_named(w, b))
			world_break(w, 0,
				    "tick %lld: backend %d is said to be gone, and something "
				    "names it",
				    (long long)w->now, b);
		track_forget(w->track, b);
		w->rig->ops->write_flags(w->rig->dp, b, 0);
		w->backend[b].leaves = false;
		quic_renew(w, b);
		w->progress[WORLD_left]++;
		oracle_revive(&w->oracle, b);
		agent_health(w, b, TRACK_UP);
	}
}

void events_tick(struct world *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (world_chance(w, events[i].probability)) {
			events[i].happens(w, 1 + world_below(w, WORLD_BACKENDS));
			w->want_changed = true;
		}
	end_failures(w);
	end_nobody(w);
	reuse_indexes(w);
}
