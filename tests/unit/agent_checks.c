/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Probes on demand: each who waits is answered once, with his results or with why there are none. */
#include <stdlib.h>
#include <string.h>

#include "agent/checks.h"
#include "base/text.h"
#include "unit/unit.h"

static const struct health_probe tunnel = {.id = 7, .via = CONFIG_VIA_TUNNEL, .port = 80},
				 direct = {.id = 8, .via = CONFIG_VIA_DIRECT, .port = 8080},
				 other = {.id = 9, .via = CONFIG_VIA_TUNNEL, .port = 53};
static const struct health_probe *const both[] = {&tunnel, &direct};
static const struct health_probe *const another[] = {&other};

static char a[] = "a", b[] = "b", c[] = "c"; /* who waits */
static struct text answers;

static void done(void *arg, const struct api_probed *results, size_t count, const char *why)
{
	text_add(&answers, "%s:", (const char *)arg);
	for (size_t i = 0; i < count; i++)
		text_add(&answers, " %s %u %s %u %s", results[i].is_tunnel ? "tunnel" : "direct",
			 results[i].port, results[i].ok ? "ok" : "failed", results[i].latency_us,
			 results[i].what);
	text_add(&answers, "%s%s\n", why ? " " : "", why ? why : "");
}

START_TEST(all_probes_of_a_backend_are_waited_for)
{
	struct checks checks = {};

	checks_add(&checks, both, 2, 1000, done, a);
	checks_result(&checks, 8, true, 300, "200");
	ck_assert_ptr_null(answers.data);
	checks_result(&checks, 8, false, 1, "a second one");
	checks_result(&checks, 9, true, 1, "of somebody else");
	ck_assert_ptr_null(answers.data);
	checks_result(&checks, 7, false, 1000000, "connect: timed out");
	ck_assert_str_eq(answers.data,
			 "a: tunnel 80 failed 1000000 connect: timed out direct 8080 ok 300 200\n");
	ck_assert_uint_eq(checks_wait_ms(&checks, 0), UINT32_MAX);
	text_free(&answers);
}
END_TEST

/* A prober may lie. */
START_TEST(a_result_without_an_id_is_nobodys)
{
	struct checks checks = {};

	checks_add(&checks, both, 2, 1000, done, a);
	checks_result(&checks, 7, true, 5, "mine");
	checks_result(&checks, 0, true, 1, "no id");
	ck_assert_ptr_null(answers.data);
	checks_result(&checks, 8, true, 6, "mine, too");
	ck_assert_str_eq(answers.data, "a: tunnel 80 ok 5 mine direct 8080 ok 6 mine, too\n");
	ck_assert_uint_eq(checks_wait_ms(&checks, 0), UINT32_MAX);
	text_free(&answers);
}
END_TEST

START_TEST(one_result_answers_all_who_wait_for_it)
{
	struct checks checks = {};

	checks_add(&checks, another, 1, 1000, done, a);
	checks_add(&checks, both, 2, 1000, done, b);
	checks_add(&checks, another, 1, 1000, done, c);
	checks_result(&checks, 9, true, 5, "");
	ck_assert_str_eq(answers.data, "c: tunnel 53 ok 5 \na: tunnel 53 ok 5 \n");
	checks_fail(&checks, "the prober has ended");
	ck_assert(strstr(answers.data, "b: the prober has ended\n"));
	text_free(&answers);
}
END_TEST

START_TEST(nobody_waits_longer_than_his_time)
{
	struct checks checks = {};

	checks_add(&checks, both, 2, 3000, done, a);
	checks_add(&checks, another, 1, 2000, done, b);
	ck_assert_uint_eq(checks_wait_ms(&checks, 500), 1500);
	checks_result(&checks, 7, true, 5, "half of it");
	checks_expire(&checks, 1999);
	ck_assert_ptr_null(answers.data);
	checks_expire(&checks, 2000);
	ck_assert(strstr(answers.data, "b: the prober gave no result in time"));
	ck_assert_uint_eq(checks_wait_ms(&checks, 2000), 1000);
	ck_assert_uint_eq(checks_wait_ms(&checks, 4000), 0);
	checks_expire(&checks, 4000);
	ck_assert(strstr(answers.data, "a: the prober gave no result in time"));
	ck_assert_uint_eq(checks_wait_ms(&checks, 4000), UINT32_MAX);
	text_free(&answers);
}
END_TEST

RUN_TESTS("agent_checks", all_probes_of_a_backend_are_waited_for, a_result_without_an_id_is_nobodys,
	  one_result_answers_all_who_wait_for_it, nobody_waits_longer_than_his_time)
