/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether backends are healthy, decided from the results of their probes. Pure: results and `now`
 * come in, changes go out; it opens nothing, reads no clock and logs nothing (docs/health.md).
 *
 *	        a success                 `fall` failures in a row
 *	new ────────────────────> up ────────────────────────────> down
 *	 │                        ^ ^                               │ │
 *	 │ `fall` failures        │ └── `rise` successes in a row ──┘ │ `rise` successes, but it flaps
 *	 └───────────> down       └────── the penalty is low ─── damped <
 *
 * A backend whose probes go through the tunnel and directly has a judgement of each; the tunnel's
 * decides, and the direct one tells a broken tunnel from a dead server.
 *
 * What becomes of a backend that is down is core's affair (core/model.h): the administrator's word, the panic threshold
 * and the largest ejected share come in there. All backends are known here, also those that are not probed: should their
 * service get a `health`, they go on as healthy until their probes say otherwise.
 */
#ifndef HEALTH_HEALTH_H
#define HEALTH_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/text.h"
#include "config/config.h"
#include "core/model.h"

struct problems;
struct health;

#define HEALTH_WHAT_SIZE 160 /* of a result's words that are kept, with their NUL */

struct health *health_new(void);
void health_free(struct health *health); /* NULL is fine */

/*
 * Takes a configuration in; what is needed of it is copied. A backend that was known keeps its state, also when its probe has changed; one that is not there any
 * more is forgotten. `in_force`: for the agent's start, the configuration that was in force before
 * it; its backends are healthy until health_restore() or results say otherwise. Otherwise a
 * backend that is new is what `initial` says until its first success.
 */
void health_configure(struct health *health, const struct config *config, bool in_force,
		      uint64_t now_ms);

/* A probe that is to run. Its texts are valid until the next health_configure(). */
struct health_probe {
	uint32_t id; /* never 0; another one when anything about the probe is changed */
	const char *service;
	struct addr backend;
	enum config_health_via via;
	const struct config_health *how;
	struct addr address; /* where it goes: the VIP, or directly the backend */
	uint16_t port;
};

/* All of them, by service and backend; the list is valid until the next health_configure(). */
size_t health_probes(const struct health *health, const struct health_probe **list);
/* One backend's: at most two. Their number. */
size_t health_probes_of(const struct health *health, const char *service,
			const struct addr *backend, const struct health_probe *out[2]);

/*
 * How a probe went, with the reason in words ("connect: connection refused"; may be ""). Those of unknown ids are late,
 * and ignored. One that was run on demand counts like any other.
 */
void health_result(struct health *health, uint32_t id, bool ok, uint32_t latency_us,
		   const char *what, uint64_t now_ms);

/* Does what waits for time. Returns the milliseconds until it wants to be called again, at most 1000. */
unsigned int health_tick(struct health *health, uint64_t now_ms);

/* What has changed. */
enum health_change_kind {
	HEALTH_UP,	      /* it takes new flows, as far as its probes are concerned */
	HEALTH_DOWN,	      /* its probes fail */
	HEALTH_DAMPED,	      /* its probes succeed again, but it flaps: it stays out for a while */
	HEALTH_STEP,	      /* slow start: its share has grown */
	HEALTH_TUNNEL_BROKEN, /* it is down, but answers directly */
	HEALTH_TUNNEL_MENDED, /* no more so */
	HEALTH_GONE,	      /* it was down or damped, and is no longer probed or configured */
	HEALTH_CHANGES
};

struct health_change {
	enum health_change_kind kind;
	char service[SL_NAME_SIZE];
	struct addr backend;
	uint64_t at_ms; /* when it happened, on the clock of `now_ms` */
	uint64_t ms;	/* UP: how long it was out; DAMPED: how long it will be, at most */
	uint16_t share; /* UP, STEP: per mille of its weight that it gets from now on */
	char text[HEALTH_WHAT_SIZE]; /* the last result's words; TUNNEL_...: of the direct probe */
};

/* Takes the oldest one out. False: there is none. */
bool health_next(struct health *health, struct health_change *out);
/* Whether it changes what a backend weighs: then engine_refresh() is due. */
bool health_change_weighs(enum health_change_kind kind);
const char *health_change_name(enum health_change_kind kind); /* "up", "tunnel-broken" ... */

/* How a backend is, as struct engine_host wants it. `self` is the struct health. */
void health_of(void *self, const char *service, const struct addr *backend,
	       struct model_probe *out);

/* As rise and fall judge one path's probes. */
enum health_verdict { HEALTH_UNJUDGED, HEALTH_GOOD, HEALTH_BAD };

/* One path's probes, for people. */
struct health_look_via {
	bool is_probed;
	enum health_verdict verdict;
	bool has_result; /* the others mean something: */
	bool is_ok;	 /* the last one */
	uint32_t in_row; /* as many of the same, the last one included */
	uint32_t latency_us;
	uint64_t ago_ms; /* the last one */
	const char *what;
};

enum health_state {
	HEALTH_STATE_UNPROBED,
	HEALTH_STATE_NEW, /* no success yet, and too few failures */
	HEALTH_STATE_UP,
	HEALTH_STATE_DOWN,
	HEALTH_STATE_DAMPED,
	HEALTH_STATES
};

/* How a backend is, for people. Texts are valid until the next call that is not const. */
struct health_look {
	enum health_state state;
	uint64_t since_ms; /* for how long */
	struct health_look_via tunnel, direct;
	bool is_tunnel_broken;
	uint64_t damped_left_ms; /* DAMPED: until it is up, if no probe fails */
	uint32_t penalty;	 /* of flapping; HEALTH_FLAP each, halved with time */
	uint16_t share;		 /* slow start, per mille; 1000: it is over */
	uint64_t slow_left_ms;
};
/* False: there is no such backend. */
bool health_look(const struct health *health, const char *service, const struct addr *backend,
		 uint64_t now_ms, struct health_look *out);
const char *health_state_name(enum health_state state); /* "up", "damped" ... */

/* ---- flap damping, in the manner of RFC 2439 --------------------------------------------------- */

#define HEALTH_FLAP	    1000  /* what going down adds to the penalty */
#define HEALTH_PENALTY_MAX  8000  /* it grows no higher: 3 minutes to HEALTH_REUSE */
#define HEALTH_SUPPRESS	    2500  /* from here on it is damped */
#define HEALTH_REUSE	    1000  /* until here */
#define HEALTH_HALF_LIFE_MS 60000 /* in which it halves */

#define HEALTH_SLOW_STEPS 10 /* of a slow start: 100, 200 ... 1000 per mille */

/* ---- what is durable ----------------------------------------------------------------------------- */

/* Appends lines of text, one a backend, with times as ages. */
void health_store(const struct health *health, uint64_t now_ms, struct text *out);
/*
 * Takes such lines in, after the first health_configure(): lines of backends that are not configured
 * are passed over. `away_ms` have passed since they were written; they count for damping and slow start. Returns 0, or
 * -EINVAL, explained in `p`, and then nothing is changed.
 */
int health_restore(struct health *health, const char *text, size_t length, uint64_t now_ms,
		   uint64_t away_ms, struct problems *p);

#endif
