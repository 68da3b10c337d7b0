/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happened: a record for people (a sentence) and for programs (kind, subject, attributes). The agent posts
 * events (agent/events.h); history.h keeps the last ones for those who ask, alert.h makes alerts of them. Pure.
 */
#ifndef ALERT_EVENT_H
#define ALERT_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/wire.h"

struct arena;

/* The most urgent first. */
enum event_level { EVENT_ERROR, EVENT_WARNING, EVENT_INFO };

enum event_kind {
#define EVENT_KIND(id, level, ends, help) EVENT_##id,
#include "alert/kinds.def"
	EVENT_KINDS
};
#define EVENT_BIT(id) (UINT64_C(1) << EVENT_##id)

#define EVENT_ATTRIBUTES_MAX 6

/*
 * Unset strings are NULL. What it is about, its subject, is service and backend; where it has neither, the device or
 * the check. On one subject a kind's condition is there or not, whatever text and attributes say.
 */
struct event {
	enum event_kind kind;
	const char *service, *backend; /* the backend's address */
	const char *device;
	const char *check; /* of the self-check: its name */
	const char *text;  /* a sentence that says it all, without a full stop */
	struct event_attribute {
		const char *name, *value;   /* "revision", "7" */
	} attributes[EVENT_ATTRIBUTES_MAX]; /* as many as have a name */
	bool is_quiet;			    /* not logged: another line has it */
	/* Set by who keeps it. */
	uint64_t seq;	  /* from 1, without gaps */
	uint64_t wall_ms; /* since 1970 */
};

const char *event_kind_name(enum event_kind kind);
enum event_level event_level(enum event_kind kind);
const char *event_level_name(enum event_level level); /* "error", "warning", "info" */
/* The conditions that it ends, as EVENT_BIT()s; whether it is a condition itself. */
uint64_t event_ends(enum event_kind kind);
bool event_is_condition(enum event_kind kind);

/* A copy with all strings; the caller frees it. */
struct event *event_copy(const struct event *event);
void event_free(struct event *event); /* NULL is fine */

/* "2026-11-25T02:13:51.042Z" */
#define EVENT_TIME_SIZE 32
const char *event_time_text(uint64_t wall_ms, char out[EVENT_TIME_SIZE]);

/* As a document. Its strings lie in `arena` or are the event's. */
void event_document(const struct event *event, struct arena *arena, struct wire_event *out);

#endif
