/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done by looking through the flow table: settling slots become stable, a dead backend is
 * forgotten so that it can come back, and the index of one that left becomes free.
 *
 * A scan of a million entries meets slots in no order, and waits for memory at each. So what it
 * asks of a slot lies in a 16-bit mark, written before, and what belongs to the cache line of hot
 * words that the slot is in (it has one service) lies with that.
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

static uint16_t mark_of(struct slot_words words)
{
	enum slot_state state = slot_state(words);

	if (state == SLOT_STABLE)
		return 0;
	return MARK_LOOK | (state == SLOT_SETTLING ? slot_now(words) : 0);
}

static void mark_slots(struct track *t)
{
	free(t->limits);
	t->limits = mem_array(t->service_count + 1, sizeof(*t->limits));
	for (size_t n = 0; n < t->service_count; n++) {
		const struct track_service *s = &t->services[n];

		t->limits[n] = (struct track_limit){track_window(s->region.idle_ticks),
						    s->region.idle_ticks};
		for (uint32_t i = 0; s->is_open && i < s->region.slots; i++) {
			uint32_t slot = s->region.base + i;

			t->mark[slot] = mark_of(track_words(t, slot));
			t->lines[slot / SL_HOT_PER_LINE].occupied = 0;
			t->lines[slot / SL_HOT_PER_LINE].service = n;
		}
	}
}

/* Backends whose entries are over: the dead, and indices that are none's. What is being written is nobody's yet. */
static void mark_lost(struct track *t)
{
	const uint32_t locked = SL_FLOW_LOCK >> 16;

	memset(t->is_lost, true, locked);
	t->is_lost[locked] = false;
	for (uint32_t i = 1; i <= t->view->limits.backends; i++) {
		t->is_lost[i] = !t->view->backends[i].family || track_flags(t, i) & SL_BACKEND_DEAD;
		t->backends[i].entries = t->backends[i].live = 0;
	}
}

static inline void keep(struct track *t, uint32_t slot, uint32_t backend, bool is_live)
{
	if (t->lines && slot < t->slots)
		t->lines[slot / SL_HOT_PER_LINE].occupied |= track_bit(slot);
	if (backend <= t->view->limits.backends) {
		t->backends[backend].entries++;
		t->backends[backend].live += is_live;
	}
}

/* Userspace waits for memory as packets do; but it knows in advance for what. */
#define FETCH_AHEAD 16

static inline void fetch_mark(const struct track *t, uint32_t slots, uint64_t data)
{
	if (sl_flow_slot(data) < slots)
		__builtin_prefetch(&t->mark[sl_flow_slot(data)]);
}

static void judge(void *arg, const uint64_t *data, size_t count, bool *over)
{
	static const struct track_limit none;
	struct track *t = arg;
	uint32_t slots = t->mark ? t->slots : 0;
	size_t kept = 0, repaired = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t slot = sl_flow_slot(data[i]), backend = sl_flow_backend(data[i]);
		uint32_t mark = slot < slots ? t->mark[slot] : 0;
		const struct track_limit *limit =
			mark ? &t->limits[t->lines[slot / SL_HOT_PER_LINE].service] : &none;
		uint16_t age = sl_flow_age(data[i], t->scan_tick);

		if (i + FETCH_AHEAD < count)
			fetch_mark(t, slots, data[i + FETCH_AHEAD]);
		over[i] = sl_flow_in_use(data[i]) &&
			  (!mark || age > limit->age || t->is_lost[backend] ||
			   mark == (MARK_LOOK | backend));
		repaired += over[i] && (!mark || backend > t->view->limits.backends);
		kept += !over[i];
		if (!over[i])
			keep(t, slot, backend, age <= limit->live);
	}
	t->scans.entries += kept;
	t->scans.deleted += count - kept;
	t->scans.repaired += repaired;
}

static void stays(void *arg, uint64_t data)
{
	struct track *t = arg;

	t->scans.deleted--;
	t->scans.entries++;
	keep(t, sl_flow_slot(data), sl_flow_backend(data), true);
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
			backend->is_forgotten = !backend->entries;
		if (backend->leaves && !backend->is_gone)
			backend->clean_scans = backend->is_named || backend->entries
						       ? 0
						       : backend->clean_scans + 1;
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
