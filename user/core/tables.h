/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Maglev tables that are built once for what they follow from. A change of one way, or of nothing,
 * would otherwise build the tables of all services anew: 250 tables of 16,381 slots take 80 ms.
 */
#ifndef CORE_TABLES_H
#define CORE_TABLES_H

#include <stddef.h>
#include <stdint.h>

#include "core/maglev.h"

struct tables;

struct tables *tables_new(const uint8_t key[MAGLEV_KEY_SIZE]);
void tables_free(struct tables *tables); /* NULL is fine */

/*
 * The table of a service as maglev_build() makes it; it is kept until the service is asked for with
 * other members or another size. Returns NULL where maglev_build() fails.
 */
const uint16_t *tables_get(struct tables *tables, const char *service,
			   const struct maglev_member *members, size_t count, uint32_t size);

/* Forgets the tables that nobody has asked for since the last call. */
void tables_sweep(struct tables *tables);

#endif
