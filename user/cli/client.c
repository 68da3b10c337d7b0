/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's socket, from outside: one request and one reply a line, with a bound on the wait. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "cli/cli.h"

#define READ_STEP (64 << 10)
#define RETRY_S	  1

struct client {
	int fd; /* -1: the agent is away */
	const char *socket;
	uint64_t timeout_s;
	uint64_t deadline_ms; /* of the request under way */
	struct text received; /* the last line, and what came after it */
	size_t line_length;   /* of the last line, with its newline */
	char *step;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * UINT64_C(1000) + now.tv_nsec / 1000000;
}

/* ---- connecting ------------------------------------------------------------------------------ */

/* What each errno of connect_socket() means to an operator. */
static const struct {
	int error;
	bool absent; /* no agent is there */
	const char *what;
} connect_errors[] = {
	{ENOENT, true, "no agent is running here; start sluiced, or name its socket by --socket"},
	{ECONNREFUSED, true,
	 "the agent has ended; start sluiced, or name another socket by --socket"},
	{ENOTSOCK, false, "is no socket; name the agent's by --socket"},
	{EACCES, false, "no permission; only root and the socket's group may ask the agent"},
	{EPERM, false, "no permission; only root and the socket's group may ask the agent"},
	{EAGAIN, false, "the agent is too busy to answer; try again"},
};

static enum wire_code unreachable(const char *path, int error, bool *absent, struct problems *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(connect_errors); i++) {
		if (connect_errors[i].error != error)
			continue;
		*absent = connect_errors[i].absent;
		problems_add(p, -error, "socket", path, "%s", connect_errors[i].what);
		return WIRE_UNREACHABLE;
	}
	problems_add(p, -error, "socket", path, "cannot be reached: %s", strerror(error));
	return WIRE_UNREACHABLE;
}

/* Like connect(), which refuses what is no socket as one at which nobody listens. */
static int connect_socket(int fd, const struct sockaddr_un *address)
{
	struct stat status;

	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return 0;
	if (errno != ECONNREFUSED)
		return errno;
	return stat(address->sun_path, &status) || S_ISSOCK(status.st_mode) ? ECONNREFUSED
									    : ENOTSOCK;
}

static enum wire_code connect_to(const char *path, int *out, bool *absent, struct problems *p)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, error;

	*absent = false;
	if (strlen(path) >= sizeof(address.sun_path)) {
		problems_add(p, -ENAMETOOLONG, "socket", path,
			     "is longer than a socket's path may be, %zu bytes",
			     sizeof(address.sun_path) - 1);
		return WIRE_USAGE;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return unreachable(path, errno, absent, p);
	error = connect_socket(fd, &address);
	if (error) {
		close(fd);
		return unreachable(path, error, absent, p);
	}
	*out = fd;
	return WIRE_OK;
}

enum wire_code client_open(const struct cli *cli, struct client **out, bool *absent,
			   struct problems *p)
{
	struct client *client;
	int fd;
	enum wire_code code = connect_to(cli->socket, &fd, absent, p);

	if (code)
		return code;
	client = mem_alloc(sizeof(*client));
	client->fd = fd;
	client->socket = cli->socket;
	client->timeout_s = cli->timeout_s;
	client->step = mem_alloc(READ_STEP);
	*out = client;
	return WIRE_OK;
}

/* Forgets the connection, and whatever came by it. */
static void hang_up(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	text_free(&client->received);
	client->line_length = 0;
}

void client_close(struct client *client)
{
	if (!client)
		return;
	hang_up(client);
	free(client->step);
	free(client);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static enum wire_code lost(const struct client *client, enum wire_command command,
			   struct problems *p, const char *what)
{
	bool changes = wire_command_table[command].access == WIRE_ACCESS_CHANGE;

	problems_add(p, -EIO, "agent at", client->socket, "%s%s", what,
		     changes ? "; the change may have been made or not, see 'sluicectl status'"
			     : "");
	return WIRE_UNREACHABLE;
}

/* Waits until the socket is ready. Returns 1, 0 when the time is over, or -1. */
static int wait_for(const struct client *client, short events)
{
	struct pollfd poll_fd = {.fd = client->fd, .events = events};

	for (;;) {
		uint64_t now = now_ms();
		int ready;

		if (now >= client->deadline_ms)
			return 0;
		ready = poll(&poll_fd, 1, client->deadline_ms - now);
		if (ready >= 0 || errno != EINTR)
			return ready;
	}
}

/* Sends all of a request. A reply that comes before (too many clients) is left to be read. */
static enum wire_code send_line(struct client *client, enum wire_command command, const char *line,
				size_t length, struct problems *p)
{
	while (length) {
		ssize_t sent = send(client->fd, line, length, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent > 0) {
			line += sent;
			length -= sent;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return WIRE_OK;
		} else if (errno == EAGAIN) {
			if (wait_for(client, POLLOUT) <= 0)
				return lost(client, command, p, "does not take the request");
		} else if (errno != EINTR) {
			return lost(client, command, p, strerror(errno));
		}
	}
	return WIRE_OK;
}

static enum wire_code receive_line(struct client *client, enum wire_command command,
				   struct problems *p)
{
	struct text *text = &client->received;
	size_t seen = 0;
	char *newline;

	while (!(newline = text->length > seen
				   ? memchr(text->data + seen, '\n', text->length - seen)
				   : NULL)) {
		ssize_t got;

		seen = text->length;
		if (seen > WIRE_REPLY_MAX)
			return lost(client, command, p, "its answer is too long");
		if (wait_for(client, POLLIN) <= 0)
			return lost(client, command, p, "gave no answer in time (--timeout)");
		got = recv(client->fd, client->step, READ_STEP, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return lost(client, command, p,
				    seen ? "hung up in the middle of its answer"
					 : "hung up without an answer");
		text_add_bytes(text, client->step, got);
	}
	client->line_length = newline - text->data + 1;
	return WIRE_OK;
}

enum wire_code client_await_end(struct client *client, enum wire_command command,
				struct problems *p)
{
	for (;;) {
		ssize_t got;

		if (wait_for(client, POLLIN) <= 0)
			return lost(client, command, p, "does not end in time (--timeout)");
		got = recv(client->fd, client->step, READ_STEP, 0);
		if (got == 0 || (got < 0 && errno == ECONNRESET))
			return WIRE_OK;
		if (got < 0 && errno != EINTR)
			return lost(client, command, p, strerror(errno));
	}
}

/* Drops the line that was read last. */
static void forget_line(struct client *client)
{
	struct text rest = {};

	if (client->line_length)
		text_add_bytes(&rest, client->received.data + client->line_length,
			       client->received.length - client->line_length);
	text_free(&client->received);
	client->received = rest;
	client->line_length = 0;
}

/* Within client->deadline_ms. */
static enum wire_code ask(struct client *client, enum wire_command command,
			  const struct wire_arguments *arguments, const char **line,
			  struct wire_reply *reply, struct problems *p)
{
	struct text request = {};
	char *document = wire_encode_request(command, arguments);
	enum wire_code code;

	forget_line(client);
	text_add_bytes(&request, document, strlen(document));
	text_add_bytes(&request, "\n", 1);
	free(document);
	if (request.length > WIRE_REQUEST_MAX) {
		problems_add(p, -EFBIG, wire_command_table[command].name, NULL,
			     "the request takes %zu bytes, the agent reads at most %d",
			     request.length, WIRE_REQUEST_MAX);
		code = WIRE_INVALID;
	} else {
		code = send_line(client, command, request.data, request.length, p);
	}
	text_free(&request);
	if (!code)
		code = receive_line(client, command, p);
	if (code)
		return code;
	client->received.data[client->line_length - 1] = '\0';
	*line = client->received.data;
	if (wire_decode_reply(*line, client->line_length - 1, reply, p)) {
		lost(client, command, p, "gave an answer that is no document of this release");
		return WIRE_FAILED;
	}
	return WIRE_OK;
}

static void set_deadline(struct client *client)
{
	client->deadline_ms = now_ms() + client->timeout_s * 1000;
}

enum wire_code client_ask(struct client *client, enum wire_command command,
			  const struct wire_arguments *arguments, const char **line,
			  struct wire_reply *reply, struct problems *p)
{
	set_deadline(client);
	return ask(client, command, arguments, line, reply, p);
}

enum wire_code client_ask_until_back(struct client *client, enum wire_command command,
				     const struct wire_arguments *arguments, const char **line,
				     struct wire_reply *reply, client_away_function *tell_away,
				     struct problems *p)
{
	bool is_told = false, absent;

	set_deadline(client);
	for (;;) {
		enum wire_code code = WIRE_OK;

		if (client->fd < 0)
			code = connect_to(client->socket, &client->fd, &absent, p);
		if (!code)
			code = ask(client, command, arguments, line, reply, p);
		if (code != WIRE_UNREACHABLE || now_ms() + RETRY_S * 1000 >= client->deadline_ms)
			return code;
		if (!is_told)
			tell_away(client->timeout_s, p);
		is_told = true;
		problems_free(p);
		hang_up(client);
		sleep(RETRY_S);
	}
}
