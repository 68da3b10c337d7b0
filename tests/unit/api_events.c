/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `events`: what there is, and what there will be, which is promised. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "unit/support/asked_api.h"
#include "unit/unit.h"

static void happen(size_t count)
{
	for (size_t i = 0; i < count; i++)
		history_add(asked.history, &(struct event){.kind = EVENT_apply, .text = "x"}, 1);
}

static struct wire_arguments since(uint64_t number, bool follow)
{
	return (struct wire_arguments){
		.since = number,
		.follow = follow,
		.given = WIRE_BIT(since) | (follow ? WIRE_BIT(follow) : 0),
	};
}

static void expect_events(struct wire_reply reply, uint64_t first, size_t count)
{
	expect_kind(&reply, WIRE_KIND_events);
	ck_assert_uint_eq(reply.events->run, ASKED_RUN);
	ck_assert_uint_eq(reply.events->last, history_last(asked.history));
	ck_assert_uint_eq(reply.events->events.count, count);
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_eq(reply.events->events.list[i].seq, first + i);
	wire_reply_free(&reply);
}

static void answer_at(uint64_t now_ms)
{
	asked.agent.now_ms = now_ms;
	api_followers_answer(&asked.api, now_ms);
}

START_TEST(what_came_after_a_number_is_given_at_once)
{
	asked_start();
	expect_events(ask(WIRE_COMMAND_events, NOTHING), 0, 0);
	happen(5);
	expect_events(ask(WIRE_COMMAND_events, NOTHING), 1, 5);
	expect_events(ask(WIRE_COMMAND_events, since(3, false)), 4, 2);
	expect_events(ask(WIRE_COMMAND_events, since(3, true)), 4, 2);
	expect_events(ask(WIRE_COMMAND_events, since(5, false)), 0, 0);
	/* A number that there is not yet: whoever asks is not left waiting for it. */
	expect_events(ask(WIRE_COMMAND_events, since(9, true)), 0, 0);
	asked_stop();
}
END_TEST

START_TEST(a_number_of_another_run_is_none)
{
	struct wire_arguments other = since(2, true);

	asked_start();
	happen(2);
	other.run = ASKED_RUN + 1;
	other.given |= WIRE_BIT(run);
	expect_events(ask(WIRE_COMMAND_events, other), 1, 2);
	asked_stop();
}
END_TEST

START_TEST(who_follows_is_answered_by_the_next_event)
{
	asked_start();
	happen(2);
	ask_for_later(WIRE_COMMAND_events, since(2, true));
	answer_at(asked.agent.now_ms + 1999);
	ck_assert_ptr_null(asked.agent.kept);
	happen(3);
	answer_at(asked.agent.now_ms);
	expect_events(asked_later(), 3, 3);
	asked_stop();
}
END_TEST

START_TEST(who_follows_is_answered_after_a_while_in_any_case)
{
	asked_start();
	ask_for_later(WIRE_COMMAND_events, since(0, true));
	answer_at(asked.agent.now_ms + 2000);
	expect_events(asked_later(), 0, 0);
	asked_stop();
}
END_TEST

START_TEST(an_agent_that_ends_answers_who_follows)
{
	asked_start();
	ask_for_later(WIRE_COMMAND_events, since(0, true));
	asked_stop(); /* in which memory that is lost would be found */
}
END_TEST

START_TEST(followers_leave_room_for_others)
{
	asked_start();
	for (int i = 0; i < 16; i++)
		ask_for_later(WIRE_COMMAND_events, since(0, true));
	expect_error(ask(WIRE_COMMAND_events, since(0, true)), WIRE_FAILED,
		     "16 clients follow them already");
	expect_events(ask(WIRE_COMMAND_events, NOTHING), 0, 0);
	asked.agent.drops_replies = true;
	asked_stop();
}
END_TEST

RUN_TESTS("api_events", what_came_after_a_number_is_given_at_once, a_number_of_another_run_is_none,
	  who_follows_is_answered_by_the_next_event,
	  who_follows_is_answered_after_a_while_in_any_case, an_agent_that_ends_answers_who_follows,
	  followers_leave_room_for_others)
