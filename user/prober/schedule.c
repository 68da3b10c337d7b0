/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "base/mem.h"
#include "prober/schedule.h"

/*
 * Items that come due within so long start together: thousands of probes wake the program two
 * hundred times a second, not thousands of times. They start early, never late.
 */
#define TOGETHER_MS 5

struct queue {
	struct schedule_item *first, *last;
	unsigned int limit, running;
};

struct schedule {
	struct schedule_item **heap; /* by at_ms, the first on top: those that are idle or run */
	size_t count;
	struct queue queues[SCHEDULE_CLASSES];
	uint64_t seed, chance;
};

struct schedule *schedule_new(const unsigned int limits[SCHEDULE_CLASSES], uint64_t seed)
{
	struct schedule *schedule = mem_alloc(sizeof(*schedule));

	for (int i = 0; i < SCHEDULE_CLASSES; i++)
		schedule->queues[i].limit = limits[i];
	schedule->seed = seed;
	schedule->chance = seed | 1;
	return schedule;
}

void schedule_free(struct schedule *schedule)
{
	if (!schedule)
		return;
	free(schedule->heap);
	free(schedule);
}

/* ---- chance ---------------------------------------------------------------------------------- */

/* splitmix64's finaliser (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* 0 to `below` - 1; 0 for none. */
static uint64_t draw(struct schedule *schedule, uint64_t below)
{
	schedule->chance += 0x9e3779b97f4a7c15ULL;
	return below ? mix(schedule->chance) % below : 0;
}

/* By how much an item may start before it is due, to start with others. */
static uint64_t early_ms(const struct schedule_item *item)
{
	uint64_t tenth = item->interval_ms / 10;

	return tenth < TOGETHER_MS ? tenth : TOGETHER_MS;
}

/* ---- the heap -------------------------------------------------------------------------------- */

static void put(struct schedule *schedule, size_t place, struct schedule_item *item)
{
	schedule->heap[place] = item;
	item->place = place;
}

static void rise(struct schedule *schedule, struct schedule_item *item, size_t place)
{
	while (place) {
		size_t up = (place - 1) / 2;

		if (schedule->heap[up]->at_ms <= item->at_ms)
			break;
		put(schedule, place, schedule->heap[up]);
		place = up;
	}
	put(schedule, place, item);
}

static void sink(struct schedule *schedule, struct schedule_item *item, size_t place)
{
	for (;;) {
		size_t down = 2 * place + 1;

		if (down >= schedule->count)
			break;
		if (down + 1 < schedule->count &&
		    schedule->heap[down + 1]->at_ms < schedule->heap[down]->at_ms)
			down++;
		if (item->at_ms <= schedule->heap[down]->at_ms)
			break;
		put(schedule, place, schedule->heap[down]);
		place = down;
	}
	put(schedule, place, item);
}

static void heap_add(struct schedule *schedule, struct schedule_item *item)
{
	schedule->heap = mem_grow(schedule->heap, schedule->count, sizeof(*schedule->heap));
	schedule->count++;
	rise(schedule, item, schedule->count - 1);
}

static void heap_remove(struct schedule *schedule, struct schedule_item *item)
{
	size_t place = item->place;
	struct schedule_item *last = schedule->heap[--schedule->count];

	if (last == item)
		return;
	if (last->at_ms < item->at_ms)
		rise(schedule, last, place);
	else
		sink(schedule, last, place);
}

/* ---- the queues ------------------------------------------------------------------------------ */

static void queue_add(struct queue *queue, struct schedule_item *item)
{
	item->next = NULL;
	item->prev = queue->last;
	*(queue->last ? &queue->last->next : &queue->first) = item;
	queue->last = item;
}

static void queue_remove(struct queue *queue, struct schedule_item *item)
{
	*(item->prev ? &item->prev->next : &queue->first) = item->next;
	*(item->next ? &item->next->prev : &queue->last) = item->prev;
	item->next = item->prev = NULL;
}

/* ---- items ----------------------------------------------------------------------------------- */

static void idle_until(struct schedule *schedule, struct schedule_item *item, uint64_t at_ms)
{
	item->state = SCHEDULE_IDLE;
	item->at_ms = at_ms;
	heap_add(schedule, item);
}

void schedule_add(struct schedule *schedule, struct schedule_item *item, uint64_t now_ms)
{
	uint64_t spread = 0;

	if (!item->once && item->interval_ms)
		spread = mix(schedule->seed ^ mix(item->key)) % item->interval_ms;
	idle_until(schedule, item, now_ms + spread);
}

void schedule_remove(struct schedule *schedule, struct schedule_item *item)
{
	struct queue *queue = &schedule->queues[item->class];

	switch (item->state) {
	case SCHEDULE_OUT:
		return;
	case SCHEDULE_WAITS:
		queue_remove(queue, item);
		break;
	case SCHEDULE_RUNS:
		queue->running--;
		heap_remove(schedule, item);
		break;
	case SCHEDULE_IDLE:
		heap_remove(schedule, item);
		break;
	}
	item->state = SCHEDULE_OUT;
}

static enum schedule_action start(struct schedule *schedule, struct schedule_item *item,
				  uint64_t now_ms, struct schedule_item **out)
{
	schedule->queues[item->class].running++;
	item->late_ms = item->state == SCHEDULE_WAITS ? now_ms - item->at_ms : 0;
	item->state = SCHEDULE_RUNS;
	item->start_ms = now_ms;
	item->at_ms = now_ms + item->timeout_ms;
	heap_add(schedule, item);
	*out = item;
	return SCHEDULE_START;
}

static bool has_room(const struct queue *queue)
{
	return queue->running < queue->limit;
}

enum schedule_action schedule_next(struct schedule *schedule, uint64_t now_ms,
				   struct schedule_item **out)
{
	for (int i = 0; i < SCHEDULE_CLASSES; i++) {
		struct queue *queue = &schedule->queues[i];
		struct schedule_item *item = queue->first;

		if (!item || !has_room(queue))
			continue;
		queue_remove(queue, item);
		return start(schedule, item, now_ms, out);
	}
	while (schedule->count) {
		struct schedule_item *item = schedule->heap[0];
		struct queue *queue = &schedule->queues[item->class];

		if (item->state == SCHEDULE_RUNS) {
			if (item->at_ms > now_ms)
				break;
			*out = item;
			return SCHEDULE_GIVE_UP;
		}
		if (item->at_ms > now_ms + early_ms(item))
			break;
		heap_remove(schedule, item);
		if (has_room(queue))
			return start(schedule, item, now_ms, out);
		item->state = SCHEDULE_WAITS;
		item->at_ms = item->at_ms < now_ms ? item->at_ms : now_ms; /* it may be early */
		queue_add(queue, item);
	}
	return SCHEDULE_NOTHING;
}

/* From the last start; what comes early by TOGETHER_MS and by chance is a tenth at most. */
static uint64_t next_start(struct schedule *schedule, const struct schedule_item *item)
{
	uint64_t room = item->interval_ms / 10 - early_ms(item);

	return item->start_ms + item->interval_ms - draw(schedule, room + 1);
}

void schedule_done(struct schedule *schedule, struct schedule_item *item, bool ok, uint64_t now_ms)
{
	bool is_first_failure = item->was_ok && !ok;
	uint64_t at_ms;

	if (item->state != SCHEDULE_RUNS)
		return;
	schedule_remove(schedule, item);
	if (item->once)
		return;
	item->was_ok = ok;
	at_ms = next_start(schedule, item);
	if (is_first_failure && now_ms + item->retry_ms < at_ms)
		at_ms = now_ms + item->retry_ms;
	/* One that had to wait for its start may be due already; it does not catch up. */
	idle_until(schedule, item, at_ms > now_ms ? at_ms : now_ms);
}

uint64_t schedule_wait_ms(const struct schedule *schedule, uint64_t now_ms)
{
	uint64_t at_ms;

	for (int i = 0; i < SCHEDULE_CLASSES; i++)
		if (schedule->queues[i].first && has_room(&schedule->queues[i]))
			return 0;
	if (!schedule->count)
		return UINT64_MAX;
	at_ms = schedule->heap[0]->at_ms;
	return at_ms > now_ms ? at_ms - now_ms : 0;
}

unsigned int schedule_running(const struct schedule *schedule, enum schedule_class class)
{
	return schedule->queues[class].running;
}

unsigned int schedule_limit(const struct schedule *schedule, enum schedule_class class)
{
	return schedule->queues[class].limit;
}
