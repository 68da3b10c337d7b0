/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of alert/ share: one sink's state. alert.c says what becomes of it, queue.c
 * how it is sent, body.c in which words. */
#ifndef ALERT_SINK_H
#define ALERT_SINK_H

#include "alert/alert.h"

struct table;

/*
 * Something that the sink knows of, or will be told of: a condition that lasts, or what happened and may happen again
 * soon.
 */
struct open {
	struct open *next, **at; /* of the sink's list, and what points to it there */
	char *key;
	size_t key_length;
	struct event *event; /* the last one that said so */
	char *id;
	uint64_t since_ms, due_ms; /* when something is to be done: told, or looked at again */
	uint64_t repeats;
	bool lasts, is_told;
	bool is_doubtful; /* an agent before has opened it, and this one has not heard of it yet */
};

enum alert_state { ALERT_FIRING, ALERT_RESOLVED, ALERT_NOTICE };

struct queued {
	struct queued *next;
	enum alert_state state;
	enum event_kind alert; /* what fires, is resolved or has happened */
	char *id;
	uint64_t repeats, lasted_ms;
	struct event *event; /* that says so */
};

enum loss { LOSS_OPEN, LOSS_QUEUE, LOSS_TRIES, LOSSES };

struct sink {
	struct alert_sink config; /* its strings are ours */
	struct open *opens;
	struct table *by_key;
	size_t open_count;
	uint64_t due_ms; /* no open is due before */
	struct queued *queue, **queue_end;
	size_t queued;
	/* The first of the queue are sent as one document, the same in each try. */
	size_t together; /* 0: it is not made up yet */
	char *body;
	unsigned int tries; /* that failed */
	uint64_t again_ms;  /* the next try is due */
	uint32_t under_way; /* a try; 0: none */
	uint64_t sent, failed, lost;
	uint64_t losses[LOSSES]; /* that nobody was told of yet */
	char *failure;
	bool has_changed; /* what alerts_store() writes, since it was called */
};

/* alerts.c's, and durable.c's, which keeps it. */
struct alerts {
	char *host;
	uint64_t run, chance;
	uint32_t last_id;
	struct sink **sinks;
	size_t count;
	bool has_changed; /* the list of them, as of each sink */
	char *why;	  /* the last answer of alerts_lost() */
};

struct sink *sink_new(const struct alert_sink *config);
void sink_free(struct sink *sink);
void sink_configure(struct sink *sink, const struct alert_sink *config);

/* The condition of this kind on the subject of `about`; NULL: it is not open. */
struct open *sink_find(const struct sink *sink, enum event_kind kind, const struct event *about);
/* Opens a condition that was open before, unless that makes too many, or its level counts no more and nobody was told. */
void sink_reopen(struct sink *sink, const struct event *event, const char *id, bool is_told,
		 uint64_t since_ms, uint64_t repeats);

/* ---- queue.c --------------------------------------------------------------------------------- */

/* Takes it over; all but `next` is set. */
void queue_add(struct sink *sink, struct queued *queued);
void queue_free(struct sink *sink);
/* What is due for a try; NULL: nothing, or one is under way. `host`: this host's name. */
const char *queue_due(struct sink *sink, const char *host, uint64_t now_ms);
/* `chance`: any number. */
void queue_result(struct sink *sink, bool ok, const char *what, uint64_t chance, uint64_t now_ms);
/* When a try is due; UINT64_MAX: there is none, or one is under way. */
uint64_t queue_due_ms(const struct sink *sink);

/* ---- body.c ---------------------------------------------------------------------------------- */

/* The document of the first `count` alerts of a list; the caller frees it. */
char *body_make(const char *host, const struct queued *list, size_t count);

#endif
