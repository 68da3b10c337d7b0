/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys of a listener table (abi.h): shared by who builds it and who reads it. */
#ifndef DATAPLANE_LISTENERS_H
#define DATAPLANE_LISTENERS_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/abi.h>

#include "base/addr.h"

/* A key of either family. */
struct listener_key {
	uint64_t hashed;     /* IPv4: all of it, as it is stored */
	uint64_t address[2]; /* IPv6: as it is stored */
	uint16_t port;	     /* likewise, wire order */
	uint8_t protocol;
	uint16_t value;
	bool mark;
};

/* `port` in host order; `protocol` 0 where the kind has none. The value is left 0. */
struct listener_key listener_key(const struct addr *address, uint16_t port, uint8_t protocol,
				 enum sl_listener_kind kind);
/* The key of a prefix length in use. */
struct listener_key listener_length_key(uint8_t family, unsigned int rank);
/* The bucket of a key in a table of 2^bits of them. */
uint32_t listener_bucket(const struct listener_key *key, uint64_t word, unsigned int bits);

#endif
