/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "alert/sink.h"
#include "base/mem.h"
#include "base/table.h"
#include "base/text.h"

#define NEVER UINT64_MAX

/* ---- what is open ---------------------------------------------------------------------------- */

/* The kind and the subject, so that a condition is found again. */
static char *key_of(enum event_kind kind, const struct event *about, size_t *length)
{
	bool has_service = about->service || about->backend;
	const char *const parts[] = {
		event_kind_name(kind),
		about->service,
		about->backend,
		has_service ? NULL : about->device,
		has_service ? NULL : about->check,
	};
	struct text key = {};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		text_add_bytes(&key, parts[i] ? parts[i] : "", parts[i] ? strlen(parts[i]) + 1 : 1);
	*length = key.length;
	return key.data;
}

static void note_due(struct sink *sink, uint64_t due_ms)
{
	if (due_ms < sink->due_ms)
		sink->due_ms = due_ms;
}

/* Takes over the key and the id. */
static struct open *open_new(struct sink *sink, const struct event *event, char *key,
			     size_t key_length, char *id, uint64_t now_ms)
{
	struct open *open = mem_alloc(sizeof(*open));

	*open = (struct open){
		.next = sink->opens,
		.at = &sink->opens,
		.key = key,
		.key_length = key_length,
		.event = event_copy(event),
		.id = id,
		.since_ms = now_ms,
		.lasts = event_is_condition(event->kind),
	};
	open->due_ms = now_ms + (open->lasts ? sink->config.hold_ms : 0);
	if (open->next)
		open->next->at = &open->next;
	sink->opens = open;
	sink->open_count++;
	table_set(sink->by_key, key, key_length, open);
	note_due(sink, open->due_ms);
	sink->has_changed = true;
	return open;
}

static void open_free(struct sink *sink, struct open *open)
{
	*open->at = open->next;
	if (open->next)
		open->next->at = open->at;
	sink->open_count--;
	table_remove(sink->by_key, open->key, open->key_length);
	sink->has_changed = true;
	event_free(open->event);
	free(open->key);
	free(open->id);
	free(open);
}

struct open *sink_find(const struct sink *sink, enum event_kind kind, const struct event *about)
{
	size_t length;
	char *key = key_of(kind, about, &length);
	struct open *open = table_get(sink->by_key, key, length);

	free(key);
	return open;
}

void sink_reopen(struct sink *sink, const struct event *event, const char *id, bool is_told,
		 uint64_t since_ms, uint64_t repeats)
{
	struct open *open;
	size_t length;
	char *key;

	if (sink->open_count == ALERT_CONDITIONS_MAX || sink_find(sink, event->kind, event) ||
	    (!is_told && event_level(event->kind) > sink->config.level))
		return;
	key = key_of(event->kind, event, &length);
	open = open_new(sink, event, key, length, mem_string(id), since_ms);
	open->is_told = is_told;
	open->repeats = repeats;
	open->is_doubtful = true;
	if (is_told)
		open->due_ms = NEVER;
}

/* ---- sinks ----------------------------------------------------------------------------------- */

static void free_config(struct alert_sink *config)
{
	free((char *)config->target);
	free((char *)config->name);
	free((char *)config->secret_file);
	free((char *)config->ca_file);
}

/* Of a URL, who is asked: its user, path and query are often the secret that lets one in. */
static char *name_of(const struct alert_sink *config)
{
	const char *host = strstr(config->target, "://"), *end;
	int scheme;

	if (config->kind == ALERT_EXEC || !host)
		return mem_string(config->target);
	host += 3;
	scheme = (int)(host - config->target);
	end = host + strcspn(host, "/?#");
	for (const char *c = host; c < end; c++)
		if (*c == '@')
			host = c + 1;
	return mem_format("%.*s%.*s%s", scheme, config->target, (int)(end - host), host,
			  strlen(end) > 1 ? "/..." : "");
}

void sink_configure(struct sink *sink, const struct alert_sink *config)
{
	struct alert_sink next = *config;

	next.target = mem_string(config->target);
	next.name = name_of(config);
	next.secret_file = mem_string(config->secret_file);
	next.ca_file = mem_string(config->ca_file);
	free_config(&sink->config);
	sink->config = next;
}

struct sink *sink_new(const struct alert_sink *config)
{
	struct sink *sink = mem_alloc(sizeof(*sink));

	sink_configure(sink, config);
	sink->by_key = table_new();
	sink->due_ms = NEVER;
	sink->queue_end = &sink->queue;
	return sink;
}

void sink_free(struct sink *sink)
{
	while (sink->opens)
		open_free(sink, sink->opens);
	table_free(sink->by_key);
	queue_free(sink);
	free_config(&sink->config);
	free(sink->failure);
	free(sink);
}

struct alerts *alerts_new(const char *host, uint64_t run)
{
	struct alerts *alerts = mem_alloc(sizeof(*alerts));

	alerts->host = mem_string(host);
	alerts->run = run;
	alerts->chance = run | 1;
	return alerts;
}

void alerts_free(struct alerts *alerts)
{
	if (!alerts)
		return;
	for (size_t i = 0; i < alerts->count; i++)
		sink_free(alerts->sinks[i]);
	free(alerts->sinks);
	free(alerts->host);
	free(alerts->why);
	free(alerts);
}

/* Takes the sink of this kind and target out of the list; NULL: there is none. */
static struct sink *take(struct alerts *alerts, const struct alert_sink *config)
{
	for (size_t i = 0; i < alerts->count; i++) {
		struct sink *sink = alerts->sinks[i];

		if (!sink || sink->config.kind != config->kind ||
		    strcmp(sink->config.target, config->target))
			continue;
		alerts->sinks[i] = NULL;
		return sink;
	}
	return NULL;
}

void alerts_configure(struct alerts *alerts, const struct alert_sink *list, size_t count)
{
	struct sink **next = mem_array(count + 1, sizeof(*next));

	for (size_t i = 0; i < count; i++) {
		next[i] = take(alerts, &list[i]);
		if (next[i])
			sink_configure(next[i], &list[i]);
		else
			next[i] = sink_new(&list[i]);
	}
	for (size_t i = 0; i < alerts->count; i++)
		if (alerts->sinks[i])
			sink_free(alerts->sinks[i]);
	free(alerts->sinks);
	alerts->has_changed |= count || alerts->count;
	alerts->sinks = next;
	alerts->count = count;
}

/* ---- telling --------------------------------------------------------------------------------- */

/* `event` is the one to show: of what is resolved the one that ended it. */
static void tell(struct sink *sink, const struct open *open, enum alert_state state,
		 const struct event *event, uint64_t now_ms)
{
	struct queued *queued = mem_alloc(sizeof(*queued));

	*queued = (struct queued){
		.state = state,
		.alert = open->event->kind,
		.id = mem_string(open->id),
		.repeats = open->repeats,
		.lasted_ms = state == ALERT_RESOLVED ? now_ms - open->since_ms : 0,
		.event = event_copy(event),
	};
	queue_add(sink, queued);
}

/* Whether something was open that is over by this event. */
static bool end(struct sink *sink, const struct event *event, uint64_t now_ms)
{
	uint64_t ends = event_ends(event->kind);
	bool is_any = false;

	for (enum event_kind kind = 0; kind < EVENT_KINDS; kind++) {
		struct open *open;

		if (!(ends & UINT64_C(1) << kind))
			continue;
		open = sink_find(sink, kind, event);
		if (!open)
			continue;
		if (open->is_told)
			tell(sink, open, ALERT_RESOLVED, event, now_ms);
		open_free(sink, open);
		is_any = true;
	}
	return is_any;
}

/* Its moment has come: it is told, or was told and has been quiet since. */
static void do_due(struct sink *sink, struct open *open, uint64_t now_ms)
{
	if (!open->lasts && open->is_told && !open->repeats) {
		open_free(sink, open);
		return;
	}
	tell(sink, open, open->lasts ? ALERT_FIRING : ALERT_NOTICE, open->event, now_ms);
	open->is_told = true;
	open->repeats = 0;
	open->due_ms = open->lasts ? NEVER : now_ms + ALERT_REPEAT_MS;
	note_due(sink, open->due_ms);
}

static void do_all_due(struct sink *sink, uint64_t now_ms)
{
	struct open *open, *next;

	if (now_ms < sink->due_ms)
		return;
	sink->due_ms = NEVER;
	for (open = sink->opens; open; open = next) {
		next = open->next;
		if (open->due_ms <= now_ms)
			do_due(sink, open, now_ms);
		else
			note_due(sink, open->due_ms);
	}
}

static void consider(const struct alerts *alerts, struct sink *sink, const struct event *event,
		     uint64_t now_ms)
{
	struct open *open;
	size_t length;
	char *key;

	if (end(sink, event, now_ms) || event_level(event->kind) > sink->config.level)
		return;
	key = key_of(event->kind, event, &length);
	open = table_get(sink->by_key, key, length);
	if (open) {
		event_free(open->event);
		open->event = event_copy(event);
		open->repeats++;
		open->is_doubtful = false;
		free(key);
	} else if (sink->open_count == ALERT_CONDITIONS_MAX) {
		sink->losses[LOSS_OPEN]++;
		sink->lost++;
		free(key);
	} else {
		open = open_new(sink, event, key, length,
				mem_format("%" PRIu64 "-%" PRIu64, alerts->run, event->seq),
				now_ms);
		if (open->due_ms <= now_ms)
			do_due(sink, open, now_ms);
	}
}

void alerts_event(struct alerts *alerts, const struct event *event, uint64_t now_ms)
{
	/* One that made alerts of its own would not end. */
	for (size_t i = 0; i < alerts->count && event->kind != EVENT_alert_lost; i++)
		consider(alerts, alerts->sinks[i], event, now_ms);
}

/* ---- sending --------------------------------------------------------------------------------- */

bool alerts_next(struct alerts *alerts, uint64_t now_ms, struct alert_try *out)
{
	for (size_t i = 0; i < alerts->count; i++) {
		struct sink *sink = alerts->sinks[i];
		const char *body;

		do_all_due(sink, now_ms);
		body = queue_due(sink, alerts->host, now_ms);
		if (!body)
			continue;
		alerts->last_id += alerts->last_id == UINT32_MAX ? 2 : 1; /* 0 is no try */
		sink->under_way = alerts->last_id;
		*out = (struct alert_try){sink->under_way, &sink->config, body};
		return true;
	}
	return false;
}

/* xorshift64 (Marsaglia 2003). */
static uint64_t next_chance(struct alerts *alerts)
{
	alerts->chance ^= alerts->chance << 13;
	alerts->chance ^= alerts->chance >> 7;
	alerts->chance ^= alerts->chance << 17;
	return alerts->chance;
}

void alerts_result(struct alerts *alerts, uint32_t id, bool ok, const char *what, uint64_t now_ms)
{
	for (size_t i = 0; i < alerts->count && id; i++)
		if (alerts->sinks[i]->under_way == id)
			queue_result(alerts->sinks[i], ok, what, next_chance(alerts), now_ms);
}

void alerts_interrupted(struct alerts *alerts)
{
	for (size_t i = 0; i < alerts->count; i++)
		alerts->sinks[i]->under_way = 0;
}

uint32_t alerts_wait_ms(const struct alerts *alerts, uint64_t now_ms)
{
	uint64_t due_ms = NEVER;

	for (size_t i = 0; i < alerts->count; i++) {
		const struct sink *sink = alerts->sinks[i];
		uint64_t queue_ms = queue_due_ms(sink);

		due_ms = sink->due_ms < due_ms ? sink->due_ms : due_ms;
		due_ms = queue_ms < due_ms ? queue_ms : due_ms;
	}
	if (due_ms == NEVER)
		return UINT32_MAX;
	if (due_ms <= now_ms)
		return 0;
	return due_ms - now_ms < UINT32_MAX ? due_ms - now_ms : UINT32_MAX - 1;
}

/* ---- looking --------------------------------------------------------------------------------- */

static char *why_text(const struct sink *sink, enum loss loss)
{
	static const char *const texts[LOSSES] = {
		[LOSS_OPEN] = "too many conditions are open at once",
		[LOSS_QUEUE] = "more came than it takes",
	};

	if (loss != LOSS_TRIES)
		return mem_string(texts[loss]);
	return mem_format("each failed %d times, the last time: %s", ALERT_TRIES,
			  sink->failure ? sink->failure : "it does not fail any more");
}

bool alerts_lost(struct alerts *alerts, struct alert_loss *out)
{
	for (size_t i = 0; i < alerts->count; i++) {
		struct sink *sink = alerts->sinks[i];

		for (enum loss loss = 0; loss < LOSSES; loss++) {
			if (!sink->losses[loss])
				continue;
			free(alerts->why);
			alerts->why = why_text(sink, loss);
			*out = (struct alert_loss){&sink->config, sink->losses[loss], alerts->why};
			sink->losses[loss] = 0;
			return true;
		}
	}
	return false;
}

bool alerts_look(const struct alerts *alerts, size_t index, struct alert_look *out)
{
	const struct sink *sink;

	if (index >= alerts->count)
		return false;
	sink = alerts->sinks[index];
	*out = (struct alert_look){
		.sink = &sink->config,
		.queued = sink->queued,
		.conditions = sink->open_count,
		.sent = sink->sent,
		.failed = sink->failed,
		.lost = sink->lost,
		.failure = sink->failure,
	};
	return true;
}
