/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "unit/support/fake_host.h"

const struct sl_limits fake_limits = {.cpus = 2,
				      .services = 8,
				      .listeners = 64,
				      .backends = 40,
				      .flows = 4096,
				      .slots = 4096,
				      .fragments = 64 << 10,
				      .deny = 64 << 10};

struct addr fake_address(const char *text)
{
	struct addr addr;

	ck_assert_int_eq(addr_parse(text, &addr), 0);
	return addr;
}

void fake_nexthop(void *self, const struct addr *address, struct net_nexthop *out)
{
	static const char *const devices[] = {"eth0", "eth1", "eth2"};
	const struct fake_host *host = self;
	uint8_t last = address->bytes[addr_size(address->family) - 1];
	uint8_t interface = host->interface[last];

	*out = (struct net_nexthop){.way = host->way[last], .gateway = *address};
	if (out->way == NET_WAY_NO_ROUTE)
		return;
	out->ifindex = 3 + interface;
	snprintf(out->device, sizeof(out->device), "%s", devices[interface]);
	if (!host->no_source)
		out->source = fake_address(address->family == 4 ? "192.0.2.10" : "2001:db8::10");
	out->mtu = 1500;
	memcpy(out->device_mac, (uint8_t[]){2, 0, 0, 0, 0, interface}, 6);
	memcpy(out->neighbour_mac, (uint8_t[]){2, 1, 0, 0, host->mac[last], last}, 6);
}

static void fake_health(void *self, const char *service, const struct addr *backend,
			struct model_probe *out)
{
	const struct fake_host *host = self;
	uint8_t last = backend->bytes[addr_size(backend->family) - 1];
	enum fake_health health = host->health[last];

	ck_assert_ptr_nonnull(service);
	*out = (struct model_probe){
		.is_known = health != FAKE_NEW,
		.is_up = health == FAKE_WELL,
		.is_damped = health == FAKE_FLAPS,
		.share = host->share[last] ? host->share[last] : 1000,
		.since_ms = host->health_since_ms[last],
	};
}

struct model_sources fake_sources(struct fake_host *host)
{
	return (struct model_sources){host, fake_nexthop, fake_health};
}

static int host_store(void *self, const struct config *config, const struct overrides *overrides,
		      uint64_t revision, struct problems *p)
{
	struct fake_host *host = self;

	if (++host->stores == host->fail_store)
		return problems_add(p, -ENOSPC, "state-dir", "/state", "the disk is full");
	free(host->stored_text);
	host->stored_text = mem_alloc(config->text_length + 1);
	memcpy(host->stored_text, config->text, config->text_length);
	overrides_free(&host->stored_overrides);
	overrides_copy(overrides, &host->stored_overrides);
	host->stored_revision = revision;
	return 0;
}

/* The one before is still there to be looked at. */
static void host_took(void *self, const struct config *config)
{
	struct fake_host *host = self;
	const struct config *before = engine_config(host->engine);

	host->took = config;
	host->took_after = before ? before->service_count : 0;
}

static void host_tell(void *self, enum engine_news news, const char *service,
		      const struct addr *backend, const char *sentence)
{
	struct fake_host *host = self;

	(void)service;
	(void)backend;
	host->told_news = news;
	host->told_count[news]++;
	free(host->told);
	host->told = mem_string(sentence);
}

void fake_host_init(struct fake_host *host, const struct sl_limits *limits)
{
	uint8_t master[SL_KEY_SIZE] = {7};

	*host = (struct fake_host){.fake = fake_new(limits)};
	key_derive(master, &host->key);
}

void fake_host_free(struct fake_host *host)
{
	engine_free(host->engine);
	fake_free(host->fake);
	free(host->stored_text);
	free(host->told);
	overrides_free(&host->stored_overrides);
}

struct engine_options fake_host_options(struct fake_host *host)
{
	return (struct engine_options){
		.ops = fake_operations(),
		.dataplane = host->fake,
		.view = &host->fake->view,
		.key = &host->key,
		.host = {.self = host,
			 .nexthop = fake_nexthop,
			 .health = fake_health,
			 .store = host_store,
			 .took = host_took,
			 .tell = host_tell},
		.revision = host->stored_revision,
		.config = host->stored_text ? fake_config_text(host->stored_text) : NULL,
		.overrides = &host->stored_overrides,
		.now_ms = host->now_ms,
	};
}

void fake_host_start(struct fake_host *host)
{
	struct engine_options options = fake_host_options(host);
	struct problems p = {};

	engine_free(host->engine);
	host->engine = NULL;
	if (engine_new(&options, &host->engine, &p)) {
		problems_print(&p, stderr);
		ck_abort_msg("the engine does not start");
	}
}

struct config *fake_config_text(const char *text)
{
	struct problems p = {};
	struct config *config;

	if (config_read("test.yaml", text, strlen(text), &config, &p)) {
		problems_print(&p, stderr);
		ck_abort_msg("a configuration is refused:\n%s", text);
	}
	return config;
}

struct config *fake_config(const char *services)
{
	char *text = mem_format("%sservices:\n%s", FAKE_HEAD, services);
	struct config *config = fake_config_text(text);

	free(text);
	return config;
}

void fake_apply(struct fake_host *host, const char *services, bool force, int expected)
{
	struct problems p = {};
	int err = engine_apply(host->engine, fake_config(services), force, 0, NULL, &p);

	if (err != expected)
		problems_print(&p, stderr);
	ck_assert_int_eq(err, expected);
	ck_assert_int_eq(err != 0, p.count != 0);
	problems_free(&p);
}

int fake_override_state(struct fake_host *host, const char *service, const char *backend,
			enum config_state state, bool force)
{
	struct override override = {.has_state = true, .state = state};
	struct addr address = fake_address(backend);
	struct problems p = {};
	int err = engine_override(host->engine, service, &address, &override, force, 0, &p);

	ck_assert_int_eq(err != 0, p.count != 0);
	problems_free(&p);
	return err;
}

bool fake_find_place(struct fake_host *host, const char *service, const char *backend,
		     struct engine_backend_place *out)
{
	size_t count;
	struct engine_backend_place *list = engine_backend_places(host->engine, service, &count);
	const struct engine_backend_place *found;
	struct addr address = fake_address(backend);

	found = engine_place_of(list, count, &address);
	if (found)
		*out = *found;
	free(list);
	return found;
}

struct engine_backend_place fake_place(struct fake_host *host, const char *service,
				       const char *backend)
{
	struct engine_backend_place place;

	ck_assert_msg(fake_find_place(host, service, backend, &place), "%s of %s", backend,
		      service);
	return place;
}

struct engine_service_place fake_service_place(struct fake_host *host, const char *service)
{
	struct engine_service_place place = {};

	ck_assert_msg(engine_service_place(host->engine, service, &place), "%s", service);
	return place;
}

uint16_t fake_named(struct fake_host *host, const char *service, uint16_t id)
{
	struct engine_service_place place = fake_service_place(host, service);

	return dataplane_find_server_id(&host->fake->view, place.record,
					(uint8_t[]){id >> 8, id & 255}, 2);
}

char *fake_host_image(const struct fake_host *host)
{
	struct text text = {};

	fake_image(host->fake, &text);
	return text.data;
}
