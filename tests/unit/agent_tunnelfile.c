/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is remembered of the host's settings: what is written reads back, of this boot alone, and damage is told. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/sealed.h"
#include "agent/tunnelfile.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "unit/support/scratch.h"
#include "unit/unit.h"

static struct tunnelfile example(void)
{
	struct tunnelfile file = {};

	tunnelfile_add(&file, "eth0")->accept_local = true;
	tunnelfile_add(&file, "eth1.100");
	ck_assert_ptr_eq(tunnelfile_add(&file, "eth0"), tunnelfile_find(&file, "eth0"));
	return file;
}

static void expect_example(const struct tunnelfile *file)
{
	ck_assert_uint_eq(file->count, 2);
	ck_assert(tunnelfile_find(file, "eth0")->accept_local);
	ck_assert(!tunnelfile_find(file, "eth1.100")->accept_local);
	ck_assert_ptr_null(tunnelfile_find(file, "eth1"));
}

START_TEST(what_is_encoded_reads_back)
{
	struct tunnelfile file = example(), again;
	struct text text = {};

	tunnelfile_encode(&file, "boot-1", &text);
	ck_assert_int_eq(tunnelfile_decode("f", "boot-1", text.data, text.length, &again, NULL), 0);
	expect_example(&again);
	tunnelfile_remove(&again, tunnelfile_find(&again, "eth0"));
	ck_assert_uint_eq(again.count, 1);
	ck_assert_ptr_nonnull(tunnelfile_find(&again, "eth1.100"));
	tunnelfile_free(&again);
	tunnelfile_free(&file);
	text_free(&text);
}
END_TEST

START_TEST(what_another_boot_has_set_is_gone_with_it)
{
	struct tunnelfile file = example(), again;
	struct text text = {};

	tunnelfile_encode(&file, "boot-1", &text);
	ck_assert_int_eq(tunnelfile_decode("f", "boot-2", text.data, text.length, &again, NULL), 0);
	ck_assert_uint_eq(again.count, 0);
	tunnelfile_free(&file);
	text_free(&text);
}
END_TEST

/* Refused, and by these words. */
static void refuse(const char *data, size_t length, const char *words)
{
	struct tunnelfile file = {.count = 7};
	struct problems p = {};
	char *text;

	ck_assert_int_eq(tunnelfile_decode("/s/tunnel", "b", data, length, &file, &p), -EBADMSG);
	ck_assert_uint_eq(file.count, 7);
	ck_assert_uint_eq(p.count, 1);
	text = problem_text(&p.list[0]);
	ck_assert_msg(strstr(text, words), "%s: not in: %s", words, text);
	ck_assert_ptr_nonnull(strstr(text, "/s/tunnel"));
	free(text);
	problems_free(&p);
}

/* The same with a checksum that fits. */
static void refuse_body(const char *body)
{
	struct text inside = {}, text = {};

	text_add(&inside, "%s", body);
	sealed_add("sluice-tunnel 1", &inside, &text);
	refuse(text.data, text.length, "has a line that makes no sense");
	text_free(&inside);
	text_free(&text);
}

START_TEST(damage_is_told_and_nothing_of_it_taken)
{
	static const char *const bodies[] = {
		"boot",
		"boat b\n",
		"\n",
		"device eth0\n",
		"boot b\ndevice\n",
		"boot b\ndevice \n",
		"boot b\ndevice eth0",
		"boot b\nmtu eth0\n",
		"boot b\naccept_local ../../x\n",
		"boot b\ndevice a-name-of-16-byte\n",
	};
	struct tunnelfile file = example();
	struct text text = {};

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		refuse_body(bodies[i]);
	refuse("", 0, "is not a state file of this version");
	tunnelfile_encode(&file, "b", &text);
	for (size_t i = 0; i < text.length; i++)
		refuse(text.data, i, "");
	text.data[text.length - 3] ^= 1;
	refuse(text.data, text.length, "is damaged");
	tunnelfile_free(&file);
	text_free(&text);
}
END_TEST

START_TEST(the_file_comes_and_goes)
{
	struct tunnelfile file = example(), again;
	const char *dir = scratch;
	struct problems p = {};

	scratch_enter();
	ck_assert_int_eq(tunnelfile_load(dir, &again, NULL), 0);
	ck_assert_uint_eq(again.count, 0);
	ck_assert_int_eq(tunnelfile_store(dir, &again, NULL), 0);
	ck_assert_int_eq(tunnelfile_store(dir, &file, NULL), 0);
	ck_assert_int_eq(tunnelfile_load(dir, &again, NULL), 0);
	expect_example(&again);
	tunnelfile_free(&again);
	ck_assert_int_eq(tunnelfile_store(dir, &again, NULL), 0);
	ck_assert_int_ne(access("tunnel", F_OK), 0);
	ck_assert_int_ne(tunnelfile_store("/nowhere/at/all", &file, &p), 0);
	ck_assert_uint_ge(p.count, 1);
	problems_free(&p);
	tunnelfile_free(&file);
	scratch_leave();
}
END_TEST

RUN_TESTS("agent_tunnelfile", what_is_encoded_reads_back, what_another_boot_has_set_is_gone_with_it,
	  damage_is_told_and_nothing_of_it_taken, the_file_comes_and_goes)
