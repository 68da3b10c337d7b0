/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sluicectl against a scripted agent (support/scripted_agent.h): each file tests/cli/NAME.case is a
 * command line, what the agent does, and the complete output. CLI_RECORD=1 in the environment
 * writes exit, request and both outputs into the cases as they are now. Where the agent answers one
 * document, the case is run again with -j: that must print the document, and exit alike.
 */
#include <fcntl.h>
#include <glob.h>
#include <pty.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "cli/cli.h"
#include "unit/support/scripted_agent.h"
#include "unit/unit.h"

#define WORDS_MAX 24
#define NOBODY	  65534

static char directory[64];

/* ---- the client ------------------------------------------------------------------------------ */

static void redirect(int to, const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd < 0 || dup2(fd, to) < 0)
		_exit(99);
	close(fd);
}

static char *replace(const char *text, const char *what, const char *with)
{
	struct text out = {};
	const char *found;

	text_add_bytes(&out, "", 0);
	while ((found = strstr(text, what))) {
		text_add_bytes(&out, text, found - text);
		text_add_bytes(&out, with, strlen(with));
		text = found + strlen(what);
	}
	text_add_bytes(&out, text, strlen(text));
	return out.data;
}

static char *in_directory(const char *name)
{
	return mem_format("%s/%s", directory, name);
}

static void redirect_to_file(int to, const char *name, int flags)
{
	char *path = in_directory(name);

	redirect(to, path, flags);
	free(path);
}

/* sluicectl [-j] ARGUMENT..., whose agent is at DIR/sock if not told otherwise. */
static void run_client(const char *arguments, bool json)
{
	const char *argv[WORDS_MAX] = {"sluicectl"};
	char *here = replace(arguments, "HERE", TEST_DIR "/cli");
	char *words = replace(here, "DIR", directory), *socket = in_directory("sock"), *state;
	int argc = 1, code;

	free(here);
	if (json)
		argv[argc++] = "-j";
	for (char *word = strtok_r(words, " ", &state); word; word = strtok_r(NULL, " ", &state))
		argv[argc++] = word;
	argv[argc] = NULL;
	code = cli_main(argc, (char **)argv, socket);
	free(socket);
	exit(code);
}

static pid_t start_client(const struct test_case *test, bool json)
{
	pid_t client;

	fflush(NULL);
	client = fork();
	if (client)
		return client;
	redirect_to_file(STDIN_FILENO, "in.yaml", O_RDONLY);
	redirect_to_file(STDOUT_FILENO, "stdout", O_WRONLY | O_CREAT | O_TRUNC);
	redirect_to_file(STDERR_FILENO, "stderr", O_WRONLY | O_CREAT | O_TRUNC);
	setenv("PATH", directory, 1);
	if (test->agent && strcmp(test->agent, "denied") == 0 && geteuid() == 0 && setuid(NOBODY))
		_exit(99);
	run_client(test->run, json);
	_exit(99);
}

static void write_file(const char *name, mode_t mode, const char *text)
{
	char *path = in_directory(name);

	ck_assert_int_eq(file_write_atomic(path, mode, text, strlen(text), NULL), 0);
	free(path);
}

static void hide(char **text, const char *what, const char *name)
{
	char *hidden = *text ? replace(*text, what, name) : NULL;

	free(*text);
	*text = hidden;
}

/* In place; NULL stays. */
static void hide_directory(char **text)
{
	hide(text, directory, "DIR");
	hide(text, TEST_DIR "/cli", "HERE");
}

/* What was written, with the case's own directory under the name DIR. */
static char *take_file(const char *name)
{
	char *path = in_directory(name), *content;
	size_t length;

	ck_assert_int_eq(file_read(path, CASE_MAX, &content, &length, NULL), 0);
	hide_directory(&content);
	unlink(path);
	free(path);
	return content;
}

/* Says with what it was called, and plays the answer of the case. */
static void make_sluiced(const struct test_case *test)
{
	const char *space = strchr(test->sluiced, ' ');
	char *script = mem_format(
		"#!/bin/sh\necho \"sluiced $*\" >&2\ncase \"$*\" in *--check*) /bin/cat >&2; esac\n"
		"%s%s%s\nexit %d\n",
		space ? "echo '" : "", space ? space + 1 : "", space ? "'" : "",
		atoi(test->sluiced));

	write_file("sluiced", 0755, script);
	free(script);
}

static void run_case(const struct test_case *test, bool json, struct outcome *outcome)
{
	char *path = in_directory("sock"), *sluiced = in_directory("sluiced");
	const char *agent = test->agent ? test->agent : "";
	int listener = -1;

	memset(outcome, 0, sizeof(*outcome));
	write_file("in.yaml", 0644, test->input);
	if (test->sluiced)
		make_sluiced(test);
	if (strcmp(agent, "none"))
		listener = agent_listen(path, strcmp(agent, "denied") ? 0666 : 0);
	if (strcmp(agent, "stale") == 0) {
		close(listener);
		listener = -1;
	}
	agent_serve(test, listener, start_client(test, json), outcome);
	if (listener >= 0)
		close(listener);
	unlink(path);
	unlink(sluiced);
	hide_directory(&outcome->request);
	outcome->output = take_file("stdout");
	outcome->errors = take_file("stderr");
	free(path);
	free(sluiced);
}

static void free_outcome(struct outcome *outcome)
{
	free(outcome->output);
	free(outcome->errors);
	free(outcome->request);
}

/* ---- comparing ------------------------------------------------------------------------------- */

static int differs(const char *path, const char *what, const char *expected, const char *got)
{
	if (strcmp(expected, got) == 0)
		return 0;
	fprintf(stderr, "%s: %s: expected:\n%s\ngot:\n%s\n", path, what, expected, got);
	return 1;
}

static int compare(const char *path, const struct test_case *test, const struct outcome *outcome)
{
	char expected[16], got[16];
	int failed;

	snprintf(expected, sizeof(expected), "%d", test->exit_code);
	snprintf(got, sizeof(got), "%d", outcome->exit_code);
	failed = differs(path, "exit code", expected, got);
	failed += differs(path, "standard output", test->expected_stdout, outcome->output);
	failed += differs(path, "standard error", test->expected_stderr, outcome->errors);
	failed += differs(path, "request", test->request ? test->request : "",
			  outcome->request ? outcome->request : "");
	return failed;
}

/* -j prints the agent's document as it is, and exits as without. */
static int compare_json(const char *path, const struct test_case *test)
{
	struct outcome outcome;
	char *line;
	int failed;

	if (test->step_count != 1 || test->steps[0].kind != STEP_ANSWER || strstr(test->run, "-j"))
		return 0;
	run_case(test, true, &outcome);
	line = mem_format("%s\n", test->steps[0].text);
	failed = differs(path, "-j", line, outcome.output);
	failed += differs(path, "-j, standard error", "", outcome.errors);
	failed += outcome.exit_code != test->exit_code &&
		  fprintf(stderr, "%s: -j exits with %d\n", path, outcome.exit_code);
	free(line);
	free_outcome(&outcome);
	return failed;
}

static void record(const char *path, const struct test_case *test, const struct outcome *outcome)
{
	static const char *const names[] = {"answer", "nonsense",  "cut",
					    "silent", "interrupt", "leave"};
	struct text text = {};

	text_add(&text, "run %s\n", test->run);
	if (test->agent)
		text_add(&text, "agent %s\n", test->agent);
	if (test->sluiced)
		text_add(&text, "sluiced %s\n", test->sluiced);
	for (size_t i = 0; i < test->step_count; i++)
		text_add(&text, "%s%s%s\n", names[test->steps[i].kind],
			 test->steps[i].text[0] ? " " : "", test->steps[i].text);
	if (outcome->request)
		text_add(&text, "request %s\n", outcome->request);
	text_add(&text, "exit %d\n", outcome->exit_code);
	if (test->input[0])
		text_add(&text, "--- input\n%s", test->input);
	text_add(&text, "--- stdout\n%s--- stderr\n%s", outcome->output, outcome->errors);
	ck_assert_int_eq(file_write_atomic(path, 0644, text.data, text.length, NULL), 0);
	text_free(&text);
}

static void make_directory(void)
{
	strcpy(directory, "/tmp/sluicectl-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chmod(directory, 0755), 0);
	unsetenv("NO_COLOR");
}

static void remove_directory(void)
{
	char *input = in_directory("in.yaml");

	unlink(input);
	free(input);
	ck_assert_int_eq(rmdir(directory), 0);
}

START_TEST(every_command_prints_what_its_case_says_and_the_document_with_j)
{
	glob_t found;
	int failed = 0;

	make_directory();
	ck_assert_int_eq(glob(TEST_DIR "/cli/*.case", 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct test_case test;
		struct outcome outcome;

		case_read(found.gl_pathv[i], &test);
		run_case(&test, false, &outcome);
		if (getenv("CLI_RECORD"))
			record(found.gl_pathv[i], &test, &outcome);
		else
			failed += compare(found.gl_pathv[i], &test, &outcome) +
				  compare_json(found.gl_pathv[i], &test);
		free_outcome(&outcome);
		free(test.content);
	}
	globfree(&found);
	remove_directory();
	ck_assert_int_eq(failed, 0);
}
END_TEST

/* ---- terminals, full disks ------------------------------------------------------------------- */

static const char ill[] =
	"{\"version\":1,\"kind\":\"status\",\"data\":{\"version\":\"0.1.0\",\"revision\":0,"
	"\"uptime_s\":1,\"services\":0,\"services_ready\":0,\"backends\":0,\"backends_ready\":0,"
	"\"overrides\":0,\"findings\":[{\"level\":\"error\",\"about\":\"a\",\"what\":\"b\"}],"
	"\"interfaces\":[],\"usage\":[]}}";

/* Runs `status` on a terminal and gives what it wrote there. */
static char *run_on_terminal(bool no_color)
{
	struct test_case test = {.steps = {{STEP_ANSWER, ill}}, .step_count = 1};
	struct outcome outcome = {};
	struct text seen = {};
	char *path = in_directory("sock"), buffer[4096];
	int listener = agent_listen(path, 0600), terminal;
	pid_t client = forkpty(&terminal, NULL, NULL, NULL);
	ssize_t got;

	if (client == 0) {
		if (no_color)
			setenv("NO_COLOR", "1", 1);
		run_client("status", false);
	}
	agent_serve(&test, listener, client, &outcome);
	text_add_bytes(&seen, "", 0);
	while ((got = read(terminal, buffer, sizeof(buffer))) > 0)
		text_add_bytes(&seen, buffer, got);
	ck_assert_int_eq(outcome.exit_code, 0);
	close(terminal);
	close(listener);
	unlink(path);
	free(path);
	free(outcome.request);
	return seen.data;
}

START_TEST(colours_are_for_terminals_whose_user_wants_them)
{
	char *colored, *plain;

	make_directory();
	colored = run_on_terminal(false);
	plain = run_on_terminal(true);
	remove_directory();
	ck_assert_msg(strstr(colored, "\x1b[1;31merror\x1b[0m: a: b"), "%s", colored);
	ck_assert_msg(strstr(plain, "error: a: b") && !strchr(plain, '\x1b'), "%s", plain);
	free(colored);
	free(plain);
}
END_TEST

START_TEST(an_output_that_cannot_be_written_is_a_failure)
{
	pid_t client;

	make_directory();
	client = fork();
	if (client == 0) {
		redirect(STDOUT_FILENO, "/dev/full", O_WRONLY);
		redirect(STDERR_FILENO, "/dev/null", O_WRONLY);
		run_client("key new", false);
	}
	ck_assert_int_eq(agent_wait_for(client), WIRE_FAILED);
	rmdir(directory);
}
END_TEST

START_TEST(a_new_key_is_another_each_time_and_in_the_form_of_a_key_file)
{
	struct test_case test = {.run = "key new", .agent = "none", .input = ""};
	struct outcome first, second;

	make_directory();
	run_case(&test, false, &first);
	run_case(&test, false, &second);
	remove_directory();
	ck_assert_int_eq(first.exit_code, 0);
	ck_assert_uint_eq(strlen(first.output), strlen("hash \naead 1 \n") + 2 * 64);
	ck_assert_ptr_eq(strstr(first.output, "hash "), first.output);
	ck_assert_ptr_nonnull(strstr(first.output, "\naead 1 "));
	ck_assert_str_ne(first.output, second.output);
	free_outcome(&first);
	free_outcome(&second);
}
END_TEST

RUN_TESTS("cli_sluicectl", every_command_prints_what_its_case_says_and_the_document_with_j,
	  colours_are_for_terminals_whose_user_wants_them,
	  an_output_that_cannot_be_written_is_a_failure,
	  a_new_key_is_another_each_time_and_in_the_form_of_a_key_file)
