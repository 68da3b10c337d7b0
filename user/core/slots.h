/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A slot of a Maglev table: the one place that knows how its hot and cold words (abi.h) are made
 * and read, what state they show, and which stores change it. Pure: words in, stores out.
 *
 * A change of a slot is a row of a table of changes: what the words become, in the order cold, hot.
 * A packet reads `cold` only where `hot` says look, so whatever `hot` is to rely on is stored
 * before it.
 */
#ifndef CORE_SLOTS_H
#define CORE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/abi.h>

struct slot_words {
	uint16_t hot;
	uint32_t cold;
};

enum slot_state {
	/* Every flow goes to `now`, none is looked up; the flow table holds no entry of the slot. */
	SLOT_STABLE,
	/* Flows are looked up; those without an entry belong to `base`, new ones to `now`. */
	SLOT_MOVING,
	/* Flows are looked up; base is now, and entries to other backends may be alive. */
	SLOT_SETTLING,
};

static inline uint16_t slot_now(struct slot_words words)
{
	return words.hot & SL_HOT_NOW;
}

static inline uint16_t slot_base(struct slot_words words)
{
	return words.cold & SL_COLD_BASE;
}

static inline bool slot_is_looked_up(struct slot_words words)
{
	return words.hot & SL_HOT_LOOK;
}

/* The words of a slot all of whose flows go to `backend`, and none is looked up. */
static inline struct slot_words slot_stable(uint16_t backend)
{
	return (struct slot_words){.hot = backend, .cold = backend};
}

/* Whether a slot is stable and its flows go to `backend`: then no rule has anything to change. */
static inline bool slot_is_at(struct slot_words words, uint16_t backend)
{
	return words.hot == backend && words.cold == backend;
}

enum slot_state slot_state(struct slot_words words);

/* What becomes of the flows of a slot that changes. */
enum slot_rule {
	SLOT_MOVE_FLOWS, /* `tracking: never`: they move with the slot */
};

/* The stores of a change: first cold, then hot, each only where it is asked for. */
struct slot_change {
	bool store_cold, store_hot;
	struct slot_words words; /* after it */
};

/* The change of a slot from its present words to one whose new flows go to `wanted`. */
struct slot_change slot_change(enum slot_rule rule, struct slot_words present, uint16_t wanted);

#endif
