/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Health at work: from results to one change, events and the file, over a real socket to a prober that the tests play. The
 * launcher, the refresh of the tables and the way through the tunnel are theirs, too.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "agent/agent.h"
#include "agent/healthfile.h"
#include "agent/launcher.h"
#include "agent/probing.h"
#include "alert/history.h"
#include "base/mem.h"
#include "base/problem.h"
#include "health/health.h"
#include "unit/support/fake_host.h"
#include "unit/support/scratch.h"
#include "unit/unit.h"

#define WEB(health)                                                                            \
	" - name: web\n   address: 203.0.113.10\n   port: 80\n   table-size: 251\n   health: " \
	"{kind: tcp, interval: 1m, fall: 1, " health "}\n   backends: [{address: 10.0.1.11}, " \
	"{address: 10.0.1.12}]\n"

static uv_loop_t loop;
static struct fake_host host;
static struct agent agent;

static struct {
	int fd; /* the prober's end; -1: none runs */
	struct text received;
	unsigned int refreshes;
	const char *no_way; /* why nothing goes through the tunnel; NULL: it does */
	unsigned int dones; /* of what was awaited or checked */
	char said[256];	    /* with the last check */
} played;

/* ---- what is played ---------------------------------------------------------------------------- */

int launcher_spawn(struct launcher *launcher, int *fd, pid_t *pid, struct problems *p)
{
	int ends[2];

	(void)launcher;
	(void)p;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
			 0);
	*fd = ends[0];
	played.fd = ends[1];
	*pid = 4711;
	return 0;
}

int launcher_kill(struct launcher *launcher)
{
	(void)launcher;
	if (played.fd >= 0)
		close(played.fd);
	played.fd = -1;
	return 0;
}

int agent_refresh(struct agent *of, struct problems *p)
{
	(void)of;
	(void)p;
	played.refreshes++;
	return 0;
}

int tunnel_way(struct net *net, const struct config *config, const struct addr *vip, uint32_t index,
	       const struct net_nexthop *way, struct probe_way *out, char why[160])
{
	(void)net;
	(void)config;
	(void)way;
	*out = (struct probe_way){.index = index, .device = "eth0", .source = *vip};
	strcpy(why, played.no_way ? played.no_way : "");
	return played.no_way ? -EADDRINUSE : 0;
}

/* ---- driving it -------------------------------------------------------------------------------- */

static void start(const char *services)
{
	signal(SIGPIPE, SIG_IGN);
	scratch_enter();
	played.fd = -1;
	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, services, false, 0);
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	agent = (struct agent){
		.options.state_dir = ".",
		.engine = host.engine,
		.health = health_new(),
		.events = events_new(),
		.launcher = (struct launcher *)&played,
	};
	health_configure(agent.health, engine_config(host.engine), false, ways_now_ms());
	agent.probing = probing_open(&agent, &loop);
	probing_follow(agent.probing);
}

static void stop(void)
{
	probing_close(agent.probing);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	health_free(agent.health);
	events_free(agent.events);
	fake_host_free(&host);
	text_free(&played.received);
	scratch_leave();
}

/* The event of this kind on this backend (NULL: on none); NULL: there is none yet. */
static const struct event *find(enum event_kind kind, const char *backend)
{
	const struct history *history = events_history(agent.events);

	for (uint64_t seq = 1; seq <= history_last(history); seq++) {
		const struct event *event = history_get(history, seq);

		if (event->kind == kind && (!backend || !strcmp(event->backend, backend)))
			return event;
	}
	return NULL;
}

/* Until it has happened, or for ever: the test's own limit ends it then. */
static const struct event *await(enum event_kind kind, const char *backend)
{
	const struct event *event;

	while (!(event = find(kind, backend)))
		uv_run(&loop, UV_RUN_ONCE);
	return event;
}

static void await_order(const char *piece)
{
	while (!played.received.data || !strstr(played.received.data, piece)) {
		char bytes[4096];
		ssize_t got = played.fd < 0 ? -1 : recv(played.fd, bytes, sizeof(bytes), 0);

		if (got > 0)
			text_add_bytes(&played.received, bytes, got);
		uv_run(&loop, got > 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
	}
	text_free(&played.received);
}

/* One report with a result of each backend, as given: "ok" or why not. */
static void report(const char *first, const char *second, bool once)
{
	const char *const said[] = {first, second};
	struct text line = {};
	const struct health_probe *probes;
	size_t count = health_probes(agent.health, &probes);

	ck_assert_uint_eq(count, 2);
	text_add(&line, "{\"results\":[");
	for (size_t i = 0; i < count; i++) {
		bool ok = said[i] && !strcmp(said[i], "ok");

		if (said[i])
			text_add(&line,
				 "%s{\"id\":%u,\"ok\":%s,\"once\":%s,\"latency_us\":5,\"what\":"
				 "\"%s\"}",
				 i && said[0] ? "," : "", probes[i].id, ok ? "true" : "false",
				 once ? "true" : "false", ok ? "" : said[i]);
	}
	text_add(&line, "],\"alerts\":[]}\n");
	ck_assert_int_eq(send(played.fd, line.data, line.length, MSG_NOSIGNAL),
			 (ssize_t)line.length);
	text_free(&line);
}

/* ---- tests --------------------------------------------------------------------------------------- */

START_TEST(what_changes_in_one_moment_is_one_refresh_an_event_each_and_kept)
{
	struct healthfile kept = {};
	struct problems p = {};

	start(WEB("via: direct"));
	await_order("\"address\":\"10.0.1.12\"");
	report("connection refused", "ok", false);
	ck_assert_str_eq(await(EVENT_backend_down, "10.0.1.11")->text,
			 "backend web 10.0.1.11 is down: connection refused");
	await(EVENT_backend_up, "10.0.1.12");
	while (!played.refreshes)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_uint_eq(played.refreshes, 1);
	while (!kept.health.data || !strstr(kept.health.data, "web 10.0.1.11 down ")) {
		healthfile_free(&kept);
		uv_run(&loop, UV_RUN_ONCE);
		ck_assert_int_eq(healthfile_load(".", &kept, &p), 0);
	}
	ck_assert_ptr_nonnull(strstr(kept.health.data, "web 10.0.1.12 up "));
	healthfile_free(&kept);
	stop();
}
END_TEST

START_TEST(what_cannot_be_kept_is_told_once_and_when_it_can_be_again)
{
	start(WEB("via: direct"));
	await_order("\"address\":\"10.0.1.12\"");
	agent.options.state_dir = "none";
	report("ok", "ok", false);
	await(EVENT_health_unkept, NULL);
	ck_assert_int_eq(mkdir("none", 0700), 0);
	await(EVENT_health_kept, NULL);
	stop();
}
END_TEST

static void on_done(void *self)
{
	(void)self;
	played.dones++;
}

START_TEST(the_first_results_are_awaited_of_all_that_are_new)
{
	start(WEB("via: direct"));
	probing_await(agent.probing, on_done, NULL);
	await_order("\"check\":[");
	ck_assert_uint_gt(probing_bound_ms(agent.probing), 0);
	report("ok", NULL, true);
	await(EVENT_backend_up, "10.0.1.11");
	ck_assert_uint_eq(played.dones, 0);
	report(NULL, "no", true);
	while (!played.dones)
		uv_run(&loop, UV_RUN_ONCE);
	/* What they have changed is in force before. */
	ck_assert_uint_ge(played.refreshes, 1);
	ck_assert_ptr_nonnull(find(EVENT_backend_down, "10.0.1.12"));
	stop();
	ck_assert_uint_eq(played.dones, 1);
}
END_TEST

static void on_probed(void *arg, const struct api_probed *results, size_t count, const char *why)
{
	(void)arg;
	played.dones++;
	snprintf(played.said, sizeof(played.said), "%s", count ? results[0].what : why);
}

START_TEST(a_check_gets_its_result_or_why_there_is_none)
{
	struct addr backend = fake_address("10.0.1.11");
	struct problems p = {};

	start(WEB("via: direct"));
	await_order("\"address\":\"10.0.1.12\"");
	ck_assert_int_eq(probing_check(agent.probing, "web", &backend, on_probed, NULL, &p), 0);
	await_order("\"check\":[");
	report("it is busy", NULL, true);
	while (played.dones < 1)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_str_eq(played.said, "it is busy");
	/* The prober ends under the next one. */
	ck_assert_int_eq(probing_check(agent.probing, "web", &backend, on_probed, NULL, &p), 0);
	await_order("\"check\":[");
	close(played.fd);
	played.fd = -1;
	await(EVENT_prober_died, NULL);
	while (played.dones < 2)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_ptr_nonnull(strstr(played.said, "sluice-prober"));
	/* And the agent under the last one. */
	await_order("\"address\":\"10.0.1.12\"");
	ck_assert_int_eq(probing_check(agent.probing, "web", &backend, on_probed, NULL, &p), 0);
	stop();
	ck_assert_uint_eq(played.dones, 3);
	ck_assert_str_eq(played.said, "the agent ends");
}
END_TEST

START_TEST(without_a_way_through_the_tunnel_nothing_is_probed_and_why_is_told)
{
	struct addr backend = fake_address("10.0.1.11");
	struct problems p = {};
	char *text;

	start(WEB("via: tunnel"));
	await_order("\"mark\":");
	ck_assert_ptr_null(probing_stopped(agent.probing, "web"));
	played.no_way = "it is an address of eth0";
	probing_follow(agent.probing);
	ck_assert_ptr_nonnull(strstr(await(EVENT_probes_stopped, NULL)->text,
				     "service web is not probed through the tunnel: it is an "
				     "address of eth0"));
	await(EVENT_prober_stopped, NULL);
	ck_assert_str_eq(probing_stopped(agent.probing, "web"), played.no_way);
	ck_assert_int_eq(probing_check(agent.probing, "web", &backend, on_probed, NULL, &p),
			 -ENETUNREACH);
	text = problem_text(&p.list[0]);
	ck_assert_ptr_nonnull(
		strstr(text, "cannot be probed through the tunnel: it is an address of eth0"));
	free(text);
	problems_free(&p);
	played.no_way = NULL;
	probing_follow(agent.probing);
	await(EVENT_probes_go_on, NULL);
	await_order("\"mark\":");
	stop();
}
END_TEST

RUN_TESTS("agent_probing", what_changes_in_one_moment_is_one_refresh_an_event_each_and_kept,
	  what_cannot_be_kept_is_told_once_and_when_it_can_be_again,
	  the_first_results_are_awaited_of_all_that_are_new,
	  a_check_gets_its_result_or_why_there_is_none,
	  without_a_way_through_the_tunnel_nothing_is_probed_and_why_is_told)
