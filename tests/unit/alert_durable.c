/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sinks were told outlives the agent: nobody is told twice, and of all that ends somebody is told. */
#include <errno.h>
#include <stdlib.h>

#include "base/text.h"
#include "unit/support/scripted_alerts.h"
#include "unit/unit.h"

/* An agent ends, and another one starts `away` later with these sinks. Returns what restore says. */
static int restart(const struct alert_sink *sinks, size_t count, uint64_t away)
{
	struct problems p = {};
	struct text kept = {};
	int err;

	alerts_store(alerts, now_ms, &kept);
	ck_assert(!alerts_have_changed(alerts));
	alerts_free(alerts);
	alerts = alerts_new("lb1", 88);
	alerts_configure(alerts, sinks, count);
	/* The clock of another boot, perhaps. */
	now_ms = 100000;
	seq = 0;
	err = alerts_restore(alerts, kept.data ?: "", kept.length, now_ms, away, &p);
	problems_free(&p);
	text_free(&kept);
	return err;
}

static void restart_one(uint64_t hold_ms, uint64_t away)
{
	struct alert_sink sink = script;

	sink.hold_ms = hold_ms;
	ck_assert_int_eq(restart(&sink, 1, away), 0);
}

/* Of what is doubtful the kinds, in any order. */
static uint64_t doubts(void)
{
	size_t count;
	struct event **list = alerts_doubts(alerts, &count);
	uint64_t kinds = 0;

	for (size_t i = 0; i < count; i++) {
		kinds |= UINT64_C(1) << list[i]->kind;
		event_free(list[i]);
	}
	free(list);
	return kinds;
}

START_TEST(what_was_told_is_not_told_again_and_its_end_has_the_same_id)
{
	start_one(0, EVENT_WARNING);
	happens(EVENT_backend_down);
	expect("firing backend_down [77-1 by backend_down]");
	after(500);
	restart_one(0, 4000);
	expect_nothing();
	happens(EVENT_backend_down);
	expect_nothing();
	after(1000);
	happens(EVENT_backend_up);
	expect("resolved backend_down and 1 more [77-1 by backend_up]");
	ck_assert_uint_eq(last.lasted_ms, 5500);
	restart_one(0, 0);
	expect_nothing();
	happens(EVENT_backend_up);
	expect_nothing();
	happens(EVENT_backend_down);
	expect("firing backend_down [88-2 by backend_down]");
	alerts_free(alerts);
}
END_TEST

START_TEST(two_restarts_are_as_one)
{
	start_one(0, EVENT_WARNING);
	happens(EVENT_backend_down);
	expect("firing backend_down [77-1 by backend_down]");
	restart_one(0, 10);
	restart_one(0, 20);
	happens(EVENT_backend_up);
	expect("resolved backend_down [77-1 by backend_up]");
	ck_assert_uint_eq(last.lasted_ms, 30);
	alerts_free(alerts);
}
END_TEST

START_TEST(hold_goes_on_where_it_was)
{
	start_one(5000, EVENT_WARNING);
	happens(EVENT_backend_down);
	happens_to(EVENT_backend_down, "web", "10.0.1.12");
	after(1000);
	restart_one(5000, 3000);
	happens_to(EVENT_backend_up, "web", "10.0.1.12");
	expect_nothing();
	after(999);
	expect_nothing();
	after(1);
	expect("firing backend_down [77-1 by backend_down]");
	expect_nothing();
	/* One that came due meanwhile is told at once. */
	happens_to(EVENT_backend_down, "web", "10.0.1.13");
	restart_one(5000, 6000);
	expect("firing backend_down [88-2 by backend_down]");
	expect_nothing();
	alerts_free(alerts);
}
END_TEST

START_TEST(what_waited_for_a_sink_is_sent_in_its_order)
{
	start_one(0, EVENT_WARNING);
	happens(EVENT_backend_down);
	ck_assert_ptr_nonnull(try_next(NULL));
	alerts_result(alerts, last_try, false, "no route", now_ms);
	happens(EVENT_backend_up);
	happens(EVENT_reload_refused);
	happens(EVENT_apply_refused);
	restart_one(0, 0);
	expect("firing backend_down [77-1 by backend_down]");
	expect("resolved backend_down [77-1 by backend_up]");
	expect("firing reload_refused [77-3 by reload_refused]");
	expect("notice apply_refused [77-4 by apply_refused]");
	expect_nothing();
	happens(EVENT_reload);
	expect("resolved reload_refused [77-3 by reload]");
	alerts_free(alerts);
}
END_TEST

START_TEST(all_of_an_event_is_kept_whatever_its_texts_are)
{
	struct event event = {
		.kind = EVENT_damage_found,
		.check = "maps\t1",
		.text = "back\\slash, tab\t, two\nlines, = and -",
		.attributes = {{"sink", ""}, {"a\tb", "-"}},
		.seq = 9,
		.wall_ms = 1790000000123,
	};
	struct event **list;
	size_t count;

	start_one(0, EVENT_ERROR);
	alerts_event(alerts, &event, now_ms);
	expect("firing damage_found [77-9 by damage_found]");
	restart_one(0, 0);
	list = alerts_doubts(alerts, &count);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(list[0]->check, event.check);
	ck_assert_str_eq(list[0]->text, event.text);
	ck_assert_ptr_null(list[0]->service);
	ck_assert_ptr_null(list[0]->device);
	ck_assert_str_eq(list[0]->attributes[0].value, "");
	ck_assert_str_eq(list[0]->attributes[1].name, "a\tb");
	ck_assert_str_eq(list[0]->attributes[1].value, "-");
	ck_assert_ptr_null(list[0]->attributes[2].name);
	ck_assert_uint_eq(list[0]->seq, 9);
	ck_assert_uint_eq(list[0]->wall_ms, event.wall_ms);
	event_free(list[0]);
	free(list);
	alerts_free(alerts);
}
END_TEST

START_TEST(each_sink_has_its_own_and_one_that_left_has_none)
{
	struct alert_sink sinks[] = {script, script, script};

	sinks[1].target = "/etc/other";
	start(sinks, 3); /* two of the same: the first and the third */
	happens(EVENT_backend_down);
	for (int i = 0; i < 3; i++)
		expect("firing backend_down [77-1 by backend_down]");
	sinks[0] = sinks[1];
	sinks[1] = script;
	sinks[2].target = "/etc/new";
	ck_assert_int_eq(restart(sinks, 3, 0), 0);
	expect_nothing();
	happens(EVENT_backend_up);
	expect("resolved backend_down [77-1 by backend_up]");
	expect("resolved backend_down [77-1 by backend_up]");
	expect_nothing();
	alerts_free(alerts);
}
END_TEST

START_TEST(what_nobody_was_told_of_goes_with_its_level)
{
	struct alert_sink sink = script;

	start_one(5000, EVENT_WARNING);
	happens(EVENT_backend_down);
	sink.level = EVENT_ERROR;
	ck_assert_int_eq(restart(&sink, 1, 6000), 0);
	expect_nothing();
	ck_assert_uint_eq(doubts(), 0);
	alerts_free(alerts);
}
END_TEST

START_TEST(what_was_taken_in_is_doubted_until_somebody_speaks_of_it)
{
	struct event event = {.kind = EVENT_backend_dead, .service = "web", .backend = "10.0.1.11"};

	start_one(0, EVENT_WARNING);
	happens(EVENT_backend_down);
	happens(EVENT_backend_dead);
	happens(EVENT_panic);
	happens(EVENT_next_hop_lost);
	ck_assert_uint_eq(doubts(), 0);
	restart_one(0, 0);
	ck_assert_uint_eq(doubts(), EVENT_BIT(backend_down) | EVENT_BIT(backend_dead) |
					    EVENT_BIT(panic) | EVENT_BIT(next_hop_lost));
	happens(EVENT_backend_down);
	happens(EVENT_next_hop_found);
	alerts_believe(alerts, &event);
	ck_assert_uint_eq(doubts(), EVENT_BIT(panic));
	alerts_free(alerts);
}
END_TEST

START_TEST(a_change_is_noticed_and_a_repetition_is_none)
{
	struct text kept = {};

	start_one(0, EVENT_WARNING);
	ck_assert(alerts_have_changed(alerts)); /* the sink */
	alerts_store(alerts, now_ms, &kept);
	ck_assert(!alerts_have_changed(alerts));
	happens(EVENT_backend_up);
	ck_assert(!alerts_have_changed(alerts));
	happens(EVENT_backend_down);
	ck_assert(alerts_have_changed(alerts));
	alerts_store(alerts, now_ms, &kept);
	happens(EVENT_backend_down);
	ck_assert(!alerts_have_changed(alerts));
	expect("firing backend_down [77-2 by backend_down]");
	ck_assert(alerts_have_changed(alerts));
	alerts_store(alerts, now_ms, &kept);
	happens(EVENT_backend_up);
	ck_assert(alerts_have_changed(alerts));
	text_free(&kept);
	alerts_free(alerts);
}
END_TEST

static const char *const damaged[] = {
	"nothing\n",
	"sink\n",
	"sink\texec\n",
	"sink\tpigeon\t=/x\n",
	"sink\texec\t=/x\tmore\n",
	"sink\texec\t-\n",
	"open\t=1-1\t1\t5\t0\n",
	"open\t-\t1\t5\t0\tbackend_down\t1\t2\t-\t-\t-\t-\t=t\n",
	"open\t=1-1\t2\t5\t0\tbackend_down\t1\t2\t-\t-\t-\t-\t=t\n",
	"open\t=1-1\t1\t5\t0\tbackend_drown\t1\t2\t-\t-\t-\t-\t=t\n",
	"open\t=1-1\t1\t5\t0\tbackend_down\t1\t2\t-\t-\t-\t-\t-\n",
	"open\t=1-1\t1\t5\t0\tbackend_down\t1\t2\tweb\t-\t-\t-\t=t\n",
	"open\t=1-1\t1\t5\t0\tbackend_down\t1\t2\t-\t-\t-\t-\t=t\\x\n",
	"open\t=1-1\t1\t5\t0\tbackend_down\t1\t2\t-\t-\t-\t-\t=t\\\n",
	"open\t=1-1\t1\t5\t0\tbackend_down\t1\t2\t-\t-\t-\t-\t=t\t=name\n",
	"open\t=1-1\t1\t5\t0\tstarted\t1\t2\t-\t-\t-\t-\t=it is no condition\n",
	"queued\t=1-1\tlost\tapply\t0\t0\tapply\t1\t2\t-\t-\t-\t-\t=t\n",
	"queued\t=1-1\tnotice\tapply\t0\t-1\tapply\t1\t2\t-\t-\t-\t-\t=t\n",
};

START_TEST(what_makes_no_sense_is_named_and_nothing_is_taken)
{
	static const char good[] =
		"sink\texec\t=/etc/on-alert\n"
		"open\t=1-1\t1\t5\t0\tbackend_down\t1\t2\t=web\t=10.0.1.11\t-\t-\t=t\n"
		"queued\t=1-2\tnotice\tapply\t0\t0\tapply\t1\t2\t-\t-\t-\t-\t=t\t=a\t=b\n";
	struct problems p = {};

	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		char *text = mem_format("%s%s", good, damaged[i]), *why;

		start_one(0, EVENT_WARNING);
		ck_assert_msg(alerts_restore(alerts, text, strlen(text), now_ms, 0, &p) == -EINVAL,
			      "%s", damaged[i]);
		why = problem_text(&p.list[0]);
		ck_assert_ptr_nonnull(strstr(why, "line 4 of the stored alerts makes no sense"));
		free(why);
		problems_free(&p);
		ck_assert_uint_eq(doubts(), 0);
		expect_nothing();
		alerts_free(alerts);
		free(text);
	}
	start_one(0, EVENT_WARNING);
	ck_assert_int_eq(alerts_restore(alerts, good, strlen(good), now_ms, 0, &p), 0);
	ck_assert_uint_eq(doubts(), EVENT_BIT(backend_down));
	expect("notice apply [1-2 by apply]");
	alerts_free(alerts);
}
END_TEST

RUN_TESTS("alert_durable", what_was_told_is_not_told_again_and_its_end_has_the_same_id,
	  two_restarts_are_as_one, hold_goes_on_where_it_was,
	  what_waited_for_a_sink_is_sent_in_its_order,
	  all_of_an_event_is_kept_whatever_its_texts_are,
	  each_sink_has_its_own_and_one_that_left_has_none,
	  what_nobody_was_told_of_goes_with_its_level,
	  what_was_taken_in_is_doubted_until_somebody_speaks_of_it,
	  a_change_is_noticed_and_a_repetition_is_none,
	  what_makes_no_sense_is_named_and_nothing_is_taken)
