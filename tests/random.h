/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random numbers for tests, the same in each run: xorshift64 (Marsaglia 2003). Each file that includes this has a
 * row of its own, and may set its state, which must not be 0.
 */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include <stdint.h>
#include <stdlib.h>

static uint64_t random_state = 88172645463325252u;

static inline uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static inline uint32_t random_below(uint32_t bound)
{
	return (random_next() >> 32) % bound;
}

/* A number that the environment may set: a seed, a count. */
static inline unsigned int random_setting(const char *name, unsigned int otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 10) : otherwise;
}

#endif
