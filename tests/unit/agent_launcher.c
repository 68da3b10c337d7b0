/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launcher starts the very sluice-prober, and what it ends is gone with all that it had started.
 * As root the prober has a user of its own; without, its parent's.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/launcher.h"
#include "base/children.h"
#include "base/mem.h"
#include "base/problem.h"
#include "unit/unit.h"

static struct launcher *start(void)
{
	struct launcher *launcher = NULL;
	struct problems p = {};

	if (launcher_start(&launcher, PROBER_PATH, &p))
		ck_abort_msg("%s: %s", p.list[0].field, p.list[0].expected);
	return launcher;
}

struct prober {
	int fd;
	pid_t pid;
};

static struct prober spawn(struct launcher *launcher)
{
	struct prober prober = {-1, 0};
	struct problems p = {};

	if (launcher_spawn(launcher, &prober.fd, &prober.pid, &p))
		ck_abort_msg("%s: %s", p.list[0].field, p.list[0].expected);
	ck_assert_int_ge(prober.fd, 0);
	ck_assert_int_gt(prober.pid, 0);
	return prober;
}

/* Reads what the prober says until `text` has come; what comes later is lost. */
static void expect(struct prober prober, const char *text)
{
	struct pollfd readable = {.fd = prober.fd, .events = POLLIN};
	char said[65536] = "";
	size_t length = 0;

	while (!strstr(said, text)) {
		ssize_t got;

		ck_assert_int_eq(poll(&readable, 1, 60000), 1);
		got = read(prober.fd, said + length, sizeof(said) - 1 - length);
		ck_assert_msg(got > 0, "'%s' did not come, but '%s'", text, said);
		length += (size_t)got;
		said[length] = '\0';
	}
}

static void say(struct prober prober, const char *line)
{
	ck_assert_int_eq(write(prober.fd, line, strlen(line)), (ssize_t)strlen(line));
}

static bool is_alive(pid_t pid)
{
	return kill(pid, 0) == 0 || errno == EPERM;
}

/* A line of /proc/PID/status. */
static char *status_of(pid_t pid, const char *key)
{
	char *path = mem_format("/proc/%d/status", pid), *line = NULL;
	FILE *file = fopen(path, "r");
	size_t size = 0;

	free(path);
	ck_assert_ptr_nonnull(file);
	while (getline(&line, &size, file) > 0)
		if (strncmp(line, key, strlen(key)) == 0)
			break;
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

static void check_status(pid_t pid, const char *key, const char *value)
{
	char *line = status_of(pid, key);

	ck_assert_msg(strcmp(line + strlen(key), value) == 0, "%s, expected%s", line, value);
	free(line);
}

/* A program for an exec probe: it writes its own pid and that of what it leaves behind. */
static char *write_script(const char *name, const char *text)
{
	char *path = mem_format("/tmp/sl-launcher-%d-%s", getpid(), name);
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fprintf(file, "#!/bin/sh\n%s", text);
	fclose(file);
	ck_assert_int_eq(chmod(path, 0755), 0);
	return path;
}

#define ORDER(set, check) \
	"{\"remove\":[],\"set\":[" set "],\"check\":[" check "],\"alerts\":[],\"ping\":1}\n"

START_TEST(a_prober_that_is_started_says_hello_and_answers)
{
	struct launcher *launcher = start();
	struct prober prober = spawn(launcher);

	expect(prober, "\"hello\":\"" SLUICE_VERSION "\"");
	say(prober, ORDER("", ""));
	expect(prober, "\"pong\":1");
	close(prober.fd);
	launcher_stop(launcher);
	ck_assert(!is_alive(prober.pid));
}
END_TEST

START_TEST(it_has_no_privilege_but_raw_sockets_and_no_descriptor_but_its_own)
{
	struct launcher *launcher = start();
	struct prober prober = spawn(launcher);
	char *uid = status_of(getpid(), "Uid:"), *path;

	expect(prober, "hello");
	check_status(prober.pid, "NoNewPrivs:", "\t1");
	check_status(prober.pid, "Name:", "\tsluice-prober");
	check_status(prober.pid, "CapInh:", "\t0000000000000000");
	check_status(prober.pid, "CapAmb:", "\t0000000000000000");
	if (geteuid() == 0) {
		char *own = status_of(prober.pid, "Uid:");

		ck_assert_str_ne(own, uid);
		check_status(prober.pid, "CapPrm:", "\t0000000000002000"); /* bit 13 */
		check_status(prober.pid, "CapEff:", "\t0000000000002000");
		check_status(prober.pid, "CapBnd:", "\t0000000000002000");
		check_status(prober.pid, "Groups:", "\t ");
		free(own);
	}
	/* What a test's process has open, such as this, is not handed on. */
	path = mem_format("/proc/%d/fd/%d", prober.pid, 200);
	ck_assert_int_eq(fcntl(prober.fd, F_DUPFD, 200), 200);
	prober = spawn(launcher);
	free(path);
	path = mem_format("/proc/%d/fd/%d", prober.pid, 200);
	ck_assert_int_ne(access(path, F_OK), 0);
	free(path);
	free(uid);
	launcher_stop(launcher);
}
END_TEST

START_TEST(a_prober_is_killed_also_when_it_is_stopped_and_it_is_said_how_it_ended)
{
	struct launcher *launcher = start();
	struct prober prober = spawn(launcher);
	int status;

	expect(prober, "hello");
	ck_assert_int_eq(kill(prober.pid, SIGSTOP), 0);
	status = launcher_kill(launcher);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ck_assert(!is_alive(prober.pid));
	ck_assert_int_eq(launcher_kill(launcher), 0); /* none runs */
	close(prober.fd);
	launcher_stop(launcher);
}
END_TEST

START_TEST(a_prober_that_was_killed_by_hand_is_told_and_another_one_starts)
{
	struct launcher *launcher = start();
	struct prober prober = spawn(launcher), next;
	char byte;
	int status;

	expect(prober, "hello");
	ck_assert_int_eq(kill(prober.pid, SIGSEGV), 0);
	while (poll(&(struct pollfd){.fd = prober.fd, .events = POLLIN}, 1, 60000) == 1 &&
	       read(prober.fd, &byte, 1) > 0)
		;
	status = launcher_kill(launcher);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	next = spawn(launcher);
	expect(next, "hello");
	ck_assert_int_ne(next.pid, prober.pid);
	launcher_stop(launcher);
	ck_assert(!is_alive(next.pid));
}
END_TEST

START_TEST(a_prober_whose_channel_is_closed_ends_by_itself)
{
	struct launcher *launcher = start();
	struct prober prober = spawn(launcher);
	int status;

	expect(prober, "hello");
	close(prober.fd);
	while (is_alive(prober.pid))
		usleep(1000);
	status = launcher_kill(launcher);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	launcher_stop(launcher);
}
END_TEST

/* Reads a number that a script has written as a whole line. */
static pid_t read_pid(const char *path)
{
	int pid = 0;

	for (;;) {
		FILE *file = fopen(path, "r");
		char end = 0;
		int read = file ? fscanf(file, "%d%c", &pid, &end) : 0;

		if (file)
			fclose(file);
		if (read == 2 && end == '\n')
			return pid;
		usleep(1000);
	}
}

/*
 * A script that ignores what can be ignored, and has left a process in a session of its own, whose
 * parent is dead: nothing but the subreaper finds that.
 */
START_TEST(a_prober_that_is_killed_while_a_program_runs_leaves_no_process_behind)
{
	char *own = mem_format("/tmp/sl-launcher-%d-own", getpid());
	char *left = mem_format("/tmp/sl-launcher-%d-left", getpid());
	char *text = mem_format(
		"trap '' TERM INT HUP\n"
		"(setsid sh -c 'trap \"\" TERM; echo $$ >%s; while :; do sleep 1; done' &)\n"
		"echo $$ >%s\nwhile :; do sleep 1; done\n",
		left, own);
	char *script = write_script("hangs", text);
	struct launcher *launcher = start();
	struct prober prober = spawn(launcher);
	char *order;
	pid_t pids[2];

	/* The script's user writes there. */
	close(open(own, O_CREAT | O_WRONLY, 0666));
	close(open(left, O_CREAT | O_WRONLY, 0666));
	ck_assert_int_eq(chmod(own, 0666) | chmod(left, 0666), 0);
	order = mem_format(
		ORDER("{\"id\":1,\"kind\":\"exec\",\"service\":\"s\",\"backend\":\"b\","
		      "\"address\":\"10.0.0.1\",\"interval_ms\":60000,\"timeout_ms\":60000,"
		      "\"retry_ms\":0,\"verify\":true,\"command\":\"%s\"}",
		      "1"),
		script);
	say(prober, order);
	pids[0] = read_pid(own);
	pids[1] = read_pid(left);
	ck_assert(is_alive(pids[0]) && is_alive(pids[1]));
	ck_assert_int_eq(kill(prober.pid, SIGKILL), 0);
	launcher_kill(launcher);
	ck_assert(!is_alive(pids[0]) && !is_alive(pids[1]));
	launcher_stop(launcher);
	unlink(own);
	unlink(left);
	unlink(script);
	free(own);
	free(left);
	free(text);
	free(script);
	free(order);
}
END_TEST

START_TEST(when_the_launcher_is_killed_the_prober_dies_with_it)
{
	struct launcher *launcher = start();
	struct prober prober = spawn(launcher);
	struct problems p = {};
	pid_t *children, again;
	int fd;

	expect(prober, "hello");
	ck_assert_int_eq(children_list(&children), 1);
	ck_assert_int_eq(kill(children[0], SIGKILL), 0);
	free(children);
	while (is_alive(prober.pid))
		usleep(1000);
	ck_assert_int_eq(launcher_spawn(launcher, &fd, &again, &p), -EPIPE);
	ck_assert_str_eq(p.list[0].expected,
			 "is gone, so no prober can be started; restart sluiced");
	problems_free(&p);
	ck_assert_int_eq(launcher_kill(launcher), -EPIPE);
	launcher_stop(launcher);
}
END_TEST

START_TEST(a_program_that_is_not_there_or_no_program_is_refused_by_its_path)
{
	char *path = mem_format("/tmp/sl-launcher-%d-no", getpid());
	struct launcher *launcher = NULL;
	struct problems p = {};
	pid_t pid;
	int fd;

	ck_assert_int_eq(launcher_start(&launcher, "/nonexistent/sluice-prober", &p), -ENOENT);
	ck_assert_ptr_null(launcher);
	ck_assert_str_eq(p.list[0].field, "/nonexistent/sluice-prober");
	problems_free(&p);
	fd = open(path, O_CREAT | O_WRONLY, 0755);
	ck_assert_int_eq(write(fd, "\1\2\3\4", 4), 4);
	close(fd);
	ck_assert_int_eq(launcher_start(&launcher, path, &p), 0);
	ck_assert_int_eq(launcher_spawn(launcher, &fd, &pid, &p), -ENOEXEC);
	ck_assert_str_eq(p.list[0].expected, "cannot be started (execute it): Exec format error");
	problems_free(&p);
	launcher_stop(launcher);
	unlink(path);
	free(path);
}
END_TEST

/* Ctrl-C goes to every process of the terminal; it is the agent's to act on. */
START_TEST(signals_for_the_agent_do_not_end_the_launcher)
{
	struct launcher *launcher = start();
	struct prober prober;
	pid_t *children;

	ck_assert_int_eq(children_list(&children), 1);
	kill(children[0], SIGINT);
	kill(children[0], SIGTERM);
	kill(children[0], SIGHUP);
	free(children);
	prober = spawn(launcher);
	expect(prober, "hello");
	close(prober.fd);
	launcher_stop(launcher);
}
END_TEST

RUN_TESTS("agent_launcher", a_prober_that_is_started_says_hello_and_answers,
	  it_has_no_privilege_but_raw_sockets_and_no_descriptor_but_its_own,
	  a_prober_is_killed_also_when_it_is_stopped_and_it_is_said_how_it_ended,
	  a_prober_that_was_killed_by_hand_is_told_and_another_one_starts,
	  a_prober_whose_channel_is_closed_ends_by_itself,
	  a_prober_that_is_killed_while_a_program_runs_leaves_no_process_behind,
	  when_the_launcher_is_killed_the_prober_dies_with_it,
	  a_program_that_is_not_there_or_no_program_is_refused_by_its_path,
	  signals_for_the_agent_do_not_end_the_launcher)
