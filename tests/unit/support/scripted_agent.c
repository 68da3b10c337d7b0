/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "unit/support/scripted_agent.h"

/* ---- reading a case -------------------------------------------------------------------------- */

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
	} steps[] = {{"answer", STEP_ANSWER}, {"nonsense", STEP_NONSENSE},   {"cut", STEP_CUT},
		     {"silent", STEP_SILENT}, {"interrupt", STEP_INTERRUPT}, {"leave", STEP_LEAVE}};
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
void case_read(const char *path, struct test_case *test)
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
	ck_assert_int_eq(file_read(path, CASE_MAX, &test->content, &length, NULL), 0);
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

/* ---- the agent ------------------------------------------------------------------------------- */

int agent_listen(const char *path, mode_t mode)
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

/* Plays steps from *at until one ends the connection; false: the agent is to leave. */
static bool play(const struct test_case *test, size_t *at, int fd, pid_t client,
		 struct outcome *outcome)
{
	while (*at < test->step_count) {
		const struct step *step = &test->steps[(*at)++];
		char *request;

		if (step->kind == STEP_LEAVE)
			return false;
		if (step->kind == STEP_INTERRUPT) {
			usleep(300000); /* until the answer is printed */
			kill(client, SIGINT);
			continue;
		}
		request = receive_request(fd);
		if (!request)
			return true;
		free(outcome->request);
		outcome->request = request;
		if (step->kind == STEP_SILENT)
			receive_request(fd); /* NULL: it gave up */
		else
			send_text(fd, step->text);
		if (step->kind == STEP_CUT)
			return true;
		if (step->kind == STEP_ANSWER || step->kind == STEP_NONSENSE)
			send_text(fd, "\n");
	}
	return true;
}

int agent_wait_for(pid_t client)
{
	int status;

	ck_assert_int_eq(waitpid(client, &status, 0), client);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void agent_serve(const struct test_case *test, int listener, pid_t client, struct outcome *outcome)
{
	struct pollfd ready = {.fd = listener, .events = POLLIN};
	siginfo_t ended = {};
	size_t step = 0;

	while (!ended.si_pid) {
		if (listener >= 0 && poll(&ready, 1, 10) > 0) {
			int fd = accept(listener, NULL, NULL);

			if (!play(test, &step, fd, client, outcome)) {
				shutdown(listener, SHUT_RDWR);
				listener = -1;
			}
			close(fd);
		} else if (listener < 0) {
			usleep(2000);
		}
		ck_assert_int_eq(waitid(P_PID, client, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
	}
	outcome->exit_code = agent_wait_for(client);
}
