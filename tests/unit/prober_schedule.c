/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When probes start and are given up, under a clock that the test turns. */
#include <string.h>

#include "base/mem.h"
#include "prober/schedule.h"
#include "random.h"
#include "unit/unit.h"

#define MANY 5000

static const unsigned int no_limits[SCHEDULE_CLASSES] = {1 << 20, 1 << 20, 1 << 20};

/* An item, what it has been through, and how it behaves. */
struct probe {
	struct schedule_item item; /* first: the schedule gives it back */
	uint64_t takes_ms;	   /* from its start to its end; UINT64_MAX: it hangs */
	bool fails;
	uint64_t starts, gave_up, first_ms, last_ms, shortest_ms, longest_ms;
};

static struct probe *new_probes(size_t count, uint64_t interval_ms)
{
	struct probe *probes = mem_array(count, sizeof(*probes));

	for (size_t i = 0; i < count; i++) {
		probes[i].item.key = i;
		probes[i].item.interval_ms = interval_ms;
		probes[i].item.timeout_ms = interval_ms / 2;
		probes[i].item.retry_ms = interval_ms / 4;
		probes[i].takes_ms = 1;
		probes[i].shortest_ms = UINT64_MAX;
	}
	return probes;
}

static void add_all(struct schedule *schedule, struct probe *probes, size_t count, uint64_t now_ms)
{
	for (size_t i = 0; i < count; i++)
		schedule_add(schedule, &probes[i].item, now_ms);
}

static void note_start(struct probe *probe, uint64_t now_ms)
{
	if (probe->starts++) {
		uint64_t gap = now_ms - probe->last_ms;

		probe->shortest_ms = gap < probe->shortest_ms ? gap : probe->shortest_ms;
		probe->longest_ms = gap > probe->longest_ms ? gap : probe->longest_ms;
	} else {
		probe->first_ms = now_ms;
	}
	probe->last_ms = now_ms;
}

/* All that happens in one millisecond: what is over ends, what is due starts. */
static void turn(struct schedule *schedule, struct probe *probes, size_t count, uint64_t now_ms)
{
	struct schedule_item *item;
	enum schedule_action action;

	for (size_t i = 0; i < count; i++)
		if (probes[i].item.state == SCHEDULE_RUNS && probes[i].takes_ms != UINT64_MAX &&
		    now_ms >= probes[i].last_ms + probes[i].takes_ms)
			schedule_done(schedule, &probes[i].item, !probes[i].fails, now_ms);
	while ((action = schedule_next(schedule, now_ms, &item)) != SCHEDULE_NOTHING) {
		struct probe *probe = (struct probe *)item;

		if (action == SCHEDULE_START) {
			note_start(probe, now_ms);
			continue;
		}
		ck_assert_uint_ge(now_ms, probe->last_ms + item->timeout_ms);
		probe->gave_up++;
		schedule_done(schedule, item, false, now_ms);
	}
}

START_TEST(new_probes_are_spread_over_their_interval)
{
	struct schedule *schedule = schedule_new(no_limits, 7);
	struct probe *probes = new_probes(MANY, 2000);
	unsigned int tenths[10] = {};

	add_all(schedule, probes, MANY, 1000);
	for (uint64_t now = 1000; now < 3000; now++)
		turn(schedule, probes, MANY, now);
	for (size_t i = 0; i < MANY; i++) {
		ck_assert_uint_ge(probes[i].starts, 1);
		tenths[(probes[i].first_ms - 1000) / 200]++;
	}
	for (size_t i = 0; i < 10; i++) {
		ck_assert_uint_ge(tenths[i], MANY / 10 * 8 / 10);
		ck_assert_uint_le(tenths[i], MANY / 10 * 12 / 10);
	}
	schedule_free(schedule);
	free(probes);
}
END_TEST

START_TEST(probers_of_two_seeds_start_at_different_times)
{
	struct schedule *one = schedule_new(no_limits, 1), *two = schedule_new(no_limits, 2);
	struct probe *a = new_probes(100, 2000), *b = new_probes(100, 2000);
	size_t same = 0;

	add_all(one, a, 100, 0);
	add_all(two, b, 100, 0);
	for (uint64_t now = 0; now < 2000; now++) {
		turn(one, a, 100, now);
		turn(two, b, 100, now);
	}
	for (size_t i = 0; i < 100; i++)
		same += a[i].first_ms == b[i].first_ms;
	ck_assert_uint_lt(same, 10);
	schedule_free(one);
	schedule_free(two);
	free(a);
	free(b);
}
END_TEST

/* Intervals from short to long: never above, never more than a tenth below. */
START_TEST(jitter_shortens_an_interval_by_a_tenth_at_most_and_never_lengthens_it)
{
	static const uint64_t intervals[] = {10, 20, 50, 77, 100, 250, 1000, 2000, 10000};

	for (size_t i = 0; i < ARRAY_SIZE(intervals); i++) {
		struct schedule *schedule = schedule_new(no_limits, i);
		struct probe *probes = new_probes(20, intervals[i]);
		bool varies = false;

		add_all(schedule, probes, 20, 5);
		for (uint64_t now = 5; now < 5 + 30 * intervals[i]; now++)
			turn(schedule, probes, 20, now);
		for (size_t j = 0; j < 20; j++) {
			ck_assert_uint_ge(probes[j].starts, 29);
			ck_assert_uint_ge(probes[j].shortest_ms * 10, intervals[i] * 9);
			ck_assert_uint_le(probes[j].longest_ms, intervals[i]);
			varies |= probes[j].shortest_ms != probes[j].longest_ms;
		}
		ck_assert(varies || intervals[i] < 100); /* too short to vary by milliseconds */
		schedule_free(schedule);
		free(probes);
	}
}
END_TEST

START_TEST(only_the_first_failure_after_a_success_is_retried_fast)
{
	struct schedule *schedule = schedule_new(no_limits, 3);
	struct probe *probe = new_probes(1, 1000);
	uint64_t now = 0, starts, failed_ms;

	add_all(schedule, probe, 1, now);
	for (; probe->starts < 3; now++)
		turn(schedule, probe, 1, now);
	probe->fails = true;
	/* The run that has begun fails; its end is retried after 250 ms. */
	for (starts = probe->starts; probe->item.state == SCHEDULE_RUNS; now++)
		turn(schedule, probe, 1, now);
	failed_ms = now - 1;
	for (; probe->starts == starts; now++)
		turn(schedule, probe, 1, now);
	ck_assert_uint_ge(probe->last_ms, failed_ms + 250 - 5);
	ck_assert_uint_le(probe->last_ms, failed_ms + 250);
	/* The second failure in a row is not. */
	failed_ms = probe->last_ms;
	for (starts = probe->starts; probe->starts == starts; now++)
		turn(schedule, probe, 1, now);
	ck_assert_uint_ge(probe->last_ms, failed_ms + 900);
	ck_assert_uint_le(probe->last_ms, failed_ms + 1000);
	schedule_free(schedule);
	free(probe);
}
END_TEST

START_TEST(a_probe_that_fails_from_the_start_is_not_retried_fast)
{
	struct schedule *schedule = schedule_new(no_limits, 3);
	struct probe *probe = new_probes(1, 1000);

	probe->fails = true;
	add_all(schedule, probe, 1, 0);
	for (uint64_t now = 0; now < 10000; now++)
		turn(schedule, probe, 1, now);
	ck_assert_uint_ge(probe->shortest_ms, 900);
	schedule_free(schedule);
	free(probe);
}
END_TEST

START_TEST(a_probe_that_hangs_is_given_up_at_its_timeout_and_goes_on_at_its_interval)
{
	struct schedule *schedule = schedule_new(no_limits, 3);
	struct probe *probe = new_probes(1, 1000);

	probe->takes_ms = UINT64_MAX;
	add_all(schedule, probe, 1, 0);
	for (uint64_t now = 0; now < 20000; now++)
		turn(schedule, probe, 1, now);
	ck_assert_uint_ge(probe->starts, 19);
	ck_assert_uint_ge(probe->gave_up, probe->starts - 1);
	ck_assert_uint_le(probe->longest_ms, 1000);
	schedule_free(schedule);
	free(probe);
}
END_TEST

/* The clock stands still for a minute: each starts once, not thirty times. */
START_TEST(what_is_overdue_is_started_once)
{
	struct schedule *schedule = schedule_new(no_limits, 3);
	struct probe *probes = new_probes(100, 2000);

	for (size_t i = 0; i < 100; i++)
		probes[i].takes_ms = 0;
	add_all(schedule, probes, 100, 0);
	turn(schedule, probes, 100, 60000);
	turn(schedule, probes, 100, 60001);
	for (size_t i = 0; i < 100; i++)
		ck_assert_uint_eq(probes[i].starts, 1);
	schedule_free(schedule);
	free(probes);
}
END_TEST

START_TEST(at_most_as_many_run_as_there_is_room_for_and_the_longest_due_is_next)
{
	static const unsigned int limits[SCHEDULE_CLASSES] = {3, 1, 1};
	struct schedule *schedule = schedule_new(limits, 3);
	struct probe *probes = new_probes(50, 100);
	unsigned int most = 0;
	uint64_t latest = 0;

	for (size_t i = 0; i < 50; i++)
		probes[i].takes_ms = 7;
	add_all(schedule, probes, 50, 0);
	for (uint64_t now = 0; now < 3000; now++) {
		uint64_t due_ms = 0;
		struct schedule_item *item;

		turn(schedule, probes, 0, now);
		for (size_t i = 0; i < 50; i++)
			if (probes[i].item.state == SCHEDULE_RUNS && probes[i].last_ms + 7 <= now)
				schedule_done(schedule, &probes[i].item, true, now);
		while (schedule_next(schedule, now, &item) == SCHEDULE_START) {
			note_start((struct probe *)item, now);
			/* In the order in which they came due. */
			ck_assert_uint_ge(now - item->late_ms, due_ms);
			due_ms = now - item->late_ms;
			latest = item->late_ms > latest ? item->late_ms : latest;
		}
		if (schedule_running(schedule, SCHEDULE_SOCKET) > most)
			most = schedule_running(schedule, SCHEDULE_SOCKET);
	}
	ck_assert_uint_eq(most, 3);
	/* 50 probes of 7 ms, three at once, take some 117 ms: nobody starves. */
	for (size_t i = 0; i < 50; i++) {
		ck_assert_uint_ge(probes[i].starts, 20);
		ck_assert_uint_le(probes[i].longest_ms, 250);
	}
	ck_assert_uint_gt(latest, 0);
	schedule_free(schedule);
	free(probes);
}
END_TEST

START_TEST(a_full_class_does_not_hold_another_back)
{
	static const unsigned int limits[SCHEDULE_CLASSES] = {1, 1, 1};
	struct schedule *schedule = schedule_new(limits, 3);
	struct probe *probes = new_probes(3, 1000);
	struct schedule_item *item;

	for (size_t i = 0; i < 3; i++) {
		probes[i].item.once = true;
		probes[i].item.class = i < 2 ? SCHEDULE_SOCKET : SCHEDULE_PROCESS;
	}
	add_all(schedule, probes, 3, 0);
	ck_assert_int_eq(schedule_next(schedule, 0, &item), SCHEDULE_START);
	ck_assert_int_eq(schedule_next(schedule, 0, &item), SCHEDULE_START);
	ck_assert_int_eq(schedule_next(schedule, 0, &item), SCHEDULE_NOTHING);
	ck_assert_uint_eq(schedule_running(schedule, SCHEDULE_SOCKET), 1);
	ck_assert_uint_eq(schedule_running(schedule, SCHEDULE_PROCESS), 1);
	schedule_free(schedule);
	free(probes);
}
END_TEST

START_TEST(what_runs_once_starts_at_once_and_is_done_for_good)
{
	struct schedule *schedule = schedule_new(no_limits, 3);
	struct probe *probe = new_probes(1, 100000);

	probe->item.once = true;
	add_all(schedule, probe, 1, 50);
	for (uint64_t now = 50; now < 400000; now += 10)
		turn(schedule, probe, 1, now);
	ck_assert_uint_eq(probe->first_ms, 50);
	ck_assert_uint_eq(probe->starts, 1);
	ck_assert_int_eq(probe->item.state, SCHEDULE_OUT);
	ck_assert(schedule_wait_ms(schedule, 400000) == UINT64_MAX);
	schedule_free(schedule);
	free(probe);
}
END_TEST

/* Adds, removes, lets pass, ends, in any order: the heap and the queues stay true. */
START_TEST(random_orders_leave_no_item_lost_and_none_twice)
{
	static const unsigned int limits[SCHEDULE_CLASSES] = {20, 5, 2};
	struct schedule *schedule = schedule_new(limits, 3);
	struct probe *probes = new_probes(300, 200);
	uint64_t now = 0, state;
	struct schedule_item *item;

	for (size_t i = 0; i < 300; i++)
		probes[i].item.class = i % SCHEDULE_CLASSES;
	for (int round = 0; round < 100000; round++) {
		struct probe *probe;
		unsigned int running[SCHEDULE_CLASSES] = {};

		state = random_next();
		probe = &probes[state % 300];
		switch (state >> 32 & 3) {
		case 0:
			if (probe->item.state == SCHEDULE_OUT)
				schedule_add(schedule, &probe->item, now);
			break;
		case 1:
			if ((state >> 40 & 3) == 0)
				schedule_remove(schedule, &probe->item);
			break;
		case 2:
			schedule_done(schedule, &probe->item, state >> 50 & 1, now);
			break;
		case 3:
			now += state >> 60;
			for (;;) {
				enum schedule_action action = schedule_next(schedule, now, &item);

				if (action == SCHEDULE_NOTHING)
					break;
				ck_assert_int_eq(item->state, SCHEDULE_RUNS);
				if (action == SCHEDULE_GIVE_UP)
					schedule_done(schedule, item, false, now);
			}
			ck_assert_uint_gt(schedule_wait_ms(schedule, now), 0);
			break;
		}
		for (size_t i = 0; i < 300 && round % 16 == 0; i++)
			running[i % SCHEDULE_CLASSES] += probes[i].item.state == SCHEDULE_RUNS;
		for (int i = 0; i < SCHEDULE_CLASSES && round % 16 == 0; i++) {
			ck_assert_uint_eq(running[i], schedule_running(schedule, i));
			ck_assert_uint_le(running[i], limits[i]);
		}
	}
	for (size_t i = 0; i < 300; i++)
		schedule_remove(schedule, &probes[i].item);
	ck_assert(schedule_wait_ms(schedule, now) == UINT64_MAX);
	schedule_free(schedule);
	free(probes);
}
END_TEST

RUN_TESTS("prober_schedule", new_probes_are_spread_over_their_interval,
	  probers_of_two_seeds_start_at_different_times,
	  jitter_shortens_an_interval_by_a_tenth_at_most_and_never_lengthens_it,
	  only_the_first_failure_after_a_success_is_retried_fast,
	  a_probe_that_fails_from_the_start_is_not_retried_fast,
	  a_probe_that_hangs_is_given_up_at_its_timeout_and_goes_on_at_its_interval,
	  what_is_overdue_is_started_once,
	  at_most_as_many_run_as_there_is_room_for_and_the_longest_due_is_next,
	  a_full_class_does_not_hold_another_back,
	  what_runs_once_starts_at_once_and_is_done_for_good,
	  random_orders_leave_no_item_lost_and_none_twice)
