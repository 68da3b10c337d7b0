/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Services that cannot be probed through the tunnel at the moment, though there is a way to their backends: the host would
 * answer itself, or has no address to probe from. Said as events when it begins and when it is over: backends'
 * health stays as it was meanwhile, and looks as ever.
 */
#ifndef AGENT_STOPS_H
#define AGENT_STOPS_H

#include <stddef.h>

struct events;
struct stop;

/* Zero it. */
struct stops {
	struct stop *list, *next; /* what was said; what is noted in this round */
	size_t count, next_count;
};

/* `why` is a phrase, `device` the one by which the backends are reached; the first of a service speaks for all. */
void stops_note(struct stops *stops, const char *service, const char *device, const char *why);
/* The round is over: says what differs from the one before. */
void stops_say(struct stops *stops, struct events *events);
/* Why, as it was said last; NULL: it is probed, or is not to be. */
const char *stops_find(const struct stops *stops, const char *service);
void stops_free(struct stops *stops);

#endif
