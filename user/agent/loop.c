/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "agent/agent.h"
#include "agent/loop.h"
#include "agent/loop_state.h"
#include "agent/notify.h"
#include "agent/probing.h"
#include "agent/trace.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "net/net.h"

#define GATHER_MS     10 /* from netlink's first news to the answer */
#define GATHER_MAX_MS 1000
#define SHARE	      10   /* answering netlink takes at most one part in so many of our time */
#define PROBE_MS      1000 /* between two looks at the neighbours, and at ourselves */
#define POSTED_MS     20   /* from an event to those who follow */

static void tell_manager(const char *what)
{
	static bool failed;
	int err = notify_send("%s", what);

	if (err && !failed)
		log_warning("NOTIFY_SOCKET: the service manager cannot be told: %s",
			    strerror(-err));
	failed = err != 0;
}

static void tell_ready(const char *summary)
{
	char *ready = mem_format("READY=1\nSTATUS=%s", summary);

	tell_manager(ready);
	free(ready);
}

/* ---- events ---------------------------------------------------------------------------------- */

/* The log has all that is wrong; the event, which operators and sinks see, the first of it. */
static void say_refused(const struct loop *loop, const struct problems *p)
{
	char *why = p->count ? problem_text(&p->list[0]) : NULL;

	event_say(loop->agent->events,
		  (struct event){.kind = EVENT_reload_refused,
				 .attributes = {{"file", loop->agent->options.config}}},
		  "%s is refused: the configuration of revision %llu stays in force: %s",
		  loop->agent->options.config,
		  (unsigned long long)engine_revision(loop->agent->engine),
		  why ?: "no reason known");
	free(why);
}

static void on_reload(uv_signal_t *signal, int number)
{
	struct loop *loop = signal->data;
	struct problems p = {};

	(void)number;
	if (notify_reloading())
		log_debug("the service manager did not hear of the reload");
	if (agent_reload(loop->agent, &p)) {
		log_problems(LOG_LEVEL_ERROR, &p);
		say_refused(loop, &p);
		tell_manager("READY=1\nSTATUS=the last reload was refused; see the log");
	} else {
		char *summary = agent_summary(loop->agent);

		tell_ready(summary);
		free(summary);
	}
	probing_follow(loop->agent->probing);
	problems_free(&p);
}

static void on_end(uv_signal_t *signal, int number)
{
	struct loop *loop = signal->data;

	log_info("%s: ends", number == SIGTERM ? "SIGTERM" : "SIGINT");
	uv_stop(&loop->uv);
	loop->is_ending = true;
}

/* Reads netlink's news; returns whether there is something to answer. */
static bool take_news(struct loop *loop)
{
	struct problems p = {};
	int changed = agent_net_input(loop->agent, &p);

	loop->is_net_behind = changed < 0;
	log_and_free_problems(LOG_LEVEL_ERROR, &p);
	return changed;
}

static void on_gathered(uv_timer_t *timer);
static void on_net(uv_poll_t *poll, int status, int events);

static void gather(struct loop *loop)
{
	if (!uv_is_active((uv_handle_t *)&loop->gather))
		uv_timer_start(&loop->gather, on_gathered,
			       loop->is_net_behind ? GATHER_MAX_MS : loop->gather_ms, 0);
}

/* A router that changes routes all the time must not take all of the agent's. */
static void on_gathered(uv_timer_t *timer)
{
	struct loop *loop = timer->data;
	struct problems p = {};
	uint64_t start = ways_now_ms(), next_ms;

	if (loop->is_net_behind && take_news(loop))
		gather(loop);
	if (!loop->is_net_behind)
		uv_poll_start(&loop->net, UV_READABLE, on_net);
	agent_refresh(loop->agent, &p);
	agent_set_tunnel(loop->agent,
			 NULL); /* what fails there is seen, and said once, by repair.c */
	probing_follow(loop->agent->probing);
	log_and_free_problems(LOG_LEVEL_ERROR, &p);
	next_ms = GATHER_MS + (SHARE - 1) * (ways_now_ms() - start);
	loop->gather_ms = next_ms < GATHER_MAX_MS ? next_ms : GATHER_MAX_MS;
}

static void on_net(uv_poll_t *poll, int status, int events)
{
	struct loop *loop = poll->data;

	(void)events;
	if (status)
		log_error("netlink cannot be watched: %s", uv_strerror(status));
	if (take_news(loop))
		gather(loop);
	/* What cannot be read stays readable, and would call us at once again. */
	if (loop->is_net_behind)
		uv_poll_stop(&loop->net);
}

static void on_tick(uv_timer_t *timer)
{
	struct loop *loop = timer->data;

	engine_tick(loop->agent->engine, ways_now_ms());
}

/* Before the loop waits: whatever was done may have made the engine's next tick sooner. */
static void on_sleep(uv_prepare_t *sleep)
{
	struct loop *loop = sleep->data;

	uv_update_time(&loop->uv);
	uv_timer_start(&loop->tick, on_tick, engine_due(loop->agent->engine, ways_now_ms()), 0);
}

static void on_probe(uv_timer_t *timer)
{
	struct loop *loop = timer->data;

	if (ways_probe(loop->agent->net, engine_model(loop->agent->engine), ways_now_ms()))
		gather(loop);
	repair_run(loop->agent, ways_now_ms());
	doubts_settle(loop->agent, ways_now_ms());
	probing_send_alerts(loop->agent->probing);
	api_followers_answer(&loop->api, ways_now_ms());
}

/* What comes in one moment goes out together. */
static void on_posted(uv_timer_t *timer)
{
	struct loop *loop = timer->data;

	probing_send_alerts(loop->agent->probing);
	api_followers_answer(&loop->api, ways_now_ms());
}

static void posted(void *self)
{
	struct loop *loop = self;

	if (!uv_is_active((uv_handle_t *)&loop->posted))
		uv_timer_start(&loop->posted, on_posted, POSTED_MS, 0);
}

/* ---- the loop itself ------------------------------------------------------------------------- */

static int watch_signal(struct loop *loop, uv_signal_t *signal, uv_signal_cb on_signal, int number)
{
	uv_signal_init(&loop->uv, signal);
	signal->data = loop;
	return uv_signal_start(signal, on_signal, number);
}

static void init_timer(struct loop *loop, uv_timer_t *timer)
{
	uv_timer_init(&loop->uv, timer);
	timer->data = loop;
}

static int watch(struct loop *loop, struct problems *p)
{
	int err;

	init_timer(loop, &loop->gather);
	init_timer(loop, &loop->tick);
	init_timer(loop, &loop->probe);
	init_timer(loop, &loop->end);
	init_timer(loop, &loop->posted);
	err = uv_poll_init(&loop->uv, &loop->net, net_fd(loop->agent->net));
	loop->net.data = loop;
	if (!err)
		err = uv_poll_start(&loop->net, UV_READABLE, on_net);
	if (!err)
		err = watch_signal(loop, &loop->reload, on_reload, SIGHUP);
	if (!err)
		err = watch_signal(loop, &loop->terminate, on_end, SIGTERM);
	if (!err)
		err = watch_signal(loop, &loop->interrupt, on_end, SIGINT);
	if (err)
		return problems_add(p, err, "event loop", NULL, "%s", uv_strerror(err));
	uv_prepare_init(&loop->uv, &loop->sleep);
	loop->sleep.data = loop;
	uv_prepare_start(&loop->sleep, on_sleep);
	uv_timer_start(&loop->probe, on_probe, PROBE_MS, PROBE_MS);
	loop->agent->probing = probing_open(loop->agent, &loop->uv);
	loop->trace = trace_open(loop->agent, &loop->uv);
	return api_server_open(&loop->uv, loop->agent->options.socket, &loop->api, &loop->server,
			       p);
}

int loop_open(struct agent *agent, struct loop **out, struct problems *p)
{
	struct loop *loop = mem_alloc(sizeof(*loop));
	int err = uv_loop_init(&loop->uv);

	if (err) {
		problems_add(p, err, "event loop", NULL, "%s", uv_strerror(err));
		free(loop);
		return err;
	}
	loop->agent = agent;
	loop->gather_ms = GATHER_MS;
	loop->api = (struct api){
		.engine = agent->engine,
		.health = agent->health,
		.host = loop_host(loop),
		.started_at_ms = ways_now_ms(),
		.history = events_history(agent->events),
		.followers = api_followers_new(),
	};
	err = watch(loop, p);
	if (!err)
		events_listen(agent->events, posted, loop);
	if (err)
		loop_close(loop);
	else
		*out = loop;
	return err;
}

static void on_ready(void *self)
{
	const struct loop *loop = self;
	char *summary = agent_summary(loop->agent);

	log_info("ready: %s", summary);
	tell_ready(summary);
	free(summary);
}

/* Who waits for us, to announce addresses say, is told when backends whose health was not known have been probed. */
static void begin(struct loop *loop)
{
	struct probing *probing = loop->agent->probing;

	probing_follow(probing);
	if (dataplane_adopted(loop->agent->dp)) {
		on_ready(loop);
		return;
	}
	if (probing_bound_ms(probing)) {
		char *extend = mem_format("EXTEND_TIMEOUT_USEC=%u",
					  (probing_bound_ms(probing) + 1000) * 1000);

		tell_manager(extend);
		free(extend);
	}
	probing_await(probing, on_ready, loop);
}

bool loop_run(struct loop *loop)
{
	begin(loop);
	while (!loop->is_ending)
		uv_run(&loop->uv, UV_RUN_DEFAULT);
	tell_manager("STOPPING=1");
	return loop->is_down || loop->agent->options.detach_on_exit;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	const struct loop *loop = arg;
	const uv_handle_t *const own[] = {
		(uv_handle_t *)&loop->reload,	 (uv_handle_t *)&loop->terminate,
		(uv_handle_t *)&loop->interrupt, (uv_handle_t *)&loop->net,
		(uv_handle_t *)&loop->gather,	 (uv_handle_t *)&loop->tick,
		(uv_handle_t *)&loop->probe,	 (uv_handle_t *)&loop->end,
		(uv_handle_t *)&loop->sleep,	 (uv_handle_t *)&loop->posted,
	};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (handle == own[i] && !uv_is_closing(handle))
			uv_close(handle, NULL);
}

void loop_close(struct loop *loop)
{
	if (!loop)
		return;
	/* Before the server: who waits for a check gets an answer. */
	probing_close(loop->agent->probing);
	loop->agent->probing = NULL;
	trace_close(loop->trace);
	loop->trace = NULL;
	/* Those that were initialized; others close their own. */
	uv_walk(&loop->uv, close_handle, loop);
	api_followers_end(&loop->api);
	events_listen(loop->agent->events, NULL, NULL);
	if (loop->server)
		api_server_close(loop->server);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	if (uv_loop_close(&loop->uv))
		log_warning("event loop: something is still open at the end");
	free(loop);
}
