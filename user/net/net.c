/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One socket listens and feeds the cache; the other asks: dumps at the start and after lost
 * messages, the route of an address whenever net_nexthop() is called (a look-up in the kernel's
 * own trie, far cheaper than a copy of its tables and rules here, and never another answer than
 * the kernel's own), and neighbours to be resolved.
 *
 * Messages that were queued before a dump are taken after it and may set a thing back for a
 * moment; the queue's end is always at least as new as the dump, so the cache is true when the
 * queue is empty.
 */
#include "net/net.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#include "base/mem.h"
#include "base/problem.h"
#include "net/cache.h"
#include "net/internal.h"
#include "net/messages.h"
#include "net/socket.h"
#include "net/way.h"

#define PROBE_INTERVAL_MS 1000
#define DUMP_TRIES	  10   /* a dump is repeated if links come or go meanwhile */
#define DATAGRAMS_MAX	  4096 /* a call of net_input(); the rest keeps the descriptor readable */

struct net {
	struct net_socket listen, ask;
	int poll_fd;
	struct cache *cache;
	bool is_stale; /* messages were lost: a dump is due */
};

/* Everything that can change a way. */
static const int groups[] = {
	RTNLGRP_LINK,	     RTNLGRP_NEIGH,
	RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
	RTNLGRP_IPV4_ROUTE,  RTNLGRP_IPV6_ROUTE,
	RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE,
	RTNLGRP_NEXTHOP,     0,
};

static int take_dumped(const struct nlmsghdr *message, size_t size, void *context)
{
	struct net *net = context;
	int ret = cache_take(net->cache, message, size);

	return ret < 0 ? ret : 0;
}

static int dump(struct net *net, uint16_t type)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_REQUEST_SIZE];
	int err = -EINTR;

	for (int i = 0; i < DUMP_TRIES && err == -EINTR; i++)
		err = socket_ask(&net->ask, message_ask_dump(buffer, type), take_dumped, net);
	return err;
}

/*
 * Lists everything anew. The cache stays as it was where a dump fails, and a later call tries
 * again.
 */
static int refresh(struct net *net, struct problems *p)
{
	static const struct {
		uint16_t type;
		const char *what;
	} dumps[] = {
		{RTM_GETLINK, "network devices"},
		{RTM_GETADDR, "addresses"},
		{RTM_GETNEIGH, "neighbours"},
	};

	cache_begin(net->cache);
	for (size_t i = 0; i < ARRAY_SIZE(dumps); i++) {
		int err = dump(net, dumps[i].type);

		if (err)
			return problems_add(p, err, "netlink", NULL, "cannot list the %s: %s",
					    dumps[i].what, strerror(-err));
	}
	cache_sweep(net->cache);
	net->is_stale = false;
	return 0;
}

/*
 * A socket that lost messages polls as an error, which loops such as libuv's take for a broken
 * descriptor. The caller gets an epoll descriptor around it instead: that one is readable in both
 * cases.
 */
static int open_poll(struct net *net)
{
	struct epoll_event event = {.events = EPOLLIN};

	net->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (net->poll_fd < 0)
		return -errno;
	if (epoll_ctl(net->poll_fd, EPOLL_CTL_ADD, mnl_socket_get_fd(net->listen.mnl), &event))
		return -errno;
	return 0;
}

int net_open(struct net **out, struct problems *p)
{
	struct net *net = mem_alloc(sizeof(*net));
	int err;

	net->poll_fd = -1;
	net->cache = cache_new();
	err = socket_open(&net->listen, groups);
	if (!err)
		err = socket_open(&net->ask, NULL);
	if (!err)
		err = open_poll(net);
	if (err)
		problems_add(p, err, "netlink", NULL, "cannot open a route netlink socket: %s",
			     strerror(-err));
	else
		err = refresh(net, p);
	if (err) {
		net_close(net);
		return err;
	}
	*out = net;
	return 0;
}

void net_close(struct net *net)
{
	if (!net)
		return;
	if (net->poll_fd >= 0)
		close(net->poll_fd);
	socket_close(&net->listen);
	socket_close(&net->ask);
	cache_free(net->cache);
	free(net);
}

struct net_socket *net_asking(struct net *net)
{
	return &net->ask;
}

int net_fd(const struct net *net)
{
	return net->poll_fd;
}

struct arrival {
	struct net *net;
	bool is_changed;
};

static int take_arrived(const struct nlmsghdr *message, size_t size, void *context)
{
	struct arrival *arrival = context;
	int ret = cache_take(arrival->net->cache, message, size);

	if (ret < 0)
		return ret;
	arrival->is_changed |= ret;
	return 0;
}

int net_input(struct net *net, struct problems *p)
{
	struct arrival arrival = {.net = net};
	int ret = 1;

	for (int i = 0; i < DATAGRAMS_MAX && ret != 0; i++) {
		ret = socket_listen(&net->listen, take_arrived, &arrival);
		/* A message that cannot be read is as good as lost. */
		if (ret == -ENOBUFS || ret == -EBADMSG)
			net->is_stale = true;
		else if (ret < 0)
			return problems_add(p, ret, "netlink", NULL,
					    "cannot read what the kernel tells about routes: %s",
					    strerror(-ret));
	}
	/*
	 * The dump waits until the queue is empty: as long as it is full, the kernel goes on
	 * losing.
	 */
	if (net->is_stale && ret == 0) {
		ret = refresh(net, p);
		if (ret)
			return ret;
		return 1;
	}
	return arrival.is_changed;
}

static int take_route(const struct nlmsghdr *message, size_t size, void *context)
{
	if (message->nlmsg_type != RTM_NEWROUTE)
		return -EBADMSG;
	return message_read_route(message, size, context);
}

/*
 * The errors that a look-up gives where there is no way: fib_props[] of net/ipv4/fib_semantics.c
 * and ip6_rt_type_to_error() of net/ipv6/route.c for unreachable, blackhole, prohibit and throw;
 * without IPv6 in the kernel, EOPNOTSUPP or EAFNOSUPPORT.
 */
static bool is_no_route(int err)
{
	static const int errors[] = {ENETUNREACH, EHOSTUNREACH, EINVAL,	     EACCES,
				     EAGAIN,	  EOPNOTSUPP,	EAFNOSUPPORT};

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		if (err == -errors[i])
			return true;
	return false;
}

static int ask_route(struct net *net, const struct addr *address, struct net_route *route)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_REQUEST_SIZE];
	struct net_route answer = {0};
	int err = socket_ask(&net->ask, message_ask_route(buffer, address), take_route, &answer);

	if (is_no_route(err))
		answer = (struct net_route){.type = RTN_UNREACHABLE};
	else if (err)
		return err;
	*route = answer;
	return 0;
}

void net_nexthop(struct net *net, const struct addr *address, struct net_nexthop *out)
{
	struct net_route route;
	int err = ask_route(net, address, &route);

	if (err)
		*out = (struct net_nexthop){
			.way = NET_WAY_UNKNOWN, .error = err, .gateway = *address};
	else
		way_find(net->cache, address, &route, out);
}

int net_probe(struct net *net, const struct net_nexthop *way, uint64_t now_ms)
{
	/*
	 * To "use" these would do nothing, or take a permanent entry's permanence away
	 * (net/core/neighbour.c).
	 */
	const uint16_t leave =
		NUD_REACHABLE | NUD_INCOMPLETE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_REQUEST_SIZE];
	struct cache_neighbour *neighbour;

	if (way->way != NET_WAY_READY && way->way != NET_WAY_RESOLVING &&
	    way->way != NET_WAY_FAILED)
		return 0;
	neighbour = cache_want_neighbour(net->cache, way->ifindex, &way->gateway);
	if ((neighbour->last.state & leave) || now_ms < neighbour->next_probe_ms)
		return 0;
	neighbour->next_probe_ms = now_ms + PROBE_INTERVAL_MS;
	return socket_ask(&net->ask, message_use_neighbour(buffer, way->ifindex, &way->gateway),
			  NULL, NULL);
}

/* Any socket of the namespace takes it. */
int net_ask_ethtool(const struct net *net, const char *name, void *command)
{
	struct ifreq request = {.ifr_data = command};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(mnl_socket_get_fd(net->ask.mnl), SIOCETHTOOL, &request);
}

uint32_t net_receive_queues(struct net *net, const char *name)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};

	return net_ask_ethtool(net, name, &channels) ? 0
						     : channels.combined_count + channels.rx_count;
}

int net_device(struct net *net, const char *name, struct net_device *out)
{
	return way_device(net->cache, name, out) ? 0 : -ENODEV;
}

bool net_has_address(struct net *net, const struct addr *address, char device[NET_NAME_SIZE])
{
	const struct net_address *own = cache_address(net->cache, address);
	const struct net_link *link;

	if (!own)
		return false;
	link = cache_link(net->cache, own->ifindex);
	snprintf(device, NET_NAME_SIZE, "%s", link ? link->name : "");
	return true;
}

bool net_device_has(struct net *net, uint32_t ifindex, const struct addr *address)
{
	return cache_address_on(net->cache, ifindex, address) != NULL;
}

bool net_device_address(struct net *net, uint32_t ifindex, uint8_t family, struct addr *out)
{
	const struct net_address *own = cache_own_address(net->cache, ifindex, family);

	if (own)
		*out = own->addr;
	return own;
}
