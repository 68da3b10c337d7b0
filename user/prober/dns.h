/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A DNS question and the look at its answer (RFC 1035, section 4). Pure. */
#ifndef PROBER_DNS_H
#define PROBER_DNS_H

#include <stddef.h>
#include <stdint.h>

#include "prober/judge.h"

#define DNS_QUERY_MAX 272 /* header, a name of 255 bytes, type and class, rounded up */

/*
 * A question of class IN with recursion desired. Returns its length, or 0 for what is no domain name:
 * an empty label, one of more than 63 bytes, more than 255 bytes in all. "." is the root.
 */
size_t dns_query(uint16_t id, const char *name, uint16_t type, uint8_t out[DNS_QUERY_MAX]);

/*
 * JUDGE_GOOD: it answers this query with a record of the type asked for (255: any) of this name, or of what that is an
 * alias of by records of this answer; JUDGE_BAD: it answers this query, but not well, see `why`; JUDGE_NOT_OURS: it
 * answers nothing that was asked.
 */
enum judge dns_judge(const uint8_t *query, size_t query_length, const uint8_t *answer,
		     size_t length, char why[JUDGE_WHY_SIZE]);

#endif
