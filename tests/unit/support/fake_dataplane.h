/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * struct dataplane_ops over plain memory, for tests of core and whatever stands on it. It holds its
 * callers to the contract in dataplane.h: what a packet may still reach is not rewritten, and after
 * each operation every packet finds all that it reaches in order; else the test fails. Any
 * operation can be made to fail.
 */
#ifndef TESTS_FAKE_DATAPLANE_H
#define TESTS_FAKE_DATAPLANE_H

#include "base/text.h"
#include "dataplane/dataplane.h"

struct fake {
	struct dataplane_view view; /* of the arrays below */
	struct sl_meta meta;
	struct sl_control control;
	struct sl_listeners4 *listeners4;
	struct sl_listeners6 *listeners6;
	struct sl_service *services;
	struct sl_hot_line *hot;
	struct sl_cold_line *cold;
	struct sl_flow_bucket *flows, *fragments;
	struct sl_backend *backends;
	struct sl_counter_line *counters;
	/* What went out of reach since the last grace period. */
	bool *leaving_services, *leaving_backends;
	bool is_checked;      /* look at everything after each operation; true at first */
	unsigned int calls;   /* of operations that can fail, so far */
	unsigned int fail_at; /* the call that fails with -EIO, from 1; 0: none */
	bool fails_on;	      /* and about every second call after it */
	unsigned int graces;
	uint32_t now; /* the clock, in ticks of a second */
	/* Called before the swaps of cold words, as packets may come then; NULL: none do. */
	void (*before_swap)(struct fake *fake);
	uint32_t ways[8]; /* opened */
	unsigned int way_count;
};

struct fake *fake_new(const struct sl_limits *limits);
void fake_free(struct fake *fake);
struct fake *fake_copy(const struct fake *fake);

const struct dataplane_ops *fake_operations(void); /* `self` is the struct fake */

/* All that packets can see, in one text: listeners, their records, slots, backends, paths. */
void fake_image(const struct fake *fake, struct text *out);

/* Fails the test at the first line in which two images differ. */
void fake_compare(const char *before, const char *after);

/* Marks the records that listeners name, and the backends that their slots name. */
void fake_mark_reached(const struct fake *fake, bool *services, bool *backends);

/* Fails the test unless all that packets can reach is in order. */
void fake_check(const struct fake *fake);

/* Writes a flow's entry as a packet does, by its hash; the test fails where there is no room. */
void fake_insert(struct fake *fake, uint64_t hash, uint32_t slot, uint32_t backend, uint32_t tick);
/* Writes a later tick into a flow's entry, if it has one. */
void fake_refresh(struct fake *fake, uint64_t hash, uint32_t tick);
/* The backend that a flow's entry names; SL_NOBODY: it has none. */
uint32_t fake_entry(const struct fake *fake, uint64_t hash);
/* Entries of a slot. */
unsigned int fake_entries_of_slot(const struct fake *fake, uint32_t slot);

/* Whether a way was opened. */
bool fake_has_way(const struct fake *fake, uint32_t ifindex);

#endif
