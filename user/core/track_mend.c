/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hot words that others have written over. Nobody but us stores them, so a copy of what we have stored tells; it costs two
 * bytes a slot. A slot that was stable and still is, only elsewhere, is stored again: no packet has written an entry by
 * it, and flows that were silent meanwhile are where they were. Of others, the caller gives the region up.
 */
#include "core/track_state.h"

/* A region is taken over as it is found. */
void track_note_found(struct track *t, const struct track_service *s)
{
	for (uint32_t slot = s->region.base; slot < s->region.base + s->region.slots; slot++)
		t->hot[slot] = dataplane_hot(t->view, slot);
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

/* The service with the first slot from `looked` on; NULL: there is none. */
static const struct track_service *next_service(const struct track *t)
{
	for (size_t i = 0; i < t->service_count; i++)
		if (t->services[i].region.base + t->services[i].region.slots > t->looked)
			return &t->services[i];
	return NULL;
}

bool track_find_damage(struct track *t, uint32_t *budget, struct track_damage *out)
{
	const struct track_service *s;

	while (*budget && (s = next_service(t))) {
		uint32_t slot = t->looked > s->region.base ? t->looked : s->region.base;
		uint32_t end = s->region.base + s->region.slots;

		*out = (struct track_damage){s->region.base, s->region.slots, 0, 0};
		for (; slot < end && *budget; slot++, --*budget)
			if (t->hot[slot] != dataplane_hot(t->view, slot))
				++*(may_restore(t, slot) ? &out->stable : &out->looked_up);
		t->looked = slot;
		if (out->stable || out->looked_up)
			return true;
	}
	/* Round once at most, however much there is left. */
	if (*budget)
		t->looked = *budget = 0;
	return false;
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
