/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When each probe starts and when it is given up. Pure: it reads no clock, and thousands of probes
 * under a scripted one make its test.
 *
 * Story: an item is idle until it is due, then it runs until it is done or its time is over. So it
 * has one time at any moment, and all items lie in one heap by that time. Too many at once: an item
 * that is due waits in a queue, in the order in which items came due. An item that runs or waits is
 * never started a second time, however late it is.
 *
 *	first start	somewhere in its interval, by a hash, so that a thousand new probes make no herd
 *	next start	interval after the last start, less up to a tenth by chance: never more
 *	a first failure	is tried again retry after its end, if that is sooner
 *	once		starts at once, and is done for good when it is done
 */
#ifndef PROBER_SCHEDULE_H
#define PROBER_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What there is a bounded number of at once. */
enum schedule_class { SCHEDULE_SOCKET, SCHEDULE_PROCESS, SCHEDULE_ALERT, SCHEDULE_CLASSES };

enum schedule_state { SCHEDULE_OUT, SCHEDULE_IDLE, SCHEDULE_WAITS, SCHEDULE_RUNS };

/* Part of what is scheduled. Zero it and fill the first fields in before it is added. */
struct schedule_item {
	uint64_t key; /* its place in the first interval is hashed from this */
	uint64_t interval_ms, timeout_ms, retry_ms;
	enum schedule_class class;
	bool once;
	/* Set when it starts: for how long the bound had held it back. */
	uint64_t late_ms;

	/* The schedule's own. */
	enum schedule_state state;
	uint64_t at_ms;	   /* idle or waiting: due; running: to be given up */
	uint64_t start_ms; /* of the last start */
	bool was_ok;
	size_t place;			   /* in the heap */
	struct schedule_item *next, *prev; /* in the queue */
};

struct schedule;

/* At most limits[class] items of a class run at once. `seed` makes the spread and the jitter. */
struct schedule *schedule_new(const unsigned int limits[SCHEDULE_CLASSES], uint64_t seed);
void schedule_free(struct schedule *schedule); /* items are the caller's */

void schedule_add(struct schedule *schedule, struct schedule_item *item, uint64_t now_ms);
/* In any state; the caller ends what runs. */
void schedule_remove(struct schedule *schedule, struct schedule_item *item);

enum schedule_action { SCHEDULE_NOTHING, SCHEDULE_START, SCHEDULE_GIVE_UP };

/*
 * What is to be done now; call it until it says SCHEDULE_NOTHING. SCHEDULE_START: the item runs from
 * now on. SCHEDULE_GIVE_UP: its time is over; the caller ends it and says schedule_done().
 */
enum schedule_action schedule_next(struct schedule *schedule, uint64_t now_ms,
				   struct schedule_item **item);

/* An item that runs has ended. One that runs once is out then, and the caller's to free. */
void schedule_done(struct schedule *schedule, struct schedule_item *item, bool ok, uint64_t now_ms);

/* How long until schedule_next() has something; UINT64_MAX: not before something is done or added. */
uint64_t schedule_wait_ms(const struct schedule *schedule, uint64_t now_ms);

/* How many of a class run. */
unsigned int schedule_running(const struct schedule *schedule, enum schedule_class class);
unsigned int schedule_limit(const struct schedule *schedule, enum schedule_class class);

#endif
