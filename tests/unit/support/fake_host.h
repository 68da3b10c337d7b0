/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's surroundings, for tests: ways that can be lost, a store that can fail, an engine
 * over a fake dataplane, and configurations from a few lines of YAML.
 */
#ifndef TESTS_FAKE_HOST_H
#define TESTS_FAKE_HOST_H

#include "core/engine.h"
#include "unit/support/fake_dataplane.h"

#define FAKE_LIMITS \
	"limits: {services: 8, listeners: 64, backends: 40, flows: 4096, maglev-slots: 4096}\n"
/* What every configuration here begins with. */
#define FAKE_HEAD                                                                \
	"version: 1\ninterfaces: [{device: eth0}, {device: eth1}]\n" FAKE_LIMITS \
	"defaults: {tracking: never}\n"

/* Two services: 10.0.1.11 and .12 are in both, with 251 and 257 slots. */
#define FAKE_WEB                                                                              \
	" - name: web\n   address: 203.0.113.10\n   port: [80, 443]\n   table-size: 251\n   " \
	"backends: "                                                                          \
	"[{address: 10.0.1.11}, {address: 10.0.1.12, weight: 2}, {address: '2001:db8:1::13'}]\n"
#define FAKE_DNS                                                                                \
	" - name: dns\n   address: '2001:db8:53::1'\n   port: 53\n   protocol: [tcp, udp]\n   " \
	"table-size: 257\n"                                                                     \
	"   backends: [{address: 10.0.1.11}, {address: 10.0.1.12}]\n"

enum fake_health { FAKE_WELL, FAKE_FAILS, FAKE_FLAPS, FAKE_NEW };

struct fake_host {
	struct fake *fake;
	struct key key;
	struct engine *engine;
	/* By the last byte of an address: what is wrong with its way, its interface (0: eth0, index
	 * 3), and its neighbour's MAC, which changes with it. */
	enum net_way way[256];
	uint8_t interface[256], mac[256];
	bool no_source;
	/* What probes say, likewise; the share of its weight, 0: all of it. */
	enum fake_health health[256];
	uint64_t health_since_ms[256];
	uint16_t share[256];
	uint64_t now_ms; /* at the engine's start */
	char *told;	 /* the last sentence for people, of this kind: */
	enum engine_news told_news;
	unsigned int told_count[ENGINE_DAMAGE + 1];
	const struct config *took; /* what was put in force last, after so many services */
	size_t took_after;
	unsigned int stores, fail_store; /* calls, and the one that fails with -ENOSPC, from 1 */
	/* What was stored last. */
	char *stored_text;
	struct overrides stored_overrides;
	uint64_t stored_revision;
};

void fake_host_init(struct fake_host *host, const struct sl_limits *limits);
void fake_host_free(struct fake_host *host);
extern const struct sl_limits fake_limits; /* those of FAKE_LIMITS, two CPUs */

/* The engine's options over this host. */
struct engine_options fake_host_options(struct fake_host *host);
/* Makes the engine, as after a (re)start with what was stored last; it must succeed. */
void fake_host_start(struct fake_host *host);

/* Reads a configuration, which must be good; `services` follows FAKE_HEAD and "services:\n". */
struct config *fake_config(const char *services);
struct config *fake_config_text(const char *text);

/* engine_apply() of fake_config(); problems are printed if `expected` is another result. */
void fake_apply(struct fake_host *host, const char *services, bool force, int expected);

/* engine_override() of a backend's state. */
int fake_override_state(struct fake_host *host, const char *service, const char *backend,
			enum config_state state, bool force);

/* Where a backend is; false: nowhere. */
bool fake_find_place(struct fake_host *host, const char *service, const char *backend,
		     struct engine_backend_place *out);
/* Likewise of one that must be somewhere. */
struct engine_backend_place fake_place(struct fake_host *host, const char *service,
				       const char *backend);
/* The counters line, record and region of a service that must be there. */
struct engine_service_place fake_service_place(struct fake_host *host, const char *service);
/* What a server id of two bytes says of a service's backends: an index and SL_SERVER_ID_CLOSED, or 0. */
uint16_t fake_named(struct fake_host *host, const char *service, uint16_t id);
char *fake_host_image(const struct fake_host *host); /* fake_image() */

struct model_sources fake_sources(struct fake_host *host);
void fake_nexthop(void *self, const struct addr *address, struct net_nexthop *out);
struct addr fake_address(const char *text);

#endif
