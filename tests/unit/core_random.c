/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hundreds of random configurations, overrides, ways, failures and restarts in sequence. After each
 * the maps are compared with an oracle: tables as maglev_build() makes them from weights that the
 * test works out by itself, every listener's flows where these say, nothing left over, and nothing
 * more to be done. The dataplane (fake_dataplane.h) checks every state in between.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "core/engine.h"
#include "core/maglev.h"
#include "random.h"
#include "unit/support/fake_host.h"
#include "unit/unit.h"

#define STEPS	 150
#define SERVICES 7
#define BACKENDS 12 /* addresses 10.0.1.1-6 and 2001:db8:1::7-12 */

/* Room for most changes, and not for all. */
#define HEAD                                                                                    \
	"version: 1\ninterfaces: [{device: eth0}, {device: eth1}]\n"                            \
	"limits: {services: 9, listeners: 64, backends: 80, flows: 4096, maglev-slots: 8192}\n" \
	"defaults: {tracking: never}\nservices:\n"
static const struct sl_limits limits = {.cpus = 2,
					.services = 9,
					.listeners = 64,
					.backends = 80,
					.flows = 4096,
					.slots = 8192,
					.fragments = 64 << 10,
					.deny = 64 << 10};

static struct fake_host host;

/* What happened, so that a run in which too little did fails as vacuous. */
static struct {
	unsigned int applied, refused, full, failed, stuck, overridden, ways, restarts, moved,
		emptied, health, kept;
} seen;

static uint32_t pick(uint32_t below)
{
	return (random_next() >> 11) % below;
}

static struct addr backend_address(unsigned int i)
{
	return i <= BACKENDS / 2 ? (struct addr){4, {10, 0, 1, i}}
				 : (struct addr){6, {0x20, 1, 0xd, 0xb8, 0, 1, [15] = i}};
}

static void write_backends(struct text *text)
{
	static const char *const states[] = {"up", "up", "up", "drain", "down"};
	unsigned int rotate = pick(BACKENDS), chance = 1 + pick(4);
	const char *separator = "";

	text_add(text, "backends: [");
	for (unsigned int i = 0; i < BACKENDS; i++) {
		struct addr address = backend_address(1 + (i + rotate) % BACKENDS);
		char buffer[ADDR_TEXT_SIZE];

		if (i && pick(chance + 1) == 0)
			continue;
		text_add(text, "%s{address: '%s', weight: %u, state: %s}", separator,
			 addr_format(&address, buffer), pick(4) ? pick(5) : 20,
			 states[pick(ARRAY_SIZE(states))]);
		separator = ", ";
	}
	text_add(text, "]}\n");
}

/* NULL: it does not keep to the limits. */
static struct config *try_config(void)
{
	static const unsigned int sizes[] = {251, 251, 251, 257, 509, 1021, 2039};
	unsigned int rotate = pick(SERVICES);
	struct text text = {};
	struct config *config = NULL;
	struct problems p = {};
	bool any = false;

	text_add(&text, HEAD);

	for (unsigned int i = 0; i < SERVICES; i++) {
		unsigned int n = (i + rotate) % SERVICES;

		if (any && pick(3) == 0)
			continue;
		any = true;
		text_add(&text, " - {name: s%u, address: ", n);
		if (n % 3 == 0)
			text_add(&text, "[203.0.113.%u, '2001:db8:ff::%u']", n + 1, n + 1);
		else if (n % 3 == 1)
			text_add(&text, "203.0.113.%u", n + 1);
		else
			text_add(&text, "'2001:db8:ff::%u'", n + 1);
		text_add(&text, ", port: %s, protocol: %s, table-size: %u, ",
			 pick(4) ? pick(2) ? "443" : "[80, 443]" : "any",
			 pick(3) ? "tcp" : "[tcp, udp]",
			 /* Mostly a service keeps its size. */
			 sizes[pick(5) ? n : pick(ARRAY_SIZE(sizes))]);
		if (pick(3))
			text_add(&text, "health: {}, panic: %u, max-ejected: %u, ",
				 pick(2) ? 0 : pick(101), pick(2) ? 100 : pick(101));
		write_backends(&text);
	}
	config_read("test.yaml", text.data, text.length, &config, &p);
	problems_free(&p);
	text_free(&text);
	return config;
}

static struct config *random_config(void)
{
	struct config *config;

	do
		config = try_config();
	while (!config);
	return config;
}

/* ---- the oracle ------------------------------------------------------------------------------ */

static enum fake_health health_of(const struct config_backend *backend)
{
	return host.health[backend->address.bytes[addr_size(backend->address.family) - 1]];
}

/* The weight by the words of the manual, not by model.c; health aside. */
static uint32_t weight_without_health(const char *service, const struct config_backend *backend)
{
	const struct override *override =
		overrides_find(engine_overrides(host.engine), service, &backend->address);
	uint8_t last = backend->address.bytes[addr_size(backend->address.family) - 1];
	enum config_state state = backend->state;
	uint32_t weight = backend->weight;

	if (override && override->has_state)
		state = override->state;
	if (override && override->has_weight)
		weight = override->weight;
	if (state != CONFIG_UP || host.way[last] != NET_WAY_READY || host.interface[last] == 2)
		return 0;
	return weight;
}

static bool fails(const struct config_backend *backend)
{
	return health_of(backend) == FAKE_FAILS || health_of(backend) == FAKE_FLAPS;
}

/* Whether of two that fail `a` is ejected first; the one earlier in the list has the lower address. */
static bool goes_first(const struct config_backend *a, const struct config_backend *b)
{
	const uint64_t *since = host.health_since_ms;
	uint64_t of_a = since[a->address.bytes[addr_size(a->address.family) - 1]];
	uint64_t of_b = since[b->address.bytes[addr_size(b->address.family) - 1]];

	if (health_of(a) != health_of(b))
		return health_of(a) == FAKE_FAILS;
	return of_a != of_b ? of_a < of_b : a < b;
}

/* Whether health lets in one that nothing else keeps out. */
static bool is_let_in(const struct config_service *service, const struct config_backend *backend)
{
	unsigned int known = 0, failing = 0, first = 0;

	if (service->health.kind == CONFIG_HEALTH_NONE || health_of(backend) == FAKE_WELL)
		return true;
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct config_backend *other = &service->backends[i];

		if (!weight_without_health(service->name, other))
			continue;
		known += health_of(other) != FAKE_NEW;
		failing += fails(other);
		first += fails(other) && other != backend && goes_first(other, backend);
	}
	if ((known - failing) * 100 < service->panic * known)
		return true;
	return fails(backend) && first >= service->max_ejected * known / 100;
}

static uint32_t expected_weight(const struct config_service *service,
				const struct config_backend *backend)
{
	uint32_t weight = weight_without_health(service->name, backend);
	uint8_t last = backend->address.bytes[addr_size(backend->address.family) - 1];

	if (!weight || !is_let_in(service, backend))
		return 0;
	seen.kept += service->health.kind && fails(backend);
	if (service->health.kind && health_of(backend) == FAKE_WELL && host.share[last])
		weight = weight * host.share[last] / 1000;
	return weight ? weight : 1;
}

static void check_table(const struct config_service *service)
{
	struct maglev_member *members = mem_array(service->backend_count, sizeof(*members));
	uint16_t *table = mem_array(service->table_size, sizeof(*table));
	struct engine_service_place place;
	bool has_any = false;

	ck_assert(engine_service_place(host.engine, service->name, &place));
	ck_assert_uint_eq(place.slots, service->table_size);
	for (size_t i = 0; i < service->backend_count; i++) {
		members[i].address = service->backends[i].address;
		members[i].weight = expected_weight(service, &service->backends[i]);
		has_any |= members[i].weight;
	}
	seen.emptied += !has_any;
	ck_assert_int_eq(maglev_build(host.key.maglev, service->name, members,
				      service->backend_count, service->table_size, table),
			 0);
	for (uint32_t i = 0; i < service->table_size; i++) {
		uint16_t hot = dataplane_hot(&host.fake->view, place.slots_base + i);
		uint32_t cold = dataplane_cold(&host.fake->view, place.slots_base + i);
		const struct sl_backend *backend = &host.fake->backends[hot];

		if (hot != cold)
			ck_abort_msg("slot %u is not stable: %x %x", i, hot, cold);
		if ((table[i] == MAGLEV_NONE) != (hot == SL_NOBODY))
			ck_abort_msg("slot %u names %u, the table %u", i, hot, table[i]);
		if (hot && memcmp(backend->address, members[table[i]].address.bytes, 16))
			ck_abort_msg("slot %u of %s names another backend than the table", i,
				     service->name);
		if (hot && !backend->path[backend->active].ifindex)
			ck_abort_msg("slot %u of %s names a backend without a way", i,
				     service->name);
	}
	free(members);
	free(table);
}

/* A random flow to a listener goes where the table's slot says. */
static void check_flow(const struct config_service *service, const struct config_listener *listener)
{
	struct engine_flow flow = {
		.destination = listener->address,
		.source = listener->address,
		.source_port = pick(65536),
		.destination_port = listener->port ? listener->port : pick(65536),
		.protocol = listener->protocol == CONFIG_TCP ? IPPROTO_TCP : IPPROTO_UDP,
	};
	const struct config_backend *backend;
	struct engine_flow_answer answer;

	flow.source.bytes[2] ^= pick(256);
	ck_assert_int_eq(engine_flow_lookup(host.engine, &flow, &answer), 0);
	ck_assert_str_eq(answer.service, service->name);
	if (!answer.has_backend)
		return;
	backend = config_find_backend(service, &answer.backend);
	ck_assert_ptr_nonnull(backend);
	ck_assert_uint_gt(expected_weight(service, backend), 0);
}

/* The maps hold what the configuration has, and no more. */
static void check_nothing_left_over(const struct config *config)
{
	size_t records = 0, indices = 0, pairs = 0, listeners = 0;

	for (size_t i = 0; i < config->service_count; i++) {
		pairs += config->services[i].backend_count;
		listeners += config->services[i].listener_count;
	}
	for (uint32_t i = 0; i < sl_service_records(&limits); i++)
		records += host.fake->services[i].name[0] != '\0';
	for (uint32_t i = 0; i <= limits.backends; i++)
		indices += host.fake->backends[i].family != 0;
	ck_assert_uint_eq(records, config->service_count);
	ck_assert_uint_eq(indices, pairs);
	ck_assert_uint_eq(dataplane_listeners(&host.fake->view, NULL, 0), listeners);
}

static void check_nothing_to_do(void)
{
	struct config *same = fake_config_text(engine_config(host.engine)->text);
	struct engine_forecast forecast;

	ck_assert_int_eq(engine_plan(host.engine, same, &forecast, NULL), 0);
	if (forecast.operation_count)
		ck_abort_msg("there is more to do: %s", forecast.operations[0]);
	ck_assert_uint_eq(forecast.changes.count, 0);
	engine_forecast_free(&forecast);
	config_free(same);
}

static void check_all(void)
{
	const struct config *config = engine_config(host.engine);

	if (!config)
		return;
	for (size_t i = 0; i < config->service_count; i++) {
		const struct config_service *service = &config->services[i];

		check_table(service);
		for (size_t n = 0; n < service->listener_count; n++)
			check_flow(service, &service->listeners[n]);
	}
	check_nothing_left_over(config);
	check_nothing_to_do();
}

/* ---- steps ----------------------------------------------------------------------------------- */

/*
 * Every third step meets a failure, every second of these one that is followed by others, so that
 * undoing fails as well. After a single one packets see what they saw; in any case the tick mends
 * what is left.
 */
static void arm(void)
{
	if (pick(3) == 0) {
		host.fake->fail_at = host.fake->calls + 1 + pick(pick(2) ? 80 : 20);
		host.fake->fails_on = pick(2);
	}
}

static void disarm(int err, const char *before)
{
	bool lasted = host.fake->fails_on;

	host.fake->fail_at = 0;
	host.fake->fails_on = false;
	fake_check(host.fake);
	if (err == -EIO) {
		seen.failed++;
		seen.stuck += lasted;
	}
	if (err && !lasted) {
		char *after = fake_host_image(&host);

		fake_compare(before, after);
		free(after);
	}
	if (err)
		engine_tick(host.engine, 0);
}

static void step_apply(void)
{
	struct engine_forecast forecast = {};
	struct problems p = {};
	char *before = fake_host_image(&host);
	bool force = pick(2);
	int err;

	arm();
	err = engine_apply(host.engine, random_config(), force, 0, &forecast, &p);
	disarm(err, before);
	ck_assert_int_eq(err != 0, p.count != 0);
	ck_assert(err == 0 || err == -EIO || err == -EPERM || err == -ENOSPC);
	ck_assert(err != -EPERM || !force);
	seen.applied += !err;
	seen.refused += err == -EPERM;
	seen.full += err == -ENOSPC;
	seen.moved += forecast.slots_moved != 0;
	engine_forecast_free(&forecast);
	problems_free(&p);
	free(before);
}

static void step_override(void)
{
	const struct config *config = engine_config(host.engine);
	const struct config_service *service;
	struct override override = {
		.has_state = pick(2),
		.has_weight = pick(2),
		.state = pick(3),
		.weight = pick(4),
	};
	struct problems p = {};
	char *before;
	int err;

	if (!config)
		return;
	before = fake_host_image(&host);
	service = &config->services[pick(config->service_count)];
	arm();
	err = engine_override(host.engine, service->name,
			      &service->backends[pick(service->backend_count)].address, &override,
			      pick(2), 0, &p);
	disarm(err, before);
	seen.overridden += !err;
	problems_free(&p);
	free(before);
}

static void step_ways(void)
{
	struct problems p = {};
	char *before = fake_host_image(&host);
	int err;

	for (unsigned int i = 1; i <= BACKENDS; i++) {
		host.way[i] = pick(4) ? NET_WAY_READY : 1 + pick(NET_WAYS - 1);
		host.interface[i] = pick(8) ? pick(2) : 2;
		host.mac[i] += pick(4) == 0;
	}
	arm();
	err = engine_refresh(host.engine, 0, &p);
	disarm(err, before);
	seen.ways += !err;
	problems_free(&p);
	free(before);
}

/* Health changes at many backends at once; what it means for weights is the model's affair. */
static void step_health(void)
{
	struct problems p = {};
	char *before = fake_host_image(&host);
	int err;

	for (unsigned int i = 1; i <= BACKENDS; i++) {
		host.health[i] = pick(3) ? FAKE_WELL : FAKE_WELL + pick(FAKE_NEW + 1);
		host.health_since_ms[i] = pick(3);
		host.share[i] = pick(3) ? 0 : 100 * (1 + pick(10));
	}
	arm();
	err = engine_refresh(host.engine, 0, &p);
	disarm(err, before);
	seen.health += !err;
	problems_free(&p);
	free(before);
}

static void step_restart(void)
{
	struct problems p = {};
	char *before = fake_host_image(&host), *after;

	fake_host_start(&host);
	after = fake_host_image(&host);
	fake_compare(before, after);
	if (engine_config(host.engine))
		ck_assert_int_eq(engine_refresh(host.engine, 0, &p), 0);
	seen.restarts++;
	free(before);
	free(after);
}

START_TEST(maps_follow_whatever_is_wanted)
{
	static void (*const steps[])(void) = {step_apply, step_apply,  step_override, step_override,
					      step_ways,  step_health, step_restart};

	random_state += 7919 * _i;
	fake_host_init(&host, &limits);
	fake_host_start(&host);
	for (int i = 0; i < STEPS; i++) {
		steps[pick(ARRAY_SIZE(steps))]();
		check_all();
	}
	printf("%u configurations and %u overrides applied (%u moved slots), %u refused, %u "
	       "without room, "
	       "%u failed (%u for longer), %u changes of ways, %u restarts, %u changes of health "
	       "(%u times one that fails was kept), %u tables of nobody seen\n",
	       seen.applied, seen.overridden, seen.moved, seen.refused, seen.full, seen.failed,
	       seen.stuck, seen.ways, seen.restarts, seen.health, seen.kept, seen.emptied);
	ck_assert_uint_gt(seen.applied, 5);
	ck_assert_uint_gt(seen.refused, 3);
	ck_assert_uint_gt(seen.failed, 8);
	ck_assert_uint_gt(seen.stuck, 3);
	ck_assert_uint_gt(seen.overridden, 10);
	ck_assert_uint_gt(seen.ways, 5);
	ck_assert_uint_gt(seen.health, 5);
	ck_assert_uint_gt(seen.kept, 5);
	ck_assert_uint_gt(seen.restarts, 5);
	ck_assert_uint_gt(seen.moved, 3);
	ck_assert_uint_gt(seen.emptied, 0);
	fake_host_free(&host);
}
END_TEST

int main(void)
{
	TCase *cases = unit_cases("core_random");

	tcase_add_loop_test(cases, maps_follow_whatever_is_wanted, 0, 12);
	return unit_run_cases("core_random", cases);
}
