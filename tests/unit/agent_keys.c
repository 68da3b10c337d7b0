/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hash key: made once without a cluster, and never made up where a key-file was named. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/keys.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "config/config.h"
#include "core/key.h"
#include "unit/support/scratch.h"
#include "unit/unit.h"

static void enter_directory(void)
{
	ck_assert_int_eq(key_init(), 0);
	scratch_enter();
}

START_TEST(without_a_cluster_a_key_is_made_once)
{
	const struct config config = {};
	struct problems warnings = {};
	struct key first, second;
	struct stat is;

	enter_directory();
	ck_assert_int_eq(keys_load(&config, scratch, &first, &warnings, NULL), 0);
	ck_assert_uint_eq(warnings.count, 0);
	ck_assert_int_eq(stat("key", &is), 0);
	ck_assert_uint_eq(is.st_mode & 07777, 0600);
	ck_assert_int_eq(keys_load(&config, scratch, &second, NULL, NULL), 0);
	ck_assert_mem_eq(first.master, second.master, sizeof(first.master));
	ck_assert_int_eq(unlink("key"), 0);
	ck_assert_int_eq(keys_load(&config, scratch, &second, NULL, NULL), 0);
	ck_assert_mem_ne(first.master, second.master, sizeof(first.master));
	scratch_leave();
}
END_TEST

START_TEST(a_damaged_made_key_is_refused_and_not_replaced)
{
	const struct config config = {};
	struct problems p = {};
	struct key key;
	char *data;
	size_t length;

	enter_directory();
	ck_assert_int_eq(file_write_atomic("key", 0600, "hash 12\n", 8, NULL), 0);
	ck_assert_int_eq(keys_load(&config, scratch, &key, NULL, &p), -EINVAL);
	ck_assert_uint_ge(p.count, 1);
	ck_assert_int_eq(file_read("key", 100, &data, &length, NULL), 0);
	ck_assert_str_eq(data, "hash 12\n");
	free(data);
	problems_free(&p);
	scratch_leave();
}
END_TEST

START_TEST(a_key_file_that_is_missing_or_wrong_is_refused)
{
	const struct config config = {.cluster_name = "edge1", .cluster_key_file = "cluster.key"};
	struct problems p = {};
	struct key key;

	enter_directory();
	ck_assert_int_eq(keys_load(&config, scratch, &key, NULL, &p), -ENOENT);
	ck_assert_ptr_nonnull(strstr(p.list[p.count - 1].expected, "sluicectl key new"));
	problems_free(&p);
	ck_assert_int_ne(access("cluster.key", F_OK), 0);
	ck_assert_int_ne(access("key", F_OK), 0);
	ck_assert_int_eq(file_write_atomic("cluster.key", 0600, "# none\n", 7, NULL), 0);
	ck_assert_int_eq(keys_load(&config, scratch, &key, NULL, &p), -EINVAL);
	problems_free(&p);
	scratch_leave();
}
END_TEST

START_TEST(a_key_that_everybody_can_read_is_said)
{
	const struct config config = {.cluster_name = "edge1", .cluster_key_file = "cluster.key"};
	struct problems warnings = {};
	struct key key;
	char text[SL_KEY_SIZE * 2 + 16];

	enter_directory();
	snprintf(text, sizeof(text), "hash %064d\n", 7);
	ck_assert_int_eq(file_write_atomic("cluster.key", 0644, text, strlen(text), NULL), 0);
	ck_assert_int_eq(keys_load(&config, scratch, &key, &warnings, NULL), 0);
	ck_assert_uint_eq(warnings.count, 1);
	ck_assert_str_eq(warnings.list[0].value, "cluster.key");
	problems_free(&warnings);
	scratch_leave();
}
END_TEST

RUN_TESTS("agent_keys", without_a_cluster_a_key_is_made_once,
	  a_damaged_made_key_is_refused_and_not_replaced,
	  a_key_file_that_is_missing_or_wrong_is_refused, a_key_that_everybody_can_read_is_said)
