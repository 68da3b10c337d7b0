/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When the prober is started, asked and killed, by scripted time. */
#include "agent/supervise.h"
#include "unit/unit.h"

START_TEST(one_that_is_not_wanted_is_never_started)
{
	struct supervise s = {};

	ck_assert_int_eq(supervise_next(&s, 1000000), SUPERVISE_NOTHING);
	ck_assert_uint_eq(supervise_wait_ms(&s, 1000000), UINT32_MAX);
	supervise_ended(&s, 1000000);
	ck_assert_int_eq(s.state, SUPERVISE_OFF);
}
END_TEST

START_TEST(one_that_is_wanted_is_started_at_once_and_asked_each_second)
{
	struct supervise s = {};

	supervise_want(&s, 1000);
	ck_assert_uint_eq(supervise_wait_ms(&s, 1000), 0);
	ck_assert_int_eq(supervise_next(&s, 1000), SUPERVISE_START);
	supervise_started(&s, 1010);
	ck_assert_int_eq(supervise_next(&s, 1010), SUPERVISE_NOTHING);
	ck_assert_uint_eq(supervise_wait_ms(&s, 1010), 1000);
	for (uint64_t now = 2010; now < 100000; now += 1000) {
		ck_assert_int_eq(supervise_next(&s, now), SUPERVISE_ASK);
		ck_assert_int_eq(supervise_next(&s, now), SUPERVISE_NOTHING);
		supervise_answered(&s);
	}
	supervise_want(&s, 100000);
	ck_assert_int_eq(s.state, SUPERVISE_RUNNING);
}
END_TEST

START_TEST(one_that_leaves_five_questions_unanswered_is_killed)
{
	struct supervise s = {};
	uint64_t now = 0;

	supervise_want(&s, 0);
	supervise_started(&s, 0);
	for (int i = 0; i < SUPERVISE_MISSES; i++)
		ck_assert_int_eq(supervise_next(&s, now += 1000), SUPERVISE_ASK);
	ck_assert_int_eq(supervise_next(&s, now + 999), SUPERVISE_NOTHING);
	ck_assert_int_eq(supervise_next(&s, now += 1000), SUPERVISE_KILL_HUNG);
	supervise_ended(&s, now);
	ck_assert_int_eq(supervise_next(&s, now), SUPERVISE_NOTHING);
	ck_assert_int_eq(supervise_next(&s, now + SUPERVISE_PAUSE_MS), SUPERVISE_START);
}
END_TEST

START_TEST(an_answer_to_any_question_counts)
{
	struct supervise s = {};
	uint64_t now = 0;

	supervise_want(&s, 0);
	supervise_started(&s, 0);
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < SUPERVISE_MISSES; i++)
			ck_assert_int_eq(supervise_next(&s, now += 1000), SUPERVISE_ASK);
		supervise_answered(&s);
	}
}
END_TEST

/* The agent was stopped, or its machine was: that is one question that was not answered. */
START_TEST(a_hole_in_time_blames_nobody)
{
	struct supervise s = {};

	supervise_want(&s, 0);
	supervise_started(&s, 0);
	ck_assert_int_eq(supervise_next(&s, 1000), SUPERVISE_ASK);
	ck_assert_int_eq(supervise_next(&s, 3600000), SUPERVISE_ASK);
	ck_assert_int_eq(supervise_next(&s, 3600000), SUPERVISE_NOTHING);
	ck_assert_uint_eq(s.unanswered, 2);
}
END_TEST

START_TEST(pauses_double_up_to_ten_seconds)
{
	static const unsigned int pauses[] = {100,  200,  400,	 800,	1600,
					      3200, 6400, 10000, 10000, 10000};
	struct supervise s = {};
	uint64_t now = 5000;

	supervise_want(&s, now);
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		ck_assert_int_eq(supervise_next(&s, now), SUPERVISE_START);
		/* Every second one does not even start. */
		if (i % 2)
			supervise_started(&s, now);
		supervise_ended(&s, now);
		ck_assert_uint_eq(supervise_wait_ms(&s, now), pauses[i]);
		now += pauses[i];
	}
}
END_TEST

START_TEST(who_has_lived_for_a_while_is_started_again_soon)
{
	struct supervise s = {};
	uint64_t now = 0;

	supervise_want(&s, now);
	for (int i = 0; i < 10; i++)
		supervise_ended(&s, now);
	supervise_started(&s, now);
	now += SUPERVISE_WELL_MS - 1;
	supervise_ended(&s, now);
	ck_assert_uint_eq(supervise_wait_ms(&s, now), SUPERVISE_PAUSE_MAX_MS);
	supervise_started(&s, now);
	now += SUPERVISE_WELL_MS;
	supervise_ended(&s, now);
	ck_assert_uint_eq(supervise_wait_ms(&s, now), SUPERVISE_PAUSE_MS);
}
END_TEST

START_TEST(one_that_is_not_wanted_any_more_has_no_past)
{
	struct supervise s = {};

	supervise_want(&s, 0);
	for (int i = 0; i < 10; i++)
		supervise_ended(&s, 0);
	supervise_stop(&s, 50);
	ck_assert_int_eq(supervise_next(&s, 100000), SUPERVISE_NOTHING);
	supervise_want(&s, 100000);
	ck_assert_int_eq(supervise_next(&s, 100000), SUPERVISE_START);
	supervise_ended(&s, 100000);
	ck_assert_uint_eq(supervise_wait_ms(&s, 100000), SUPERVISE_PAUSE_MS);
}
END_TEST

RUN_TESTS("agent_supervise", one_that_is_not_wanted_is_never_started,
	  one_that_is_wanted_is_started_at_once_and_asked_each_second,
	  one_that_leaves_five_questions_unanswered_is_killed, an_answer_to_any_question_counts,
	  a_hole_in_time_blames_nobody, pauses_double_up_to_ten_seconds,
	  who_has_lived_for_a_while_is_started_again_soon,
	  one_that_is_not_wanted_any_more_has_no_past)
