/* SPDX-License-Identifier: GPL-2.0-or-later */
/* That a service cannot be probed is said once when it begins, and once when it is over. */
#include <string.h>

#include "agent/events.h"
#include "agent/stops.h"
#include "alert/history.h"
#include "unit/unit.h"

static struct events *events;
static struct stops stops;
static uint64_t told; /* events that were looked at */

static void expect(enum event_kind kind, const char *service, const char *text)
{
	const struct event *event = history_get(events_history(events), ++told);

	ck_assert_ptr_nonnull(event);
	ck_assert_int_eq(event->kind, kind);
	ck_assert_str_eq(event->service, service);
	ck_assert_str_eq(event->device, "eth0");
	ck_assert_str_eq(event->text, text);
}

static void expect_no_more(void)
{
	ck_assert_uint_eq(history_last(events_history(events)), told);
}

START_TEST(each_service_is_told_once_and_when_it_is_over)
{
	events = events_new();
	stops_say(&stops, events);
	expect_no_more();
	for (int round = 0; round < 2; round++) {
		stops_note(&stops, "web", "eth0", "203.0.113.1 is an address of eth0");
		stops_note(&stops, "dns", "eth0", "another reason");
		stops_note(&stops, "web", "eth1", "of another backend");
		stops_say(&stops, events);
	}
	expect(EVENT_probes_stopped, "web",
	       "service web is not probed through the tunnel: 203.0.113.1 is an address of eth0; "
	       "meanwhile its backends' health stays as it is");
	expect(EVENT_probes_stopped, "dns",
	       "service dns is not probed through the tunnel: another reason; meanwhile its "
	       "backends' health stays as it is");
	expect_no_more();
	ck_assert_str_eq(stops_find(&stops, "dns"), "another reason");
	ck_assert_ptr_null(stops_find(&stops, "other"));
	stops_note(&stops, "dns", "eth0", "another reason");
	stops_say(&stops, events);
	expect(EVENT_probes_go_on, "web",
	       "service web: nothing keeps its probes from the tunnel any more");
	expect_no_more();
	stops_note(&stops, "dns", "eth0", "another reason"); /* a round that does not end */
	stops_free(&stops);
	stops_say(&stops, events);
	expect_no_more();
	events_free(events);
}
END_TEST

RUN_TESTS("agent_stops", each_service_is_told_once_and_when_it_is_over)
