/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tracking by exception: restarts, and clocks that wrap, are finer than a tick, or belong to a T that was raised. */
#include "unit/support/eight_slots.h"
#include "unit/unit.h"

START_TEST(a_restart_begins_every_window_and_hold_anew)
{
	struct track_state state;

	start();
	want(B);
	run();
	pass(T);
	set(6, A, B | HOLD); /* stable: cut off between cold and hot */
	fake->backends[C].flags = SL_BACKEND_DEAD;
	set(7, B | LOOK, C | HOLD); /* cut off between the flag and a base */
	fake_insert(fake, 1, BASE + 7, A, fake->now);
	adopt();
	run();
	CHECK_SLOT(0, B | LOOK, A | SL_COLD_HOLD_UDP);
	CHECK_SLOT(6, A, A);
	CHECK_SLOT(7, B | LOOK, B);
	ck_assert(track_state(track, BASE, &state));
	ck_assert_uint_eq(state.since, fake->now);
	pass(T + 2);
	CHECK_SLOT(0, B | LOOK, A | SL_COLD_HOLD_UDP);
	pass(1);
	CHECK_SLOT(0, B | LOOK, B);
	stop();
}
END_TEST

START_TEST(a_raised_T_counts_for_windows_under_way)
{
	struct track_region region = {1, BASE, SLOTS, 2 * T, 0};

	start();
	want(B);
	run();
	pass(T);
	track_adopt(track, &region);
	run();
	ck_assert_uint_eq(fake->services[1].idle_ticks, 2 * T);
	ck_assert_uint_eq(fake->control.longest_ticks, track_window(2 * T));
	pass(T + 2);
	CHECK_SLOT(0, B | LOOK, A | SL_COLD_HOLD_UDP);
	pass(1);
	CHECK_SLOT(0, B | LOOK, B);
	/* Lowered: packets learn of it before longest is lowered, with a grace period between. */
	region.idle_ticks = T / 2;
	track_adopt(track, &region);
	run();
	ck_assert_uint_eq(fake->services[1].idle_ticks, T / 2);
	ck_assert_uint_eq(fake->control.longest_ticks, track_window(T)); /* the other's */
	track_drop(track, OTHER);
	run();
	ck_assert_uint_eq(fake->control.longest_ticks, track_window(T / 2));
	stop();
}
END_TEST

START_TEST(the_clock_wraps_for_entries_and_for_windows)
{
	start();
	fake->now = 65530;
	want(B);
	run();
	fake_insert(fake, 3, BASE, A, 65530 + 50); /* wrapped to 44 */
	fake_insert(fake, 4, BASE + 1, A, 65530);
	pass(T + 3 + 10);
	CHECK_SLOT(0, B | LOOK, B);
	CHECK_SLOT(1, B, B);
	pass(60);
	CHECK_SLOT(0, B, B);
	stop();
}
END_TEST

/* Stopped between its look at the clock and that at the entries, which packets go on to refresh. */
START_TEST(an_agent_that_was_stopped_for_hours_in_a_scan_deletes_no_entry_of_a_live_flow)
{
	start();
	want(B);
	run();
	fake_insert(fake, 3, BASE, A, fake->now + T + 3 + 61);
	fake_insert(fake, 4, BASE + 1, A, fake->now + T + 3 + 4 * 3600);
	pass(T + 3 + 10);
	ck_assert_uint_eq(fake_entry(fake, 3), A);
	ck_assert_uint_eq(fake_entry(fake, 4), A);
	CHECK_SLOT(0, B | LOOK, B);
	CHECK_SLOT(1, B | LOOK, B);
	stop();
}
END_TEST

/* A clock that is finer than the tick of entries: 16 units a tick. */
static void start_fine(uint32_t now)
{
	start();
	fake->view.clock_shift = 4;
	fake->now = now;
	track_free(track);
	track = track_new(&fake->view, (struct track_times){.hold = 63, .scan = 160});
	for (uint32_t s = 1; s <= 2; s++)
		track_adopt(track, &(struct track_region){s, fake->services[s].slots_base, SLOTS,
							  fake->services[s].idle_ticks, 0});
	run();
}

/* Runs rounds at the units given only. */
static void at(uint32_t now)
{
	fake->now = now;
	run();
}

START_TEST(a_finer_clock_ends_a_hold_and_a_window_within_a_tick)
{
	struct track_state state;
	uint32_t left;

	start_fine(1000);
	ck_assert(!track_due(track, &left));
	want(B);
	run();
	ck_assert(track_state(track, BASE, &state));
	ck_assert_uint_eq(state.until - state.since, 16 * (T + 2));
	ck_assert(track_due(track, &left));
	ck_assert_uint_eq(left, 64);
	at(1063);
	CHECK_SLOT(0, B | LOOK, A | HOLD);
	ck_assert(track_due(track, &left));
	ck_assert_uint_eq(left, 1);
	at(1064);
	CHECK_SLOT(0, B | LOOK, A | SL_COLD_HOLD_UDP);
	at(1065);
	ck_assert(track_due(track, &left));
	ck_assert_uint_eq(1065 + left, 1000 + 16 * (T + 2) + 1);
	/* Entries have ticks. */
	fake_insert(fake, 7, BASE, A, (1065 >> 4) + 40);
	at(1000 + 16 * (T + 2));
	CHECK_SLOT(0, B | LOOK, A | SL_COLD_HOLD_UDP);
	at(1000 + 16 * (T + 2) + 1);
	CHECK_SLOT(0, B | LOOK, B);
	at(fake->now + 160);
	CHECK_SLOT(0, B | LOOK, B);
	CHECK_SLOT(1, B, B);
	ck_assert(!track_due(track, &left));
	ck_assert_uint_eq(fake_entry(fake, 7), A);
	at(fake->now + 16 * (T + 2));
	CHECK_SLOT(0, B, B);
	stop();
}
END_TEST

START_TEST(a_finer_clock_wraps_in_a_hold_in_a_window_and_where_it_reads_as_no_time)
{
	struct track_state state;
	uint32_t left;

	start_fine(-40u);
	want(B);
	run();
	at(22);
	CHECK_SLOT(0, B | LOOK, A | HOLD);
	at(23);
	CHECK_SLOT(0, B | LOOK, A | HOLD);
	ck_assert(track_due(track, &left));
	ck_assert_uint_eq(left, 1);
	at(24);
	CHECK_SLOT(0, B | LOOK, A | SL_COLD_HOLD_UDP);
	ck_assert(track_state(track, BASE, &state));
	ck_assert_uint_eq(state.since, -40u);
	ck_assert_uint_eq(state.until, 16 * (T + 2) - 40);
	at(16 * (T + 2) - 40);
	CHECK_SLOT(0, B | LOOK, A | SL_COLD_HOLD_UDP);
	at(16 * (T + 2) - 39);
	CHECK_SLOT(0, B | LOOK, B);
	stop();
	/* A window that would begin at UINT32_MAX begins with the next round. */
	start_fine(UINT32_MAX);
	want(B);
	run();
	CHECK_SLOT(0, B | LOOK, A | HOLD);
	ck_assert(track_state(track, BASE, &state));
	ck_assert(!state.has_window);
	at(0);
	ck_assert(track_state(track, BASE, &state));
	ck_assert(state.has_window);
	ck_assert_uint_eq(state.since, 0);
	at(63);
	CHECK_SLOT(0, B | LOOK, A | HOLD);
	at(64);
	CHECK_SLOT(0, B | LOOK, A | SL_COLD_HOLD_UDP);
	stop();
}
END_TEST

START_TEST(a_round_that_ends_early_is_no_part_of_the_next_one)
{
	struct track_region region = {1, BASE, SLOTS, T / 2, 0};

	start();
	run();
	track_drop(track, OTHER);
	track_adopt(track, &region);
	run(); /* its last step is T's */
	ck_assert_uint_eq(fake->control.longest_ticks, track_window(T / 2));
	ck_assert(!track_is_busy(track));
	want(B);
	run();
	CHECK_SLOT(0, B | LOOK, A | HOLD);
	stop();
}
END_TEST

RUN_TESTS("core_track_clock", a_restart_begins_every_window_and_hold_anew,
	  a_raised_T_counts_for_windows_under_way, the_clock_wraps_for_entries_and_for_windows,
	  an_agent_that_was_stopped_for_hours_in_a_scan_deletes_no_entry_of_a_live_flow,
	  a_finer_clock_ends_a_hold_and_a_window_within_a_tick,
	  a_finer_clock_wraps_in_a_hold_in_a_window_and_where_it_reads_as_no_time,
	  a_round_that_ends_early_is_no_part_of_the_next_one)
