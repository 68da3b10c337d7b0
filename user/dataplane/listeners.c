/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listener tables: built for a set of listeners, and read as a packet reads them. Pure.
 *
 * Story: every listener brings a key of its own, and every address one more (its mark, which tells packets
 * that show no port whether the address is ours). Keys are sorted, so that the table does not follow from the
 * order of the input, and multipliers are taken from a fixed sequence until no bucket overflows. A table
 * starts small, since what stays in the cache is fast, and doubles when no multiplier of a round will do.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dataplane/dataplane.h"

/* Multipliers tried at one size. At the largest size that limits.h allows, every second one or so fits. */
#define TRIES 64

/* A key of either family as it is stored and hashed; IPv4: all of it is in `a`. */
struct key {
	uint64_t a, b, what;
	uint16_t value;
	bool mark;
};

/* The keys of one family. */
struct keys {
	struct key *list;
	size_t count;
	uint8_t *filled; /* keys in each bucket, of the try at hand */
	unsigned int ways;
	unsigned int bits, max_bits; /* logarithm of the number of buckets */
};

static int compare_keys(const void *left, const void *right)
{
	const struct key *l = left, *r = right;

	if (l->a != r->a)
		return l->a < r->a ? -1 : 1;
	if (l->b != r->b)
		return l->b < r->b ? -1 : 1;
	return l->what < r->what ? -1 : l->what > r->what;
}

static struct key make_key(const struct addr *address, uint16_t port, uint8_t protocol,
			   enum sl_listener_kind kind)
{
	struct key key = {.mark = kind == SL_ADDRESS};
	uint32_t address4;

	if (address->family == 4) {
		memcpy(&address4, address->bytes, sizeof(address4));
		key.a = sl_listener_key4(address4, htons(port), protocol, kind);
	} else {
		memcpy(&key.a, address->bytes, 8);
		memcpy(&key.b, address->bytes + 8, 8);
		key.what = sl_listener_what(htons(port), key.mark ? SL_PROTOCOL_ADDRESS : protocol);
	}
	return key;
}

/* Sorts, and makes the marks of one address one. -EEXIST: two listeners are the same. */
static int settle_keys(struct keys *keys)
{
	size_t kept = 0;

	if (keys->count)
		qsort(keys->list, keys->count, sizeof(*keys->list), compare_keys);
	for (size_t i = 0; i < keys->count; i++) {
		struct key *last = kept ? &keys->list[kept - 1] : NULL;

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

static int collect_keys(const struct dataplane_listener *list, size_t count, uint8_t family,
			struct keys *keys)
{
	keys->list = mem_array(2 * count + 1, sizeof(*keys->list));
	for (size_t i = 0; i < count; i++) {
		const struct dataplane_listener *l = &list[i];
		struct key *key = &keys->list[keys->count];

		if (l->service == 0 || (l->protocol != IPPROTO_TCP && l->protocol != IPPROTO_UDP) ||
		    (l->address.family != 4 && l->address.family != 6))
			return -EINVAL;
		if (l->address.family != family)
			continue;
		key[0] = make_key(&l->address, l->port, l->protocol, SL_LISTENER);
		key[0].value = l->service;
		key[1] = make_key(&l->address, 0, 0, SL_ADDRESS);
		key[1].value = l->protocol == IPPROTO_TCP ? SL_HAS_TCP : SL_HAS_UDP;
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

static uint32_t bucket_of(const struct key *key, const __u64 mult[3], unsigned int bits)
{
	return (key->a * mult[0] + key->b * mult[1] + key->what * mult[2]) >> (64 - bits);
}

static bool fits(const struct keys *keys, const __u64 mult[3])
{
	if (keys->count == 0)
		return true;
	memset(keys->filled, 0, (size_t)1 << keys->bits);
	for (size_t i = 0; i < keys->count; i++)
		if (keys->filled[bucket_of(&keys->list[i], mult, keys->bits)]++ == keys->ways)
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

/* Finds multipliers that suit both families; the family that they suit less often grows. */
static int find_multipliers(struct keys *v4, struct keys *v6, __u64 mult[3])
{
	for (uint64_t n = 0;;) {
		unsigned int good4 = 0, good6 = 0;

		for (unsigned int try = 0; try < TRIES; try++) {
			bool ok4, ok6;

			mult[0] = nth_random(n++) | 1;
			mult[1] = nth_random(n++);
			mult[2] = nth_random(n++);
			ok4 = fits(v4, mult);
			ok6 = fits(v6, mult);
			if (ok4 && ok6)
				return 0;
			good4 += ok4;
			good6 += ok6;
		}
		if (good4 < good6 ? !grow(v4) && !grow(v6) : !grow(v6) && !grow(v4))
			return -ENOSPC;
	}
}

static void fill4(const struct keys *keys, const __u64 mult[3], struct sl_listeners4 *buckets)
{
	memset(buckets, 0, sizeof(*buckets) << keys->bits);
	for (size_t i = 0; i < keys->count; i++) {
		struct sl_listeners4 *b = &buckets[bucket_of(&keys->list[i], mult, keys->bits)];
		unsigned int way = 0;

		while (b->key[way])
			way++;
		b->key[way] = keys->list[i].a;
		b->value[way] = keys->list[i].value;
	}
}

static void fill6(const struct keys *keys, const __u64 mult[3], struct sl_listeners6 *buckets)
{
	memset(buckets, 0, sizeof(*buckets) << keys->bits);
	for (size_t i = 0; i < keys->count; i++) {
		const struct key *key = &keys->list[i];
		struct sl_listeners6 *b = &buckets[bucket_of(key, mult, keys->bits)];
		unsigned int way = 0;

		while (b->protocol[way])
			way++;
		b->address[way][0] = key->a;
		b->address[way][1] = key->b;
		b->port[way] = key->what >> 8;
		b->protocol[way] = key->what & 0xff;
		b->value[way] = key->value;
	}
}

int listeners_build(const struct dataplane_listener *list, size_t count,
		    struct sl_listeners4 *buckets4, uint32_t max4, struct sl_listeners6 *buckets6,
		    uint32_t max6, struct sl_listener_table *out)
{
	struct keys v4 = {.ways = SL_WAYS4}, v6 = {.ways = SL_WAYS6};
	struct sl_listener_table table = {0};
	int err;

	err = collect_keys(list, count, 4, &v4);
	if (!err)
		err = collect_keys(list, count, 6, &v6);
	if (!err)
		err = size_keys(&v4, max4);
	if (!err)
		err = size_keys(&v6, max6);
	if (!err)
		err = find_multipliers(&v4, &v6, table.mult);
	if (err)
		goto out;

	table.shift4 = v4.max_bits ? 64 - v4.bits : 63;
	table.shift6 = v6.max_bits ? 64 - v6.bits : 63;
	for (size_t i = 0; i < count; i++)
		table.any_port |= list[i].port == 0;
	if (v4.max_bits)
		fill4(&v4, table.mult, buckets4);
	if (v6.max_bits)
		fill6(&v6, table.mult, buckets6);
	*out = table;
out:
	free(v4.list);
	free(v4.filled);
	free(v6.list);
	free(v6.filled);
	return err;
}

/* ---- reading --------------------------------------------------------------------------------- */

static const struct sl_listener_table *table_in_force(const struct dataplane_view *v)
{
	return &v->control->table[__atomic_load_n(&v->control->active, __ATOMIC_ACQUIRE) & 1];
}

static uint16_t find4(const struct dataplane_view *v, const struct sl_listener_table *t,
		      const struct key *key)
{
	const struct sl_listeners4 *b =
		&v->listeners4[t->base4 + (key->a * t->mult[0] >> t->shift4)];

	for (unsigned int way = 0; way < SL_WAYS4; way++)
		if (b->key[way] == key->a)
			return b->value[way];
	return 0;
}

static uint16_t find6(const struct dataplane_view *v, const struct sl_listener_table *t,
		      const struct key *key)
{
	const struct sl_listeners6 *b =
		&v->listeners6[t->base6 + bucket_of(key, t->mult, 64 - t->shift6)];

	for (unsigned int way = 0; way < SL_WAYS6; way++)
		if (b->address[way][0] == key->a && b->address[way][1] == key->b &&
		    sl_listener_what(b->port[way], b->protocol[way]) == key->what)
			return b->value[way];
	return 0;
}

uint32_t dataplane_find_listener(const struct dataplane_view *v, const struct addr *address,
				 uint16_t port, uint8_t protocol)
{
	const struct sl_listener_table *t = table_in_force(v);
	uint32_t record = 0;

	/* Without multipliers no table was ever put in force. */
	if (t->mult[0] == 0 || (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP))
		return 0;
	for (int any = 0; !record && any <= t->any_port; any++) {
		struct key key = make_key(address, any ? 0 : port, protocol, SL_LISTENER);

		record = address->family == 4 ? find4(v, t, &key) : find6(v, t, &key);
	}
	return record;
}

static void list4(const struct sl_listeners4 *b, struct dataplane_listener *out, size_t max,
		  size_t *n)
{
	for (unsigned int way = 0; way < SL_WAYS4; way++) {
		uint64_t key = b->key[way];
		uint32_t address4 = key;

		if (key == 0 || key >> 56 != SL_LISTENER)
			continue;
		if (*n < max) {
			out[*n] = (struct dataplane_listener){.address.family = 4,
							      .port = ntohs(key >> 32 & 0xffff),
							      .protocol = key >> 48 & 0xff,
							      .service = b->value[way]};
			memcpy(out[*n].address.bytes, &address4, sizeof(address4));
		}
		++*n;
	}
}

static void list6(const struct sl_listeners6 *b, struct dataplane_listener *out, size_t max,
		  size_t *n)
{
	for (unsigned int way = 0; way < SL_WAYS6; way++) {
		if (b->protocol[way] == 0 || b->protocol[way] == SL_PROTOCOL_ADDRESS)
			continue;
		if (*n < max) {
			out[*n] = (struct dataplane_listener){.address.family = 6,
							      .port = ntohs(b->port[way]),
							      .protocol = b->protocol[way],
							      .service = b->value[way]};
			memcpy(out[*n].address.bytes, b->address[way], 16);
		}
		++*n;
	}
}

size_t dataplane_listeners(const struct dataplane_view *v, struct dataplane_listener *out,
			   size_t max)
{
	const struct sl_listener_table *t = table_in_force(v);
	size_t n = 0;

	if (t->mult[0] == 0)
		return 0;
	for (uint64_t i = 0; i < 1ull << (64 - t->shift4); i++)
		list4(&v->listeners4[t->base4 + i], out, max, &n);
	for (uint64_t i = 0; i < 1ull << (64 - t->shift6); i++)
		list6(&v->listeners6[t->base6 + i], out, max, &n);
	return n;
}
