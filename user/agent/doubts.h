/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent before had alerted, and what has become of it since: alert sinks were told that it lasts, and are to be
 * told when it is over, also if that came about while no agent looked.
 *
 * Story: doubts_begin() takes in what was kept. What lasts is said again by whom it concerns within some seconds of the start,
 * and nothing more is alerted; for the rest doubts_settle(), once a second, asks health and ways how it is now.
 */
#ifndef AGENT_DOUBTS_H
#define AGENT_DOUBTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

struct agent;

struct doubts {
	struct text kept; /* of the agent before; alerts_store() */
	uint64_t kept_away_ms;
	uint64_t from_ms; /* nothing is judged before; 0: there is nothing to judge */
};

/* Once the sinks are configured. */
void doubts_begin(struct agent *agent);
/* What alerts_store() would write, and before doubts_begin() what was kept: a start that fails forgets nothing. */
void doubts_store(struct agent *agent, uint64_t now_ms, struct text *out);
void doubts_settle(struct agent *agent, uint64_t now_ms);

#endif
