/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine over a dataplane in plain memory: what each kind of change does, and what is refused.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "core/engine.h"
#include "unit/support/fake_host.h"
#include "unit/unit.h"

#define WEB                                                                                   \
	" - name: web\n   address: 203.0.113.10\n   port: [80, 443]\n   table-size: 251\n   " \
	"backends: "                                                                          \
	"[{address: 10.0.1.11}, {address: 10.0.1.12, weight: 2}, {address: '2001:db8:1::13'}]\n"
#define DNS                                                                                     \
	" - name: dns\n   address: '2001:db8:53::1'\n   port: 53\n   protocol: [tcp, udp]\n   " \
	"table-size: 257\n"                                                                     \
	"   backends: [{address: 10.0.1.11}, {address: 10.0.1.12}]\n"

static struct fake_host host;

static void start(void)
{
	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
}

static struct engine_backend_place place_of(const char *service, const char *backend)
{
	struct engine_backend_place place;
	struct addr address = fake_address(backend);

	ck_assert_msg(engine_backend_place(host.engine, service, &address, &place), "%s of %s",
		      backend, service);
	return place;
}

static char *image(void)
{
	struct text text = {};

	fake_image(host.fake, &text);
	return text.data;
}

START_TEST(a_first_configuration_is_put_in_force)
{
	struct engine_service_place web, dns;

	start();
	ck_assert_ptr_null(engine_config(host.engine));
	ck_assert_uint_eq(engine_model(host.engine)->service_count, 0);
	fake_apply(&host, WEB DNS, false, 0);
	ck_assert(engine_service_place(host.engine, "web", &web));
	ck_assert(engine_service_place(host.engine, "dns", &dns));
	ck_assert(!engine_service_place(host.engine, "mail", &web));
	ck_assert_uint_eq(web.slots, 251);
	ck_assert_uint_eq(dns.slots, 257);
	ck_assert_uint_eq(place_of("web", "10.0.1.11").slots, 63);
	ck_assert_uint_eq(place_of("web", "10.0.1.12").slots, 125);
	ck_assert_uint_eq(place_of("web", "2001:db8:1::13").slots, 63);
	ck_assert_uint_ne(place_of("web", "10.0.1.11").index, place_of("dns", "10.0.1.11").index);
	ck_assert_uint_eq(engine_revision(host.engine), 1);
	ck_assert_uint_eq(host.stored_revision, 1);
	ck_assert_uint_eq(host.fake->meta.revision, 1);
	ck_assert_uint_eq(engine_model(host.engine)->service_count, 2);
	fake_host_free(&host);
}
END_TEST

START_TEST(the_same_configuration_again_changes_nothing)
{
	struct engine_forecast forecast;
	struct problems p = {};
	unsigned int calls, stores;
	char *before, *after;

	start();
	fake_apply(&host, WEB DNS, false, 0);
	before = image();
	calls = host.fake->calls;
	stores = host.stores;
	ck_assert_int_eq(engine_apply(host.engine, fake_config(DNS WEB), false, 0, &forecast, &p),
			 0);
	after = image();
	fake_compare(before, after);
	ck_assert_uint_eq(host.fake->calls, calls);
	ck_assert_uint_eq(host.stores, stores);
	ck_assert_uint_eq(engine_revision(host.engine), 1);
	ck_assert_uint_eq(forecast.operation_count, 0);
	ck_assert_uint_eq(forecast.changes.count, 0);
	ck_assert_uint_eq(forecast.slots_total, 251 + 257);
	ck_assert_uint_eq(forecast.slots_moved, 0);
	engine_forecast_free(&forecast);
	free(before);
	free(after);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_restart_finds_what_is_in_force_and_keeps_the_revision)
{
	unsigned int calls, stores;
	uint32_t index;
	char *before, *after;

	start();
	fake_apply(&host, WEB DNS, false, 0);
	fake_apply(&host, DNS WEB, false, 0);
	before = image();
	index = place_of("web", "10.0.1.12").index;
	calls = host.fake->calls;
	stores = host.stores;
	fake_host_start(&host);
	ck_assert_uint_eq(place_of("web", "10.0.1.12").index, index);
	fake_apply(&host, WEB DNS, false, 0);
	after = image();
	fake_compare(before, after);
	ck_assert_uint_eq(host.fake->calls, calls);
	ck_assert_uint_eq(host.stores, stores);
	ck_assert_uint_eq(engine_revision(host.engine), 1);
	free(before);
	free(after);
	fake_host_free(&host);
}
END_TEST

START_TEST(what_leaves_is_freed_and_what_stays_keeps_its_place)
{
	struct engine_service_place before, after;
	struct addr gone = fake_address("10.0.1.11");
	struct engine_backend_place place;
	uint32_t index, freed;

	start();
	fake_apply(&host, WEB DNS, false, 0);
	ck_assert(engine_service_place(host.engine, "web", &before));
	index = place_of("web", "10.0.1.12").index;
	freed = place_of("web", "10.0.1.11").index;
	fake_apply(&host,
		   " - {name: web, address: 203.0.113.10, port: [80, 443], table-size: 251,\n"
		   "    backends: [{address: 10.0.1.12}, {address: 10.0.1.14}]}\n",
		   false, 0);
	ck_assert(engine_service_place(host.engine, "web", &after));
	ck_assert_mem_eq(&before, &after, sizeof(before));
	ck_assert_uint_eq(place_of("web", "10.0.1.12").index, index);
	ck_assert(!engine_backend_place(host.engine, "web", &gone, &place));
	ck_assert(!engine_service_place(host.engine, "dns", &after));
	ck_assert_uint_eq(host.fake->backends[freed].family, 0);
	for (uint32_t r = 0, named = 0; r < sl_service_records(&fake_limits); r++) {
		named += host.fake->services[r].name[0] != '\0';
		ck_assert_uint_le(named, 1);
	}
	ck_assert_uint_eq(engine_revision(host.engine), 2);
	fake_host_free(&host);
}
END_TEST

START_TEST(counters_of_a_new_backend_begin_at_zero)
{
	uint32_t lines = sl_counter_lines(&fake_limits), line;

	start();
	fake_apply(&host, WEB, false, 0);
	line = place_of("web", "10.0.1.11").counters_line;
	host.fake->counters[lines + line].count[0] = 4711;
	fake_apply(&host, WEB, false, 0);
	ck_assert_uint_eq(host.fake->counters[lines + line].count[0], 4711);
	fake_apply(&host, DNS, false, 0);
	fake_apply(&host, WEB, false, 0);
	ck_assert_uint_eq(place_of("web", "10.0.1.11").counters_line, line);
	ck_assert_uint_eq(host.fake->counters[lines + line].count[0], 0);
	fake_host_free(&host);
}
END_TEST

static int override_state(const char *service, const char *backend, enum config_state state,
			  bool force)
{
	struct override override = {.has_state = true, .state = state};
	struct addr address = fake_address(backend);
	struct problems p = {};
	int err = engine_override(host.engine, service, &address, &override, force, 0, &p);

	ck_assert_int_eq(err != 0, p.count != 0);
	problems_free(&p);
	return err;
}

START_TEST(an_override_moves_slots_and_survives_apply_and_restart)
{
	start();
	fake_apply(&host, WEB DNS, false, 0);
	ck_assert_int_eq(override_state("web", "10.0.1.12", CONFIG_DRAIN, false), 0);
	ck_assert_uint_eq(place_of("web", "10.0.1.12").slots, 0);
	ck_assert_uint_eq(place_of("dns", "10.0.1.12").slots, 128);
	ck_assert_uint_eq(host.stored_overrides.count, 1);
	ck_assert_uint_eq(host.stored_revision, 1);
	fake_apply(&host, WEB, false, 0);
	ck_assert_uint_eq(place_of("web", "10.0.1.12").slots, 0);
	fake_host_start(&host);
	fake_apply(&host, WEB, false, 0);
	ck_assert_uint_eq(place_of("web", "10.0.1.12").slots, 0);
	/* Back up: the override is another one, an empty one is none. */
	ck_assert_int_eq(override_state("web", "10.0.1.12", CONFIG_UP, false), 0);
	ck_assert_uint_eq(place_of("web", "10.0.1.12").slots, 125);
	ck_assert_uint_eq(engine_overrides(host.engine)->count, 1);
	fake_host_free(&host);
}
END_TEST

START_TEST(an_override_goes_with_its_backend)
{
	start();
	fake_apply(&host, WEB DNS, false, 0);
	ck_assert_int_eq(override_state("dns", "10.0.1.12", CONFIG_DOWN, false), 0);
	ck_assert_int_eq(override_state("web", "10.0.1.12", CONFIG_DOWN, false), 0);
	fake_apply(&host, WEB, false, 0);
	ck_assert_uint_eq(engine_overrides(host.engine)->count, 1);
	ck_assert_uint_eq(host.stored_overrides.count, 1);
	ck_assert_str_eq(host.stored_overrides.list[0].service, "web");
	fake_host_free(&host);
}
END_TEST

START_TEST(overrides_of_the_unknown_are_refused)
{
	start();
	ck_assert_int_eq(override_state("web", "10.0.1.11", CONFIG_DOWN, false), -ENOENT);
	fake_apply(&host, WEB, false, 0);
	ck_assert_int_eq(override_state("mail", "10.0.1.11", CONFIG_DOWN, false), -ENOENT);
	ck_assert_int_eq(override_state("web", "10.0.1.99", CONFIG_DOWN, false), -ENOENT);
	ck_assert_uint_eq(host.stores, 1);
	fake_host_free(&host);
}
END_TEST

START_TEST(emptying_a_live_service_takes_force)
{
	struct engine_forecast forecast;
	struct config *config;
	char *before, *after;

	start();
	fake_apply(&host, DNS, false, 0);
	ck_assert_int_eq(override_state("dns", "10.0.1.11", CONFIG_DRAIN, false), 0);
	before = image();
	ck_assert_int_eq(override_state("dns", "10.0.1.12", CONFIG_DRAIN, false), -EPERM);
	/*
	 * Now 10.0.1.12 alone takes flows, and a configuration without it would empty the service.
	 */
	fake_apply(&host,
		   " - {name: dns, address: '2001:db8:53::1', port: 53, protocol: [tcp, udp], "
		   "table-size: 257,\n"
		   "    backends: [{address: 10.0.1.11}]}\n",
		   false, -EPERM);
	after = image();
	fake_compare(before, after);
	ck_assert_uint_eq(host.stores, 2);
	config = fake_config(" - {name: dns, address: '2001:db8:53::1', port: 53, protocol: [tcp, "
			     "udp], table-size: 257,\n"
			     "    backends: [{address: 10.0.1.11}]}\n");
	ck_assert_int_eq(engine_plan(host.engine, config, &forecast, NULL), 0);
	ck_assert(forecast.force_needed);
	ck_assert_ptr_nonnull(strstr(forecast.unsafe, "dns"));
	engine_forecast_free(&forecast);
	config_free(config);
	ck_assert_int_eq(override_state("dns", "10.0.1.12", CONFIG_DRAIN, true), 0);
	ck_assert_uint_eq(place_of("dns", "10.0.1.12").slots, 0);
	/* There is nothing left to be emptied. */
	ck_assert_int_eq(override_state("dns", "10.0.1.12", CONFIG_DOWN, false), 0);
	free(before);
	free(after);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_lost_way_empties_a_service_unasked_and_its_return_fills_it)
{
	struct problems p = {};

	start();
	fake_apply(&host, DNS, false, 0);
	host.way[11] = NET_WAY_FAILED;
	ck_assert_int_eq(engine_refresh_ways(host.engine, 0, &p), 0);
	ck_assert_uint_eq(place_of("dns", "10.0.1.11").slots, 0);
	ck_assert_uint_eq(place_of("dns", "10.0.1.12").slots, 257);
	host.way[12] = NET_WAY_RESOLVING;
	ck_assert_int_eq(engine_refresh_ways(host.engine, 0, &p), 0);
	ck_assert_uint_eq(place_of("dns", "10.0.1.12").slots, 0);
	ck_assert_uint_eq(host.fake->backends[place_of("dns", "10.0.1.12").index].flags,
			  SL_BACKEND_DOWN);
	ck_assert_uint_eq(engine_model(host.engine)->services[0].ready, 0);
	/* The same configuration, and any other that is no worse, needs no force now. */
	fake_apply(&host, DNS, false, 0);
	host.way[11] = host.way[12] = NET_WAY_READY;
	ck_assert_int_eq(engine_refresh_ways(host.engine, 0, &p), 0);
	ck_assert_uint_eq(place_of("dns", "10.0.1.11").slots + place_of("dns", "10.0.1.12").slots,
			  257);
	ck_assert_uint_eq(host.fake->backends[place_of("dns", "10.0.1.12").index].flags, 0);
	ck_assert_uint_eq(engine_revision(host.engine), 1);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_changed_neighbour_changes_the_path_and_no_slot)
{
	const struct sl_backend *backend;
	struct problems p = {};
	uint64_t active;

	start();
	fake_apply(&host, DNS, false, 0);
	backend = &host.fake->backends[place_of("dns", "10.0.1.11").index];
	active = backend->active;
	host.mac[11] = 0x77;
	ck_assert_int_eq(engine_refresh_ways(host.engine, 0, &p), 0);
	ck_assert_uint_ne(backend->active, active);
	ck_assert_uint_eq(backend->path[backend->active].header[4], 0x77);
	ck_assert_uint_eq(backend->path[active].header[4], 0);
	host.interface[11] = 1;
	ck_assert_int_eq(engine_refresh_ways(host.engine, 0, &p), 0);
	ck_assert(fake_has_way(host.fake, 4));
	ck_assert_uint_eq(backend->path[backend->active].ifindex, 4);
	fake_host_free(&host);
}
END_TEST

#define SIZED                                                                                    \
	" - {name: dns, address: '2001:db8:53::1', port: 53, protocol: [tcp, udp], table-size: " \
	"509,\n"                                                                                 \
	"    backends: [{address: 10.0.1.11}, {address: 10.0.1.12}]}\n"

START_TEST(another_table_size_takes_force_and_keeps_counters_and_indices)
{
	struct engine_service_place before, after;
	struct engine_forecast forecast;
	uint32_t index;

	start();
	fake_apply(&host, DNS, false, 0);
	ck_assert(engine_service_place(host.engine, "dns", &before));
	index = place_of("dns", "10.0.1.11").index;
	fake_apply(&host, SIZED, false, -EPERM);
	ck_assert_int_eq(engine_apply(host.engine, fake_config(SIZED), true, 0, &forecast, NULL),
			 0);
	ck_assert(forecast.force_needed);
	ck_assert_ptr_nonnull(strstr(forecast.unsafe, "257"));
	ck_assert_uint_eq(forecast.services_changed, 1);
	ck_assert_uint_eq(forecast.services_added + forecast.services_removed, 0);
	ck_assert_uint_gt(forecast.slots_moved, 0);
	ck_assert_uint_lt(forecast.slots_moved, 509);
	engine_forecast_free(&forecast);
	ck_assert(engine_service_place(host.engine, "dns", &after));
	ck_assert_uint_eq(after.slots, 509);
	ck_assert_uint_ne(after.record, before.record);
	ck_assert_uint_eq(after.counters_line, before.counters_line);
	ck_assert_uint_eq(place_of("dns", "10.0.1.11").index, index);
	ck_assert_str_eq(host.fake->services[before.record].name, "");
	fake_host_free(&host);
}
END_TEST

START_TEST(another_tracking_of_a_live_service_takes_force)
{
	static const char changes[] =
		" - {name: dns, address: '2001:db8:53::1', port: 53, protocol: [tcp, udp], "
		"table-size: 257,\n"
		"    tracking: changes, backends: [{address: 10.0.1.11}, {address: 10.0.1.12}]}\n";

	start();
	fake_apply(&host, DNS, false, 0);
	fake_apply(&host, changes, false, -EPERM);
	fake_apply(&host, changes, true, 0);
	ck_assert_int_eq(engine_config(host.engine)->services[0].tracking, CONFIG_TRACKING_CHANGES);
	ck_assert_uint_eq(engine_revision(host.engine), 2);
	fake_host_free(&host);
}
END_TEST

START_TEST(other_limits_are_refused_by_name)
{
	static const char text[] = "version: 1\ninterfaces: [{device: eth0}]\n"
				   "limits: {services: 9, listeners: 64, backends: 40, flows: 8k, "
				   "maglev-slots: 4096}\n"
				   "services:\n" DNS;
	struct problems p = {};
	char *said;

	start();
	ck_assert_int_eq(engine_apply(host.engine, fake_config_text(text), true, 0, NULL, &p),
			 -EBUSY);
	ck_assert_uint_eq(p.count, 2);
	said = problem_text(&p.list[0]);
	ck_assert_ptr_nonnull(strstr(said, "limits.services '9'"));
	ck_assert_ptr_nonnull(strstr(said, "made for 8"));
	ck_assert_ptr_nonnull(strstr(said, "restart"));
	free(said);
	ck_assert_str_eq(p.list[1].field, "limits.flows");
	problems_free(&p);
	ck_assert_uint_eq(host.stores + host.fake->calls, 0);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_change_that_cannot_be_stored_is_not_made)
{
	char *before, *after;

	start();
	fake_apply(&host, WEB, false, 0);
	before = image();
	host.fail_store = 2;
	fake_apply(&host, WEB DNS, false, -ENOSPC);
	host.fail_store = 3;
	ck_assert_int_eq(override_state("web", "10.0.1.11", CONFIG_DOWN, false), -ENOSPC);
	after = image();
	fake_compare(before, after);
	ck_assert_uint_eq(engine_revision(host.engine), 1);
	ck_assert_uint_eq(engine_overrides(host.engine)->count, 0);
	free(before);
	free(after);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_change_that_fails_is_taken_back_and_the_former_state_stored_again)
{
	char *before, *after;

	start();
	fake_apply(&host, WEB, false, 0);
	before = image();
	for (unsigned int fail = 1;; fail++) {
		struct problems p = {};
		int err;

		host.fake->fail_at = host.fake->calls + fail;
		err = engine_apply(host.engine, fake_config(DNS), false, 0, NULL, &p);
		host.fake->fail_at = 0;
		problems_free(&p);
		if (!err)
			break;
		ck_assert_int_eq(err, -EIO);
		after = image();
		fake_compare(before, after);
		free(after);
		ck_assert_ptr_nonnull(strstr(host.stored_text, "name: web"));
		ck_assert_uint_eq(host.stored_revision, 1);
		ck_assert_uint_eq(engine_revision(host.engine), 1);
		ck_assert_uint_gt(fail, 0);
	}
	ck_assert_ptr_nonnull(strstr(host.stored_text, "name: dns"));
	ck_assert_uint_eq(engine_revision(host.engine), 2);
	free(before);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_way_that_could_not_be_put_in_force_is_tried_again_by_the_tick)
{
	struct problems p = {};

	start();
	fake_apply(&host, DNS, false, 0);
	host.way[11] = NET_WAY_FAILED;
	host.fake->fail_at = host.fake->calls + 1;
	ck_assert_int_eq(engine_refresh_ways(host.engine, 0, &p), -EIO);
	ck_assert_uint_gt(p.count, 0);
	problems_free(&p);
	ck_assert_uint_ne(place_of("dns", "10.0.1.11").slots, 0);
	ck_assert_uint_le(engine_tick(host.engine, 1000), 1000);
	ck_assert_uint_eq(place_of("dns", "10.0.1.11").slots, 0);
	fake_host_free(&host);
}
END_TEST

START_TEST(what_has_no_room_is_refused_with_what_is_free)
{
	static const char large[] = " - {name: a, address: 203.0.113.1, port: 1, table-size: 2039, "
				    "backends: [{address: 10.0.1.1}]}\n"
				    " - {name: b, address: 203.0.113.2, port: 1, table-size: 1021, "
				    "backends: [{address: 10.0.1.1}]}\n";
	static const char larger[] = " - {name: a, address: 203.0.113.1, port: 1, table-size: "
				     "2039, backends: [{address: 10.0.1.1}]}\n"
				     " - {name: c, address: 203.0.113.3, port: 1, table-size: "
				     "2017, backends: [{address: 10.0.1.1}]}\n";
	struct problems p = {};
	char *said;

	start();
	fake_apply(&host, large, false, 0);
	ck_assert_int_eq(engine_apply(host.engine, fake_config(larger), false, 0, NULL, &p),
			 -ENOSPC);
	said = problem_text(&p.list[0]);
	ck_assert_ptr_nonnull(strstr(said, "limits.maglev-slots '4096'"));
	ck_assert_ptr_nonnull(strstr(said, "2017 slots of service c"));
	ck_assert_ptr_nonnull(
		strstr(said, "1024 are free, the largest hole has 1024, and 1024 become free"));
	free(said);
	problems_free(&p);
	ck_assert_uint_eq(host.stores, 1);
	fake_host_free(&host);
}
END_TEST

/* Services s<from> to s<to>, each with one backend or, in the last one, with several. */
static char *many(unsigned int from, unsigned int to, unsigned int first, unsigned int backends)
{
	struct text text = {};

	for (unsigned int i = from; i <= to; i++) {
		text_add(&text,
			 " - {name: s%u, address: 203.0.113.%u, port: 1, table-size: 251, "
			 "backends: [",
			 i, i);
		for (unsigned int b = 0; b < (i == to ? backends : 1); b++)
			text_add(&text, "%s{address: 10.0.1.%u}", b ? ", " : "", first + b);
		text_add(&text, "]}\n");
	}
	return text.data;
}

START_TEST(services_and_backends_without_room_are_refused_with_what_becomes_free)
{
	static const struct {
		unsigned int from, to, first, backends;
		const char *field, *said;
	} changed[] = {
		{2, 9, 1, 1, "limits.services", "none is left for service s9; 1 become free"},
		{1, 8, 41, 33, "limits.backends", "none is left for backend 10.0.1.41"},
	};
	char *full = many(1, 8, 1, 33), *before, *after;

	start();
	fake_apply(&host, full, false, 0); /* 8 services, 40 backends */
	before = image();
	for (size_t i = 0; i < ARRAY_SIZE(changed); i++) {
		char *services =
			many(changed[i].from, changed[i].to, changed[i].first, changed[i].backends);
		struct problems p = {};

		ck_assert_int_eq(
			engine_apply(host.engine, fake_config(services), true, 0, NULL, &p),
			-ENOSPC);
		ck_assert_uint_eq(p.count, 1);
		ck_assert_str_eq(p.list[0].field, changed[i].field);
		ck_assert_msg(strstr(p.list[0].expected, changed[i].said), "%s",
			      p.list[0].expected);
		problems_free(&p);
		free(services);
	}
	after = image();
	fake_compare(before, after);
	/* As the message says: remove first, then add. */
	free(full);
	full = many(2, 8, 1, 1);
	fake_apply(&host, full, false, 0);
	free(full);
	full = many(2, 9, 1, 33);
	fake_apply(&host, full, false, 0);
	free(full);
	free(before);
	free(after);
	fake_host_free(&host);
}
END_TEST

START_TEST(fresh_maps_get_the_revision_of_the_same_configuration)
{
	start();
	fake_apply(&host, DNS, false, 0);
	fake_free(host.fake);
	host.fake = fake_new(&fake_limits); /* as after a reboot */
	fake_host_start(&host);
	fake_apply(&host, DNS, false, 0);
	ck_assert_uint_eq(place_of("dns", "10.0.1.11").slots, 129);
	ck_assert_uint_eq(engine_revision(host.engine), 1);
	ck_assert_uint_eq(host.fake->meta.revision, 1);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_weight_out_of_range_is_refused)
{
	struct override override = {.has_weight = true, .weight = 1001};
	struct addr address = fake_address("10.0.1.11");
	struct problems p = {};

	start();
	fake_apply(&host, DNS, false, 0);
	ck_assert_int_eq(engine_override(host.engine, "dns", &address, &override, true, 0, &p),
			 -EINVAL);
	ck_assert_str_eq(p.list[0].value, "1001");
	problems_free(&p);
	override.weight = 1000;
	ck_assert_int_eq(engine_override(host.engine, "dns", &address, &override, true, 0, &p), 0);
	ck_assert_uint_eq(place_of("dns", "10.0.1.11").slots, 257);
	fake_host_free(&host);
}
END_TEST

static struct engine_flow flow_to(const char *source, const char *destination, uint16_t port,
				  uint8_t protocol)
{
	return (struct engine_flow){
		.source = fake_address(source),
		.destination = fake_address(destination),
		.source_port = 40000,
		.destination_port = port,
		.protocol = protocol,
	};
}

START_TEST(a_flow_is_looked_up_as_a_packet_would_be)
{
	struct engine_flow flow = flow_to("198.51.100.7", "203.0.113.10", 443, IPPROTO_TCP);
	struct engine_flow_answer answer;
	struct problems p = {};
	unsigned int hits[2] = {};

	start();
	fake_apply(&host, WEB DNS, false, 0);
	ck_assert_int_eq(engine_flow_lookup(host.engine, &flow, &answer), 0);
	ck_assert_str_eq(answer.service, "web");
	ck_assert(answer.has_backend);
	ck_assert_uint_lt(answer.slot, 251);
	ck_assert_int_eq(answer.way.way, NET_WAY_READY);
	ck_assert_ptr_nonnull(strstr(answer.why, "of 251 names it"));
	flow.destination_port = 8080;
	ck_assert_int_eq(engine_flow_lookup(host.engine, &flow, &answer), 0);
	ck_assert_ptr_null(answer.service);
	ck_assert_ptr_nonnull(strstr(answer.why, "pass"));

	flow = flow_to("2001:db8:9::1", "2001:db8:53::1", 53, IPPROTO_UDP);
	for (int i = 0; i < 400; i++) {
		flow.source_port = 1024 + i;
		ck_assert_int_eq(engine_flow_lookup(host.engine, &flow, &answer), 0);
		ck_assert_str_eq(answer.service, "dns");
		hits[answer.backend.bytes[3] == 12]++;
	}
	ck_assert_uint_gt(hits[0], 150);
	ck_assert_uint_gt(hits[1], 150);
	host.way[11] = host.way[12] = NET_WAY_NO_ROUTE;
	ck_assert_int_eq(engine_refresh_ways(host.engine, 0, &p), 0);
	ck_assert_int_eq(engine_flow_lookup(host.engine, &flow, &answer), 0);
	ck_assert(!answer.has_backend);
	ck_assert_str_eq(answer.service, "dns");
	ck_assert_ptr_nonnull(strstr(answer.why, "no_backend"));
	flow.source = fake_address("192.0.2.1");
	ck_assert_int_eq(engine_flow_lookup(host.engine, &flow, &answer), -EAFNOSUPPORT);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_plan_changes_nothing)
{
	struct engine_forecast forecast;
	struct config *config;
	struct problems p = {};

	start();
	fake_apply(&host, WEB, false, 0);
	config = fake_config(DNS);
	ck_assert_int_eq(engine_plan(host.engine, config, &forecast, &p), 0);
	ck_assert_uint_eq(forecast.services_added, 1);
	ck_assert_uint_eq(forecast.services_removed, 1);
	ck_assert_uint_eq(forecast.services_changed, 0);
	ck_assert_uint_eq(forecast.backends_added, 2);
	ck_assert_uint_eq(forecast.backends_removed, 3);
	ck_assert_uint_eq(forecast.slots_total, 257);
	ck_assert(!forecast.force_needed);
	ck_assert_uint_gt(forecast.operation_count, 0);
	for (size_t i = 0; i < forecast.operation_count; i++)
		ck_assert_uint_gt(strlen(forecast.operations[i]), 10);
	engine_forecast_free(&forecast);
	config_free(config);
	ck_assert_uint_eq(host.stores, 1);
	ck_assert_ptr_nonnull(config_find_service(engine_config(host.engine), "web"));
	fake_host_free(&host);
}
END_TEST

RUN_TESTS("core_engine", a_first_configuration_is_put_in_force,
	  the_same_configuration_again_changes_nothing,
	  a_restart_finds_what_is_in_force_and_keeps_the_revision,
	  what_leaves_is_freed_and_what_stays_keeps_its_place,
	  counters_of_a_new_backend_begin_at_zero,
	  an_override_moves_slots_and_survives_apply_and_restart, an_override_goes_with_its_backend,
	  overrides_of_the_unknown_are_refused, emptying_a_live_service_takes_force,
	  a_lost_way_empties_a_service_unasked_and_its_return_fills_it,
	  a_changed_neighbour_changes_the_path_and_no_slot,
	  another_table_size_takes_force_and_keeps_counters_and_indices,
	  another_tracking_of_a_live_service_takes_force, other_limits_are_refused_by_name,
	  a_change_that_cannot_be_stored_is_not_made,
	  a_change_that_fails_is_taken_back_and_the_former_state_stored_again,
	  a_way_that_could_not_be_put_in_force_is_tried_again_by_the_tick,
	  what_has_no_room_is_refused_with_what_is_free,
	  services_and_backends_without_room_are_refused_with_what_becomes_free,
	  fresh_maps_get_the_revision_of_the_same_configuration, a_weight_out_of_range_is_refused,
	  a_flow_is_looked_up_as_a_packet_would_be, a_plan_changes_nothing)
