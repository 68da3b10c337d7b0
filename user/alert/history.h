/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last events, numbered, in memory: an agent that ends forgets them, the system's journal does not. */
#ifndef ALERT_HISTORY_H
#define ALERT_HISTORY_H

#include "alert/event.h"

#define HISTORY_MAX 1000

struct history;

/* `run` tells this agent's numbers from those of the one before: when it started, in ms since 1970. */
struct history *history_new(uint64_t run);
void history_free(struct history *history); /* NULL is fine */

/* Copies the event in, as the next one; the oldest goes. Returns the copy, which lives as long as it is among the last. */
const struct event *history_add(struct history *history, const struct event *event,
				uint64_t wall_ms);

uint64_t history_run(const struct history *history);
uint64_t
history_first(const struct history *history); /* the oldest that is kept; 0: there is none */
uint64_t history_last(const struct history *history); /* 0: there was none */
const struct event *history_get(const struct history *history,
				uint64_t seq); /* NULL: it is not kept */

/* What came after `since` (0: all that is kept) and not before `from_ms`, as a document, in the arena. */
void history_document(const struct history *history, uint64_t since, uint64_t from_ms,
		      struct arena *arena, struct wire_events *out);

#endif
