/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the operator does to services: they get a table of another size, track their flows or never, go and come back;
 * listeners move to another service. As docs/architecture.md says of the agent, each is a sequence of operations that
 * may fail or be the last one before a crash, with packets between any two: a free region is filled as stable, a new
 * record written, the listener table switched, the slot logic told, and the entries of the former region forgotten.
 *
 * Such a change is no table change: its flows begin anew (world.era), and from then on the promise holds again.
 */
#include <errno.h>

#include <sluice/flow.h>

#include "base/mem.h"
#include "property/world.h"

static const uint8_t sizes[] = {WORLD_SLOTS, 7, 29, WORLD_SLOTS_MOST};

uint32_t regions_slot(const struct world *w, enum rig_service listener, uint64_t hash)
{
	const struct world_service *s = &w->service[w->listener[listener]];

	return s->base + sl_hash_slot(hash, s->slots);
}

bool regions_listens(const struct world *w, enum rig_service listener)
{
	return w->service[w->listener[listener]].is_present;
}

/* ---- beginning ---------------------------------------------------------------------------------- */

/* Nothing runs meanwhile, so no spare is waited for. */
int regions_listen(struct world *w)
{
	uint32_t records[RIG_SERVICES] = {0};

	for (int l = RIG_TCP; l < RIG_SERVICES; l++)
		if (regions_listens(w, l))
			records[l] = w->service[w->listener[l]].record;
	quic_list(w);
	w->rig->dp->graces++;
	return rig_listen(w->rig, records);
}

static int write_record(struct world *w, int s, const struct world_service *service)
{
	struct sl_service record = w->rig->view->services[s];

	record.slots_base = service->base;
	record.slots = service->slots;
	record.idle_ticks = w->idle[s];
	record.flags = s == RIG_UDP ? SL_SERVICE_QUIC : 0;
	if (s == RIG_UDP)
		quic_words(w, record.quic);
	return w->rig->ops->write_service(w->rig->dp, service->record, &record);
}

/* A slot becomes stable, by no row of the agent's table. */
static void put(struct world *w, uint32_t slot, uint16_t backend)
{
	rig_set_cold(w->rig, slot, backend);
	rig_set_hot(w->rig, slot, backend);
	w->seen_hot[slot] = w->seen_cold[slot] = backend;
}

/* All slots of a region, and the rest of its line. No table: it is free. */
static void fill(struct world *w, const struct world_service *service, const uint16_t *table)
{
	for (uint32_t i = 0; i < SL_HOT_PER_LINE; i++)
		put(w, service->base + i, table && i < service->slots ? table[i] : SL_NOBODY);
	oracle_set_never(&w->oracle, service->base, SL_HOT_PER_LINE, table && !service->tracks);
}

/* The table that is wanted, without those who are alive again and of whom the slot logic has not taken the flag yet. */
static void fill_at_once(struct world *w, int s, uint16_t table[WORLD_SLOTS_MOST])
{
	const struct sl_backend *backends = w->rig->view->backends;

	events_fill(w, s, table);
	for (int i = 0; i < WORLD_SLOTS_MOST; i++)
		for (int b = 1; b <= WORLD_BACKENDS && backends[table[i]].flags & SL_BACKEND_DEAD;
		     b++)
			table[i] = w->backend[b].health == TRACK_UP && !w->backend[b].leaves
					   ? b
					   : SL_NOBODY;
}

void regions_open(struct world *w)
{
	for (int s = RIG_TCP; s < RIG_SERVICES; s++) {
		uint16_t table[WORLD_SLOTS_MOST];

		w->listener[s] = s;
		w->service[s] = (struct world_service){.record = s,
						       .base = rig_first_slot(w->rig, s),
						       .slots = WORLD_SLOTS,
						       .is_present = true,
						       .tracks = true};
		for (int i = 0; i < WORLD_SLOTS_MOST; i++)
			table[i] = w->want[s][i];
		fill(w, &w->service[s], table);
		if (write_record(w, s, &w->service[s]))
			world_break(w, 0, "a service record cannot be written");
	}
	if (regions_listen(w))
		world_break(w, 0, "the listener table cannot be written");
}

/* ---- what an operator wants --------------------------------------------------------------------- */

/* The line that no service's region is in: there is one more than services. */
static uint32_t free_base(const struct world *w)
{
	uint32_t used = 0;

	for (int s = RIG_TCP; s < RIG_SERVICES; s++)
		if (w->service[s].is_present)
			used |= 1u << w->service[s].base / SL_HOT_PER_LINE;
	return (uint32_t)__builtin_ctz(~used) * SL_HOT_PER_LINE;
}

static void begin(struct world *w, int s, struct world_service to)
{
	w->change = (struct world_change){.is_on = true, .service = s, .to = to};
	w->round = true;
}

static struct world_service elsewhere(const struct world *w, int s)
{
	struct world_service to = w->service[s];

	to.base = free_base(w);
	to.record = to.record < RIG_SERVICES ? to.record + RIG_SERVICES : to.record - RIG_SERVICES;
	to.is_present = true;
	return to;
}

void regions_resize(struct world *w, uint16_t b)
{
	int s = 1 + b % (RIG_SERVICES - 1);
	struct world_service to = elsewhere(w, s);

	if (w->change.is_on || !w->service[s].is_present)
		return;
	to.slots = sizes[world_below(w, ARRAY_SIZE(sizes))];
	w->progress[WORLD_resized]++;
	world_tell(w, "service %d gets %u slots at %u", s, to.slots, to.base);
	begin(w, s, to);
}

/* `tracking: never`, and back, which comes sooner. */
void regions_track(struct world *w, uint16_t b)
{
	int s = 1 + b % (RIG_SERVICES - 1);
	struct world_service to = elsewhere(w, s);

	if (w->change.is_on || !w->service[s].is_present || (to.tracks && world_chance(w, .8)))
		return;
	to.tracks = !to.tracks;
	w->progress[to.tracks ? WORLD_tracked : WORLD_untracked]++;
	world_tell(w, "service %d tracks %s", s, to.tracks ? "changes" : "never");
	begin(w, s, to);
}

void regions_remove(struct world *w, uint16_t b)
{
	int s = 1 + b % (RIG_SERVICES - 1);
	struct world_service to = w->service[s];

	if (w->change.is_on || !to.is_present)
		return;
	to.is_present = false;
	w->progress[WORLD_removed]++;
	world_tell(w, "service %d is removed", s);
	begin(w, s, to);
}

void regions_add(struct world *w, uint16_t b)
{
	int s = 1 + b % (RIG_SERVICES - 1);

	if (w->change.is_on || w->service[s].is_present)
		return;
	w->progress[WORLD_added]++;
	world_tell(w, "service %d is added", s);
	begin(w, s, elsewhere(w, s));
}

/* One store; the entries of its flows are of other slots now, and go by their age. */
void regions_move_listener(struct world *w, uint16_t b)
{
	int l = 1 + b % (RIG_SERVICES - 1), to = 1 + world_below(w, RIG_SERVICES - 1);

	/* A service of QUIC has no listener of TCP. */
	if (w->change.is_on || to == w->listener[l] || (to == RIG_UDP && l != RIG_UDP))
		return;
	w->listener[l] = to;
	if (regions_listen(w))
		world_break(w, 0, "the listener table cannot be written");
	w->era[l]++;
	w->progress[WORLD_listeners_moved]++;
	world_tell(w, "listener %d moves to service %d", l, w->listener[l]);
}

/* ---- the operations ----------------------------------------------------------------------------- */

static int fill_region(struct world *w)
{
	const struct world_service *to = &w->change.to;
	uint16_t table[WORLD_SLOTS_MOST];

	if (!to->is_present)
		return 0;
	fill_at_once(w, w->change.service, table);
	fill(w, to, table);
	return write_record(w, w->change.service, to);
}

static int switch_listeners(struct world *w)
{
	const int s = w->change.service;
	struct world_service before = w->service[s];
	int err;

	w->change.old = before;
	w->service[s] = w->change.to;
	err = regions_listen(w);
	if (err)
		w->service[s] = before;
	for (int l = RIG_TCP; !err && l < RIG_SERVICES; l++)
		w->era[l] += w->listener[l] == s;
	return err;
}

static int tell_track(struct world *w)
{
	if (w->change.old.is_present)
		track_drop(w->track, w->change.old.base);
	w->want_changed = w->urgent = true;
	agent_want(w);
	return 0;
}

static void judge(void *arg, const uint64_t *data, size_t count, bool *over)
{
	const struct world *w = arg;

	for (size_t i = 0; i < count; i++) {
		over[i] = true;
		for (int s = RIG_TCP; s < RIG_SERVICES; s++)
			over[i] &= !w->service[s].is_present ||
				   sl_flow_slot(data[i]) / SL_HOT_PER_LINE !=
					   w->service[s].base / SL_HOT_PER_LINE;
	}
}

static void stays(void *arg, uint64_t data)
{
	(void)data;
	world_break(arg, 0, "an entry of a region out of force could not be deleted");
}

static int forget(struct world *w)
{
	const struct dataplane_visitor visitor = {w, judge, stays};
	int err = w->rig->ops->scan_flows(w->rig->dp, &visitor);

	if (!err && w->change.old.is_present)
		fill(w, &w->change.old, NULL);
	return err;
}

static int (*const operations[])(struct world *w) = {
	fill_region,
	switch_listeners,
	tell_track,
	forget,
};

/* A new agent finds the listener table switched or not; if not, it begins again. */
void regions_restart(struct world *w)
{
	if (!w->change.is_on)
		return;
	w->progress[WORLD_change_torn]++;
	if (w->change.step < 2)
		w->change.step = 0;
	w->round = true;
}

/* The next operation of the change that is under way; it fails now and then, and is tried again. */
void regions_step(struct world *w)
{
	if (world_chance(w, .05)) {
		w->progress[WORLD_change_refused]++;
		return;
	}
	if (operations[w->change.step](w)) {
		world_break(w, 0, "operation %zu of a change of service %d failed", w->change.step,
			    w->change.service);
		return;
	}
	world_look(w);
	w->change.is_on = ++w->change.step < ARRAY_SIZE(operations);
	w->round = w->change.is_on;
}

/* ---- tracking: never ---------------------------------------------------------------------------- */

/* The table is in force at once, and nothing else ever stands there. */
void regions_store(struct world *w, int s)
{
	const struct world_service *service = &w->service[s];
	uint16_t table[WORLD_SLOTS_MOST];

	fill_at_once(w, s, table);
	for (uint32_t i = 0; i < service->slots; i++) {
		uint32_t slot = service->base + i;

		if (dataplane_hot(w->rig->view, slot) & SL_HOT_LOOK)
			world_break(w, 0, "slot %u is looked up, and its service never tracks",
				    slot);
		w->progress[WORLD_stored] += dataplane_hot(w->rig->view, slot) != table[i];
		put(w, slot, table[i]);
	}
	oracle_watch(&w->oracle);
	for (uint32_t e = 0; e < w->capacity; e++) {
		uint64_t data = rig_entry(w->rig, e)->data;

		if (sl_flow_in_use(data) && sl_flow_slot(data) - service->base < service->slots)
			world_break(w, 0, "slot %u has an entry, and its service never tracks",
				    sl_flow_slot(data));
	}
}
