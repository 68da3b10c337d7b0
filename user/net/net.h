/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel's routing knows: links, routes and neighbours by rtnetlink (libmnl), and what a
 * NIC's offloads hide by the ethtool ioctl. One object holds the present view and is fed by one
 * socket that the caller polls; it never waits and never reads a clock.
 *
 * Story: net_open() subscribes to links, neighbours, addresses, routes and rules of the caller's
 * network namespace and lists what is there. net_input() takes what has arrived and tells whether
 * something that matters changed; the caller then asks net_nexthop() again for each address, at a
 * pace of its own: a busy router changes routes all the time. net_nexthop() asks the kernel for
 * the route each time (some microseconds) and adds what is known of the link and the neighbour.
 * The caller hands every way to net_probe() about once a second: where the neighbour is unknown,
 * failed or stale it sends an RTM_NEWNEIGH with NTF_USE, which makes the kernel send ARP or ND.
 * (The kernel does not see the data path's packets, so without that it would collect a neighbour
 * that only they use.)
 *
 * The messages are parsed by pure functions (messages.c) that tests feed recorded bytes.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

struct problems;
struct net;

/* Why an address has, or has not, a usable way. */
enum net_way {
	NET_WAY_READY,	     /* everything below is filled in */
	NET_WAY_NO_ROUTE,    /* no route, or unreachable/blackhole/prohibit */
	NET_WAY_LOCAL,	     /* the address is this host's own */
	NET_WAY_LINK_DOWN,   /* the device is not up or has no carrier */
	NET_WAY_NO_ETHERNET, /* the device has no Ethernet header, or the route adds another */
	NET_WAY_VLAN,	     /* a VLAN device of a device elsewhere, or of three or more tags */
	NET_WAY_RESOLVING,   /* the neighbour is not known yet */
	NET_WAY_FAILED,	     /* the neighbour did not answer, and has not since */
	NET_WAY_UNKNOWN,     /* the kernel could not be asked: `error`; ask again in a while */
	NET_WAYS
};

#define NET_NAME_SIZE 16 /* IFNAMSIZ */
#define NET_TAGS      2	 /* VLAN tags that a way may have */

/* A VLAN tag (IEEE 802.1Q): its type, 0x8100 or 0x88a8, and the VLAN's number. */
struct net_tag {
	uint16_t protocol, id;
};

/* The way to an address. */
struct net_nexthop {
	enum net_way way;
	int error;		    /* negative errno of NET_WAY_UNKNOWN; else 0 */
	uint32_t ifindex;	    /* the way out; 0: no route */
	char device[NET_NAME_SIZE]; /* its name; "": no route */
	/* Of a VLAN device, and of one on top of another: the device below them all, by which frames leave; else "", 0 */
	char parent[NET_NAME_SIZE];
	uint32_t parent_ifindex;
	uint16_t vlan_id;  /* of a VLAN device */
	uint8_t tag_count; /* of a VLAN device: what frames have when they leave by the parent */
	struct net_tag tags[NET_TAGS]; /* the outermost first */
	bool carries_vlans; /* VLAN devices are on it: then the kernel means untagged frames by the device itself */
	struct addr gateway; /* whose MAC is wanted; of an IPv4 route it may be IPv6 */
	struct addr source;  /* the route's preferred source, else the one the kernel answers */
	uint32_t mtu;	     /* of the route or the device, bytes of IP */
	uint8_t device_mac[6], neighbour_mac[6];
};

/* The device by which frames leave: that below a VLAN device. */
static inline const char *net_way_out(const struct net_nexthop *way)
{
	return way->parent[0] ? way->parent : way->device;
}

int net_open(struct net **out, struct problems *p);
void net_close(struct net *net);
int net_fd(const struct net *net); /* poll it for reading; an epoll descriptor */

/*
 * Reads what has arrived. Returns 1 if anything that matters changed, 0 if not, or a negative
 * errno. Where messages were lost everything is listed anew, and it counts as a change; if that
 * fails, the old view stays and the next call tries again: call a little later, also if nothing
 * arrives.
 */
int net_input(struct net *net, struct problems *p);

/* Fills in the present way to `address`, which may not be ready. */
void net_nexthop(struct net *net, const struct addr *address, struct net_nexthop *out);

/*
 * Asks the kernel to resolve the neighbour of a way that is RESOLVING or FAILED, or to confirm a
 * stale one of a way that is READY: at most once a second a neighbour, and nothing for other ways.
 * now_ms is CLOCK_MONOTONIC. Needs CAP_NET_ADMIN. Returns 0 or the kernel's negative errno.
 */
int net_probe(struct net *net, const struct net_nexthop *way, uint64_t now_ms);

/* A device by name. Returns 0 or -ENODEV. */
struct net_device {
	uint32_t ifindex;
	char name[NET_NAME_SIZE];
	char parent[NET_NAME_SIZE]; /* of a VLAN device; the lowest one */
	uint16_t vlan_id;	    /* likewise: of the outermost tag */
	bool carries_vlans;	    /* VLAN devices are on it */
	bool is_vlan, is_up, has_ethernet;
	uint32_t mtu;
	uint8_t mac[6];
};
int net_device(struct net *net, const char *name, struct net_device *out);

/* Tags that a NIC takes off received frames, so that XDP sees tagged frames as untagged. */
enum net_strips {
	NET_STRIPS_CUSTOMER = 1, /* 802.1Q's, 0x8100 */
	NET_STRIPS_PROVIDER = 2, /* 802.1ad's, 0x88a8 */
};
/* A mask of these; 0, too, where the device does not tell. */
uint32_t net_strips(const struct net *net, const char *device);

/*
 * How many receive queues a device uses (ETHTOOL_GCHANNELS, combined and receive-only ones); 0: it does not say.
 */
uint32_t net_receive_queues(struct net *net, const char *name);

/* Why a device cannot have a balancer, as a sentence in `out`; NULL: nothing is against it. */
const char *net_device_fault(const struct net_device *device, char out[160]);

/* Whether any device has this address, and which (for a VIP on the host itself). */
bool net_has_address(struct net *net, const struct addr *address, char device[NET_NAME_SIZE]);

/* Whether this device has it; another one may, too. */
bool net_device_has(struct net *net, uint32_t ifindex, const struct addr *address);
/* An address of a device that packets of a family may come from, never a link-local one. false: it has none. */
bool net_device_address(struct net *net, uint32_t ifindex, uint8_t family, struct addr *out);

/*
 * A sentence for people: "no route", "neighbour 10.0.0.2 on eth0 does not answer" ... `out` takes
 * 128.
 */
const char *net_way_text(const struct net_nexthop *way, char out[128]);

#endif
