/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hot words that others have written over. Nobody but us stores them, so a copy of what we have stored tells; it costs two
 * bytes a slot. A slot that was stable and still is, only elsewhere, is stored again: no packet has written an entry by
 * it, and flows that were silent meanwhile are where they were. Of others, the caller gives the region up.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "core/track_state.h"

/* A region is taken over as it is found. */
void track_note_found(struct track *t, uint32_t base, uint32_t slots)
{
	for (uint32_t slot = base; slot < base + slots; slot++)
		t->hot[slot] = dataplane_hot(t->view, slot);
}

void track_watch(struct track *t, uint32_t base, uint32_t slots)
{
	t->watched = mem_grow(t->watched, t->watched_count, sizeof(*t->watched));
	t->watched[t->watched_count++] = (struct track_watched){base, slots};
	track_note_found(t, base, slots);
}

void track_watch_none(struct track *t)
{
	free(t->watched);
	t->watched = NULL;
	t->watched_count = 0;
}

/* Of a step that failed nobody knows how far it came. */
void track_note_stored(struct track *t, const struct track_step *step, int err)
{
	for (size_t i = 0; step->kind == TRACK_STORE_HOT && i < step->count; i++) {
		uint32_t slot = step->stores[i].slot;

		if (!err || dataplane_hot(t->view, slot) == step->stores[i].word)
			t->hot[slot] = step->stores[i].word;
	}
}

/* It was and is stable, and the backend that it had is alive. */
static bool may_restore(const struct track *t, uint32_t slot)
{
	return !((t->hot[slot] | dataplane_hot(t->view, slot)) & SL_HOT_LOOK) &&
	       !(track_flags(t, t->hot[slot]) & SL_BACKEND_DEAD);
}

/* Takes a region for the next one if its slots come sooner. */
static void choose(const struct track *t, uint32_t base, uint32_t slots, struct track_look *next)
{
	if (base + slots > t->looked && (!next->slots || base < next->base))
		*next = (struct track_look){.base = base, .slots = slots};
}

bool track_look(struct track *t, uint32_t *budget, struct track_look *out)
{
	struct track_look look = {};
	uint32_t left;

	for (size_t i = 0; i < t->service_count; i++)
		choose(t, t->services[i].region.base, t->services[i].region.slots, &look);
	for (size_t i = 0; i < t->watched_count; i++)
		choose(t, t->watched[i].base, t->watched[i].slots, &look);
	if (!*budget)
		return false;
	/* Round once at most, however much there is left. */
	if (!look.slots) {
		t->looked = *budget = 0;
		return false;
	}
	look.first = t->looked > look.base ? t->looked : look.base;
	left = look.base + look.slots - look.first;
	look.count = left < *budget ? left : *budget;
	*budget -= look.count;
	t->looked = look.first + look.count;
	for (uint32_t slot = look.first; slot < t->looked; slot++)
		if (t->hot[slot] != dataplane_hot(t->view, slot))
			++*(may_restore(t, slot) ? &look.stable : &look.looked_up);
	*out = look;
	return true;
}

void track_restore(struct track *t, uint32_t base)
{
	struct track_service *s = track_find(t, base);

	if (s)
		s->is_damaged = true;
}

bool track_mend(struct track *t, uint32_t now)
{
	(void)now;
	for (size_t n = 0; n < t->service_count; n++) {
		const struct track_region *region = &t->services[n].region;

		for (uint32_t i = 0; t->services[n].is_damaged && i < region->slots; i++) {
			uint32_t slot = region->base + i;

			if (t->hot[slot] != dataplane_hot(t->view, slot) && may_restore(t, slot))
				track_store(t, slot, t->hot[slot]);
		}
	}
	t->step = (struct track_step){TRACK_STORE_HOT, t->stores.count, .stores = t->stores.items};
	if (t->stores.count)
		return true;
	track_mended(t, now);
	return false;
}

void track_mended(struct track *t, uint32_t now)
{
	(void)now;
	for (size_t n = 0; n < t->service_count; n++)
		t->services[n].is_damaged = false;
}
