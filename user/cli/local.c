/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What needs no agent: a new key, and sluiced itself for check and down. */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "cli/cli.h"

#define KEY_SIZE   32
#define CANNOT_RUN 127 /* as a shell's */

enum wire_code local_key_new(const struct cli *cli, char **line, struct wire_reply *reply,
			     struct problems *p)
{
	unsigned char secret[2 * KEY_SIZE];
	char hash[2 * KEY_SIZE + 1], aead[2 * KEY_SIZE + 1];
	struct wire_key key = {.hash = hash, .aead = aead};

	(void)cli;
	if (getrandom(secret, sizeof(secret), 0) != sizeof(secret)) {
		problems_add(p, -errno, "key new", NULL, "the kernel gives no random bytes: %s",
			     strerror(errno));
		return WIRE_FAILED;
	}
	text_format_hex(secret, KEY_SIZE, hash);
	text_format_hex(secret + KEY_SIZE, KEY_SIZE, aead);
	*line = wire_encode_reply(WIRE_KIND_key, &key);
	return wire_decode_reply(*line, strlen(*line), reply, p) ? WIRE_FAILED : WIRE_OK;
}

/* ---- sluiced --------------------------------------------------------------------------------- */

/* The sluiced beside this program, or else the name for PATH to find. The caller frees it. */
static char *find_sluiced(void)
{
	char self[PATH_MAX], *beside;
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (length > 0) {
		self[length] = '\0';
		beside = mem_format("%s/sluiced", dirname(self));
		if (access(beside, X_OK) == 0)
			return beside;
		free(beside);
	}
	return mem_string("sluiced");
}

/*
 * A file without a name that holds `text`, at its start. Returns its descriptor or a negative
 * errno.
 */
static int hold_text(const char *text)
{
	size_t left = strlen(text);
	int fd = memfd_create("configuration", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (left) {
		ssize_t done = write(fd, text, left);

		if (done < 0) {
			int err = -errno;

			close(fd);
			return err;
		}
		text += done;
		left -= done;
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static enum wire_code wait_for(pid_t pid, const char *program, struct problems *p)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return WIRE_FAILED;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	problems_add(p, -ECHILD, program, NULL, "was ended by signal %d", WTERMSIG(status));
	return WIRE_FAILED;
}

/* Runs sluiced with `input` (-1: ours) and `output` (-1: ours), and waits for it. */
static enum wire_code run_sluiced(const char *const *arguments, int input, int output,
				  struct problems *p)
{
	const char *argv[8] = {NULL};
	char *program = find_sluiced();
	enum wire_code code;
	pid_t pid;

	argv[0] = program;
	for (size_t i = 0; arguments[i]; i++)
		argv[i + 1] = arguments[i];
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if ((input >= 0 && dup2(input, STDIN_FILENO) < 0) ||
		    (output >= 0 && dup2(output, STDOUT_FILENO) < 0))
			_exit(CANNOT_RUN);
		execvp(program, (char *const *)argv);
		_exit(CANNOT_RUN);
	}
	if (pid < 0)
		problems_add(p, -errno, program, NULL, "cannot be run: %s", strerror(errno));
	code = pid > 0 ? wait_for(pid, program, p) : WIRE_FAILED;
	if (code == CANNOT_RUN) {
		problems_add(p, -ENOENT, program, NULL,
			     "no agent answers, and it cannot be run in its place; install it "
			     "beside sluicectl or in PATH");
		code = WIRE_UNREACHABLE;
	}
	free(program);
	return code;
}

/* What sluiced has written to `fd`, as the reply of an agent. */
static enum wire_code read_answer(int fd, char **line, struct wire_reply *reply, struct problems *p)
{
	off_t length = lseek(fd, 0, SEEK_END);

	if (length < 1 || length > WIRE_REPLY_MAX) {
		problems_add(p, -EPROTO, "sluiced --check", NULL, "gave no answer");
		return WIRE_FAILED;
	}
	*line = mem_alloc(length);
	if (pread(fd, *line, length, 0) != length) {
		problems_add(p, -EIO, "sluiced --check", NULL, "its answer cannot be read");
		return WIRE_FAILED;
	}
	(*line)[length - 1] = '\0'; /* the newline's place */
	return wire_decode_reply(*line, length - 1, reply, p) ? WIRE_FAILED : WIRE_OK;
}

enum wire_code local_check(const struct cli *cli, char **line, struct wire_reply *reply,
			   struct problems *p)
{
	/*
	 * The text as it was read: standard input cannot be read again. Messages have the file's
	 * own name.
	 */
	const char *arguments[] = {"--check", "--json", "-c",
				   cli->is_input ? "-" : cli->arguments.file, NULL};
	int input = hold_text(cli->arguments.text), output = hold_text("");
	enum wire_code code = WIRE_FAILED;

	if (input < 0 || output < 0) {
		problems_add(p, -ENOMEM, "check", NULL, "the text cannot be handed to sluiced");
	} else {
		code = run_sluiced(arguments, input, output, p);
		/* The answer says more than the exit code. */
		if (!p->count)
			code = read_answer(output, line, reply, p);
	}
	if (input >= 0)
		close(input);
	if (output >= 0)
		close(output);
	return code;
}

enum wire_code local_down(const struct cli *cli, char **line, struct wire_reply *reply,
			  struct problems *p)
{
	static const char *const arguments[] = {"--down", NULL};
	static const struct wire_down down = {
		.what = "no agent was running; everything is detached and unpinned"};
	enum wire_code code;

	/* Where an agent of another socket has its pins, nobody but that one's command line tells. */
	if (strcmp(cli->socket, cli->default_socket)) {
		problems_add(p, -ENOENT, "socket", cli->socket,
			     "no agent is running here, so nothing was taken down: what it has "
			     "pinned goes by `sluiced --down --pin-dir DIR --state-dir DIR`, with "
			     "the directories that it was started with");
		return WIRE_UNREACHABLE;
	}
	code = run_sluiced(arguments, -1, -1, p);
	if (code) {
		if (!p->count)
			problems_add(p, -EIO, "sluiced --down", NULL, "failed; it says above why");
		return code;
	}
	*line = wire_encode_reply(WIRE_KIND_down, &down);
	return wire_decode_reply(*line, strlen(*line), reply, p) ? WIRE_FAILED : WIRE_OK;
}
