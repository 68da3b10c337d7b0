/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tracking by exception: what becomes of slots, entries and indices of backends that are down, dead or gone. */
#include "unit/support/eight_slots.h"
#include "unit/unit.h"

START_TEST(a_backend_that_is_down_is_left_at_once_and_keeps_its_flows)
{
	start();
	ck_assert(track_backend(track, A, TRACK_DOWN));
	want(B);
	run();
	ck_assert_uint_eq(fake->backends[A].flags, SL_BACKEND_DOWN);
	CHECK_SLOT(0, B | LOOK, A);
	/* Crowded is cleared and holds nobody; the window starts again nevertheless. */
	pass(50);
	crowd(0);
	pass(1);
	CHECK_SLOT(0, B | LOOK, A);
	pass(13);
	CHECK_SLOT(1, B | LOOK, B);
	CHECK_SLOT(0, B | LOOK, A);
	/* A false alarm: up again, and back to base. */
	ck_assert(!track_backend(track, A, TRACK_UP));
	want(A);
	run();
	ck_assert_uint_eq(fake->backends[A].flags, 0);
	CHECK_SLOT(0, A | LOOK, A);
	CHECK_SLOT(1, A | LOOK, B | HOLD);
	stop();
}
END_TEST

START_TEST(hold_is_cleared_where_the_base_goes_down)
{
	start();
	want(B);
	run();
	CHECK_SLOT(0, B | LOOK, A | HOLD);
	ck_assert(track_backend(track, A, TRACK_DOWN));
	pass(1);
	CHECK_SLOT(0, B | LOOK, A);
	/* Also if a packet came between. */
	fake_free(fake);
	track_free(track);
	start();
	want(B);
	run();
	track_backend(track, A, TRACK_DOWN);
	want(C);
	fake->before_swap = crowd_slot_4;
	run();
	CHECK_SLOT(3, C | LOOK, A);
	CHECK_SLOT(4, C | LOOK, A);
	stop();
}
END_TEST

START_TEST(a_dead_backend_loses_first_its_slots_then_its_bases_then_its_flag)
{
	start();
	want(B);
	run(); /* base A, now B */
	pass(1);
	ck_assert(track_backend(track, A, TRACK_DEAD));
	run();
	CHECK_SLOT(0, B | LOOK, B);
	ck_assert_uint_eq(fake->backends[A].flags, SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	/* One that is in the table waits until it is no longer. */
	ck_assert(track_backend(track, B, TRACK_DEAD));
	pass(2);
	ck_assert_uint_eq(fake->backends[B].flags, SL_BACKEND_DOWN);
	want(C);
	run();
	CHECK_SLOT(0, C | LOOK, C);
	ck_assert_uint_eq(fake->backends[B].flags, SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	pass(20);
	CHECK_SLOT(0, C, C);
	ck_assert(!track_is_busy(track));
	stop();
}
END_TEST

START_TEST(the_last_backend_leaves_slots_of_nobody)
{
	start();
	track_backend(track, A, TRACK_DEAD);
	want(SL_NOBODY);
	run();
	CHECK_SLOT(0, SL_NOBODY | LOOK, SL_NOBODY);
	ck_assert_uint_eq(fake->backends[A].flags, SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	pass(11);
	CHECK_SLOT(0, SL_NOBODY, SL_NOBODY);
	stop();
}
END_TEST

START_TEST(alive_again_its_entries_go_before_its_flag_and_then_slots_come_back)
{
	start();
	want(B);
	run();
	fake_insert(fake, 5, BASE, A, fake->now);
	track_backend(track, A, TRACK_DEAD);
	run();
	ck_assert_uint_eq(fake_entry(fake, 5), A);
	ck_assert(!track_backend(track, A, TRACK_UP));
	want(A);
	run();
	ck_assert_uint_eq(fake_entry(fake, 5), SL_NOBODY);
	ck_assert_uint_eq(fake->backends[A].flags, 0);
	CHECK_SLOT(0, A | LOOK, B | HOLD);
	stop();
}
END_TEST

START_TEST(an_entry_that_is_being_written_delays_what_waits_for_its_end)
{
	struct sl_flow *flow;

	start();
	want(B);
	run();
	track_backend(track, A, TRACK_DEAD);
	run();
	flow = &fake->flows[3].entry[1];
	flow->data = sl_flow_data(BASE, 0, 0xffff, fake->now);
	pass(11);
	CHECK_SLOT(0, B | LOOK, B);
	CHECK_SLOT(1, B, B);
	flow->data = 0;
	pass(11);
	CHECK_SLOT(0, B, B);
	stop();
}
END_TEST

START_TEST(an_index_is_free_when_nothing_names_it_for_two_scans)
{
	uint32_t live;

	start();
	fake->hot[3].word[0] = fake->cold[6].word[0] = A; /* a slot of another service */
	run();
	track_leave(track, A, true);
	want(B);
	run();
	fake_insert(fake, 9, BASE + 1, A, fake->now + 40);
	pass(T + 12);
	ck_assert(!track_is_gone(track, A));
	CHECK_SLOT(1, B | LOOK, B);
	ck_assert_uint_eq(track_entries(track, A, &live), 1);
	ck_assert_uint_eq(live, 1);
	pass(T);
	CHECK_SLOT(1, B, B);
	ck_assert(!track_is_gone(track, A));
	fake->hot[3].word[0] = fake->cold[6].word[0] = D;
	pass(10);
	ck_assert(track_is_gone(track, A));
	ck_assert(!track_is_busy(track));
	track_forget(track, A);
	ck_assert(!track_is_gone(track, A));
	ck_assert(!track_is_busy(track));
	stop();
}
END_TEST

START_TEST(a_backend_that_comes_back_stays)
{
	start();
	track_leave(track, A, true);
	want(B);
	run();
	track_leave(track, A, false);
	pass(3 * T);
	ck_assert(!track_is_gone(track, A));
	ck_assert(!track_is_busy(track));
	stop();
}
END_TEST

RUN_TESTS("core_track_backends", a_backend_that_is_down_is_left_at_once_and_keeps_its_flows,
	  hold_is_cleared_where_the_base_goes_down,
	  a_dead_backend_loses_first_its_slots_then_its_bases_then_its_flag,
	  the_last_backend_leaves_slots_of_nobody,
	  alive_again_its_entries_go_before_its_flag_and_then_slots_come_back,
	  an_entry_that_is_being_written_delays_what_waits_for_its_end,
	  an_index_is_free_when_nothing_names_it_for_two_scans, a_backend_that_comes_back_stays)
