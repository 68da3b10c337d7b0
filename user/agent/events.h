/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the agent says what happened. An event is logged (its sentence, and its document for programs), kept among the
 * last ones for `sluicectl events`, and may become alerts.
 */
#ifndef AGENT_EVENTS_H
#define AGENT_EVENTS_H

#include "alert/alert.h"
#include "alert/event.h"

struct config;
struct events;
struct history;
struct wire_alert_order;

struct events *events_new(void);
void events_free(struct events *events); /* NULL is fine */

/* Whoever wants to know that there is something new, or that alerts may be due. Called from within event_post(). */
void events_listen(struct events *events, void (*posted)(void *self), void *self);

/* All of it is copied; seq and wall_ms need not be set. `events` NULL: it is only logged (a start that fails). */
void event_post(struct events *events, const struct event *event);
/* The same with a sentence made here; event.text is not used. */
void event_say(struct events *events, struct event event, const char *sentence, ...)
	__attribute__((format(printf, 3, 4)));

const struct history *events_history(const struct events *events);
struct alerts *events_alerts(struct events *events); /* for what is durable of them */

/* ---- alerts ---------------------------------------------------------------------------------- */

/* The sinks of the configuration that is in force now. */
void events_configure(struct events *events, const struct config *config);
bool events_has_sinks(const struct events *events); /* so that a prober is needed */
/* As alerts_look(). */
bool events_look_at_sink(const struct events *events, size_t index, struct alert_look *out);
/*
 * Gives each alert that is due to `send`, which hands it to the prober; strings live until it returns. Only while there is
 * a prober. Returns the milliseconds until it is to be called again, at most; UINT32_MAX: after the next event or result.
 */
uint32_t events_send(struct events *events,
		     void (*send)(void *self, const struct wire_alert_order *order), void *self,
		     uint64_t now_ms);
/* A report of the prober. */
void events_sent(struct events *events, uint32_t id, bool ok, const char *what, uint64_t now_ms);
/* The prober is gone. */
void events_unsent(struct events *events);

#endif
