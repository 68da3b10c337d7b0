/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rtnetlink messages, read without trust: pure functions from bytes to plain structs, and back for
 * the few requests that are sent. The kernel is the only writer, but a message cut short by a
 * small buffer, or an attribute of another length on another kernel, must be refused and never
 * read past its end.
 *
 * Every reader takes the message and the bytes there are at `message`. It returns 0 and fills in
 * *out; -ENOMSG: the message is sound but not about this (a bridge's own view of a port, another
 * address family): skip it; -EBADMSG: truncated or lying. *out is untouched then.
 */
#ifndef NET_MESSAGES_H
#define NET_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "net/net.h"

struct nlmsghdr;

/* RTM_NEWLINK, RTM_DELLINK. */
struct net_link {
	uint32_t ifindex;
	char name[NET_NAME_SIZE];
	bool is_up; /* switched on, has a carrier, and is not dormant (802.1X) */
	bool has_ethernet;
	bool is_vlan;
	uint32_t parent_ifindex; /* of a VLAN device; 0: none, or in another network namespace */
	uint16_t vlan_id;
	uint16_t vlan_protocol; /* of the tag, such as 0x8100 (linux/if_ether.h); host order */
	uint32_t mtu;
	uint8_t mac[6]; /* zeros without Ethernet */
};

/* RTM_NEWNEIGH, RTM_DELNEIGH. */
struct net_neighbour {
	uint32_t ifindex;
	struct addr addr;
	uint16_t state; /* NUD_*, linux/neighbour.h */
	bool has_mac;
	uint8_t mac[6];
};

/* RTM_NEWADDR, RTM_DELADDR. */
struct net_address {
	uint32_t ifindex;
	struct addr addr; /* the host's own, not the far end of a point-to-point link */
	uint8_t prefix_length;
	uint32_t flags; /* IFA_F_*, linux/if_addr.h */
};

/* RTM_NEWROUTE, foremost the kernel's answer to message_ask_route(). */
struct net_route {
	uint8_t type;	      /* RTN_* */
	uint32_t ifindex;     /* 0: none */
	struct addr gateway;  /* none: on the link; an IPv4 route may have an IPv6 one */
	struct addr source;   /* none: the route names none */
	uint32_t mtu;	      /* 0: the device's */
	bool is_encapsulated; /* the route adds a tunnel's header of its own (RTA_ENCAP) */
};

int message_read_link(const struct nlmsghdr *message, size_t size, struct net_link *out);
int message_read_neighbour(const struct nlmsghdr *message, size_t size, struct net_neighbour *out);
int message_read_address(const struct nlmsghdr *message, size_t size, struct net_address *out);
int message_read_route(const struct nlmsghdr *message, size_t size, struct net_route *out);

/*
 * NLMSG_ERROR: the negative errno it carries, 0 for an acknowledgement, -EBADMSG if it is cut
 * short.
 */
int message_read_error(const struct nlmsghdr *message, size_t size);

/*
 * Requests, built in `buffer`, which takes MESSAGE_REQUEST_SIZE bytes and is aligned for struct
 * nlmsghdr. The caller sets the sequence number.
 */
#define MESSAGE_REQUEST_SIZE 128
struct nlmsghdr *message_ask_dump(void *buffer, uint16_t type); /* RTM_GETLINK, GETADDR, GETNEIGH */
struct nlmsghdr *message_ask_route(void *buffer, const struct addr *address);
/*
 * Use the neighbour as a packet to it would: resolve it if it is unknown, confirm it if it is
 * stale.
 */
struct nlmsghdr *message_use_neighbour(void *buffer, uint32_t ifindex, const struct addr *address);

#endif
