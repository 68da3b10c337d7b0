/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/way.h"

#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "net/cache.h"
#include "net/messages.h"

/* A VLAN device's way down to what carries it. */
struct descent {
	const struct net_link *base;   /* NULL: in another network namespace, or not known yet */
	uint32_t count;		       /* of VLAN devices, from 1 */
	struct net_tag tags[NET_TAGS]; /* the outermost first, of those at the bottom */
};

/* Each device further down adds a tag around those so far. Nobody stacks more than this: the kernel has a limit of its own. */
#define DEPTH_MAX 8

static struct descent descend(const struct cache *cache, const struct net_link *link)
{
	struct descent d = {.base = link};

	while (d.base && d.base->is_vlan && d.count < DEPTH_MAX) {
		memmove(&d.tags[1], &d.tags[0], sizeof(d.tags) - sizeof(d.tags[0]));
		d.tags[0] = (struct net_tag){d.base->vlan_protocol, d.base->vlan_id};
		d.count++;
		d.base = cache_link(cache, d.base->parent_ifindex);
	}
	return d;
}

static void describe_vlan(const struct cache *cache, const struct net_link *link,
			  struct net_nexthop *way)
{
	struct descent d = descend(cache, link);

	way->vlan_id = link->vlan_id;
	if (!d.base)
		return;
	memcpy(way->parent, d.base->name, sizeof(way->parent));
	way->parent_ifindex = d.base->ifindex;
	if (d.count > NET_TAGS)
		return;
	way->tag_count = d.count;
	memcpy(way->tags, d.tags, d.count * sizeof(d.tags[0]));
}

static void describe_link(const struct cache *cache, const struct net_link *link,
			  struct net_nexthop *way)
{
	memcpy(way->device, link->name, sizeof(way->device));
	memcpy(way->device_mac, link->mac, sizeof(way->device_mac));
	if (link->is_vlan)
		describe_vlan(cache, link, way);
	way->carries_vlans = cache_carries_vlans(cache, link->ifindex);
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
	if (link->is_vlan && !way->tag_count)
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
	out->carries_vlans = cache_carries_vlans(cache, link->ifindex);
	if (link->is_vlan) {
		struct descent d = descend(cache, link);

		out->vlan_id = d.tags[0].id;
		if (d.base)
			memcpy(out->parent, d.base->name, sizeof(out->parent));
	}
	return true;
}

const char *net_device_fault(const struct net_device *device, char out[160])
{
	if (device->is_vlan)
		snprintf(out, 160, "is a VLAN device of %s: list that one, with `vlans: [%u]`",
			 device->parent[0] ? device->parent : "a device elsewhere",
			 device->vlan_id);
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
		if (way->parent[0])
			snprintf(out, 128, "%s is on %s with more than %d VLAN tags", device,
				 way->parent, NET_TAGS);
		else
			snprintf(out, 128, "%s is VLAN %u of a device elsewhere", device,
				 way->vlan_id);
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
