/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Alerts under scripted time. What a sink is told is written as the script reads it: "firing backend_down", with the
 * repeats where there are any, its id and the event that says so.
 */
#ifndef TESTS_SCRIPTED_ALERTS_H
#define TESTS_SCRIPTED_ALERTS_H

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "alert/alert.h"
#include "base/mem.h"
#include "base/problem.h"

static struct alerts *alerts;
static uint64_t now_ms, seq;
static struct wire_alert last; /* what was sent last, without its texts */
static char last_more[32];     /* the id of the first that was sent with it */
static uint64_t last_try;

static const struct alert_sink script = {
	.kind = ALERT_EXEC,
	.target = "/etc/on-alert",
	.timeout_ms = 5000,
	.level = EVENT_WARNING,
};

static void start(const struct alert_sink *sinks, size_t count)
{
	now_ms = 1000;
	seq = 0;
	alerts = alerts_new("lb1", 77);
	alerts_configure(alerts, sinks, count);
}

static void start_one(uint64_t hold_ms, enum event_level level)
{
	struct alert_sink sink = script;

	sink.hold_ms = hold_ms;
	sink.level = level;
	start(&sink, 1);
}

static void happens_to(enum event_kind kind, const char *service, const char *backend)
{
	struct event event = {
		.kind = kind,
		.service = service,
		.backend = backend,
		.text = "a sentence",
		.seq = ++seq,
		.wall_ms = 5,
	};

	alerts_event(alerts, &event, now_ms);
}

static void happens(enum event_kind kind)
{
	happens_to(kind, "web", "10.0.1.11");
}

/* Takes the next try and gives it as text, without its result. */
static inline const char *try_next(const char **target)
{
	static char text[256];
	struct wire_reply reply;
	struct problems p = {};
	struct alert_try try;
	size_t length;

	if (!alerts_next(alerts, now_ms, &try))
		return NULL;
	last_try = try.id;
	if (target)
		*target = try.sink->target;
	ck_assert_int_eq(wire_decode_reply(try.body, strlen(try.body), &reply, &p), 0);
	ck_assert_int_eq(reply.kind, WIRE_KIND_alert);
	ck_assert_str_eq(reply.alert->host, "lb1");
	last = *reply.alert;
	snprintf(last_more, sizeof(last_more), "%s", last.more.count ? last.more.list[0].id : "");
	length = snprintf(text, sizeof(text), "%s %s", last.state, last.alert);
	if (last.repeats)
		length += snprintf(text + length, sizeof(text) - length, " and %u more",
				   (unsigned int)last.repeats);
	snprintf(text + length, sizeof(text) - length, " [%s by %s]", last.id, last.event);
	wire_reply_free(&reply);
	return text;
}

/* That this is sent now, and taken. */
static void expect(const char *expected)
{
	const char *text = try_next(NULL);

	ck_assert_msg(text && strcmp(text, expected) == 0, "at %llu: '%s' instead of '%s'",
		      (unsigned long long)now_ms, text ? text : "nothing", expected);
	alerts_result(alerts, last_try, true, "", now_ms);
}

static void expect_nothing(void)
{
	const char *text = try_next(NULL);

	ck_assert_msg(!text, "at %llu: '%s' instead of nothing", (unsigned long long)now_ms, text);
}

static void after(uint64_t ms)
{
	now_ms += ms;
}

#endif
