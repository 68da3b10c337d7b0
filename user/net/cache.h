/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The present view of links, neighbours and addresses, kept true by rtnetlink messages: pure,
 * without a socket or a clock. A message says whether it changed something that matters, so that a
 * neighbour which goes from stale to reachable and back for ever, or one that nobody has asked
 * for, wakes nobody.
 *
 * After lost messages the view is listed anew: cache_begin(), all messages of the dumps,
 * cache_sweep(), which forgets what no message has named since.
 */
#ifndef NET_CACHE_H
#define NET_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/messages.h"

struct cache;
struct nlmsghdr;

/* What a neighbour's state means for us. */
enum cache_reach {
	CACHE_UNKNOWN, /* not tried, or being tried for the first time */
	CACHE_VALID,   /* it has a MAC address to send to */
	CACHE_FAILED,  /* did not answer; stays so while it is tried again, until it does */
};

/* What is known of a neighbour, and when it may be probed. */
struct cache_neighbour {
	struct net_neighbour
		last; /* the last message about it; state 0 (NUD_NONE): none, or deleted */
	enum cache_reach reach;
	bool is_wanted;		/* somebody asked for it: changes count, and the record stays */
	uint64_t next_probe_ms; /* no probe before that; CLOCK_MONOTONIC */
};

struct cache *cache_new(void);
void cache_free(struct cache *cache); /* NULL is fine */

/*
 * Takes one message of any type; `size` is the bytes there are. Returns 1: something that matters
 * changed, 0: not, -EBADMSG: the message is truncated or lies, and nothing of it was taken.
 */
int cache_take(struct cache *cache, const struct nlmsghdr *message, size_t size);

void cache_begin(struct cache *cache);
void cache_sweep(struct cache *cache);

/*
 * NULL: not there. What is returned lives until the next cache_take(), _sweep() or
 * _want_neighbour().
 */
const struct net_link *cache_link(const struct cache *cache, uint32_t ifindex);
const struct net_link *cache_link_named(const struct cache *cache, const char *name);
/* Whether some VLAN device is on this one. */
bool cache_carries_vlans(const struct cache *cache, uint32_t ifindex);
const struct net_address *cache_address(const struct cache *cache, const struct addr *addr);
const struct net_address *cache_address_on(const struct cache *cache, uint32_t ifindex,
					   const struct addr *addr);
/*
 * The address of a device that a packet of a family might well come from: not link-local, not one that is being
 * checked or given up (RFC 4862), rather one of a network than one that stands alone; then the lowest.
 */
const struct net_address *cache_own_address(const struct cache *cache, uint32_t ifindex,
					    uint8_t family);

/*
 * The record of a neighbour, made if there is none. From now on its changes count, and the record
 * outlives the kernel's own entry, which is collected soon after a failure; it goes with the
 * device.
 */
struct cache_neighbour *cache_want_neighbour(struct cache *cache, uint32_t ifindex,
					     const struct addr *addr);

#endif
