/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/slots.h"

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
