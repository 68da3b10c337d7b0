/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of track.h: track.c has what is wanted and the order of a round, track_change.c the
 * rows that move slots, track_scan.c what is done by looking through the flow table.
 */
#ifndef CORE_TRACK_STATE_H
#define CORE_TRACK_STATE_H

#include "core/slots.h"
#include "core/track.h"

/* The start of a moving slot's window that is to begin after the next grace period. */
#define TRACK_PENDING UINT32_MAX

struct track_service {
	struct track_region region;
	uint16_t *wanted; /* NULL: what is in force is wanted */
	bool is_urgent, is_released;
	bool is_open;	   /* some slot may be looked up: */
	bool has_opened;   /* the round that made it so is over, or another one has begun: */
	uint32_t opened;   /* clock */
	bool needs_repair; /* found in force: a change of it may be half done */
	bool is_damaged;   /* stable slots are to be as they were */
};

struct track_backend {
	bool is_told; /* its health was told, and the flags are ours */
	enum track_health health;
	bool is_forgotten;     /* since it died, no entry names it any more */
	bool leaves, is_named; /* by a hot or a cold word, as of the last look */
	uint8_t clean_scans;   /* in a row, that found nothing to name it */
	bool is_gone;
};

/* The region of a service that does not track its flows. */
struct track_watched {
	uint32_t base, slots;
};

/* A list that a step holds; its memory is used again by the next one. */
struct track_list {
	void *items;
	size_t count, room;
};

/* For a scan, what the slots of a cache line of hot words have in common; they are of one service. */
struct track_line {
	uint32_t occupied; /* a bit for each slot: the scan has met an entry that stays */
	uint16_t age;	   /* in ticks: older entries are over */
	uint16_t live;	   /* likewise: older ones are of flows that are over */
};

struct track {
	const struct dataplane_view *view;
	struct track_times times;
	struct track_service *services; /* sorted by base */
	size_t service_count;
	struct track_backend *backends; /* [backends + 1] */
	uint32_t *entries, *live;	/* [backends + 1], as of the last scan */
	uint32_t leaving, gone;		/* backends that leave, and those of them that are gone */
	uint32_t slots;			/* of the maps */
	uint16_t *hot; /* [slots]: the words that we have stored, or found at first */
	struct track_watched *watched;
	size_t watched_count;
	uint32_t looked; /* for damage: the slot to go on with */
	/* Of each slot, while any service is open, else NULL. */
	uint32_t *start;	  /* clock at which its window began; of moving slots only */
	uint16_t *mark;		  /* for a scan: see track_scan.c */
	struct track_line *lines; /* [slots / SL_HOT_PER_LINE]; likewise */
	uint32_t *renewed; /* as many, a bit for each slot: crowded, its window began once more */
	bool is_pending;   /* some window is to begin after the next grace period */
	bool is_health_behind; /* some backend's flags are not yet what its health makes them */
	bool has_scanned;
	uint32_t last_scan; /* clock */
	struct track_scans scans;

	/* This round. */
	size_t phase;
	uint32_t began; /* clock */
	bool has_due;
	uint32_t due; /* clock: when the first of the slots that wait for time goes on */
	bool is_graced, is_lower_graced, is_scanned;
	struct track_step step;
	struct track_list stores, swaps, numbers;
	struct dataplane_visitor visitor;
	uint16_t scan_tick;
	bool *is_lost; /* for a scan, by an entry's 16 bits of backend */
	bool *named;   /* [backends + 1], for the phase that needs it */
};

/*
 * A phase of a round: makes its step, or returns false if there is nothing to be done; `done` takes
 * its success in.
 */
struct track_phase {
	bool (*make)(struct track *t, uint32_t now);
	void (*done)(struct track *t, uint32_t now);
};

struct track_service *track_find(const struct track *track, uint32_t base);
void *track_add(struct track_list *list, size_t size); /* room for one more, not zeroed */
void track_open(struct track *t, struct track_service *service);
void track_close(struct track *t); /* no service is open any more */

static inline struct slot_words track_words(const struct track *t, uint32_t slot)
{
	return (struct slot_words){dataplane_hot(t->view, slot), dataplane_cold(t->view, slot)};
}

static inline uint32_t track_bit(uint32_t slot)
{
	return 1u << slot % SL_HOT_PER_LINE;
}

/* A backend's flags as packets see them; all set for an index that is free or none. */
static inline uint32_t track_flags(const struct track *t, uint32_t index)
{
	if (index > t->view->limits.backends ||
	    (index != SL_NOBODY && !t->view->backends[index].family))
		return SL_BACKEND_DOWN | SL_BACKEND_DEAD;
	return __atomic_load_n(&t->view->backends[index].flags, __ATOMIC_ACQUIRE);
}

/* Whether a backend's flags are not yet what its health makes them. */
static inline bool track_is_behind(const struct track *t, uint32_t index)
{
	static const uint32_t flags[] = {
		[TRACK_UP] = 0,
		[TRACK_DOWN] = SL_BACKEND_DOWN,
		[TRACK_DEAD] = SL_BACKEND_DOWN | SL_BACKEND_DEAD,
	};

	return track_flags(t, index) != flags[t->backends[index].health];
}

/* Runs `visit` over the slots of all services that are open; inlined into each caller. */
static inline __attribute__((always_inline)) void
track_each_open(struct track *t, uint32_t now,
		void (*visit)(struct track *t, const struct track_service *s, uint32_t slot,
			      struct slot_words words, uint32_t now))
{
	for (size_t n = 0; n < t->service_count; n++) {
		const struct track_service *s = &t->services[n];

		for (uint32_t i = 0; s->is_open && i < s->region.slots; i++)
			visit(t, s, s->region.base + i, track_words(t, s->region.base + i), now);
	}
}

static inline void track_store(struct track *t, uint32_t slot, uint32_t word)
{
	struct dataplane_store *store = track_add(&t->stores, sizeof(*store));

	*store = (struct dataplane_store){slot, word};
}

static inline void track_number(struct track *t, uint32_t index, uint32_t value)
{
	struct track_number *number = track_add(&t->numbers, sizeof(*number));

	*number = (struct track_number){index, value};
}

static inline uint32_t track_window_units(const struct track *t, const struct track_service *s)
{
	return track_window(s->region.idle_ticks) << t->view->clock_shift;
}

/* Whether one moment of the clock comes before another that is less than half a turn away. */
static inline bool track_is_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline void track_note_due(struct track *t, uint32_t due)
{
	if (!t->has_due || track_is_before(due, t->due))
		t->due = due;
	t->has_due = true;
}

void track_note_found(struct track *t, uint32_t base, uint32_t slots);
void track_note_stored(struct track *t, const struct track_step *step, int err);
uint16_t track_longest(const struct track *t); /* what control.longest_ticks is to be */
bool track_grace(struct track *t);	       /* makes the step; true */
void track_forget_met(struct track *t, struct track_service *s);
/* Marks in t->named the backends that some slot's `now` (and base) names. */
void track_mark_named(struct track *t, bool by_cold);

/* The phases, in the order of a round. */
bool track_mend(struct track *t, uint32_t now);
void track_mended(struct track *t, uint32_t now);
bool track_repair(struct track *t, uint32_t now);
void track_repaired(struct track *t, uint32_t now);
bool track_raise_longest(struct track *t, uint32_t now);
bool track_write_idle(struct track *t, uint32_t now);
bool track_scan_grace(struct track *t, uint32_t now);
void track_scan_graced(struct track *t, uint32_t now);
bool track_scan(struct track *t, uint32_t now);
void track_scanned(struct track *t, uint32_t now);
bool track_settle(struct track *t, uint32_t now);
void track_settled(struct track *t, uint32_t now);
bool track_rescan_grace(struct track *t, uint32_t now);
bool track_gone_grace(struct track *t, uint32_t now);
void track_gone(struct track *t, uint32_t now);
bool track_health(struct track *t, uint32_t now);
bool track_advance(struct track *t, uint32_t now);
void track_advanced(struct track *t, uint32_t now);
bool track_table_cold(struct track *t, uint32_t now);
bool track_table_hot(struct track *t, uint32_t now);
void track_table_stored(struct track *t, uint32_t now);
bool track_begin_grace(struct track *t, uint32_t now);
void track_begin(struct track *t, uint32_t now);
bool track_death_bases(struct track *t, uint32_t now);
bool track_death_flags(struct track *t, uint32_t now);
bool track_lower_grace(struct track *t, uint32_t now);
void track_lower_graced(struct track *t, uint32_t now);
bool track_lower_longest(struct track *t, uint32_t now);

#endif
