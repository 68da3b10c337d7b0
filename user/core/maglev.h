/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Maglev tables (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer",
 * NSDI 2016, section 3.4), keyed and weighted; the same on every host, whatever the order of input.
 *
 * Each member walks its own permutation of the slots, slot(j) = (offset + j * skip) mod size, where
 * offset and skip come from BLAKE2b keyed by the cluster's Maglev key over (service name, NUL,
 * family, address): two little-endian 64-bit words, offset = first mod size, skip = second mod
 * (size - 1) + 1. `size` is prime, so every skip generates all slots.
 *
 * Weights: a member of weight w gets exactly its quota of slots, size * w / sum(w) by largest
 * remainder (equal remainders: the lower identity first). Members take turns in the order of their
 * identity. Of the rounds 1..R, R being the largest quota, member i takes floor(r * q_i / R) -
 * floor((r - 1) * q_i / R) slots in round r: so all finish together, and with equal weights it is
 * the paper's algorithm. Weight 0 gets nothing.
 */
#ifndef CORE_MAGLEV_H
#define CORE_MAGLEV_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define MAGLEV_KEY_SIZE	  32
#define MAGLEV_WEIGHT_MAX 1000
#define MAGLEV_NONE	  0xffff /* a slot of a table in which nobody has weight */

struct maglev_member {
	struct addr address; /* members are sorted by addr_compare(), each address once */
	uint32_t weight;     /* 0 to MAGLEV_WEIGHT_MAX */
};

/*
 * Fills table[0..size) with positions in `members` (at most 32767), or all with MAGLEV_NONE. `size`
 * is a prime of at least 3. Returns 0, -EINVAL (unsorted members or a bad size).
 */
int maglev_build(const uint8_t key[MAGLEV_KEY_SIZE], const char *service,
		 const struct maglev_member *members, size_t count, uint32_t size, uint16_t *table);

#endif
