/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The prober's channel: orders and reports come back as they went, and nonsense does no harm. */
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "unit/support/random_record.h"
#include "unit/unit.h"
#include "wire/prober.h"

extern const struct wire_record wire_order_record, wire_report_record;

static char *draw_order(void)
{
	struct arena *arena = arena_new();
	struct wire_order order = {};
	char *line;

	random_record(arena, &wire_order_record, &order);
	line = wire_encode_order(&order);
	arena_free(arena);
	return line;
}

static char *draw_report(void)
{
	struct arena *arena = arena_new();
	struct wire_report report = {};
	char *line;

	random_record(arena, &wire_report_record, &report);
	line = wire_encode_report(&report);
	arena_free(arena);
	return line;
}

START_TEST(an_order_comes_back_as_it_went_out)
{
	for (int round = 0; round < 500; round++) {
		struct arena *arena = arena_new();
		struct wire_order order = {};
		struct problems p = {};
		char *line = draw_order(), *again;

		ck_assert_ptr_null(strchr(line, '\n'));
		ck_assert_int_eq(wire_decode_order(line, strlen(line), arena, &order, &p), 0);
		again = wire_encode_order(&order);
		ck_assert_str_eq(again, line);
		arena_free(arena);
		free(again);
		free(line);
	}
}
END_TEST

START_TEST(a_report_comes_back_as_it_went_out)
{
	for (int round = 0; round < 500; round++) {
		struct arena *arena = arena_new();
		struct wire_report report = {};
		struct problems p = {};
		char *line = draw_report(), *again;

		ck_assert_int_eq(wire_decode_report(line, strlen(line), arena, &report, &p), 0);
		again = wire_encode_report(&report);
		ck_assert_str_eq(again, line);
		arena_free(arena);
		free(again);
		free(line);
	}
}
END_TEST

START_TEST(an_order_that_is_cut_short_is_refused)
{
	char *line = draw_order();

	for (size_t length = 0; length < strlen(line); length++) {
		struct arena *arena = arena_new();
		struct wire_order order = {.ping = 7};
		struct problems p = {};

		ck_assert_int_lt(wire_decode_order(line, length, arena, &order, &p), 0);
		ck_assert_uint_eq(p.count, 1);
		ck_assert_uint_eq(order.ping, 7);
		problems_free(&p);
		arena_free(arena);
	}
	free(line);
}
END_TEST

/* Most are refused, none may crash (ASan watches). */
START_TEST(orders_with_random_damage_do_no_harm)
{
	for (int round = 0; round < 5000; round++) {
		struct arena *arena = arena_new();
		struct wire_order order = {};
		struct problems p = {};
		char *line = draw_order();
		size_t length = random_damage(line, strlen(line));
		int err = wire_decode_order(line, length, arena, &order, &p);

		ck_assert_uint_eq(p.count, err ? 1 : 0);
		problems_free(&p);
		arena_free(arena);
		free(line);
	}
}
END_TEST

#define EMPTY "\"remove\":[],\"set\":[],\"check\":[],\"alerts\":[]"

static const struct {
	const char *line, *complaint;
} refused[] = {
	{"", "order: is not a JSON document"},
	{"[]", "order: expected an object"},
	{"{}", "order.remove: is missing"},
	{"{" EMPTY ",\"pong\":1}", "order.pong: is no field of order"},
	{"{" EMPTY ",\"ping\":-1}", "order.ping: expected an integer of at least 0"},
	{"{\"remove\":[\"7\"],\"set\":[],\"check\":[],\"alerts\":[]}",
	 "order.remove[0]: expected an integer of at least 0"},
	{"{\"remove\":7,\"set\":[],\"check\":[],\"alerts\":[]}", "order.remove: expected a list"},
	{"{\"remove\":[],\"set\":[{\"id\":1}],\"check\":[],\"alerts\":[]}",
	 "order.set[0].kind: is missing"},
	{"{\"remove\":[],\"set\":[{\"id\":1,\"kind\":7}],\"check\":[],\"alerts\":[]}",
	 "order.set[0].kind: expected a string"},
	{"{\"remove\":[[[[[]]]]],\"set\":[],\"check\":[],\"alerts\":[]}",
	 "order: is nested deeper than 4"},
};

START_TEST(a_wrong_order_is_refused_by_the_name_of_what_is_wrong)
{
	for (size_t item = 0; item < ARRAY_SIZE(refused); item++) {
		struct arena *arena = arena_new();
		struct wire_order order = {};
		struct problems p = {};
		char *text;

		ck_assert_int_lt(wire_decode_order(refused[item].line, strlen(refused[item].line),
						   arena, &order, &p),
				 0);
		ck_assert_uint_eq(p.count, 1);
		text = problem_text(&p.list[0]);
		ck_assert_msg(strstr(text, refused[item].complaint), "%s\ngives: %s",
			      refused[item].line, text);
		free(text);
		problems_free(&p);
		arena_free(arena);
	}
}
END_TEST

START_TEST(a_full_order_stays_within_its_bounds)
{
	struct wire_probe probes[WIRE_ORDER_PROBES];
	struct wire_order order = {.set = {probes, WIRE_ORDER_PROBES}};
	struct arena *arena = arena_new();
	struct problems p = {};
	char text[8193], *line;

	memset(text, 'a', 8192);
	text[8192] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++)
		probes[i] = (struct wire_probe){i,    "http", "web",  "10.0.1.11", "203.0.113.10",
						443,  1,      "eth0", "10.0.0.1",  2000,
						1000, 500,    "/",    "host",	   "GET",
						text, "200",  true,   "/f",	   "name",
						"q",  1,      text,   text,	   "/bin/true"};
	line = wire_encode_order(&order);
	ck_assert_int_eq(wire_decode_order(line, strlen(line), arena, &order, &p), 0);
	free(line);
	arena_free(arena);
}
END_TEST

RUN_TESTS("wire_prober", an_order_comes_back_as_it_went_out, a_report_comes_back_as_it_went_out,
	  an_order_that_is_cut_short_is_refused, orders_with_random_damage_do_no_harm,
	  a_wrong_order_is_refused_by_the_name_of_what_is_wrong,
	  a_full_order_stays_within_its_bounds)
