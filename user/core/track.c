/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is wanted, and the order of a round. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/flow.h>

#include "base/mem.h"
#include "core/track_state.h"

/* ---- life ------------------------------------------------------------------------------------ */

struct track *track_new(const struct dataplane_view *view, struct track_times times)
{
	struct track *t = mem_alloc(sizeof(*t));
	size_t backends = (size_t)view->limits.backends + 1;

	t->view = view;
	t->times = times;
	t->slots = view->limits.slots;
	t->backends = mem_array(backends, sizeof(*t->backends));
	t->named = mem_array(backends, sizeof(*t->named));
	t->entries = mem_array(backends, sizeof(*t->entries));
	t->live = mem_array(backends, sizeof(*t->live));
	t->hot = mem_map(t->slots, sizeof(*t->hot));
	t->is_lost = mem_array((SL_FLOW_BACKEND >> 16) + 1, sizeof(*t->is_lost));
	return t;
}

void track_free(struct track *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->service_count; i++)
		free(t->services[i].wanted);
	free(t->services);
	free(t->watched);
	free(t->backends);
	track_close(t);
	free(t->entries);
	free(t->live);
	mem_unmap(t->hot, t->slots, sizeof(*t->hot));
	free(t->named);
	free(t->is_lost);
	free(t->stores.items);
	free(t->swaps.items);
	free(t->numbers.items);
	free(t);
}

void *track_add(struct track_list *list, size_t size)
{
	if (list->count == list->room) {
		list->room = list->room ? 2 * list->room : 64;
		list->items = mem_resize(list->items, list->room, size);
	}
	return (char *)list->items + size * list->count++;
}

/* ---- services -------------------------------------------------------------------------------- */

/* The first service whose region does not begin before `base`. */
static size_t find_place(const struct track *t, uint32_t base)
{
	size_t low = 0, high = t->service_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (t->services[middle].region.base < base)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct track_service *track_find(const struct track *t, uint32_t base)
{
	size_t at = find_place(t, base);

	return at < t->service_count && t->services[at].region.base == base ? &t->services[at]
									    : NULL;
}

/* Memory for the slots of services that are open comes and goes with them; untouched, it costs nothing. */
void track_open(struct track *t, struct track_service *service)
{
	service->is_open = true;
	if (t->start)
		return;
	t->start = mem_map(t->slots, sizeof(*t->start));
	t->mark = mem_map(t->slots, sizeof(*t->mark));
	t->lines = mem_array(t->slots / SL_HOT_PER_LINE, sizeof(*t->lines));
	t->renewed = mem_array(t->slots / SL_HOT_PER_LINE, sizeof(*t->renewed));
}

void track_close(struct track *t)
{
	mem_unmap(t->start, t->slots, sizeof(*t->start));
	mem_unmap(t->mark, t->slots, sizeof(*t->mark));
	free(t->lines);
	free(t->renewed);
	t->start = NULL;
	t->mark = NULL;
	t->lines = NULL;
	t->renewed = NULL;
}

static struct track_service *insert(struct track *t, const struct track_region *region)
{
	size_t at = find_place(t, region->base);

	t->services = mem_grow(t->services, t->service_count, sizeof(*t->services));
	memmove(&t->services[at + 1], &t->services[at],
		(t->service_count - at) * sizeof(*t->services));
	t->service_count++;
	t->services[at] = (struct track_service){.region = *region, .needs_repair = true};
	return &t->services[at];
}

void track_adopt(struct track *t, const struct track_region *region)
{
	struct track_service *known = track_find(t, region->base);

	if (known) {
		known->region = *region;
		return;
	}
	known = insert(t, region);
	track_note_found(t, region->base, region->slots);
	for (uint32_t slot = region->base; slot < region->base + region->slots; slot++) {
		if (!slot_is_looked_up(track_words(t, slot)))
			continue;
		track_open(t, known);
		t->start[slot] = TRACK_PENDING;
		t->is_pending = true;
	}
}

void track_drop(struct track *t, uint32_t base)
{
	struct track_service *service = track_find(t, base);

	if (!service)
		return;
	free(service->wanted);
	if (t->mark)
		memset(t->mark + base, 0, service->region.slots * sizeof(*t->mark));
	t->service_count--;
	memmove(service, service + 1,
		(t->services + t->service_count - service) * sizeof(*service));
}

void track_sweep(struct track *t, bool (*is_in_force)(const void *arg, uint32_t base),
		 const void *arg)
{
	for (size_t i = t->service_count; i-- > 0;)
		if (!is_in_force(arg, t->services[i].region.base))
			track_drop(t, t->services[i].region.base);
}

/* What is in force is wanted, too, until something else is. */
static void want_present(const struct track *t, struct track_service *service)
{
	const struct track_region *region = &service->region;

	service->wanted = mem_array(region->slots, sizeof(*service->wanted));
	for (uint32_t i = 0; i < region->slots; i++)
		service->wanted[i] = slot_now(track_words(t, region->base + i));
}

bool track_want(struct track *t, uint32_t base, const uint16_t *table, bool urgent)
{
	struct track_service *service = track_find(t, base);
	bool is_other;
	size_t size;

	if (!service)
		return false;
	if (!service->wanted)
		want_present(t, service);
	size = service->region.slots * sizeof(*table);
	is_other = memcmp(service->wanted, table, size) != 0;
	memcpy(service->wanted, table, size);
	service->is_urgent |= urgent;
	track_forget_met(t, service);
	return is_other;
}

void track_release(struct track *t)
{
	for (size_t i = 0; i < t->service_count; i++)
		t->services[i].is_released = t->services[i].wanted;
}

bool track_is_gathering(const struct track *t)
{
	for (size_t i = 0; i < t->service_count; i++)
		if (t->services[i].wanted && !t->services[i].is_urgent &&
		    !t->services[i].is_released)
			return true;
	return false;
}

/* ---- backends -------------------------------------------------------------------------------- */

bool track_backend(struct track *t, uint32_t index, enum track_health health)
{
	struct track_backend *backend = &t->backends[index];
	uint32_t flags = track_flags(t, index);
	enum track_health before = backend->is_told	     ? backend->health
				   : flags & SL_BACKEND_DEAD ? TRACK_DEAD
				   : flags & SL_BACKEND_DOWN ? TRACK_DOWN
							     : TRACK_UP;

	backend->is_told = true;
	backend->health = health;
	t->is_health_behind |= track_is_behind(t, index);
	return health > before;
}

void track_leave(struct track *t, uint32_t index, bool leaves)
{
	struct track_backend *backend = &t->backends[index];

	if (backend->leaves == leaves)
		return;
	t->leaving += leaves ? 1 : -1;
	t->gone -= backend->is_gone;
	backend->leaves = leaves;
	backend->is_gone = false;
	backend->clean_scans = 0;
}

bool track_leaves(const struct track *t, uint32_t index)
{
	return t->backends[index].leaves;
}

bool track_is_gone(const struct track *t, uint32_t index)
{
	return t->backends[index].leaves && t->backends[index].is_gone;
}

void track_forget(struct track *t, uint32_t index)
{
	track_leave(t, index, false);
	t->backends[index] = (struct track_backend){};
	t->entries[index] = t->live[index] = 0;
}

/* ---- a round --------------------------------------------------------------------------------- */

static const struct track_phase phases[] = {
	/* What others have written over. */
	{track_mend, track_mended},
	/* What a restart found half done. */
	{track_repair, track_repaired},
	/* No entry may count as expired for packets before it does. */
	{track_raise_longest, NULL},
	{track_write_idle, NULL},
	/* Settling slots become stable, dead backends are forgotten, indices become free. */
	{track_scan_grace, track_scan_graced},
	{track_scan, track_scanned},
	{track_settle, track_settled},
	{track_rescan_grace, track_scan_graced},
	{track_scan, track_scanned},
	{track_gone_grace, track_gone},
	/* Down, up, and alive again. */
	{track_health, NULL},
	/* Moving slots go on. */
	{track_advance, track_advanced},
	{track_advance, track_advanced}, /* those that a packet forestalled */
	/* New tables: what hot relies on is in cold before it. */
	{track_table_cold, NULL},
	{track_table_hot, track_table_stored},
	{track_advance, track_advanced}, /* from nobody: the base follows at once */
	/* One grace period for all windows that begin. */
	{track_begin_grace, track_begin},
	/* Dead: no `now` names it any more, then no base, then the flag. */
	{track_death_bases, NULL},
	{track_death_flags, NULL},
	{track_lower_grace, track_lower_graced},
	{track_lower_longest, NULL},
};

/* Since when slots are looked up, for people. */
static void note_opened(struct track *t, uint32_t now)
{
	for (size_t n = 0; n < t->service_count; n++) {
		struct track_service *s = &t->services[n];

		if (s->is_open && !s->has_opened)
			s->opened = now;
		s->has_opened = s->is_open;
	}
}

const struct track_step *track_next(struct track *t, uint32_t now)
{
	if (!track_is_busy(t)) {
		t->phase = 0;
		return NULL;
	}
	if (t->phase == 0) {
		t->is_graced = t->is_lower_graced = t->is_scanned = t->has_due = false;
		t->began = now;
		note_opened(t, now);
	}
	for (; t->phase < ARRAY_SIZE(phases); t->phase++) {
		t->stores.count = t->swaps.count = t->numbers.count = 0;
		if (phases[t->phase].make(t, now))
			return &t->step;
	}
	note_opened(t, now);
	t->phase = 0;
	return NULL;
}

void track_done(struct track *t, int err, uint32_t now)
{
	track_note_stored(t, &t->step, err);
	if (!err && phases[t->phase].done)
		phases[t->phase].done(t, now);
	t->phase = err ? 0 : t->phase + 1;
}

bool track_is_busy(const struct track *t)
{
	if (t->is_pending || t->is_health_behind || t->leaving > t->gone ||
	    t->view->control->longest_ticks != track_longest(t))
		return true;
	for (size_t i = 0; i < t->service_count; i++) {
		const struct track_service *s = &t->services[i];

		if (s->is_open || s->needs_repair || s->is_damaged ||
		    (s->wanted && (s->is_urgent || s->is_released)) ||
		    s->region.idle_ticks != t->view->services[s->region.record].idle_ticks)
			return true;
	}
	return false;
}

bool track_due(const struct track *t, uint32_t *left)
{
	*left = t->due - t->began;
	return t->has_due && track_is_busy(t);
}

/* ---- doing it -------------------------------------------------------------------------------- */

static int write_numbers(const struct track_step *step,
			 int (*write)(void *self, uint32_t index, uint32_t value), void *dataplane)
{
	int err = 0;

	for (size_t i = 0; i < step->count && !err; i++)
		err = write(dataplane, step->numbers[i].index, step->numbers[i].value);
	return err;
}

int track_execute(const struct track_step *step, const struct dataplane_ops *ops, void *dataplane)
{
	switch (step->kind) {
	case TRACK_STORE_COLD:
		return ops->store_cold(dataplane, step->stores, step->count);
	case TRACK_STORE_HOT:
		return ops->store_hot(dataplane, step->stores, step->count);
	case TRACK_SWAP_COLD:
		return ops->swap_cold(dataplane, step->swaps, step->count);
	case TRACK_WRITE_FLAGS:
		return write_numbers(step, ops->write_flags, dataplane);
	case TRACK_WRITE_IDLE:
		return write_numbers(step, ops->write_idle, dataplane);
	case TRACK_WRITE_LONGEST:
		return ops->write_longest(dataplane, step->longest_ticks);
	case TRACK_SCAN:
		return ops->scan_flows(dataplane, step->visitor);
	case TRACK_GRACE:
		return ops->grace(dataplane);
	}
	return -EINVAL;
}

int track_run(struct track *t, const struct dataplane_ops *ops, void *dataplane)
{
	const struct track_step *step;
	uint32_t now;
	int err;

	if (!track_is_busy(t))
		return 0;
	for (;;) {
		err = ops->clock(dataplane, &now);
		if (err)
			return err;
		step = track_next(t, now);
		if (!step)
			return 0;
		err = track_execute(step, ops, dataplane);
		if (!err)
			err = ops->clock(dataplane, &now);
		track_done(t, err, now);
		if (err)
			return err;
	}
}

/* ---- looking --------------------------------------------------------------------------------- */

static void look_window(const struct track *t, const struct track_service *s, uint32_t slot,
			struct track_state *state)
{
	uint32_t since = t->start[slot], until = since + track_window_units(t, s);

	if (since == TRACK_PENDING)
		return;
	if (!state->has_window || track_is_before(since, state->since))
		state->since = since;
	if (!state->has_window || track_is_before(state->until, until))
		state->until = until;
	state->has_window = true;
}

bool track_state(const struct track *t, uint32_t base, struct track_state *out)
{
	const struct track_service *s = track_find(t, base);

	*out = (struct track_state){};
	if (!s)
		return false;
	out->stable = s->is_open ? 0 : s->region.slots;
	out->is_open = s->is_open && s->has_opened;
	out->opened = s->opened;
	for (uint32_t slot = base; s->is_open && slot < base + s->region.slots; slot++) {
		struct slot_words words = track_words(t, slot);
		enum slot_state state = slot_state(words);

		out->stable += state == SLOT_STABLE;
		out->settling += state == SLOT_SETTLING;
		if (state != SLOT_MOVING)
			continue;
		out->moving++;
		out->crowded += words.cold & SL_COLD_CROWDED ||
				t->renewed[slot / SL_HOT_PER_LINE] & track_bit(slot);
		look_window(t, s, slot, out);
	}
	return true;
}

struct track_scans track_scans(const struct track *t)
{
	return t->scans;
}

uint32_t track_entries(const struct track *t, uint32_t index, uint32_t *live)
{
	*live = t->live[index];
	return t->entries[index];
}
