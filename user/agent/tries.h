/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often, and when, something that is wrong is tried to be put right: at once, then after 1, 2, 4 ... 32 s, and
 * after TRIES_MAX failures in a row no more until it is right again or somebody says that it is worth another try. Pure.
 */
#ifndef AGENT_TRIES_H
#define AGENT_TRIES_H

#include <stdbool.h>
#include <stdint.h>

#define TRIES_MAX 7

struct tries {
	unsigned int failed; /* in a row */
	uint64_t next_ms;    /* not before that */
};

bool tries_are_over(const struct tries *tries);
/* Whether it is time for a try. */
bool tries_is_due(const struct tries *tries, uint64_t now_ms);
/* A try has failed; returns whether that was the last one. */
bool tries_note_failure(struct tries *tries, uint64_t now_ms);
/* It is right, or worth a new series of tries. */
void tries_reset(struct tries *tries);

#endif
