/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long changes and scans of large tables take. Reported, not judged: the machine is shared. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <sluice/flow.h>

#include "base/mem.h"
#include "core/slots.h"
#include "core/track.h"
#include "unit/support/fake_dataplane.h"
#include "unit/unit.h"

#define ENTRIES	 (1u << 20)
#define T	 360
#define BACKENDS 100
#define ROUNDS	 5

static double cpu_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static struct fake *make_maps(uint32_t slots)
{
	const struct sl_limits limits = {.cpus = 1,
					 .services = 2,
					 .listeners = 4,
					 .backends = BACKENDS,
					 .flows = ENTRIES,
					 .slots = (slots + 31) / 32 * 32};
	struct fake *fake = fake_new(&limits);

	fake->is_checked = false;
	fake->now = 1000;
	fake->services[1] = (struct sl_service){.slots = slots, .idle_ticks = T};
	for (uint32_t b = 1; b <= BACKENDS; b++)
		fake->backends[b].family = 4;
	for (uint32_t i = 0; i < slots; i++)
		fake->hot[i / 32].word[i % 32] = fake->cold[i / 16].word[i % 16] = 1 + i % BACKENDS;
	return fake;
}

static struct track *make_track(struct fake *fake, uint32_t slots)
{
	struct track *track = track_new(&fake->view, (struct track_times){4, 10});
	struct track_region region = {1, 0, slots, T, 0};

	track_adopt(track, &region);
	track_run(track, fake_operations(), fake);
	return track;
}

/* Every entry, of slots in no order, with the backend that it was sent to before. */
static void fill_flows(struct fake *fake, uint32_t slots)
{
	uint32_t random = 1;

	for (uint32_t i = 0; i < ENTRIES; i++) {
		uint32_t slot;

		random = random * 1664525 + 1013904223;
		slot = (uint64_t)random * slots >> 32;
		fake->flows[i / 4].entry[i % 4] = (struct sl_flow){
			.check = sl_flow_check(i, 1 + slot % BACKENDS),
			.data = sl_flow_data(slot, 0, 1 + slot % BACKENDS, fake->now),
		};
	}
}

static void measure_change(uint32_t slots)
{
	double best_plan = 1e9, best_round = 1e9;

	for (int round = 0; round < ROUNDS; round++) {
		struct fake *fake = make_maps(slots);
		struct track *track = make_track(fake, slots);
		uint16_t *table = mem_array(slots, sizeof(*table));
		double start;

		for (uint32_t i = 0; i < slots; i++)
			table[i] = 1 + (i + 1) % BACKENDS;
		start = cpu_ms();
		track_want(track, 0, table, true);
		ck_assert_int_eq(track_run(track, fake_operations(), fake), 0);
		best_plan = cpu_ms() - start < best_plan ? cpu_ms() - start : best_plan;
		fake->now++;
		start = cpu_ms();
		ck_assert_int_eq(track_run(track, fake_operations(), fake), 0);
		best_round = cpu_ms() - start < best_round ? cpu_ms() - start : best_round;
		ck_assert_uint_eq(slot_state((struct slot_words){dataplane_hot(&fake->view, 5),
								 dataplane_cold(&fake->view, 5)}),
				  SLOT_MOVING);
		free(table);
		track_free(track);
		fake_free(fake);
	}
	printf("%u slots move: planned and stored in %.2f ms, then %.2f ms a second\n", slots,
	       best_plan, best_round);
}

/* Of the round that scans, and of the scan in it, with everything settling and every entry in use. */
static void measure_scan(uint32_t slots)
{
	struct fake *fake = make_maps(slots);
	struct track *track;
	double best_round = 1e9, best_scan = 1e9;

	for (uint32_t i = 0; i < slots; i++) {
		uint32_t now = 1 + (i + 1) % BACKENDS;

		fake->hot[i / 32].word[i % 32] = now | SL_HOT_LOOK;
		fake->cold[i / 16].word[i % 16] = now;
	}
	fill_flows(fake, slots);
	track = make_track(fake, slots);
	for (int round = 0; round < ROUNDS; round++) {
		const struct track_step *step;
		double start = cpu_ms(), scan = 0;

		fake->now += 10;
		while ((step = track_next(track, fake->now))) {
			double began = cpu_ms();
			enum track_kind kind = step->kind;

			ck_assert_int_eq(track_execute(step, fake_operations(), fake), 0);
			scan += kind == TRACK_SCAN ? cpu_ms() - began : 0;
			track_done(track, 0, fake->now);
		}
		best_round = cpu_ms() - start < best_round ? cpu_ms() - start : best_round;
		best_scan = scan < best_scan ? scan : best_scan;
		ck_assert_uint_eq(track_scans(track).entries, ENTRIES);
	}
	printf("%u entries over %u slots: scanned in %.2f ms, the round in %.2f ms\n", ENTRIES,
	       slots, best_scan, best_round);
	track_free(track);
	fake_free(fake);
}

START_TEST(time_of_a_change)
{
	measure_change(65537);
	measure_change(4 << 20);
}
END_TEST

START_TEST(time_of_a_scan)
{
	measure_scan(65537);
	measure_scan(4 << 20);
}
END_TEST

RUN_TESTS("core_track_size", time_of_a_change, time_of_a_scan)
