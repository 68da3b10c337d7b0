/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows that move slots: new tables, windows, deaths; and T. */
#include <stdlib.h>
#include <string.h>

#include "core/track_state.h"

/* Makes a step of the list of stores, if there is any. */
static bool store_step(struct track *t, enum track_kind kind)
{
	t->step = (struct track_step){kind, t->stores.count, .stores = t->stores.items};
	return t->stores.count;
}

static bool number_step(struct track *t, enum track_kind kind)
{
	t->step = (struct track_step){kind, t->numbers.count, .numbers = t->numbers.items};
	return t->numbers.count;
}

bool track_grace(struct track *t)
{
	t->step = (struct track_step){.kind = TRACK_GRACE};
	return true;
}

/* ---- after a restart ------------------------------------------------------------------------- */

/* Whether a base is let go: nobody waits for its flows any more. */
static bool is_dead(const struct track *t, uint32_t index)
{
	return track_flags(t, index) & SL_BACKEND_DEAD;
}

/* Whether a base was never this service's: somebody has written it. */
static bool is_foreign(const struct track *t, const struct track_service *s, uint32_t index)
{
	return s->region.line && index != SL_NOBODY && index <= t->view->limits.backends &&
	       t->view->backends[index].service != s->region.line;
}

bool track_repair(struct track *t, uint32_t now)
{
	(void)now;
	for (size_t n = 0; n < t->service_count; n++) {
		const struct track_service *s = &t->services[n];

		for (uint32_t i = 0; s->needs_repair && i < s->region.slots; i++) {
			uint32_t slot = s->region.base + i;
			struct slot_words words = track_words(t, slot);

			if (slot_is_looked_up(words) ? is_dead(t, slot_base(words)) ||
							       is_foreign(t, s, slot_base(words))
						     : words.cold != slot_now(words))
				track_store(t, slot, slot_now(words));
		}
	}
	if (store_step(t, TRACK_STORE_COLD))
		return true;
	track_repaired(t, now);
	return false;
}

void track_repaired(struct track *t, uint32_t now)
{
	(void)now;
	for (size_t n = 0; n < t->service_count; n++)
		t->services[n].needs_repair = false;
}

/* ---- T --------------------------------------------------------------------------------------- */

uint16_t track_longest(const struct track *t)
{
	uint32_t longest = 0;

	for (size_t n = 0; n < t->service_count; n++) {
		uint32_t window = track_window(t->services[n].region.idle_ticks);

		longest = window > longest ? window : longest;
	}
	return longest;
}

static bool longest_step(struct track *t)
{
	t->step =
		(struct track_step){.kind = TRACK_WRITE_LONGEST, .longest_ticks = track_longest(t)};
	return true;
}

bool track_raise_longest(struct track *t, uint32_t now)
{
	(void)now;
	return t->view->control->longest_ticks < track_longest(t) && longest_step(t);
}

bool track_write_idle(struct track *t, uint32_t now)
{
	(void)now;
	for (size_t n = 0; n < t->service_count; n++) {
		const struct track_region *region = &t->services[n].region;

		if (t->view->services[region->record].idle_ticks != region->idle_ticks)
			track_number(t, region->record, region->idle_ticks);
	}
	return number_step(t, TRACK_WRITE_IDLE);
}

/* A packet that read the longer T may still be refreshing an entry by it. */
bool track_lower_grace(struct track *t, uint32_t now)
{
	(void)now;
	return t->view->control->longest_ticks > track_longest(t) && track_grace(t);
}

void track_lower_graced(struct track *t, uint32_t now)
{
	(void)now;
	t->is_lower_graced = true;
}

bool track_lower_longest(struct track *t, uint32_t now)
{
	(void)now;
	return t->is_lower_graced && longest_step(t);
}

/* ---- health ---------------------------------------------------------------------------------- */

/* Alive again: not before the flow table was seen to hold nothing of it. */
static uint32_t wanted_flags(const struct track_backend *backend, uint32_t flags)
{
	uint32_t wanted = flags & ~SL_BACKEND_DOWN;

	if (backend->health != TRACK_DEAD && backend->is_forgotten)
		wanted &= ~SL_BACKEND_DEAD;
	return wanted | (backend->health == TRACK_UP ? 0 : SL_BACKEND_DOWN);
}

bool track_health(struct track *t, uint32_t now)
{
	(void)now;
	for (uint32_t i = 1; t->is_health_behind && i <= t->view->limits.backends; i++) {
		uint32_t flags = track_flags(t, i);

		if (!t->backends[i].is_told || wanted_flags(&t->backends[i], flags) == flags)
			continue;
		track_number(t, i, wanted_flags(&t->backends[i], flags));
	}
	return number_step(t, TRACK_WRITE_FLAGS);
}

/* ---- moving slots go on ---------------------------------------------------------------------- */

static inline void advance_slot(struct track *t, const struct track_service *s, uint32_t slot,
				struct slot_words words, uint32_t now)
{
	struct slot_clock clock = {
		.has_begun = t->start[slot] != TRACK_PENDING,
		.age = now - t->start[slot],
		.hold = t->times.hold,
		.window = track_window_units(t, s),
	};
	bool is_base_down;
	struct dataplane_swap *swap;
	uint32_t cold = words.cold;

	if (slot_state(words) != SLOT_MOVING)
		return;
	is_base_down = track_flags(t, slot_base(words)) & SL_BACKEND_DOWN;
	/* Only damaged memory, or an agent that was killed, leaves a dead base. */
	if (is_dead(t, slot_base(words)) && !is_dead(t, slot_now(words)))
		clock = (struct slot_clock){.has_begun = true, .age = UINT32_MAX};
	switch (slot_advance(words, is_base_down, clock, &cold)) {
	case SLOT_STAYS:
		if (clock.has_begun)
			track_note_due(t, t->start[slot] + slot_limit(words, clock) + 1);
		return;
	case SLOT_RENEWS:
		/* Before the swap: should it be done and we not learn of it, the window is new anyway. */
		t->start[slot] = TRACK_PENDING;
		t->is_pending = true;
		t->renewed[slot / SL_HOT_PER_LINE] |= track_bit(slot);
		break;
	case SLOT_LETS_GO:
	case SLOT_RELEASES:
	case SLOT_REBASES:
		break;
	}
	swap = track_add(&t->swaps, sizeof(*swap));
	*swap = (struct dataplane_swap){.slot = slot, .from = words.cold, .to = cold};
}

bool track_advance(struct track *t, uint32_t now)
{
	track_each_open(t, now, advance_slot);
	t->step = (struct track_step){TRACK_SWAP_COLD, t->swaps.count, .swaps = t->swaps.items};
	return t->swaps.count;
}

/* A swap that a packet forestalled is made anew in the next round, by what is there then. */
void track_advanced(struct track *t, uint32_t now)
{
	const struct dataplane_swap *swaps = t->swaps.items;

	(void)now;
	for (size_t i = 0; i < t->swaps.count; i++) {
		if (!swaps[i].done)
			continue;
		t->scans.crowded += (swaps[i].from & SL_COLD_CROWDED) != 0;
		/* Only a rebase changes the base. */
		if ((swaps[i].from ^ swaps[i].to) & SL_COLD_BASE) {
			t->scans.rebases++;
			t->scans.is_stale = true;
		}
	}
}

/* ---- new tables ------------------------------------------------------------------------------ */

static bool is_due(const struct track_service *s)
{
	return s->wanted && (s->is_urgent || s->is_released);
}

/* One that is dead still waits until its entries are gone; until then nobody is sent there. */
static bool may_move(const struct track *t, const struct slot_words words, uint16_t wanted)
{
	return slot_now(words) != wanted && !is_dead(t, wanted);
}

/* Of the dead, and of indices that are none's (memory that was damaged), no flow is to be kept. */
static inline struct slot_words believed(const struct track *t, struct slot_words words)
{
	if (is_dead(t, slot_now(words)))
		words.hot &= SL_HOT_LOOK;
	if (is_dead(t, slot_base(words)))
		words.cold = slot_now(words);
	return words;
}

static inline __attribute__((always_inline)) struct slot_move
move_of(const struct track *t, struct slot_words words, uint16_t wanted)
{
	return slot_keep(believed(t, words), wanted,
			 !(track_flags(t, slot_now(words)) & SL_BACKEND_DOWN));
}

bool track_table_cold(struct track *t, uint32_t now)
{
	(void)now;
	for (size_t n = 0; n < t->service_count; n++) {
		const struct track_service *s = &t->services[n];

		for (uint32_t i = 0; is_due(s) && i < s->region.slots; i++) {
			uint32_t slot = s->region.base + i;
			struct slot_words words = track_words(t, slot);
			struct slot_move move;

			if (!may_move(t, words, s->wanted[i]))
				continue;
			move = move_of(t, words, s->wanted[i]);
			if (move.words.cold != words.cold)
				track_store(t, slot, move.words.cold);
		}
	}
	return store_step(t, TRACK_STORE_COLD);
}

/*
 * Whether the cold word is what the hot one is to rely on, `crowded` aside, which packets set. It is not where the table
 * has come after the cold words were stored: such a slot waits for the next round.
 */
static bool is_prepared(struct slot_words words, struct slot_move move)
{
	return !((words.cold ^ move.words.cold) & ~SL_COLD_CROWDED);
}

/* The same once more, over the cold words that are stored now. */
bool track_table_hot(struct track *t, uint32_t now)
{
	(void)now;
	for (size_t n = 0; n < t->service_count; n++) {
		struct track_service *s = &t->services[n];

		for (uint32_t i = 0; is_due(s) && i < s->region.slots; i++) {
			uint32_t slot = s->region.base + i;
			struct slot_words words = track_words(t, slot);
			struct slot_move move;

			if (!may_move(t, words, s->wanted[i]))
				continue;
			move = move_of(t, words, s->wanted[i]);
			if (!is_prepared(words, move))
				continue;
			if (move.words.hot & SL_HOT_LOOK)
				track_open(t, s);
			/* Before the store: should it be done and we not learn of it, no window is over. */
			if (move.begins) {
				t->start[slot] = TRACK_PENDING;
				t->is_pending = true;
				t->renewed[slot / SL_HOT_PER_LINE] &= ~track_bit(slot);
			}
			track_store(t, slot, move.words.hot);
		}
	}
	if (store_step(t, TRACK_STORE_HOT))
		return true;
	track_table_stored(t, now);
	return false;
}

/* Forgets a table that is in force. */
void track_forget_met(struct track *t, struct track_service *s)
{
	for (uint32_t i = 0; i < s->region.slots; i++)
		if (slot_now(track_words(t, s->region.base + i)) != s->wanted[i])
			return;
	free(s->wanted);
	s->wanted = NULL;
	s->is_urgent = s->is_released = false;
}

void track_table_stored(struct track *t, uint32_t now)
{
	(void)now;
	for (size_t n = 0; n < t->service_count; n++)
		if (is_due(&t->services[n]))
			track_forget_met(t, &t->services[n]);
}

/* ---- windows --------------------------------------------------------------------------------- */

bool track_begin_grace(struct track *t, uint32_t now)
{
	(void)now;
	return t->is_pending && track_grace(t);
}

static inline void begin_slot(struct track *t, const struct track_service *s, uint32_t slot,
			      struct slot_words words, uint32_t now)
{
	(void)s;
	(void)words;
	if (t->start[slot] != TRACK_PENDING)
		return;
	t->start[slot] = now;
	/* Without a hold that is too early, and the next round knows better. */
	track_note_due(t, now + t->times.hold + 1);
}

void track_begin(struct track *t, uint32_t now)
{
	/* In the one moment that reads as no moment none begins: the next round waits for another grace period. */
	if (now == TRACK_PENDING)
		return;
	if (t->start)
		track_each_open(t, now, begin_slot);
	t->is_pending = false;
}

/* ---- death ----------------------------------------------------------------------------------- */

static bool is_dying(const struct track *t, uint32_t index)
{
	const struct track_backend *backend = &t->backends[index];

	return backend->is_told && backend->health == TRACK_DEAD && !is_dead(t, index);
}

static bool has_dying(const struct track *t)
{
	for (uint32_t i = 1; t->is_health_behind && i <= t->view->limits.backends; i++)
		if (is_dying(t, i))
			return true;
	return false;
}

void track_mark_named(struct track *t, bool by_cold)
{
	uint32_t backends = t->view->limits.backends;

	memset(t->named, 0, (size_t)backends + 1);
	for (size_t n = 0; n < t->service_count; n++) {
		const struct track_region *region = &t->services[n].region;

		for (uint32_t i = 0; i < region->slots; i++) {
			struct slot_words words = track_words(t, region->base + i);

			if (slot_now(words) <= backends)
				t->named[slot_now(words)] = true;
			if (by_cold && slot_base(words) <= backends)
				t->named[slot_base(words)] = true;
		}
	}
}

static inline void let_base_go(struct track *t, const struct track_service *s, uint32_t slot,
			       struct slot_words words, uint32_t now)
{
	uint32_t base = slot_base(words);

	(void)s;
	(void)now;
	if (slot_is_looked_up(words) && base <= t->view->limits.backends && is_dying(t, base) &&
	    !t->named[base])
		track_store(t, slot, slot_now(words));
}

/* No slot's `now` names it any more; then no base does. */
bool track_death_bases(struct track *t, uint32_t now)
{
	if (!has_dying(t))
		return false;
	track_mark_named(t, false);
	track_each_open(t, now, let_base_go);
	return store_step(t, TRACK_STORE_COLD);
}

/* Whether every backend's flags are what its health makes them. */
static void look_at_health(struct track *t)
{
	if (!t->is_health_behind)
		return;
	t->is_health_behind = false;
	for (uint32_t i = 1; i <= t->view->limits.backends; i++)
		t->is_health_behind |= t->backends[i].is_told && track_is_behind(t, i);
}

bool track_death_flags(struct track *t, uint32_t now)
{
	(void)now;
	if (has_dying(t)) {
		track_mark_named(t, true);
		for (uint32_t i = 1; i <= t->view->limits.backends; i++)
			if (is_dying(t, i) && !t->named[i]) {
				t->backends[i].is_forgotten = false;
				track_number(t, i, SL_BACKEND_DOWN | SL_BACKEND_DEAD);
			}
	}
	if (number_step(t, TRACK_WRITE_FLAGS))
		return true;
	look_at_health(t);
	return false;
}
