/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "alert/history.h"
#include "base/mem.h"

/* The event of number n is at n % HISTORY_MAX. */
struct history {
	uint64_t run, last;
	struct event *ring[HISTORY_MAX];
};

struct history *history_new(uint64_t run)
{
	struct history *history = mem_alloc(sizeof(*history));

	history->run = run;
	return history;
}

void history_free(struct history *history)
{
	if (!history)
		return;
	for (size_t i = 0; i < HISTORY_MAX; i++)
		event_free(history->ring[i]);
	free(history);
}

const struct event *history_add(struct history *history, const struct event *event,
				uint64_t wall_ms)
{
	struct event *copy = event_copy(event), **place;

	copy->seq = ++history->last;
	copy->wall_ms = wall_ms;
	place = &history->ring[copy->seq % HISTORY_MAX];
	event_free(*place);
	*place = copy;
	return copy;
}

uint64_t history_run(const struct history *history)
{
	return history->run;
}

uint64_t history_first(const struct history *history)
{
	if (history->last > HISTORY_MAX)
		return history->last - HISTORY_MAX + 1;
	return history->last ? 1 : 0;
}

uint64_t history_last(const struct history *history)
{
	return history->last;
}

const struct event *history_get(const struct history *history, uint64_t seq)
{
	if (seq == 0 || seq < history_first(history) || seq > history->last)
		return NULL;
	return history->ring[seq % HISTORY_MAX];
}

void history_document(const struct history *history, uint64_t since, uint64_t from_ms,
		      struct arena *arena, struct wire_events *out)
{
	uint64_t first = history_first(history), next = since < first ? first : since + 1;
	size_t count = since < history->last ? history->last - next + 1 : 0;
	struct wire_event *list;

	for (; count && history_get(history, next)->wall_ms < from_ms; count--)
		next++;
	list = arena_alloc(arena, count * sizeof(*list));
	for (size_t i = 0; i < count; i++)
		event_document(history_get(history, next + i), arena, &list[i]);
	*out = (struct wire_events){
		.run = history->run,
		.first = first,
		.last = history->last,
		.events = {list, count},
	};
}
