/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The probes that the prober is to run, as it has been told or is to be told, and what differs. Pure.
 */
#ifndef AGENT_PROBESET_H
#define AGENT_PROBESET_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "wire/prober.h"

/* Zero it: the empty set. */
struct probeset {
	struct arena *arena; /* that all of it lies in */
	struct wire_probe *list;
	size_t count;
};

/* Takes over `arena`, in which `list` and all that it points to lie. No id may be there twice. */
struct probeset probeset_make(struct arena *arena, struct wire_probe *list, size_t count);
void probeset_free(struct probeset *set); /* and leaves it empty */

/* NULL: it has none of this id. */
const struct wire_probe *probeset_find(const struct probeset *set, uint64_t id);

/*
 * Gives the orders that lead from one set to another, each of a size that an order may have. `give` gets them one
 * after the other, valid for the call. Nothing differs: it is not called.
 */
void probeset_orders(const struct probeset *from, const struct probeset *to,
		     void (*give)(void *arg, const struct wire_order *order), void *arg);

#endif
