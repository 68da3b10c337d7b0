/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The header that goes before a packet on its way to a backend (struct sl_path in abi.h), made from
 * what the kernel's routing says. Ethernet (IEEE 802.3), then IPv4 (RFC 791) or IPv6 (RFC 8200)
 * with a TTL or hop limit of 64.
 */
#ifndef CORE_PATH_H
#define CORE_PATH_H

#include <stdint.h>

#include <sluice/abi.h>

#include "base/addr.h"
#include "net/net.h"

/*
 * Builds the path to `backend` over `way`, which is NET_WAY_READY. `source`: the outer source, of
 * the backend's family; none: the way's own. `mtu`: an upper bound for the way's, bytes of IP; 0:
 * none.
 *
 * Returns 0 or -EADDRNOTAVAIL (no source address of the backend's family), -EMSGSIZE (the MTU has
 * no room beside the outer header), -EOPNOTSUPP (the encapsulation); then *out is all zeros, which
 * is no way.
 */
int path_build(const struct net_nexthop *way, const struct addr *source, const struct addr *backend,
	       enum sl_encapsulation encapsulation, uint32_t mtu, struct sl_path *out);

#endif
