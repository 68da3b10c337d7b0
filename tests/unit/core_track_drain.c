/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine with services that track their flows: backends that are drained, taken down or removed. */
#include <stdlib.h>

#include "unit/support/tracked_web.h"
#include "unit/unit.h"

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

START_TEST(new_flows_leave_a_drained_backend_that_loses_its_way_at_once)
{
	struct problems p = {};
	uint32_t b, slot;

	for (unsigned int seconds = 0; seconds < 2; seconds++) {
		start(WEB(A "," B));
		b = index_of("10.0.1.12");
		slot = slot_at(b);
		override_state("10.0.1.12", CONFIG_DRAIN);
		pass(seconds); /* the change is being gathered, or made and held */
		ck_assert_uint_eq(slots().moving, seconds ? 125 : 0);
		host.way[12] = NET_WAY_FAILED;
		ck_assert_int_eq(engine_refresh(host.engine, now_ms, &p), 0);
		ck_assert_uint_eq(slots().moving, 125);
		ck_assert_uint_eq(dataplane_cold(&host.fake->view, slot), b); /* no hold */
		ck_assert_uint_eq(host.fake->backends[b].flags, SL_BACKEND_DOWN);
		/* Its drain goes on, and what is still there is there when the way is back. */
		ck_assert(holding("10.0.1.12").drains);
		host.way[12] = NET_WAY_READY;
		ck_assert_int_eq(engine_refresh(host.engine, now_ms, &p), 0);
		ck_assert_uint_eq(host.fake->backends[b].flags, 0);
		ck_assert_uint_eq(slots().moving, 125);
		fake_host_free(&host);
	}
}
END_TEST

/* So often that a drain is over, the last time so. */
static void expect_told(unsigned int times, const char *sentence)
{
	ck_assert_uint_eq(host.told_count[ENGINE_DRAIN_OVER], times);
	ck_assert_str_eq(host.told, sentence);
	ck_assert_int_eq(host.told_news, ENGINE_DRAIN_OVER);
}

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
	pass(1);
	expect_told(1, "backend web 10.0.1.12 is past its drain-timeout: 1 live flow with an entry "
		       "is kept");
	pass(19);
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
	expect_told(2, "backend web 10.0.1.12 is drained: it is empty");
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
	expect_told(1, "backend web 10.0.1.12 is past its drain-timeout: 1 live flow with an entry "
		       "is let go");
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
	ck_assert_int_eq(engine_refresh(host.engine, now_ms, &p), 0);
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

#define UNTRACKED(backends)                                                            \
	" - {name: web, address: 203.0.113.10, port: 443, table-size: 251, tracking: " \
	"never, backends: [" backends "]}\n"

static void apply_by_force(const char *services)
{
	struct problems p = {};

	ck_assert_int_eq(engine_apply(host.engine, fake_config(services), true, now_ms, NULL, &p),
			 0);
}

/* Its index is another's then, of whom nobody is to believe what was true of it. */
START_TEST(who_left_takes_no_successor_along_that_is_not_tracked)
{
	uint32_t b;

	start(WEB(A "," B));
	b = index_of("10.0.1.12");
	apply(WEB(A));
	pass(1);
	apply_by_force(UNTRACKED(A));
	apply(UNTRACKED(A "," C));
	ck_assert_uint_eq(index_of("10.0.1.13"), b);
	pass(60);
	ck_assert_uint_eq(host.fake->backends[b].family, 4);
	ck_assert_uint_eq(host.fake->backends[b].address[3], 13);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_drain_that_is_over_before_its_slots_have_moved_says_so)
{
	start(" - {name: web, address: 203.0.113.10, port: 443, table-size: 251, tracking: "
	      "changes, "
	      "idle-timeout: 60s, drain-timeout: 60s, drain-end: move, "
	      "backends: [" A "," B "]}\n");
	override_state("10.0.1.12", CONFIG_DRAIN);
	pass(60);
	expect_told(1, "backend web 10.0.1.12 is past its drain-timeout: 0 live flows with entries "
		       "are let go, and so are those of 125 slots that move away");
	fake_host_free(&host);
}
END_TEST

#define OTHER                                                                            \
	" - {name: other, address: 203.0.113.11, port: 443, table-size: 251, tracking: " \
	"changes, idle-timeout: 60s, drain-timeout: 2m, backends: [{address: 10.0.1.13}]}\n"

START_TEST(the_backends_of_a_removed_service_leave_no_flag_and_no_work)
{
	uint32_t freed;

	start(WEB(A "," B) OTHER);
	freed = fake_place(&host, "other", "10.0.1.13").index;
	pass(1);
	apply(WEB(A "," B));
	override_state("10.0.1.12", CONFIG_DOWN);
	pass(100);
	ck_assert_uint_eq(host.fake->backends[freed].flags, 0);
	host.fake->calls = 0;
	pass(30);
	ck_assert_uint_eq(host.fake->calls, 0);
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
	ck_assert_uint_eq(host.told_count[ENGINE_HELD_OPEN], 0);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_drain_that_is_held_open_is_told_and_goes_on_where_drain_end_says_keep)
{
	drain_crowded(SERVICE(", drain-end: keep", A "," B), 119);
	ck_assert_uint_eq(host.told_count[ENGINE_CROWDED], 1);
	ck_assert_uint_eq(host.told_count[ENGINE_HELD_OPEN], 0);
	pass(1);
	ck_assert_str_eq(host.told, "backend web 10.0.1.12 is past its drain-timeout, and "
				    "slots are held open (1), since the flow table was full; raise "
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
	ck_assert_uint_eq(host.told_count[ENGINE_CROWDED], 1);
	ck_assert_uint_eq(host.told_count[ENGINE_UNCROWDED], 1);
	fake_host_free(&host);
}
END_TEST

RUN_TESTS("core_track_drain",
	  what_an_administrator_takes_down_is_dead_at_once_and_alive_when_enabled,
	  new_flows_leave_a_drained_backend_that_loses_its_way_at_once,
	  a_drain_ends_as_drain_end_says, a_drain_that_is_over_before_its_slots_have_moved_says_so,
	  a_backend_is_empty_only_by_a_scan_after_its_last_slot_was_rebased,
	  a_removed_backend_keeps_its_flows_its_way_and_its_index_until_they_end,
	  a_removed_backend_whose_flows_go_on_is_dead_at_its_deadline,
	  who_left_takes_no_successor_along_that_is_not_tracked,
	  the_backends_of_a_removed_service_leave_no_flag_and_no_work,
	  a_drain_that_is_held_open_ends_in_death_where_drain_end_says_move,
	  a_drain_that_is_held_open_is_told_and_goes_on_where_drain_end_says_keep)
