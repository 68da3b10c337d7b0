/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel's routing knows: links, routes, neighbours, by rtnetlink (libmnl), and what a NIC's
 * offloads hide, by ethtool's netlink or ioctl. One object holds the present view and is fed by one
 * socket that the caller polls; it never blocks but in net_open() and never reads a clock.
 *
 * Story: net_open() dumps links, neighbours and the routes' answers for the watched addresses, and
 * subscribes to link, neighbour, address and route groups. net_input() takes what has arrived and tells
 * the caller that something changed; the caller asks net_nexthop() again for each address. A
 * neighbour that is not valid is probed by net_probe() (an RTM_NEWNEIGH with NUD_PROBE or NTF_USE, which
 * makes the kernel send ARP or ND), at most once a second an address; the caller gives the time.
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
	NET_WAY_NO_ETHERNET, /* the device has no Ethernet header (tunnel, loopback) */
	NET_WAY_VLAN,	     /* a VLAN device; `parent` names what it is on: not supported yet */
	NET_WAY_RESOLVING,   /* the neighbour is not known yet */
	NET_WAY_FAILED,	     /* the neighbour does not answer */
};

#define NET_NAME_SIZE 16 /* IFNAMSIZ */

/* The way to an address. */
struct net_nexthop {
	enum net_way way;
	uint32_t ifindex;	    /* the way out; 0: no route */
	char device[NET_NAME_SIZE]; /* its name; "": no route */
	char parent[NET_NAME_SIZE]; /* of a VLAN device; else "" */
	uint16_t vlan_id;	    /* of a VLAN device */
	struct addr gateway;	    /* whose MAC address is wanted: the gateway, or the address itself */
	struct addr source;	    /* the route's preferred source, else the one the kernel answers */
	uint32_t mtu;		    /* of the route or the device, bytes of IP */
	uint8_t device_mac[6], neighbour_mac[6];
};

int net_open(struct net **out, struct problems *p);
void net_close(struct net *net);
int net_fd(const struct net *net); /* poll it for reading */

/* Reads all that has arrived. Returns 1 if anything that matters changed, 0 if not, or a negative errno
 * (an overrun socket is resynchronised by a new dump and counts as a change). */
int net_input(struct net *net, struct problems *p);

/* Fills in the present way to `address`. Returns 0, also when the way is not ready, or a negative errno. */
int net_nexthop(struct net *net, const struct addr *address, struct net_nexthop *out);

/* Asks the kernel to resolve the neighbour of a way that is RESOLVING or FAILED, or to confirm a stale one; at
 * most once a second a neighbour. now_ms is CLOCK_MONOTONIC. */
int net_probe(struct net *net, const struct net_nexthop *way, uint64_t now_ms);

/* A device by name. Returns 0 or -ENODEV. */
struct net_device {
	uint32_t ifindex;
	char name[NET_NAME_SIZE];
	char parent[NET_NAME_SIZE]; /* of a VLAN device */
	bool is_vlan, is_up, has_ethernet;
	bool vlan_rx_offload; /* the NIC strips tags: XDP sees tagged frames as untagged */
	uint32_t mtu;
	uint8_t mac[6];
};
int net_device(struct net *net, const char *name, struct net_device *out);

/* Whether any device has this address, and which (for a VIP on the host itself). */
bool net_has_address(struct net *net, const struct addr *address, char device[NET_NAME_SIZE]);

/* A sentence for people: "no route", "neighbour 10.0.0.2 on eth0 does not answer" ... `out` takes 128. */
const char *net_way_text(const struct net_nexthop *way, char out[128]);

#endif
