/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files: a failed write leaves the old content and no litter, whatever fails. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "unit/support/scratch.h"
#include "unit/unit.h"

static void put(const char *path, const char *content)
{
	ck_assert_int_eq(file_write_atomic(path, 0644, content, strlen(content), NULL), 0);
}

static void expect_content(const char *path, const char *content)
{
	size_t length;
	char *data;

	ck_assert_int_eq(file_read(path, 1 << 20, &data, &length, NULL), 0);
	ck_assert_str_eq(data, content);
	ck_assert_uint_eq(length, strlen(content));
	free(data);
}

/* The one problem's text. */
static const char *only_text(struct problems *p)
{
	static char text[512];
	char *line;

	ck_assert_uint_eq(p->count, 1);
	line = problem_text(&p->list[0]);
	snprintf(text, sizeof(text), "%s", line);
	free(line);
	problems_free(p);
	return text;
}

START_TEST(a_file_is_replaced_whole_with_its_mode_and_leaves_no_litter)
{
	struct stat is;

	scratch_enter();
	umask(077);
	put("f", "first, and longer");
	ck_assert_int_eq(file_write_atomic("f", 0640, "second", 6, NULL), 0);
	expect_content("f", "second");
	ck_assert_int_eq(stat("f", &is), 0);
	ck_assert_uint_eq(is.st_mode & 0777, 0640);
	ck_assert_int_eq(access("f.new", F_OK), -1);
	scratch_leave();
}
END_TEST

START_TEST(a_quick_write_replaces_a_file_whole_too_and_names_what_it_cannot)
{
	struct problems p = {};
	struct stat is;

	scratch_enter();
	put("f", "first, and longer");
	ck_assert_int_eq(file_write_quick("f", 0600, "second", 6, NULL), 0);
	expect_content("f", "second");
	ck_assert_int_eq(stat("f", &is), 0);
	ck_assert_uint_eq(is.st_mode & 0777, 0600);
	ck_assert_int_eq(access("f.new", F_OK), -1);
	ck_assert_int_eq(file_write_quick("no/f", 0600, "x", 1, &p), -ENOENT);
	ck_assert_str_eq(only_text(&p), "no/f: cannot be written: No such file or directory");
	scratch_leave();
}
END_TEST

START_TEST(what_a_crash_left_behind_is_replaced_and_a_link_is_not_followed)
{
	scratch_enter();
	put("precious", "kept");
	ck_assert_int_eq(symlink("precious", "f.new"), 0);
	put("f", "new");
	expect_content("f", "new");
	expect_content("precious", "kept");
	scratch_leave();
}
END_TEST

START_TEST(a_full_disk_leaves_the_old_content)
{
	struct problems p = {};
	char *large = mem_alloc(1 << 20);
	int err;

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		fprintf(stderr, "SKIP a_full_disk_leaves_the_old_content: no private mounts: %s\n",
			strerror(errno));
		free(large);
		return;
	}
	scratch_enter();
	ck_assert_int_eq(mkdir("full", 0700), 0);
	ck_assert_int_eq(mount("tmpfs", "full", "tmpfs", 0, "size=64k"), 0);
	put("full/f", "old");
	err = file_write_atomic("full/f", 0600, large, 1 << 20, &p);
	ck_assert_int_eq(err, -ENOSPC);
	ck_assert_str_eq(only_text(&p), "full/f: cannot be written: No space left on device");
	expect_content("full/f", "old");
	ck_assert_int_eq(access("full/f.new", F_OK), -1);
	ck_assert_int_eq(umount("full"), 0);
	scratch_leave();
	free(large);
}
END_TEST

START_TEST(a_file_size_limit_leaves_the_old_content)
{
	struct rlimit limit = {4096, 4096};
	struct problems p = {};
	char large[10000] = {};

	scratch_enter();
	put("f", "old");
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(file_write_atomic("f", 0600, large, sizeof(large), &p), -EFBIG);
	ck_assert_str_eq(only_text(&p), "f: cannot be written: File too large");
	expect_content("f", "old");
	ck_assert_int_eq(access("f.new", F_OK), -1);
	scratch_leave();
}
END_TEST

START_TEST(a_directory_that_is_missing_or_unwritable_is_named)
{
	struct problems p = {};

	scratch_enter();
	ck_assert_int_eq(file_write_atomic("no/f", 0600, "x", 1, &p), -ENOENT);
	ck_assert_str_eq(only_text(&p), "no/f: cannot be written: No such file or directory");
	ck_assert_int_eq(mkdir("shut", 0700), 0);
	put("shut/f", "old");
	ck_assert_int_eq(chmod("shut", 0555), 0);
	if (geteuid() == 0) /* root may write anywhere, nobody may not */
		ck_assert_int_eq(chmod(".", 0755) || seteuid(65534), 0);
	ck_assert_int_eq(file_write_atomic("shut/f", 0600, "x", 1, &p), -EACCES);
	ck_assert_str_eq(only_text(&p), "shut/f: cannot be written: Permission denied");
	expect_content("shut/f", "old");
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
	scratch_leave();
}
END_TEST

START_TEST(a_target_that_cannot_be_replaced_leaves_no_litter)
{
	struct problems p = {};

	scratch_enter();
	ck_assert_int_eq(mkdir("f", 0700), 0);
	ck_assert_int_eq(file_write_atomic("f", 0600, "x", 1, &p), -EISDIR);
	ck_assert_str_eq(only_text(&p), "f: cannot be written: Is a directory");
	ck_assert_int_eq(access("f.new", F_OK), -1);
	ck_assert_int_eq(mkdir("g.new", 0700), 0);
	ck_assert_int_lt(file_write_atomic("g", 0600, "x", 1, NULL), 0);
	ck_assert_int_eq(access("g", F_OK), -1);
	scratch_leave();
}
END_TEST

START_TEST(reading_is_bounded_and_says_why_it_failed)
{
	struct problems p = {};
	size_t length = 77;
	char *data = NULL;

	scratch_enter();
	put("f", "12345678");
	ck_assert_int_eq(file_read("f", 8, &data, &length, &p), 0);
	ck_assert_uint_eq(length, 8);
	free(data);
	data = NULL;
	ck_assert_int_eq(file_read("f", 7, &data, &length, &p), -EFBIG);
	ck_assert_str_eq(only_text(&p), "f: is longer than 7 bytes");
	ck_assert_int_eq(file_read("none", 7, &data, &length, &p), -ENOENT);
	ck_assert_str_eq(only_text(&p), "none: cannot be opened: No such file or directory");
	ck_assert_int_eq(file_read(".", 7, &data, &length, &p), -EISDIR);
	ck_assert_str_eq(only_text(&p), ".: cannot be read: Is a directory");
	ck_assert_ptr_null(data);
	put("empty", "");
	expect_content("empty", "");
	scratch_leave();
}
END_TEST

START_TEST(a_dash_is_standard_input)
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], "from a pipe", 11), 11);
	close(ends[1]);
	ck_assert_int_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	expect_content("-", "from a pipe");
}
END_TEST

START_TEST(directories_are_made_as_deep_as_needed)
{
	struct problems p = {};
	struct stat is;

	scratch_enter();
	umask(0);
	ck_assert_int_eq(file_make_dirs("a/b//c/", 0750, &p), 0);
	ck_assert_int_eq(stat("a/b/c", &is), 0);
	ck_assert_uint_eq(is.st_mode & 0777, 0750);
	ck_assert_int_eq(file_make_dirs("a/b/c", 0750, &p), 0);
	ck_assert_int_eq(file_make_dirs("/", 0750, &p), 0);
	put("a/file", "x");
	ck_assert_int_eq(file_make_dirs("a/file", 0750, &p), -ENOTDIR);
	ck_assert_str_eq(only_text(&p), "a/file: cannot be used: Not a directory");
	ck_assert_int_eq(file_make_dirs("a/file/below", 0750, &p), -ENOTDIR);
	ck_assert_str_eq(only_text(&p), "a/file/below: cannot be made: Not a directory");
	ck_assert_int_eq(file_make_dirs("", 0750, NULL), -ENOENT);
	scratch_leave();
}
END_TEST

/* Which of the first eight descriptors are open, as bits, once all were and others than these were closed. */
static unsigned int left_open(int *keep, size_t count)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		unsigned int left = 0;

		for (int fd = 0; fd < 8; fd++)
			dup2(0, fd);
		file_close_others(keep, count);
		for (int fd = 0; fd < 8; fd++)
			left |= (fcntl(fd, F_GETFD) >= 0) << fd;
		_exit((int)left);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(what_is_not_kept_is_closed)
{
	ck_assert_uint_eq(left_open((int[]){3}, 0), 0x07);
	ck_assert_uint_eq(left_open((int[]){3}, 1), 0x0f);
	ck_assert_uint_eq(left_open((int[]){7}, 1), 0x87);
	ck_assert_uint_eq(left_open((int[]){6, 4}, 2), 0x57);
	ck_assert_uint_eq(left_open((int[]){5, 4}, 2), 0x37);
	ck_assert_uint_eq(left_open((int[]){4, 2, 4}, 3), 0x17);
}
END_TEST

RUN_TESTS("base_file", a_file_is_replaced_whole_with_its_mode_and_leaves_no_litter,
	  a_quick_write_replaces_a_file_whole_too_and_names_what_it_cannot,
	  what_a_crash_left_behind_is_replaced_and_a_link_is_not_followed,
	  a_full_disk_leaves_the_old_content, a_file_size_limit_leaves_the_old_content,
	  a_directory_that_is_missing_or_unwritable_is_named,
	  a_target_that_cannot_be_replaced_leaves_no_litter,
	  reading_is_bounded_and_says_why_it_failed, a_dash_is_standard_input,
	  directories_are_made_as_deep_as_needed, what_is_not_kept_is_closed)
