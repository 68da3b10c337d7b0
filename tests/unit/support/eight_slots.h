/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of track.h: a service of eight slots, all at backend A, and another one at D, over maps in plain memory.
 * Time goes by as the test says.
 */
#ifndef TESTS_EIGHT_SLOTS_H
#define TESTS_EIGHT_SLOTS_H

#include <check.h>

#include <sluice/flow.h>

#include "core/slots.h"
#include "core/track.h"
#include "unit/support/fake_dataplane.h"

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

static inline void adopt(void)
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

static inline void start(void)
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

static inline void stop(void)
{
	track_free(track);
	fake_free(fake);
}

static inline struct slot_words words(uint32_t i)
{
	return (struct slot_words){dataplane_hot(&fake->view, BASE + i),
				   dataplane_cold(&fake->view, BASE + i)};
}

static inline void set(uint32_t i, uint16_t hot, uint32_t cold)
{
	fake->hot[1].word[i] = hot;
	fake->cold[2].word[i] = cold;
}

static inline void crowd(uint32_t i)
{
	fake->cold[2].word[i] |= SL_COLD_CROWDED;
}

/* A packet that comes between our look at a cold word and the swap. */
static inline void crowd_slot_4(struct fake *it)
{
	it->cold[2].word[4] |= SL_COLD_CROWDED;
	it->before_swap = NULL;
}

/* All slots of the service are to go to one backend. */
static inline void want(uint16_t backend)
{
	uint16_t table[SLOTS];

	for (int i = 0; i < SLOTS; i++)
		table[i] = backend;
	track_want(track, BASE, table, false);
	track_release(track);
}

static inline void run(void)
{
	ck_assert_int_eq(track_run(track, fake_operations(), fake), 0);
}

/* Runs a round each second. */
static inline void pass(uint32_t seconds)
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

#endif
