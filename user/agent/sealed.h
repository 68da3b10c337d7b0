/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of the state directory: a first line that says which kind of file it is and seals the rest by its checksum, then
 * lines of words, with blocks of bytes between them. Pure.
 *
 *	MAGIC CHECKSUM		BLAKE2b-256 of all that follows, in hex
 *	WORD WORD ...
 */
#ifndef AGENT_SEALED_H
#define AGENT_SEALED_H

#include <stddef.h>
#include <stdint.h>

#include "core/key.h"

struct text;

#define SEALED_HASH_SIZE KEY_DIGEST_SIZE

void sealed_hash(const void *data, size_t length, uint8_t out[SEALED_HASH_SIZE]);

/* Adds the first line and the body. `magic` is words without a blank at the end: "sluice-state 1". */
void sealed_add(const char *magic, const struct text *body, struct text *out);

/* Hands out what is left of a body. */
struct sealed {
	const char *at, *end;
};

/* Checks the first line and the checksum. Returns 0, or -EBADMSG and in *what a phrase: "is damaged ...". */
int sealed_open(const char *magic, const char *data, size_t length, struct sealed *out,
		const char **what);

/* The next line without its newline, in memory of its own; NULL: no whole line is left. */
char *sealed_line(struct sealed *s);
/* The next `length` bytes, in memory of their own, with a NUL behind them; NULL: there are not so many. */
char *sealed_bytes(struct sealed *s, size_t length);
/* Cuts the next word off *rest; the last word of a line is what is left, spaces included. */
char *sealed_word(char **rest);

#endif
