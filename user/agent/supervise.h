/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When sluice-prober is to be started, asked whether it lives, and killed. Pure: what happened and
 * `now` in, what is to be done out.
 *
 * It is asked each second. One that leaves SUPERVISE_MISSES questions in a row unanswered hangs, and is
 * killed. What is counted is questions, not time: an agent that was stopped itself must not blame
 * the prober for it. After an end it is started again at once at first, later after a pause that
 * doubles; one that has lived for a while has no past.
 */
#ifndef AGENT_SUPERVISE_H
#define AGENT_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>

#define SUPERVISE_ASK_MS       1000
#define SUPERVISE_MISSES       5
#define SUPERVISE_PAUSE_MS     100 /* after its first end */
#define SUPERVISE_PAUSE_MAX_MS 10000
#define SUPERVISE_WELL_MS      30000 /* who has lived for so long begins anew */

enum supervise_state {
	SUPERVISE_OFF,	   /* nothing is to be probed */
	SUPERVISE_PAUSING, /* it is to run, and is started when the pause is over */
	SUPERVISE_RUNNING,
};

/* Zero it before use. */
struct supervise {
	enum supervise_state state;
	uint64_t since_ms;	 /* of the state */
	uint64_t due_ms;	 /* of the start, or of the next question */
	unsigned int pause_ms;	 /* that the next end is followed by; 0: the first one's */
	unsigned int unanswered; /* questions, since the last answer */
};

enum supervise_action {
	SUPERVISE_NOTHING,
	SUPERVISE_START, /* then tell supervise_started() or supervise_ended() */
	SUPERVISE_ASK,
	SUPERVISE_KILL_HUNG, /* then tell supervise_ended() */
};

/* It is to run: at once, unless it runs already or pauses. */
void supervise_want(struct supervise *s, uint64_t now_ms);
/* It is not; the caller ends it. */
void supervise_stop(struct supervise *s, uint64_t now_ms);

void supervise_started(struct supervise *s, uint64_t now_ms);
void supervise_answered(struct supervise *s);
/* It has ended, by whatever, or could not be started. */
void supervise_ended(struct supervise *s, uint64_t now_ms);

/* What is due, one thing at a time; call it until there is nothing. */
enum supervise_action supervise_next(struct supervise *s, uint64_t now_ms);
/* Milliseconds until something is; UINT32_MAX: nothing will be. */
uint32_t supervise_wait_ms(const struct supervise *s, uint64_t now_ms);

#endif
