/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The header that goes before a packet on its way to a backend (struct sl_path in abi.h), made from
 * what the kernel's routing says. Ethernet (IEEE 802.3), then IPv4 (RFC 791) or IPv6 (RFC 8200)
 * with a TTL or hop limit of 64; for l2, Ethernet alone. UDP and GUE are the same for all backends, and the data path's.
 */
#ifndef CORE_PATH_H
#define CORE_PATH_H

#include <stdint.h>

#include <sluice/abi.h>

#include "base/addr.h"
#include "net/net.h"

/* What of the configuration a path depends on. */
struct path_options {
	enum sl_encapsulation encapsulation;
	struct addr source; /* of the outer header; none: the way's own */
	struct prefix
		entropy; /* ipip: where it is varied by flow; of another family than the backend's: not at all */
	uint32_t mtu; /* an upper bound for the way's, bytes of IP; 0: none */
};

/*
 * Builds the path to `backend` over `way`, which is NET_WAY_READY. `source` is of the backend's family.
 *
 * Returns 0 or -EADDRNOTAVAIL (no source address of the backend's family), -EMSGSIZE (the MTU has
 * no room beside the outer header), -EHOSTUNREACH (l2, and the backend is behind a router); then *out is all zeros,
 * which is no way.
 */
int path_build(const struct net_nexthop *way, const struct addr *backend,
	       const struct path_options *options, struct sl_path *out);

/* Bytes that an encapsulation adds before an IP packet; `family` of the backend: 4 or 6. */
uint32_t path_overhead(enum sl_encapsulation encapsulation, uint8_t family);

#endif
