/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tracking by exception, the agent's side: how each slot goes its way; backends and clocks have files of their own. */
#include "unit/support/eight_slots.h"
#include "unit/unit.h"

START_TEST(nothing_is_done_where_nothing_is_wanted)
{
	start();
	run();
	ck_assert_uint_eq(fake->control.longest_ticks, track_window(T));
	fake->calls = 0;
	pass(30);
	want(A);
	ck_assert(!track_is_busy(track));
	pass(30);
	ck_assert_uint_eq(fake->calls, 0);
	stop();
}
END_TEST

START_TEST(a_planned_change_waits_until_it_is_released)
{
	uint16_t table[SLOTS] = {B, B, B, B, B, B, B, B};

	start();
	run();
	track_want(track, BASE, table, false);
	ck_assert(track_is_gathering(track));
	pass(3);
	CHECK_SLOT(0, A, A);
	track_release(track);
	ck_assert(!track_is_gathering(track));
	run();
	CHECK_SLOT(0, B | LOOK, A | HOLD);
	stop();
}
END_TEST

/* Looks at up to `budget` slots; returns how many of them are damaged, all of them stable. */
static uint32_t look(uint32_t budget)
{
	struct track_look look;
	uint32_t damaged = 0;

	while (track_look(track, &budget, &look)) {
		damaged += look.stable;
		ck_assert_uint_eq(look.looked_up, 0);
	}
	ck_assert_uint_eq(budget, 0);
	return damaged;
}

START_TEST(damage_is_looked_for_round_and_round_a_few_slots_at_a_time)
{
	start();
	run();
	fake->hot[3].word[1] = C; /* of the other service */
	fake->hot[3].word[5] = C;
	fake->hot[3].word[SLOTS] = C; /* of nobody */
	ck_assert_uint_eq(look(SLOTS + 2), 1);
	ck_assert_uint_eq(look(3), 0);
	ck_assert_uint_eq(look(100), 1);
	track_restore(track, OTHER);
	ck_assert(track_is_busy(track));
	run();
	ck_assert(!track_is_busy(track));
	ck_assert_uint_eq(fake->hot[3].word[1], D);
	ck_assert_uint_eq(fake->hot[3].word[5], D);
	ck_assert_uint_eq(fake->hot[3].word[SLOTS], C);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(look(100), 0);
	stop();
}
END_TEST

START_TEST(a_region_without_tracking_is_looked_at_in_its_turn_and_left_alone)
{
	start();
	run();
	track_watch(track, OTHER + SL_HOT_PER_LINE, 5);
	fake->hot[4].word[4] = C;
	fake->hot[4].word[5] = C; /* of nobody */
	ck_assert_uint_eq(look(2 * SLOTS + 4), 0);
	ck_assert_uint_eq(look(1), 1);
	ck_assert_uint_eq(look(100), 0); /* there is nothing behind it */
	ck_assert_uint_eq(look(100), 1);
	track_restore(track, OTHER + SL_HOT_PER_LINE);
	run();
	ck_assert_uint_eq(fake->hot[4].word[4], C);
	track_watch_none(track);
	ck_assert_uint_eq(look(100), 0);
	track_watch(track, OTHER + SL_HOT_PER_LINE, 5); /* as it is now */
	ck_assert_uint_eq(look(100), 0);
	stop();
}
END_TEST

START_TEST(an_urgent_change_does_not_wait)
{
	uint16_t table[SLOTS] = {B, B, B, B, B, B, B, B};

	start();
	track_want(track, BASE, table, true);
	ck_assert(!track_is_gathering(track));
	run();
	CHECK_SLOT(7, B | LOOK, A | HOLD);
	stop();
}
END_TEST

START_TEST(a_planned_change_goes_from_stable_over_moving_and_settling_to_stable)
{
	struct track_state state;
	unsigned int graces;

	start();
	run();
	graces = fake->graces;
	want(B);
	run();
	CHECK_SLOT(0, B | LOOK, A | HOLD);
	ck_assert_uint_ge(fake->graces, graces + 1);
	ck_assert(track_state(track, BASE, &state));
	ck_assert_uint_eq(state.moving, SLOTS);
	ck_assert(state.has_window);
	ck_assert_uint_eq(state.since, 1000);
	ck_assert_uint_eq(state.until, 1000 + T + 2);
	pass(4); /* the hold lasts 4 s and not less */
	CHECK_SLOT(0, B | LOOK, A | HOLD);
	pass(1);
	CHECK_SLOT(0, B | LOOK, A | SL_COLD_HOLD_UDP);
	fake_insert(fake, 77, BASE, A, fake->now + 40);
	pass(T + 2 - 5);
	CHECK_SLOT(0, B | LOOK, A | SL_COLD_HOLD_UDP);
	pass(1); /* now the window is over */
	CHECK_SLOT(0, B | LOOK, B);
	ck_assert_uint_eq(track_scans(track).rebases, SLOTS);
	pass(10);
	/* The flow that is still with A keeps its slot settling; the others are stable. */
	CHECK_SLOT(0, B | LOOK, B);
	CHECK_SLOT(1, B, B);
	ck_assert(track_state(track, BASE, &state));
	ck_assert_uint_eq(state.settling, 1);
	ck_assert_uint_eq(state.stable, SLOTS - 1);
	ck_assert_uint_eq(fake_entry(fake, 77), A);
	pass(T);
	CHECK_SLOT(0, B, B);
	ck_assert_uint_eq(fake_entry(fake, 77), SL_NOBODY);
	ck_assert(!track_is_busy(track));
	stop();
}
END_TEST

START_TEST(from_nobody_new_flows_go_at_once)
{
	start();
	set(0, SL_NOBODY, SL_NOBODY);
	set(1, SL_NOBODY | LOOK, SL_NOBODY); /* settling */
	fake_insert(fake, 1, BASE + 1, C, fake->now);
	set(2, SL_NOBODY, B | HOLD); /* stable; a crash left a cold word */
	adopt();
	want(B);
	run();
	CHECK_SLOT(0, B | LOOK, B);
	CHECK_SLOT(1, B | LOOK, B);
	CHECK_SLOT(2, B | LOOK, B);
	pass(T);
	CHECK_SLOT(0, B, B);
	CHECK_SLOT(2, B, B);
	stop();
}
END_TEST

START_TEST(another_change_of_a_moving_slot_leaves_base_hold_and_window)
{
	struct track_state state;

	start();
	want(B);
	run();
	pass(3);
	want(C);
	run();
	CHECK_SLOT(0, C | LOOK, A | HOLD);
	ck_assert(track_state(track, BASE, &state));
	ck_assert_uint_eq(state.since, 1000);
	pass(T);
	CHECK_SLOT(0, C | LOOK, C);
	stop();
}
END_TEST

START_TEST(back_to_base_is_settling)
{
	start();
	want(B);
	run();
	fake_insert(fake, 7, BASE, B, fake->now);
	want(A);
	run();
	ck_assert_uint_eq(words(0).hot, A | LOOK);
	ck_assert_uint_eq(slot_base(words(0)), A);
	pass(20);
	CHECK_SLOT(1, A,
		   A | HOLD); /* what a stable slot's cold word says besides base is nothing */
	ck_assert_uint_eq(words(0).hot, A | LOOK);
	pass(60);
	ck_assert_uint_eq(words(0).hot, A);
	ck_assert(!track_is_busy(track));
	stop();
}
END_TEST

START_TEST(crowded_turns_into_hold_and_the_window_starts_again)
{
	struct track_state state;
	unsigned int graces;

	start();
	want(B);
	run();
	pass(50);
	CHECK_SLOT(3, B | LOOK, A | SL_COLD_HOLD_UDP);
	crowd(3);
	ck_assert(track_state(track, BASE, &state));
	ck_assert_uint_eq(state.crowded, 1);
	graces = fake->graces;
	pass(1);
	CHECK_SLOT(3, B | LOOK, A | HOLD);
	ck_assert_uint_gt(fake->graces, graces);
	pass(4);
	CHECK_SLOT(3, B | LOOK, A | HOLD);
	pass(1);
	CHECK_SLOT(3, B | LOOK, A | SL_COLD_HOLD_UDP);
	pass(T + 2 - 56 + 1); /* the window of the others is over */
	CHECK_SLOT(2, B | LOOK, B);
	CHECK_SLOT(3, B | LOOK, A | SL_COLD_HOLD_UDP);
	/* Its window is another one, and the change the same. */
	ck_assert(track_state(track, BASE, &state));
	ck_assert_uint_eq(state.since, 1051);
	ck_assert(state.is_open);
	ck_assert_uint_eq(state.opened, 1000);
	pass(50);
	CHECK_SLOT(3, B | LOOK, A | SL_COLD_HOLD_UDP);
	pass(1);
	ck_assert_uint_eq(slot_base(words(3)), B);
	ck_assert_uint_eq(track_scans(track).crowded, 1);
	stop();
}
END_TEST

START_TEST(a_rebase_fails_if_a_packet_was_faster)
{
	start();
	want(B);
	run();
	pass(T + 2);
	fake->before_swap = crowd_slot_4;
	pass(1);
	CHECK_SLOT(3, B | LOOK, B);
	/* The second look of the round has seen it. */
	CHECK_SLOT(4, B | LOOK, A | HOLD);
	ck_assert_uint_eq(track_scans(track).rebases, SLOTS - 1);
	pass(T + 2);
	CHECK_SLOT(4, B | LOOK, A | SL_COLD_HOLD_UDP);
	pass(1);
	ck_assert_uint_eq(slot_base(words(4)), B);
	stop();
}
END_TEST

/* Does one step of a round; false: it is over. */
static bool step(enum track_kind *kind)
{
	const struct track_step *next = track_next(track, fake->now);

	if (!next)
		return false;
	*kind = next->kind;
	ck_assert_int_eq(track_execute(next, fake_operations(), fake), 0);
	track_done(track, 0, fake->now);
	return true;
}

START_TEST(a_table_that_comes_between_cold_and_hot_words_moves_no_slot_without_hold)
{
	const uint16_t early[SLOTS] = {B, A, A, B, A, A, A, A};
	const uint16_t late[SLOTS] = {C, C, A, A, A, B, A, A};
	enum track_kind kind;

	start();
	set(4, A | LOOK, A); /* settling */
	fake_insert(fake, 1, BASE + 4, C, fake->now + 40);
	set(5, A | LOOK, A);
	fake_insert(fake, 2, BASE + 5, C, fake->now + 40);
	adopt();
	run();
	fake->now++;
	track_want(track, BASE, early, false);
	track_release(track);
	do
		ck_assert(step(&kind));
	while (kind != TRACK_STORE_COLD);
	CHECK_SLOT(0, A, A | HOLD);
	track_want(track, BASE, late, false);
	do
		ck_assert(step(&kind));
	while (kind != TRACK_STORE_HOT);
	CHECK_SLOT(0, C | LOOK, A | HOLD);
	CHECK_SLOT(1, A, A);
	CHECK_SLOT(3, A, A | HOLD); /* stable, so that its cold word is nothing */
	CHECK_SLOT(5, A | LOOK, A);
	while (step(&kind))
		;
	run();
	CHECK_SLOT(0, C | LOOK, A | HOLD);
	CHECK_SLOT(1, C | LOOK, A | HOLD);
	CHECK_SLOT(5, B | LOOK, A | HOLD);
	stop();
}
END_TEST

START_TEST(a_packet_that_crowds_between_cold_and_hot_words_delays_no_slot)
{
	const uint16_t table[SLOTS] = {B, A, A, A, A, A, A, A};
	enum track_kind kind;

	start();
	set(0, A | LOOK, A); /* settling, so that packets read its cold word */
	fake_insert(fake, 1, BASE, C, fake->now + 40);
	adopt();
	run();
	track_want(track, BASE, table, true);
	do
		ck_assert(step(&kind));
	while (kind != TRACK_STORE_COLD);
	crowd(0);
	while (step(&kind))
		;
	ck_assert_uint_eq(words(0).hot, B | LOOK);
	ck_assert_uint_eq(slot_base(words(0)), A);
	stop();
}
END_TEST

START_TEST(a_table_is_another_one_only_if_it_differs_from_what_was_wanted)
{
	uint16_t table[SLOTS] = {B, A, A, A, A, A, A, A};

	start();
	ck_assert(track_want(track, BASE, table, false));
	ck_assert(!track_want(track, BASE, table, false));
	table[0] = A;
	ck_assert(track_want(track, BASE, table, false));
	ck_assert(!track_is_gathering(track));
	ck_assert(!track_want(track, BASE, table, false));
	ck_assert(!track_want(track, 17, table, false)); /* no such region */
	stop();
}
END_TEST

START_TEST(what_no_packet_can_have_written_is_deleted)
{
	start();
	want(B);
	run();
	fake_insert(fake, 1, 200, A, fake->now);   /* a slot of nobody */
	fake_insert(fake, 2, OTHER, A, fake->now); /* a stable slot */
	fake_insert(fake, 3, 9999, A, fake->now);  /* no slot at all */
	fake_insert(fake, 4, BASE, 4711, fake->now);
	fake_insert(fake, 5, BASE, 7, fake->now); /* an index that is free */
	set(SLOTS, A | LOOK, B); /* in the service's last cache line, and not its */
	fake_insert(fake, 6, BASE + SLOTS, A, fake->now);
	fake_insert(fake, 7, BASE, C, fake->now);
	pass(10);
	for (uint64_t hash = 1; hash <= 6; hash++)
		ck_assert_uint_eq(fake_entry(fake, hash), SL_NOBODY);
	ck_assert_uint_eq(fake_entry(fake, 7), C);
	ck_assert_uint_eq(track_scans(track).repaired, 5);
	stop();
}
END_TEST

START_TEST(a_scan_runs_only_while_something_is_unsettled_and_every_10_s)
{
	start();
	run();
	pass(100);
	ck_assert_uint_eq(track_scans(track).count, 0);
	want(B);
	run();
	pass(39);
	ck_assert_uint_ge(track_scans(track).count, 4);
	ck_assert_uint_le(track_scans(track).count, 5);
	stop();
}
END_TEST

RUN_TESTS("core_track", nothing_is_done_where_nothing_is_wanted,
	  a_planned_change_waits_until_it_is_released,
	  damage_is_looked_for_round_and_round_a_few_slots_at_a_time,
	  a_region_without_tracking_is_looked_at_in_its_turn_and_left_alone,
	  an_urgent_change_does_not_wait,
	  a_planned_change_goes_from_stable_over_moving_and_settling_to_stable,
	  from_nobody_new_flows_go_at_once,
	  another_change_of_a_moving_slot_leaves_base_hold_and_window, back_to_base_is_settling,
	  crowded_turns_into_hold_and_the_window_starts_again,
	  a_rebase_fails_if_a_packet_was_faster,
	  a_table_that_comes_between_cold_and_hot_words_moves_no_slot_without_hold,
	  a_packet_that_crowds_between_cold_and_hot_words_delays_no_slot,
	  a_table_is_another_one_only_if_it_differs_from_what_was_wanted,
	  what_no_packet_can_have_written_is_deleted,
	  a_scan_runs_only_while_something_is_unsettled_and_every_10_s)
