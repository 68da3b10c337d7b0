/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tracking by exception, the agent's side: every row of the table "The agent" of docs/tracking.md.
 *
 * Story: a table change moves slots, and each moved slot goes its way from stable over moving and
 * settling back to stable, in steps whose order keeps every live flow on its backend. The state of
 * a slot is what its hot and cold word say; beside them only the tick at which its window began is
 * kept, in memory that is there only while something is under way. So a restarted agent knows all
 * but the times, and starts those anew.
 *
 * What is wanted comes in by track_adopt(), track_want(), track_backend() and the like, which
 * change nothing. What is to be done comes out of track_next(), a step at a time, in order; the
 * caller does it (track_execute()), and says how it went by track_done(). Every step may be the
 * last one before a crash. A round is a pass over all rows; many slots share one step and one grace
 * period. When track_next() returns NULL the round is over, and the next call begins another:
 * once a second is enough, and at once after something urgent came in.
 *
 * Time comes in as the agent's clock (`now`, dataplane.h), which is finer than the tick of entries, so that a hold ends when
 * it is over and not up to a tick later. It wraps: times are compared by their difference. A duration is over when the
 * age is greater, since what is measured may have begun anywhere in its unit.
 *
 * Pure: no clock, no log, no stores but through the steps.
 */
#ifndef CORE_TRACK_H
#define CORE_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/dataplane.h"

struct track;

/* In units of the clock, converted upwards. */
struct track_times {
	uint32_t hold; /* 4 s: new TCP flows go to the former backend for so long */
	uint32_t scan; /* 10 s: between two scans */
};

/* `view` is read whenever a step is worked out; it must outlive the track. */
struct track *track_new(const struct dataplane_view *view, struct track_times times);
void track_free(struct track *track); /* NULL is fine */

/* ---- what is wanted -------------------------------------------------------------------------- */

/* The table of a service that tracks its flows. */
struct track_region {
	uint32_t record; /* of the service */
	uint32_t base, slots;
	uint16_t idle_ticks; /* T */
	uint32_t line;	     /* that its backends have; 0: whatever base is found is believed */
};

/*
 * A region is in force: just filled as stable, or found after a restart; then what is under way in
 * it is taken up, with every window and hold beginning anew. One that is known changes its record
 * and its T alone (a T that is raised counts for windows under way, too).
 */
void track_adopt(struct track *track, const struct track_region *region);
/* The region is out of force, and nobody may change its slots any more. */
void track_drop(struct track *track, uint32_t base);

/* Drops every region that is not in force any more. */
void track_sweep(struct track *track, bool (*is_in_force)(const void *arg, uint32_t base),
		 const void *arg);

/*
 * The backend index that each slot of a region shall have; copied. It is put in force by the next
 * round if it is `urgent` (a backend is down or dead), else by the first one after track_release(),
 * so that changes can be gathered. One that comes while a round is under way may be put in force in part by it, each slot
 * in order, and by the next one wholly. Returns whether it is another table than was wanted before.
 */
bool track_want(struct track *track, uint32_t base, const uint16_t *table, bool urgent);
void track_release(struct track *track);
bool track_is_gathering(const struct track *track); /* something waits for track_release() */

enum track_health {
	TRACK_UP,
	TRACK_DOWN, /* failed: takes no new flows, keeps the old ones */
	TRACK_DEAD, /* its flows are let go */
};

/*
 * How a backend is. The table that no longer names it (or names it again) comes by track_want(),
 * before or after, and before the next round; a death waits for it. Returns whether it is worse
 * than before, so that the table is urgent.
 */
bool track_backend(struct track *track, uint32_t index, enum track_health health);

/*
 * A backend is removed from the configuration (or is back in it: false). It is kept until nothing
 * names it: no hot, no cold word and no entry, for two scans with grace periods around them.
 */
void track_leave(struct track *track, uint32_t index, bool leaves);
bool track_leaves(const struct track *track, uint32_t index);
/* Whether the index of a backend that left may be used again; track_forget() then forgets it. */
bool track_is_gone(const struct track *track, uint32_t index);
void track_forget(struct track *track, uint32_t index);

/* ---- what is to be done ---------------------------------------------------------------------- */

enum track_kind {
	TRACK_STORE_COLD,
	TRACK_STORE_HOT,
	TRACK_SWAP_COLD,     /* compare-and-swap; swaps[].done says which happened */
	TRACK_WRITE_FLAGS,   /* of backends */
	TRACK_WRITE_IDLE,    /* T into service records */
	TRACK_WRITE_LONGEST, /* control.longest_ticks */
	TRACK_SCAN,	     /* show all entries to the visitor */
	TRACK_GRACE,
};

struct track_number {
	uint32_t index; /* of a backend, or a record */
	uint32_t value; /* its flags, or T */
};

struct track_step {
	enum track_kind kind;
	size_t count; /* of the list */
	union {
		const struct dataplane_store *stores;
		struct dataplane_swap *swaps;
		const struct track_number *numbers; /* WRITE_FLAGS, WRITE_IDLE */
		uint16_t longest_ticks;
		const struct dataplane_visitor *visitor;
	};
};

/* The next step of the round, valid until track_done(); NULL: the round is over. */
const struct track_step *track_next(struct track *track, uint32_t now);
/* The step was done (err 0), wholly, by `now`; or it failed, whatever it had done: the round ends. */
void track_done(struct track *track, int err, uint32_t now);
int track_execute(const struct track_step *step, const struct dataplane_ops *ops, void *dataplane);

/* A whole round, with the clock of `ops`. Returns 0 or what the step that failed returned. */
int track_run(struct track *track, const struct dataplane_ops *ops, void *dataplane);

/* Whether anything is under way, so that rounds are needed. */
bool track_is_busy(const struct track *track);
/*
 * Whether some slot waits for nothing but time, as of the last round: *left are the units from that round's beginning
 * to when the first of them goes on.
 */
bool track_due(const struct track *track, uint32_t *left);

/* ---- damage ---------------------------------------------------------------------------------- */

/*
 * The region of a service that does not track its flows, as it is in force: nothing is done with it here but to look at
 * it. Told anew after every change, after track_watch_none().
 */
void track_watch(struct track *track, uint32_t base, uint32_t slots);
void track_watch_none(struct track *track);

/* Some slots of a region, and how many of them have other hot words than we have stored. */
struct track_look {
	uint32_t base, slots;  /* of the region */
	uint32_t first, count; /* that were looked at */
	uint32_t stable;       /* were and are stable: by storing them again they are as before */
	uint32_t looked_up;    /* all others: packets may have written entries by them */
};

/*
 * Goes on looking, round and round, at up to *budget slots, and takes them off it. False: this time it has looked
 * enough, at all there are or at as many as it may.
 */
bool track_look(struct track *track, uint32_t *budget, struct track_look *out);
/* The next round stores what was found stable as it was. */
void track_restore(struct track *track, uint32_t base);

/* ---- looking --------------------------------------------------------------------------------- */

/* How long a window lasts, in ticks: T, and a margin for clocks that differ. */
static inline uint32_t track_window(uint16_t idle_ticks)
{
	return idle_ticks + idle_ticks / 256 + 2;
}

struct track_state {
	uint32_t stable, moving, settling; /* slots */
	uint32_t crowded; /* moving slots that the full table holds open, or has held open */
	bool is_open;	  /* some slot is not stable: */
	uint32_t opened;  /* clock: since when, or since the region was adopted */
	bool has_window;  /* some moving slot's window has begun (anew, where it was crowded): */
	uint32_t since, until; /* clock: the first window's begin, the last one's end */
};
/* False: no such region. */
bool track_state(const struct track *track, uint32_t base, struct track_state *out);

struct track_scans {
	uint64_t count;		   /* scans so far */
	uint64_t entries, deleted; /* of the last one: that stayed, and that were deleted */
	uint64_t repaired;	   /* entries deleted so far that no packet can have written */
	uint64_t rebases, crowded; /* slots so far */
	bool is_stale; /* a slot was rebased since: flows with entries became ones that only entries keep */
	uint32_t last; /* clock: the last one, if there was one */
};
struct track_scans track_scans(const struct track *track);
/* Entries that name a backend, as of the last scan, and how many of them are of live flows. */
uint32_t track_entries(const struct track *track, uint32_t index, uint32_t *live);

#endif
