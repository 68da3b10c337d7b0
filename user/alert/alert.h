/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which events become alerts, when, and to which sink. Pure: events, results and `now` in, alerts to send out; it
 * sends nothing, and reads no clock.
 *
 * Each sink is on its own: its level, what it has been told, its queue, its failures. Of a condition (event.h) it is
 * told when that has lasted for `hold`, once, and again when it is over; a condition that is over sooner is not told
 * at all. What happens and is over is told at once; the same again within ALERT_REPEAT_MS is counted, and told as one
 * at the end of that time. A queue holds ALERT_QUEUE_MAX alerts: of more the oldest is dropped. One document is under
 * way at a time, so that a sink sees them in their order: of one alert, or, when more than ALERT_ALONE_MAX wait, of
 * many, as far as they fit ALERT_BODY_MAX. One that fails is tried again after pauses that double, and given up after ALERT_TRIES. What is dropped or given
 * up is counted and named (alerts_lost()).
 */
#ifndef ALERT_ALERT_H
#define ALERT_ALERT_H

#include "alert/event.h"

#define ALERT_SINKS_MAX	     64
#define ALERT_CONDITIONS_MAX 16384 /* open ones, of a sink */
#define ALERT_QUEUE_MAX	     8192
#define ALERT_ALONE_MAX	     10	 /* while no more wait, each is sent alone */
#define ALERT_TOGETHER_MAX   500 /* else so many as one */
#define ALERT_BODY_MAX \
	(1             \
	 << 20) /* bytes of a document; fewer are sent together, or a text is cut, so that it fits */
#define ALERT_TEXT_MAX	   4096 /* bytes of a text in one that would not fit */
#define ALERT_REPEAT_MS	   60000
#define ALERT_TRIES	   9	  /* about four minutes */
#define ALERT_PAUSE_MS	   1000	  /* after the first failure; less up to a quarter, by chance */
#define ALERT_PAUSE_MAX_MS 300000 /* it doubles up to this */

enum alert_sink_kind { ALERT_EXEC, ALERT_WEBHOOK };

struct alert_sink {
	enum alert_sink_kind kind;
	const char *target;	 /* the program's path, or the URL */
	const char *secret_file; /* NULL: webhooks are not signed */
	const char *ca_file;	 /* NULL: webhooks trust the system's certificates */
	uint64_t hold_ms, timeout_ms;
	enum event_level level; /* of the least urgent that it is told of */
	const char *name;	/* what is shown: no secret of a URL; alerts_configure() makes it */
};

struct alerts;
struct problems;
struct text;

/* `host` names this host in alerts; `run` (history.h) tells their ids from those of the agent before. */
struct alerts *alerts_new(const char *host, uint64_t run);
void alerts_free(struct alerts *alerts); /* NULL is fine */

/*
 * Takes the sinks of a configuration. One of the same kind and target keeps its state; what a sink that left had to
 * send is dropped, and what it has under way may end as it will.
 */
void alerts_configure(struct alerts *alerts, const struct alert_sink *list, size_t count);

void alerts_event(struct alerts *alerts, const struct event *event, uint64_t now_ms);

/* A try to make now. Strings live until the next call of alerts_*(). */
struct alert_try {
	uint32_t id; /* of this try, for alerts_result() */
	const struct alert_sink *sink;
	const char *body; /* the document, the same in each try */
};
/* The next one that is due; false: there is none. Call it until then. */
bool alerts_next(struct alerts *alerts, uint64_t now_ms, struct alert_try *out);
/* How a try went; `what` says why it failed. Results of tries that are not known are ignored. */
void alerts_result(struct alerts *alerts, uint32_t id, bool ok, const char *what, uint64_t now_ms);
/* Who sends is gone: what is under way is tried again, and that counts as no try. */
void alerts_interrupted(struct alerts *alerts);
/* Milliseconds until alerts_next() may have something; UINT32_MAX: only after another call. */
uint32_t alerts_wait_ms(const struct alerts *alerts, uint64_t now_ms);

/* What was lost since the last call, one sink and reason at a time; `why` lives until the next call. */
struct alert_loss {
	const struct alert_sink *sink;
	uint64_t count;
	const char *why;
};
bool alerts_lost(struct alerts *alerts, struct alert_loss *out);

/* ---- what is durable (durable.c) ------------------------------------------------------------- */

/* Appends lines of text: the conditions that are open, and what sinks wait for, with times as ages. */
void alerts_store(struct alerts *alerts, uint64_t now_ms, struct text *out);
/* Whether it would write something else than the last time. */
bool alerts_have_changed(const struct alerts *alerts);
/*
 * Takes such lines in, after the first alerts_configure() and before the first event: those of sinks that are not
 * configured are passed over. `away_ms` have passed since they were written. Who was told is not told again, and is told
 * of the end under the same id. Returns 0, or -EINVAL, explained in `p`, and then nothing is changed.
 */
int alerts_restore(struct alerts *alerts, const char *text, size_t length, uint64_t now_ms,
		   uint64_t away_ms, struct problems *p);
/*
 * Conditions that were taken in and of which no event has said since that they last, or are over. The caller finds out:
 * of what lasts it says so by alerts_believe(), of what is over by an event that ends it. It frees the list and each of it.
 */
struct event **alerts_doubts(const struct alerts *alerts, size_t *count);
void alerts_believe(struct alerts *alerts, const struct event *event);

/* ---- looking --------------------------------------------------------------------------------- */

/* For people: how a sink fares. False: there is no such one. */
struct alert_look {
	const struct alert_sink *sink;
	size_t queued, conditions;
	uint64_t sent, failed, lost; /* alerts; tries; alerts */
	const char *failure;	     /* of the last try, if that failed */
};
bool alerts_look(const struct alerts *alerts, size_t index, struct alert_look *out);

#endif
