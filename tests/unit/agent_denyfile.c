/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sources denied at run time: what is written reads back in order, and damage is told and not taken for less. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/denyfile.h"
#include "agent/sealed.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "unit/support/scratch.h"
#include "unit/unit.h"

static struct prefix prefix(const char *text)
{
	struct prefix prefix;

	ck_assert_int_eq(prefix_parse(text, &prefix), 0);
	return prefix;
}

static struct denyfile example(void)
{
	const struct prefix list[] = {prefix("2001:db8::/32"), prefix("192.0.2.0/24"),
				      prefix("10.0.0.7"), prefix("192.0.2.0/24")};
	struct denyfile none = {}, file;

	denyfile_with(&none, list, 4, 1000, &file);
	ck_assert_uint_eq(file.count, 3);
	return file;
}

START_TEST(what_is_added_is_in_order_once_and_keeps_its_time)
{
	struct denyfile file = example(), more, less;
	const struct prefix again[] = {prefix("192.0.2.0/25"), prefix("192.0.2.0/24")};

	denyfile_with(&file, again, 2, 2000, &more);
	ck_assert_uint_eq(more.count, 4);
	ck_assert_uint_eq(denyfile_find(&more, &again[0])->since_s, 2000);
	ck_assert_uint_eq(denyfile_find(&more, &again[1])->since_s, 1000);
	denyfile_without(&more, again, 2, &less);
	ck_assert_uint_eq(less.count, 2);
	ck_assert_ptr_null(denyfile_find(&less, &again[1]));
	denyfile_free(&file);
	denyfile_free(&more);
	denyfile_free(&less);
}
END_TEST

START_TEST(what_is_stored_is_loaded)
{
	struct denyfile file = example(), again;

	scratch_enter();
	ck_assert_int_eq(denyfile_load(".", &again, NULL), 0);
	ck_assert_uint_eq(again.count, 0);
	ck_assert_int_eq(denyfile_store(".", &file, NULL), 0);
	ck_assert_int_eq(denyfile_load(".", &again, NULL), 0);
	ck_assert_uint_eq(again.count, 3);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_mem_eq(&again.list[i].prefix, &file.list[i].prefix,
				 sizeof(struct prefix));
		ck_assert_uint_eq(again.list[i].since_s, 1000);
	}
	denyfile_free(&again);
	denyfile_free(&file);
	scratch_leave();
}
END_TEST

static const char *const damaged[] = {
	"10.0.0.7\n",
	"10.0.0.7/8 1000\n",
	"10.0.0.7/32 x\n",
	"10.0.0.7/32 1000\n10.0.0.7/32 1000\n",
	"192.0.2.0/24 1\n10.0.0.7/32 1\n",
	"10.0.0.7/32 1000",
};

static void check_damaged(const char *lines)
{
	struct text body = {}, text = {};
	struct denyfile file = {};
	struct problems p = {};

	text_add(&body, "%s", lines);
	sealed_add("sluice-deny 1", &body, &text);
	ck_assert_int_eq(denyfile_decode("f", text.data, text.length, &file, &p), -EBADMSG);
	ck_assert_uint_eq(p.count, 1);
	ck_assert_uint_eq(file.count, 0);
	problems_free(&p);
	text_free(&text);
	text_free(&body);
}

START_TEST(a_file_that_makes_no_sense_is_refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++)
		check_damaged(damaged[i]);
}
END_TEST

START_TEST(a_byte_that_has_changed_is_told)
{
	struct denyfile file = example(), again;
	struct text text = {};

	denyfile_encode(&file, &text);
	text.data[text.length - 3] ^= 1;
	ck_assert_int_eq(denyfile_decode("f", text.data, text.length, &again, NULL), -EBADMSG);
	denyfile_free(&file);
	text_free(&text);
}
END_TEST

RUN_TESTS("agent_denyfile", what_is_added_is_in_order_once_and_keeps_its_time,
	  what_is_stored_is_loaded, a_file_that_makes_no_sense_is_refused,
	  a_byte_that_has_changed_is_told)
