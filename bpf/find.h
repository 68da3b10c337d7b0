/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Look-ups in the listener table in force: one cache line answers, hit or miss (abi.h). The table is
 * immutable; a new one is switched to by one store of control.listeners.
 */
#ifndef BPF_FIND_H
#define BPF_FIND_H

#include <stdbool.h>

#include <bpf/bpf_endian.h>

#include "maps.h"
#include "pkt.h"

/* The listener table in force: one load, so that a packet sees one table throughout. */
static __always_inline __u64 find_table(void)
{
	return LOAD(control.listeners);
}

static __always_inline __u32 find4(__u64 table, __u64 key)
{
	__u32 i = sl_listeners_bucket(table, key, sl_listeners_shift4(table)) +
		  (table & SL_LISTENERS_HALF) * KNOB(half4);
	struct sl_listeners4 *bucket = bpf_map_lookup_elem(&listeners4, &i);

	if (!bucket)
		return 0;
#pragma unroll
	for (int way = 0; way < SL_WAYS4; way++)
		if (bucket->key[way] == key)
			return bucket->value[way];
	return 0;
}

static __always_inline __u32 find6(__u64 table, const __u64 address[2], __be16 port, __u8 protocol)
{
	__u64 key = sl_listener_key6(address, port, protocol);
	__u32 i = sl_listeners_bucket(table, key, sl_listeners_shift6(table)) +
		  (table & SL_LISTENERS_HALF) * KNOB(half6);
	struct sl_listeners6 *bucket = bpf_map_lookup_elem(&listeners6, &i);

	if (!bucket)
		return 0;
#pragma unroll
	for (int way = 0; way < SL_WAYS6; way++)
		if (bucket->address[way][1] == address[1] &&
		    bucket->address[way][0] == address[0] && bucket->port[way] == port &&
		    bucket->protocol[way] == protocol)
			return bucket->value[way];
	return 0;
}

static __always_inline __u32 find_port(__u64 table, const struct pkt *p, __be16 port)
{
	if (p->family == 4)
		return find4(table,
			     sl_listener_key4(p->destination[0], port, p->protocol, SL_LISTENER));
	return find6(table, p->destination64, port, p->protocol);
}

/* What is looked up among the prefixes. */
struct find_prefix {
	__u64 table;
	__u64 address[2]; /* as in struct pkt */
	__u16 port;	  /* wire order */
	__u8 family, protocol;
	__u8 wants_marks;
};

/* The first bits of 64, in host order; `length` is 1 to 64. */
static __always_inline __u64 find_mask(__u32 length)
{
	return ~0ULL << ((64 - length) & 63);
}

static __always_inline __u32 find_prefix4(const struct find_prefix *f, __u32 rank, __u32 length)
{
	__be32 address = (__u32)f->address[0] & bpf_htonl(find_mask(length + 32));
	__u32 record;

	if (f->wants_marks)
		return find4(f->table,
			     sl_listener_key4(address, 0, 0, sl_prefix_kind(rank, SL_ADDRESS)));
	record = find4(f->table, sl_listener_key4(address, f->port, f->protocol,
						  sl_prefix_kind(rank, SL_LISTENER)));
	if (record || !(f->table & SL_LISTENERS_ANY_PORT))
		return record;
	return find4(f->table,
		     sl_listener_key4(address, 0, f->protocol, sl_prefix_kind(rank, SL_LISTENER)));
}

static __always_inline __u32 find_prefix6(const struct find_prefix *f, __u32 rank, __u32 length)
{
	__u8 protocol = sl_prefix_protocol(rank, f->wants_marks ? 0 : f->protocol);
	__u64 address[2] = {f->address[0], 0};
	__u32 record;

	if (length <= 64)
		address[0] &= bpf_cpu_to_be64(find_mask(length));
	else
		address[1] = f->address[1] & bpf_cpu_to_be64(find_mask(length - 64));
	record = find6(f->table, address, f->wants_marks ? 0 : f->port, protocol);
	if (record || f->wants_marks || !(f->table & SL_LISTENERS_ANY_PORT))
		return record;
	return find6(f->table, address, 0, protocol);
}

/*
 * The record of the longest prefix that listens; or the marks of all that cover the address. A function of its own for
 * the verifier, as track_write().
 */
__noinline int find_in_prefixes(struct find_prefix *f)
{
	static const __u64 none[2];
	__u32 found, marks = 0, length;

	if (!f)
		return 0;
#pragma nounroll
	for (__u32 i = 0; i < SL_PREFIX_LENGTHS; i++) {
		__u32 rank = i;

		/* Else each key has a variable of its own that counts along, and the stack has 8 bytes too many for Linux 6.1. */
		PKT_OPAQUE(rank);
		if (f->family == 4)
			length = find4(f->table, sl_listener_key4(0, rank, 0, SL_LENGTH));
		else
			length = find6(f->table, none, rank, SL_PROTOCOL_LENGTH);
		if (!length)
			break;
		found = f->family == 4 ? find_prefix4(f, rank, length)
				       : find_prefix6(f, rank, length);
		if (found && !f->wants_marks)
			return found;
		marks |= found;
	}
	return marks;
}

static __always_inline __u32 find_prefix(__u64 table, const struct pkt *p)
{
	struct find_prefix f = {
		.table = table,
		.address = {p->family == 4 ? p->destination[0] : p->destination64[0],
			    p->family == 4 ? 0 : p->destination64[1]},
		.port = pkt_port(p),
		.family = p->family,
		.protocol = p->protocol,
	};

	return find_in_prefixes(&f);
}

/* The service record that the packet is for; 0: none. */
static __always_inline __u32 find_listener(__u64 table, const struct pkt *p)
{
	__u32 record = find_port(table, p, pkt_port(p));

	if (!record && table & SL_LISTENERS_ANY_PORT)
		record = find_port(table, p, 0);
	return record || !(table & SL_LISTENERS_PREFIX) ? record : find_prefix(table, p);
}

/*
 * What an address has, whose 16 bytes are two words: a mask of enum sl_address_has; 0: it is no VIP. A function of its own, as
 * it is off the way of packets that show their ports.
 */
__noinline int find_marks(__u64 table, __u32 family, __u64 first, __u64 second)
{
	struct find_prefix f = {
		.table = table,
		.address = {first, second},
		.family = family,
		.wants_marks = 1,
	};
	__u32 has;

	if (family == 4)
		has = find4(table, sl_listener_key4(first, 0, 0, SL_ADDRESS));
	else
		has = find6(table, f.address, 0, SL_PROTOCOL_ADDRESS);
	return table & SL_LISTENERS_PREFIX ? has | find_in_prefixes(&f) : has;
}

/* The same of the packet's destination. */
static __always_inline __u32 find_address(__u64 table, const struct pkt *p)
{
	return p->family == 4 ? find_marks(table, 4, p->destination[0], 0)
			      : find_marks(table, 6, p->destination64[0], p->destination64[1]);
}

#endif
