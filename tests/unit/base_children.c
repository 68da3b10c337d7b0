/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is below a process is counted and killed whole, wherever it has gone. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/children.h"
#include "unit/unit.h"

#define LEVELS 5

static int pipes[2]; /* its end is when the last process has ended */

/* Each has a session and a child of its own; the last one says that all are there. */
static void be_tree(void)
{
	int level = 1;

	setsid();
	while (level < LEVELS && fork() == 0) {
		setsid();
		level++;
	}
	if (level == LEVELS)
		ck_assert_int_eq(write(pipes[1], "x", 1), 1);
	for (;;)
		pause();
}

static void start_tree(void)
{
	char byte;

	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	ck_assert_int_eq(pipe(pipes), 0);
	if (fork() == 0)
		be_tree();
	close(pipes[1]);
	ck_assert_int_eq(read(pipes[0], &byte, 1), 1);
}

static ssize_t list_all(void *self, pid_t **out)
{
	++*(int *)self;
	return children_list(out);
}

START_TEST(all_below_is_killed_by_one_call)
{
	int calls = 0;
	char byte;

	start_tree();
	children_kill(list_all, &calls);
	ck_assert_int_eq(calls, 2); /* the second one found nobody new */
	ck_assert_int_eq(read(pipes[0], &byte, 1), 0);
	while (wait(NULL) > 0)
		;
	ck_assert_int_eq(errno, ECHILD);
	calls = 0;
	children_kill(list_all, &calls);
	ck_assert_int_eq(calls, 1);
}
END_TEST

/* Orphans come to us, and only those that are listed are killed. */
static ssize_t list_none(void *self, pid_t **out)
{
	(void)self;
	(void)out;
	return -ENOENT;
}

START_TEST(what_is_not_listed_lives)
{
	int calls = 0;
	char byte;

	start_tree();
	children_kill(list_none, NULL);
	ck_assert_int_eq(poll(&(struct pollfd){.fd = pipes[0], .events = POLLIN}, 1, 50), 0);
	children_kill(list_all, &calls);
	ck_assert_int_eq(read(pipes[0], &byte, 1), 0);
}
END_TEST

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

START_TEST(threads_and_all_below_count)
{
	size_t alone = children_count_tasks(getpid());
	pthread_t thread;
	int calls = 0;

	start_tree();
	ck_assert_uint_eq(children_count_tasks(getpid()), alone + LEVELS);
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_ever, NULL), 0);
	ck_assert_uint_eq(children_count_tasks(getpid()), alone + LEVELS + 1);
	ck_assert_uint_eq(children_tasks_of(getpid()), alone + 1);
	ck_assert_uint_eq(children_tasks_of(-1), 0);
	children_kill(list_all, &calls);
}
END_TEST

RUN_TESTS("base_children", all_below_is_killed_by_one_call, what_is_not_listed_lives,
	  threads_and_all_below_count)
