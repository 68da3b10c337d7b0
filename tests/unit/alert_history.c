/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events as records and documents, and the last thousand of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert/history.h"
#include "base/mem.h"
#include "base/problem.h"
#include "unit/unit.h"

static void add(struct history *history, unsigned int number)
{
	char text[32];
	struct event event = {.kind = EVENT_apply, .text = text};

	snprintf(text, sizeof(text), "event %u", number);
	history_add(history, &event, number);
}

START_TEST(what_ends_a_condition_is_not_one_itself)
{
	for (enum event_kind kind = 0; kind < EVENT_KINDS; kind++) {
		if (event_ends(kind))
			ck_assert_msg(!event_is_condition(kind), "%s ends something and is ended",
				      event_kind_name(kind));
		ck_assert_msg(!(event_ends(kind) & UINT64_C(1) << kind), "%s ends itself",
			      event_kind_name(kind));
	}
	ck_assert(event_is_condition(EVENT_backend_down));
	ck_assert(!event_is_condition(EVENT_apply));
	ck_assert_str_eq(event_level_name(event_level(EVENT_panic)), "error");
}
END_TEST

START_TEST(an_event_becomes_a_document_with_all_that_is_set)
{
	struct event event = {
		.kind = EVENT_next_hop_lost,
		.service = "web",
		.backend = "10.0.1.11",
		.device = "eth0",
		.text = "backend web 10.0.1.11 takes no new flows",
		.attributes = {{"reason", "no route"}},
	};
	struct history *history = history_new(7);
	const struct event *kept = history_add(history, &event, UINT64_C(1795572831042));
	struct arena *arena = arena_new();
	struct wire_event out;
	char *line;

	event_document(kept, arena, &out);
	line = wire_encode_reply(WIRE_KIND_event, &out);
	ck_assert_str_eq(
		line, "{\"version\":1,\"kind\":\"event\",\"data\":{\"seq\":1,\"time\":"
		      "\"2026-11-25T02:13:51.042Z\",\"level\":\"warning\",\"event\":"
		      "\"next_hop_lost\",\"service\":\"web\",\"backend\":\"10.0.1.11\",\"device\":"
		      "\"eth0\",\"text\":\"backend web 10.0.1.11 takes no new flows\","
		      "\"attributes\":[{\"name\":\"reason\",\"value\":\"no route\"}]}}");
	free(line);
	arena_free(arena);
	history_free(history);
}
END_TEST

static void expect_from(const struct history *history, uint64_t since, uint64_t from_ms,
			uint64_t first, size_t count)
{
	struct arena *arena = arena_new();
	struct wire_events out;

	history_document(history, since, from_ms, arena, &out);
	ck_assert_uint_eq(out.run, 7);
	ck_assert_uint_eq(out.events.count, count);
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_eq(out.events.list[i].seq, first + i);
	arena_free(arena);
}

static void expect_events(const struct history *history, uint64_t since, uint64_t first,
			  size_t count)
{
	expect_from(history, since, 0, first, count);
}

START_TEST(the_last_thousand_are_kept_by_number)
{
	struct history *history = history_new(7);

	ck_assert_uint_eq(history_first(history), 0);
	ck_assert_uint_eq(history_last(history), 0);
	ck_assert_ptr_null(history_get(history, 0));
	ck_assert_ptr_null(history_get(history, 1));
	expect_events(history, 0, 0, 0);
	expect_events(history, 5, 0, 0);
	for (unsigned int i = 1; i <= 3; i++)
		add(history, i);
	expect_events(history, 0, 1, 3);
	expect_events(history, 2, 3, 1);
	expect_events(history, 3, 0, 0);
	expect_events(history, UINT64_MAX, 0, 0);
	for (unsigned int i = 4; i <= 2 * HISTORY_MAX + 1; i++)
		add(history, i);
	ck_assert_uint_eq(history_first(history), HISTORY_MAX + 2);
	ck_assert_uint_eq(history_last(history), 2 * HISTORY_MAX + 1);
	ck_assert_ptr_null(history_get(history, HISTORY_MAX + 1));
	ck_assert_str_eq(history_get(history, HISTORY_MAX + 2)->text, "event 1002");
	expect_events(history, 0, HISTORY_MAX + 2, HISTORY_MAX);
	expect_events(history, 2 * HISTORY_MAX, 2 * HISTORY_MAX + 1, 1);
	history_free(history);
}
END_TEST

START_TEST(events_before_a_moment_are_left_out)
{
	struct history *history = history_new(7);

	expect_from(history, 0, 3, 0, 0);
	for (unsigned int i = 1; i <= 5; i++)
		add(history, i); /* each at its number's moment */
	expect_from(history, 0, 3, 3, 3);
	expect_from(history, 4, 3, 5, 1);
	expect_from(history, 0, 6, 0, 0);
	history_free(history);
}
END_TEST

RUN_TESTS("alert_history", what_ends_a_condition_is_not_one_itself,
	  an_event_becomes_a_document_with_all_that_is_set, the_last_thousand_are_kept_by_number,
	  events_before_a_moment_are_left_out)
