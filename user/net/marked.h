/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A way out of the host for packets with a mark, whatever the routing tables say of their destination: a program on
 * the device (tc) gives them their real next hop.
 *
 * The kernel sends nothing before it knows a route and a neighbour. For marked packets both are made up:
 *
 *	rule	from all fwmark MARK/MASK lookup 20853		one a family, right behind the local table's
 *	route	default via GATEWAY dev DEVICE onlink mtu MTU	one a family and device, in that table
 *	neighbour GATEWAY lladdr MAC dev DEVICE permanent	likewise; MAC is the device's own
 *
 * The gateways, 169.254.81.117 and fe80::5175, are nobody: no switch takes a frame back to the port that it came from,
 * so a packet that the program does not take is lost, and never reaches a router that might bring it to its destination
 * by another way.
 */
#ifndef NET_MARKED_H
#define NET_MARKED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "net/net.h"

#define NET_MARKED_TABLE    20853 /* 0x5175 */
#define NET_MARKED_PRIORITY 10

struct net_mark {
	uint32_t value, mask;
};

/*
 * Makes the way out by a device for a family (4, 6), or puts it right; idempotent. `mtu` is that of packets before the
 * program has added anything. Needs CAP_NET_ADMIN. Returns 0 or the kernel's negative errno.
 */
int net_marked_add(struct net *net, uint8_t family, const struct net_mark *mark,
		   const struct net_device *device, uint32_t mtu);
/* Takes it away; the rule, too, with ifindex 0. What is not there is fine. */
int net_marked_remove(struct net *net, uint8_t family, const struct net_mark *mark,
		      uint32_t ifindex);

/* Whether a marked packet to `address` out by a device would go that way at the moment. */
bool net_marked_goes(struct net *net, const struct net_mark *mark, const struct addr *address,
		     uint32_t ifindex);

/*
 * Whether the kernel takes a packet from `source` to this host's `destination` that comes in by a device: rp_filter and
 * accept_local are against it where not. Always true for IPv6, which has neither.
 */
bool net_takes(struct net *net, const struct addr *source, const struct addr *destination,
	       uint32_t ifindex);

#endif
