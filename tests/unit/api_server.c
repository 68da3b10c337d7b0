/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket: what clients can send, how many, how slowly, and as whom. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "unit/support/served_api.h"
#include "unit/unit.h"
#include "wire/wire.h"

#define NOBODY 65534

START_TEST(each_line_gets_a_line_in_order)
{
	int fd;

	start();
	fd = connect_to();
	say(fd, VERSION);
	expect(fd, "\"kind\":\"version\"");
	say(fd, VERSION "nonsense\n\n" VERSION);
	expect(fd, "\"kind\":\"version\"");
	expect(fd, "is not a JSON document");
	expect(fd, "is not a JSON document");
	expect(fd, "\"kind\":\"version\"");
	for (const char *byte = VERSION; *byte; byte++)
		send_bytes(fd, byte, 1);
	expect(fd, "\"kind\":\"version\"");
	/* Half closed: what was asked is answered, then it ends. */
	say(fd, VERSION);
	shutdown(fd, SHUT_WR);
	expect(fd, "\"kind\":\"version\"");
	expect_end(fd);
	stop();
}
END_TEST

START_TEST(the_socket_is_for_owner_and_group_alone)
{
	struct stat is;

	start();
	ck_assert_int_eq(lstat(path, &is), 0);
	ck_assert(S_ISSOCK(is.st_mode));
	ck_assert_uint_eq(is.st_mode & 07777, 0660);
	stop();
}
END_TEST

START_TEST(a_dead_agent_s_socket_is_replaced_and_a_live_one_s_is_not)
{
	struct api_server *second;
	struct problems p = {};
	uv_loop_t loop;
	int fd;

	make_directory();
	start_server();
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	ck_assert_int_eq(access(path, F_OK), 0);
	start_server();
	uv_loop_init(&loop);
	ck_assert_int_eq(api_server_open(&loop, path, &api, &second, &p), -EADDRINUSE);
	ck_assert_uint_eq(p.count, 1);
	problems_free(&p);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	fd = connect_to();
	say(fd, VERSION);
	expect(fd, "\"kind\":\"version\"");
	close(fd);
	stop();
}
END_TEST

START_TEST(a_socket_that_another_agent_has_made_since_is_left)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	start();
	unlink(path);
	strcpy(address.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	stop_server();
	ck_assert_int_eq(unlink(path), 0);
	close(fd);
	rmdir(directory);
}
END_TEST

START_TEST(a_place_that_cannot_be_used_is_refused_by_name)
{
	static const struct {
		const char *place;
		int error;
	} cases[] = {
		{"file", -EEXIST},
		{"", -EEXIST}, /* the directory itself */
		{"none/sock", -ENOENT},
		{"file/sock", -ENOTDIR},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		 "aaa",
		 -ENAMETOOLONG},
	};
	char *file;

	make_directory();
	file = mem_format("%s/file", directory);
	ck_assert_int_eq(file_write_atomic(file, 0600, "precious", 8, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *place = mem_format("%s/%s", directory, cases[i].place);
		struct api_server *opened;
		struct problems p = {};
		uv_loop_t loop;

		uv_loop_init(&loop);
		ck_assert_int_eq(api_server_open(&loop, place, &api, &opened, &p), cases[i].error);
		ck_assert_uint_eq(p.count, 1);
		ck_assert_str_eq(p.list[0].value, place);
		ck_assert_int_eq(uv_loop_close(&loop), 0);
		problems_free(&p);
		free(place);
	}
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(rmdir(directory), 0);
	free(file);
}
END_TEST

START_TEST(a_line_without_end_is_refused_at_5_mib)
{
	int fd;

	start();
	fd = connect_to();
	repeat(fd, 'x', WIRE_REQUEST_MAX + 1);
	expect(fd, "is longer than 5 MiB");
	expect_end(fd);
	stop();
}
END_TEST

START_TEST(unfinished_requests_of_all_together_are_bounded)
{
	int fds[6], refused = 0;

	start();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = connect_to();
		repeat(fds[i], ' ', 4 << 20);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		struct pollfd ready = {.fd = fds[i], .events = POLLIN};

		if (poll(&ready, 1, i ? 0 : 500) > 0) {
			expect(fds[i], "other clients send too much at once");
			refused++;
		}
		close(fds[i]);
	}
	ck_assert_int_eq(refused, 1);
	fds[0] = connect_to();
	say(fds[0], VERSION);
	expect(fds[0], "\"kind\":\"version\"");
	close(fds[0]);
	stop();
}
END_TEST

START_TEST(one_client_more_takes_the_place_of_the_longest_silent_one)
{
	int fds[CLIENTS_MAX + 1];

	start();
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		fds[i] = connect_to();
		say(fds[i], VERSION);
		expect(fds[i], "\"kind\":\"version\"");
	}
	usleep(20000);
	say(fds[0], VERSION);
	expect(fds[0], "\"kind\":\"version\"");
	fds[CLIENTS_MAX] = connect_to();
	say(fds[CLIENTS_MAX], VERSION);
	expect(fds[CLIENTS_MAX], "\"kind\":\"version\"");
	expect_end(fds[1]);
	say(fds[0], VERSION);
	expect(fds[0], "\"kind\":\"version\"");
	for (size_t i = 0; i <= CLIENTS_MAX; i++)
		if (i != 1)
			close(fds[i]);
	stop();
}
END_TEST

START_TEST(when_all_places_are_busy_one_more_is_told_so)
{
	int fds[CLIENTS_MAX], more;

	start();
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		fds[i] = connect_to();
		say(fds[i], "{");
	}
	usleep(100000);
	more = connect_to();
	say(more, VERSION);
	expect(more, "too many clients at once");
	expect_end(more);
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		say(fds[i], "\n");
		expect(fds[i], "is not a JSON document");
		close(fds[i]);
	}
	stop();
}
END_TEST

/* About eleven seconds: the patience of the server, and a tick. */
START_TEST(who_keeps_a_request_or_a_reply_waiting_is_hung_up_on_and_others_are_not)
{
	struct timespec begun, now;
	int half, deaf, silent;

	start();
	half = connect_to();
	deaf = connect_to();
	silent = connect_to();
	clock_gettime(CLOCK_MONOTONIC, &begun);
	say(half, "{\"version\":1,");
	/* Asks and asks until neither side can write any more, however slowly the server gets to it; it never reads. */
	fcntl(deaf, F_SETFL, O_NONBLOCK);
	while (poll(&(struct pollfd){.fd = deaf, .events = POLLOUT}, 1, 3000) == 1)
		say(deaf, VERSION);
	expect_end(half);
	clock_gettime(CLOCK_MONOTONIC, &now);
	ck_assert_int_ge(now.tv_sec - begun.tv_sec, 9);
	ck_assert_int_le(now.tv_sec - begun.tv_sec, 25);
	/* It is still deaf, so it hears of the end alone. */
	ck_assert_int_eq(poll(&(struct pollfd){.fd = deaf}, 1, 30000), 1);
	ck_assert_int_lt(send(deaf, "x", 1, MSG_NOSIGNAL), 0);
	ck_assert(errno == EPIPE || errno == ECONNRESET);
	close(deaf);
	say(silent, VERSION);
	expect(silent, "\"kind\":\"version\"");
	close(silent);
	stop();
}
END_TEST

START_TEST(clients_that_vanish_and_bytes_at_random_do_no_harm)
{
	unsigned int state = 1;
	int fd;

	start();
	for (int round = 0; round < 200; round++) {
		char bytes[300];
		size_t length = 1 + rand_r(&state) % sizeof(bytes);

		for (size_t i = 0; i < length; i++)
			bytes[i] = rand_r(&state) % 8 ? "{}[]\",:\n\\0x "[rand_r(&state) % 12]
						      : (char)rand_r(&state);
		fd = connect_to();
		send_bytes(fd, bytes, length);
		if (round % 2)
			say(fd, "\n" VERSION);
		close(fd);
	}
	fd = connect_to();
	say(fd, VERSION);
	expect(fd, "\"kind\":\"version\"");
	close(fd);
	stop();
}
END_TEST

START_TEST(root_may_change_and_others_whom_the_file_lets_in_may_read)
{
	int fd, status;
	pid_t other;

	if (geteuid()) {
		fputs("SKIPPED: api_server: who may change: needs root to become another user\n",
		      stderr);
		return;
	}
	start();
	fd = connect_to();
	say(fd, DOWN);
	expect(fd, "\"kind\":\"down\"");
	close(fd);
	ck_assert_int_eq(chmod(path, 0666), 0);
	fflush(NULL);
	other = fork();
	if (other == 0) {
		if (setuid(NOBODY))
			_exit(2);
		fd = connect_to();
		say(fd, VERSION DOWN);
		expect(fd, "\"kind\":\"version\"");
		expect(fd, "down\",\"expected\":\"needs root or the agent's user; uid 65534");
		_exit(0);
	}
	ck_assert_int_eq(waitpid(other, &status, 0), other);
	ck_assert_int_eq(status, 0);
	stop();
}
END_TEST

RUN_TESTS("api_server", each_line_gets_a_line_in_order, the_socket_is_for_owner_and_group_alone,
	  a_dead_agent_s_socket_is_replaced_and_a_live_one_s_is_not,
	  a_socket_that_another_agent_has_made_since_is_left,
	  a_place_that_cannot_be_used_is_refused_by_name, a_line_without_end_is_refused_at_5_mib,
	  unfinished_requests_of_all_together_are_bounded,
	  one_client_more_takes_the_place_of_the_longest_silent_one,
	  when_all_places_are_busy_one_more_is_told_so,
	  who_keeps_a_request_or_a_reply_waiting_is_hung_up_on_and_others_are_not,
	  clients_that_vanish_and_bytes_at_random_do_no_harm,
	  root_may_change_and_others_whom_the_file_lets_in_may_read)
