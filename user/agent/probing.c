/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "agent/agent.h"
#include "agent/checks.h"
#include "agent/events.h"
#include "agent/healthkeeper.h"
#include "agent/launcher.h"
#include "agent/probe_record.h"
#include "agent/probing.h"
#include "agent/probing_say.h"
#include "agent/stops.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/table.h"
#include "config/config.h"
#include "health/health.h"

#define LINES_MAX      10   /* of changes in the log, from one look at the file to the next */
#define STORE_MS       1000 /* from a change to the file */
#define CHECK_SLACK_MS 500  /* that a result on demand may come late */
#define AWAIT_SLACK_MS 1000 /* likewise of the first ones: a prober must start, too */
#define AWAIT_MAX_MS   10000

struct probing {
	struct agent *agent;
	uv_loop_t *loop;
	struct prober *prober;
	char *problem; /* with the prober; NULL: none */
	uv_timer_t refresh, tick, store, expire, await;
	int handles; /* still open: freed with the last one */
	struct checks checks;
	struct stops stops;
	struct table *awaited; /* ids of probes without a result; NULL: nobody waits */
	void (*on_awaited)(void *self);
	void *on_awaited_self;
	size_t said; /* changes, since the last look at the file */
	struct healthkeeper keeper;
};

/* ---- what changes ---------------------------------------------------------------------------- */

static void on_store(uv_timer_t *timer)
{
	struct probing *probing = timer->data;

	if (probing->said > LINES_MAX)
		log_info("the health of %zu more backends changed; `sluicectl events` and `backend "
			 "list` show it",
			 probing->said - LINES_MAX);
	probing->said = 0;
	healthkeeper_look(&probing->keeper);
}

static void on_refresh(uv_timer_t *timer)
{
	struct probing *probing = timer->data;
	struct problems p = {};

	agent_refresh(probing->agent, &p);
	log_and_free_problems(LOG_LEVEL_ERROR, &p);
}

/*
 * All that changes within one turn of the loop is one change of the tables: libuv's timers run at the beginning of the
 * next one.
 */
static void take_changes(struct probing *probing)
{
	struct health_change change;
	bool weighs = false;

	while (health_next(probing->agent->health, &change)) {
		probing->keeper.has_changed = true;
		weighs |= health_change_weighs(change.kind);
		probing->said += change.kind != HEALTH_STEP; /* of a slow start: no line */
		probing_say_change(probing->agent, &change, probing->said > LINES_MAX);
	}
	if (weighs && !uv_is_active((uv_handle_t *)&probing->refresh))
		uv_timer_start(&probing->refresh, on_refresh, 0, 0);
}

static void on_tick(uv_timer_t *timer)
{
	struct probing *probing = timer->data;
	unsigned int next_ms = health_tick(probing->agent->health, ways_now_ms());

	take_changes(probing);
	uv_timer_start(timer, on_tick, next_ms ? next_ms : 1, 0);
}

/* ---- the first results ----------------------------------------------------------------------- */

static void end_await(struct probing *probing)
{
	uv_timer_stop(&probing->await);
	table_free(probing->awaited);
	probing->awaited = NULL;
	/* What they have changed comes first. */
	if (uv_is_active((uv_handle_t *)&probing->refresh)) {
		uv_timer_stop(&probing->refresh);
		on_refresh(&probing->refresh);
	}
	probing->on_awaited(probing->on_awaited_self);
}

static void on_await_over(uv_timer_t *timer)
{
	struct probing *probing = timer->data;

	log_warning("%zu probes have no result yet: their backends are out until they have",
		    table_count(probing->awaited));
	end_await(probing);
}

static void note_awaited(struct probing *probing, uint32_t id)
{
	if (!probing->awaited)
		return;
	table_remove(probing->awaited, &id, sizeof(id));
	if (!table_count(probing->awaited))
		end_await(probing);
}

/* Whether its backend waits for its first success. */
static bool is_awaited(const struct probing *probing, const struct health_probe *probe)
{
	struct health_look look;

	return health_look(probing->agent->health, probe->service, &probe->backend, ways_now_ms(),
			   &look) &&
	       look.state == HEALTH_STATE_NEW;
}

/* Such a backend does not wait for its turn: an interval may be long. */
static void check_awaited(struct probing *probing)
{
	const struct health_probe *list;
	size_t all = health_probes(probing->agent->health, &list), count = 0;
	uint32_t *ids = mem_array(all, sizeof(*ids));

	for (size_t i = 0; i < all; i++)
		if (prober_find(probing->prober, list[i].id) && is_awaited(probing, &list[i]))
			ids[count++] = list[i].id;
	prober_check(probing->prober, ids, count);
	free(ids);
}

unsigned int probing_bound_ms(const struct probing *probing)
{
	const struct health_probe *list;
	size_t count = health_probes(probing->agent->health, &list);
	uint64_t longest = 0;

	for (size_t i = 0; i < count; i++)
		if (list[i].how->timeout_ms > longest)
			longest = list[i].how->timeout_ms;
	if (!count)
		return 0;
	return longest + AWAIT_SLACK_MS < AWAIT_MAX_MS ? longest + AWAIT_SLACK_MS : AWAIT_MAX_MS;
}

void probing_await(struct probing *probing, void (*done)(void *self), void *self)
{
	const struct health_probe *list;
	size_t count = health_probes(probing->agent->health, &list);

	probing->on_awaited = done;
	probing->on_awaited_self = self;
	probing->awaited = table_new();
	for (size_t i = 0; i < count; i++)
		if (prober_find(probing->prober, list[i].id) && is_awaited(probing, &list[i]))
			table_set(probing->awaited, &list[i].id, sizeof(list[i].id), probing);
	if (!table_count(probing->awaited)) {
		end_await(probing);
		return;
	}
	uv_timer_start(&probing->await, on_await_over, probing_bound_ms(probing), 0);
}

/* ---- the prober ------------------------------------------------------------------------------ */

static int spawn(void *self, int *fd, pid_t *pid, struct problems *p)
{
	const struct probing *probing = self;
	const struct agent *agent = probing->agent;

	if (!agent->launcher)
		return problems_add(p, -EPIPE, "launcher", NULL, "%s; restart sluiced",
				    agent->no_launcher);
	return launcher_spawn(agent->launcher, fd, pid, p);
}

static int end_process(void *self)
{
	const struct probing *probing = self;

	return probing->agent->launcher ? launcher_kill(probing->agent->launcher) : -EPIPE;
}

static void on_expire(uv_timer_t *timer);

static void await_checks(struct probing *probing)
{
	uint32_t wait_ms = checks_wait_ms(&probing->checks, ways_now_ms());

	if (wait_ms == UINT32_MAX)
		uv_timer_stop(&probing->expire);
	else
		uv_timer_start(&probing->expire, on_expire, wait_ms, 0);
}

static void on_expire(uv_timer_t *timer)
{
	struct probing *probing = timer->data;

	checks_expire(&probing->checks, ways_now_ms());
	await_checks(probing);
}

static void on_result(void *self, const struct wire_probe_result *result)
{
	struct probing *probing = self;

	health_result(probing->agent->health, result->id, result->ok, result->latency_us,
		      result->what, ways_now_ms());
	take_changes(probing);
	if (result->once) {
		checks_result(&probing->checks, result->id, result->ok, result->latency_us,
			      result->what);
		await_checks(probing);
	}
	note_awaited(probing, result->id);
}

static void on_alert(void *self, const struct wire_alert_result *result)
{
	struct probing *probing = self;

	events_sent(probing->agent->events, result->id, result->ok, result->what, ways_now_ms());
	probing_send_alerts(probing);
}

/* One that cannot be handed over since the prober has ended is interrupted with it. */
static void hand_over(void *self, const struct wire_alert_order *order)
{
	const struct probing *probing = self;
	char why[96];

	if (prober_alert(probing->prober, order) != -EMSGSIZE)
		return;
	snprintf(why, sizeof(why), "its document of %zu bytes is too long for sluice-prober",
		 strlen(order->body));
	events_sent(probing->agent->events, order->id, false, why, ways_now_ms());
}

void probing_send_alerts(struct probing *probing)
{
	struct prober_look look;

	prober_look(probing->prober, &look);
	if (look.is_running)
		events_send(probing->agent->events, hand_over, probing, ways_now_ms());
}

static void on_news(void *self, enum prober_news news, const char *sentence)
{
	struct probing *probing = self;
	bool is_well = news == PROBER_STARTED || news == PROBER_STOPPED;

	if (news != PROBER_OTHER) {
		free(probing->problem);
		probing->problem = is_well ? NULL : mem_string(sentence);
		engine_note_prober(probing->agent->engine, is_well);
	}
	if (!is_well && news != PROBER_OTHER) {
		checks_fail(&probing->checks, sentence);
		await_checks(probing);
	}
	if (news != PROBER_STARTED && news != PROBER_OTHER)
		events_unsent(probing->agent->events);
	probing_say_prober(probing->agent, news, sentence);
	if (news == PROBER_STARTED)
		check_awaited(probing);
}

const char *probing_look(const struct probing *probing, struct prober_look *out)
{
	prober_look(probing->prober, out);
	return probing->problem;
}

/* ---- what is probed -------------------------------------------------------------------------- */

/*
 * The way of a probe through the tunnel. Not 0: there is none at the moment, and a socket that is not bound to a device
 * must not be: its packets would go past the tunnel, and come to any backend. -EADDRINUSE: the host would answer.
 */
static int find_way(struct probing *probing, const struct health_probe *probe,
		    struct probe_way *out)
{
	const struct agent *agent = probing->agent;
	const struct model_service *service =
		model_find_service(engine_model(agent->engine), probe->service);
	const struct model_backend *backend =
		service ? model_find_backend(service, &probe->backend) : NULL;
	uint32_t index = engine_backend_index(agent->engine, probe->service, &probe->backend);
	char why[160];
	int err;

	if (!backend || !index)
		return -ENOENT;
	err = tunnel_way(agent->net, engine_config(agent->engine), &probe->address, index,
			 &backend->way, out, why);
	if (err && err != -EHOSTUNREACH)
		stops_note(&probing->stops, probe->service, backend->way.device, why);
	return err;
}

/* One that had a way goes on with that: the kernel may find it again before a probe fails. */
static void keep_former(const struct probing *probing, const struct health_probe *probe,
			struct arena *arena, struct wire_probe *list, size_t *count)
{
	const struct wire_probe *former = prober_find(probing->prober, probe->id);
	struct wire_probe *out = &list[*count];

	if (!former)
		return;
	probe_record(probe, NULL, arena, out);
	out->mark = former->mark;
	out->device = arena_string(arena, former->device);
	out->source = arena_string(arena, former->source);
	++*count;
}

void probing_follow(struct probing *probing)
{
	struct agent *agent = probing->agent;
	struct arena *arena = arena_new();
	const struct health_probe *probes;
	size_t all = health_probes(agent->health, &probes), count = 0;
	struct wire_probe *list = arena_alloc(arena, all * sizeof(*list));
	uint32_t *urgent = mem_array(all, sizeof(*urgent));
	size_t urgent_count = 0;

	for (size_t i = 0; i < all; i++) {
		bool is_direct = probes[i].via == CONFIG_VIA_DIRECT;
		struct probe_way way;
		int err = is_direct ? 0 : find_way(probing, &probes[i], &way);

		if (!err && !prober_find(probing->prober, probes[i].id) &&
		    is_awaited(probing, &probes[i]))
			urgent[urgent_count++] = probes[i].id;
		if (!err)
			probe_record(&probes[i], is_direct ? NULL : &way, arena, &list[count++]);
		else if (err != -EADDRINUSE)
			keep_former(probing, &probes[i], arena, list, &count);
	}
	prober_set(probing->prober, arena, list, count, events_has_sinks(agent->events));
	/* A prober that does not run yet gets them when it does. */
	prober_check(probing->prober, urgent, urgent_count);
	free(urgent);
	stops_say(&probing->stops, agent->events);
}

const char *probing_stopped(const struct probing *probing, const char *service)
{
	return stops_find(&probing->stops, service);
}

/* ---- on demand ------------------------------------------------------------------------------- */

int probing_check(void *self, const char *service, const struct addr *backend,
		  api_probed_function *done, void *arg, struct problems *p)
{
	struct probing *probing = self;
	const struct health_probe *probes[2];
	size_t count = health_probes_of(probing->agent->health, service, backend, probes);
	const char *stopped = stops_find(&probing->stops, service);
	char address[ADDR_TEXT_SIZE];
	uint32_t ids[ARRAY_SIZE(probes)];
	uint64_t longest = 0;

	if (!count)
		return problems_add(p, -ENOENT, "service", service,
				    "has no `health`, so its backends are never probed");
	for (size_t i = 0; i < count; i++) {
		if (!prober_find(probing->prober, probes[i]->id))
			return problems_add(p, -ENETUNREACH, "backend",
					    addr_format(backend, address),
					    "cannot be probed through the tunnel: %s; see "
					    "'sluicectl service show %s'",
					    stopped ? stopped : "there is no way to it", service);
		if (probes[i]->how->timeout_ms > longest)
			longest = probes[i]->how->timeout_ms;
		ids[i] = probes[i]->id;
	}
	if (prober_check(probing->prober, ids, count))
		return problems_add(p, -ENOTCONN, "backend", addr_format(backend, address),
				    "cannot be probed: %s",
				    probing->problem ? probing->problem
						     : "sluice-prober is being started");
	checks_add(&probing->checks, probes, count, ways_now_ms() + longest + CHECK_SLACK_MS, done,
		   arg);
	await_checks(probing);
	return 0;
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void open_timer(struct probing *probing, uv_timer_t *timer)
{
	uv_timer_init(probing->loop, timer);
	timer->data = probing;
	probing->handles++;
}

struct probing *probing_open(struct agent *agent, struct uv_loop_s *loop)
{
	struct probing *probing = mem_alloc(sizeof(*probing));
	const struct prober_spawner spawner = {probing, spawn, end_process};
	const struct prober_host host = {probing, on_result, on_alert, on_news};

	probing->agent = agent;
	probing->loop = loop;
	probing->keeper = (struct healthkeeper){.agent = agent, .stored_ms = ways_now_ms()};
	open_timer(probing, &probing->refresh);
	open_timer(probing, &probing->tick);
	open_timer(probing, &probing->store);
	open_timer(probing, &probing->expire);
	open_timer(probing, &probing->await);
	probing->prober = prober_new(loop, &spawner, &host);
	uv_timer_start(&probing->tick, on_tick, 0, 0);
	uv_timer_start(&probing->store, on_store, STORE_MS, STORE_MS);
	return probing;
}

static void on_closed(uv_handle_t *handle)
{
	struct probing *probing = handle->data;

	if (--probing->handles)
		return;
	free(probing->problem);
	free(probing);
}

void probing_close(struct probing *probing)
{
	if (!probing)
		return;
	if (probing->agent->engine)
		healthkeeper_store(&probing->keeper);
	checks_fail(&probing->checks, "the agent ends");
	prober_close(probing->prober);
	table_free(probing->awaited);
	stops_free(&probing->stops);
	uv_close((uv_handle_t *)&probing->refresh, on_closed);
	uv_close((uv_handle_t *)&probing->tick, on_closed);
	uv_close((uv_handle_t *)&probing->store, on_closed);
	uv_close((uv_handle_t *)&probing->expire, on_closed);
	uv_close((uv_handle_t *)&probing->await, on_closed);
}
