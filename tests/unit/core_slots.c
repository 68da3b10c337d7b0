/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of a slot: their states, and the stores of a change. */
#include "base/mem.h"
#include "core/slots.h"
#include "unit/unit.h"

START_TEST(words_show_their_state)
{
	static const struct {
		struct slot_words words;
		enum slot_state state;
		uint16_t now, base;
	} cases[] = {
		{{0, 0}, SLOT_STABLE, 0, 0},
		{{5, 5}, SLOT_STABLE, 5, 5},
		{{5, 6}, SLOT_STABLE, 5, 6}, /* cut off between cold and hot */
		{{SL_HOT_LOOK | 5, 6}, SLOT_MOVING, 5, 6},
		{{SL_HOT_LOOK | 5, SL_COLD_HOLD_TCP | SL_COLD_HOLD_UDP | SL_COLD_CROWDED | 6},
		 SLOT_MOVING,
		 5,
		 6},
		{{SL_HOT_LOOK | 5, 5}, SLOT_SETTLING, 5, 5},
		{{SL_HOT_LOOK | 5, SL_COLD_CROWDED | 5}, SLOT_SETTLING, 5, 5},
		{{0xffff, 0x7fff}, SLOT_SETTLING, SL_BACKEND_MAX, SL_BACKEND_MAX},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert_int_eq(slot_state(cases[i].words), cases[i].state);
		ck_assert_uint_eq(slot_now(cases[i].words), cases[i].now);
		ck_assert_uint_eq(slot_base(cases[i].words), cases[i].base);
	}
}
END_TEST

START_TEST(every_backend_fits_into_the_words)
{
	for (uint32_t backend = 0; backend <= SL_BACKEND_MAX; backend++) {
		struct slot_words words = slot_stable(backend);

		if (slot_now(words) != backend || slot_base(words) != backend ||
		    slot_is_looked_up(words))
			ck_abort_msg("backend %u", backend);
	}
}
END_TEST

START_TEST(moving_flows_stores_both_words_and_only_what_differs)
{
	static const struct {
		struct slot_words present;
		uint16_t wanted;
		bool cold, hot;
	} cases[] = {
		{{0, 0}, 0, false, false},
		{{5, 5}, 5, false, false},
		{{5, 5}, 6, true, true},
		{{5, 6}, 6, false, true}, /* cut off between cold and hot: finished */
		{{5, 6}, 5, true, false}, /* or taken back */
		{{5, 5}, 0, true, true},  /* nobody is left */
		{{0, 0}, 5, true, true},
		{{SL_HOT_LOOK | 5, 6}, 5, true, true}, /* looked up under another rule */
		{{SL_HOT_LOOK | 5, SL_COLD_CROWDED | 5}, 5, true, true},
		{{SL_HOT_LOOK | 5, 5}, 5, false, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct slot_change change =
			slot_change(SLOT_MOVE_FLOWS, cases[i].present, cases[i].wanted);

		ck_assert_int_eq(change.store_cold, cases[i].cold);
		ck_assert_int_eq(change.store_hot, cases[i].hot);
		ck_assert_uint_eq(change.words.hot, cases[i].wanted);
		ck_assert_uint_eq(change.words.cold, cases[i].wanted);
		ck_assert_int_eq(slot_state(change.words), SLOT_STABLE);
	}
}
END_TEST

RUN_TESTS("core_slots", words_show_their_state, every_backend_fits_into_the_words,
	  moving_flows_stores_both_words_and_only_what_differs)
