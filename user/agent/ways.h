/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is said about the backends: which of them take new flows, once for each change, and what to
 * do where the way out is one that sluice cannot use. And their neighbours kept alive: packets that
 * XDP sends do not make the kernel ask for them.
 */
#ifndef AGENT_WAYS_H
#define AGENT_WAYS_H

#include <stdint.h>

#include "core/model.h"
#include "net/net.h"

struct events;
struct problems;
struct table;
struct text;

/* What was said last; zero it before use. */
struct ways {
	struct table *backends; /* of reasons, by service and address */
	char **names;		/* their keys */
	size_t count;
	struct table *devices; /* ways out that cannot be used, by name and reason */
	char **panics;	       /* names of services that are in panic */
	size_t panic_count;
	char **fallbacks; /* of those whose fallback takes the new flows */
	size_t fallback_count;
};

/*
 * Posts what differs from the last call. The first one logs only what needs a hand: what else is not well stands in the
 * summary.
 */
void ways_say(struct ways *ways, const struct model *model, struct events *events);
void ways_free(struct ways *ways);

/* "5 of 6 backends take new flows: web 10.0.1.13: neighbour does not answer" */
void ways_summary(const struct model *model, struct text *out);

/*
 * Asks for each neighbour that is not known, or not known for sure. Returns whether the kernel could
 * not be asked for a way: then all ways are to be asked for again.
 */
bool ways_probe(struct net *net, const struct model *model, uint64_t now_ms);

/*
 * Waits until the neighbours of all backends of a configuration are known, at most `limit_ms`: an
 * agent that starts must not take a backend out only because nobody had asked for its neighbour
 * lately.
 */
int ways_settle(struct net *net, const struct config *config, unsigned int limit_ms,
		struct problems *p);

/* CLOCK_MONOTONIC. */
uint64_t ways_now_ms(void);

#endif
