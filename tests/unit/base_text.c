/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Growing text, durations, counts, numbers and hex. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "unit/unit.h"

struct number_case {
	const char *text;
	int error;
	uint64_t value;
};

START_TEST(durations_are_read_exactly_or_refused)
{
	static const struct number_case cases[] = {
		{"0s", 0, 0},
		{"250ms", 0, 250},
		{"2s", 0, 2000},
		{"6m", 0, 360000},
		{"4h", 0, 14400000},
		{"9007199254740992ms", 0, UINT64_C(9007199254740992)},
		{"9007199254740993ms", -ERANGE, 0},
		{"9007199254741s", -ERANGE, 0},
		{"18446744073709551616ms", -ERANGE, 0},
		{"99999999999999999999999999h", -ERANGE, 0},
		{"99999999999999999999999999d", -EINVAL, 0},
		{"0", -EINVAL, 0},
		{"5", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"-1s", -EINVAL, 0},
		{"+1s", -EINVAL, 0},
		{"1.5h", -EINVAL, 0},
		{"01s", -EINVAL, 0},
		{"1 s", -EINVAL, 0},
		{"1s ", -EINVAL, 0},
		{"1S", -EINVAL, 0},
		{"1d", -EINVAL, 0},
		{"1m30s", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 77;

		ck_assert_msg(text_parse_duration(cases[i].text, &value) == cases[i].error, "%s",
			      cases[i].text);
		ck_assert_uint_eq(value, cases[i].error ? 77 : cases[i].value);
	}
}
END_TEST

START_TEST(durations_are_written_in_their_shortest_exact_form_and_read_back)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} cases[] = {
		{0, "0s"},
		{1, "1ms"},
		{1500, "1500ms"},
		{2000, "2s"},
		{60000, "1m"},
		{90000, "90s"},
		{360000, "6m"},
		{3600000, "1h"},
		{5400000, "90m"},
		{86400000, "24h"},
		{UINT64_C(1) << 53, "9007199254740992ms"},
		{UINT64_MAX, "18446744073709551615ms"},
	};
	char text[24];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t back;

		ck_assert_str_eq(text_format_duration(cases[i].ms, text), cases[i].text);
		if (cases[i].ms > UINT64_C(1) << 53)
			continue;
		ck_assert_int_eq(text_parse_duration(text, &back), 0);
		ck_assert_uint_eq(back, cases[i].ms);
	}
}
END_TEST

START_TEST(times_are_told_to_people_in_their_two_largest_units)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} cases[] = {
		{0, "0s"},
		{999, "0s"},
		{7900, "7s"},
		{60000, "1m 0s"},
		{3599999, "59m 59s"},
		{3661000, "1h 1m"},
		{86399999, "23h 59m"},
		{273600000, "3d 4h"},
		{UINT64_MAX, "213503982334d 14h"},
	};
	char text[24];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_str_eq(text_format_time(cases[i].ms, text), cases[i].text);
}
END_TEST

START_TEST(counts_are_read_exactly_or_refused)
{
	static const struct number_case cases[] = {
		{"0", 0, 0},
		{"4096", 0, 4096},
		{"4k", 0, 4096},
		{"1M", 0, 1048576},
		{"9007199254740992", 0, UINT64_C(9007199254740992)},
		{"8589934592M", 0, UINT64_C(9007199254740992)},
		{"8589934593M", -ERANGE, 0},
		{"9007199254740993", -ERANGE, 0},
		{"18446744073709551615M", -ERANGE, 0},
		{"4K", -EINVAL, 0},
		{"4m", -EINVAL, 0},
		{"4kk", -EINVAL, 0},
		{"4G", -EINVAL, 0},
		{"k", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"-4", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 77;

		ck_assert_msg(text_parse_count(cases[i].text, &value) == cases[i].error, "%s",
			      cases[i].text);
		ck_assert_uint_eq(value, cases[i].error ? 77 : cases[i].value);
	}
}
END_TEST

START_TEST(integers_are_read_up_to_their_maximum_and_no_further)
{
	static const struct {
		const char *text;
		uint64_t max;
		int error;
		uint64_t value;
	} cases[] = {
		{"0", 0, 0, 0},
		{"1", 0, -ERANGE, 0},
		{"65535", 65535, 0, 65535},
		{"65536", 65535, -ERANGE, 0},
		{"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
		{"18446744073709551616", UINT64_MAX, -ERANGE, 0},
		{"28446744073709551615", UINT64_MAX, -ERANGE, 0},
		{"99999999999999999999999x", UINT64_MAX, -EINVAL, 0},
		{"00", 10, -EINVAL, 0},
		{"07", 10, -EINVAL, 0},
		{"", 10, -EINVAL, 0},
		{" 1", 10, -EINVAL, 0},
		{"1 ", 10, -EINVAL, 0},
		{"-1", 10, -EINVAL, 0},
		{"+1", 10, -EINVAL, 0},
		{"1.0", 10, -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 77;

		ck_assert_msg(text_parse_uint(cases[i].text, cases[i].max, &value) ==
				      cases[i].error,
			      "%s", cases[i].text);
		ck_assert_uint_eq(value, cases[i].error ? 77 : cases[i].value);
	}
}
END_TEST

START_TEST(hex_is_read_at_its_exact_length_and_written_in_lower_case)
{
	static const char *const bad[] = {"",	      "00",	  "00112",	"001122334",
					  "0011223g", "0011 233", "0011223\x10"};
	unsigned char bytes[4] = {9, 9, 9, 9};
	char text[9];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_msg(text_parse_hex(bad[i], bytes, 4) == -EINVAL, "%s", bad[i]);
		ck_assert_int_eq(bytes[0], 9);
	}
	ck_assert_int_eq(text_parse_hex("00fFA57e", bytes, 4), 0);
	ck_assert_mem_eq(bytes, "\x00\xff\xa5\x7e", 4);
	ck_assert_str_eq(text_format_hex(bytes, 4, text), "00ffa57e");
}
END_TEST

START_TEST(a_text_grows_to_any_length_and_always_ends_in_nul)
{
	struct text text = {};

	text_add_bytes(&text, "", 0);
	ck_assert_str_eq(text.data, "");
	for (size_t i = 0; i < 5000; i++) {
		ck_assert_uint_eq(text.length, 2 * i);
		text_add(&text, "%d%c", (int)(i % 10), 'x');
		ck_assert_int_eq(text.data[text.length], '\0');
	}
	ck_assert_uint_eq(strlen(text.data), 10000);
	for (size_t i = 0; i < 5000; i++)
		ck_assert(text.data[2 * i] == (char)('0' + i % 10) && text.data[2 * i + 1] == 'x');
	text_free(&text);
	ck_assert_ptr_null(text.data);
}
END_TEST

START_TEST(a_json_string_is_quoted_and_its_controls_are_escaped)
{
	struct text text = {};

	text_add_json(&text, "a \"b\" \\ \n\x1f \xc3\xa4");
	ck_assert_str_eq(text.data, "\"a \\\"b\\\" \\\\ \\u000a\\u001f \xc3\xa4\"");
	text_free(&text);
}
END_TEST

START_TEST(a_slip_is_one_letter_more_or_less_another_one_or_two_swapped)
{
	static const char *const names[] = {"port", "protocol", "weight", NULL};
	static const struct {
		const char *word, *nearest;
	} cases[] = {
		{"port", "port"},
		{"prot", "port"},
		{"poort", "port"},
		{"pot", "port"},
		{"part", "port"},
		{"wieght", "weight"},
		{"protcol", "protocol"},
		{"xyzzy", NULL},
		{"", NULL},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_pstr_eq(text_nearest(cases[i].word, names), cases[i].nearest);
}
END_TEST

RUN_TESTS("base_text", durations_are_read_exactly_or_refused,
	  durations_are_written_in_their_shortest_exact_form_and_read_back,
	  times_are_told_to_people_in_their_two_largest_units, counts_are_read_exactly_or_refused,
	  integers_are_read_up_to_their_maximum_and_no_further,
	  hex_is_read_at_its_exact_length_and_written_in_lower_case,
	  a_text_grows_to_any_length_and_always_ends_in_nul,
	  a_json_string_is_quoted_and_its_controls_are_escaped,
	  a_slip_is_one_letter_more_or_less_another_one_or_two_swapped)
