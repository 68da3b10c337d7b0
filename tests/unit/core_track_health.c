/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine with services that track their flows, and backends whose probes fail. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "unit/support/tracked_web.h"
#include "unit/unit.h"

#define PROBED(more, backends) SERVICE(", health: {}, dead-after: 30s" more, backends)

static void refresh(void)
{
	struct problems p = {};

	ck_assert_int_eq(engine_refresh(host.engine, now_ms, &p), 0);
}

static void is_now(uint8_t last, enum fake_health health)
{
	host.health[last] = health;
	host.health_since_ms[last] = now_ms;
	refresh();
}

static uint32_t flags_of(const char *backend)
{
	return host.fake->backends[index_of(backend)].flags;
}

START_TEST(new_flows_leave_a_backend_that_fails_at_once_and_its_old_ones_stay_until_it_is_dead)
{
	uint32_t b, slot;

	start(PROBED("", A "," B));
	b = index_of("10.0.1.12");
	slot = slot_at(b);
	is_now(12, FAKE_FAILS);
	/* Down: nothing is gathered, nothing is held. */
	ck_assert_uint_eq(slots().moving, 125);
	ck_assert_uint_ne(dataplane_hot(&host.fake->view, slot) & SL_HOT_NOW, b);
	ck_assert_uint_eq(dataplane_cold(&host.fake->view, slot), b);
	ck_assert_uint_eq(host.fake->backends[b].flags, SL_BACKEND_DOWN);
	ck_assert(holding("10.0.1.12").is_failing);
	ck_assert_uint_eq(holding("10.0.1.12").dead_left_ms, 30000);
	pass(29);
	ck_assert_uint_eq(host.fake->backends[b].flags, SL_BACKEND_DOWN);
	ck_assert_uint_eq(holding("10.0.1.12").dead_left_ms, 1000);
	ck_assert_uint_le(engine_due(host.engine, now_ms), 1000);
	/* Dead: it is let go. */
	pass(1);
	ck_assert_uint_eq(host.fake->backends[b].flags, SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	ck_assert_uint_ne(dataplane_cold(&host.fake->view, slot), b);
	ck_assert(holding("10.0.1.12").is_dead);
	ck_assert_uint_eq(host.told_count[ENGINE_DEAD], 1);
	ck_assert_str_eq(host.told, "backend web 10.0.1.12 was down for 30s (dead-after): its "
				    "flows are let go, and reset by the next backend");
	/* Back: an ordinary planned change. */
	is_now(12, FAKE_WELL);
	ck_assert(!holding("10.0.1.12").is_failing);
	ck_assert_uint_ne(dataplane_hot(&host.fake->view, slot) & SL_HOT_NOW, b);
	pass(1);
	ck_assert_uint_eq(dataplane_hot(&host.fake->view, slot) & SL_HOT_NOW, b);
	ck_assert_uint_eq(host.fake->backends[b].flags, 0);
	fake_host_free(&host);
}
END_TEST

START_TEST(death_comes_when_dead_after_is_over_and_not_with_the_next_second)
{
	start(SERVICE(", health: {}, dead-after: 1500ms", A "," B));
	is_now(12, FAKE_FAILS);
	pass(1);
	ck_assert_uint_eq(engine_due(host.engine, now_ms), 500);
	now_ms += 499;
	ck_assert_uint_eq(engine_tick(host.engine, now_ms), 1);
	ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN);
	now_ms += 1;
	engine_tick(host.engine, now_ms);
	ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	fake_host_free(&host);

	start(SERVICE(", health: {}, dead-after: 0s", A "," B));
	is_now(12, FAKE_FAILS);
	ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_false_alarm_shorter_than_dead_after_lets_nobody_go)
{
	uint32_t b, slot;

	start(PROBED("", A "," B));
	b = index_of("10.0.1.12");
	slot = slot_at(b);
	for (int i = 0; i < 3; i++) { /* each begins anew */
		is_now(12, FAKE_FAILS);
		pass(29);
		ck_assert_uint_eq(host.fake->backends[b].flags, SL_BACKEND_DOWN);
		ck_assert_uint_eq(dataplane_cold(&host.fake->view, slot), b);
		is_now(12, FAKE_WELL);
		pass(1);
		ck_assert_uint_eq(host.fake->backends[b].flags, 0);
		ck_assert_uint_eq(dataplane_hot(&host.fake->view, slot) & SL_HOT_NOW, b);
	}
	fake_host_free(&host);
}
END_TEST

START_TEST(an_agent_that_was_stopped_for_longer_than_dead_after_lets_nobody_go)
{
	start(PROBED("", A "," B));
	is_now(12, FAKE_FAILS);
	pass(1);
	now_ms += 60000;
	host.fake->now += 60;
	engine_tick(host.engine, now_ms); /* before it has read that all is well again */
	ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN);
	ck_assert_uint_eq(holding("10.0.1.12").dead_left_ms, 27000);
	is_now(12, FAKE_WELL);
	pass(1);
	ck_assert_uint_eq(flags_of("10.0.1.12"), 0);
	fake_host_free(&host);
}
END_TEST

START_TEST(nobody_dies_while_nobody_probes)
{
	start(PROBED("", A "," B));
	is_now(12, FAKE_FAILS);
	pass(10);
	engine_note_prober(host.engine, false);
	pass(100);
	ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN);
	ck_assert(holding("10.0.1.12").is_paused);
	ck_assert_uint_le(holding("10.0.1.12").dead_left_ms, 20000);
	ck_assert_uint_ge(holding("10.0.1.12").dead_left_ms, 19000);
	engine_note_prober(host.engine, true);
	pass(18);
	ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN);
	pass(3);
	ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	fake_host_free(&host);
}
END_TEST

START_TEST(dead_after_is_paused_in_panic_by_the_share_and_without_a_next_hop)
{
	/* What pauses it after 10 s; and what ends that. */
	for (int why = 0; why < 3; why++) {
		start(why == 0	 ? PROBED(", panic: 50", A "," B "," C)
		      : why == 1 ? PROBED(", max-ejected: 34", A "," B "," C)
				 : PROBED("", A "," B "," C));
		is_now(12, FAKE_FAILS);
		pass(10);
		ck_assert(!holding("10.0.1.12").is_paused);
		if (why == 2)
			host.way[12] = NET_WAY_FAILED;
		host.health_since_ms[13] = why == 1 ? 0 : now_ms; /* for longer than 12 */
		host.health[13] = why == 2 ? FAKE_WELL : FAKE_FAILS;
		refresh();
		ck_assert(engine_model(host.engine)->services[0].is_panic == (why == 0));
		ck_assert(holding("10.0.1.12").is_paused);
		ck_assert_uint_eq(holding("10.0.1.12").dead_left_ms, 20000);
		pass(100);
		ck_assert_uint_eq(flags_of("10.0.1.12"), why == 2 ? SL_BACKEND_DOWN : 0);
		ck_assert_uint_eq(holding("10.0.1.12").dead_left_ms, 20000);
		host.way[12] = NET_WAY_READY;
		is_now(13, FAKE_WELL);
		ck_assert(!holding("10.0.1.12").is_paused);
		pass(19);
		ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN);
		pass(1);
		ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN | SL_BACKEND_DEAD);
		fake_host_free(&host);
	}
}
END_TEST

START_TEST(a_dead_backend_that_panic_takes_in_gets_all_of_dead_after_again)
{
	start(PROBED(", panic: 50", A "," B "," C));
	is_now(12, FAKE_FAILS);
	pass(31);
	ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	is_now(13, FAKE_FAILS);
	pass(1);
	ck_assert_uint_eq(flags_of("10.0.1.12"), 0);
	ck_assert_uint_gt(fake_place(&host, "web", "10.0.1.12").slots, 0);
	is_now(13, FAKE_WELL);
	ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN);
	ck_assert_uint_eq(holding("10.0.1.12").dead_left_ms, 30000);
	fake_host_free(&host);
}
END_TEST

static uint32_t slots_to(const char *backend)
{
	return fake_place(&host, "web", backend).slots;
}

static void expect_fallback_first(const char *services)
{
	start(services);
	ck_assert_uint_eq(slots_to("10.0.1.13"), 0);
	is_now(11, FAKE_FAILS);
	/* The other one is healthy: the fallback is not asked, and who fails is kept in, its death paused. */
	ck_assert_uint_eq(slots_to("10.0.1.11") + slots_to("10.0.1.12"), 251);
	pass(40);
	ck_assert_uint_gt(slots_to("10.0.1.11"), 0);
	ck_assert_uint_eq(flags_of("10.0.1.11"), 0);
	is_now(12, FAKE_FAILS);
	ck_assert_uint_eq(slots_to("10.0.1.13"), 251);
	pass(30);
	ck_assert_uint_eq(flags_of("10.0.1.11"), SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	/* Without a healthy one, panic and the share are as ever. */
	is_now(13, FAKE_FAILS);
	pass(1);
	ck_assert_uint_eq(slots_to("10.0.1.11") + slots_to("10.0.1.12"), 251);
	ck_assert_uint_eq(flags_of("10.0.1.12"), 0);
	is_now(13, FAKE_WELL);
	pass(10);
	ck_assert_uint_eq(slots_to("10.0.1.13"), 251);
	/* One of the others is back. */
	is_now(12, FAKE_WELL);
	pass(10);
	ck_assert_uint_eq(slots_to("10.0.1.13"), 0);
	fake_host_free(&host);
}

START_TEST(a_healthy_fallback_takes_the_new_flows_before_panic_and_the_share)
{
	expect_fallback_first(PROBED(", panic: 60, fallback: [{address: 10.0.1.13}]", A "," B));
	expect_fallback_first(
		PROBED(", max-ejected: 0, fallback: [{address: 10.0.1.13}]", A "," B));
}
END_TEST

START_TEST(what_the_administrator_says_goes_before_health)
{
	/* Down is down, however well it is. */
	start(PROBED(", panic: 100, drain-end: move", A "," B "," C));
	override_state("10.0.1.12", CONFIG_DOWN);
	ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	is_now(13, FAKE_FAILS); /* panic */
	ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.12").slots, 0);
	is_now(13, FAKE_WELL);
	/* A drained one that fails is drained: its deadline says when it is over, not dead-after. */
	override_state("10.0.1.12", CONFIG_DRAIN);
	pass(1);
	is_now(12, FAKE_FAILS);
	ck_assert(holding("10.0.1.12").is_failing);
	ck_assert(holding("10.0.1.12").is_paused);
	pass(100);
	ck_assert_uint_eq(flags_of("10.0.1.12"), 0);
	ck_assert(!holding("10.0.1.12").is_dead);
	pass(30);
	ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	fake_host_free(&host);

	/* A dead one that is drained stays dead. */
	start(PROBED("", A "," B));
	is_now(12, FAKE_FAILS);
	pass(31);
	override_state("10.0.1.12", CONFIG_DRAIN);
	pass(5);
	ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	is_now(12, FAKE_WELL);
	pass(1);
	ck_assert_uint_eq(flags_of("10.0.1.12"), 0);
	fake_host_free(&host);
}
END_TEST

START_TEST(what_flaps_takes_no_new_flows_and_keeps_its_old_ones_for_any_time)
{
	uint32_t b, slot;

	start(PROBED("", A "," B));
	b = index_of("10.0.1.12");
	slot = slot_at(b);
	is_now(12, FAKE_FAILS);
	pass(20);
	is_now(12, FAKE_FLAPS);
	ck_assert(!holding("10.0.1.12").is_failing);
	pass(40);
	ck_assert_uint_eq(host.fake->backends[b].flags, 0);
	ck_assert_uint_eq(dataplane_cold(&host.fake->view, slot), b);
	ck_assert_uint_ne(dataplane_hot(&host.fake->view, slot) & SL_HOT_NOW, b);
	fake_host_free(&host);
}
END_TEST

START_TEST(many_backends_whose_health_changes_in_one_moment_are_one_change)
{
	struct text backends = {};
	char *services;

	for (int i = 1; i <= 30; i++)
		text_add(&backends, "%s{address: 10.0.1.%d}", i > 1 ? ", " : "", i);
	services = mem_format(PROBED("", "%s"), backends.data);
	start(services);
	for (int i = 1; i <= 15; i++)
		host.health[i] = FAKE_FAILS;
	refresh();
	for (int i = 1; i <= 30; i++) {
		char address[16];

		snprintf(address, sizeof(address), "10.0.1.%d", i);
		ck_assert_int_eq(fake_place(&host, "web", address).slots == 0, i <= 15);
	}
	free(services);
	text_free(&backends);
	fake_host_free(&host);
}
END_TEST

/* ---- --force --------------------------------------------------------------------------------- */

static int apply_with(const char *services, struct problems *p)
{
	return engine_apply(host.engine, fake_config(services), false, now_ms, NULL, p);
}

START_TEST(health_alone_never_makes_a_change_unsafe_and_what_empties_a_service_is_refused)
{
	struct problems p = {};

	start(PROBED("", A "," B));
	/* All fail: any change that leaves backends is as good as any other. */
	host.health[12] = host.health[13] = FAKE_FAILS;
	is_now(11, FAKE_FAILS);
	ck_assert_uint_eq(engine_model(host.engine)->services[0].ready, 0);
	ck_assert_int_eq(apply_with(PROBED("", A "," B "," C), &p), 0);
	ck_assert_int_eq(apply_with(PROBED("", A), &p), 0);
	/* Nobody that could ever come back: that is the operator's doing. */
	ck_assert_int_eq(apply_with(PROBED("", ""), &p), -EPERM);
	ck_assert_ptr_nonnull(strstr(p.list[0].expected, "no backend left that takes new flows"));
	/* New backends in the place of all: their first success is to come. */
	is_now(11, FAKE_WELL);
	host.health[13] = FAKE_NEW;
	ck_assert_int_eq(apply_with(PROBED("", C), &p), 0);
	is_now(13, FAKE_WELL);
	/* The last one that is well is drained: who remains fails. */
	ck_assert_int_eq(apply_with(PROBED("", B "," C), &p), 0);
	is_now(12, FAKE_FAILS);
	ck_assert_int_eq(apply_with(PROBED("", B ", {address: 10.0.1.13, state: drain}"), &p),
			 -EPERM);
	ck_assert_uint_eq(p.count, 2);
	problems_free(&p);
	fake_host_free(&host);
}
END_TEST

/* ---- a new agent ----------------------------------------------------------------------------- */

static char *stored_clocks(void)
{
	struct text text = {};

	text_add(&text, "%s", "");
	engine_clocks_store(host.engine, now_ms, &text);
	return text.data;
}

/* The host's own clock may have begun anew meanwhile. */
static void restart(uint64_t away_ms, uint64_t new_now_ms)
{
	char *clocks = stored_clocks();
	struct problems p = {};

	now_ms = new_now_ms;
	host.now_ms = now_ms;
	fake_host_start(&host);
	ck_assert_int_eq(
		engine_clocks_restore(host.engine, clocks, strlen(clocks), now_ms, away_ms, &p), 0);
	engine_tick(host.engine, now_ms);
	free(clocks);
}

START_TEST(a_new_agent_goes_on_with_dead_after_and_with_drains)
{
	char *clocks;

	start(PROBED(", drain-end: move", A "," B "," C));
	is_now(12, FAKE_FAILS);
	override_state("10.0.1.13", CONFIG_DRAIN);
	pass(20);
	clocks = stored_clocks();
	ck_assert_str_eq(clocks, "web 10.0.1.12 failing 20000\nweb 10.0.1.13 drain 20000\n");
	free(clocks);
	/* 60 s without probes let nobody die, but drains are a matter of time. */
	restart(60000, 5);
	ck_assert_uint_eq(holding("10.0.1.12").dead_left_ms, 10000);
	ck_assert_uint_eq(holding("10.0.1.13").left_ms, 40000);
	pass(9);
	ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN);
	pass(1);
	ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	restart(0, 7000000);
	ck_assert(holding("10.0.1.12").is_dead);
	ck_assert_uint_eq(host.told_count[ENGINE_DEAD], 1); /* by the one before */
	ck_assert_uint_eq(flags_of("10.0.1.12"), SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	pass(29);
	ck_assert_uint_eq(flags_of("10.0.1.13"), 0);
	pass(1);
	ck_assert_uint_eq(flags_of("10.0.1.13"), SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	fake_host_free(&host);
}
END_TEST

START_TEST(clocks_that_make_no_sense_are_refused_and_change_nothing)
{
	static const char *const lines[] = {
		"web",
		"web 10.0.1.12",
		"web 10.0.1.12 failing",
		"web 10.0.1.12 failing x",
		"web 10.0.1.12 failing 1 2",
		"web 10.0.1.12 flying 1",
		"web 10.0.1 failing 1",
		"",
	};
	static const char good[] = "web 10.0.1.12 failing 29999\nweb 10.0.1.99 drain 5\n"
				   "dns 10.0.1.12 dead 5\n";
	struct problems p = {};

	start(PROBED("", A "," B));
	is_now(12, FAKE_FAILS);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char *text = mem_format("web 10.0.1.12 dead 9\n%s\n", lines[i]);

		ck_assert_int_eq(
			engine_clocks_restore(host.engine, text, strlen(text), now_ms, 0, &p),
			-EINVAL);
		ck_assert_uint_eq(p.count, i + 1);
		ck_assert(!holding("10.0.1.12").is_dead);
		free(text);
	}
	ck_assert_int_eq(engine_clocks_restore(host.engine, good, strlen(good), now_ms, 0, &p), 0);
	ck_assert_uint_eq(holding("10.0.1.12").dead_left_ms, 1);
	problems_free(&p);
	fake_host_free(&host);
}
END_TEST

RUN_TESTS("core_track_health",
	  new_flows_leave_a_backend_that_fails_at_once_and_its_old_ones_stay_until_it_is_dead,
	  death_comes_when_dead_after_is_over_and_not_with_the_next_second,
	  a_false_alarm_shorter_than_dead_after_lets_nobody_go,
	  an_agent_that_was_stopped_for_longer_than_dead_after_lets_nobody_go,
	  nobody_dies_while_nobody_probes,
	  dead_after_is_paused_in_panic_by_the_share_and_without_a_next_hop,
	  a_dead_backend_that_panic_takes_in_gets_all_of_dead_after_again,
	  a_healthy_fallback_takes_the_new_flows_before_panic_and_the_share,
	  what_the_administrator_says_goes_before_health,
	  what_flaps_takes_no_new_flows_and_keeps_its_old_ones_for_any_time,
	  many_backends_whose_health_changes_in_one_moment_are_one_change,
	  health_alone_never_makes_a_change_unsafe_and_what_empties_a_service_is_refused,
	  a_new_agent_goes_on_with_dead_after_and_with_drains,
	  clocks_that_make_no_sense_are_refused_and_change_nothing)
