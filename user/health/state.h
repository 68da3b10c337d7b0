/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of struct health, shared by the files of this folder. */
#ifndef HEALTH_STATE_H
#define HEALTH_STATE_H

#include "health/health.h"

struct arena;

/* Indices of a backend's paths. */
enum health_path_index { TUNNEL, DIRECT, PATHS };

/* The probes that take one way. */
struct health_path {
	uint32_t id; /* 0: it is not probed */
	enum health_verdict verdict;
	bool has_result, is_ok;
	uint32_t in_row, latency_us;
	uint64_t at_ms;
	char what[HEALTH_WHAT_SIZE];
};

/* What is needed of a service's configuration; lies in the arena of the configuration. */
struct health_service {
	char name[SL_NAME_SIZE];
	struct config_health how;
	uint64_t slow_start_ms;
	bool damping;
};

struct health_backend {
	const struct health_service *service;
	struct addr address;
	enum health_state state;
	uint64_t since_ms;
	struct health_path paths[PATHS];
	bool is_tunnel_broken;
	bool is_suppressed; /* it flaps: until its penalty is low again */
	uint32_t penalty;   /* as of penalty_ms */
	uint64_t penalty_ms;
	uint16_t share; /* 1000: it has all of its weight; else since slow_ms: */
	uint64_t slow_ms;
	size_t first_probe, probe_count; /* in the list of probes */
	bool is_kept;			 /* while a configuration is taken in */
};

struct health {
	struct arena *arena;   /* of the configuration */
	struct table *by_name; /* of struct health_key to struct health_backend */
	struct table *by_id;   /* of a probe's id to struct health_backend */
	struct health_backend **backends;
	size_t backend_count;
	struct health_probe *probes;
	size_t probe_count;
	uint32_t last_id;
	struct health_change *changes; /* those from `taken` on are to be told */
	size_t change_count, taken;
};

struct health_backend *health_find(const struct health *health, const char *service,
				   const struct addr *address);

/* The path whose verdict decides. */
static inline enum health_path_index health_deciding(const struct config_health *how)
{
	return how->via & CONFIG_VIA_TUNNEL ? TUNNEL : DIRECT;
}

/* ---- decide.c ------------------------------------------------------------------------------------ */

/* Draws from the verdicts what follows, and tells it. */
void health_decide(struct health *health, struct health_backend *backend, uint64_t now_ms);
void health_tell(struct health *health, const struct health_backend *backend,
		 enum health_change_kind kind, uint64_t ms, const char *text, uint64_t now_ms);
/* The share that a slow start has reached; 1000: it is over. */
uint16_t health_share(const struct health_backend *backend, uint64_t now_ms);

/* ---- flap.c -------------------------------------------------------------------------------------- */

/* What is left of a penalty after a time. */
uint32_t flap_decay(uint32_t penalty, uint64_t elapsed_ms);
/* How long it takes from now until a penalty that is so old has fallen to HEALTH_REUSE; 0: it has. */
uint64_t flap_left_ms(uint32_t penalty, uint64_t elapsed_ms);

#endif
