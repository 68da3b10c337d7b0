/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is wanted, worked out: configuration, overrides and ways become each backend's effective
 * weight, and the reason where it is zero; then what the probes say: health and slow start. Core
 * owns this function alone. An unknown next hop counts as down.
 */
#ifndef CORE_MODEL_H
#define CORE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/abi.h>

#include "base/addr.h"
#include "config/config.h"
#include "core/overrides.h"
#include "core/track.h"
#include "net/net.h"

/* Why a backend takes, or does not take, new flows; the first that applies. */
enum model_reason {
	MODEL_TAKES_FLOWS,
	MODEL_DISABLED, /* state: down, from the configuration or an override */
	MODEL_DRAINED,	/* state: drain, likewise */
	MODEL_WEIGHT_ZERO,
	MODEL_NO_WAY,	    /* `way` says why */
	MODEL_UNLISTED_WAY, /* the way out is an interface that is not among `interfaces` */
	MODEL_UNPROBED,	    /* it is new, and no probe has succeeded yet */
	MODEL_PROBES_FAIL,
	MODEL_DAMPED,	 /* its probes succeed, but its health flaps */
	MODEL_STANDS_BY, /* a fallback that is not needed */
	MODEL_REASONS
};

#define MODEL_FULL_SHARE 1000 /* per mille */

/* How a backend's probes judge it: user/health's answer. */
struct model_probe {
	bool is_known;	   /* false: it is new, no result counts yet, and `initial` decides */
	bool is_up;	   /* it may take new flows */
	bool is_damped;	   /* it is not up, though its probes succeed: it flaps */
	uint16_t share;	   /* slow start: of its weight, per mille; 1000: all of it */
	uint64_t since_ms; /* since when it is, or is not, up */
};

/* Why one whose probes fail, or that flaps, takes new flows nevertheless. */
enum model_kept {
	MODEL_NOT_KEPT,
	MODEL_KEPT_PANIC, /* too few are healthy: health is ignored for its service */
	MODEL_KEPT_SHARE, /* `max-ejected` are out already */
};

struct model_backend {
	struct addr address;
	enum config_state state;   /* effective: the override's, else the configuration's */
	uint32_t weight;	   /* likewise, configured */
	uint32_t effective_weight; /* that the table is built with */
	bool state_overridden, weight_overridden;
	bool is_fallback;
	enum model_reason reason;
	bool is_probed; /* its service has a `health`: */
	struct model_probe probe;
	enum model_kept kept;
	bool leaves; /* no longer configured, but its flows are let end; known to leave before: */
	bool leaves_already;
	struct net_nexthop way;
	struct sl_path path; /* ifindex 0 while there is no way */
	int path_error;	     /* path_build()'s, where the way is ready */
};

struct model_service {
	const char *name;
	const struct config_service *config;
	struct model_backend *backends; /* sorted by address */
	size_t backend_count;
	struct model_backend *leaving; /* what model_add_leaving() added; likewise sorted */
	size_t leaving_count;
	size_t ready;	    /* backends that take new flows */
	size_t eligible;    /* those that would, were it not for their health; no fallbacks */
	size_t unprobed;    /* of these, those that wait for their first success */
	size_t standing_by; /* fallbacks that are not needed */
	bool is_fallback;   /* fallbacks take the new flows: no other is healthy */
	bool is_panic;	    /* health is ignored: fewer than `panic` percent are healthy */
};

struct model {
	struct model_service *services; /* sorted by name */
	size_t service_count;
};

/* Whom to ask. */
struct model_sources {
	void *self;
	/* The present way to an address, as in struct engine_host. */
	void (*nexthop)(void *self, const struct addr *address, struct net_nexthop *out);
	/* How a backend's probes judge it, likewise; NULL: nobody is probed. */
	void (*health)(void *self, const char *service, const struct addr *backend,
		       struct model_probe *out);
};

/*
 * Works the model out. It points into `config`, which must outlive it. The caller frees it by
 * model_free().
 *
 * What probes say counts for backends that would take flows otherwise. Of those that are known to
 * be healthy or not: if fewer than `panic` percent are healthy, health is ignored for the service;
 * else at most `max-ejected` percent stay out, those that have failed for longest first. Of both, fallbacks are no part: they
 * stand by. While no other backend is healthy and a fallback is, fallbacks that are take all new flows, and nobody is kept
 * in by panic or `max-ejected`.
 */
struct model *model_build(const struct config *config, const struct overrides *overrides,
			  const struct model_sources *sources);
void model_free(struct model *model); /* NULL is fine */

/*
 * Adds a backend that is no longer configured, so that its flows still find their way; in the order
 * of addresses.
 */
void model_add_leaving(struct model *model, const struct config *config, const char *service,
		       const struct addr *address, bool leaves_already,
		       const struct model_sources *sources);

/* Those that are gone, since no flow of them is left; sorted by address, too. */
void model_remove_leaving(struct model *model, const char *service, const struct addr *gone,
			  size_t count);

const struct model_service *model_find_service(const struct model *model, const char *name);
const struct model_backend *model_find_backend(const struct model_service *service,
					       const struct addr *address);
const struct model_backend *model_find_leaving(const struct model_service *service,
					       const struct addr *address);

/* enum sl_backend_flag of a backend that takes, or does not take, new flows for this reason. */
uint32_t model_flags(enum model_reason reason);

/* The same where flows are tracked: what the administrator takes down is dead. */
enum track_health model_health(enum model_reason reason);

/* A sentence for people, from reason and way. `out` takes 160. Returns "" for MODEL_TAKES_FLOWS. */
const char *model_reason_text(const struct model_backend *backend, char out[160]);

#endif
