/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Look-ups in the listener table in force: one cache line answers, hit or miss (abi.h). The table is
 * immutable; a new one is switched to by one store of control.listeners.
 */
#ifndef BPF_FIND_H
#define BPF_FIND_H

#include <stdbool.h>

#include "maps.h"
#include "pkt.h"

/* The listener table in force: one load, so that a packet sees one table throughout. */
static __always_inline __u64 find_table(void)
{
	return *(volatile __u64 *)&control.listeners;
}

static __always_inline __u32 find4(__u64 table, __u64 key)
{
	__u32 i = sl_listeners_bucket(table, key, sl_listeners_shift4(table)) +
		  (table & SL_LISTENERS_HALF) * knobs.half4;
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
		  (table & SL_LISTENERS_HALF) * knobs.half6;
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

/* The service record that the packet is for; 0: none. */
static __always_inline __u32 find_listener(__u64 table, const struct pkt *p)
{
	__u32 record = find_port(table, p, pkt_port(p));

	return record || !(table & SL_LISTENERS_ANY_PORT) ? record : find_port(table, p, 0);
}

/* What the packet's destination has, a mask of enum sl_address_has; 0: it is no VIP. */
static __always_inline __u32 find_address(__u64 table, const struct pkt *p)
{
	if (p->family == 4)
		return find4(table, sl_listener_key4(p->destination[0], 0, 0, SL_ADDRESS));
	return find6(table, p->destination64, 0, SL_PROTOCOL_ADDRESS);
}

#endif
