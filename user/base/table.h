/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hash table from byte strings to pointers (open addressing; the hash is keyed by a per-process secret). */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stddef.h>

struct table;

struct table *table_new(void);
void table_free(struct table *table); /* values stay; NULL is fine */
size_t table_count(const struct table *table);

/* Keys are copied. Returns the value that was there before, or NULL. `value` must not be NULL. */
void *table_set(struct table *table, const void *key, size_t key_size, void *value);
void *table_get(const struct table *table, const void *key, size_t key_size); /* NULL: not there */
void *table_remove(struct table *table, const void *key, size_t key_size); /* the value, or NULL */

#endif
