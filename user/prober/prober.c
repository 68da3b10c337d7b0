/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/table.h"
#include "prober/channel.h"
#include "prober/prober.h"
#include "prober/process.h"
#include "prober/run.h"
#include "prober/web.h"
#include "wire/prober.h"

#define PROGRAMS_MAX 32 /* of exec probes at once */
#define ALERTS_MAX   16
#define LATE_MS	     100 /* a start that is held back for so long is told */

struct prober {
	uv_loop_t *loop;
	uv_prepare_t prepare;
	uv_timer_t timer;
	uint64_t timer_ms; /* when it fires; UINT64_MAX: it does not */
	struct channel *channel;
	struct schedule *schedule;
	struct table *probes; /* by id; those that run once are in none */
	struct run_host host;
	void (*on_wrong)(const struct problems *p);
};

struct probe {
	struct schedule_item item; /* first: the schedule gives it back */
	struct prober *prober;
	struct spec *spec;
	struct run run;
	bool is_alert;
};

static uint64_t now_us(void)
{
	return uv_hrtime() / 1000;
}

static uint64_t now_ms(void)
{
	return uv_hrtime() / 1000000;
}

/* ---- one probe ------------------------------------------------------------------------------- */

static void free_probe(struct probe *probe)
{
	spec_drop(probe->spec);
	free(probe);
}

static const char *class_name(enum schedule_class class)
{
	static const char *const names[SCHEDULE_CLASSES] = {
		[SCHEDULE_SOCKET] = "sockets",
		[SCHEDULE_PROCESS] = "programs",
		[SCHEDULE_ALERT] = "alerts",
	};

	return names[class];
}

/* What is said of a run that had to wait for its start. */
static const char *with_delay(const struct probe *probe, const char *what,
			      char text[RUN_WHAT_SIZE + 96])
{
	if (probe->item.late_ms < LATE_MS)
		return what;
	snprintf(text, RUN_WHAT_SIZE + 96,
		 "%s%s(started %" PRIu64 " ms late: at most %u %s at once)", what,
		 what[0] ? " " : "", probe->item.late_ms,
		 schedule_limit(probe->prober->schedule, probe->item.class),
		 class_name(probe->item.class));
	return text;
}

static void on_end(struct run *run, bool ok, const char *what)
{
	struct probe *probe = (struct probe *)((char *)run - offsetof(struct probe, run));
	struct prober *prober = probe->prober;
	char text[RUN_WHAT_SIZE + 96];
	uint64_t now = now_ms();

	what = with_delay(probe, what, text);
	if (probe->is_alert)
		channel_alert(prober->channel, probe->spec->id, ok, what, now);
	else
		channel_result(prober->channel, probe->spec->id, ok, probe->item.once,
			       now_us() - run->started_us, what, now);
	schedule_done(prober->schedule, &probe->item, ok, now);
	if (probe->item.once)
		free_probe(probe);
}

/* Takes the spec over. */
static struct probe *add(struct prober *prober, struct spec *spec, bool once, bool is_alert)
{
	struct probe *probe = mem_alloc(sizeof(*probe));

	probe->prober = prober;
	probe->spec = spec;
	probe->is_alert = is_alert;
	probe->item.key = spec->id;
	probe->item.interval_ms = spec->interval_ms;
	probe->item.timeout_ms = spec->timeout_ms;
	probe->item.retry_ms = spec->retry_ms;
	probe->item.class = run_class(spec);
	probe->item.once = once;
	run_init(&probe->run, spec, &prober->host, on_end);
	schedule_add(prober->schedule, &probe->item, now_ms());
	return probe;
}

/* ---- orders ---------------------------------------------------------------------------------- */

static void remove_probe(struct prober *prober, uint32_t id)
{
	struct probe *probe = table_remove(prober->probes, &id, sizeof(id));

	if (!probe)
		return;
	run_stop(&probe->run);
	schedule_remove(prober->schedule, &probe->item);
	free_probe(probe);
}

/* Reported, too, so that whoever looks at the backend learns why nothing is known of it. */
static void refuse(struct prober *prober, uint64_t id, bool is_alert, struct problems *p)
{
	char *text = problem_text(&p->list[0]);

	prober->on_wrong(p);
	if (is_alert)
		channel_alert(prober->channel, (uint32_t)id, false, text, now_ms());
	else if (id <= UINT32_MAX)
		channel_result(prober->channel, (uint32_t)id, false, false, 0, text, now_ms());
	free(text);
	problems_free(p);
}

static void set_probe(struct prober *prober, const struct wire_probe *record)
{
	struct problems p = {};
	struct spec *spec;
	uint32_t id;

	if (spec_from_probe(record, &spec, &p)) {
		refuse(prober, record->id, false, &p);
		return;
	}
	id = spec->id;
	remove_probe(prober, id);
	table_set(prober->probes, &id, sizeof(id), add(prober, spec, false, false));
}

static void check_probe(struct prober *prober, uint64_t id)
{
	uint32_t key = (uint32_t)id;
	const struct probe *probe = table_get(prober->probes, &key, sizeof(key));

	if (probe && id == key)
		add(prober, spec_hold(probe->spec), true, false);
	else
		channel_result(prober->channel, key, false, true, 0,
			       "there is no probe of this id any more", now_ms());
}

static void send_alert(struct prober *prober, const struct wire_alert_order *record)
{
	struct problems p = {};
	struct spec *spec;

	if (spec_from_alert(record, &spec, &p))
		refuse(prober, record->id, true, &p);
	else
		add(prober, spec, true, true);
}

static void on_order(void *self, const struct wire_order *order)
{
	struct prober *prober = self;

	for (size_t i = 0; i < order->remove.count; i++)
		if (order->remove.list[i] <= UINT32_MAX)
			remove_probe(prober, (uint32_t)order->remove.list[i]);
	for (size_t i = 0; i < order->set.count; i++)
		set_probe(prober, &order->set.list[i]);
	for (size_t i = 0; i < order->check.count; i++)
		check_probe(prober, order->check.list[i]);
	for (size_t i = 0; i < order->alerts.count; i++)
		send_alert(prober, &order->alerts.list[i]);
	if (order->ping)
		channel_pong(prober->channel, order->ping);
}

static void on_wrong(void *self, const struct problems *p)
{
	struct prober *prober = self;

	prober->on_wrong(p);
}

static void on_closed(void *self)
{
	struct prober *prober = self;

	uv_stop(prober->loop);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
	struct prober *prober = timer->data;

	prober->timer_ms = UINT64_MAX; /* what it woke us for is done by on_prepare() */
}

static void wake_in(struct prober *prober, uint64_t now, uint64_t wait_ms)
{
	uint64_t at_ms = wait_ms == UINT64_MAX ? UINT64_MAX : now + wait_ms;

	if (at_ms == prober->timer_ms)
		return;
	prober->timer_ms = at_ms;
	if (at_ms == UINT64_MAX) {
		uv_timer_stop(&prober->timer);
		return;
	}
	uv_update_time(prober->loop); /* else the timer counts from when this turn began */
	uv_timer_start(&prober->timer, on_timer, wait_ms, 0);
}

/* All that is due, before the loop waits again. */
static void on_prepare(uv_prepare_t *prepare)
{
	struct prober *prober = prepare->data;
	uint64_t now = now_ms(), wait_ms = UINT64_MAX, flush_ms;
	struct schedule_item *item;
	enum schedule_action action;

	/* While the agent reads nothing, nothing starts: its reading wakes us. */
	if (!channel_is_behind(prober->channel)) {
		while ((action = schedule_next(prober->schedule, now, &item)) != SCHEDULE_NOTHING) {
			struct probe *probe = (struct probe *)item;

			if (action == SCHEDULE_START)
				run_start(&probe->run, now_us());
			else
				run_give_up(&probe->run);
		}
		wait_ms = schedule_wait_ms(prober->schedule, now);
	}
	flush_ms = channel_flush(prober->channel, now_ms());
	wake_in(prober, now, flush_ms < wait_ms ? flush_ms : wait_ms);
}

static int open_host(struct prober *prober, struct problems *p)
{
	struct run_host *host = &prober->host;
	int err = watcher_open(prober->loop, &host->watcher);

	host->loop = prober->loop;
	if (err)
		return problems_add(p, err, "epoll", NULL, "%s", uv_strerror(err));
	err = processes_open(prober->loop, host->watcher, &host->processes);
	if (err)
		return problems_add(p, err, "subreaper", NULL, "%s", uv_strerror(err));
	err = web_open(prober->loop, host->watcher, &host->web);
	if (!err)
		err = web_open(prober->loop, host->watcher, &host->other_web);
	return err ? problems_add(p, err, "libcurl", NULL, "cannot be initialised") : 0;
}

int prober_open(uv_loop_t *loop, const struct prober_options *options, struct prober **out,
		struct problems *p)
{
	const unsigned int limits[SCHEDULE_CLASSES] = {
		[SCHEDULE_SOCKET] = options->sockets_max,
		[SCHEDULE_PROCESS] = PROGRAMS_MAX,
		[SCHEDULE_ALERT] = ALERTS_MAX,
	};
	struct prober *prober = mem_alloc(sizeof(*prober));
	struct channel_events events = {on_order, on_wrong, on_closed, prober};
	int err;

	prober->loop = loop;
	prober->on_wrong = options->on_wrong;
	prober->timer_ms = UINT64_MAX;
	err = open_host(prober, p);
	if (err)
		return err; /* the program ends */
	prober->schedule = schedule_new(limits, options->seed);
	prober->probes = table_new();
	uv_timer_init(loop, &prober->timer);
	uv_prepare_init(loop, &prober->prepare);
	prober->timer.data = prober->prepare.data = prober;
	uv_prepare_start(&prober->prepare, on_prepare);
	err = channel_open(loop, options->fd, &events, &prober->channel);
	if (err)
		return problems_add(p, err, "channel", NULL, "%s", uv_strerror(err));
	*out = prober;
	return 0;
}

void prober_run(struct prober *prober)
{
	uv_run(prober->loop, UV_RUN_DEFAULT);
	processes_end(prober->host.processes);
}
