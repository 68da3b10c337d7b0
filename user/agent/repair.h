/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's look at itself: once a second it compares what should be in the kernel with what is, and puts right what
 * differs, with bounded tries (tries.h).
 *
 * Netlink tells of most changes, and the agent answers them at once; what is here is for what nobody tells: a program
 * detached by hand, records written over, pins removed. Slots and flow entries are looked after by core/, backends'
 * health by health/.
 */
#ifndef AGENT_REPAIR_H
#define AGENT_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/tries.h"

struct agent;
struct problems;

enum repair_check {
#define REPAIR_CHECK(id, name, advice) REPAIR_##id,
#include "agent/repair.def"
	REPAIR_CHECKS
};

/* How one check has gone so far. */
struct repair_state {
	bool is_wrong; /* at the last look */
	char *what;    /* is wrong, or why it could not be put right: a sentence; NULL: nothing */
	struct tries tries;
	uint64_t found, mended; /* since the agent started */
};

/* Zero it before use. */
struct repair {
	struct repair_state states[REPAIR_CHECKS];
};

const char *repair_name(enum repair_check check);
const char *repair_advice(enum repair_check check); /* what to do where the agent has given up */

/* Looks at everything, and puts right what is wrong and due for a try. Says what it finds and does. */
void repair_run(struct agent *agent, uint64_t now_ms);
/* Something has changed that makes what failed worth another try: an apply, a reload. */
void repair_reset(struct repair *repair);
void repair_free(struct repair *repair);

#endif
