/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which events become alerts, and when. */
#include <stdlib.h>

#include "base/text.h"
#include "unit/support/scripted_alerts.h"
#include "unit/unit.h"

START_TEST(a_condition_is_told_once_and_when_it_is_over)
{
	start_one(0, EVENT_WARNING);
	happens(EVENT_backend_down);
	expect("firing backend_down [77-1 by backend_down]");
	expect_nothing();
	after(10);
	happens(EVENT_backend_down);
	happens(EVENT_backend_down);
	expect_nothing();
	after(ALERT_REPEAT_MS * 10);
	expect_nothing();
	happens(EVENT_backend_up);
	expect("resolved backend_down and 2 more [77-1 by backend_up]");
	ck_assert_uint_eq(last.lasted_ms, 10 + ALERT_REPEAT_MS * 10);
	happens(EVENT_backend_up);
	expect_nothing();
	ck_assert_uint_eq(alerts_wait_ms(alerts, now_ms), UINT32_MAX);
	happens(EVENT_backend_down);
	expect("firing backend_down [77-6 by backend_down]");
	alerts_free(alerts);
}
END_TEST

START_TEST(what_is_over_within_hold_is_not_told)
{
	start_one(5000, EVENT_INFO);
	happens(EVENT_backend_down);
	expect_nothing();
	ck_assert_uint_eq(alerts_wait_ms(alerts, now_ms), 5000);
	after(4999);
	expect_nothing();
	ck_assert_uint_eq(alerts_wait_ms(alerts, now_ms), 1);
	happens(EVENT_backend_up);
	after(1);
	expect_nothing();
	ck_assert_uint_eq(alerts_wait_ms(alerts, now_ms), UINT32_MAX);
	/* The time begins anew, and saying it again does not move it. */
	happens(EVENT_backend_down);
	after(3000);
	happens(EVENT_backend_down);
	after(1999);
	expect_nothing();
	after(1);
	expect("firing backend_down and 1 more [77-3 by backend_down]");
	/* To what happens and is over, hold does not apply. */
	happens(EVENT_apply);
	expect("notice apply [77-5 by apply]");
	alerts_free(alerts);
}
END_TEST

START_TEST(conditions_of_other_subjects_and_kinds_are_others)
{
	start_one(0, EVENT_WARNING);
	happens_to(EVENT_backend_down, "web", "10.0.1.11");
	happens_to(EVENT_backend_down, "web", "10.0.1.12");
	happens_to(EVENT_backend_down, "dns", "10.0.1.11");
	happens_to(EVENT_next_hop_lost, "web", "10.0.1.11");
	happens_to(EVENT_panic, "web", NULL);
	expect("firing backend_down [77-1 by backend_down]");
	expect("firing backend_down [77-2 by backend_down]");
	expect("firing backend_down [77-3 by backend_down]");
	expect("firing next_hop_lost [77-4 by next_hop_lost]");
	expect("firing panic [77-5 by panic]");
	happens_to(EVENT_backend_up, "web", "10.0.1.12");
	expect("resolved backend_down [77-2 by backend_up]");
	/* All that a removed backend had. */
	happens_to(EVENT_backend_removed, "web", "10.0.1.11");
	expect("resolved backend_down [77-1 by backend_removed]");
	expect("resolved next_hop_lost [77-4 by backend_removed]");
	expect_nothing();
	alerts_free(alerts);
}
END_TEST

START_TEST(devices_and_checks_are_subjects_where_no_service_is)
{
	struct event lost = {.kind = EVENT_interface_lost, .device = "eth0", .text = "x", .seq = 1};
	struct event found = {
		.kind = EVENT_interface_found, .device = "eth1", .text = "x", .seq = 2};

	start_one(0, EVENT_WARNING);
	alerts_event(alerts, &lost, now_ms);
	expect("firing interface_lost [77-1 by interface_lost]");
	alerts_event(alerts, &found, now_ms);
	expect_nothing();
	found.device = "eth0";
	alerts_event(alerts, &found, now_ms);
	expect("resolved interface_lost [77-1 by interface_found]");
	/* A backend's way may be another device by then. */
	lost = (struct event){.kind = EVENT_next_hop_lost,
			      .service = "web",
			      .backend = "::1",
			      .device = "eth0",
			      .text = "x",
			      .seq = 3};
	found = (struct event){.kind = EVENT_next_hop_found,
			       .service = "web",
			       .backend = "::1",
			       .device = "eth1",
			       .text = "x",
			       .seq = 4};
	alerts_event(alerts, &lost, now_ms);
	alerts_event(alerts, &found, now_ms);
	expect("firing next_hop_lost [77-3 by next_hop_lost]");
	expect("resolved next_hop_lost [77-3 by next_hop_found]");
	alerts_free(alerts);
}
END_TEST

START_TEST(what_happens_again_soon_is_counted)
{
	start_one(0, EVENT_WARNING);
	happens_to(EVENT_apply_refused, NULL, NULL);
	expect("notice apply_refused [77-1 by apply_refused]");
	for (int i = 0; i < 5; i++) {
		after(1000);
		happens_to(EVENT_apply_refused, NULL, NULL);
	}
	expect_nothing();
	after(ALERT_REPEAT_MS - 5000);
	expect("notice apply_refused and 5 more [77-1 by apply_refused]");
	after(ALERT_REPEAT_MS);
	expect_nothing();
	ck_assert_uint_eq(alerts_wait_ms(alerts, now_ms), UINT32_MAX);
	happens_to(EVENT_apply_refused, NULL, NULL);
	expect("notice apply_refused [77-7 by apply_refused]");
	alerts_free(alerts);
}
END_TEST

START_TEST(each_sink_has_its_level)
{
	struct alert_sink sinks[] = {script, script, script};
	static const size_t told[] = {1, 2, 3}; /* of an error, a warning and an info */

	sinks[0].target = "/error";
	sinks[0].level = EVENT_ERROR;
	sinks[1].target = "/warning";
	sinks[2].target = "/info";
	sinks[2].level = EVENT_INFO;
	start(sinks, 3);
	happens_to(EVENT_apply, NULL, NULL);
	happens(EVENT_backend_down);
	happens_to(EVENT_panic, "web", NULL);
	for (size_t i = 0; i < 3; i++) {
		struct alert_look look;

		ck_assert(alerts_look(alerts, i, &look));
		ck_assert_str_eq(look.sink->target, sinks[i].target);
		ck_assert_uint_eq(look.queued, told[i]);
	}
	ck_assert(!alerts_look(alerts, 3, &(struct alert_look){}));
	alerts_free(alerts);
}
END_TEST

START_TEST(a_try_that_fails_is_made_again_after_longer_and_longer)
{
	struct alert_loss loss;
	uint64_t pause_ms = ALERT_PAUSE_MS;

	start_one(0, EVENT_WARNING);
	happens(EVENT_backend_down);
	for (int i = 0; i < ALERT_TRIES; i++) {
		uint32_t wait_ms;

		ck_assert_ptr_nonnull(try_next(NULL));
		expect_nothing(); /* while it is under way */
		ck_assert_uint_eq(alerts_wait_ms(alerts, now_ms), UINT32_MAX);
		alerts_result(alerts, last_try + 1, true, "", now_ms); /* another's */
		alerts_result(alerts, last_try, false, "connect: refused", now_ms);
		if (i == ALERT_TRIES - 1)
			break;
		wait_ms = alerts_wait_ms(alerts, now_ms);
		ck_assert_uint_gt(wait_ms, pause_ms - pause_ms / 4);
		ck_assert_uint_le(wait_ms, pause_ms);
		after(wait_ms - 1);
		expect_nothing();
		after(1);
		pause_ms *= 2;
	}
	ck_assert_uint_eq(alerts_wait_ms(alerts, now_ms), UINT32_MAX);
	ck_assert(alerts_lost(alerts, &loss));
	ck_assert_uint_eq(loss.count, 1);
	ck_assert_str_eq(loss.sink->target, "/etc/on-alert");
	ck_assert_str_eq(loss.why, "each failed 9 times, the last time: connect: refused");
	ck_assert(!alerts_lost(alerts, &loss));
	/* The next one has all its tries. */
	happens(EVENT_backend_up);
	expect("resolved backend_down [77-1 by backend_up]");
	alerts_free(alerts);
}
END_TEST

START_TEST(a_sink_that_fails_holds_up_no_other)
{
	struct alert_sink sinks[] = {script, script};
	const char *target;

	sinks[1].kind = ALERT_WEBHOOK;
	sinks[1].target = "https://alerts.example";
	start(sinks, 2);
	happens(EVENT_backend_down);
	ck_assert_ptr_nonnull(try_next(&target));
	ck_assert_str_eq(target, "/etc/on-alert");
	alerts_result(alerts, last_try, false, "exit code 1", now_ms);
	happens(EVENT_backend_up);
	for (int i = 0; i < 2; i++) {
		ck_assert_ptr_nonnull(try_next(&target));
		ck_assert_str_eq(target, "https://alerts.example");
		alerts_result(alerts, last_try, true, "", now_ms);
	}
	expect_nothing();
	/* In their order, also after a failure. */
	after(ALERT_PAUSE_MS);
	expect("firing backend_down [77-1 by backend_down]");
	expect("resolved backend_down [77-1 by backend_up]");
	alerts_free(alerts);
}
END_TEST

START_TEST(an_interrupted_try_counts_as_none)
{
	struct alert_look look;
	uint32_t first;

	start_one(0, EVENT_WARNING);
	happens(EVENT_backend_down);
	for (int i = 0; i < 3 * ALERT_TRIES; i++) {
		ck_assert_ptr_nonnull(try_next(NULL));
		alerts_interrupted(alerts);
	}
	first = last_try;
	ck_assert_ptr_nonnull(try_next(NULL));
	alerts_result(alerts, first, true, "", now_ms); /* from before: too late */
	ck_assert(alerts_look(alerts, 0, &look));
	ck_assert_uint_eq(look.queued, 1);
	alerts_result(alerts, last_try, true, "", now_ms);
	ck_assert(alerts_look(alerts, 0, &look));
	ck_assert_uint_eq(look.queued, 0);
	ck_assert_uint_eq(look.sent, 1);
	ck_assert_uint_eq(look.failed, 0);
	alerts_free(alerts);
}
END_TEST

START_TEST(of_a_full_queue_the_oldest_goes_but_not_what_is_under_way)
{
	struct alert_loss loss;
	char address[16];
	uint64_t under_way;

	start_one(0, EVENT_WARNING);
	happens_to(EVENT_backend_down, "web", "10.1.1.1");
	ck_assert_ptr_nonnull(try_next(NULL));
	under_way = last_try;
	for (int i = 0; i < ALERT_QUEUE_MAX + 9; i++) {
		snprintf(address, sizeof(address), "10.0.%d.%d", i / 256, i % 256);
		happens_to(EVENT_backend_down, "web", address);
	}
	ck_assert(alerts_lost(alerts, &loss));
	ck_assert_uint_eq(loss.count, 10);
	ck_assert_str_eq(loss.why, "more came than it takes");
	alerts_result(alerts, under_way, true, "", now_ms);
	expect("firing backend_down [77-12 by backend_down]");
	alerts_free(alerts);
}
END_TEST

START_TEST(what_waits_is_sent_as_one_when_it_is_much)
{
	struct alert_look look;
	struct alert_loss loss;
	char address[16];

	start_one(0, EVENT_WARNING);
	for (int i = 0; i < ALERT_ALONE_MAX + ALERT_TOGETHER_MAX + 5; i++) {
		snprintf(address, sizeof(address), "10.0.%d.%d", i / 256, i % 256);
		happens_to(EVENT_backend_down, "web", address);
	}
	/* One that fails is the same when it is tried again, whatever has come meanwhile. */
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(try_next(NULL), "firing backend_down [77-1 by backend_down]");
		ck_assert_uint_eq(last.more.count, ALERT_TOGETHER_MAX - 1);
		ck_assert_str_eq(last_more, "77-2");
		alerts_result(alerts, last_try, i, "exit code 1", now_ms);
		happens_to(EVENT_backend_up, "web", address);
		after(ALERT_PAUSE_MS);
	}
	ck_assert_str_eq(try_next(NULL), "firing backend_down [77-501 by backend_down]");
	ck_assert_uint_eq(last.more.count, 15); /* 14 others, and that the last one is up */
	ck_assert(alerts_look(alerts, 0, &look));
	ck_assert_uint_eq(look.queued, 16);
	ck_assert_uint_eq(look.sent, ALERT_TOGETHER_MAX);
	for (int i = 1; i <= ALERT_TRIES; i++) {
		alerts_result(alerts, last_try, false, "exit code 1", now_ms);
		after(ALERT_PAUSE_MAX_MS);
		ck_assert(!!try_next(NULL) == (i < ALERT_TRIES));
	}
	ck_assert(alerts_lost(alerts, &loss));
	ck_assert_uint_eq(loss.count, 16);
	/* Few are sent alone again. */
	for (int i = 0; i < ALERT_ALONE_MAX; i++) {
		snprintf(address, sizeof(address), "10.9.9.%d", i);
		happens_to(EVENT_backend_down, "web", address);
	}
	for (int i = 0; i < ALERT_ALONE_MAX; i++) {
		ck_assert_ptr_nonnull(try_next(NULL));
		ck_assert_uint_eq(last.more.count, 0);
		alerts_result(alerts, last_try, true, "", now_ms);
	}
	expect_nothing();
	alerts_free(alerts);
}
END_TEST

/* Events with a text of so many bytes, which is twice as long as JSON; as many as given, each of another backend. */
static void say_much(size_t length, int count)
{
	char *text = mem_alloc(length + 1), address[16];

	memset(text, '"', length);
	for (int i = 0; i < count; i++) {
		struct event event = {.kind = EVENT_backend_down,
				      .service = "web",
				      .backend = address,
				      .text = text,
				      .seq = ++seq};

		snprintf(address, sizeof(address), "10.1.1.%d", i);
		alerts_event(alerts, &event, now_ms);
	}
	free(text);
}

START_TEST(no_document_is_longer_than_its_bound)
{
	struct alert_try try;

	start_one(0, EVENT_WARNING);
	say_much(100000, 12);
	/* Of twelve the half is too much, of six not. */
	ck_assert_str_eq(try_next(NULL), "firing backend_down [77-1 by backend_down]");
	ck_assert_uint_eq(last.more.count, 2);
	alerts_result(alerts, last_try, true, "", now_ms);
	for (int i = 4; i <= 12; i++) {
		ck_assert_ptr_nonnull(try_next(NULL));
		ck_assert_uint_eq(last.more.count, 0);
		alerts_result(alerts, last_try, true, "", now_ms);
	}
	/* One that is too long alone is cut. */
	happens(EVENT_backend_up);
	alerts_free(alerts);
	start_one(0, EVENT_WARNING);
	say_much(ALERT_BODY_MAX / 2, 1);
	ck_assert(alerts_next(alerts, now_ms, &try));
	ck_assert_uint_lt(strlen(try.body), 3 * ALERT_TEXT_MAX);
	ck_assert_ptr_nonnull(strstr(try.body, "\" ... (cut)\","));
	alerts_free(alerts);
}
END_TEST

START_TEST(too_many_open_conditions_are_counted)
{
	struct alert_loss loss;
	char address[16];

	start_one(1000, EVENT_WARNING);
	for (int i = 0; i < ALERT_CONDITIONS_MAX + 3; i++) {
		snprintf(address, sizeof(address), "10.0.%d.%d", i / 256, i % 256);
		happens_to(EVENT_backend_down, "web", address);
	}
	ck_assert(alerts_lost(alerts, &loss));
	ck_assert_uint_eq(loss.count, 3);
	ck_assert_str_eq(loss.why, "too many conditions are open at once");
	alerts_free(alerts);
}
END_TEST

START_TEST(a_sink_that_stays_keeps_what_it_was_told)
{
	struct alert_sink sinks[] = {script, script};

	start(sinks, 1);
	happens(EVENT_backend_down);
	expect("firing backend_down [77-1 by backend_down]");
	happens(EVENT_panic);
	ck_assert_ptr_nonnull(try_next(NULL));
	sinks[1].target = "/another";
	sinks[0].timeout_ms = 9;
	alerts_configure(alerts, (struct alert_sink[]){sinks[1], sinks[0]}, 2);
	alerts_result(alerts, last_try, true, "", now_ms);
	happens(EVENT_backend_up); /* of which the other one knows nothing */
	expect("resolved backend_down [77-1 by backend_up]");
	expect_nothing();
	/* One that left takes what it had with it. */
	happens(EVENT_panic_over);
	ck_assert_ptr_nonnull(try_next(NULL));
	alerts_configure(alerts, NULL, 0);
	alerts_result(alerts, last_try, false, "too late", now_ms);
	happens(EVENT_backend_down);
	expect_nothing();
	alerts_free(alerts);
}
END_TEST

START_TEST(lost_alerts_make_no_alert)
{
	start_one(0, EVENT_INFO);
	happens_to(EVENT_alert_lost, NULL, NULL);
	expect_nothing();
	alerts_free(alerts);
}
END_TEST

RUN_TESTS("alert_alert", a_condition_is_told_once_and_when_it_is_over,
	  what_is_over_within_hold_is_not_told, conditions_of_other_subjects_and_kinds_are_others,
	  devices_and_checks_are_subjects_where_no_service_is, what_happens_again_soon_is_counted,
	  each_sink_has_its_level, a_try_that_fails_is_made_again_after_longer_and_longer,
	  a_sink_that_fails_holds_up_no_other, an_interrupted_try_counts_as_none,
	  of_a_full_queue_the_oldest_goes_but_not_what_is_under_way,
	  what_waits_is_sent_as_one_when_it_is_much, no_document_is_longer_than_its_bound,
	  too_many_open_conditions_are_counted, a_sink_that_stays_keeps_what_it_was_told,
	  lost_alerts_make_no_alert)
