/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random records, from the same tables as the encoder, and random damage; the same on every run. */
#ifndef TESTS_RANDOM_RECORD_H
#define TESTS_RANDOM_RECORD_H

#include "wire/record.h"

/* Fills *data, zeroed and of record->size bytes. */
void random_record(struct arena *arena, const struct wire_record *record, void *data);

/* Overwrites, removes and doubles bytes of `line`; returns how long it is then. */
size_t random_damage(char *line, size_t length);

#endif
