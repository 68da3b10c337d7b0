/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the stories of tests/replay do not tell: ids, late results, probes' particulars, and what is stored. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "health/health.h"
#include "random.h"
#include "unit/read_config.h"
#include "unit/unit.h"

#define HEAD "version: 1\ninterfaces: [{device: eth0}]\nservices:\n"

static void configure(struct health *health, const char *services, bool in_force)
{
	char *text = mem_format(HEAD "%s", services);
	struct config *config = read_config(text);

	health_configure(health, config, in_force, 0);
	config_free(config);
	free(text);
}

static const struct addr one = {4, {10, 0, 0, 1}};

START_TEST(a_probe_says_where_it_goes_and_how)
{
	struct health *health = health_new();
	const struct health_probe *list;

	configure(health,
		  "- {name: web, address: 203.0.113.1, port: [8443, 80], health: {kind: https, "
		  "via: [direct, tunnel], match: well}, backends: [{address: 10.0.0.1}]}\n"
		  "- {name: any, address: 203.0.113.2, port: 7, health: {kind: icmp}, backends: "
		  "[{address: 10.0.0.1}]}\n",
		  false);
	ck_assert_uint_eq(health_probes(health, &list), 3);
	ck_assert_str_eq(list[0].service, "any");
	ck_assert_int_eq(list[0].how->kind, CONFIG_HEALTH_ICMP);
	ck_assert_uint_eq(list[0].port, 0);
	ck_assert_str_eq(list[1].service, "web");
	ck_assert_int_eq(list[1].via, CONFIG_VIA_TUNNEL);
	ck_assert(addr_equal(&list[1].address, &(struct addr){4, {203, 0, 113, 1}}));
	ck_assert_uint_eq(list[1].port, 8443);
	ck_assert_str_eq(list[1].how->match, "well");
	ck_assert_int_eq(list[2].via, CONFIG_VIA_DIRECT);
	ck_assert(addr_equal(&list[2].address, &one));
	ck_assert(addr_equal(&list[2].backend, &one));
	ck_assert_uint_eq(list[2].port, 8443);
	health_free(health);
	health_free(NULL);
}
END_TEST

/* The ids of the probes of 10.0.0.1 of web, 0: there is none. */
static void ids_of(const struct health *health, uint32_t ids[2])
{
	const struct health_probe *probes[2];
	size_t count = health_probes_of(health, "web", &one, probes);

	ids[0] = ids[1] = 0;
	for (size_t i = 0; i < count; i++)
		ids[i] = probes[i]->id;
}

START_TEST(a_changed_probe_has_another_id_and_late_results_of_the_old_one_count_for_nothing)
{
#define WEB(how)                                                                                 \
	"- {name: web, address: 203.0.113.1, port: 80, health: {" how "}, backends: [{address: " \
	"10.0.0.1}]}\n"
	static const struct {
		const char *services;
		bool stays;
	} cases[] = {
		{WEB("rise: 5, fall: 5, initial: up"), true},
		{WEB("") "- {name: a, address: 203.0.113.2, port: 80, backends: []}\n", true},
		{WEB("interval: 3s"), false},
		{WEB("port: 81"), false},
		{WEB("address: 203.0.113.9"), false},
		{WEB("kind: http"), false},
		{"- {name: web, address: 203.0.113.7, port: 80, health: {}, backends: [{address: "
		 "10.0.0.1}]}\n",
		 false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct health *health = health_new();
		struct health_change change;
		uint32_t before[2], after[2];

		configure(health, WEB(""), false);
		ids_of(health, before);
		ck_assert_uint_ne(before[0], 0);
		configure(health, cases[i].services, false);
		ids_of(health, after);
		ck_assert_uint_ne(after[0], 0);
		ck_assert_int_eq(after[0] == before[0], cases[i].stays);
		health_result(health, before[0], true, 1, "", 1);
		ck_assert_int_eq(health_next(health, &change), cases[i].stays);
		health_result(health, 0, true, 1, "", 1);
		health_result(health, 99, true, 1, "", 1);
		ck_assert(!health_next(health, &change));
		health_free(health);
	}
}
END_TEST

START_TEST(nobody_that_is_unknown_is_up_or_known)
{
	struct health *health = health_new();
	struct model_probe probe;
	struct health_look look;
	const struct health_probe *probes[2];

	configure(health, WEB(""), true);
	health_of(health, "web", &(struct addr){4, {10, 0, 0, 2}}, &probe);
	ck_assert(!probe.is_known && !probe.is_up);
	ck_assert_uint_eq(probe.share, 1000);
	ck_assert(!health_look(health, "dns", &one, 0, &look));
	ck_assert_uint_eq(health_probes_of(health, "dns", &one, probes), 0);
	health_free(health);
}
END_TEST

START_TEST(words_of_a_probe_are_one_line_of_bounded_length)
{
	struct health *health = health_new();
	struct health_look look;
	char words[400];
	uint32_t ids[2];

	configure(health, WEB(""), true);
	ids_of(health, ids);
	health_result(health, ids[0], false, 1, "a\n\x1b[31mb\x7f", 5);
	ck_assert(health_look(health, "web", &one, 7, &look));
	ck_assert_str_eq(look.tunnel.what, "a  [31mb ");
	ck_assert_uint_eq(look.tunnel.ago_ms, 2);
	ck_assert_uint_eq(look.tunnel.latency_us, 1);
	ck_assert(!look.direct.is_probed);
	memset(words, 'x', sizeof(words));
	words[sizeof(words) - 1] = '\0';
	health_result(health, ids[0], false, 1, words, 5);
	ck_assert(health_look(health, "web", &one, 7, &look));
	ck_assert_uint_eq(strlen(look.tunnel.what), HEALTH_WHAT_SIZE - 1);
	health_free(health);
}
END_TEST

static char *stored(const struct health *health, uint64_t now_ms)
{
	struct text text = {};

	health_store(health, now_ms, &text);
	return text.data;
}

START_TEST(what_is_stored_comes_back_the_same_also_on_a_clock_that_has_just_begun)
{
	struct health *health = health_new(), *next = health_new();
	uint32_t ids[2];
	char *before, *after;

	configure(health, WEB("via: [tunnel, direct]"), true);
	ids_of(health, ids);
	for (int i = 0; i < 3; i++)
		health_result(health, ids[0], false, 1, "connect: connection refused", 500000 + i);
	health_result(health, ids[1], true, 1, "", 500000);
	before = stored(health, 1000000);
	ck_assert_str_eq(before, "web 10.0.0.1 down 499998 1000 499998 0 1000 0 2 1 connect: "
				 "connection refused\n");
	configure(next, WEB("via: [tunnel, direct]"), true);
	ck_assert_int_eq(health_restore(next, before, strlen(before), 600000, 0, NULL), 0);
	after = stored(next, 600000);
	ck_assert_str_eq(after, before);
	free(after);
	/* The host has been started anew: what began before the clock did began with it. */
	ck_assert_int_eq(health_restore(next, before, strlen(before), 10, 0, NULL), 0);
	after = stored(next, 10);
	ck_assert_str_eq(after, "web 10.0.0.1 down 10 1000 499998 0 1000 0 2 1 connect: "
				"connection refused\n");
	free(after);
	free(before);
	health_free(health);
	health_free(next);
}
END_TEST

START_TEST(lines_that_make_no_sense_are_refused_and_change_nothing)
{
	static const char *const good = "web 10.0.0.1 down 5 0 0 0 1000 0 2 0 x\n";
	static const char *const lines[] = {
		"web",
		"web 10.0.0",
		"web 10.0.0.1",
		"web 10.0.0.1 unprobed 5 0 0 0 1000 0 2 0 x",
		"web 10.0.0.1 dead 5 0 0 0 1000 0 2 0 x",
		"web 10.0.0.1 down -5 0 0 0 1000 0 2 0 x",
		"web 10.0.0.1 down 5 8001 0 0 1000 0 2 0 x",
		"web 10.0.0.1 down 5 0 x 0 1000 0 2 0 x",
		"web 10.0.0.1 down 5 0 0 2 1000 0 2 0 x",
		"web 10.0.0.1 down 5 0 0 0 1001 0 2 0 x",
		"web 10.0.0.1 down 5 0 0 0 0 0 2 0 x",
		"web 10.0.0.1 down 5 0 0 0 1000 x 2 0 x",
		"web 10.0.0.1 down 5 0 0 0 1000 0 3 0 x",
		"web 10.0.0.1 down 5 0 0 0 1000 0 2 3 x",
		"web 10.0.0.1 down 5 0 0 0 1000 0 2 0",
		"",
	};
	struct health *health = health_new();
	struct health_change change;
	struct problems p = {};
	struct health_look look;

	configure(health, WEB(""), true);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char *text = mem_format("%s%s\n", good, lines[i]);

		ck_assert_int_eq(health_restore(health, text, strlen(text), 9, 0, &p), -EINVAL);
		ck_assert_uint_eq(p.count, i + 1);
		ck_assert_ptr_nonnull(strstr(p.list[i].expected, "line 2"));
		ck_assert(health_look(health, "web", &one, 9, &look));
		ck_assert_int_eq(look.state, HEALTH_STATE_UP);
		free(text);
	}
	problems_free(&p);
	ck_assert_int_eq(health_restore(health, "", 0, 9, 0, NULL), 0);
	/* Of others than those that are configured and probed nothing is taken. */
	ck_assert_int_eq(
		health_restore(health, "dns 10.0.0.1 down 5 0 0 0 1000 0 2 0 x\n", 39, 9, 0, NULL),
		0);
	ck_assert_int_eq(health_restore(health, good, strlen(good), 9, 0, NULL), 0);
	ck_assert(health_look(health, "web", &one, 9, &look));
	ck_assert_int_eq(look.state, HEALTH_STATE_DOWN);
	ck_assert(!health_next(health, &change));
	health_free(health);
}
END_TEST

#define MANY 5000

/* 100 backends of each of the services s00, s01 ... */
static struct health *health_of_many(void)
{
	struct health *health = health_new();
	struct text text = {};
	struct config *config;

	text_add(&text, "version: 1\ninterfaces: [{device: eth0}]\nlimits: {backends: 8k}\n"
			"services:\n");
	for (unsigned int s = 0; s < MANY / 100; s++) {
		text_add(&text,
			 "- {name: s%02u, address: 203.0.113.%u, port: 80, health: {}, damping: "
			 "on, slow-start: 7s, table-size: 10007, backends: [",
			 s, s + 1);
		for (unsigned int b = 0; b < 100; b++)
			text_add(&text, "%s{address: 10.0.0.%u}", b ? ", " : "", b + 1);
		text_add(&text, "]}\n");
	}
	config = read_config(text.data);
	health_configure(health, config, false, 1000);
	config_free(config);
	text_free(&text);
	return health;
}

/* Follows what changes tell; a change must fit what was told before. */
static void follow(struct health *health, bool is_up[MANY])
{
	struct health_change change;

	while (health_next(health, &change)) {
		size_t service = (change.service[1] - '0') * 10 + change.service[2] - '0';
		bool *is = &is_up[100 * service + change.backend.bytes[3] - 1];

		ck_assert(change.kind != HEALTH_UP || !*is);
		ck_assert(change.kind != HEALTH_STEP || *is);
		ck_assert(change.kind != HEALTH_DAMPED || !*is);
		if (health_change_weighs(change.kind))
			*is = change.kind == HEALTH_UP || change.kind == HEALTH_STEP;
	}
}

/* Half of the results are of a few backends, which so get to flap. */
START_TEST(states_of_thousands_of_backends_are_what_the_changes_told)
{
	struct health *health = health_of_many();
	const struct health_probe *list;
	bool is_up[MANY] = {};
	uint64_t now_ms = 1000;

	ck_assert_uint_eq(health_probes(health, &list), MANY);
	for (unsigned int round = 0; round < 100000; round++) {
		const struct health_probe *probe = &list[random_below(round % 2 ? 50 : MANY)];

		now_ms += random_below(20);
		health_result(health, probe->id, random_below(3), 1, "x", now_ms);
		if (round % 100 == 0)
			ck_assert_uint_ge(health_tick(health, now_ms), 1);
		follow(health, is_up);
	}
	for (size_t i = 0; i < MANY; i++) {
		struct model_probe probe;

		health_of(health, list[i].service, &list[i].backend, &probe);
		ck_assert_int_eq(probe.is_up, is_up[i]);
		ck_assert(probe.share >= 100 && probe.share <= 1000 && probe.share % 100 == 0);
	}
	/* Time alone brings back what is damped. */
	now_ms += 180000;
	health_tick(health, now_ms);
	for (size_t i = 0; i < MANY; i++) {
		struct health_look look;

		ck_assert(health_look(health, list[i].service, &list[i].backend, now_ms, &look));
		ck_assert_int_ne(look.state, HEALTH_STATE_DAMPED);
	}
	health_free(health);
}
END_TEST

RUN_TESTS("health_state", a_probe_says_where_it_goes_and_how,
	  a_changed_probe_has_another_id_and_late_results_of_the_old_one_count_for_nothing,
	  nobody_that_is_unknown_is_up_or_known, words_of_a_probe_are_one_line_of_bounded_length,
	  what_is_stored_comes_back_the_same_also_on_a_clock_that_has_just_begun,
	  lines_that_make_no_sense_are_refused_and_change_nothing,
	  states_of_thousands_of_backends_are_what_the_changes_told)
