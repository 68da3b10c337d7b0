/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Problems: the one line that users see, and the order of many. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "unit/unit.h"

START_TEST(the_line_has_what_is_known_and_leaves_out_what_is_not)
{
	static const struct {
		struct problem problem;
		const char *text;
	} cases[] = {
		{{(char *)"a.yaml", 3, 7, (char *)"port", (char *)"x", (char *)"a number"},
		 "a.yaml:3:7: port 'x': a number"},
		{{(char *)"a.yaml", 3, 0, (char *)"port", (char *)"x", (char *)"a number"},
		 "a.yaml:3: port 'x': a number"},
		{{(char *)"a.yaml", 0, 7, (char *)"port", (char *)"x", (char *)"a number"},
		 "a.yaml: port 'x': a number"},
		{{NULL, 3, 7, (char *)"port", (char *)"x", (char *)"a number"},
		 "port 'x': a number"},
		{{NULL, 0, 0, (char *)"port", NULL, (char *)"missing"}, "port: missing"},
		{{NULL, 0, 0, NULL, (char *)"x", (char *)"unknown"}, "'x': unknown"},
		{{NULL, 0, 0, NULL, NULL, (char *)"no memory"}, "no memory"},
		{{NULL, 0, 0, (char *)"port", (char *)"", (char *)"a number"}, "port '': a number"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = problem_text(&cases[i].problem);

		ck_assert_str_eq(text, cases[i].text);
		free(text);
	}
}
END_TEST

START_TEST(a_value_cannot_break_the_line_or_steer_the_terminal)
{
	struct problem problem = {.value = (char *)"a\nb\tc\x1b[2Jd\x7f"
						   "\xc3\xa9",
				  .expected = (char *)"no"};
	char *text = problem_text(&problem);

	ck_assert_str_eq(text, "'a\\nb\\tc\\x1b[2Jd\\x7f\xc3\xa9': no");
	free(text);
}
END_TEST

START_TEST(adding_returns_the_error_and_works_without_a_list)
{
	struct problems p = {};

	ck_assert_int_eq(problems_add(NULL, -EPERM, "x", NULL, "no"), -EPERM);
	ck_assert_int_eq(problems_add(&p, -EIO, "disk", "/dev/x", "broken: %d", 5), -EIO);
	ck_assert_uint_eq(p.count, 1);
	ck_assert_str_eq(p.list[0].expected, "broken: 5");
	ck_assert_ptr_null(p.list[0].file);
	problems_free(&p);
	ck_assert_uint_eq(p.count, 0);
}
END_TEST

START_TEST(problems_are_sorted_by_place_and_equal_places_keep_their_order)
{
	struct problems p = {};
	char *printed = NULL;
	size_t size;
	FILE *to;

	problems_add_at(&p, "b", 1, 1, NULL, NULL, "6");
	problems_add_at(&p, "a", 10, 2, NULL, NULL, "4");
	problems_add_at(&p, "a", 10, 2, NULL, NULL, "5");
	problems_add_at(&p, "a", 9, 30, NULL, NULL, "2");
	problems_add_at(&p, "a", 10, 1, NULL, NULL, "3");
	problems_add(&p, -1, NULL, NULL, "1");
	problems_sort(&p);
	to = open_memstream(&printed, &size);
	problems_print(&p, to);
	fclose(to);
	ck_assert_str_eq(printed, "1\na:9:30: 2\na:10:1: 3\na:10:2: 4\na:10:2: 5\nb:1:1: 6\n");
	free(printed);
	problems_free(&p);
	problems_sort(&p); /* nothing to sort is fine */
}
END_TEST

RUN_TESTS("base_problem", the_line_has_what_is_known_and_leaves_out_what_is_not,
	  a_value_cannot_break_the_line_or_steer_the_terminal,
	  adding_returns_the_error_and_works_without_a_list,
	  problems_are_sorted_by_place_and_equal_places_keep_their_order)
