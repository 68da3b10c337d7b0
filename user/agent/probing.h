/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Health at work: what health/ wants probed goes to the prober with the way there, results go back into health/, and what
 * they change becomes events and one change of the tables for all of a moment. What health/ and the engine's clocks
 * know is stored as it changes (healthkeeper.h), and answers to `backend check` are waited for (checks.h).
 */
#ifndef AGENT_PROBING_H
#define AGENT_PROBING_H

#include "agent/prober.h"
#include "api/api.h"

struct agent;
struct problems;
struct probing;
struct uv_loop_s;

/* For an agent that is open, and outlives it. Nothing is probed before probing_follow(). */
struct probing *probing_open(struct agent *agent, struct uv_loop_s *loop);
/* Stores, ends the prober, and answers who still waits. The loop must run until it has nothing left to do. NULL is fine. */
void probing_close(struct probing *probing);

/* The configuration, ways or indices may have changed: has the prober do what is wanted now. */
void probing_follow(struct probing *probing);

/*
 * Maps made fresh hold no backend whose health is not known: has all probes run now, and calls `done` when the first
 * result of each is in force, or a bound is over. At once, from within, where there is nothing to wait for.
 */
void probing_await(struct probing *probing, void (*done)(void *self), void *self);
/* The bound, milliseconds from the call; 0: there is nothing to wait for. */
unsigned int probing_bound_ms(const struct probing *probing);

/* Alerts may be due: hands them to the prober. To be called soon after an event, and each second. */
void probing_send_alerts(struct probing *probing);

/* The check of struct api_host; `self` is the struct probing. */
int probing_check(void *self, const char *service, const struct addr *backend,
		  api_probed_function *done, void *arg, struct problems *p);

/* Why a service cannot be probed through the tunnel at the moment; NULL: it can, or is not to be. */
const char *probing_stopped(const struct probing *probing, const char *service);

/* How the prober is. Returns what is wrong with it: a sentence; NULL: nothing. */
const char *probing_look(const struct probing *probing, struct prober_look *out);

#endif
