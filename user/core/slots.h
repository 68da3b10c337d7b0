/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A slot of a Maglev table: the one place that knows how its hot and cold words (abi.h) are made
 * and read, what state they show, and which stores change it. Pure: words in, stores out.
 *
 * A change of a slot is a row of a table of changes: what the words become, in the order cold, hot.
 * A packet reads `cold` only where `hot` says look, so whatever `hot` is to rely on is stored
 * before it.
 *
 * Inline: a change of a service asks for every slot, several times, and it may have millions.
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

static inline enum slot_state slot_state(struct slot_words words)
{
	if (!slot_is_looked_up(words))
		return SLOT_STABLE;
	return slot_now(words) == slot_base(words) ? SLOT_SETTLING : SLOT_MOVING;
}

/* ---- a change that keeps flows: the rows of docs/tracking.md --------------------------------- */

/* What a slot's change needs besides its stores. */
struct slot_move {
	bool store_cold, store_hot;
	bool begins; /* its window begins after the grace period that follows */
	struct slot_words words;
};

#define SLOT_HOLD (SL_COLD_HOLD_TCP | SL_COLD_HOLD_UDP)

static inline struct slot_move slot_moved(struct slot_words present, struct slot_words words)
{
	return (struct slot_move){
		.store_cold = words.cold != present.cold,
		.store_hot = words.hot != present.hot,
		.words = words,
	};
}

/*
 * Sends new flows of a slot to `wanted`. `holds`: those of the first seconds still go to the
 * backend that they go to now (a planned change); else they leave at once, since it is down.
 */
static inline struct slot_move slot_keep(struct slot_words present, uint16_t wanted, bool holds)
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
		return slot_moved(present, words);
	}
	if (state == SLOT_MOVING) /* another change, or back to base */
		return slot_moved(present, words);
	words.cold = now | (holds ? SLOT_HOLD : 0);
	move = slot_moved(present, words);
	move.begins = true;
	return move;
}

/* What becomes of a moving slot as time goes by. */
enum slot_advance {
	SLOT_STAYS,
	SLOT_LETS_GO,  /* base is down: new flows leave at once */
	SLOT_RENEWS,   /* crowded: hold and window begin anew after a grace period */
	SLOT_RELEASES, /* the hold of TCP is over */
	SLOT_REBASES,  /* the window is over: flows without an entry belong to `now` */
};

struct slot_clock {
	bool has_begun;	       /* the window */
	uint32_t age;	       /* since then, in units of a clock */
	uint32_t hold, window; /* how long they last */
};

/* The age of a moving slot beyond which slot_advance() has something to do. */
static inline uint32_t slot_limit(struct slot_words words, struct slot_clock clock)
{
	return words.cold & SL_COLD_HOLD_TCP ? clock.hold : clock.window;
}

/*
 * The one compare-and-swap that is due for a slot, from its present cold word to *cold. Never due
 * but for a moving slot.
 */
static inline enum slot_advance slot_advance(struct slot_words present, bool is_base_down,
					     struct slot_clock clock, uint32_t *cold)
{
	uint32_t seen = present.cold;

	if (slot_state(present) != SLOT_MOVING)
		return SLOT_STAYS;
	if (slot_base(present) == SL_NOBODY) {
		*cold = slot_now(present);
		return SLOT_REBASES;
	}
	if (is_base_down && seen & SLOT_HOLD) {
		*cold = seen & ~SLOT_HOLD;
		return SLOT_LETS_GO;
	}
	if (seen & SL_COLD_CROWDED) {
		*cold = (seen & ~SL_COLD_CROWDED) | (is_base_down ? 0 : SLOT_HOLD);
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

/* ---- a change that moves flows --------------------------------------------------------------- */

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
