/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/tries.h"

#define FIRST_PAUSE_MS 1000

bool tries_are_over(const struct tries *tries)
{
	return tries->failed >= TRIES_MAX;
}

bool tries_is_due(const struct tries *tries, uint64_t now_ms)
{
	return !tries_are_over(tries) && now_ms >= tries->next_ms;
}

bool tries_note_failure(struct tries *tries, uint64_t now_ms)
{
	tries->next_ms = now_ms + ((uint64_t)FIRST_PAUSE_MS << tries->failed);
	tries->failed++;
	return tries_are_over(tries);
}

void tries_reset(struct tries *tries)
{
	*tries = (struct tries){};
}
