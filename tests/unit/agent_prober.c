/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's side of the prober, over a real socket to one that the tests play. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "agent/prober.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "unit/unit.h"

static uv_loop_t loop;
static struct prober *prober;

/* The process that the tests play, and what the agent's side says of it. */
static struct {
	int fd; /* the prober's end; -1: none runs */
	unsigned int spawns, kills, fail_spawns;
	int ended_by; /* what kill() gives: 0: it ran */
	struct text received;
	/* What the host heard. */
	struct text results, news;
} played = {.fd = -1};

static int spawn(void *self, int *fd, pid_t *pid, struct problems *p)
{
	int ends[2];

	(void)self;
	if (played.fail_spawns) {
		played.fail_spawns--;
		return problems_add(p, -ENOENT, "/none/sluice-prober", NULL, "cannot be run");
	}
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
			 0);
	ck_assert_int_eq(played.fd, -1);
	*fd = ends[0];
	played.fd = ends[1];
	*pid = 4711 + played.spawns++;
	text_free(&played.received);
	return 0;
}

static int end(void *self)
{
	(void)self;
	played.kills++;
	if (played.fd >= 0)
		close(played.fd);
	played.fd = -1;
	text_free(&played.received);
	return played.ended_by;
}

static void on_result(void *self, const struct wire_probe_result *result)
{
	(void)self;
	text_add(&played.results, "%llu %s %s|", (unsigned long long)result->id,
		 result->ok ? "ok" : "failed", result->what);
	if (strcmp(result->what, "stop") == 0)
		prober_set(prober, arena_new(), NULL, 0, false);
}

static void on_alert(void *self, const struct wire_alert_result *result)
{
	(void)self;
	text_add(&played.results, "alert %llu %s|", (unsigned long long)result->id,
		 result->ok ? "ok" : "failed");
}

static void on_news(void *self, enum prober_news news, const char *sentence)
{
	(void)self;
	(void)news;
	text_add(&played.news, "%s\n", sentence);
}

static void start(void)
{
	const struct prober_spawner spawner = {NULL, spawn, end};
	const struct prober_host host = {NULL, on_result, on_alert, on_news};

	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	prober = prober_new(&loop, &spawner, &host);
}

static void stop(void)
{
	prober_close(prober);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	ck_assert_int_eq(played.fd, -1);
	text_free(&played.received);
	text_free(&played.results);
	text_free(&played.news);
}

/* Probes with ids from `first` on. */
static void want(uint64_t first, size_t count)
{
	struct arena *arena = arena_new();
	struct wire_probe *list = arena_alloc(arena, count * sizeof(*list));

	for (size_t i = 0; i < count; i++)
		list[i] = (struct wire_probe){
			.id = first + i,
			.kind = "tcp",
			.service = "web",
			.backend = "10.0.1.11",
			.address = "10.0.1.11",
			.port = 80,
			.interval_ms = 2000,
			.timeout_ms = 1000,
			.retry_ms = 1000,
		};
	prober_set(prober, arena, list, count, false);
}

/* Runs the loop until that many lines have come, or for ever: the test's own limit ends it then. */
static void await_lines(size_t lines)
{
	for (;;) {
		char bytes[4096];
		ssize_t got = played.fd < 0 ? -1 : recv(played.fd, bytes, sizeof(bytes), 0);
		size_t seen = 0;

		if (got > 0)
			text_add_bytes(&played.received, bytes, got);
		for (size_t i = 0; i < played.received.length; i++)
			seen += played.received.data[i] == '\n';
		if (seen >= lines)
			return;
		uv_run(&loop, got > 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
	}
}

static void await(const struct text *text, const char *piece)
{
	while (!text->data || !strstr(text->data, piece))
		uv_run(&loop, UV_RUN_ONCE);
}

static void say(const char *line)
{
	ck_assert_int_eq(send(played.fd, line, strlen(line), MSG_NOSIGNAL), strlen(line));
}

static size_t count_pieces(const struct text *text, const char *piece)
{
	size_t count = 0;

	for (const char *at = text->data; at && (at = strstr(at, piece)); at++)
		count++;
	return count;
}

/* The prober ends by itself. */
static void die(int status)
{
	played.ended_by = status;
	close(played.fd);
	played.fd = -1;
}

#define RESULT(id, what)                                                                      \
	"{\"results\":[{\"id\":" #id ",\"ok\":true,\"once\":false,\"latency_us\":1,\"what\":" \
	"\"" what "\"}],\"alerts\":[]}\n"

START_TEST(none_runs_while_there_is_nothing_for_it_to_do)
{
	struct prober_look look;

	start();
	uv_run(&loop, UV_RUN_DEFAULT);
	prober_look(prober, &look);
	ck_assert(!look.is_wanted && !look.is_running);
	ck_assert_int_eq(prober_check(prober, (uint32_t[]){7}, 1), -ENOTCONN);
	ck_assert_int_eq(prober_alert(prober, &(struct wire_alert_order){.id = 1}), -ENOTCONN);
	want(1, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_uint_eq(played.spawns, 0);
	ck_assert_ptr_null(played.news.data);
	stop();
}
END_TEST

START_TEST(one_runs_while_there_are_probes_and_is_ended_with_the_last)
{
	struct prober_look look;

	start();
	want(7, 2);
	await_lines(1);
	ck_assert(strstr(played.received.data, "{\"id\":7,\"kind\":\"tcp\""));
	ck_assert(strstr(played.received.data, "{\"id\":8,"));
	prober_look(prober, &look);
	ck_assert(look.is_wanted && look.is_running);
	ck_assert_int_eq(look.pid, 4711);
	ck_assert_uint_eq(look.probes, 2);
	ck_assert_ptr_nonnull(prober_find(prober, 8));
	ck_assert_ptr_null(prober_find(prober, 9));
	want(7, 0);
	uv_run(&loop, UV_RUN_NOWAIT);
	ck_assert_int_eq(played.fd, -1);
	ck_assert_str_eq(played.news.data,
			 "sluice-prober runs as process 4711, with 2 probes\n"
			 "sluice-prober has ended: nothing is left to be probed\n");
	stop();
}
END_TEST

START_TEST(one_runs_for_alerts_alone_and_one_that_is_too_long_is_refused)
{
	char *body;

	start();
	prober_set(prober, arena_new(), NULL, 0, true);
	await(&played.news, "with 0 probes");
	ck_assert_int_eq(prober_alert(prober, &(struct wire_alert_order){.id = 12,
									 .sink = "exec",
									 .target = "/bin/true",
									 .body = "{}"}),
			 0);
	await_lines(1);
	ck_assert(strstr(played.received.data, "\"id\":12,\"sink\":\"exec\""));
	say("{\"results\":[],\"alerts\":[{\"id\":12,\"ok\":true,\"what\":\"\"}]}\n");
	await(&played.results, "alert 12 ok|");
	body = mem_alloc(WIRE_ORDER_MAX + 1);
	memset(body, 'x', WIRE_ORDER_MAX);
	ck_assert_int_eq(prober_alert(prober, &(struct wire_alert_order){.id = 13,
									 .sink = "exec",
									 .target = "/bin/true",
									 .body = body}),
			 -EMSGSIZE);
	free(body);
	stop();
}
END_TEST

START_TEST(what_differs_alone_is_sent)
{
	start();
	want(1, 3);
	await_lines(1);
	want(2, 3);
	await_lines(2);
	ck_assert(strstr(played.received.data, "{\"remove\":[1],\"set\":[{\"id\":4,"));
	want(2, 3);
	ck_assert_int_eq(prober_check(prober, (uint32_t[]){3}, 1), 0);
	await_lines(3);
	ck_assert(strstr(played.received.data, "\"check\":[3]"));
	ck_assert_uint_eq(count_pieces(&played.received, "\"kind\""), 4);
	stop();
}
END_TEST

START_TEST(many_checks_are_few_orders)
{
	uint32_t ids[2 * WIRE_ORDER_PROBES + 1];

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		ids[i] = i + 1;
	start();
	want(1, 1);
	await_lines(1);
	ck_assert_int_eq(prober_check(prober, ids, ARRAY_SIZE(ids)), 0);
	await_lines(4);
	ck_assert_uint_eq(count_pieces(&played.received, "\"check\":["),
			  4); /* each order has the list */
	ck_assert(strstr(played.received.data, "\"check\":[1,2,3,"));
	ck_assert(strstr(played.received.data, "\"check\":[513]"));
	stop();
}
END_TEST

START_TEST(results_are_handed_on_in_order_however_they_come)
{
	const char *lines = RESULT(1, "a") RESULT(2, "b");

	start();
	want(1, 3);
	await_lines(1);
	for (const char *byte = lines; *byte; byte++) {
		ck_assert_int_eq(send(played.fd, byte, 1, 0), 1);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	say(RESULT(3, "c") RESULT(1, "d"));
	await(&played.results, "1 ok d|");
	ck_assert_str_eq(played.results.data, "1 ok a|2 ok b|3 ok c|1 ok d|");
	stop();
}
END_TEST

START_TEST(one_that_dies_is_started_again_and_told_everything_anew)
{
	struct prober_look look;

	start();
	want(1, 2);
	await_lines(1);
	want(1, 3);
	await_lines(2);
	die(SIGKILL);
	await(&played.news, "process 4712");
	ck_assert(strstr(played.news.data,
			 "sluice-prober (process 4711) was ended by signal 9 (Killed); it is "
			 "started again in 100ms, and health stays as it is until then"));
	await_lines(1);
	ck_assert_uint_eq(count_pieces(&played.received, "\"kind\""), 3);
	ck_assert_uint_eq(played.kills, 1); /* reaped */
	die(3 << 8);
	await(&played.news, "process 4713");
	ck_assert(strstr(played.news.data, "(process 4712) ended with exit code 3; it is started "
					   "again in 200ms"));
	prober_look(prober, &look);
	ck_assert_uint_eq(look.restarts, 2);
	stop();
}
END_TEST

START_TEST(one_that_cannot_be_started_is_tried_again_and_that_is_told_once)
{
	start();
	played.fail_spawns = 3;
	want(1, 1);
	await(&played.news, "runs as process");
	ck_assert_str_eq(played.news.data,
			 "sluice-prober cannot be started: /none/sluice-prober: cannot be run; it "
			 "is tried again, and health stays as it is until then\n"
			 "sluice-prober runs as process 4711, with 1 probes\n");
	stop();
}
END_TEST

/* Real seconds: five questions, and one more. */
START_TEST(one_that_does_not_answer_is_killed)
{
	start();
	want(1, 1);
	await(&played.news, "has not answered for 5 s and is killed; it is started again in 100ms");
	ck_assert_uint_eq(played.kills, 1);
	await(&played.news, "process 4712");
	stop();
}
END_TEST

START_TEST(one_that_answers_is_asked_again)
{
	start();
	want(1, 1);
	for (size_t lines = 2; lines < 5; lines++) {
		struct prober_look look;
		char pong[64];

		await_lines(lines);
		snprintf(pong, sizeof(pong), "\"ping\":%zu}", lines - 1);
		ck_assert(strstr(played.received.data, pong));
		snprintf(pong, sizeof(pong), "{\"results\":[],\"alerts\":[],\"pong\":%zu}\n",
			 lines - 1);
		say(pong);
		do {
			uv_run(&loop, UV_RUN_NOWAIT);
			prober_look(prober, &look);
		} while (look.unanswered);
	}
	ck_assert_uint_eq(played.kills, 0);
	stop();
}
END_TEST

START_TEST(one_that_talks_nonsense_is_killed_and_what_follows_is_not_heard)
{
	static const char *const nonsense[] = {
		"nonsense\n" RESULT(1, "x"),
		"{\"results\":[{\"id\":-1}],\"alerts\":[]}\n" RESULT(1, "x"),
		"\n" RESULT(1, "x"),
	};

	start();
	want(1, 1);
	for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++) {
		await_lines(1);
		say(nonsense[i]);
		while (played.kills == i)
			uv_run(&loop, UV_RUN_ONCE);
	}
	ck_assert_ptr_null(played.results.data);
	ck_assert(
		strstr(played.news.data, "said what is no report (report: is not a JSON document"));
	ck_assert_uint_eq(count_pieces(&played.news, "and is killed; it is started again in"), 3);
	stop();
}
END_TEST

START_TEST(a_report_without_end_is_bounded)
{
	char *bytes = mem_alloc(1 << 16);

	memset(bytes, ' ', 1 << 16);
	start();
	want(1, 1);
	await_lines(1);
	while (!played.kills) {
		if (played.fd >= 0)
			send(played.fd, bytes, 1 << 16, MSG_NOSIGNAL);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	ck_assert(strstr(played.news.data, "a line without end"));
	stop();
	free(bytes);
}
END_TEST

/* A backend's certificate may have any name, and a prober that was taken over says what it likes. */
START_TEST(words_steer_no_terminal_and_are_bounded)
{
	char *line, *words = mem_alloc(20001);

	memset(words, 'x', 20000);
	line = mem_format("{\"results\":[{\"id\":1,\"ok\":true,\"once\":false,\"latency_us\":1,"
			  "\"what\":\"%s\"}],\"alerts\":[]}\n",
			  words);
	start();
	want(1, 1);
	await_lines(1);
	say(RESULT(1, "one\\nline\\u001b[2J\\u007f"));
	await(&played.results, "|");
	ck_assert_str_eq(played.results.data, "1 ok one line [2J |");
	say(line);
	await(&played.results, "x|");
	ck_assert_uint_lt(played.results.length, 600);
	stop();
	free(line);
	free(words);
}
END_TEST

START_TEST(one_of_another_version_is_said_and_used)
{
	start();
	want(1, 1);
	await_lines(1);
	say("{\"hello\":\"" SLUICE_VERSION "\",\"results\":[],\"alerts\":[]}\n" RESULT(1, "a"));
	await(&played.results, "a|");
	ck_assert_uint_eq(count_pieces(&played.news, "version"), 0);
	die(0);
	await(&played.news, "process 4712");
	await_lines(1);
	say("{\"hello\":\"99\",\"results\":[],\"alerts\":[]}\n" RESULT(1, "b"));
	await(&played.results, "b|");
	ck_assert(strstr(played.news.data, "is of version 99, and sluiced of " SLUICE_VERSION));
	say("{\"hello\":\"98\",\"results\":[],\"alerts\":[]}\n" RESULT(1, "c"));
	await(&played.results, "c|");
	ck_assert_uint_eq(count_pieces(&played.news, "version"), 1);
	stop();
}
END_TEST

/* What a result leads to may be that nothing is probed any more. */
START_TEST(a_result_may_lead_to_its_end)
{
	start();
	want(1, 1);
	await_lines(1);
	say(RESULT(1, "stop") RESULT(1, "late"));
	await(&played.news, "nothing is left to be probed");
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_str_eq(played.results.data, "1 ok stop|");
	stop();
}
END_TEST

RUN_TESTS("agent_prober", none_runs_while_there_is_nothing_for_it_to_do,
	  one_runs_while_there_are_probes_and_is_ended_with_the_last,
	  one_runs_for_alerts_alone_and_one_that_is_too_long_is_refused, what_differs_alone_is_sent,
	  many_checks_are_few_orders, results_are_handed_on_in_order_however_they_come,
	  one_that_dies_is_started_again_and_told_everything_anew,
	  one_that_cannot_be_started_is_tried_again_and_that_is_told_once,
	  one_that_does_not_answer_is_killed, one_that_answers_is_asked_again,
	  one_that_talks_nonsense_is_killed_and_what_follows_is_not_heard,
	  a_report_without_end_is_bounded, words_steer_no_terminal_and_are_bounded,
	  one_of_another_version_is_said_and_used, a_result_may_lead_to_its_end)
