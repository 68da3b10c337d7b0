/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QUIC services in a world. */
#ifndef PACKET_QUIC_H
#define PACKET_QUIC_H

#include "packet/world.h"

/* A configuration's word: bytes of server id and of nonce. */
#define QUIC_CONFIG(server_id, nonce) ((server_id) | (nonce) << SL_QUIC_NONCE_SHIFT)

struct quic_id {
	uint8_t length;
	uint8_t bytes[SL_SERVER_ID_MAX];
	uint16_t value; /* the backend's index, and SL_SERVER_ID_CLOSED */
};

/* Makes the service of a record one of QUIC; NULL: none, but its ids stay readable. */
void quic_service(struct world *w, uint32_t record, const uint16_t configs[SL_QUIC_CONFIGS]);
/* Puts listeners and ids in force; `alone`: all other ids go. */
void quic_write_ids(struct world *w, uint32_t record, const struct quic_id *ids, size_t count,
		    bool alone);
void quic_events(const struct world *w, uint64_t out[SL_EVENTS]);

#endif
