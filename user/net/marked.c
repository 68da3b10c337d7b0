/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/marked.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "net/internal.h"
#include "net/messages.h"
#include "net/socket.h"

#define REQUEST_SIZE 256

/* Nobody: link-local addresses, so that they mean nothing beyond the device. */
static const struct addr gateways[] = {
	{.family = 4, .bytes = {169, 254, 0x51, 0x75}},
	{.family = 6, .bytes = {0xfe, 0x80, [14] = 0x51, 0x75}},
};

static const struct addr *gateway_of(uint8_t family)
{
	return &gateways[family == 6];
}

/* A request to make or to remove something. */
struct asking {
	_Alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];
	struct nlmsghdr *request;
};

static void *begin(struct asking *a, uint16_t type, uint16_t flags, size_t header_size)
{
	a->request = mnl_nlmsg_put_header(a->buffer);
	a->request->nlmsg_type = type;
	a->request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	return mnl_nlmsg_put_extra_header(a->request, header_size);
}

static void put_address(struct asking *a, uint16_t attribute, const struct addr *address)
{
	mnl_attr_put(a->request, attribute, addr_size(address->family), address->bytes);
}

static int ask(struct net *net, struct asking *a)
{
	return socket_ask(net_asking(net), a->request, NULL, NULL);
}

/* ---- rule, route, neighbour -------------------------------------------------------------------- */

static void build_rule(struct asking *a, uint16_t type, uint16_t flags, uint8_t family,
		       const struct net_mark *mark)
{
	struct fib_rule_hdr *rule = begin(a, type, flags, sizeof(*rule));

	rule->family = addr_af(gateway_of(family));
	rule->action = FR_ACT_TO_TBL;
	rule->table = RT_TABLE_UNSPEC; /* the attribute takes larger numbers */
	mnl_attr_put_u32(a->request, FRA_TABLE, NET_MARKED_TABLE);
	mnl_attr_put_u32(a->request, FRA_PRIORITY, NET_MARKED_PRIORITY);
	mnl_attr_put_u32(a->request, FRA_FWMARK, mark->value);
	mnl_attr_put_u32(a->request, FRA_FWMASK, mark->mask);
}

/* Each device has a metric of its own, so that they stand side by side. */
static void build_route(struct asking *a, uint16_t type, uint16_t flags, uint8_t family,
			uint32_t ifindex)
{
	struct rtmsg *route = begin(a, type, flags, sizeof(*route));

	route->rtm_family = addr_af(gateway_of(family));
	route->rtm_table = RT_TABLE_UNSPEC;
	route->rtm_protocol = RTPROT_STATIC;
	route->rtm_scope = RT_SCOPE_UNIVERSE;
	route->rtm_type = RTN_UNICAST;
	route->rtm_flags = family == 4 ? RTNH_F_ONLINK : 0;
	mnl_attr_put_u32(a->request, RTA_TABLE, NET_MARKED_TABLE);
	mnl_attr_put_u32(a->request, RTA_PRIORITY, ifindex);
	mnl_attr_put_u32(a->request, RTA_OIF, ifindex);
	put_address(a, RTA_GATEWAY, gateway_of(family));
}

static void build_neighbour(struct asking *a, uint16_t type, uint16_t flags, uint8_t family,
			    uint32_t ifindex)
{
	struct ndmsg *neighbour = begin(a, type, flags, sizeof(*neighbour));

	neighbour->ndm_family = addr_af(gateway_of(family));
	neighbour->ndm_ifindex = ifindex;
	neighbour->ndm_state = NUD_PERMANENT;
	put_address(a, NDA_DST, gateway_of(family));
}

int net_marked_add(struct net *net, uint8_t family, const struct net_mark *mark,
		   const struct net_device *device, uint32_t mtu)
{
	const uint16_t replace = NLM_F_CREATE | NLM_F_REPLACE;
	struct nlattr *metrics;
	struct asking a;
	int err;

	build_neighbour(&a, RTM_NEWNEIGH, replace, family, device->ifindex);
	mnl_attr_put(a.request, NDA_LLADDR, sizeof(device->mac), device->mac);
	err = ask(net, &a);
	if (err)
		return err;
	build_route(&a, RTM_NEWROUTE, replace, family, device->ifindex);
	metrics = mnl_attr_nest_start(a.request, RTA_METRICS);
	mnl_attr_put_u32(a.request, RTAX_MTU, mtu);
	mnl_attr_nest_end(a.request, metrics);
	err = ask(net, &a);
	if (err)
		return err;
	/* Without EXCL the kernel would make one more of the same. */
	build_rule(&a, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, family, mark);
	err = ask(net, &a);
	return err == -EEXIST ? 0 : err;
}

/* Not there: no such rule, route, neighbour, device, or no IPv6 at all. */
static bool is_absent(int err)
{
	return err == -ENOENT || err == -ESRCH || err == -ENODEV || err == -ENXIO ||
	       err == -EAFNOSUPPORT || err == -EOPNOTSUPP || err == -ENETDOWN || err == -EINVAL;
}

int net_marked_remove(struct net *net, uint8_t family, const struct net_mark *mark,
		      uint32_t ifindex)
{
	struct asking a;
	int err;

	if (!ifindex) {
		build_rule(&a, RTM_DELRULE, 0, family, mark);
		err = ask(net, &a);
		return is_absent(err) ? 0 : err;
	}
	build_route(&a, RTM_DELROUTE, 0, family, ifindex);
	err = ask(net, &a);
	if (err && !is_absent(err))
		return err;
	build_neighbour(&a, RTM_DELNEIGH, 0, family, ifindex);
	err = ask(net, &a);
	return is_absent(err) ? 0 : err;
}

/* ---- what the kernel would do ------------------------------------------------------------------ */

static int take_route(const struct nlmsghdr *message, size_t size, void *context)
{
	if (message->nlmsg_type != RTM_NEWROUTE)
		return -EBADMSG;
	return message_read_route(message, size, context);
}

static int take_neighbour(const struct nlmsghdr *message, size_t size, void *context)
{
	if (message->nlmsg_type != RTM_NEWNEIGH)
		return -EBADMSG;
	return message_read_neighbour(message, size, context);
}

/* Asked for by name, which the kernel takes since Linux 5.0. */
static bool has_neighbour(struct net *net, uint8_t family, uint32_t ifindex)
{
	struct net_neighbour neighbour;
	struct asking a;

	build_neighbour(&a, RTM_GETNEIGH, 0, family, ifindex);
	a.request->nlmsg_flags = NLM_F_REQUEST;
	((struct ndmsg *)mnl_nlmsg_get_payload(a.request))->ndm_state = 0;
	return !socket_ask(net_asking(net), a.request, take_neighbour, &neighbour) &&
	       neighbour.state & NUD_PERMANENT;
}

bool net_marked_goes(struct net *net, const struct net_mark *mark, const struct addr *address,
		     uint32_t ifindex)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];
	struct nlmsghdr *request = message_ask_route(buffer, address);
	struct net_route route;

	mnl_attr_put_u32(request, RTA_OIF, ifindex);
	mnl_attr_put_u32(request, RTA_MARK, mark->value);
	return !socket_ask(net_asking(net), request, take_route, &route) &&
	       route.ifindex == ifindex &&
	       addr_equal(&route.gateway, gateway_of(address->family)) &&
	       has_neighbour(net, address->family, ifindex);
}

bool net_takes(struct net *net, const struct addr *source, const struct addr *destination,
	       uint32_t ifindex)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];
	struct nlmsghdr *request = message_ask_route(buffer, destination);
	struct rtmsg *info = mnl_nlmsg_get_payload(request);
	struct net_route route;

	if (destination->family != 4)
		return true;
	info->rtm_src_len = addr_size(source->family) * 8;
	mnl_attr_put(request, RTA_SRC, addr_size(source->family), source->bytes);
	mnl_attr_put_u32(request, RTA_IIF, ifindex);
	return !socket_ask(net_asking(net), request, take_route, &route);
}
