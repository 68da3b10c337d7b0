/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listener tables: their keys, and the table in force read as a packet reads it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "dataplane/dataplane.h"
#include "dataplane/listeners.h"

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

struct listener_key listener_key(const struct addr *address, uint16_t port, uint8_t protocol,
				 enum sl_listener_kind kind)
{
	struct listener_key key = {.mark = kind == SL_ADDRESS || (kind >= SL_PREFIX && kind & 1)};
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

struct listener_key listener_length_key(uint8_t family, unsigned int rank)
{
	const struct addr none = {.family = family};

	return listener_key(&none, ntohs(rank), 0, SL_LENGTH);
}

uint32_t listener_bucket(const struct listener_key *key, uint64_t word, unsigned int bits)
{
	return sl_listeners_bucket(word, key->hashed, 64 - bits);
}

static uint64_t word_in_force(const struct dataplane_view *v)
{
	return __atomic_load_n(&v->control->listeners, __ATOMIC_ACQUIRE);
}

/*
 * The bucket of a key, from the start of the map. A word that is damaged may lead outside the map: packets find
 * nothing there, and nor do we.
 */
static uint64_t bucket_in(const struct listener_key *key, uint64_t word, unsigned int shift,
			  uint64_t half)
{
	return (word & SL_LISTENERS_HALF) * half + listener_bucket(key, word, 64 - shift);
}

static uint16_t find4(const struct dataplane_view *v, uint64_t word, const struct listener_key *key)
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

static uint16_t find6(const struct dataplane_view *v, uint64_t word, const struct listener_key *key)
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
		     const struct listener_key *key)
{
	return family == 4 ? find4(v, word, key) : find6(v, word, key);
}

/* A prefix length in use, bits; 0: no more of them, or the table is damaged. */
static uint8_t find_length(const struct dataplane_view *v, uint64_t word, uint8_t family,
			   unsigned int rank)
{
	struct listener_key key = listener_length_key(family, rank);
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
		struct listener_key key = listener_key(address, any ? 0 : port, protocol, kind);

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
	const struct listener_key key = listener_key(&listener.address, record, 0, SL_SERVER_ID);
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

/* Whether a listener's address answers echo requests. */
static bool has_echo(const struct dataplane_view *v, uint64_t word, const struct addr *address,
		     enum sl_listener_kind kind)
{
	struct listener_key mark = listener_key(address, 0, 0, kind + 1);

	return find(v, word, address->family, &mark) & SL_HAS_ECHO;
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
			out[*n].echo = has_echo(v, word, &out[*n].address, kind);
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
			if (protocol != SL_PROTOCOL_SERVER_ID)
				out[*n].echo = has_echo(v, word, &out[*n].address,
							rank ? sl_prefix_kind(rank - 1, SL_LISTENER)
							     : SL_LISTENER);
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
