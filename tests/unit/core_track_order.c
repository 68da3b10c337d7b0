/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tracking by exception: the order of steps, and where grace periods stand among them. What they keep apart are packets that
 * are under way, which other tests do not have: the model (tests/model) shows what breaks without each.
 */
#include "base/text.h"
#include "unit/support/eight_slots.h"
#include "unit/unit.h"

static const char *const names[] = {
	[TRACK_STORE_COLD] = "cold", [TRACK_STORE_HOT] = "hot",
	[TRACK_SWAP_COLD] = "swap",  [TRACK_WRITE_FLAGS] = "flags",
	[TRACK_WRITE_IDLE] = "idle", [TRACK_WRITE_LONGEST] = "longest",
	[TRACK_SCAN] = "scan",	     [TRACK_GRACE] = "grace",
};

/* A round after so many seconds without any is to take these steps. */
static void check_round(uint32_t seconds, const char *expected)
{
	const struct track_step *step;
	struct text steps = {};

	fake->now += seconds;
	text_add(&steps, "%s", "");
	while ((step = track_next(track, fake->now))) {
		text_add(&steps, "%s%s", steps.length ? " " : "", names[step->kind]);
		ck_assert_int_eq(track_execute(step, fake_operations(), fake), 0);
		track_done(track, 0, fake->now);
	}
	ck_assert_str_eq(steps.data, expected);
	text_free(&steps);
}

START_TEST(a_window_begins_and_a_scan_runs_after_a_grace_period)
{
	start();
	run();
	want(B);
	check_round(1, "cold hot grace");
	check_round(1, "grace scan");
	check_round(4, "swap"); /* TCP's hold */
	crowd(0);
	check_round(1, "swap grace"); /* crowded becomes hold */
	/* The others are rebased, and that one's hold is over. */
	check_round(60, "grace scan swap");
	check_round(10, "grace scan hot swap");
	check_round(10, "grace scan hot");
	check_round(1, "");
	stop();
}
END_TEST

START_TEST(the_dead_are_flagged_last_and_come_back_after_a_scan)
{
	start();
	run();
	want(B);
	check_round(1, "cold hot grace");
	track_backend(track, A, TRACK_DEAD);
	check_round(1, "grace scan flags swap cold flags"); /* down; no hold; no base; dead */
	fake_insert(fake, 5, BASE, A, fake->now);
	track_backend(track, A, TRACK_UP);
	check_round(1, "grace scan hot flags");
	ck_assert_uint_eq(fake->backends[A].flags, 0);
	stop();
}
END_TEST

START_TEST(an_index_is_free_after_two_scans_between_grace_periods)
{
	start();
	run();
	want(B);
	run();
	pass(90);
	ck_assert(!track_is_busy(track));
	track_leave(track, A, true);
	check_round(11, "grace scan grace scan grace");
	ck_assert(track_is_gone(track, A));
	stop();
}
END_TEST

START_TEST(a_lower_idle_timeout_is_met_by_packets_before_entries_expire_by_it)
{
	struct track_region region = {.record = 1, .base = BASE, .slots = SLOTS};

	start();
	run();
	for (uint32_t s = 1; s <= 2; s++) {
		region.record = s;
		region.base = s == 1 ? BASE : OTHER;
		region.idle_ticks = T / 2;
		track_adopt(track, &region);
	}
	check_round(1, "idle grace longest");
	for (uint32_t s = 1; s <= 2; s++) {
		region.record = s;
		region.base = s == 1 ? BASE : OTHER;
		region.idle_ticks = T;
		track_adopt(track, &region);
	}
	check_round(1, "longest idle");
	stop();
}
END_TEST

RUN_TESTS("core_track_order", a_window_begins_and_a_scan_runs_after_a_grace_period,
	  the_dead_are_flagged_last_and_come_back_after_a_scan,
	  an_index_is_free_after_two_scans_between_grace_periods,
	  a_lower_idle_timeout_is_met_by_packets_before_entries_expire_by_it)
