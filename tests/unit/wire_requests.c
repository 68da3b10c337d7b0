/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests: commands and arguments by name, strictly; and the guess at what was meant. */
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "unit/support/refused.h"
#include "unit/unit.h"
#include "wire/record.h"

START_TEST(every_command_s_request_comes_back_with_its_arguments)
{
	for (size_t item = 0; item < WIRE_COMMANDS; item++) {
		const struct wire_command_info *info = &wire_command_table[item];
		struct wire_arguments arguments = {
			.file = "a.yaml",
			.text = "version: 1\n",
			.protocol = "tcp",
			.source = "192.0.2.1:1",
			.destination = "[2001:db8::1]:2",
			.service = "web",
			.address = "10.0.1.11",
			.weight = 7,
			.dry_run = true,
			.force = true,
			.wait = true,
			.when = "10m",
			.config = "b.yaml",
			.config_text = "version: 1\n",
			.diff = "c.yaml",
			.diff_text = "version: 1\n",
			.first = 1,
			.last = true,
			.packets = "",
			.given = info->needs | info->may,
		};
		struct wire_request request = {};
		struct problems p = {};
		char *line, *again;

		if (info->access == WIRE_ACCESS_LOCAL)
			continue;
		line = wire_encode_request(item, &arguments);
		ck_assert_ptr_null(strstr(line, "watch"));
		ck_assert_ptr_null(strstr(line, "wait"));
		ck_assert_int_eq(wire_decode_request(line, strlen(line), &request, &p), 0);
		ck_assert_int_eq(request.command, item);
		ck_assert_uint_eq(request.arguments.given,
				  arguments.given & ~(WIRE_BIT(watch) | WIRE_BIT(wait) |
						      WIRE_BIT(capture) | WIRE_BIT(when)));
		again = wire_encode_request(request.command, &request.arguments);
		ck_assert_str_eq(line, again);
		wire_request_free(&request);
		free(line);
		free(again);
	}
}
END_TEST

START_TEST(a_request_without_arguments_may_leave_them_out)
{
	static const char line[] = "{\"version\":1,\"command\":\"status\"}";
	struct wire_request request = {};
	struct problems p = {};

	ck_assert_int_eq(wire_decode_request(line, strlen(line), &request, &p), 0);
	ck_assert_int_eq(request.command, WIRE_COMMAND_status);
	wire_request_free(&request);
}
END_TEST

static const struct refused refused[] = {
	{"{", "request: is not a JSON document"},
	{"null", "request: is not a JSON document"},
	{"[]", "request: expected an object"},
	{"{\"version\":3,\"command\":\"status\"}", "expected \"version\": 1"},
	{"{\"version\":1}", "command: expected a command's name"},
	{"{\"version\":1,\"command\":7}", "command: expected a command's name"},
	{"{\"version\":1,\"command\":\"statsu\"}",
	 "command 'statsu': is not known; did you mean 'status'?"},
	{"{\"version\":1,\"command\":\"frobnicate\"}", "command 'frobnicate': is not known"},
	{"{\"version\":1,\"command\":\"key new\"}", "command 'key new': is not known"},
	{"{\"version\":1,\"command\":\"status\",\"more\":1}",
	 "request 'more': is no field of a request"},
	{"{\"version\":1,\"command\":\"status\",\"arguments\":[]}",
	 "arguments: expected an object"},
	{"{\"version\":1,\"command\":\"status\",\"arguments\":{\"force\":true}}",
	 "arguments.force: is no argument of 'status'"},
	{"{\"version\":1,\"command\":\"counters\",\"arguments\":{\"watch\":1}}",
	 "arguments.watch: is no argument of 'counters'"},
	{"{\"version\":1,\"command\":\"service show\",\"arguments\":{}}",
	 "arguments.service: is missing; 'service show' needs it"},
	{"{\"version\":1,\"command\":\"service show\",\"arguments\":{\"service\":null}}",
	 "arguments.service: expected a string"},
	{"{\"version\":1,\"command\":\"backend weight\",\"arguments\":{\"service\":\"a\","
	 "\"address\":\"b\",\"weight\":\"7\"}}",
	 "arguments.weight: expected an integer"},
	{"{\"version\":1,\"command\":\"apply\",\"arguments\":{\"file\":\"a\",\"text\":\"b\","
	 "\"force\":1}}",
	 "arguments.force: expected true or false"},
	{"{\"version\":1,\"command\":\"status\",\"arguments\":{\"a\":{\"b\":{}}}}",
	 "is nested deeper than 2"},
};

static int decode(const char *line, size_t length, struct problems *p)
{
	struct wire_request request = {};

	return wire_decode_request(line, length, &request, p);
}

START_TEST(a_wrong_request_is_refused_by_the_name_of_what_is_wrong)
{
	check_refused(refused, ARRAY_SIZE(refused), decode);
}
END_TEST

static void refuse_repeated(const char *piece, size_t count, const char *complaint)
{
	struct wire_request request = {};
	struct problems p = {};
	size_t length = strlen(piece);
	char *line = mem_alloc(count * length);

	for (size_t i = 0; i < count; i++)
		memcpy(line + i * length, piece, length);
	ck_assert_int_lt(wire_decode_request(line, count * length, &request, &p), 0);
	ck_assert_ptr_nonnull(strstr(p.list[0].expected, complaint));
	problems_free(&p);
	free(line);
}

START_TEST(a_request_that_would_cost_much_is_refused_before_it_is_parsed)
{
	refuse_repeated("[", 1000000, "is nested deeper than 2");
	refuse_repeated("[],", 1000000, "has more than 64 values");
	refuse_repeated("0,", 1000000, "has more than 64 values");
	refuse_repeated(" ", WIRE_REQUEST_MAX + 1, "is longer than");
}
END_TEST

START_TEST(brackets_and_commas_within_a_text_cost_nothing)
{
	struct wire_arguments arguments = {.file = "a", .given = WIRE_BIT(file) | WIRE_BIT(text)};
	struct wire_request request = {};
	struct problems p = {};
	char *text = mem_alloc(100001), *line;

	for (size_t i = 0; i < 100000; i++)
		text[i] = "[{,:\"\\}]"[i % 8];
	arguments.text = text;
	line = wire_encode_request(WIRE_COMMAND_check, &arguments);
	ck_assert_int_eq(wire_decode_request(line, strlen(line), &request, &p), 0);
	ck_assert_str_eq(request.arguments.text, text);
	wire_request_free(&request);
	free(line);
	free(text);
}
END_TEST

static const struct {
	const char *word, *nearest;
} slips[] = {
	{"status", "status"},
	{"statsu", "status"},
	{"stat", "status"},
	{"conters", "counters"},
	{"dif", "diff"},
	{"aply", "apply"},
	{"service lst", "service list"},
	{"xyzzy", NULL},
	{"", NULL},
	{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL},
};

START_TEST(the_nearest_command_is_found_and_none_that_is_far)
{
	for (size_t item = 0; item < ARRAY_SIZE(slips); item++) {
		const char *names[WIRE_COMMANDS + 1] = {NULL}, *nearest;

		for (int i = 0; i < WIRE_COMMANDS; i++)
			names[i] = wire_command_table[i].name;
		nearest = text_nearest(slips[item].word, names);
		if (slips[item].nearest)
			ck_assert_pstr_eq(nearest, slips[item].nearest);
		else
			ck_assert_msg(!nearest, "'%s' gives '%s'", slips[item].word, nearest);
	}
}
END_TEST

START_TEST(every_argument_that_a_command_takes_fits_the_tables)
{
	ck_assert_int_le(WIRE_ARGUMENTS, 32);
	for (int i = 0; i < WIRE_COMMANDS; i++)
		ck_assert_uint_eq(wire_command_table[i].needs & wire_command_table[i].may, 0);
	for (int i = 0; i < WIRE_KINDS; i++)
		ck_assert_ptr_nonnull(wire_kind_name(i));
}
END_TEST

RUN_TESTS("wire_requests", every_command_s_request_comes_back_with_its_arguments,
	  a_request_without_arguments_may_leave_them_out,
	  a_wrong_request_is_refused_by_the_name_of_what_is_wrong,
	  a_request_that_would_cost_much_is_refused_before_it_is_parsed,
	  brackets_and_commas_within_a_text_cost_nothing,
	  the_nearest_command_is_found_and_none_that_is_far,
	  every_argument_that_a_command_takes_fits_the_tables)
