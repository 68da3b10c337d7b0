/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tries to put something right are bounded, and further and further apart. */
#include "agent/tries.h"
#include "unit.h"

START_TEST(the_first_try_is_due_at_once)
{
	struct tries tries = {};

	ck_assert(tries_is_due(&tries, 0));
}
END_TEST

START_TEST(pauses_double_and_tries_end)
{
	struct tries tries = {};
	uint64_t now_ms = 1000, pause_ms = 1000;

	for (int i = 1; i < TRIES_MAX; i++, pause_ms *= 2) {
		ck_assert(!tries_note_failure(&tries, now_ms));
		ck_assert(!tries_is_due(&tries, now_ms + pause_ms - 1));
		now_ms += pause_ms;
		ck_assert(tries_is_due(&tries, now_ms));
	}
	ck_assert(tries_note_failure(&tries, now_ms));
	ck_assert(tries_are_over(&tries));
	ck_assert(!tries_is_due(&tries, UINT64_MAX));
}
END_TEST

START_TEST(what_is_right_again_begins_anew)
{
	struct tries tries = {};

	while (!tries_note_failure(&tries, 5))
		;
	tries_reset(&tries);
	ck_assert(tries_is_due(&tries, 5));
	ck_assert(!tries_note_failure(&tries, 5));
	ck_assert(tries_is_due(&tries, 1005));
}
END_TEST

RUN_TESTS("agent_tries", the_first_try_is_due_at_once, pauses_double_and_tries_end,
	  what_is_right_again_begins_anew)
