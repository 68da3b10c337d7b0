/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Within step 2: which backend a QUIC packet's connection id names (draft-ietf-quic-load-balancers, plaintext). Servers
 * put their server id into the connection ids that they give out, so that a connection stays where it is whatever
 * address and port its client has by now. Only what all versions share is read (RFC 8999).
 *
 * A client's first packets have an id that the client has made up; nothing that all versions share tells these from
 * others, and by chance such an id names a backend. It is honoured as any other: all packets with the same id go to the
 * same backend, and its server gives out an id of its own. But no connection begins that way at a backend that takes no
 * new flows: only long headers can begin one, and these go by the flow's hash then. A short header is of a connection
 * that is there, so it goes to a backend that is down or drained, as a flow with an entry does, until that one is dead.
 *
 * What the id says is believed only so far that it chooses among the backends of the service that the packet is for.
 */
#ifndef BPF_QUIC_H
#define BPF_QUIC_H

#include <stdbool.h>

#include <linux/udp.h>

#include <proto/quic.h>

#include "count.h"
#include "find.h"
#include "maps.h"
#include "pkt.h"

/* Bytes that are loaded of a connection id: the first octet and the longest server id. */
#define QUIC_LOADED (1 + SL_SERVER_ID_MAX)

_Static_assert(QUIC_LOADED == 2 * sizeof(__u64), "two words are loaded");

/* Nobody, and why is counted. */
static __always_inline __u32 quic_none(enum sl_event why)
{
	count_event(why);
	return SL_NOBODY;
}

/*
 * The server id in a connection id's first 16 bytes as it lies in a key: its length in the place of the first octet,
 * and 0 behind it. `length`: its own, 1 to 15.
 */
static __always_inline void quic_key(const __u64 *id, __u32 length, __u64 key[2])
{
	__u32 bits = (1 + length) * 8; /* 16 to 128 */

	key[0] = (id[0] & ~0xffULL) | length;
	key[1] = id[1];
	if (bits <= 64) {
		key[0] &= ~0ULL >> ((64 - bits) & 63);
		key[1] = 0;
	} else {
		key[1] &= ~0ULL >> ((128 - bits) & 63);
	}
}

/* The backend of a server id: unless it is dead, or down while the packet may begin a connection. */
static __always_inline __u32 quic_judge(__u32 named, bool may_begin)
{
	__u32 index = named & ~SL_SERVER_ID_CLOSED;
	struct sl_backend *backend = bpf_map_lookup_elem(&backends, &index);
	__u32 flags;

	if (!index || !backend)
		return quic_none(SL_EVENT_quic_unknown);
	flags = LOAD(backend->flags);
	if (flags & SL_BACKEND_DEAD)
		return quic_none(SL_EVENT_quic_dead);
	if (may_begin && (named & SL_SERVER_ID_CLOSED || flags & SL_BACKEND_DOWN))
		return quic_none(SL_EVENT_quic_closed);
	count_event(SL_EVENT_quic_named);
	return index;
}

/*
 * The index of the backend that the packet's connection id names; SL_NOBODY: none, and the flow's hash decides.
 * `table`: the listener table that gave `record`. `offset`: of the UDP header in the frame. A function of its own for
 * the verifier, as track_write().
 */
__noinline __u32 quic_backend(struct xdp_md *ctx, __u64 table, __u32 offset, __u32 record)
{
	void *end = (void *)(long)ctx->data_end, *header;
	struct sl_service *service = bpf_map_lookup_elem(&services, &record);
	__u32 left, at, rotation, config;
	const __u8 *payload, *id;
	__u64 key[2];
	bool is_long;

	header = (void *)(long)ctx->data + (offset & 0x3fff);
	PKT_OPAQUE(header);
	if (!service || header + sizeof(struct udphdr) + QUIC_LONG_ID > end)
		return quic_none(SL_EVENT_quic_malformed);
	payload = header + sizeof(struct udphdr);
	left = (__u16)(bpf_ntohs(((struct udphdr *)header)->len) - sizeof(struct udphdr));
	is_long = payload[0] & QUIC_LONG;
	at = is_long ? QUIC_LONG_ID : QUIC_SHORT_ID;
	id = payload + at;
	PKT_OPAQUE(id);
	/* No packet of QUIC is so short that 16 bytes do not follow: RFC 9001 section 5.4.2 wants more for its sample. */
	if (left < at + QUIC_LOADED || (void *)id + QUIC_LOADED > end)
		return quic_none(SL_EVENT_quic_malformed);
	rotation = quic_lb_rotation(id[0]);
	if (rotation >= SL_QUIC_CONFIGS)
		return quic_none(SL_EVENT_quic_unroutable);
	config = LOAD(service->quic[rotation]);
	if (!config)
		return quic_none(SL_EVENT_quic_unroutable);
	if ((is_long && payload[QUIC_LONG_LENGTH] != sl_quic_length(config)) ||
	    (config & SL_QUIC_ENCODES_LENGTH &&
	     quic_lb_length(id[0]) + 1 != sl_quic_length(config)) ||
	    left < at + sl_quic_length(config))
		return quic_none(SL_EVENT_quic_malformed);
	quic_key((const __u64 *)id, config & SL_QUIC_SERVER_ID, key);
	return quic_judge(find6(table, key, bpf_htons(record), SL_PROTOCOL_SERVER_ID), is_long);
}

#endif
