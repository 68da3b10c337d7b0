/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From results to verdicts, from verdicts to states, and what follows with time. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/table.h"
#include "health/state.h"

#define TICK_MS	   1000
#define FULL_SHARE 1000

/* ---- changes --------------------------------------------------------------------------------- */

void health_tell(struct health *health, const struct health_backend *backend,
		 enum health_change_kind kind, uint64_t ms, const char *text, uint64_t now_ms)
{
	struct health_change *change;

	if (health->taken == health->change_count)
		health->taken = health->change_count = 0;
	health->changes = mem_grow(health->changes, health->change_count, sizeof(*health->changes));
	change = &health->changes[health->change_count++];
	*change = (struct health_change){
		.kind = kind,
		.backend = backend->address,
		.at_ms = now_ms,
		.ms = ms,
		.share = backend->share,
	};
	memcpy(change->service, backend->service->name, sizeof(change->service));
	snprintf(change->text, sizeof(change->text), "%s", text);
}

bool health_next(struct health *health, struct health_change *out)
{
	if (health->taken == health->change_count)
		return false;
	*out = health->changes[health->taken++];
	return true;
}

static const struct {
	const char *name;
	bool weighs;
} changes[HEALTH_CHANGES] = {
	[HEALTH_UP] = {"up", true},
	[HEALTH_DOWN] = {"down", true},
	[HEALTH_DAMPED] = {"damped", true},
	[HEALTH_STEP] = {"step", true},
	[HEALTH_TUNNEL_BROKEN] = {"tunnel-broken", false},
	[HEALTH_TUNNEL_MENDED] = {"tunnel-mended", false},
	[HEALTH_GONE] = {"gone", false},
};

bool health_change_weighs(enum health_change_kind kind)
{
	return changes[kind].weighs;
}

const char *health_change_name(enum health_change_kind kind)
{
	return changes[kind].name;
}

/* ---- states ---------------------------------------------------------------------------------- */

uint16_t health_share(const struct health_backend *backend, uint64_t now_ms)
{
	uint64_t slow_start_ms = backend->service->slow_start_ms;
	uint64_t elapsed_ms = now_ms - backend->slow_ms, step;

	if (backend->share == FULL_SHARE || elapsed_ms >= slow_start_ms)
		return FULL_SHARE;
	step = 1 + elapsed_ms * (HEALTH_SLOW_STEPS - 1) / slow_start_ms;
	return step * FULL_SHARE / HEALTH_SLOW_STEPS;
}

static void enter(struct health_backend *backend, enum health_state state, uint64_t now_ms)
{
	backend->state = state;
	backend->since_ms = now_ms;
}

static void note_flap(struct health_backend *backend, uint64_t now_ms)
{
	uint32_t penalty = flap_decay(backend->penalty, now_ms - backend->penalty_ms) + HEALTH_FLAP;

	backend->penalty = penalty < HEALTH_PENALTY_MAX ? penalty : HEALTH_PENALTY_MAX;
	backend->penalty_ms = now_ms;
	backend->is_suppressed |= backend->penalty >= HEALTH_SUPPRESS;
}

static void go_down(struct health *health, struct health_backend *backend, const char *what,
		    uint64_t now_ms)
{
	if (backend->state != HEALTH_STATE_NEW)
		note_flap(backend, now_ms);
	enter(backend, HEALTH_STATE_DOWN, now_ms);
	backend->share = FULL_SHARE;
	health_tell(health, backend, HEALTH_DOWN, 0, what, now_ms);
}

/* One that took all of its flows already, since it is new and `initial` says so, goes on. */
static void go_up(struct health *health, struct health_backend *backend, const char *what,
		  uint64_t now_ms)
{
	const struct health_service *service = backend->service;
	bool was_in = backend->state == HEALTH_STATE_NEW && service->how.initial_up;
	uint64_t out_ms = was_in ? 0 : now_ms - backend->since_ms;

	enter(backend, HEALTH_STATE_UP, now_ms);
	if (!was_in && service->slow_start_ms) {
		backend->slow_ms = now_ms;
		backend->share = FULL_SHARE / HEALTH_SLOW_STEPS;
	}
	health_tell(health, backend, HEALTH_UP, out_ms, what, now_ms);
}

/* The probes succeed, but are they to be believed? */
static void consider_up(struct health *health, struct health_backend *backend, const char *what,
			uint64_t now_ms)
{
	uint64_t left_ms = flap_left_ms(backend->penalty, now_ms - backend->penalty_ms);

	backend->is_suppressed &= left_ms > 0;
	if (!backend->is_suppressed || !backend->service->damping) {
		go_up(health, backend, what, now_ms);
	} else if (backend->state != HEALTH_STATE_DAMPED) {
		uint64_t since_ms = backend->since_ms;

		enter(backend, HEALTH_STATE_DAMPED, now_ms);
		backend->since_ms = since_ms; /* it has been out since then */
		health_tell(health, backend, HEALTH_DAMPED, left_ms, what, now_ms);
	}
}

/*
 * When a server dies or comes back, one of its probes sees that a moment before the other. So it takes two results since
 * the backend went down to blame the tunnel, a direct success and then a failure through the tunnel; and the verdicts
 * to clear it.
 */
static bool blames_tunnel(const struct health_backend *backend)
{
	const struct health_path *tunnel = &backend->paths[TUNNEL];
	const struct health_path *direct = &backend->paths[DIRECT];

	if (backend->state != HEALTH_STATE_DOWN || direct->verdict != HEALTH_GOOD ||
	    health_deciding(&backend->service->how) != TUNNEL)
		return false;
	if (backend->is_tunnel_broken)
		return true;
	return direct->is_ok && direct->at_ms > backend->since_ms && !tunnel->is_ok &&
	       tunnel->at_ms > direct->at_ms;
}

static void compare_paths(struct health *health, struct health_backend *backend, uint64_t now_ms)
{
	const struct health_path *direct = &backend->paths[DIRECT];
	bool is_broken = blames_tunnel(backend);

	if (is_broken == backend->is_tunnel_broken)
		return;
	backend->is_tunnel_broken = is_broken;
	health_tell(health, backend, is_broken ? HEALTH_TUNNEL_BROKEN : HEALTH_TUNNEL_MENDED, 0,
		    direct->what, now_ms);
}

void health_decide(struct health *health, struct health_backend *backend, uint64_t now_ms)
{
	const struct health_path *path = &backend->paths[health_deciding(&backend->service->how)];
	bool is_out = backend->state != HEALTH_STATE_UP;

	if (backend->state == HEALTH_STATE_UNPROBED)
		return;
	if (path->verdict == HEALTH_GOOD && is_out)
		consider_up(health, backend, path->what, now_ms);
	else if (path->verdict == HEALTH_BAD && backend->state != HEALTH_STATE_DOWN)
		go_down(health, backend, path->what, now_ms);
	compare_paths(health, backend, now_ms);
}

/* ---- results --------------------------------------------------------------------------------- */

/* The words may be a program's output: one line, and nothing that steers a terminal. */
static void keep_words(struct health_path *path, const char *what)
{
	snprintf(path->what, sizeof(path->what), "%s", what);
	for (char *c = path->what; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
}

/* The first success of all counts at once, since until then nobody relies on the backend. */
static enum health_verdict judge(const struct health_path *path, const struct config_health *how)
{
	if (path->is_ok && (path->verdict == HEALTH_UNJUDGED || path->in_row >= how->rise))
		return HEALTH_GOOD;
	if (!path->is_ok && path->in_row >= how->fall)
		return HEALTH_BAD;
	return path->verdict;
}

void health_result(struct health *health, uint32_t id, bool ok, uint32_t latency_us,
		   const char *what, uint64_t now_ms)
{
	struct health_backend *backend = table_get(health->by_id, &id, sizeof(id));
	struct health_path *path;

	if (!backend)
		return;
	path = &backend->paths[backend->paths[TUNNEL].id == id ? TUNNEL : DIRECT];
	if (!path->has_result || path->is_ok != ok)
		path->in_row = 0;
	path->in_row += path->in_row < UINT32_MAX;
	path->has_result = true;
	path->is_ok = ok;
	path->latency_us = latency_us;
	path->at_ms = now_ms;
	keep_words(path, what);
	path->verdict = judge(path, &backend->service->how);
	health_decide(health, backend, now_ms);
}

/* ---- time ------------------------------------------------------------------------------------ */

/* When the next step of a slow start is due, from now; rounded up. */
static uint64_t step_left_ms(const struct health_backend *backend, uint64_t now_ms)
{
	uint64_t slow_start_ms = backend->service->slow_start_ms;
	uint64_t steps = backend->share * HEALTH_SLOW_STEPS / FULL_SHARE;
	uint64_t at_ms = (steps * slow_start_ms + HEALTH_SLOW_STEPS - 2) / (HEALTH_SLOW_STEPS - 1);
	uint64_t elapsed_ms = now_ms - backend->slow_ms;

	return at_ms > elapsed_ms ? at_ms - elapsed_ms : 0;
}

/* Returns the milliseconds until something of this backend is due. */
static uint64_t tick_backend(struct health *health, struct health_backend *backend, uint64_t now_ms)
{
	uint16_t share;

	if (backend->state == HEALTH_STATE_DAMPED)
		health_decide(health, backend, now_ms);
	if (backend->state == HEALTH_STATE_DAMPED)
		return flap_left_ms(backend->penalty, now_ms - backend->penalty_ms);
	if (backend->state != HEALTH_STATE_UP || backend->share == FULL_SHARE)
		return TICK_MS;
	share = health_share(backend, now_ms);
	if (share != backend->share) {
		backend->share = share;
		health_tell(health, backend, HEALTH_STEP, 0, "", now_ms);
	}
	return share == FULL_SHARE ? TICK_MS : step_left_ms(backend, now_ms);
}

unsigned int health_tick(struct health *health, uint64_t now_ms)
{
	uint64_t due_ms = TICK_MS;

	for (size_t i = 0; i < health->backend_count; i++) {
		uint64_t left_ms = tick_backend(health, health->backends[i], now_ms);

		if (left_ms < due_ms)
			due_ms = left_ms;
	}
	return due_ms;
}
