/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine with services that track their flows: when changes are made, and what is said of them. */
#include <netinet/in.h>
#include <string.h>

#include "unit/support/tracked_web.h"
#include "unit/unit.h"

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
	ck_assert_int_eq(engine_refresh(host.engine, now_ms, &p), 0);
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
	ck_assert_int_eq(engine_refresh(host.engine, now_ms, &p), 0);
	ck_assert_uint_eq(slots().moving, 125);
	ck_assert_uint_eq(host.fake->backends[b].flags, SL_BACKEND_DOWN);
	ck_assert_uint_eq(dataplane_cold(&host.fake->view, slot), b);
	host.way[12] = NET_WAY_READY;
	ck_assert_int_eq(engine_refresh(host.engine, now_ms, &p), 0);
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
	engine_refresh(host.engine, now_ms, &p);
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
	/* Not tracked, and it stays: what it moves is lost. */
	config =
		fake_config(WEB(A "," B) " - {name: dns, address: '2001:db8:53::1', port: 53, "
					 "protocol: [tcp, udp], table-size: 257, tracking: never,\n"
					 "    backends: [" A "]}\n");
	ck_assert_int_eq(engine_plan(host.engine, config, &planned, &p), 0);
	config_free(config);
	ck_assert_uint_eq(planned.slots_moved, 128);
	ck_assert_uint_eq(planned.slots_tracked + planned.flows_kept, 0);
	ck_assert_uint_eq(planned.flows_moved, 7000 * 128 / 257);
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

START_TEST(a_forecast_says_whose_flows_end_since_their_backend_is_taken_down)
{
	static const char after[] = WEB(A ",{address: 10.0.1.12, state: down}," C);
	struct engine_forecast planned;
	struct problems p = {};
	struct config *config;
	uint32_t slots, slot, b;

	start(WEB(A "," B "," C));
	slots = fake_place(&host, "web", "10.0.1.12").slots;
	b = index_of("10.0.1.12");
	slot = slot_at(b);
	count_flows("web", "10.0.1.11", 2000, 1500);
	count_flows("web", "10.0.1.12", 1300, 100);
	count_flows("web", "10.0.1.13", 600, 1000); /* of them some that 12 had let go */
	config = fake_config(after);
	ck_assert_int_eq(engine_plan(host.engine, config, &planned, &p), 0);
	ck_assert_uint_eq(planned.slots_cut, slots);
	ck_assert_uint_gt(planned.slots_moved, slots); /* Maglev moves a few others */
	ck_assert_uint_eq(planned.slots_tracked, planned.slots_moved - slots);
	ck_assert_uint_eq(planned.flows_cut, 1300 * slots / 251);
	ck_assert_uint_eq(planned.flows_kept, 1300 * planned.slots_tracked / 251);
	ck_assert_ptr_nonnull(
		strstr(planned.operations[planned.operation_count - 1],
		       "live flows of 84 of them end, since their backend is taken down"));
	engine_forecast_free(&planned);
	config_free(config);
	/* One that drains already has no slot, and its flows end all the same; one that is down has none. */
	for (int down = 0; down < 2; down++) {
		apply(down ? after : WEB(A ",{address: 10.0.1.12, state: drain}," C));
		pass(1);
		fake_insert(host.fake, 5, slot, b, host.fake->now);
		pass(20);
		config = fake_config(after);
		ck_assert_int_eq(engine_plan(host.engine, config, &planned, &p), 0);
		config_free(config);
		ck_assert_uint_eq(planned.slots_cut, 0);
		ck_assert_uint_eq(planned.flows_cut, down ? 0 : 1);
		engine_forecast_free(&planned);
	}
	fake_host_free(&host);
}
END_TEST

#define PROBED(backends) SERVICE(", health: {kind: tcp}", backends)

/* What a plan for C beside A and B says, the one that was told before being freed. */
static void plan_with_c(struct engine_forecast *out)
{
	struct config *config = fake_config(PROBED(A "," B "," C));
	struct problems p = {};

	engine_forecast_free(out);
	ck_assert_int_eq(engine_plan(host.engine, config, out, &p), 0);
	config_free(config);
}

START_TEST(a_forecast_counts_what_moves_when_new_backends_are_reached_and_healthy)
{
	struct engine_forecast planned = {};
	struct problems p = {};

	start(PROBED(A "," B));
	count_flows("web", "10.0.1.11", 6000, 1000);
	plan_with_c(&planned);
	ck_assert_uint_eq(planned.slots_moved, 85);
	ck_assert_uint_eq(planned.slots_later, 0);
	ck_assert_uint_eq(planned.services_changed, 1);
	/* Its next hop is asked for, or its first probe is to come, or both. */
	for (int unknown = 1; unknown < 4; unknown++) {
		host.way[13] = unknown & 1 ? NET_WAY_RESOLVING : NET_WAY_READY;
		host.health[13] = unknown & 2 ? FAKE_NEW : FAKE_WELL;
		plan_with_c(&planned);
		ck_assert_uint_eq(planned.slots_moved, 85);
		ck_assert_uint_eq(planned.slots_later, 85);
		ck_assert_uint_eq(planned.slots_tracked, 85);
		ck_assert_uint_eq(planned.flows_kept, 5000 * 85 / 251);
		ck_assert_ptr_nonnull(planned.warning);
	}
	/* One that is known to be out of reach is not hoped for. */
	host.way[13] = NET_WAY_FAILED;
	plan_with_c(&planned);
	ck_assert_uint_eq(planned.slots_moved + planned.slots_later, 0);
	engine_forecast_free(&planned);
	/* Nor is one that is no news. */
	host.way[13] = NET_WAY_RESOLVING;
	ck_assert_int_eq(engine_apply(host.engine, fake_config(PROBED(A "," B "," C)), false,
				      now_ms, &planned, &p),
			 0);
	ck_assert_uint_eq(planned.slots_later, 85);
	plan_with_c(&planned);
	ck_assert_uint_eq(planned.slots_moved, 0);
	ck_assert_uint_eq(planned.services_changed, 0);
	engine_forecast_free(&planned);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_service_of_which_anything_is_configured_otherwise_is_changed)
{
	struct config *config;
	struct engine_forecast planned;
	struct problems p = {};

	start(WEB(A "," B) FAKE_DNS);
	config = fake_config(SERVICE(", dead-after: 45s, panic: 20", A "," B) FAKE_DNS);
	ck_assert_int_eq(engine_plan(host.engine, config, &planned, &p), 0);
	config_free(config);
	ck_assert_uint_eq(planned.changes.count, 2);
	ck_assert_uint_eq(planned.services_changed, 1);
	ck_assert_uint_eq(planned.services_added + planned.services_removed, 0);
	engine_forecast_free(&planned);
	fake_host_free(&host);
}
END_TEST

RUN_TESTS("core_track_engine", a_new_service_is_filled_as_stable,
	  a_planned_change_is_gathered_for_a_moment,
	  changes_are_gathered_while_they_come_but_not_for_long, a_tick_comes_when_a_hold_is_over,
	  a_lost_way_acts_at_once_and_a_false_alarm_costs_nothing,
	  a_way_is_lost_when_no_slot_sends_new_flows_there_any_more,
	  a_lost_way_is_among_what_a_plan_says, a_removed_service_leaves_no_entry,
	  another_table_size_or_tracking_is_a_new_region_and_the_old_one_is_forgotten,
	  a_flow_is_looked_up_by_entry_base_or_table,
	  a_forecast_says_what_apply_then_does_and_when_the_flow_table_is_small,
	  a_forecast_says_whose_flows_end_since_their_backend_is_taken_down,
	  a_forecast_counts_what_moves_when_new_backends_are_reached_and_healthy,
	  a_service_of_which_anything_is_configured_otherwise_is_changed)
