/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A case of sluicectl's, and the agent that it is played against. Lines of a case, up to the first
 * "--- ":
 *
 *	run ARGUMENT...		the command line; DIR is a directory of this case, HERE the one where it lies
 *	agent none | stale | denied
 *				no socket; nobody listens at it; it may not be opened; else one that plays:
 *	answer DOCUMENT		reads a line and answers with this one
 *	nonsense TEXT		likewise, with what is no document
 *	cut TEXT		reads a line, answers with half a line and hangs up
 *	silent			reads a line and says nothing
 *	leave			hangs up, and nobody listens at the socket any more
 *	interrupt		sends SIGINT when the last answer was read
 *	sluiced EXITCODE [DOCUMENT]
 *				a program sluiced is in PATH, which prints its arguments and the configuration on
 *				standard error, and the document on standard output
 *	request DOCUMENT	what the agent must have been sent
 *	exit CODE
 *
 * The steps go on where a client comes again. After the last one the agent hangs up at once.
 * Then the sections "--- input" (standard input, and the file DIR/in.yaml), "--- stdout" and "---
 * stderr".
 */
#ifndef TESTS_SCRIPTED_AGENT_H
#define TESTS_SCRIPTED_AGENT_H

#include <stddef.h>
#include <sys/types.h>

#define STEPS_MAX 8

enum step_kind { STEP_ANSWER, STEP_NONSENSE, STEP_CUT, STEP_SILENT, STEP_INTERRUPT, STEP_LEAVE };

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

#define CASE_MAX (1 << 20) /* bytes of a case, and of an output */

void case_read(const char *path, struct test_case *test); /* the caller frees its content */

/* A listening socket of this mode. */
int agent_listen(const char *path, mode_t mode);
/* Plays the agent at `listener` (-1: there is none) until the client has ended, and notes how. */
void agent_serve(const struct test_case *test, int listener, pid_t client, struct outcome *outcome);
/* The exit code; 128 and the signal, if one ended it. */
int agent_wait_for(pid_t client);

#endif
