/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How backends are: for core, and for people. */
#include "health/state.h"

void health_of(void *self, const char *service, const struct addr *address, struct model_probe *out)
{
	const struct health_backend *backend = health_find(self, service, address);

	*out = (struct model_probe){.share = 1000};
	if (!backend)
		return;
	out->is_known = backend->state != HEALTH_STATE_NEW;
	out->is_up = backend->state == HEALTH_STATE_UP || backend->state == HEALTH_STATE_UNPROBED;
	out->is_damped = backend->state == HEALTH_STATE_DAMPED;
	out->share = backend->share;
	out->since_ms = backend->since_ms;
}

const char *health_state_name(enum health_state state)
{
	static const char *const names[HEALTH_STATES] = {
		[HEALTH_STATE_UNPROBED] = "unprobed",
		[HEALTH_STATE_NEW] = "new",
		[HEALTH_STATE_UP] = "up",
		[HEALTH_STATE_DOWN] = "down",
		[HEALTH_STATE_DAMPED] = "damped",
	};

	return names[state];
}

static struct health_look_via look_at_path(const struct health_path *path, uint64_t now_ms)
{
	return (struct health_look_via){
		.is_probed = path->id,
		.verdict = path->verdict,
		.has_result = path->has_result,
		.is_ok = path->is_ok,
		.in_row = path->in_row,
		.latency_us = path->latency_us,
		.ago_ms = path->has_result ? now_ms - path->at_ms : 0,
		.what = path->what,
	};
}

bool health_look(const struct health *health, const char *service, const struct addr *address,
		 uint64_t now_ms, struct health_look *out)
{
	const struct health_backend *backend = health_find(health, service, address);
	uint64_t slow_ms;

	if (!backend)
		return false;
	*out = (struct health_look){
		.state = backend->state,
		.since_ms = now_ms - backend->since_ms,
		.tunnel = look_at_path(&backend->paths[TUNNEL], now_ms),
		.direct = look_at_path(&backend->paths[DIRECT], now_ms),
		.is_tunnel_broken = backend->is_tunnel_broken,
		.penalty = flap_decay(backend->penalty, now_ms - backend->penalty_ms),
		.share = backend->share,
	};
	if (backend->state == HEALTH_STATE_DAMPED)
		out->damped_left_ms = flap_left_ms(backend->penalty, now_ms - backend->penalty_ms);
	slow_ms = now_ms - backend->slow_ms;
	if (backend->share != 1000 && slow_ms < backend->service->slow_start_ms)
		out->slow_left_ms = backend->service->slow_start_ms - slow_ms;
	return true;
}
