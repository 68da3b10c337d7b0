/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of health and clocks: what is written reads back, and what is damaged is nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/healthfile.h"
#include "agent/sealed.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "unit/support/scratch.h"
#include "unit/unit.h"

static struct healthfile example(void)
{
	struct healthfile file = {.boot_ms = 1790000000123};

	text_add(&file.health, "up 10.0.1.11 web\nhealth 7\nclocks 3\n");
	text_add(&file.clocks, "drain 10.0.1.12 5000 web\n");
	text_add(&file.alerts, "sink\texec\t=/etc/on-alert\n");
	return file;
}

static void expect_equal(const struct healthfile *a, const struct healthfile *b)
{
	ck_assert_uint_eq(a->boot_ms, b->boot_ms);
	ck_assert_str_eq(a->health.data ? a->health.data : "",
			 b->health.data ? b->health.data : "");
	ck_assert_str_eq(a->clocks.data ? a->clocks.data : "",
			 b->clocks.data ? b->clocks.data : "");
	ck_assert_str_eq(a->alerts.data ? a->alerts.data : "",
			 b->alerts.data ? b->alerts.data : "");
}

/* Decodes what must be refused, and gives the problem's text. */
static char *refused(const char *data, size_t length)
{
	struct healthfile file = {.boot_ms = 1};
	struct problems p = {};
	char *text;

	ck_assert_int_eq(healthfile_decode("health", data, length, &file, &p), -EBADMSG);
	ck_assert_uint_eq(file.boot_ms, 1);
	ck_assert_uint_eq(p.count, 1);
	text = problem_text(&p.list[0]);
	problems_free(&p);
	return text;
}

static void expect_refused(const char *data, size_t length)
{
	free(refused(data, length));
}

/* A sealed file of this body. */
static struct text sealed(const char *magic, const char *body)
{
	struct text inner = {}, out = {};

	text_add_bytes(&inner, body, strlen(body));
	sealed_add(magic, &inner, &out);
	text_free(&inner);
	return out;
}

START_TEST(what_is_written_reads_back)
{
	struct healthfile file = example(), read;
	struct text text = {};
	struct problems p = {};

	healthfile_encode(&file, &text);
	ck_assert_int_eq(healthfile_decode("health", text.data, text.length, &read, &p), 0);
	expect_equal(&file, &read);
	healthfile_free(&read);
	text_free(&text);
	healthfile_free(&file);
	file.boot_ms = 5;
	healthfile_encode(&file, &text);
	ck_assert_int_eq(healthfile_decode("health", text.data, text.length, &read, &p), 0);
	expect_equal(&file, &read);
	healthfile_free(&read);
	text_free(&text);
}
END_TEST

START_TEST(any_byte_that_differs_or_is_missing_is_damage)
{
	struct healthfile file = example();
	struct text text = {};

	healthfile_encode(&file, &text);
	for (size_t i = 0; i < text.length; i++) {
		expect_refused(text.data, i);
		text.data[i] ^= 1;
		expect_refused(text.data, text.length);
		text.data[i] ^= 1;
	}
	text_add(&text, "\n");
	expect_refused(text.data, text.length);
	text_free(&text);
	healthfile_free(&file);
}
END_TEST

START_TEST(lines_in_no_order_of_ours_are_refused)
{
	static const char *const bodies[] = {
		"",
		"boot 5\n",
		"boot 5\nhealth 0\n",
		"boot 5\nclocks 0\nhealth 0\n",
		"boot 5\nhealth 0\nclocks 0\nmore 0\n",
		"boot 5\nhealth 0\nclocks 0\nalerts 1\n",
		"boot 5\nhealth 0\nclocks 0\nalerts 0\nmore 0\n",
		"boot 5\nhealth 1\nclocks 0\n",
		"boot 5\nhealth 1000000\nclocks 0\n",
		"boot -5\nhealth 0\nclocks 0\n",
		"boot\nhealth 0\nclocks 0\n",
		"boot 99999999999999999999\nhealth 0\nclocks 0\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		struct text text = sealed("sluice-health 1", bodies[i]);
		char *why = refused(text.data, text.length);

		ck_assert_msg(strstr(why, "has a line that makes no sense"), "%s: %s", bodies[i],
			      why);
		free(why);
		text_free(&text);
	}
}
END_TEST

START_TEST(one_of_an_agent_that_kept_no_alerts_is_read)
{
	struct text text = sealed("sluice-health 1", "boot 5\nhealth 2\na\nclocks 2\nb\n");
	struct healthfile read;
	struct problems p = {};

	ck_assert_int_eq(healthfile_decode("health", text.data, text.length, &read, &p), 0);
	ck_assert_str_eq(read.health.data, "a\n");
	ck_assert_str_eq(read.clocks.data, "b\n");
	ck_assert_uint_eq(read.alerts.length, 0);
	healthfile_free(&read);
	text_free(&text);
}
END_TEST

START_TEST(another_kind_of_file_is_named_and_not_believed)
{
	struct text text = sealed("sluice-health 2", "boot 5\nhealth 0\nclocks 0\n");
	char *why = refused(text.data, text.length);

	ck_assert_str_eq(why, "health: is not a state file of this version; nothing in it is used: "
			      "the health of all backends begins anew, and what lasts is alerted "
			      "once more");
	free(why);
	text_free(&text);
}
END_TEST

START_TEST(a_directory_without_one_gives_an_empty_one)
{
	struct healthfile read = example();
	struct problems p = {};

	healthfile_free(&read);
	scratch_enter();
	read.boot_ms = 7;
	ck_assert_int_eq(healthfile_load(".", &read, &p), 0);
	ck_assert_uint_eq(read.boot_ms, 0);
	ck_assert_uint_eq(p.count, 0);
	scratch_leave();
}
END_TEST

START_TEST(a_file_is_kept_for_the_agent_alone_and_replaced)
{
	struct healthfile file = example(), read;
	struct problems p = {};
	struct stat is;

	scratch_enter();
	ck_assert_int_eq(healthfile_store(".", &file, &p), 0);
	file.boot_ms++;
	ck_assert_int_eq(healthfile_store(".", &file, &p), 0);
	ck_assert_int_eq(stat(HEALTHFILE_NAME, &is), 0);
	ck_assert_uint_eq(is.st_mode & 07777, 0600);
	ck_assert_int_eq(healthfile_load(".", &read, &p), 0);
	expect_equal(&file, &read);
	healthfile_free(&read);
	ck_assert_int_eq(truncate(HEALTHFILE_NAME, 100), 0);
	ck_assert_int_eq(healthfile_load(".", &read, &p), -EBADMSG);
	ck_assert_uint_eq(read.boot_ms, 0);
	ck_assert_ptr_null(read.health.data);
	problems_free(&p);
	ck_assert_int_eq(healthfile_store("none", &file, &p), -ENOENT);
	problems_free(&p);
	healthfile_free(&file);
	scratch_leave();
}
END_TEST

/* Drains would be over because somebody has set the clock. */
START_TEST(the_time_away_does_not_follow_the_clock_of_the_wall)
{
	struct timespec boot;
	uint64_t before, now;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	before = boot.tv_sec * UINT64_C(1000) + boot.tv_nsec / 1000000;
	now = healthfile_boot_ms();
	clock_gettime(CLOCK_BOOTTIME, &boot);
	ck_assert_uint_le(before, now);
	ck_assert_uint_le(now, boot.tv_sec * UINT64_C(1000) + boot.tv_nsec / 1000000);
	ck_assert_uint_eq(healthfile_away_ms(&(struct healthfile){.boot_ms = now + 3600000}), 0);
}
END_TEST

RUN_TESTS("agent_healthfile", what_is_written_reads_back,
	  any_byte_that_differs_or_is_missing_is_damage, lines_in_no_order_of_ours_are_refused,
	  one_of_an_agent_that_kept_no_alerts_is_read,
	  another_kind_of_file_is_named_and_not_believed,
	  a_directory_without_one_gives_an_empty_one,
	  a_file_is_kept_for_the_agent_alone_and_replaced,
	  the_time_away_does_not_follow_the_clock_of_the_wall)
