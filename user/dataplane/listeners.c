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

/* A key of either family. */
struct key {
	uint64_t hashed;     /* IPv4: all of it, as it is stored */
	uint64_t address[2]; /* IPv6: as it is stored */
	uint16_t port;	     /* likewise, wire order */
	uint8_t protocol;
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

	if (l->hashed != r->hashed)
		return l->hashed < r->hashed ? -1 : 1;
	for (int i = 0; i < 2; i++)
		if (l->address[i] != r->address[i])
			return l->address[i] < r->address[i] ? -1 : 1;
	if (l->port != r->port)
		return l->port < r->port ? -1 : 1;
	return l->protocol - r->protocol;
}

/* What stands for kind and protocol in an IPv6 key. */
static uint8_t protocol6(enum sl_listener_kind kind, uint8_t protocol)
{
	if (kind >= SL_PREFIX)
		return sl_prefix_protocol((kind - SL_PREFIX) / 2, protocol);
	return kind == SL_ADDRESS     ? SL_PROTOCOL_ADDRESS
	       : kind == SL_LENGTH    ? SL_PROTOCOL_LENGTH
	       : kind == SL_SERVER_ID ? SL_PROTOCOL_SERVER_ID
				      : protocol;
}

static struct key make_key(const struct addr *address, uint16_t port, uint8_t protocol,
			   enum sl_listener_kind kind)
{
	struct key key = {.mark = kind == SL_ADDRESS || (kind >= SL_PREFIX && kind & 1)};
	uint32_t address4;
	__u64 halves[2];

	if (address->family == 4) {
		memcpy(&address4, address->bytes, sizeof(address4));
		key.hashed = sl_listener_key4(address4, htons(port), protocol, kind);
		return key;
	}
	memcpy(halves, address->bytes, sizeof(halves));
	key.address[0] = halves[0];
	key.address[1] = halves[1];
	key.port = htons(port);
	key.protocol = protocol6(kind, protocol);
	key.hashed = sl_listener_key6(halves, key.port, key.protocol);
	return key;
}

/* The key of a prefix length in use. */
static struct key length_key(uint8_t family, unsigned int rank)
{
	const struct addr none = {.family = family};

	return make_key(&none, ntohs(rank), 0, SL_LENGTH);
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
		keys->list[keys->count] = length_key(family, rank);
		keys->list[keys->count++].value = lengths.list[rank];
	}
	for (size_t i = 0; i < count; i++) {
		const struct dataplane_listener *l = &list[i];
		struct key *key = &keys->list[keys->count];
		enum sl_listener_kind kinds[2] = {SL_LISTENER, SL_ADDRESS};

		if (l->address.family != family)
			continue;
		if (dataplane_is_server_id(l)) {
			key[0] = make_key(&l->address, l->port, 0, SL_SERVER_ID);
			key[0].value = l->service;
			keys->count++;
			continue;
		}
		for (int k = 0; l->length && k < 2; k++)
			kinds[k] = sl_prefix_kind(rank_of(&lengths, l->length), kinds[k]);
		key[0] = make_key(&l->address, l->port, l->protocol, kinds[0]);
		key[0].value = l->service;
		key[1] = make_key(&l->address, 0, 0, kinds[1]);
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

/* The bucket of a key in a table of 2^bits of them. */
static uint32_t bucket_of(const struct key *key, uint64_t word, unsigned int bits)
{
	return sl_listeners_bucket(word, key->hashed, 64 - bits);
}

static bool fits(const struct keys *keys, uint64_t word)
{
	if (keys->count == 0)
		return true;
	memset(keys->filled, 0, (size_t)1 << keys->bits);
	for (size_t i = 0; i < keys->count; i++)
		if (keys->filled[bucket_of(&keys->list[i], word, keys->bits)]++ == keys->ways)
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

	return flags | shift4 << 2 | shift6 << 8 | nth_random(try) << 15;
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
		struct sl_listeners4 *b = &buckets[bucket_of(&keys->list[i], word, keys->bits)];
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
		const struct key *key = &keys->list[i];
		struct sl_listeners6 *b = &buckets[bucket_of(key, word, keys->bits)];
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
			 (list[i].length ? SL_LISTENERS_PREFIX : 0);
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

/* ---- reading --------------------------------------------------------------------------------- */

static uint64_t word_in_force(const struct dataplane_view *v)
{
	return __atomic_load_n(&v->control->listeners, __ATOMIC_ACQUIRE);
}

/*
 * The bucket of a key, from the start of the map. A word that is damaged may lead outside the map: packets find
 * nothing there, and nor do we.
 */
static uint64_t bucket_in(const struct key *key, uint64_t word, unsigned int shift, uint64_t half)
{
	return (word & SL_LISTENERS_HALF) * half + bucket_of(key, word, 64 - shift);
}

static uint16_t find4(const struct dataplane_view *v, uint64_t word, const struct key *key)
{
	uint64_t half = sl_listener_buckets4(&v->limits);
	uint64_t i = bucket_in(key, word, sl_listeners_shift4(word), half);
	const struct sl_listeners4 *b = &v->listeners4[i];

	if (i >= 2 * half)
		return 0;
	for (unsigned int way = 0; way < SL_WAYS4; way++)
		if (b->key[way] == key->hashed)
			return b->value[way];
	return 0;
}

static uint16_t find6(const struct dataplane_view *v, uint64_t word, const struct key *key)
{
	uint64_t half = sl_listener_buckets6(&v->limits);
	uint64_t i = bucket_in(key, word, sl_listeners_shift6(word), half);
	const struct sl_listeners6 *b = &v->listeners6[i];

	if (i >= 2 * half)
		return 0;
	for (unsigned int way = 0; way < SL_WAYS6; way++)
		if (b->address[way][0] == key->address[0] &&
		    b->address[way][1] == key->address[1] && b->port[way] == key->port &&
		    b->protocol[way] == key->protocol)
			return b->value[way];
	return 0;
}

static uint16_t find(const struct dataplane_view *v, uint64_t word, uint8_t family,
		     const struct key *key)
{
	return family == 4 ? find4(v, word, key) : find6(v, word, key);
}

/* A prefix length in use, bits; 0: no more of them, or the table is damaged. */
static uint8_t find_length(const struct dataplane_view *v, uint64_t word, uint8_t family,
			   unsigned int rank)
{
	struct key key = length_key(family, rank);
	uint16_t length = rank < SL_PREFIX_LENGTHS ? find(v, word, family, &key) : 0;

	return length < 8 * addr_size(family) ? length : 0;
}

/* By port, then by any. */
static uint32_t find_port(const struct dataplane_view *v, uint64_t word, const struct addr *address,
			  uint16_t port, uint8_t protocol, enum sl_listener_kind kind)
{
	int lookups = word & SL_LISTENERS_ANY_PORT ? 2 : 1;
	uint32_t record = 0;

	for (int any = 0; !record && any < lookups; any++) {
		struct key key = make_key(address, any ? 0 : port, protocol, kind);

		record = find(v, word, address->family, &key);
	}
	return record;
}

uint32_t dataplane_find_listener(const struct dataplane_view *v, const struct addr *address,
				 uint16_t port, uint8_t protocol)
{
	uint64_t word = word_in_force(v);
	uint32_t record;

	if (word == 0 || (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP))
		return 0;
	record = find_port(v, word, address, port, protocol, SL_LISTENER);
	for (unsigned int rank = 0; !record && word & SL_LISTENERS_PREFIX; rank++) {
		uint8_t length = find_length(v, word, address->family, rank);
		struct prefix prefix;

		if (!length)
			break;
		prefix = prefix_of(address, length);
		record = find_port(v, word, &prefix.addr, port, protocol,
				   sl_prefix_kind(rank, SL_LISTENER));
	}
	return record;
}

uint32_t dataplane_find_server_id(const struct dataplane_view *v, uint32_t record,
				  const uint8_t *id, size_t length)
{
	const struct dataplane_listener listener = dataplane_server_id(record, id, length, 0);
	const struct key key = make_key(&listener.address, record, 0, SL_SERVER_ID);
	uint64_t word = word_in_force(v);

	return word ? find6(v, word, &key) : 0;
}

/* The buckets of a table, no more than the map has, whatever the word says. */
static uint64_t bucket_count(unsigned int shift, uint64_t half)
{
	return shift == 0 || UINT64_C(1) << (64 - shift) > half ? half
								: UINT64_C(1) << (64 - shift);
}

/* The listener's prefix length by the rank that its key has; false: it is none of a listener. */
static bool length_of(const struct dataplane_view *v, uint64_t word, uint8_t family,
		      unsigned int rank, uint8_t *out)
{
	*out = find_length(v, word, family, rank);
	return *out != 0;
}

static void list4(const struct dataplane_view *v, uint64_t word, const struct sl_listeners4 *b,
		  struct dataplane_listener *out, size_t max, size_t *n)
{
	for (unsigned int way = 0; way < SL_WAYS4; way++) {
		uint64_t key = b->key[way];
		unsigned int kind = key >> 56;
		uint32_t address4 = key;
		uint8_t length = 0;

		if (key == 0 || (kind != SL_LISTENER &&
				 (kind < SL_PREFIX || kind & 1 ||
				  !length_of(v, word, 4, (kind - SL_PREFIX) / 2, &length))))
			continue;
		if (*n < max) {
			out[*n] = (struct dataplane_listener){.address.family = 4,
							      .port = ntohs(key >> 32 & 0xffff),
							      .protocol = key >> 48 & 0xff,
							      .length = length,
							      .service = b->value[way]};
			memcpy(out[*n].address.bytes, &address4, sizeof(address4));
		}
		++*n;
	}
}

static void list6(const struct dataplane_view *v, uint64_t word, const struct sl_listeners6 *b,
		  struct dataplane_listener *out, size_t max, size_t *n)
{
	for (unsigned int way = 0; way < SL_WAYS6; way++) {
		uint8_t protocol = b->protocol[way] & 31, rank = b->protocol[way] >> 5, length = 0;

		if (b->protocol[way] == SL_PROTOCOL_SERVER_ID)
			protocol = SL_PROTOCOL_SERVER_ID;
		else if ((protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) ||
			 (rank && !length_of(v, word, 6, rank - 1, &length)))
			continue;
		if (*n < max) {
			out[*n] = (struct dataplane_listener){.address.family = 6,
							      .port = ntohs(b->port[way]),
							      .protocol = protocol,
							      .length = length,
							      .service = b->value[way]};
			memcpy(out[*n].address.bytes, b->address[way], 16);
		}
		++*n;
	}
}

size_t dataplane_listeners(const struct dataplane_view *v, struct dataplane_listener *out,
			   size_t max)
{
	uint64_t half4 = sl_listener_buckets4(&v->limits), half6 = sl_listener_buckets6(&v->limits);
	uint64_t word = word_in_force(v), in_force = word & SL_LISTENERS_HALF;
	size_t n = 0;

	if (word == 0)
		return 0;
	for (uint64_t i = 0; i < bucket_count(sl_listeners_shift4(word), half4); i++)
		list4(v, word, &v->listeners4[in_force * half4 + i], out, max, &n);
	for (uint64_t i = 0; i < bucket_count(sl_listeners_shift6(word), half6); i++)
		list6(v, word, &v->listeners6[in_force * half6 + i], out, max, &n);
	return n;
}
