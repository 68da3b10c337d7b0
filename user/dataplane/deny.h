/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The map of denied sources, which is a trie and no memory: read, filled, compared with what it should hold. What it
 * should hold is kept by audit.h.
 */
#ifndef DATAPLANE_DENY_H
#define DATAPLANE_DENY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/abi.h>

#include "base/addr.h"

/* What the map should hold, and how far a walk that compares it has come. */
struct deny_list {
	struct prefix *list; /* in the order of memcmp(), no two alike */
	size_t count;
	bool is_walking;
	struct sl_deny_key at; /* the walk's last key */
	size_t seen;	       /* by the walk, of those in the list */
	uint32_t damage;       /* found by walks, and not mended yet */
};

bool deny_is_empty(int map_fd);
/* Reads all of the map in the place of *out, whose list is freed. Returns 0, or a negative errno, and *out is as it was. */
int deny_read(int map_fd, struct deny_list *out);
/* Adds all of the list. Returns 0 or a negative errno; some may be in the map by then. */
int deny_fill(int map_fd, const struct deny_list *list);

/* Compares the next part of the map; returns how many prefixes are missing or too many, as far as is known. */
uint32_t deny_look(int map_fd, struct deny_list *list);
/* Adds what is missing and takes out what is too much, if a walk has found anything. Returns 0 or a negative errno. */
int deny_mend(int map_fd, struct deny_list *list);

#endif
