/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linear probing over a power-of-two array that is at most two thirds full; a removal shifts back what
 * follows it, so there are no tombstones. The hash multiplies 8-byte words into a 128-bit product and folds
 * it; its secret is drawn once per process, so that keys from outside cannot be made to collide.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "base/table.h"

struct entry {
	uint64_t hash;
	void *key; /* NULL: empty */
	size_t key_size;
	void *value;
};

struct table {
	struct entry *entries;
	size_t size; /* a power of two */
	size_t count;
};

#define SIZE_FIRST 16

static uint64_t secret[2];

static void draw_secret(void)
{
	if (secret[0])
		return;
	if (getrandom(secret, sizeof(secret), 0) != sizeof(secret)) {
		perror("getrandom");
		abort();
	}
	secret[0] |= 1; /* marks it as drawn */
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_bytes(const void *key, size_t size)
{
	const unsigned char *bytes = key;
	uint64_t hash = mix(secret[0] ^ size, secret[1] | 1);

	for (; size; size -= size < 8 ? size : 8, bytes += 8) {
		uint64_t word = 0;

		memcpy(&word, bytes, size < 8 ? size : 8);
		hash = mix(hash ^ word ^ secret[1], secret[0]) + secret[1];
	}
	return mix(hash ^ secret[0], secret[1] | 1);
}

struct table *table_new(void)
{
	struct table *table = mem_alloc(sizeof(*table));

	draw_secret();
	table->size = SIZE_FIRST;
	table->entries = mem_array(table->size, sizeof(*table->entries));
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->size; i++)
		free(table->entries[i].key);
	free(table->entries);
	free(table);
}

size_t table_count(const struct table *table)
{
	return table->count;
}

/* The entry that holds the key, or the empty one where it would go. */
static struct entry *find(const struct table *table, uint64_t hash, const void *key,
			  size_t key_size)
{
	for (size_t i = hash;; i++) {
		struct entry *entry = &table->entries[i & (table->size - 1)];

		if (!entry->key || (entry->hash == hash && entry->key_size == key_size &&
				    memcmp(entry->key, key, key_size) == 0))
			return entry;
	}
}

static void grow(struct table *table)
{
	struct table larger = {.size = 2 * table->size, .count = table->count};

	larger.entries = mem_array(larger.size, sizeof(*larger.entries));
	for (size_t i = 0; i < table->size; i++) {
		struct entry *entry = &table->entries[i];

		if (entry->key)
			*find(&larger, entry->hash, entry->key, entry->key_size) = *entry;
	}
	free(table->entries);
	*table = larger;
}

void *table_set(struct table *table, const void *key, size_t key_size, void *value)
{
	uint64_t hash = hash_bytes(key, key_size);
	struct entry *entry = find(table, hash, key, key_size);
	void *before = entry->value;

	if (!entry->key) {
		if (3 * (table->count + 1) > 2 * table->size) {
			grow(table);
			entry = find(table, hash, key, key_size);
		}
		*entry = (struct entry){.hash = hash, .key_size = key_size};
		entry->key = mem_alloc(key_size);
		if (key_size)
			memcpy(entry->key, key, key_size);
		table->count++;
	}
	entry->value = value;
	return before;
}

void *table_get(const struct table *table, const void *key, size_t key_size)
{
	return find(table, hash_bytes(key, key_size), key, key_size)->value;
}

/* True when an entry whose home is `home` may not be moved from `from` back to `hole`. */
static bool stays(size_t home, size_t hole, size_t from, size_t mask)
{
	return ((from - home) & mask) < ((from - hole) & mask);
}

void *table_remove(struct table *table, const void *key, size_t key_size)
{
	struct entry *entry = find(table, hash_bytes(key, key_size), key, key_size);
	size_t mask = table->size - 1, hole = entry - table->entries;
	void *value = entry->value;

	if (!entry->key)
		return NULL;
	free(entry->key);
	for (size_t i = (hole + 1) & mask; table->entries[i].key; i = (i + 1) & mask) {
		if (stays(table->entries[i].hash & mask, hole, i, mask))
			continue;
		table->entries[hole] = table->entries[i];
		hole = i;
	}
	table->entries[hole] = (struct entry){};
	table->count--;
	return value;
}
