/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/way.h"

#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "net/cache.h"
#include "net/messages.h"

static void name_parent(const struct cache *cache, const struct net_link *link,
			char out[NET_NAME_SIZE])
{
	const struct net_link *parent = cache_link(cache, link->parent_ifindex);

	if (parent)
		memcpy(out, parent->name, NET_NAME_SIZE);
}

static void describe_link(const struct cache *cache, const struct net_link *link,
			  struct net_nexthop *way)
{
	memcpy(way->device, link->name, sizeof(way->device));
	memcpy(way->device_mac, link->mac, sizeof(way->device_mac));
	way->vlan_id = link->vlan_id;
	name_parent(cache, link, way->parent);
	if (!way->mtu || way->mtu > link->mtu)
		way->mtu = link->mtu;
}

static enum net_way neighbour_way(struct cache *cache, struct net_nexthop *way)
{
	static const enum net_way ways[] = {
		[CACHE_UNKNOWN] = NET_WAY_RESOLVING,
		[CACHE_VALID] = NET_WAY_READY,
		[CACHE_FAILED] = NET_WAY_FAILED,
	};
	const struct cache_neighbour *neighbour =
		cache_want_neighbour(cache, way->ifindex, &way->gateway);

	if (neighbour->reach == CACHE_VALID)
		memcpy(way->neighbour_mac, neighbour->last.mac, sizeof(way->neighbour_mac));
	return ways[neighbour->reach];
}

static bool is_own(const struct net_route *route)
{
	return route->type == RTN_LOCAL || route->type == RTN_ANYCAST;
}

/*
 * The first thing on the way that stops a packet. What no operator's patience mends comes before
 * what may.
 */
static enum net_way judge(struct cache *cache, const struct net_route *route,
			  struct net_nexthop *way)
{
	const struct net_link *link;

	if (is_own(route))
		return NET_WAY_LOCAL;
	if (route->type != RTN_UNICAST)
		return NET_WAY_NO_ROUTE;
	link = cache_link(cache, route->ifindex);
	if (!link)
		return NET_WAY_LINK_DOWN; /* just made or just gone; its message is on the way */
	if (link->is_vlan)
		return NET_WAY_VLAN;
	if (!link->has_ethernet || route->is_encapsulated)
		return NET_WAY_NO_ETHERNET;
	if (!link->is_up)
		return NET_WAY_LINK_DOWN;
	return neighbour_way(cache, way);
}

void way_find(struct cache *cache, const struct addr *address, const struct net_route *route,
	      struct net_nexthop *out)
{
	struct net_nexthop way = {.gateway = *address};

	if (route->type == RTN_UNICAST || is_own(route)) {
		const struct net_link *link = cache_link(cache, route->ifindex);

		way.ifindex = route->ifindex;
		way.source = route->source;
		way.mtu = route->mtu;
		if (!addr_is_none(&route->gateway))
			way.gateway = route->gateway;
		if (link)
			describe_link(cache, link, &way);
	}
	way.way = judge(cache, route, &way);
	*out = way;
}

bool way_device(const struct cache *cache, const char *name, struct net_device *out)
{
	const struct net_link *link = cache_link_named(cache, name);

	if (!link)
		return false;
	*out = (struct net_device){
		.ifindex = link->ifindex,
		.is_vlan = link->is_vlan,
		.is_up = link->is_up,
		.has_ethernet = link->has_ethernet,
		.mtu = link->mtu,
	};
	memcpy(out->name, link->name, sizeof(out->name));
	memcpy(out->mac, link->mac, sizeof(out->mac));
	name_parent(cache, link, out->parent);
	return true;
}

const char *net_device_fault(const struct net_device *device, char out[160])
{
	if (device->is_vlan)
		snprintf(out, 160,
			 "is a VLAN device of %s; VLAN devices are not supported yet: list %s, "
			 "whose untagged frames are taken",
			 device->parent[0] ? device->parent : "a device elsewhere",
			 device->parent[0] ? device->parent : "that one");
	else if (!device->has_ethernet)
		snprintf(out, 160,
			 "has no Ethernet header, which sluice needs; list the interface that the "
			 "packets come in by");
	else
		return NULL;
	return out;
}

const char *net_way_text(const struct net_nexthop *way, char out[128])
{
	const char *device = way->device[0] ? way->device : "an unknown device";
	char who[ADDR_TEXT_SIZE];

	addr_format(&way->gateway, who);
	switch (way->way) {
	case NET_WAY_READY:
		snprintf(out, 128, "neighbour %s on %s", who, device);
		break;
	case NET_WAY_NO_ROUTE:
		snprintf(out, 128, "no route to %s", who);
		break;
	case NET_WAY_LOCAL:
		snprintf(out, 128, "%s is an address of this host", who);
		break;
	case NET_WAY_LINK_DOWN:
		snprintf(out, 128, "%s is down or has no carrier", device);
		break;
	case NET_WAY_NO_ETHERNET:
		snprintf(out, 128, "the way over %s is a tunnel or has no Ethernet header", device);
		break;
	case NET_WAY_VLAN:
		snprintf(out, 128, "%s is VLAN %u of %s; VLAN devices are not supported yet",
			 device, way->vlan_id, way->parent[0] ? way->parent : "a device elsewhere");
		break;
	case NET_WAY_RESOLVING:
		snprintf(out, 128, "neighbour %s on %s is not known yet", who, device);
		break;
	case NET_WAY_FAILED:
		snprintf(out, 128, "neighbour %s on %s does not answer", who, device);
		break;
	case NET_WAY_UNKNOWN:
		snprintf(out, 128, "the kernel does not tell the route to %s: %s", who,
			 strerror(-way->error));
		break;
	case NET_WAYS:
		snprintf(out, 128, "no way");
		break;
	}
	return out;
}
