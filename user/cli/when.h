/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_WHEN_H
#define CLI_WHEN_H

#include <stdbool.h>
#include <stdint.h>

struct problems;

struct when {
	bool is_number; /* of an event: */
	uint64_t number;
	uint64_t from_ms; /* else: a moment, in ms since 1970 */
};

/* Returns 0, or -EINVAL and says what is expected. A time without a date is the last one before `now_ms`. */
int when_parse(const char *text, uint64_t now_ms, struct when *out, struct problems *p);

#endif
