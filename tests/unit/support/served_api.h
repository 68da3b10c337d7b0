/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of the socket: a server in a child process, in a directory of its own, and clients that say and hear lines. */
#ifndef TESTS_SERVED_API_H
#define TESTS_SERVED_API_H

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "api/api.h"
#include "base/problem.h"
#include "base/text.h"
#include "unit/support/fake_host.h"

#define CLIENTS_MAX 64 /* as the server has it */
#define VERSION	    "{\"version\":1,\"command\":\"version\"}\n"
#define DOWN	    "{\"version\":1,\"command\":\"down\"}\n"
/* Answered 0.2 s and 12 s later. */
#define CHECK(address)                          \
	"{\"version\":1,\"command\":\"backend " \
	"check\",\"arguments\":{\"service\":\"web\",\"address\":\"" address "\"}}\n"
#define SOON CHECK("10.0.1.2")
#define LATE CHECK("10.0.1.120")
#define BACKENDS                                                                    \
	" - name: web\n   address: 203.0.113.10\n   port: 80\n   table-size: 251\n" \
	"   backends: [{address: 10.0.1.2}, {address: 10.0.1.120}]\n"

static char directory[64], path[80];
static pid_t server;

/* ---- the server's side ----------------------------------------------------------------------- */

static inline int agent_down(void *self, struct problems *p)
{
	(void)self;
	(void)p;
	return 0;
}

static inline void agent_post(void *self, const struct event *event)
{
	(void)self;
	(void)event;
}

/* What is promised is kept after a while. */
static struct check {
	uv_timer_t timer;
	api_probed_function *done;
	void *arg;
	bool is_open;
} checks[4];

static uv_loop_t loop_of_server;

static inline void on_check_closed(uv_handle_t *handle)
{
	struct check *check = handle->data;

	check->is_open = false;
}

static inline void on_checked(uv_timer_t *timer)
{
	struct check *check = timer->data;

	check->done(check->arg, NULL, 0, "the tests' answer");
	uv_close((uv_handle_t *)timer, on_check_closed);
}

static inline int agent_check(void *self, const char *service, const struct addr *backend,
			      api_probed_function *done, void *arg, struct problems *p)
{
	struct check *check = checks;

	(void)self;
	(void)service;
	(void)p;
	while (check->is_open)
		check++;
	*check = (struct check){.done = done, .arg = arg, .is_open = true};
	uv_timer_init(&loop_of_server, &check->timer);
	check->timer.data = check;
	/* The last number of its address, in tenths of a second. */
	uv_timer_start(&check->timer, on_checked, backend->bytes[3] * 100, 0);
	return 0;
}

static struct api api = {
	.host = {.down = agent_down, .post = agent_post, .check = agent_check},
};

static inline void on_signal(uv_signal_t *handle, int number)
{
	(void)number;
	api_server_close(handle->data);
	uv_close((uv_handle_t *)handle, NULL);
}

/*
 * Opens, says so on `ready`, and serves until SIGTERM. Exits with 0 only if nothing is left over.
 */
static inline void run_server(int ready)
{
	struct api_server *opened;
	struct problems p = {};
	struct fake_host host;
	uv_signal_t end;

	signal(SIGPIPE, SIG_IGN);
	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, BACKENDS, true, 0);
	api.engine = host.engine;
	uv_loop_init(&loop_of_server);
	if (api_server_open(&loop_of_server, path, &api, &opened, &p))
		_exit(10);
	uv_signal_init(&loop_of_server, &end);
	end.data = opened;
	uv_signal_start(&end, on_signal, SIGTERM);
	if (write(ready, "", 1) != 1)
		_exit(11);
	close(ready);
	uv_run(&loop_of_server, UV_RUN_DEFAULT);
	fake_host_free(&host);
	exit(uv_loop_close(&loop_of_server) ? 12 : 0);
}

static inline void make_directory(void)
{
	strcpy(directory, "/tmp/sluice-api-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chmod(directory, 0755), 0);
	snprintf(path, sizeof(path), "%s/sock", directory);
}

static inline void start_server(void)
{
	int ready[2];
	char byte;

	fflush(NULL);
	ck_assert_int_eq(pipe(ready), 0);
	server = fork();
	if (server == 0) {
		close(ready[0]);
		run_server(ready[1]);
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

static inline void stop_server(void)
{
	int status;

	kill(server, SIGTERM);
	ck_assert_int_eq(waitpid(server, &status, 0), server);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x", status);
}

static inline void start(void)
{
	make_directory();
	start_server();
}

static inline void stop(void)
{
	stop_server();
	ck_assert_int_eq(rmdir(directory), 0); /* the socket's file is gone */
}

/* ---- the clients' side ----------------------------------------------------------------------- */

static inline int connect_to(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 30};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	ck_assert_msg(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "%m");
	return fd;
}

/* Sends as much as the server takes. */
static inline void send_bytes(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		bytes += sent;
		length -= sent;
	}
}

static inline void say(int fd, const char *text)
{
	send_bytes(fd, text, strlen(text));
}

static inline void repeat(int fd, char byte, size_t count)
{
	char *bytes = mem_alloc(count);

	memset(bytes, byte, count);
	send_bytes(fd, bytes, count);
	free(bytes);
}

/* The next line; NULL when the server has hung up. The caller frees it. */
static inline char *hear(int fd)
{
	struct text line = {};
	char byte;

	text_add_bytes(&line, "", 0);
	errno = 0;
	while (recv(fd, &byte, 1, 0) == 1) {
		if (byte == '\n')
			return line.data;
		text_add_bytes(&line, &byte, 1);
	}
	text_free(&line);
	return NULL;
}

static inline void expect(int fd, const char *piece)
{
	char *line = hear(fd);

	ck_assert_msg(line && strstr(line, piece), "'%s' is not in: %s", piece, line);
	free(line);
}

static inline void expect_end(int fd)
{
	char *line = hear(fd);

	ck_assert_msg(!line, "%s", line);
	ck_assert(errno != EAGAIN);
	close(fd);
}

#endif
