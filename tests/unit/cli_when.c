/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `events --since` understands. */
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "cli/when.h"
#include "unit/unit.h"

#define NOW_MS 1795571031500ull /* 2026-11-25T01:43:51.500Z */
#define DAY_MS 86400000ull
#define AT(hour, minute, second) \
	(1795564800000ull + ((hour)*3600 + (minute)*60 + (second)) * 1000ull)

static struct when parse(const char *text)
{
	struct problems p = {};
	struct when when = {};

	ck_assert_msg(!when_parse(text, NOW_MS, &when, &p), "%s", text);
	return when;
}

START_TEST(a_number_is_that_of_an_event)
{
	ck_assert(parse("42").is_number);
	ck_assert_uint_eq(parse("42").number, 42);
	ck_assert(parse("0").is_number);
}
END_TEST

START_TEST(a_duration_is_that_long_ago)
{
	ck_assert(!parse("10m").is_number);
	ck_assert_uint_eq(parse("10m").from_ms, NOW_MS - 600000);
	ck_assert_uint_eq(parse("1500ms").from_ms, NOW_MS - 1500);
	ck_assert_uint_eq(parse("2h").from_ms, NOW_MS - 7200000);
	ck_assert_uint_eq(parse("600000h").from_ms, 0);
}
END_TEST

START_TEST(a_time_is_in_utc_and_without_a_date_the_last_one)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} cases[] = {
		{"2026-11-25T01:13:51", AT(1, 13, 51)},
		{"2026-11-25T01:13:51Z", AT(1, 13, 51)},
		{"2026-11-25T01:13:51.041Z", AT(1, 13, 51)}, /* as an event has it */
		{"2026-11-25 01:13:51", AT(1, 13, 51)},
		{"2026-11-25T01:13", AT(1, 13, 0)},
		{"2026-11-25 01:13", AT(1, 13, 0)},
		{"2026-11-25", AT(0, 0, 0)},
		{"01:13:51", AT(1, 13, 51)},
		{"01:13", AT(1, 13, 0)},
		{"01:44", AT(1, 44, 0) - DAY_MS},
		{"23:59:59", AT(23, 59, 59) - DAY_MS},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert(!parse(cases[i].text).is_number);
		ck_assert_msg(parse(cases[i].text).from_ms == cases[i].ms, "%s", cases[i].text);
	}
}
END_TEST

START_TEST(anything_else_is_refused_and_what_is_expected_is_said)
{
	static const char *const cases[] = {"",		  "yesterday",	"-5",	      "10 m",
					    "10x",	  "25:00",	"01:13:51.",  "01:13Zz",
					    "2026-02-30", "2026-13-01", "1.5h",	      "1900-01-01",
					    "2026-11",	  "01:13 ",	"2026-11-25T"};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct problems p = {};
		struct when when = {};

		ck_assert_msg(when_parse(cases[i], NOW_MS, &when, &p) == -22, "%s", cases[i]);
		ck_assert_uint_eq(p.count, 1);
		ck_assert_str_eq(p.list[0].value, cases[i]);
		ck_assert_ptr_nonnull(strstr(p.list[0].expected, "(10m)"));
		problems_free(&p);
	}
}
END_TEST

RUN_TESTS("cli_when", a_number_is_that_of_an_event, a_duration_is_that_long_ago,
	  a_time_is_in_utc_and_without_a_date_the_last_one,
	  anything_else_is_refused_and_what_is_expected_is_said)
