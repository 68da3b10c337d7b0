/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tracking by exception, the agent's side: each row of its table, over maps in plain memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/flow.h>

#include "base/mem.h"
#include "core/slots.h"
#include "core/track.h"
#include "unit/support/fake_dataplane.h"
#include "unit/unit.h"

/* One service of a few slots, at slot 32, and another one, at 96. */
#define BASE  32
#define OTHER 96
#define SLOTS 8
#define T     60
#define HOLD  (SL_COLD_HOLD_TCP | SL_COLD_HOLD_UDP)
#define LOOK  SL_HOT_LOOK

enum { A = 1, B, C, D };

static const struct sl_limits limits = {
	.cpus = 1, .services = 4, .listeners = 8, .backends = 8, .flows = 4096, .slots = 256};

static struct fake *fake;
static struct track *track;

static void adopt(void)
{
	track_free(track);
	track = track_new(&fake->view, (struct track_times){.hold = 4, .scan = 10});
	for (uint32_t s = 1; s <= 2; s++) {
		struct track_region region = {.record = s,
					      .base = fake->services[s].slots_base,
					      .slots = SLOTS,
					      .idle_ticks = fake->services[s].idle_ticks};

		track_adopt(track, &region);
	}
}

static void start(void)
{
	fake = fake_new(&limits);
	fake->is_checked = false;
	fake->now = 1000;
	for (uint32_t s = 1; s <= 2; s++)
		fake->services[s] = (struct sl_service){
			.slots_base = s == 1 ? BASE : OTHER, .slots = SLOTS, .idle_ticks = T};
	for (uint32_t b = A; b <= D; b++)
		fake->backends[b].family = 4;
	for (uint32_t i = 0; i < SLOTS; i++) {
		fake->hot[1].word[i] = fake->cold[2].word[i] = A;
		fake->hot[3].word[i] = fake->cold[6].word[i] = D;
	}
	track = NULL;
	adopt();
}

static void stop(void)
{
	track_free(track);
	fake_free(fake);
}

static struct slot_words words(uint32_t i)
{
	return (struct slot_words){dataplane_hot(&fake->view, BASE + i),
				   dataplane_cold(&fake->view, BASE + i)};
}

static void set(uint32_t i, uint16_t hot, uint32_t cold)
{
	fake->hot[1].word[i] = hot;
	fake->cold[2].word[i] = cold;
}

static void crowd(uint32_t i)
{
	fake->cold[2].word[i] |= SL_COLD_CROWDED;
}

/* All slots of the service are to go to one backend. */
static void want(uint16_t backend)
{
	uint16_t table[SLOTS];

	for (int i = 0; i < SLOTS; i++)
		table[i] = backend;
	track_want(track, BASE, table, false);
	track_release(track);
}

static void run(void)
{
	ck_assert_int_eq(track_run(track, fake_operations(), fake), 0);
}

/* Runs a round each second. */
static void pass(uint32_t seconds)
{
	while (seconds--) {
		fake->now++;
		run();
	}
}

#define CHECK_SLOT(i, hot_, cold_)                         \
	do {                                               \
		ck_assert_uint_eq(words(i).hot, hot_);     \
		ck_assert_uint_eq(words(i).cold, (cold_)); \
	} while (0)

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
	pass(50);
	CHECK_SLOT(3, B | LOOK, A | SL_COLD_HOLD_UDP);
	pass(1);
	ck_assert_uint_eq(slot_base(words(3)), B);
	ck_assert_uint_eq(track_scans(track).crowded, 1);
	stop();
}
END_TEST

/* A packet that comes between our look at a cold word and the swap. */
static void crowd_slot_4(struct fake *it)
{
	it->cold[2].word[4] |= SL_COLD_CROWDED;
	it->before_swap = NULL;
}

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
	struct track_region region = {1, BASE, SLOTS, 2 * T};

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
							  fake->services[s].idle_ticks});
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
	struct track_region region = {1, BASE, SLOTS, T / 2};

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
	  a_planned_change_waits_until_it_is_released, an_urgent_change_does_not_wait,
	  a_planned_change_goes_from_stable_over_moving_and_settling_to_stable,
	  from_nobody_new_flows_go_at_once,
	  another_change_of_a_moving_slot_leaves_base_hold_and_window, back_to_base_is_settling,
	  crowded_turns_into_hold_and_the_window_starts_again,
	  a_rebase_fails_if_a_packet_was_faster,
	  a_backend_that_is_down_is_left_at_once_and_keeps_its_flows,
	  hold_is_cleared_where_the_base_goes_down,
	  a_dead_backend_loses_first_its_slots_then_its_bases_then_its_flag,
	  the_last_backend_leaves_slots_of_nobody,
	  alive_again_its_entries_go_before_its_flag_and_then_slots_come_back,
	  an_entry_that_is_being_written_delays_what_waits_for_its_end,
	  an_index_is_free_when_nothing_names_it_for_two_scans, a_backend_that_comes_back_stays,
	  a_restart_begins_every_window_and_hold_anew, a_raised_T_counts_for_windows_under_way,
	  the_clock_wraps_for_entries_and_for_windows,
	  a_finer_clock_ends_a_hold_and_a_window_within_a_tick,
	  a_finer_clock_wraps_in_a_hold_in_a_window_and_where_it_reads_as_no_time,
	  a_round_that_ends_early_is_no_part_of_the_next_one,
	  a_table_that_comes_between_cold_and_hot_words_moves_no_slot_without_hold,
	  a_packet_that_crowds_between_cold_and_hot_words_delays_no_slot,
	  a_table_is_another_one_only_if_it_differs_from_what_was_wanted,
	  what_no_packet_can_have_written_is_deleted,
	  a_scan_runs_only_while_something_is_unsettled_and_every_10_s)
