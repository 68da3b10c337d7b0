/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state: what is written reads back, what is damaged is refused, a write that fails leaves the
 * old state, and a start takes the configuration that it should.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/start.h"
#include "agent/state.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "unit/support/scratch.h"
#include "unit/unit.h"

#define TEXT "version: 1\nservices: []\n\n"

static void enter_directory(void)
{
	ck_assert_int_eq(key_init(), 0);
	scratch_enter();
}

static void add_override(struct state *state, const char *service, const char *address,
			 struct override value)
{
	struct addr backend;

	ck_assert_int_eq(addr_parse(address, &backend), 0);
	overrides_set(&state->overrides, service, &backend, &value);
}

static struct state example(void)
{
	struct state state = {
		.revision = 17,
		.has_loaded = true,
		.name = mem_string("/etc/sluice/a file.yaml"),
		.text = mem_string(TEXT),
		.text_length = strlen(TEXT),
	};

	state_hash(TEXT, strlen(TEXT), state.loaded);
	add_override(&state, "web", "10.0.1.11",
		     (struct override){.has_state = true, .state = CONFIG_DRAIN});
	add_override(&state, "web", "2001:db8::1",
		     (struct override){.has_weight = true, .weight = 0});
	add_override(&state, "dns one", "10.0.1.12",
		     (struct override){.has_state = true,
				       .state = CONFIG_DOWN,
				       .has_weight = true,
				       .weight = 1000});
	return state;
}

static void expect_equal(const struct state *a, const struct state *b)
{
	struct text left = {}, right = {};

	state_encode(a, &left);
	state_encode(b, &right);
	ck_assert_uint_eq(left.length, right.length);
	ck_assert_mem_eq(left.data, right.data, left.length);
	text_free(&left);
	text_free(&right);
}

START_TEST(what_is_encoded_reads_back)
{
	struct state state = example(), empty = {}, back;
	const struct override *override;
	struct text text = {};
	struct addr backend;

	ck_assert_int_eq(key_init(), 0);
	state_encode(&state, &text);
	ck_assert_int_eq(state_decode("f", text.data, text.length, &back, NULL), 0);
	expect_equal(&state, &back);
	ck_assert_uint_eq(back.revision, 17);
	ck_assert_str_eq(back.name, state.name);
	ck_assert_str_eq(back.text, TEXT);
	ck_assert(back.has_loaded);
	ck_assert_uint_eq(back.overrides.count, 3);
	addr_parse("10.0.1.12", &backend);
	override = overrides_find(&back.overrides, "dns one", &backend);
	ck_assert_ptr_nonnull(override);
	ck_assert(override->has_state && override->state == CONFIG_DOWN &&
		  override->weight == 1000);
	state_free(&back);
	text_free(&text);

	state_encode(&empty, &text);
	ck_assert_int_eq(state_decode("f", text.data, text.length, &back, NULL), 0);
	expect_equal(&empty, &back);
	ck_assert_ptr_null(back.text);
	state_free(&back);
	text_free(&text);
	state_free(&state);
}
END_TEST

START_TEST(every_cut_and_every_flipped_bit_is_refused_by_name)
{
	struct state state = example(), back;
	struct text text = {};

	ck_assert_int_eq(key_init(), 0);
	state_encode(&state, &text);
	for (size_t i = 0; i < text.length; i++) {
		struct problems p = {};

		ck_assert_int_eq(state_decode("state file", text.data, i, &back, &p), -EBADMSG);
		ck_assert_uint_eq(p.count, 1);
		ck_assert_str_eq(p.list[0].field, "state file");
		ck_assert_ptr_nonnull(strstr(p.list[0].expected, "nothing in it is used"));
		problems_free(&p);
		for (int bit = 0; bit < 8; bit++) {
			/* Hexadecimal digits have two spellings. */
			bool same =
				bit == 5 && text.data[i] >= 'a' && text.data[i] <= 'f' && i < 80;

			text.data[i] ^= 1 << bit;
			if (!same)
				ck_assert_int_eq(
					state_decode("f", text.data, text.length, &back, NULL),
					-EBADMSG);
			text.data[i] ^= 1 << bit;
		}
	}
	text_free(&text);
	state_free(&state);
}
END_TEST

/* A line that nobody writes, under a checksum that fits. */
START_TEST(lines_that_make_no_sense_are_refused)
{
	static const char *const bodies[] = {
		"revision\n",
		"revision x\n",
		"revision 1",
		"loaded 00\n",
		"override 10.0.0.1 up 5\n",
		"override 10.0.0.1 sideways - web\n",
		"override 10.0.0.1 up 1001 web\n",
		"override 10.0.0.999 up - web\n",
		"config 5 name\nabcd",
		"config 4 name\nabcdx\n",
		"config 1 n\naconfig 1 n\na",
		"mystery 1\n",
		"\n",
	};

	ck_assert_int_eq(key_init(), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		uint8_t hash[STATE_HASH_SIZE];
		char hex[2 * STATE_HASH_SIZE + 1];
		struct text text = {};
		struct state back;

		state_hash(bodies[i], strlen(bodies[i]), hash);
		text_add(&text, "sluice-state 1 %s\n%s", text_format_hex(hash, sizeof(hash), hex),
			 bodies[i]);
		ck_assert_msg(state_decode("f", text.data, text.length, &back, NULL) == -EBADMSG,
			      "taken: %s", bodies[i]);
		text_free(&text);
	}
}
END_TEST

START_TEST(a_stored_state_loads_and_a_missing_one_is_empty)
{
	struct state state = example(), back;
	struct stat is;

	enter_directory();
	ck_assert_int_eq(state_load(scratch, &back, NULL), 0);
	ck_assert_uint_eq(back.revision, 0);
	ck_assert_ptr_null(back.text);
	ck_assert_int_eq(state_store(scratch, &state, NULL), 0);
	ck_assert_int_eq(stat("state", &is), 0);
	ck_assert_uint_eq(is.st_mode & 07777, 0600);
	ck_assert_int_eq(state_load(scratch, &back, NULL), 0);
	expect_equal(&state, &back);
	state_free(&back);
	state_free(&state);
	scratch_leave();
}
END_TEST

START_TEST(a_damaged_file_is_an_error_and_not_an_empty_state)
{
	struct problems p = {};
	struct state back;

	enter_directory();
	ck_assert_int_eq(file_write_atomic("state", 0600, "", 0, NULL), 0);
	ck_assert_int_eq(state_load(scratch, &back, &p), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(p.list[0].field, "/state"));
	problems_free(&p);
	scratch_leave();
}
END_TEST

/* The state directory becomes a file system of its own, in a mount namespace of its own. */
static void mount_small(const char *options)
{
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", scratch, "tmpfs", 0, options)) {
		fprintf(stderr, "SKIP: needs root for a mount namespace: %s\n", strerror(errno));
		_exit(0);
	}
}

static void fails_and_keeps_the_old(int expected)
{
	struct state state = example(), next = example(), back;
	struct problems p = {};

	next.revision = 18;
	free(next.text);
	next.text_length = 1 << 20;
	next.text = mem_alloc(next.text_length + 1);
	memset(next.text, '#', next.text_length);
	ck_assert_int_eq(state_store(scratch, &next, &p), expected);
	ck_assert_uint_eq(p.count, 1);
	ck_assert_ptr_nonnull(strstr(p.list[0].field, scratch));
	ck_assert_int_eq(state_load(scratch, &back, NULL), 0);
	expect_equal(&state, &back);
	problems_free(&p);
	state_free(&back);
	state_free(&next);
	state_free(&state);
}

START_TEST(a_full_disk_keeps_the_old_state)
{
	struct state state = example();

	enter_directory();
	mount_small("size=64k");
	ck_assert_int_eq(state_store(scratch, &state, NULL), 0);
	fails_and_keeps_the_old(-ENOSPC);
	ck_assert_int_ne(access("state.new", F_OK), 0);
	state_free(&state);
	umount2(scratch, MNT_DETACH);
	scratch_leave();
}
END_TEST

START_TEST(a_read_only_disk_keeps_the_old_state)
{
	struct state state = example();

	enter_directory();
	mount_small("size=4m");
	ck_assert_int_eq(state_store(scratch, &state, NULL), 0);
	ck_assert_int_eq(mount(NULL, scratch, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	fails_and_keeps_the_old(-EROFS);
	state_free(&state);
	umount2(scratch, MNT_DETACH);
	scratch_leave();
}
END_TEST

/* Whenever a writer is killed, what lies there is one of the states that it wrote. */
START_TEST(a_writer_killed_at_any_time_leaves_a_whole_state)
{
	struct state state = example(), back;

	enter_directory();
	ck_assert_int_eq(state_store(scratch, &state, NULL), 0);
	for (int round = 0; round < 40; round++) {
		pid_t writer = fork();

		if (writer == 0)
			for (;; state.revision++)
				if (state_store(scratch, &state, NULL))
					_exit(1);
		usleep(500 + 397 * round);
		kill(writer, SIGKILL);
		ck_assert_int_eq(waitpid(writer, NULL, 0), writer);
		ck_assert_int_eq(state_load(scratch, &back, NULL), 0);
		ck_assert_uint_ge(back.revision, state.revision);
		ck_assert_str_eq(back.text, TEXT);
		state_free(&back);
	}
	state_free(&state);
	scratch_leave();
}
END_TEST

START_TEST(the_directory_is_locked_and_is_ours_alone)
{
	char *made;
	struct problems p = {};
	int fd;

	enter_directory();
	made = mem_format("%s/a/b", scratch);
	fd = state_open_dir(made, NULL);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(state_open_dir(made, &p), -EWOULDBLOCK);
	ck_assert_ptr_nonnull(strstr(p.list[0].expected, "another sluiced"));
	problems_free(&p);
	close(fd);
	fd = state_open_dir(made, NULL);
	ck_assert_int_ge(fd, 0);
	close(fd);
	/* `scratch` holds "a", which is not sluice's. */
	ck_assert_int_eq(state_open_dir(scratch, &p), -ENOTEMPTY);
	ck_assert_ptr_nonnull(strstr(p.list[0].expected, "'a'"));
	problems_free(&p);
	free(made);
	scratch_leave();
}
END_TEST

START_TEST(a_start_takes_the_file_only_if_it_has_changed)
{
	struct state state = example(), empty = {};
	enum start_reason reason;
	char *sentence;

	ck_assert_int_eq(key_init(), 0);
	state_hash(TEXT, strlen(TEXT), state.loaded);
	ck_assert_int_eq(start_choose(TEXT, strlen(TEXT), &empty, &reason), 0);
	ck_assert_int_eq(reason, START_FIRST);
	ck_assert(start_takes_file(reason));
	ck_assert_int_eq(start_choose(TEXT, strlen(TEXT), &state, &reason), 0);
	ck_assert_int_eq(reason, START_UNCHANGED);
	ck_assert(!start_takes_file(reason));
	ck_assert_int_eq(start_choose(TEXT "#", strlen(TEXT) + 1, &state, &reason), 0);
	ck_assert_int_eq(reason, START_CHANGED);
	ck_assert(start_takes_file(reason));
	/* Applied by sluicectl: the file was never loaded, or with another content. */
	state.loaded[0] ^= 1;
	for (int loaded = 0; loaded < 2; loaded++) {
		state.has_loaded = loaded;
		ck_assert_int_eq(start_choose(TEXT, strlen(TEXT), &state, &reason), 0);
		ck_assert_int_eq(reason, START_APPLIED);
		ck_assert(start_takes_file(reason));
		ck_assert_int_eq(start_choose(TEXT "#", strlen(TEXT) + 1, &state, &reason), 0);
		ck_assert_int_eq(reason, START_CHANGED);
	}
	ck_assert_int_eq(start_choose(NULL, 0, &state, &reason), 0);
	ck_assert_int_eq(reason, START_NO_FILE);
	ck_assert_int_eq(start_choose(NULL, 0, &empty, &reason), -ENOENT);

	sentence = start_sentence(START_UNCHANGED, "f.yaml", &state);
	ck_assert_ptr_nonnull(strstr(sentence, "revision 17"));
	ck_assert_ptr_nonnull(strstr(sentence, "f.yaml"));
	free(sentence);
	sentence = start_sentence(START_APPLIED, "f.yaml", &state);
	ck_assert_str_eq(sentence,
			 "configuration from f.yaml: it is what was applied last (revision 17)");
	free(sentence);
	state_free(&state);
}
END_TEST

RUN_TESTS("agent_state", what_is_encoded_reads_back,
	  every_cut_and_every_flipped_bit_is_refused_by_name, lines_that_make_no_sense_are_refused,
	  a_stored_state_loads_and_a_missing_one_is_empty,
	  a_damaged_file_is_an_error_and_not_an_empty_state, a_full_disk_keeps_the_old_state,
	  a_read_only_disk_keeps_the_old_state, a_writer_killed_at_any_time_leaves_a_whole_state,
	  the_directory_is_locked_and_is_ours_alone, a_start_takes_the_file_only_if_it_has_changed)
