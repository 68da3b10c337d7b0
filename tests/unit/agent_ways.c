/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is said of the backends: a sentence for each change, once, and what to do where a person
 * must.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/events.h"
#include "agent/ways.h"
#include "alert/history.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "unit/unit.h"

#define BACKENDS 12

/* One service "web" of as many backends as the test likes, 10.0.1.1 and up, all well. */
struct world {
	struct model_backend backends[BACKENDS];
	struct model_service service;
	struct model model;
};

static void make_world(struct world *w, size_t count)
{
	*w = (struct world){
		.service = {.name = "web", .backends = w->backends, .backend_count = count}};
	w->model = (struct model){.services = &w->service, .service_count = 1};
	w->service.ready = count;
	for (size_t i = 0; i < count; i++) {
		struct model_backend *backend = &w->backends[i];

		backend->address = (struct addr){.family = 4, .bytes = {10, 0, 1, i + 1}};
		backend->way =
			(struct net_nexthop){.way = NET_WAY_READY, .gateway = backend->address};
		strcpy(backend->way.device, "eth0");
	}
}

static void set_way(struct model_backend *backend, enum net_way way)
{
	backend->way.way = way;
	backend->reason = way == NET_WAY_READY ? MODEL_TAKES_FLOWS : MODEL_NO_WAY;
}

/* What ways_say() logs; the caller frees it. */
static char *said(struct ways *ways, const struct model *model)
{
	int saved = dup(STDERR_FILENO);
	FILE *file = tmpfile();
	char *text;
	long size;

	dup2(fileno(file), STDERR_FILENO);
	log_set_level(LOG_LEVEL_DEBUG);
	ways_say(ways, model, NULL);
	dup2(saved, STDERR_FILENO);
	close(saved);
	size = lseek(fileno(file), 0, SEEK_END);
	text = mem_alloc(size + 1);
	ck_assert_int_eq(pread(fileno(file), text, size, 0), size);
	fclose(file);
	return text;
}

/* Those for people: at level debug the events' documents follow, by which their kinds are told. */
static size_t lines_in(const char *text)
{
	size_t lines = 0;

	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	for (const char *c = text; (c = strstr(c, " debug: ")); c++)
		lines--;
	return lines;
}

static void expect_said(struct ways *ways, const struct model *model, size_t lines,
			const char *part)
{
	char *text = said(ways, model);

	ck_assert_msg(lines_in(text) == lines, "%zu lines instead of %zu: %s", lines_in(text),
		      lines, text);
	if (part)
		ck_assert_msg(strstr(text, part) != NULL, "no '%s' in: %s", part, text);
	free(text);
}

START_TEST(each_change_is_said_once)
{
	struct ways ways = {};
	struct world w;

	make_world(&w, 3);
	set_way(&w.backends[2], NET_WAY_FAILED);
	expect_said(&ways, &w.model, 0, NULL); /* the ready line has it */
	expect_said(&ways, &w.model, 0, NULL);
	set_way(&w.backends[1], NET_WAY_FAILED);
	expect_said(&ways, &w.model, 1,
		    "web 10.0.1.2 takes no new flows: neighbour 10.0.1.2 on eth0 does not");
	expect_said(&ways, &w.model, 0, NULL);
	set_way(&w.backends[1], NET_WAY_LINK_DOWN);
	expect_said(&ways, &w.model, 1, "eth0 is down");
	set_way(&w.backends[1], NET_WAY_READY);
	expect_said(&ways, &w.model, 1, "web 10.0.1.2 takes new flows");
	ways_free(&ways);
}
END_TEST

START_TEST(many_changes_are_counted)
{
	struct ways ways = {};
	struct world w;

	make_world(&w, BACKENDS);
	expect_said(&ways, &w.model, 0, NULL);
	for (size_t i = 0; i < BACKENDS; i++)
		set_way(&w.backends[i], NET_WAY_FAILED);
	expect_said(&ways, &w.model, 11, "2 more backends changed");
	ways_free(&ways);
}
END_TEST

START_TEST(an_unlisted_interface_is_said_once_with_what_to_do)
{
	struct ways ways = {};
	struct world w;

	make_world(&w, 3);
	for (size_t i = 0; i < 2; i++) {
		w.backends[i].reason = MODEL_UNLISTED_WAY;
		strcpy(w.backends[i].way.device, "eth1");
	}
	expect_said(&ways, &w.model, 1, "add `- device: eth1`");
	expect_said(&ways, &w.model, 0, NULL);
	w.backends[0].reason = w.backends[1].reason = MODEL_TAKES_FLOWS;
	expect_said(&ways, &w.model, 2, "takes new flows");
	/* It happens again, and is said again. */
	w.backends[0].reason = MODEL_UNLISTED_WAY;
	expect_said(&ways, &w.model, 2, "add `- device: eth1`");
	ways_free(&ways);
}
END_TEST

START_TEST(a_vlan_that_cannot_be_used_is_named_with_its_parent)
{
	struct ways ways = {};
	struct world w;

	make_world(&w, 1);
	set_way(&w.backends[0], NET_WAY_VLAN);
	strcpy(w.backends[0].way.device, "eth0.42");
	strcpy(w.backends[0].way.parent, "eth0");
	expect_said(&ways, &w.model, 1,
		    "eth0.42 leads to backends and is a VLAN device of more than two tags on eth0");
	ways_free(&ways);
}
END_TEST

START_TEST(a_kernel_that_cannot_be_asked_is_said_and_asked_again)
{
	struct ways ways = {};
	struct world w;

	make_world(&w, 2);
	set_way(&w.backends[0], NET_WAY_LINK_DOWN);
	set_way(&w.backends[1], NET_WAY_NO_ROUTE);
	expect_said(&ways, &w.model, 0, NULL);
	ck_assert(!ways_probe(NULL, &w.model, 0));
	set_way(&w.backends[1], NET_WAY_UNKNOWN);
	w.backends[1].way.error = -ENOBUFS;
	expect_said(&ways, &w.model, 1,
		    "the kernel does not tell the route to 10.0.1.2: No buffer");
	ck_assert(ways_probe(NULL, &w.model, 0));
	ways_free(&ways);
}
END_TEST

static void expect_event(struct ways *ways, const struct model *model, struct events *events,
			 enum event_kind kind)
{
	const struct history *history = events_history(events);
	uint64_t before = history_last(history);
	const struct event *event;

	ways_say(ways, model, events);
	ck_assert_uint_eq(history_last(history), before + 1);
	event = history_get(history, before + 1);
	ck_assert_str_eq(event_kind_name(event->kind), event_kind_name(kind));
	ck_assert_str_eq(event->service, "web");
	ck_assert_str_eq(event->backend, "10.0.1.2");
	ways_say(ways, model, events);
	ck_assert_uint_eq(history_last(history), before + 1);
}

static void take_out(struct model_backend *backend, enum model_reason reason)
{
	backend->reason = reason;
}

START_TEST(each_change_is_an_event_of_its_kind)
{
	struct events *events = events_new();
	struct ways ways = {};
	struct world w;

	make_world(&w, 2);
	set_way(&w.backends[1], NET_WAY_FAILED);
	expect_event(&ways, &w.model, events, EVENT_next_hop_lost); /* at the start, too */
	set_way(&w.backends[1], NET_WAY_READY);
	expect_event(&ways, &w.model, events, EVENT_next_hop_found);
	take_out(&w.backends[1], MODEL_DRAINED);
	expect_event(&ways, &w.model, events, EVENT_backend_out);
	take_out(&w.backends[1], MODEL_TAKES_FLOWS);
	expect_event(&ways, &w.model, events, EVENT_backend_in);
	w.service.backend_count = 1;
	expect_event(&ways, &w.model, events, EVENT_backend_removed);
	ways_free(&ways);
	events_free(events);
}
END_TEST

START_TEST(what_probes_say_is_not_said_twice)
{
	static const enum model_reason reasons[] = {MODEL_UNPROBED, MODEL_PROBES_FAIL,
						    MODEL_DAMPED};
	struct ways ways = {};
	struct world w;

	make_world(&w, 2);
	expect_said(&ways, &w.model, 0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		take_out(&w.backends[1], reasons[i]);
		expect_said(&ways, &w.model, 0, NULL);
	}
	take_out(&w.backends[1], MODEL_TAKES_FLOWS);
	expect_said(&ways, &w.model, 0, NULL);
	ways_free(&ways);
}
END_TEST

START_TEST(what_took_the_place_of_probes_is_said_to_be_over)
{
	struct ways ways = {};
	struct world w;

	make_world(&w, 2);
	expect_said(&ways, &w.model, 0, NULL);
	set_way(&w.backends[1], NET_WAY_FAILED);
	expect_said(&ways, &w.model, 1, "next_hop_lost");
	take_out(&w.backends[1], MODEL_PROBES_FAIL);
	expect_said(&ways, &w.model, 1, "next_hop_found");
	take_out(&w.backends[1], MODEL_DRAINED);
	expect_said(&ways, &w.model, 1, "backend_out");
	take_out(&w.backends[1], MODEL_PROBES_FAIL);
	expect_said(&ways, &w.model, 1, "backend_in");
	ways_free(&ways);
}
END_TEST

START_TEST(a_panic_is_said_when_it_begins_and_when_it_is_over)
{
	static const struct config_service config = {.panic = 50};
	struct ways ways = {};
	struct world w;

	make_world(&w, 2);
	w.service.config = &config;
	expect_said(&ways, &w.model, 0, NULL);
	w.service.is_panic = true;
	expect_said(&ways, &w.model, 1, "service web: fewer than 50 % of its backends are healthy");
	expect_said(&ways, &w.model, 0, NULL);
	w.service.is_panic = false;
	expect_said(&ways, &w.model, 1, "panic_over");
	/* Also where the service goes. */
	w.service.is_panic = true;
	expect_said(&ways, &w.model, 1, "panic");
	w.model.service_count = 0;
	expect_said(&ways, &w.model, 3, "panic_over");
	ways_free(&ways);
}
END_TEST

START_TEST(the_summary_counts_and_names_those_that_take_no_flows)
{
	struct text text = {};
	struct world w;

	make_world(&w, 3);
	ways_summary(&w.model, &text);
	ck_assert_str_eq(text.data, "3 of 3 backends take new flows");
	text_free(&text);

	set_way(&w.backends[1], NET_WAY_FAILED);
	w.service.ready = 2;
	ways_summary(&w.model, &text);
	ck_assert_str_eq(text.data, "2 of 3 backends take new flows: web 10.0.1.2: neighbour "
				    "10.0.1.2 on eth0 does not answer");
	text_free(&text);

	make_world(&w, BACKENDS);
	for (size_t i = 0; i < BACKENDS; i++)
		set_way(&w.backends[i], NET_WAY_FAILED);
	w.service.ready = 0;
	ways_summary(&w.model, &text);
	ck_assert_ptr_nonnull(strstr(text.data, "; and 7 more"));
	text_free(&text);
}
END_TEST

RUN_TESTS("agent_ways", each_change_is_an_event_of_its_kind, what_probes_say_is_not_said_twice,
	  what_took_the_place_of_probes_is_said_to_be_over,
	  a_panic_is_said_when_it_begins_and_when_it_is_over, each_change_is_said_once,
	  many_changes_are_counted, an_unlisted_interface_is_said_once_with_what_to_do,
	  a_vlan_that_cannot_be_used_is_named_with_its_parent,
	  a_kernel_that_cannot_be_asked_is_said_and_asked_again,
	  the_summary_counts_and_names_those_that_take_no_flows)
