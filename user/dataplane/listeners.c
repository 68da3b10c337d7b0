/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listener tables, built for a set of listeners. Pure. They are read in listeners_read.c.
 *
 * Story: every listener brings a key of its own, and every address one more (its mark, which tells packets
 * that show no port whether the address is ours). Keys are sorted, so that the table does not follow from the
 * order of the input, and multipliers are taken from a fixed sequence until no bucket overflows. A table
 * starts small, since what stays in the cache is fast, and doubles when no multiplier of a round will do.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dataplane/dataplane.h"
#include "dataplane/listeners.h"

/* Multipliers tried at one size. At the largest size that limits.h allows, every second one or so fits. */
#define TRIES 64

/* The keys of one family. */
struct keys {
	struct listener_key *list;
	size_t count;
	uint8_t *filled; /* keys in each bucket, of the try at hand */
	unsigned int ways;
	unsigned int bits, max_bits; /* logarithm of the number of buckets */
};

static int compare_keys(const void *left, const void *right)
{
	const struct listener_key *l = left, *r = right;

	if (l->hashed != r->hashed)
		return l->hashed < r->hashed ? -1 : 1;
	for (int i = 0; i < 2; i++)
		if (l->address[i] != r->address[i])
			return l->address[i] < r->address[i] ? -1 : 1;
	if (l->port != r->port)
		return l->port < r->port ? -1 : 1;
	return l->protocol - r->protocol;
}

/* Sorts, and makes the marks of one address one. -EEXIST: two listeners are the same. */
static int settle_keys(struct keys *keys)
{
	size_t kept = 0;

	if (keys->count)
		qsort(keys->list, keys->count, sizeof(*keys->list), compare_keys);
	for (size_t i = 0; i < keys->count; i++) {
		struct listener_key *last = kept ? &keys->list[kept - 1] : NULL;

		if (!last || compare_keys(last, &keys->list[i]))
			keys->list[kept++] = keys->list[i];
		else if (last->mark)
			last->value |= keys->list[i].value;
		else
			return -EEXIST;
	}
	keys->count = kept;
	return 0;
}

/* The prefix lengths in use, longest first. */
struct lengths {
	uint8_t list[SL_PREFIX_LENGTHS];
	unsigned int count;
};

static int collect_lengths(const struct dataplane_listener *list, size_t count, uint8_t family,
			   struct lengths *out)
{
	bool is_used[129] = {};

	*out = (struct lengths){};
	for (size_t i = 0; i < count; i++)
		if (list[i].address.family == family)
			is_used[list[i].length] = true;
	for (unsigned int length = 128; length; length--) {
		if (!is_used[length])
			continue;
		if (out->count == SL_PREFIX_LENGTHS)
			return -E2BIG;
		out->list[out->count++] = length;
	}
	return 0;
}

static unsigned int rank_of(const struct lengths *lengths, uint8_t length)
{
	unsigned int rank = 0;

	while (lengths->list[rank] != length)
		rank++;
	return rank;
}

/* Its length is the address's first byte, and what lies behind the id is 0. */
static bool is_server_id(const struct dataplane_listener *l)
{
	uint8_t length = l->address.bytes[0];

	if (l->address.family != 6 || l->length || !l->port || !length ||
	    length > SL_SERVER_ID_MAX || !(l->service & ~SL_SERVER_ID_CLOSED))
		return false;
	for (size_t i = 1 + length; i < sizeof(l->address.bytes); i++)
		if (l->address.bytes[i])
			return false;
	return true;
}

static bool is_listener(const struct dataplane_listener *l)
{
	if (dataplane_is_server_id(l))
		return is_server_id(l);
	return l->service && (l->protocol == IPPROTO_TCP || l->protocol == IPPROTO_UDP) &&
	       (l->address.family == 4 || l->address.family == 6) &&
	       l->length < 8 * addr_size(l->address.family);
}

static int collect_keys(const struct dataplane_listener *list, size_t count, uint8_t family,
			struct keys *keys)
{
	struct lengths lengths;
	int err;

	keys->list = mem_array(2 * count + SL_PREFIX_LENGTHS, sizeof(*keys->list));
	for (size_t i = 0; i < count; i++)
		if (!is_listener(&list[i]))
			return -EINVAL;
	err = collect_lengths(list, count, family, &lengths);
	if (err)
		return err;
	for (unsigned int rank = 0; rank < lengths.count; rank++) {
		keys->list[keys->count] = listener_length_key(family, rank);
		keys->list[keys->count++].value = lengths.list[rank];
	}
	for (size_t i = 0; i < count; i++) {
		const struct dataplane_listener *l = &list[i];
		struct listener_key *key = &keys->list[keys->count];
		enum sl_listener_kind kinds[2] = {SL_LISTENER, SL_ADDRESS};

		if (l->address.family != family)
			continue;
		if (dataplane_is_server_id(l)) {
			key[0] = listener_key(&l->address, l->port, 0, SL_SERVER_ID);
			key[0].value = l->service;
			keys->count++;
			continue;
		}
		for (int k = 0; l->length && k < 2; k++)
			kinds[k] = sl_prefix_kind(rank_of(&lengths, l->length), kinds[k]);
		key[0] = listener_key(&l->address, l->port, l->protocol, kinds[0]);
		key[0].value = l->service;
		key[1] = listener_key(&l->address, 0, 0, kinds[1]);
		key[1].value = (l->protocol == IPPROTO_TCP ? SL_HAS_TCP : SL_HAS_UDP) |
			       (l->echo ? SL_HAS_ECHO : 0);
		keys->count += 2;
	}
	return settle_keys(keys);
}

/* Sets the first size to try: half the ways filled on average, at least two buckets. */
static int size_keys(struct keys *keys, uint32_t max_buckets)
{
	if (max_buckets < 2)
		return keys->count ? -ENOSPC : 0;
	keys->max_bits = 31 - __builtin_clz(max_buckets);
	keys->bits = 1;
	while (keys->bits < keys->max_bits &&
	       ((uint64_t)keys->ways << keys->bits) < 2 * keys->count)
		keys->bits++;
	keys->filled = mem_array((size_t)1 << keys->max_bits, 1);
	return 0;
}

static bool fits(const struct keys *keys, uint64_t word)
{
	if (keys->count == 0)
		return true;
	memset(keys->filled, 0, (size_t)1 << keys->bits);
	for (size_t i = 0; i < keys->count; i++)
		if (keys->filled[listener_bucket(&keys->list[i], word, keys->bits)]++ == keys->ways)
			return false;
	return true;
}

/* SplitMix64 (Steele, Lea & Flood 2014), the n-th number from a fixed seed. */
static uint64_t nth_random(uint64_t n)
{
	uint64_t x = (n + 1) * 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static bool grow(struct keys *keys)
{
	if (keys->bits >= keys->max_bits)
		return false;
	keys->bits++;
	return true;
}

/* The word of a table (abi.h), with a number to try as the builder's part; `flags` say what the listeners want. */
static uint64_t make_word(const struct keys *v4, const struct keys *v6, uint64_t flags,
			  uint64_t try)
{
	uint64_t shift4 = v4->max_bits ? 64 - v4->bits : 63;
	uint64_t shift6 = v6->max_bits ? 64 - v6->bits : 63;

	return flags | shift4 << 2 | shift6 << 8 | nth_random(try) << 16;
}

/* Finds a multiplier that suits both families; the family that it suits less often grows. */
static int find_word(struct keys *v4, struct keys *v6, uint64_t flags, uint64_t *word)
{
	for (uint64_t n = 0;;) {
		unsigned int good4 = 0, good6 = 0;

		for (unsigned int try = 0; try < TRIES; try++) {
			bool ok4, ok6;

			*word = make_word(v4, v6, flags, n++);
			ok4 = fits(v4, *word);
			ok6 = fits(v6, *word);
			if (ok4 && ok6)
				return 0;
			good4 += ok4;
			good6 += ok6;
		}
		if (good4 < good6 ? !grow(v4) && !grow(v6) : !grow(v6) && !grow(v4))
			return -ENOSPC;
	}
}

static void fill4(const struct keys *keys, uint64_t word, struct sl_listeners4 *buckets)
{
	memset(buckets, 0, sizeof(*buckets) << keys->bits);
	for (size_t i = 0; i < keys->count; i++) {
		struct sl_listeners4 *b =
			&buckets[listener_bucket(&keys->list[i], word, keys->bits)];
		unsigned int way = 0;

		while (b->key[way])
			way++;
		b->key[way] = keys->list[i].hashed;
		b->value[way] = keys->list[i].value;
	}
}

static void fill6(const struct keys *keys, uint64_t word, struct sl_listeners6 *buckets)
{
	memset(buckets, 0, sizeof(*buckets) << keys->bits);
	for (size_t i = 0; i < keys->count; i++) {
		const struct listener_key *key = &keys->list[i];
		struct sl_listeners6 *b = &buckets[listener_bucket(key, word, keys->bits)];
		unsigned int way = 0;

		while (b->protocol[way])
			way++;
		b->address[way][0] = key->address[0];
		b->address[way][1] = key->address[1];
		b->port[way] = key->port;
		b->protocol[way] = key->protocol;
		b->value[way] = key->value;
	}
}

int listeners_build(const struct dataplane_listener *list, size_t count,
		    struct sl_listeners4 *buckets4, uint32_t max4, struct sl_listeners6 *buckets6,
		    uint32_t max6, uint64_t *out)
{
	struct keys v4 = {.ways = SL_WAYS4}, v6 = {.ways = SL_WAYS6};
	uint64_t word, flags = 0;
	int err;

	err = collect_keys(list, count, 4, &v4);
	if (!err)
		err = collect_keys(list, count, 6, &v6);
	if (!err)
		err = size_keys(&v4, max4);
	if (!err)
		err = size_keys(&v6, max6);
	for (size_t i = 0; i < count; i++)
		flags |= (list[i].port ? 0 : SL_LISTENERS_ANY_PORT) |
			 (list[i].length ? SL_LISTENERS_PREFIX : 0) |
			 (list[i].echo ? SL_LISTENERS_ECHO : 0);
	if (!err)
		err = find_word(&v4, &v6, flags, &word);
	if (err)
		goto out;

	if (v4.max_bits)
		fill4(&v4, word, buckets4);
	if (v6.max_bits)
		fill6(&v6, word, buckets6);
	*out = word;
out:
	free(v4.list);
	free(v4.filled);
	free(v6.list);
	free(v6.filled);
	return err;
}
