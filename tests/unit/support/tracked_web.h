/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of the engine: a service web that tracks its flows, on a host whose clock the test moves.
 */
#ifndef TESTS_TRACKED_WEB_H
#define TESTS_TRACKED_WEB_H

#include <check.h>

#include "base/problem.h"
#include "core/engine.h"
#include "core/slots.h"
#include "unit/support/fake_host.h"

#define SERVICE(more, backends)                                                                 \
	" - {name: web, address: 203.0.113.10, port: 443, table-size: 251, tracking: changes, " \
	"idle-timeout: 60s, drain-timeout: 2m" more ", backends: [" backends "]}\n"
#define WEB(backends) SERVICE("", backends)
#define A	      "{address: 10.0.1.11}"
#define B	      "{address: 10.0.1.12}"
#define C	      "{address: 10.0.1.13}"

static struct fake_host host;
static uint64_t now_ms;
static uint64_t going_on; /* the hash of a flow that sends a packet each second; 0: none */

static inline void start(const char *services)
{
	fake_host_init(&host, &fake_limits);
	host.fake->now = 1000;
	now_ms = 1000000;
	going_on = 0;
	fake_host_start(&host);
	fake_apply(&host, services, false, 0);
}

/* Lets seconds go by, with the ticks of the agent. */
static inline void pass(unsigned int seconds)
{
	while (seconds--) {
		host.fake->now++;
		now_ms += 1000;
		if (going_on)
			fake_refresh(host.fake, going_on, host.fake->now);
		engine_tick(host.engine, now_ms);
		ck_assert_int_eq(engine_track_error(host.engine), 0);
	}
}

static inline void apply(const char *services)
{
	struct problems p = {};

	ck_assert_int_eq(engine_apply(host.engine, fake_config(services), false, now_ms, NULL, &p),
			 0);
}

static inline void override_state(const char *backend, enum config_state state)
{
	struct override override = {.has_state = true, .state = state};
	struct addr address = fake_address(backend);
	struct problems p = {};

	ck_assert_int_eq(engine_override(host.engine, "web", &address, &override, true, now_ms, &p),
			 0);
}

static inline struct engine_slots slots(void)
{
	struct engine_slots out;

	ck_assert(engine_service_slots(host.engine, "web", &out));
	return out;
}

static inline struct engine_holding holding(const char *backend)
{
	struct engine_backend_place place = fake_place(&host, "web", backend);

	return engine_holding(host.engine, "web", &place, now_ms);
}

static inline uint32_t index_of(const char *backend)
{
	return fake_place(&host, "web", backend).index;
}

/* A slot whose new flows go to a backend. */
static inline uint32_t slot_at(uint32_t index)
{
	uint32_t slot = 0;

	while ((dataplane_hot(&host.fake->view, slot) & SL_HOT_NOW) != index)
		slot++;
	return slot;
}

#endif
