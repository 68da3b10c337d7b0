/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What survives the agent: the last applied configuration, its revision, the hash of the file that
 * was last loaded, and the overrides. One file, replaced as a whole, so that it is always of one
 * moment.
 *
 *	sluice-state 1 CHECKSUM			BLAKE2b-256 of all that follows, in hex
 *	revision N
 *	loaded HASH				of the file given by -c, when last put in force
 *	override ADDRESS STATE WEIGHT SERVICE	"-": not overridden
 *	config LENGTH NAME			where the text came from
 *	LENGTH bytes of text
 *
 * A file that does not read back exactly is refused, never taken for an empty one.
 */
#ifndef AGENT_STATE_H
#define AGENT_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/key.h"
#include "core/overrides.h"

struct problems;
struct text;

#define STATE_HASH_SIZE KEY_DIGEST_SIZE

struct state {
	uint64_t revision; /* 0: nothing was ever applied */
	bool has_loaded;
	uint8_t loaded[STATE_HASH_SIZE];
	struct overrides overrides;
	char *name; /* of the text's source; NULL: no text */
	char *text;
	size_t text_length;
};

void state_free(struct state *state); /* and leaves it empty */

void state_encode(const struct state *state, struct text *out);
/* `file` names it in problems. Returns 0 or -EBADMSG; *out only then. */
int state_decode(const char *file, const char *data, size_t length, struct state *out,
		 struct problems *p);

void state_hash(const void *data, size_t length, uint8_t out[STATE_HASH_SIZE]);

/* ---- the state directory --------------------------------------------------------------------- */

/*
 * Makes the directory (0700) if it is not there, refuses one that holds files of others (the agent
 * gives it to its own user), and locks it as long as the returned descriptor is open. Returns it or
 * a negative errno.
 */
int state_open_dir(const char *dir, struct problems *p);

/* Reads DIR/state; one that is not there is an empty state. Returns 0 or a negative errno. */
int state_load(const char *dir, struct state *out, struct problems *p);
/* Returns 0, and then it is on the disk, or a negative errno, and then the old one is. */
int state_store(const char *dir, const struct state *state, struct problems *p);

#endif
