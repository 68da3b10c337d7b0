/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The main() of a unit test: RUN_TESTS("part_subject", test, test ...); or, where some are loops, one that adds them to
 * unit_cases() and returns unit_run_cases(). Each test is a process of its own.
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <check.h>
#include <stdlib.h>

static inline TCase *unit_cases(const char *name)
{
	TCase *cases = tcase_create(name);

	tcase_set_timeout(cases, 120); /* sanitizers on a busy machine are slow */
	return cases;
}

static inline int unit_run_cases(const char *name, TCase *cases)
{
	Suite *suite = suite_create(name);
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static inline int unit_run(const char *name, const TTest *const *tests, size_t count)
{
	TCase *cases = unit_cases(name);

	for (size_t i = 0; i < count; i++)
		tcase_add_test(cases, tests[i]);
	return unit_run_cases(name, cases);
}

#define RUN_TESTS(name, ...)                                                        \
	int main(void)                                                              \
	{                                                                           \
		const TTest *const tests[] = {__VA_ARGS__};                         \
		return unit_run((name), tests, sizeof(tests) / sizeof((tests)[0])); \
	}

#endif
