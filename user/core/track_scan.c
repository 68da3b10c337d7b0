/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done by looking through the flow table: settling slots become stable, a dead backend is
 * forgotten so that it can come back, and the index of one that left becomes free.
 *
 * A scan of a million entries meets slots in no order, and waits for memory at each. So what it
 * asks of a slot lies in a 16-bit mark, written before, and all else in a record of the cache line
 * of hot words that the slot is in (it has one service); both are fetched long before.
 */
#include <stdlib.h>
#include <string.h>

#include <sluice/flow.h>

#include "base/mem.h"
#include "core/track_state.h"

/* A slot's mark: 0 while it is stable, else this and the backend that it settles at (0: it moves). */
#define MARK_LOOK 0x8000u

/* ---- when ------------------------------------------------------------------------------------ */

/* Alive again, but the flow table may still hold what it had before its death. */
static bool is_reviving(const struct track *t, uint32_t index)
{
	const struct track_backend *backend = &t->backends[index];

	return backend->is_told && backend->health != TRACK_DEAD && !backend->is_forgotten &&
	       track_flags(t, index) & SL_BACKEND_DEAD;
}

static bool is_due(const struct track *t, uint32_t now)
{
	bool has_work = t->leaving > t->gone;

	for (size_t n = 0; n < t->service_count; n++)
		has_work |= t->services[n].is_open;
	if (has_work && (!t->has_scanned || now - t->last_scan >= t->times.scan))
		return true;
	for (uint32_t i = 1; t->is_health_behind && i <= t->view->limits.backends; i++)
		if (is_reviving(t, i))
			return true;
	return false;
}

/* Who is named is looked at before the grace period: packets that run after it find it so. */
static void look_at_names(struct track *t)
{
	if (t->leaving == t->gone)
		return;
	track_mark_named(t, true);
	for (uint32_t i = 1; i <= t->view->limits.backends; i++)
		t->backends[i].is_named = t->named[i];
}

bool track_scan_grace(struct track *t, uint32_t now)
{
	if (!is_due(t, now))
		return false;
	look_at_names(t);
	return track_grace(t);
}

void track_scan_graced(struct track *t, uint32_t now)
{
	(void)now;
	t->is_graced = true;
}

/* ---- the scan -------------------------------------------------------------------------------- */

/*
 * Marks the slots of a line of hot words; compiled to vectors, and so without atomic loads: only this thread stores
 * what is read here, and packets no more than other bits of the same cold word.
 */
static void mark_line(uint16_t mark[SL_HOT_PER_LINE], const struct sl_hot_line *hot,
		      const struct sl_cold_line *cold)
{
	for (int c = 0; c < SL_HOT_PER_LINE / SL_COLD_PER_LINE; c++)
		for (int i = 0; i < SL_COLD_PER_LINE; i++) {
			uint16_t word = hot->word[c * SL_COLD_PER_LINE + i];
			uint16_t base = cold[c].word[i] & SL_COLD_BASE;
			uint16_t now = word & SL_HOT_NOW;
			uint16_t settles = now == base ? now : 0;

			mark[c * SL_COLD_PER_LINE + i] =
				word & SL_HOT_LOOK ? MARK_LOOK | settles : 0;
		}
}

static void mark_slots(struct track *t)
{
	for (size_t n = 0; n < t->service_count; n++) {
		const struct track_service *s = &t->services[n];
		const struct track_line line = {
			.age = track_window(s->region.idle_ticks),
			.live = s->region.idle_ticks,
		};

		for (uint32_t i = 0; s->is_open && i < s->region.slots; i += SL_HOT_PER_LINE) {
			uint32_t slot = s->region.base + i;

			mark_line(&t->mark[slot], &t->view->hot[slot / SL_HOT_PER_LINE],
				  &t->view->cold[slot / SL_COLD_PER_LINE]);
			t->lines[slot / SL_HOT_PER_LINE] = line;
		}
		/* The rest of the last line is nobody's. */
		for (uint32_t i = s->region.slots; s->is_open && i % SL_HOT_PER_LINE; i++)
			t->mark[s->region.base + i] = 0;
	}
}

/* Backends whose entries are over: the dead, and indices that are none's. What is being written is nobody's yet. */
static void mark_lost(struct track *t)
{
	const uint32_t locked = SL_FLOW_LOCK >> 16;

	memset(t->is_lost, true, locked);
	t->is_lost[locked] = false;
	for (uint32_t i = 1; i <= t->view->limits.backends; i++)
		t->is_lost[i] = !t->view->backends[i].family || track_flags(t, i) & SL_BACKEND_DEAD;
	memset(t->entries, 0, (t->view->limits.backends + 1) * sizeof(*t->entries));
	memset(t->live, 0, (t->view->limits.backends + 1) * sizeof(*t->live));
}

/* Userspace waits for memory as packets do; but it knows in advance for what. */
#define FETCH_AHEAD 32

static inline void fetch(const uint16_t *marks, const struct track_line *lines, uint32_t slots,
			 uint64_t data)
{
	uint32_t slot = sl_flow_slot(data);

	if (slot >= slots)
		return;
	__builtin_prefetch(&marks[slot]);
	__builtin_prefetch(&lines[slot / SL_HOT_PER_LINE], 1);
}

/* Ticks, some more than 5 hours; with it and the longest T (4 hours) an age is right up to 13 hours. */
#define AHEAD 18000

/*
 * Ticks since the entry's flow sent a packet. Unlike a packet, the agent may be stopped for long between its look at the
 * clock and that at the entry: what was refreshed meanwhile is younger by as much, and not old.
 */
static inline uint16_t age_of(uint64_t data, uint16_t tick)
{
	uint16_t age = tick - (uint16_t)data;

	return age > 0xffff - AHEAD ? 0 : age;
}

static void judge(void *arg, const uint64_t *data, size_t count, bool *over)
{
	const uint32_t locked = SL_FLOW_LOCK >> 16;
	struct track *t = arg;
	const uint16_t *marks = t->mark, tick = t->scan_tick;
	const uint32_t slots = marks ? t->slots : 0, backends = t->view->limits.backends;
	const bool *is_lost = t->is_lost;
	struct track_line *lines = t->lines, none = {};
	uint32_t *entries = t->entries, *live = t->live;
	size_t deleted = 0, repaired = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t slot = sl_flow_slot(data[i]), backend = sl_flow_backend(data[i]);
		bool is_slot = slot < slots;
		struct track_line *line = is_slot ? &lines[slot / SL_HOT_PER_LINE] : &none;
		uint32_t mark = is_slot ? marks[slot] : 0;
		uint16_t age = age_of(data[i], tick);

		if (i + FETCH_AHEAD < count)
			fetch(marks, lines, slots, data[i + FETCH_AHEAD]);
		over[i] = backend != locked && (!mark | (age > line->age) | is_lost[backend] |
						(mark == (MARK_LOOK | backend)));
		if (over[i]) {
			deleted++;
			repaired += !mark || backend > backends;
			continue;
		}
		line->occupied |= track_bit(slot);
		if (backend <= backends) {
			entries[backend]++;
			live[backend] += age <= line->live;
		}
	}
	t->scans.entries += count - deleted;
	t->scans.deleted += deleted;
	t->scans.repaired += repaired;
}

static void stays(void *arg, uint64_t data)
{
	uint32_t slot = sl_flow_slot(data), backend = sl_flow_backend(data);
	struct track *t = arg;

	t->scans.deleted--;
	t->scans.entries++;
	if (t->lines && slot < t->slots)
		t->lines[slot / SL_HOT_PER_LINE].occupied |= track_bit(slot);
	if (backend <= t->view->limits.backends) {
		t->entries[backend]++;
		t->live[backend]++;
	}
}

bool track_scan(struct track *t, uint32_t now)
{
	if (!t->is_graced)
		return false;
	t->is_graced = false;
	mark_slots(t);
	mark_lost(t);
	t->scans.entries = t->scans.deleted = 0;
	t->scan_tick = now >> t->view->clock_shift;
	t->visitor = (struct dataplane_visitor){t, judge, stays};
	t->step = (struct track_step){.kind = TRACK_SCAN, .visitor = &t->visitor};
	return true;
}

void track_scanned(struct track *t, uint32_t now)
{
	t->scans.count++;
	t->scans.is_stale = false;
	t->scans.last = now;
	t->has_scanned = t->is_scanned = true;
	t->last_scan = now;
	for (uint32_t i = 1; i <= t->view->limits.backends; i++) {
		struct track_backend *backend = &t->backends[i];

		if (is_reviving(t, i))
			backend->is_forgotten = !t->entries[i];
		if (backend->leaves && !backend->is_gone)
			backend->clean_scans =
				backend->is_named || t->entries[i] ? 0 : backend->clean_scans + 1;
	}
}

/* ---- settling -> stable ---------------------------------------------------------------------- */

static inline void settle_slot(struct track *t, const struct track_service *s, uint32_t slot,
			       struct slot_words words, uint32_t now)
{
	(void)s;
	(void)now;
	uint32_t occupied = t->lines[slot / SL_HOT_PER_LINE].occupied;

	if (slot_state(words) == SLOT_SETTLING && !(occupied & track_bit(slot)))
		track_store(t, slot, slot_now(words));
}

bool track_settle(struct track *t, uint32_t now)
{
	/* Marks are those of this round's scan. */
	if (!t->is_scanned || !t->lines)
		return false;
	track_each_open(t, now, settle_slot);
	t->step = (struct track_step){TRACK_STORE_HOT, t->stores.count, .stores = t->stores.items};
	return t->stores.count;
}

/* Closes the services all of whose slots are stable. */
void track_settled(struct track *t, uint32_t now)
{
	bool is_open = false;

	(void)now;
	for (size_t n = 0; n < t->service_count; n++) {
		struct track_service *s = &t->services[n];
		const struct track_region *region = &s->region;
		bool looks = false;

		for (uint32_t i = 0; s->is_open && !looks && i < region->slots; i++)
			looks = slot_is_looked_up(track_words(t, region->base + i));
		if (s->is_open && !looks)
			memset(t->mark + region->base, 0, region->slots * sizeof(*t->mark));
		s->is_open = looks;
		is_open |= looks;
	}
	if (!is_open)
		track_close(t);
}

/* ---- indices become free --------------------------------------------------------------------- */

static bool has_clean(const struct track *t, uint8_t scans)
{
	for (uint32_t i = 1; t->leaving > t->gone && i <= t->view->limits.backends; i++)
		if (t->backends[i].leaves && !t->backends[i].is_gone &&
		    t->backends[i].clean_scans == scans)
			return true;
	return false;
}

bool track_rescan_grace(struct track *t, uint32_t now)
{
	(void)now;
	if (!has_clean(t, 1))
		return false;
	look_at_names(t);
	return track_grace(t);
}

bool track_gone_grace(struct track *t, uint32_t now)
{
	(void)now;
	return has_clean(t, 2) && track_grace(t);
}

void track_gone(struct track *t, uint32_t now)
{
	(void)now;
	for (uint32_t i = 1; i <= t->view->limits.backends; i++)
		if (t->backends[i].leaves && !t->backends[i].is_gone &&
		    t->backends[i].clean_scans >= 2) {
			t->backends[i].is_gone = true;
			t->gone++;
		}
}
