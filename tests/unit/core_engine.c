/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine over a dataplane in plain memory: what each kind of change does. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "core/engine.h"
#include "unit/support/fake_host.h"
#include "unit/unit.h"

static struct fake_host host;

START_TEST(a_first_configuration_is_put_in_force)
{
	struct engine_service_place web, dns;

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	ck_assert_ptr_null(engine_config(host.engine));
	ck_assert_uint_eq(engine_model(host.engine)->service_count, 0);
	fake_apply(&host, FAKE_WEB FAKE_DNS, false, 0);
	ck_assert(engine_service_place(host.engine, "web", &web));
	ck_assert(engine_service_place(host.engine, "dns", &dns));
	ck_assert(!engine_service_place(host.engine, "mail", &web));
	ck_assert_uint_eq(web.slots, 251);
	ck_assert_uint_eq(dns.slots, 257);
	ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.11").slots, 63);
	ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.12").slots, 125);
	ck_assert_uint_eq(fake_place(&host, "web", "2001:db8:1::13").slots, 63);
	ck_assert_uint_ne(fake_place(&host, "web", "10.0.1.11").index,
			  fake_place(&host, "dns", "10.0.1.11").index);
	ck_assert_uint_eq(engine_revision(host.engine), 1);
	ck_assert_uint_eq(host.stored_revision, 1);
	ck_assert_uint_eq(host.fake->meta.revision, 1);
	ck_assert_uint_eq(engine_model(host.engine)->service_count, 2);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_configuration_is_told_while_the_one_before_is_still_there)
{
	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_WEB FAKE_DNS, false, 0);
	ck_assert_ptr_eq(host.took, engine_config(host.engine));
	ck_assert_uint_eq(host.took_after, 0);
	fake_apply(&host, FAKE_WEB FAKE_DNS, false, 0);
	ck_assert_ptr_eq(host.took, engine_config(host.engine));
	ck_assert_uint_eq(host.took_after, 2);
	/* One that is refused is not: its flows would move. */
	fake_apply(&host,
		   " - {name: dns, address: '2001:db8:53::1', port: 53, table-size: 263, "
		   "backends: [{address: 10.0.1.11}]}\n",
		   false, -EPERM);
	ck_assert_ptr_eq(host.took, engine_config(host.engine));
	fake_host_free(&host);
}
END_TEST

START_TEST(a_backend_s_index_is_found_without_counting)
{
	struct addr backend = fake_address("10.0.1.12"), none = fake_address("10.0.1.99");

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	ck_assert_uint_eq(engine_backend_index(host.engine, "web", &backend), 0);
	fake_apply(&host, FAKE_WEB FAKE_DNS, false, 0);
	ck_assert_uint_eq(engine_backend_index(host.engine, "web", &backend),
			  fake_place(&host, "web", "10.0.1.12").index);
	ck_assert_uint_eq(engine_backend_index(host.engine, "dns", &backend),
			  fake_place(&host, "dns", "10.0.1.12").index);
	ck_assert_uint_eq(engine_backend_index(host.engine, "web", &none), 0);
	ck_assert_uint_eq(engine_backend_index(host.engine, "ftp", &backend), 0);
	fake_host_free(&host);
}
END_TEST

START_TEST(the_same_configuration_again_changes_nothing)
{
	struct engine_forecast forecast;
	struct problems p = {};
	unsigned int calls, stores;
	char *before, *after;

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_WEB FAKE_DNS, false, 0);
	before = fake_host_image(&host);
	calls = host.fake->calls;
	stores = host.stores;
	ck_assert_int_eq(
		engine_apply(host.engine, fake_config(FAKE_DNS FAKE_WEB), false, 0, &forecast, &p),
		0);
	after = fake_host_image(&host);
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

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_WEB FAKE_DNS, false, 0);
	fake_apply(&host, FAKE_DNS FAKE_WEB, false, 0);
	before = fake_host_image(&host);
	index = fake_place(&host, "web", "10.0.1.12").index;
	calls = host.fake->calls;
	stores = host.stores;
	fake_host_start(&host);
	ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.12").index, index);
	fake_apply(&host, FAKE_WEB FAKE_DNS, false, 0);
	after = fake_host_image(&host);
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
	struct engine_backend_place place;
	uint32_t index, freed;

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_WEB FAKE_DNS, false, 0);
	ck_assert(engine_service_place(host.engine, "web", &before));
	index = fake_place(&host, "web", "10.0.1.12").index;
	freed = fake_place(&host, "web", "10.0.1.11").index;
	fake_apply(&host,
		   " - {name: web, address: 203.0.113.10, port: [80, 443], table-size: 251,\n"
		   "    backends: [{address: 10.0.1.12}, {address: 10.0.1.14}]}\n",
		   false, 0);
	ck_assert(engine_service_place(host.engine, "web", &after));
	ck_assert_mem_eq(&before, &after, sizeof(before));
	ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.12").index, index);
	ck_assert(!fake_find_place(&host, "web", "10.0.1.11", &place));
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

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_WEB, false, 0);
	line = fake_place(&host, "web", "10.0.1.11").counters_line;
	host.fake->counters[lines + line].count[0] = 4711;
	fake_apply(&host, FAKE_WEB, false, 0);
	ck_assert_uint_eq(host.fake->counters[lines + line].count[0], 4711);
	fake_apply(&host, FAKE_DNS, false, 0);
	fake_apply(&host, FAKE_WEB, false, 0);
	ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.11").counters_line, line);
	ck_assert_uint_eq(host.fake->counters[lines + line].count[0], 0);
	fake_host_free(&host);
}
END_TEST

START_TEST(an_override_moves_slots_and_survives_apply_and_restart)
{
	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_WEB FAKE_DNS, false, 0);
	ck_assert_int_eq(fake_override_state(&host, "web", "10.0.1.12", CONFIG_DRAIN, false), 0);
	ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.12").slots, 0);
	ck_assert_uint_eq(fake_place(&host, "dns", "10.0.1.12").slots, 128);
	ck_assert_uint_eq(host.stored_overrides.count, 1);
	ck_assert_uint_eq(host.stored_revision, 1);
	fake_apply(&host, FAKE_WEB, false, 0);
	ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.12").slots, 0);
	fake_host_start(&host);
	fake_apply(&host, FAKE_WEB, false, 0);
	ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.12").slots, 0);
	/* Back up: the override is another one, an empty one is none. */
	ck_assert_int_eq(fake_override_state(&host, "web", "10.0.1.12", CONFIG_UP, false), 0);
	ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.12").slots, 125);
	ck_assert_uint_eq(engine_overrides(host.engine)->count, 1);
	fake_host_free(&host);
}
END_TEST

START_TEST(an_override_goes_with_its_backend)
{
	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_WEB FAKE_DNS, false, 0);
	ck_assert_int_eq(fake_override_state(&host, "dns", "10.0.1.12", CONFIG_DOWN, false), 0);
	ck_assert_int_eq(fake_override_state(&host, "web", "10.0.1.12", CONFIG_DOWN, false), 0);
	fake_apply(&host, FAKE_WEB, false, 0);
	ck_assert_uint_eq(engine_overrides(host.engine)->count, 1);
	ck_assert_uint_eq(host.stored_overrides.count, 1);
	ck_assert_str_eq(host.stored_overrides.list[0].service, "web");
	fake_host_free(&host);
}
END_TEST

START_TEST(a_lost_way_empties_a_service_unasked_and_its_return_fills_it)
{
	struct problems p = {};

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_DNS, false, 0);
	host.way[11] = NET_WAY_FAILED;
	ck_assert_int_eq(engine_refresh(host.engine, 0, &p), 0);
	ck_assert_uint_eq(fake_place(&host, "dns", "10.0.1.11").slots, 0);
	ck_assert_uint_eq(fake_place(&host, "dns", "10.0.1.12").slots, 257);
	host.way[12] = NET_WAY_RESOLVING;
	ck_assert_int_eq(engine_refresh(host.engine, 0, &p), 0);
	ck_assert_uint_eq(fake_place(&host, "dns", "10.0.1.12").slots, 0);
	ck_assert_uint_eq(host.fake->backends[fake_place(&host, "dns", "10.0.1.12").index].flags,
			  SL_BACKEND_DOWN);
	ck_assert_uint_eq(engine_model(host.engine)->services[0].ready, 0);
	/* The same configuration, and any other that is no worse, needs no force now. */
	fake_apply(&host, FAKE_DNS, false, 0);
	host.way[11] = host.way[12] = NET_WAY_READY;
	ck_assert_int_eq(engine_refresh(host.engine, 0, &p), 0);
	ck_assert_uint_eq(fake_place(&host, "dns", "10.0.1.11").slots +
				  fake_place(&host, "dns", "10.0.1.12").slots,
			  257);
	ck_assert_uint_eq(host.fake->backends[fake_place(&host, "dns", "10.0.1.12").index].flags,
			  0);
	ck_assert_uint_eq(engine_revision(host.engine), 1);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_changed_neighbour_changes_the_path_and_no_slot)
{
	const struct sl_backend *backend;
	struct problems p = {};
	uint64_t active;

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_DNS, false, 0);
	backend = &host.fake->backends[fake_place(&host, "dns", "10.0.1.11").index];
	active = backend->active;
	host.mac[11] = 0x77;
	ck_assert_int_eq(engine_refresh(host.engine, 0, &p), 0);
	ck_assert_uint_ne(backend->active, active);
	ck_assert_uint_eq(backend->path[backend->active].header[4], 0x77);
	ck_assert_uint_eq(backend->path[active].header[4], 0);
	host.interface[11] = 1;
	ck_assert_int_eq(engine_refresh(host.engine, 0, &p), 0);
	ck_assert(fake_has_way(host.fake, 4));
	ck_assert_uint_eq(backend->path[backend->active].ifindex, 4);
	fake_host_free(&host);
}
END_TEST

START_TEST(fresh_maps_get_the_revision_of_the_same_configuration)
{
	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_DNS, false, 0);
	fake_free(host.fake);
	host.fake = fake_new(&fake_limits); /* as after a reboot */
	fake_host_start(&host);
	fake_apply(&host, FAKE_DNS, false, 0);
	ck_assert_uint_eq(fake_place(&host, "dns", "10.0.1.11").slots, 129);
	ck_assert_uint_eq(engine_revision(host.engine), 1);
	ck_assert_uint_eq(host.fake->meta.revision, 1);
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

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_WEB FAKE_DNS, false, 0);
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
	ck_assert_int_eq(engine_refresh(host.engine, 0, &p), 0);
	ck_assert_int_eq(engine_flow_lookup(host.engine, &flow, &answer), 0);
	ck_assert(!answer.has_backend);
	ck_assert_str_eq(answer.service, "dns");
	ck_assert_ptr_nonnull(strstr(answer.why, "no_backend"));
	flow.source = fake_address("192.0.2.1");
	ck_assert_int_eq(engine_flow_lookup(host.engine, &flow, &answer), -EAFNOSUPPORT);
	fake_host_free(&host);
}
END_TEST

START_TEST(flows_of_a_client_are_looked_up_in_one_slot_where_the_affinity_is_source)
{
	struct engine_flow flow = flow_to("198.51.100.7", "203.0.113.10", 443, IPPROTO_TCP);
	struct engine_flow_answer answer;
	uint32_t slot = 0, others = 0;
	uint64_t hash = 0;

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_WEB "   affinity: source\n", false, 0);
	for (int i = 0; i < 100; i++) {
		flow.source_port = 1024 + i;
		flow.destination_port = i % 2 ? 80 : 443;
		ck_assert_int_eq(engine_flow_lookup(host.engine, &flow, &answer), 0);
		ck_assert(i == 0 || answer.slot == slot);
		ck_assert_uint_ne(answer.hash, hash); /* the flow's own */
		slot = answer.slot;
		hash = answer.hash;
	}
	for (int i = 0; i < 100; i++) {
		flow.source.bytes[2] = i;
		ck_assert_int_eq(engine_flow_lookup(host.engine, &flow, &answer), 0);
		others += answer.slot != slot;
	}
	ck_assert_uint_gt(others, 90);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_flow_to_a_backend_without_a_way_is_said_to_be_dropped)
{
	struct engine_flow flow = flow_to("198.51.100.7", "203.0.113.10", 443, IPPROTO_TCP);
	struct engine_flow_answer answer;
	struct engine_backend_place place;

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_WEB, false, 0);
	ck_assert(!fake_find_place(&host, "web", "10.0.1.99", &place));
	ck_assert(!fake_find_place(&host, "mail", "10.0.1.99", &place));
	ck_assert_ptr_eq(engine_view(host.engine), &host.fake->view);
	for (uint32_t i = 1; i <= 3;
	     i++) /* as a change that could not be taken back may leave it */
		host.fake->backends[i].path[0].ifindex = 0;
	ck_assert_int_eq(engine_flow_lookup(host.engine, &flow, &answer), 0);
	ck_assert(answer.has_backend);
	ck_assert_ptr_nonnull(strstr(answer.why, "no_nexthop"));
	fake_host_free(&host);
}
END_TEST

START_TEST(a_plan_changes_nothing)
{
	struct engine_forecast forecast;
	struct config *config;
	struct problems p = {};
	unsigned int frees = 0;
	__u64 *line;

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_WEB, false, 0);
	line = host.fake->counters[fake_place(&host, "web", "10.0.1.11").counters_line].count;
	line[SL_BACKEND_opened] = 3000;
	line[SL_BACKEND_closed] = 1000;
	config = fake_config(FAKE_DNS);
	ck_assert_int_eq(engine_plan(host.engine, config, &forecast, &p), 0);
	ck_assert_uint_eq(forecast.services_added, 1);
	ck_assert_uint_eq(forecast.services_removed, 1);
	ck_assert_uint_eq(forecast.services_changed, 0);
	ck_assert_uint_eq(forecast.backends_added, 2);
	ck_assert_uint_eq(forecast.backends_removed, 3);
	ck_assert_uint_eq(forecast.slots_total, 257);
	ck_assert(!forecast.force_needed);
	ck_assert_uint_eq(forecast.flows_ended, 2000);
	ck_assert_uint_gt(forecast.operation_count, 0);
	for (size_t i = 0; i < forecast.operation_count; i++) {
		ck_assert_uint_gt(strlen(forecast.operations[i]), 10);
		frees += strstr(forecast.operations[i], "freed") != NULL;
	}
	ck_assert_uint_eq(frees, 1);
	engine_forecast_free(&forecast);
	config_free(config);
	ck_assert_uint_eq(host.stores, 1);
	ck_assert_ptr_nonnull(config_find_service(engine_config(host.engine), "web"));
	fake_host_free(&host);
}
END_TEST

RUN_TESTS("core_engine", a_first_configuration_is_put_in_force,
	  a_configuration_is_told_while_the_one_before_is_still_there,
	  a_backend_s_index_is_found_without_counting, the_same_configuration_again_changes_nothing,
	  a_restart_finds_what_is_in_force_and_keeps_the_revision,
	  what_leaves_is_freed_and_what_stays_keeps_its_place,
	  counters_of_a_new_backend_begin_at_zero,
	  an_override_moves_slots_and_survives_apply_and_restart, an_override_goes_with_its_backend,
	  a_lost_way_empties_a_service_unasked_and_its_return_fills_it,
	  a_changed_neighbour_changes_the_path_and_no_slot,
	  fresh_maps_get_the_revision_of_the_same_configuration,
	  a_flow_is_looked_up_as_a_packet_would_be,
	  flows_of_a_client_are_looked_up_in_one_slot_where_the_affinity_is_source,
	  a_flow_to_a_backend_without_a_way_is_said_to_be_dropped, a_plan_changes_nothing)
