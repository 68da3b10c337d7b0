/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sluicectl against a scripted agent: each file tests/cli/NAME.case is a command line, what the agent does, and
 * the complete output. Lines of a case, up to the first "--- ":
 *
 *	run ARGUMENT...		the command line; DIR is a directory of this case
 *	agent none | stale | denied
 *				no socket; nobody listens at it; it may not be opened; else one that plays:
 *	answer DOCUMENT		reads a line and answers with this one
 *	nonsense TEXT		likewise, with what is no document
 *	cut TEXT		reads a line, answers with half a line and hangs up
 *	silent			reads a line and says nothing
 *	interrupt		sends SIGINT when the last answer was read
 *	sluiced EXITCODE [DOCUMENT]
 *				a program sluiced is in PATH, which prints its arguments and the configuration on
 *				standard error, and the document on standard output
 *	request DOCUMENT	what the agent must have been sent
 *	exit CODE
 *
 * then the sections "--- input" (standard input, and the file DIR/in.yaml), "--- stdout" and "--- stderr".
 * CLI_RECORD=1 in the environment writes exit, request and both outputs into the cases as they are now. Where the
 * agent answers one document, the case is run again with -j: that must print the document, and exit alike.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "cli/cli.h"
#include "unit/unit.h"

#define STEPS_MAX   8
#define WORDS_MAX   24
#define OUTPUT_MAX  (1 << 20)
#define PATIENCE_MS 30000
#define NOBODY	    65534

enum step_kind { STEP_ANSWER, STEP_NONSENSE, STEP_CUT, STEP_SILENT, STEP_INTERRUPT };

struct step {
	enum step_kind kind;
	const char *text;
};

struct test_case {
	char *content;	   /* the whole file, cut into lines */
	const char *agent; /* NULL: plays the steps */
	const char *run, *sluiced, *request;
	struct step steps[STEPS_MAX];
	size_t step_count;
	int exit_code;
	const char *input, *expected_stdout, *expected_stderr;
};

struct outcome {
	int exit_code;
	char *output, *errors, *request;
};

static char directory[64];

/* ---- reading a case -------------------------------------------------------------------------------------- */

static const char *rest_of(const char *line, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(line, word, length) || (line[length] != ' ' && line[length] != '\0'))
		return NULL;
	return line + length + (line[length] == ' ');
}

static void read_line_of_case(struct test_case *test, const char *line)
{
	static const struct {
		const char *word;
		enum step_kind kind;
	} steps[] = {{"answer", STEP_ANSWER},
		     {"nonsense", STEP_NONSENSE},
		     {"cut", STEP_CUT},
		     {"silent", STEP_SILENT},
		     {"interrupt", STEP_INTERRUPT}};
	const struct {
		const char *word;
		const char **at;
	} words[] = {{"run", &test->run},
		     {"agent", &test->agent},
		     {"sluiced", &test->sluiced},
		     {"request", &test->request}};
	const char *rest;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if ((rest = rest_of(line, steps[i].word)))
			test->steps[test->step_count++] = (struct step){steps[i].kind, rest};
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if ((rest = rest_of(line, words[i].word)))
			*words[i].at = rest;
	if ((rest = rest_of(line, "exit")))
		test->exit_code = atoi(rest);
}

/* Cuts the content in place: sections end where the next one begins. */
static void read_case(const char *path, struct test_case *test)
{
	const struct {
		const char *mark;
		const char **at;
	} sections[] = {{"--- input\n", &test->input},
			{"--- stdout\n", &test->expected_stdout},
			{"--- stderr\n", &test->expected_stderr}};
	size_t length;
	char *line, *next, *marks[ARRAY_SIZE(sections)];

	memset(test, 0, sizeof(*test));
	ck_assert_int_eq(file_read(path, OUTPUT_MAX, &test->content, &length, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		marks[i] = strstr(test->content, sections[i].mark);
		*sections[i].at = marks[i] ? marks[i] + strlen(sections[i].mark) : "";
	}
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (marks[i])
			*marks[i] = '\0';
	for (line = test->content; *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		read_line_of_case(test, line);
	}
	ck_assert_msg(test->run, "%s: has no line 'run'", path);
}

/* ---- the agent ---------------------------------------------------------------------------------------------- */

static int listen_at(const char *path, mode_t mode)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

static void send_text(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t sent = send(fd, text, left, MSG_NOSIGNAL);

		ck_assert_int_gt(sent, 0);
		text += sent;
		left -= sent;
	}
}

/* Reads one request; NULL when the client has gone. */
static char *receive_request(int fd)
{
	struct text line = {};
	char byte;

	while (recv(fd, &byte, 1, 0) == 1) {
		if (byte == '\n')
			return line.data;
		text_add_bytes(&line, &byte, 1);
	}
	text_free(&line);
	return NULL;
}

static void play(const struct test_case *test, int fd, pid_t client, struct outcome *outcome)
{
	for (size_t i = 0; i < test->step_count; i++) {
		const struct step *step = &test->steps[i];
		char *request;

		if (step->kind == STEP_INTERRUPT) {
			usleep(300000); /* until the answer is printed */
			kill(client, SIGINT);
			continue;
		}
		request = receive_request(fd);
		if (!request)
			return;
		free(outcome->request);
		outcome->request = request;
		if (step->kind == STEP_SILENT)
			receive_request(fd); /* NULL: it gave up */
		else
			send_text(fd, step->text);
		if (step->kind == STEP_CUT)
			return;
		if (step->kind == STEP_ANSWER || step->kind == STEP_NONSENSE)
			send_text(fd, "\n");
	}
}

static int wait_for(pid_t client)
{
	int status;

	ck_assert_int_eq(waitpid(client, &status, 0), client);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Plays the agent until the client has ended. */
static void serve(const struct test_case *test, int listener, pid_t client, struct outcome *outcome)
{
	struct pollfd ready = {.fd = listener, .events = POLLIN};
	siginfo_t ended = {};

	while (!ended.si_pid) {
		if (listener >= 0 && poll(&ready, 1, 10) > 0) {
			int fd = accept(listener, NULL, NULL);

			play(test, fd, client, outcome);
			close(fd);
		} else if (listener < 0) {
			usleep(2000);
		}
		ck_assert_int_eq(waitid(P_PID, client, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
	}
	outcome->exit_code = wait_for(client);
}

/* ---- the client --------------------------------------------------------------------------------------------- */

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

/* sluicectl --socket DIR/sock [-j] ARGUMENT... */
static void run_client(const char *arguments, bool json)
{
	const char *argv[WORDS_MAX] = {"sluicectl", "--socket", in_directory("sock")};
	char *words = replace(arguments, "DIR", directory), *state;
	int argc = 3;

	if (json)
		argv[argc++] = "-j";
	for (char *word = strtok_r(words, " ", &state); word; word = strtok_r(NULL, " ", &state))
		argv[argc++] = word;
	argv[argc] = NULL;
	exit(cli_main(argc, (char **)argv));
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

/* In place; NULL stays. */
static void hide_directory(char **text)
{
	char *hidden = *text ? replace(*text, directory, "DIR") : NULL;

	free(*text);
	*text = hidden;
}

/* What was written, with the case's own directory under the name DIR. */
static char *take_file(const char *name)
{
	char *path = in_directory(name), *content;
	size_t length;

	ck_assert_int_eq(file_read(path, OUTPUT_MAX, &content, &length, NULL), 0);
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
		listener = listen_at(path, strcmp(agent, "denied") ? 0666 : 0);
	if (strcmp(agent, "stale") == 0) {
		close(listener);
		listener = -1;
	}
	serve(test, listener, start_client(test, json), outcome);
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

/* ---- comparing ------------------------------------------------------------------------------------------------ */

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
	static const char *const names[] = {"answer", "nonsense", "cut", "silent", "interrupt"};
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

		read_case(found.gl_pathv[i], &test);
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

/* ---- terminals, full disks -------------------------------------------------------------------------------------- */

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
	int listener = listen_at(path, 0600), terminal;
	pid_t client = forkpty(&terminal, NULL, NULL, NULL);
	ssize_t got;

	if (client == 0) {
		if (no_color)
			setenv("NO_COLOR", "1", 1);
		run_client("status", false);
	}
	serve(&test, listener, client, &outcome);
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
	ck_assert_int_eq(wait_for(client), WIRE_FAILED);
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
