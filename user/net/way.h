/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From what is known to a way: the kernel's answer about the route, and the cache's links and
 * neighbours. Pure; net_way_text() of net.h lives here, too.
 */
#ifndef NET_WAY_H
#define NET_WAY_H

#include <stdbool.h>

#include "net/net.h"

struct cache;
struct net_route;

/*
 * Fills in the way to `address`. The neighbour on it is wanted from now on
 * (cache_want_neighbour()).
 */
void way_find(struct cache *cache, const struct addr *address, const struct net_route *route,
	      struct net_nexthop *out);

/*
 * Describes a device, all but its offloads. Returns false, and leaves *out alone, if there is
 * none.
 */
bool way_device(const struct cache *cache, const char *name, struct net_device *out);

#endif
