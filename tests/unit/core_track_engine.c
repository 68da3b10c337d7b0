/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine with services that track their flows: what becomes of slots, drains and indices. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/flow.h>

#include "base/mem.h"
#include "base/problem.h"
#include "core/engine.h"
#include "core/slots.h"
#include "unit/support/fake_host.h"
#include "unit/unit.h"

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

static void start(const char *services)
{
	fake_host_init(&host, &fake_limits);
	host.fake->now = 1000;
	now_ms = 1000000;
	going_on = 0;
	fake_host_start(&host);
	fake_apply(&host, services, false, 0);
}

/* Lets seconds go by, with the ticks of the agent. */
static void pass(unsigned int seconds)
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

static void apply(const char *services)
{
	struct problems p = {};

	ck_assert_int_eq(engine_apply(host.engine, fake_config(services), false, now_ms, NULL, &p),
			 0);
}

static void override_state(const char *backend, enum config_state state)
{
	struct override override = {.has_state = true, .state = state};
	struct addr address = fake_address(backend);
	struct problems p = {};

	ck_assert_int_eq(engine_override(host.engine, "web", &address, &override, true, now_ms, &p),
			 0);
}

static struct engine_slots slots(void)
{
	struct engine_slots out;

	ck_assert(engine_service_slots(host.engine, "web", &out));
	return out;
}

static struct engine_holding holding(const char *backend)
{
	struct engine_backend_place place = fake_place(&host, "web", backend);

	return engine_holding(host.engine, "web", &place, now_ms);
}

static uint32_t index_of(const char *backend)
{
	return fake_place(&host, "web", backend).index;
}

/* A slot whose new flows go to a backend. */
static uint32_t slot_at(uint32_t index)
{
	uint32_t slot = 0;

	while ((dataplane_hot(&host.fake->view, slot) & SL_HOT_NOW) != index)
		slot++;
	return slot;
}

START_TEST(a_new_service_is_filled_as_stable)
{
	start(WEB(A "," B));
	ck_assert_uint_eq(slots().stable, 251);
	ck_assert_uint_eq(host.fake->services[1].flags, SL_SERVICE_TRACKS);
	ck_assert_uint_eq(host.fake->services[1].idle_ticks, 60);
	ck_assert_uint_eq(host.fake->control.longest_ticks, 62);
	host.fake->calls = 0;
	pass(30);
	ck_assert_uint_eq(host.fake->calls, 0);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_planned_change_is_gathered_for_a_moment)
{
	struct engine_forecast forecast;
	struct problems p = {};

	start(WEB(A "," B));
	ck_assert_uint_eq(engine_tick(host.engine, now_ms), 1000);
	ck_assert_int_eq(engine_apply(host.engine, fake_config(WEB(A "," B "," C)), false, now_ms,
				      &forecast, &p),
			 0);
	ck_assert_uint_eq(forecast.slots_moved, 85);
	ck_assert_str_eq(forecast.operations[forecast.operation_count - 1],
			 "service web: 85 of 251 slots move, step by step; their live flows stay "
			 "where they are");
	engine_forecast_free(&forecast);
	ck_assert_uint_eq(slots().stable, 251);
	ck_assert_uint_eq(engine_due(host.engine, now_ms), 300);
	ck_assert_uint_eq(engine_tick(host.engine, now_ms + 299), 1);
	ck_assert_uint_eq(slots().stable, 251);
	engine_tick(host.engine, now_ms + 300);
	ck_assert_uint_eq(slots().moving, 85);
	ck_assert_uint_eq(slots().left_ms, 62000);
	pass(64);
	ck_assert_uint_eq(slots().moving, 0);
	pass(11);
	ck_assert_uint_eq(slots().stable, 251);
	ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.13").slots, 83);
	fake_host_free(&host);
}
END_TEST

START_TEST(changes_are_gathered_while_they_come_but_not_for_long)
{
	struct problems p = {};
	uint64_t first_ms;

	start(WEB(A "," B "," C));
	first_ms = now_ms;
	engine_tick(host.engine, now_ms);
	override_state("10.0.1.12", CONFIG_DRAIN);
	now_ms += 250;
	/* Nothing else is wanted than before. */
	ck_assert_int_eq(engine_refresh_ways(host.engine, now_ms, &p), 0);
	ck_assert_uint_eq(engine_due(host.engine, now_ms), 50);
	override_state("10.0.1.13", CONFIG_DRAIN);
	ck_assert_uint_eq(engine_due(host.engine, now_ms), 300);
	for (now_ms = first_ms + 500; now_ms < first_ms + 800; now_ms += 100) {
		override_state("10.0.1.13", now_ms / 100 % 2 ? CONFIG_UP : CONFIG_DRAIN);
		engine_tick(host.engine, now_ms);
		ck_assert_uint_eq(slots().stable, 251);
	}
	ck_assert_uint_eq(engine_tick(host.engine, first_ms + 799), 1);
	ck_assert_uint_eq(slots().stable, 251);
	engine_tick(host.engine, first_ms + 800);
	ck_assert_uint_gt(slots().moving, 0);
	fake_host_free(&host);
}
END_TEST

/* 256 units a tick, as where a jiffy lasts 4 ms. */
START_TEST(a_tick_comes_when_a_hold_is_over)
{
	uint32_t slot;

	start(WEB(A "," B));
	host.fake->view.clock_shift = 8;
	host.fake->view.tick_ns = 1024000000;
	host.fake->now = 1000 << 8;
	fake_host_start(&host);
	fake_apply(&host, WEB(A "," B), false, 0);
	slot = slot_at(index_of("10.0.1.12"));
	override_state("10.0.1.12", CONFIG_DRAIN);
	now_ms += 300;
	host.fake->now += 75;
	engine_tick(host.engine, now_ms);
	ck_assert_uint_eq(slots().moving, 125);
	for (int s = 0; s < 4; s++) {
		ck_assert(dataplane_cold(&host.fake->view, slot) & SL_COLD_HOLD_TCP);
		ck_assert_uint_eq(engine_due(host.engine, now_ms), 1000);
		now_ms += 1000;
		host.fake->now += 250;
		engine_tick(host.engine, now_ms);
	}
	/* What was 4 s ago may have begun just after it: a unit more. */
	ck_assert(dataplane_cold(&host.fake->view, slot) & SL_COLD_HOLD_TCP);
	ck_assert_uint_eq(engine_due(host.engine, now_ms), 4);
	now_ms += 4;
	host.fake->now++;
	ck_assert_uint_eq(engine_tick(host.engine, now_ms), 1000);
	ck_assert(!(dataplane_cold(&host.fake->view, slot) & SL_COLD_HOLD_TCP));
	ck_assert_uint_eq(slots().since_ms, 4004);
	ck_assert_uint_eq(slots().left_ms, 61 * 1024 - 4004);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_lost_way_acts_at_once_and_a_false_alarm_costs_nothing)
{
	struct problems p = {};
	uint32_t b, slot;

	start(WEB(A "," B));
	b = index_of("10.0.1.12");
	slot = slot_at(b);
	host.way[12] = NET_WAY_FAILED;
	ck_assert_int_eq(engine_refresh_ways(host.engine, now_ms, &p), 0);
	ck_assert_uint_eq(slots().moving, 125);
	ck_assert_uint_eq(host.fake->backends[b].flags, SL_BACKEND_DOWN);
	ck_assert_uint_eq(dataplane_cold(&host.fake->view, slot), b);
	host.way[12] = NET_WAY_READY;
	ck_assert_int_eq(engine_refresh_ways(host.engine, now_ms, &p), 0);
	ck_assert_uint_eq(host.fake->backends[b].flags, 0);
	pass(1);
	ck_assert_uint_eq(dataplane_hot(&host.fake->view, slot) & SL_HOT_NOW, b);
	pass(20);
	ck_assert_uint_eq(slots().stable, 251);
	fake_host_free(&host);
}
END_TEST

/* Loses the way to a backend while operation `fail`, if not 0, fails; whether there was one. */
static bool lose_way_failing_at(unsigned int fail)
{
	const struct sl_backend *backend;
	struct problems p = {};
	unsigned int calls;
	uint32_t b;

	start(WEB(A "," B));
	b = index_of("10.0.1.12");
	backend = &host.fake->backends[b];
	calls = host.fake->calls;
	host.fake->fail_at = fail ? calls + fail : 0;
	host.way[12] = NET_WAY_FAILED;
	engine_refresh_ways(host.engine, now_ms, &p);
	problems_free(&p);
	if (!backend->path[backend->active].ifindex)
		ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.12").slots, 0);
	return host.fake->calls >= calls + fail;
}

START_TEST(a_way_is_lost_when_no_slot_sends_new_flows_there_any_more)
{
	const struct sl_backend *backend;
	uint32_t b;

	for (unsigned int fail = 1; lose_way_failing_at(fail); fail++) {
		b = index_of("10.0.1.12");
		/* The rest is made good. */
		now_ms += 1000;
		host.fake->now++;
		engine_tick(host.engine, now_ms);
		now_ms += 1000;
		host.fake->now++;
		engine_tick(host.engine, now_ms);
		backend = &host.fake->backends[b];
		ck_assert_uint_eq(backend->path[backend->active].ifindex, 0);
		ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.12").slots, 0);
		ck_assert_int_eq(engine_track_error(host.engine), 0);
		fake_host_free(&host);
		ck_assert_uint_lt(fail, 20);
	}
	b = index_of("10.0.1.12");
	backend = &host.fake->backends[b];
	ck_assert_uint_eq(backend->path[backend->active].ifindex, 0);
	ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.12").slots, 0);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_lost_way_is_among_what_a_plan_says)
{
	struct engine_forecast forecast;
	struct problems p = {};
	struct config *config = fake_config(WEB(A "," B));

	start(WEB(A "," B));
	host.way[12] = NET_WAY_FAILED;
	ck_assert_int_eq(engine_plan(host.engine, config, &forecast, &p), 0);
	ck_assert_uint_eq(forecast.operation_count, 2);
	ck_assert_str_eq(forecast.operations[1], "service web: backend 10.0.1.12 has no way");
	engine_forecast_free(&forecast);
	config_free(config);
	fake_host_free(&host);
}
END_TEST

START_TEST(what_an_administrator_takes_down_is_dead_at_once_and_alive_when_enabled)
{
	uint32_t b, slot;

	start(WEB(A "," B));
	b = index_of("10.0.1.12");
	slot = slot_at(b);
	override_state("10.0.1.12", CONFIG_DOWN);
	ck_assert_uint_eq(host.fake->backends[b].flags, SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	ck_assert_uint_ne(dataplane_cold(&host.fake->view, slot), b);
	ck_assert_uint_eq(slots().moving, 0);
	ck_assert_uint_eq(slots().settling, 125);
	override_state("10.0.1.12", CONFIG_UP);
	pass(1);
	ck_assert_uint_eq(host.fake->backends[b].flags, 0);
	ck_assert_uint_eq(dataplane_hot(&host.fake->view, slot) & SL_HOT_NOW, b);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_drain_ends_as_drain_end_says)
{
	uint32_t b, slot;

	start(SERVICE("", A "," B));
	b = index_of("10.0.1.12");
	slot = slot_at(b);
	override_state("10.0.1.12", CONFIG_DRAIN);
	pass(1);
	fake_insert(host.fake, 5, slot, b, host.fake->now);
	going_on = 5;
	ck_assert_uint_eq(slots().moving, 125);
	ck_assert(holding("10.0.1.12").drains);
	ck_assert_uint_eq(holding("10.0.1.12").left_ms, 119000);
	pass(119);
	ck_assert_uint_eq(holding("10.0.1.12").left_ms, 0);
	pass(20);
	ck_assert_uint_eq(host.fake->backends[b].flags, 0);
	ck_assert_uint_eq(holding("10.0.1.12").entries, 1);
	ck_assert_uint_eq(slots().settling, 1);
	ck_assert(holding("10.0.1.12").holds);
	ck_assert(holding("10.0.1.11").holds);
	/* It ends. */
	going_on = 0;
	pass(80);
	ck_assert_uint_eq(slots().stable, 251);
	ck_assert(!holding("10.0.1.12").holds);
	fake_host_free(&host);

	start(SERVICE(", drain-end: move", A "," B));
	b = index_of("10.0.1.12");
	slot = slot_at(b);
	override_state("10.0.1.12", CONFIG_DRAIN);
	pass(1);
	fake_insert(host.fake, 5, slot, b, host.fake->now);
	going_on = 5;
	pass(118);
	ck_assert_uint_eq(host.fake->backends[b].flags, 0);
	pass(2);
	ck_assert_uint_eq(host.fake->backends[b].flags, SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	pass(11);
	ck_assert_uint_eq(slots().stable, 251);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_backend_is_empty_only_by_a_scan_after_its_last_slot_was_rebased)
{
	uint32_t b, slot;
	uint64_t ago;

	start(WEB(A "," B));
	ck_assert(!engine_scanned_ms(host.engine, &ago));
	b = index_of("10.0.1.12");
	slot = slot_at(b);
	override_state("10.0.1.12", CONFIG_DRAIN);
	ck_assert(holding("10.0.1.12").holds);
	pass(1);
	ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.12").slots, 0);
	ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.12").bases, 125);
	while (fake_place(&host, "web", "10.0.1.12").bases) {
		ck_assert(holding("10.0.1.12").holds);
		/* After each scan but the one that comes next: none has seen it. */
		if (!going_on && slots().left_ms < 2000) {
			fake_insert(host.fake, 5, slot, b, host.fake->now);
			going_on = 5;
		}
		pass(1);
	}
	ck_assert_uint_eq(going_on, 5);
	for (int i = 0; i < 15; i++) {
		ck_assert(holding("10.0.1.12").holds);
		pass(1);
	}
	ck_assert_uint_eq(holding("10.0.1.12").entries, 1);
	ck_assert(engine_scanned_ms(host.engine, &ago));
	ck_assert_uint_le(ago, 10000);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_removed_backend_keeps_its_flows_its_way_and_its_index_until_they_end)
{
	uint32_t b, slot;
	struct problems p = {};
	struct engine_backend_place place;

	start(WEB(A "," B));
	b = index_of("10.0.1.12");
	slot = slot_at(b);
	apply(WEB(A));
	pass(1);
	fake_insert(host.fake, 5, slot, b, host.fake->now + 50);
	ck_assert(holding("10.0.1.12").leaves);
	/* Its way changes, and its flows follow. */
	host.mac[12] = 0x77;
	ck_assert_int_eq(engine_refresh_ways(host.engine, now_ms, &p), 0);
	ck_assert_uint_eq(host.fake->backends[b].path[host.fake->backends[b].active].header[4],
			  0x77);
	/* Added again it gets its index back. */
	apply(WEB(A "," B));
	pass(3);
	ck_assert_uint_eq(index_of("10.0.1.12"), b);
	ck_assert(!holding("10.0.1.12").leaves);
	apply(WEB(A));
	pass(100);
	ck_assert_uint_eq(host.fake->backends[b].family, 4);
	ck_assert_uint_eq(fake_entry(host.fake, 5), b);
	pass(22);
	ck_assert_uint_eq(fake_entry(host.fake, 5), SL_NOBODY);
	ck_assert_uint_eq(host.fake->backends[b].family, 0);
	ck_assert(!fake_find_place(&host, "web", "10.0.1.12", &place));
	ck_assert_uint_eq(model_find_service(engine_model(host.engine), "web")->leaving_count, 0);
	host.fake->calls = 0;
	pass(30);
	ck_assert_uint_eq(host.fake->calls, 0);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_removed_backend_whose_flows_go_on_is_dead_at_its_deadline)
{
	uint32_t b, slot;

	start(WEB(A "," B));
	b = index_of("10.0.1.12");
	slot = slot_at(b);
	apply(WEB(A));
	pass(1);
	fake_insert(host.fake, 5, slot, b, host.fake->now);
	going_on = 5;
	pass(118);
	ck_assert_uint_eq(host.fake->backends[b].flags, 0);
	pass(2);
	ck_assert_uint_eq(host.fake->backends[b].flags, SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	pass(12);
	ck_assert_uint_eq(host.fake->backends[b].family, 0);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_removed_service_leaves_no_entry)
{
	start(WEB(A "," B) FAKE_DNS);
	override_state("10.0.1.12", CONFIG_DRAIN);
	pass(1);
	fake_insert(host.fake, 5, slot_at(index_of("10.0.1.11")), index_of("10.0.1.12"),
		    host.fake->now);
	apply(FAKE_DNS);
	ck_assert_uint_eq(fake_entry(host.fake, 5), SL_NOBODY);
	ck_assert_uint_eq(host.fake->control.longest_ticks, 0);
	host.fake->calls = 0;
	pass(30);
	ck_assert_uint_eq(host.fake->calls, 0);
	fake_host_free(&host);
}
END_TEST

START_TEST(another_table_size_or_tracking_is_a_new_region_and_the_old_one_is_forgotten)
{
	struct problems p = {};

	start(WEB(A "," B));
	override_state("10.0.1.12", CONFIG_DRAIN);
	pass(1);
	fake_insert(host.fake, 5, 3, index_of("10.0.1.12"), host.fake->now);
	ck_assert_int_eq(
		engine_apply(host.engine,
			     fake_config(" - {name: web, address: 203.0.113.10, port: 443, "
					 "table-size: 251, backends: [" A "," B "]}\n"),
			     true, now_ms, NULL, &p),
		0);
	ck_assert_uint_eq(fake_entry(host.fake, 5), SL_NOBODY);
	ck_assert_uint_eq(host.fake->services[2].flags, 0);
	ck_assert_uint_ne(host.fake->services[2].slots_base, 0);
	ck_assert_int_eq(
		engine_apply(host.engine, fake_config(WEB(A "," B)), true, now_ms, NULL, &p), 0);
	ck_assert_uint_eq(slots().stable, 251);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_flow_is_looked_up_by_entry_base_or_table)
{
	struct engine_flow flow = {
		.source = fake_address("198.51.100.7"),
		.destination = fake_address("203.0.113.10"),
		.destination_port = 443,
		.protocol = IPPROTO_TCP,
	};
	struct engine_flow_answer answer;
	uint32_t b;

	start(WEB(A "," B));
	b = index_of("10.0.1.12");
	do {
		flow.source_port++;
		ck_assert_int_eq(engine_flow_lookup(host.engine, &flow, &answer), 0);
	} while (answer.backend.bytes[3] != 12);
	ck_assert_int_eq(answer.from, ENGINE_FLOW_TABLE);
	override_state("10.0.1.12", CONFIG_DRAIN);
	pass(1);
	ck_assert_int_eq(engine_flow_lookup(host.engine, &flow, &answer), 0);
	ck_assert_int_eq(answer.from, ENGINE_FLOW_BASE);
	ck_assert_uint_eq(answer.backend.bytes[3], 12);
	fake_insert(host.fake, answer.hash, answer.slot, b, host.fake->now);
	going_on = answer.hash;
	pass(64);
	ck_assert_int_eq(engine_flow_lookup(host.engine, &flow, &answer), 0);
	ck_assert_int_eq(answer.from, ENGINE_FLOW_ENTRY);
	ck_assert_uint_eq(answer.backend.bytes[3], 12);
	ck_assert_ptr_nonnull(strstr(answer.why, "has an entry"));
	going_on = 0;
	pass(61); /* the flow is over */
	ck_assert_int_eq(engine_flow_lookup(host.engine, &flow, &answer), 0);
	ck_assert_int_eq(answer.from, ENGINE_FLOW_TABLE);
	ck_assert_uint_eq(answer.backend.bytes[3], 11);
	fake_host_free(&host);
}
END_TEST

/* Slot 3 names an index beyond the map, slot 4 one that is free, slot 5 moves from nowhere. */
static void damage_slots(void)
{
	host.fake->is_checked = false;
	host.fake->hot[0].word[3] = 0x7fff;
	host.fake->hot[0].word[4] = 39;
	host.fake->hot[0].word[5] = SL_HOT_LOOK | 1;
	host.fake->cold[0].word[5] = 0xffff7ff0;
}

static void check_mended(void)
{
	ck_assert_str_eq(host.told, "service web: 3 of 251 slots were damaged and are mended; "
				    "their flows move");
	ck_assert_uint_eq(slots().stable, 251);
	host.fake->is_checked = true;
	fake_check(host.fake);
	ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.11").slots, 126);
}

START_TEST(damaged_slots_are_mended_and_named)
{
	start(WEB(A "," B));
	pass(1);
	damage_slots();
	pass(100);
	check_mended();
	/* Without an agent. */
	free(host.told);
	host.told = NULL;
	damage_slots();
	host.now_ms = now_ms;
	fake_host_start(&host);
	fake_apply(&host, WEB(A "," B), false, 0);
	pass(100);
	check_mended();
	fake_host_free(&host);
}
END_TEST

START_TEST(damaged_entries_are_deleted_and_named)
{
	start(WEB(A "," B));
	override_state("10.0.1.12", CONFIG_DRAIN);
	pass(1);
	fake_insert(host.fake, 7, 4000, 1, host.fake->now);
	fake_insert(host.fake, 8, slot_at(1), 0x7ffe, host.fake->now);
	pass(25);
	ck_assert_uint_eq(fake_entry(host.fake, 7) | fake_entry(host.fake, 8), SL_NOBODY);
	ck_assert_str_eq(host.told, "flow table: 2 damaged entries were deleted; their flows may "
				    "have moved");
	fake_host_free(&host);
}
END_TEST

START_TEST(that_slots_do_not_go_on_is_told_once_and_that_they_do_again)
{
	start(WEB(A "," B));
	pass(1);
	ck_assert_ptr_null(host.told);
	override_state("10.0.1.12", CONFIG_DRAIN);
	for (int i = 0; i < 3; i++) {
		host.fake->fail_at = host.fake->calls + 1;
		now_ms += 1000;
		ck_assert_uint_eq(engine_tick(host.engine, now_ms), 1000);
		ck_assert_int_eq(engine_track_error(host.engine), -EIO);
		ck_assert_uint_eq(slots().stable, 251);
		if (i > 0) {
			ck_assert_ptr_null(host.told);
			continue;
		}
		ck_assert_str_eq(host.told,
				 "flow tracking: slots do not go on, and their flows stay where "
				 "they are, since a change of the maps fails (Input/output error); "
				 "it is tried again each second");
		free(host.told);
		host.told = NULL;
	}
	pass(1);
	ck_assert_str_eq(host.told, "flow tracking: slots go on again");
	ck_assert_uint_eq(slots().moving, 125);
	free(host.told);
	host.told = NULL;
	pass(3);
	ck_assert_ptr_null(host.told);
	fake_host_free(&host);
}
END_TEST

/* Whether every change is held open until the drain is over, at each second. */
static void drain_crowded(const char *service, unsigned int seconds)
{
	uint32_t slot;

	start(service);
	slot = slot_at(index_of("10.0.1.12"));
	override_state("10.0.1.12", CONFIG_DRAIN);
	while (seconds--) {
		pass(1);
		host.fake->cold[slot / SL_COLD_PER_LINE].word[slot % SL_COLD_PER_LINE] |=
			SL_COLD_CROWDED;
	}
	ck_assert_uint_eq(dataplane_cold(&host.fake->view, slot) & SL_COLD_BASE,
			  index_of("10.0.1.12"));
	ck_assert_uint_eq(slots().crowded, 1);
}

START_TEST(a_drain_that_is_held_open_ends_in_death_where_drain_end_says_move)
{
	uint32_t b;

	drain_crowded(SERVICE(", drain-end: move", A "," B), 119);
	b = index_of("10.0.1.12");
	ck_assert_uint_eq(host.fake->backends[b].flags, 0);
	pass(1);
	ck_assert_uint_eq(host.fake->backends[b].flags, SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.12").bases, 0);
	pass(11);
	ck_assert_uint_eq(slots().stable, 251);
	ck_assert_ptr_null(host.told);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_drain_that_is_held_open_is_told_and_goes_on_where_drain_end_says_keep)
{
	drain_crowded(SERVICE(", drain-end: keep", A "," B), 119);
	ck_assert_ptr_null(host.told);
	pass(1);
	ck_assert_str_eq(host.told, "service web: backend 10.0.1.12 is past its drain-timeout, and "
				    "1 slots are held open, since the flow table was full; raise "
				    "limits.flows, or set drain-end: move");
	ck_assert_uint_eq(host.fake->backends[index_of("10.0.1.12")].flags, 0);
	ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.12").bases, 1);
	free(host.told);
	host.told = NULL;
	pass(5);
	ck_assert_ptr_null(host.told);
	/* With room it ends as any other. */
	pass(70);
	ck_assert_uint_eq(slots().stable, 251);
	fake_host_free(&host);
}
END_TEST

/* By SYNs, and FINs and RSTs. */
static void count_flows(const char *service, const char *backend, uint64_t opened, uint64_t closed)
{
	uint32_t line = fake_place(&host, service, backend).counters_line;

	host.fake->counters[line].count[SL_BACKEND_opened] = opened;
	host.fake->counters[line].count[SL_BACKEND_closed] = closed;
}

START_TEST(a_forecast_says_what_apply_then_does_and_when_the_flow_table_is_small)
{
	static const char before[] = WEB(A "," B) FAKE_DNS, after[] = WEB(A);
	struct engine_forecast planned, applied;
	struct problems p = {};
	struct config *config;

	start(before);
	count_flows("web", "10.0.1.11", 2000, 1500);
	count_flows("web", "10.0.1.12", 900, 898);
	count_flows("dns", "10.0.1.12", 7000, 0); /* not tracked: its flows are not kept */
	config = fake_config(after);
	ck_assert_int_eq(engine_plan(host.engine, config, &planned, &p), 0);
	config_free(config);
	ck_assert_uint_eq(planned.slots_total, 251);
	ck_assert_uint_eq(planned.slots_moved, 125);
	ck_assert_uint_eq(planned.slots_tracked, 125);
	ck_assert_uint_eq(planned.flows_kept, 502 * 125 / 251);
	ck_assert_ptr_null(planned.warning);
	engine_forecast_free(&planned);
	/* More than 40 % of 4096 entries. */
	count_flows("web", "10.0.1.11", 5000, 1500);
	config = fake_config(after);
	ck_assert_int_eq(engine_plan(host.engine, config, &planned, &p), 0);
	config_free(config);
	ck_assert_str_eq(planned.warning,
			 "about 1744 live flows are to be kept while slots move, by the SYNs and "
			 "FINs counted, and limits.flows is 4096: the change may take longer, and "
			 "breaks none; raise limits.flows to 4360 or more, which takes a restart");
	ck_assert_int_eq(engine_apply(host.engine, fake_config(after), false, now_ms, &applied, &p),
			 0);
	ck_assert_uint_eq(applied.slots_moved, planned.slots_moved);
	ck_assert_uint_eq(applied.slots_tracked, planned.slots_tracked);
	ck_assert_uint_eq(applied.flows_kept, planned.flows_kept);
	ck_assert_str_eq(applied.warning, planned.warning);
	engine_forecast_free(&planned);
	engine_forecast_free(&applied);
	pass(1);
	ck_assert_uint_eq(slots().moving, 125);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_restart_takes_up_what_is_under_way)
{
	start(WEB(A "," B));
	override_state("10.0.1.12", CONFIG_DRAIN);
	pass(60);
	ck_assert_uint_eq(slots().moving, 125);
	fake_host_start(&host);
	fake_apply(&host, WEB(A "," B), false, 0);
	ck_assert_uint_eq(slots().moving, 125);
	pass(62);
	ck_assert_uint_eq(slots().moving, 125);
	pass(12);
	ck_assert_uint_eq(slots().stable, 251);
	fake_host_free(&host);
}
END_TEST

/* Each change, and every operation of its first seconds is the last one before a crash or fails. */
static const struct {
	const char *from, *to;
	uint8_t lost;
} changes[] = {
	{WEB(A "," B), WEB(A "," B "," C), 0},
	{WEB(A "," B), WEB(B), 0},
	{WEB(A "," B "," C), WEB(A "," B "," C), 12},
	{WEB(A "," B) FAKE_DNS, FAKE_DNS, 0},
	{WEB(A "," B), WEB(A ", {address: 10.0.1.12, state: down}"), 0},
};

/* Applies, fails at operation `fail`, and lets time go by. Returns whether it did fail. */
static bool change_failing_at(size_t change, unsigned int fail, bool crashes)
{
	struct problems p = {};
	unsigned int calls;
	bool did;
	int err;

	start(changes[change].from);
	host.way[changes[change].lost] = NET_WAY_FAILED;
	calls = host.fake->calls;
	host.fake->fail_at = calls + fail;
	err = engine_apply(host.engine, fake_config(changes[change].to), true, now_ms, NULL, &p);
	problems_free(&p);
	for (int i = 0; i < 3; i++) {
		host.fake->now++;
		now_ms += 1000;
		engine_tick(host.engine, now_ms);
	}
	did = host.fake->calls >= calls + fail;
	host.fake->fail_at = 0;
	if (crashes)
		fake_host_start(&host);
	if (err || crashes)
		apply(changes[change].to);
	return did;
}

START_TEST(a_failure_or_a_crash_at_any_operation_loses_nothing_and_is_made_good)
{
	for (int crashes = 0; crashes < 2; crashes++) {
		for (unsigned int fail = 1;; fail++) {
			bool did = change_failing_at(_i, fail, crashes);

			pass(200);
			if (model_find_service(engine_model(host.engine), "web"))
				ck_assert_uint_eq(slots().stable, 251);
			fake_check(host.fake);
			fake_host_free(&host);
			if (!did || fail > 60)
				break;
		}
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_new_service_is_filled_as_stable,
		a_planned_change_is_gathered_for_a_moment,
		changes_are_gathered_while_they_come_but_not_for_long,
		a_tick_comes_when_a_hold_is_over,
		a_lost_way_acts_at_once_and_a_false_alarm_costs_nothing,
		a_way_is_lost_when_no_slot_sends_new_flows_there_any_more,
		a_lost_way_is_among_what_a_plan_says,
		what_an_administrator_takes_down_is_dead_at_once_and_alive_when_enabled,
		a_drain_ends_as_drain_end_says,
		a_backend_is_empty_only_by_a_scan_after_its_last_slot_was_rebased,
		a_removed_backend_keeps_its_flows_its_way_and_its_index_until_they_end,
		a_removed_backend_whose_flows_go_on_is_dead_at_its_deadline,
		a_removed_service_leaves_no_entry,
		another_table_size_or_tracking_is_a_new_region_and_the_old_one_is_forgotten,
		a_flow_is_looked_up_by_entry_base_or_table,
		damaged_slots_are_mended_and_named,
		damaged_entries_are_deleted_and_named,
		a_forecast_says_what_apply_then_does_and_when_the_flow_table_is_small,
		that_slots_do_not_go_on_is_told_once_and_that_they_do_again,
		a_drain_that_is_held_open_ends_in_death_where_drain_end_says_move,
		a_drain_that_is_held_open_is_told_and_goes_on_where_drain_end_says_keep,
		a_restart_takes_up_what_is_under_way,
	};
	TCase *cases = unit_cases("core_track_engine");

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tcase_add_test(cases, tests[i]);
	tcase_add_loop_test(cases,
			    a_failure_or_a_crash_at_any_operation_loses_nothing_and_is_made_good, 0,
			    ARRAY_SIZE(changes));
	return unit_run_cases("core_track_engine", cases);
}
