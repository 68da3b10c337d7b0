/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/slots.h"

enum slot_state slot_state(struct slot_words words)
{
	if (!slot_is_looked_up(words))
		return SLOT_STABLE;
	return slot_now(words) == slot_base(words) ? SLOT_SETTLING : SLOT_MOVING;
}

/* ---- flows are kept -------------------------------------------------------------------------- */

#define HOLD (SL_COLD_HOLD_TCP | SL_COLD_HOLD_UDP)

static struct slot_move moved(struct slot_words present, struct slot_words words)
{
	return (struct slot_move){
		.store_cold = words.cold != present.cold,
		.store_hot = words.hot != present.hot,
		.words = words,
	};
}

struct slot_move slot_keep(struct slot_words present, uint16_t wanted, bool holds)
{
	enum slot_state state = slot_state(present);
	uint16_t now = slot_now(present), base = slot_base(present);
	struct slot_words words = present;
	struct slot_move move;

	/* What a stable slot's cold word says counts for nothing. */
	if (now == wanted && state != SLOT_MOVING)
		return (struct slot_move){.words = present};
	words.hot = wanted | SL_HOT_LOOK;
	/* From nobody: no flow is there to be kept. The base follows by slot_advance(), when hot is stored: were it
	 * there before, a packet that read an older hot word with `look` could write into a stable slot. */
	if (state == SLOT_STABLE ? now == SL_NOBODY : base == SL_NOBODY) {
		words.cold = SL_NOBODY;
		return moved(present, words);
	}
	if (state == SLOT_MOVING) /* another change, or back to base */
		return moved(present, words);
	words.cold = now | (holds ? HOLD : 0);
	move = moved(present, words);
	move.begins = true;
	return move;
}

enum slot_advance slot_advance(struct slot_words present, bool is_base_down,
			       struct slot_clock clock, uint32_t *cold)
{
	uint32_t seen = present.cold;

	if (slot_state(present) != SLOT_MOVING)
		return SLOT_STAYS;
	if (slot_base(present) == SL_NOBODY) {
		*cold = slot_now(present);
		return SLOT_REBASES;
	}
	if (is_base_down && seen & HOLD) {
		*cold = seen & ~HOLD;
		return SLOT_LETS_GO;
	}
	if (seen & SL_COLD_CROWDED) {
		*cold = (seen & ~SL_COLD_CROWDED) | (is_base_down ? 0 : HOLD);
		return SLOT_RENEWS;
	}
	if (!clock.has_begun)
		return SLOT_STAYS;
	if (seen & SL_COLD_HOLD_TCP) {
		*cold = seen & ~SL_COLD_HOLD_TCP;
		return clock.age > clock.hold ? SLOT_RELEASES : SLOT_STAYS;
	}
	*cold = slot_now(present);
	return clock.age > clock.window ? SLOT_REBASES : SLOT_STAYS;
}

/* ---- flows are moved ------------------------------------------------------------------------- */

/*
 * Each rule: the words that a slot is to have, from those that it has. Stores that would change
 * nothing are left out by the caller, so that a change that was cut off between cold and hot is
 * finished, and one that is already in force costs nothing.
 */
static struct slot_words move_flows(struct slot_words present, uint16_t wanted)
{
	(void)present; /* no flow is remembered, so it does not matter where they were */
	return slot_stable(wanted);
}

static struct slot_words (*const rules[])(struct slot_words present, uint16_t wanted) = {
	[SLOT_MOVE_FLOWS] = move_flows,
};

struct slot_change slot_change(enum slot_rule rule, struct slot_words present, uint16_t wanted)
{
	struct slot_words words = rules[rule](present, wanted);

	return (struct slot_change){
		.store_cold = words.cold != present.cold,
		.store_hot = words.hot != present.hot,
		.words = words,
	};
}
