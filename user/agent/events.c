/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/events.h"
#include "agent/ways.h"
#include "alert/history.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "config/config.h"
#include "core/key.h"
#include "core/signature.h"
#include "wire/prober.h"

#define SECRET_MAX     4096  /* bytes of a secret-file */
#define TELL_LOSSES_MS 60000 /* between two events of lost alerts */

struct events {
	struct history *history;
	struct alerts *alerts;
	uint64_t losses_told_ms; /* 0: never */
	void (*posted)(void *self);
	void *self;
};

static uint64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * UINT64_C(1000) + now.tv_nsec / 1000000;
}

struct events *events_new(void)
{
	struct events *events = mem_alloc(sizeof(*events));
	uint64_t run = wall_ms();
	char host[256] = "";

	if (gethostname(host, sizeof(host) - 1))
		strcpy(host, "unknown");
	events->history = history_new(run);
	events->alerts = alerts_new(host, run);
	return events;
}

void events_free(struct events *events)
{
	if (!events)
		return;
	history_free(events->history);
	alerts_free(events->alerts);
	free(events);
}

void events_listen(struct events *events, void (*posted)(void *self), void *self)
{
	events->posted = posted;
	events->self = self;
}

const struct history *events_history(const struct events *events)
{
	return events->history;
}

struct alerts *events_alerts(struct events *events)
{
	return events->alerts;
}

/* ---- posting --------------------------------------------------------------------------------- */

static void log_it(const struct event *event)
{
	static const enum log_level levels[] = {
		[EVENT_ERROR] = LOG_LEVEL_ERROR,
		[EVENT_WARNING] = LOG_LEVEL_WARNING,
		[EVENT_INFO] = LOG_LEVEL_INFO,
	};
	const struct log_field fields[] = {
		{"SLUICE_EVENT", event_kind_name(event->kind)},
		{"SLUICE_SERVICE", event->service},
		{"SLUICE_BACKEND", event->backend},
		{"SLUICE_DEVICE", event->device},
		{"SLUICE_CHECK", event->check},
	};
	struct arena *arena = arena_new();
	struct wire_event document;
	char *line;

	event_document(event, arena, &document);
	line = wire_encode_reply(WIRE_KIND_event, &document);
	log_event(levels[event_level(event->kind)], event->text, line, fields, ARRAY_SIZE(fields));
	free(line);
	arena_free(arena);
}

void event_post(struct events *events, const struct event *event)
{
	struct event alone = *event;
	const struct event *kept;

	alone.wall_ms = wall_ms();
	kept = events ? history_add(events->history, event, alone.wall_ms) : &alone;
	if (!event->is_quiet)
		log_it(kept);
	if (!events)
		return;
	alerts_event(events->alerts, kept, ways_now_ms());
	if (events->posted)
		events->posted(events->self);
}

void event_say(struct events *events, struct event event, const char *sentence, ...)
{
	va_list args;
	char *text;

	va_start(args, sentence);
	text = mem_vformat(sentence, args);
	va_end(args);
	event.text = text;
	event_post(events, &event);
	free(text);
}

/* ---- alerts ---------------------------------------------------------------------------------- */

static enum event_level level_of(enum log_level level)
{
	return level == LOG_LEVEL_ERROR	    ? EVENT_ERROR
	       : level == LOG_LEVEL_WARNING ? EVENT_WARNING
					    : EVENT_INFO;
}

void events_configure(struct events *events, const struct config *config)
{
	struct alert_sink *list = mem_array(config->alert_count + 1, sizeof(*list));

	for (size_t i = 0; i < config->alert_count; i++) {
		const struct config_alert *alert = &config->alerts[i];

		list[i] = (struct alert_sink){
			.kind = alert->exec ? ALERT_EXEC : ALERT_WEBHOOK,
			.target = alert->exec ? alert->exec : alert->webhook,
			.secret_file = alert->secret_file,
			.ca_file = alert->ca_file,
			.hold_ms = alert->hold_ms,
			.timeout_ms = alert->timeout_ms,
			.level = level_of(alert->level),
		};
	}
	alerts_configure(events->alerts, list, config->alert_count);
	free(list);
}

bool events_has_sinks(const struct events *events)
{
	struct alert_look look;

	return alerts_look(events->alerts, 0, &look);
}

bool events_look_at_sink(const struct events *events, size_t index, struct alert_look *out)
{
	return alerts_look(events->alerts, index, out);
}

/*
 * Read for each try, so that a new secret needs no reload. Returns 0 and the header's value, or why there is none, of
 * which the caller frees the memory.
 */
static char *sign(const struct alert_try *try, char out[SIGNATURE_SIZE])
{
	struct problems p = {};
	char *secret, *why = NULL;
	struct stat is;
	size_t length;

	/* A pipe would have the agent wait for somebody who writes. */
	if (stat(try->sink->secret_file, &is) == 0 && !S_ISREG(is.st_mode))
		return mem_format("secret-file: %s: is no regular file; write the secret into one",
				  try->sink->secret_file);
	if (file_read(try->sink->secret_file, SECRET_MAX, &secret, &length, &p)) {
		char *text = problem_text(&p.list[0]);

		why = mem_format("secret-file: %s", text);
		free(text);
		problems_free(&p);
		return why;
	}
	while (length && (secret[length - 1] == '\n' || secret[length - 1] == '\r'))
		length--;
	if (length)
		signature_make(secret, length, wall_ms() / 1000, try->body, out);
	else
		why = mem_format("secret-file: %s: is empty; write the secret into it",
				 try->sink->secret_file);
	key_wipe(secret, length);
	free(secret);
	return why;
}

static void tell_losses(struct events *events, uint64_t now_ms)
{
	struct alert_loss loss;

	if (events->losses_told_ms && now_ms - events->losses_told_ms < TELL_LOSSES_MS)
		return;
	while (alerts_lost(events->alerts, &loss)) {
		events->losses_told_ms = now_ms;
		event_say(events,
			  (struct event){.kind = EVENT_alert_lost,
					 .attributes = {{"sink", loss.sink->name}}},
			  "alerts for %s are lost: %" PRIu64 "; %s", loss.sink->name, loss.count,
			  loss.why);
	}
}

uint32_t events_send(struct events *events,
		     void (*send)(void *self, const struct wire_alert_order *order), void *self,
		     uint64_t now_ms)
{
	struct alert_try try;

	while (alerts_next(events->alerts, now_ms, &try)) {
		bool is_webhook = try.sink->kind == ALERT_WEBHOOK;
		bool is_signed = is_webhook && try.sink->secret_file;
		char signature[SIGNATURE_SIZE];
		char *why = is_signed ? sign(&try, signature) : NULL;

		if (why)
			alerts_result(events->alerts, try.id, false, why, now_ms);
		else
			send(self, &(struct wire_alert_order){
					   .id = try.id,
					   .sink = is_webhook ? "webhook" : "exec",
					   .target = try.sink->target,
					   .body = try.body,
					   .signature = is_signed ? signature : NULL,
					   .ca_file = is_webhook ? try.sink->ca_file : NULL,
					   .timeout_ms = try.sink->timeout_ms,
				   });
		free(why);
	}
	tell_losses(events, now_ms);
	return alerts_wait_ms(events->alerts, now_ms);
}

void events_sent(struct events *events, uint32_t id, bool ok, const char *what, uint64_t now_ms)
{
	alerts_result(events->alerts, id, ok, what, now_ms);
}

void events_unsent(struct events *events)
{
	alerts_interrupted(events->alerts);
}
