/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/supervise.h"

static void enter(struct supervise *s, enum supervise_state state, uint64_t due_ms, uint64_t now_ms)
{
	s->state = state;
	s->since_ms = now_ms;
	s->due_ms = due_ms;
	s->unanswered = 0;
}

void supervise_want(struct supervise *s, uint64_t now_ms)
{
	if (s->state == SUPERVISE_OFF)
		enter(s, SUPERVISE_PAUSING, now_ms, now_ms);
}

void supervise_stop(struct supervise *s, uint64_t now_ms)
{
	*s = (struct supervise){.since_ms = now_ms};
}

void supervise_started(struct supervise *s, uint64_t now_ms)
{
	enter(s, SUPERVISE_RUNNING, now_ms + SUPERVISE_ASK_MS, now_ms);
}

void supervise_answered(struct supervise *s)
{
	s->unanswered = 0;
}

void supervise_ended(struct supervise *s, uint64_t now_ms)
{
	bool was_well = s->state == SUPERVISE_RUNNING && now_ms - s->since_ms >= SUPERVISE_WELL_MS;
	unsigned int pause_ms = s->pause_ms && !was_well ? s->pause_ms : SUPERVISE_PAUSE_MS;

	if (s->state == SUPERVISE_OFF)
		return;
	enter(s, SUPERVISE_PAUSING, now_ms + pause_ms, now_ms);
	s->pause_ms = 2 * pause_ms < SUPERVISE_PAUSE_MAX_MS ? 2 * pause_ms : SUPERVISE_PAUSE_MAX_MS;
}

enum supervise_action supervise_next(struct supervise *s, uint64_t now_ms)
{
	if (s->state == SUPERVISE_OFF || now_ms < s->due_ms)
		return SUPERVISE_NOTHING;
	if (s->state == SUPERVISE_PAUSING)
		return SUPERVISE_START;
	if (s->unanswered == SUPERVISE_MISSES)
		return SUPERVISE_KILL_HUNG;
	s->unanswered++;
	s->due_ms = now_ms + SUPERVISE_ASK_MS;
	return SUPERVISE_ASK;
}

uint32_t supervise_wait_ms(const struct supervise *s, uint64_t now_ms)
{
	if (s->state == SUPERVISE_OFF)
		return UINT32_MAX;
	return now_ms < s->due_ms ? s->due_ms - now_ms : 0;
}
