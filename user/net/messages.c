/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each kind of message has a table that says how long an attribute of each type that matters may
 * be. collect() checks the whole row of attributes against it once, so that what follows reads
 * values without a doubt. libmnl's own mnl_attr_parse() is not used: it stops in silence at the
 * first attribute that does not fit.
 */
#include "net/messages.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "base/mem.h"

#define LLADDR_MAX 32 /* MAX_ADDR_LEN, linux/netdevice.h */
#define ANY_LENGTH UINT16_MAX

/*
 * The payload's length that an attribute must have to be believed; `max` 0: the attribute is not
 * looked at.
 */
struct bounds {
	uint16_t min, max;
};

/* A row of attributes. */
struct row {
	const void *start;
	size_t size;
};

static const struct bounds link_bounds[] = {
	[IFLA_ADDRESS] = {0, LLADDR_MAX},
	[IFLA_IFNAME] = {2, NET_NAME_SIZE},
	[IFLA_MTU] = {4, 4},
	[IFLA_LINK] = {4, 4},
	[IFLA_OPERSTATE] = {1, 1},
	[IFLA_LINKINFO] = {0, ANY_LENGTH},
	[IFLA_LINK_NETNSID] = {4, 4},
};
static const struct bounds info_bounds[] = {
	[IFLA_INFO_KIND] = {1, 64},
	[IFLA_INFO_DATA] = {0, ANY_LENGTH},
};
static const struct bounds vlan_bounds[] = {
	[IFLA_VLAN_ID] = {2, 2},
	[IFLA_VLAN_PROTOCOL] = {2, 2},
};
static const struct bounds neighbour_bounds[] = {
	[NDA_DST] = {4, 16},
	[NDA_LLADDR] = {0, LLADDR_MAX},
};
static const struct bounds address_bounds[] = {
	[IFA_ADDRESS] = {4, 16},
	[IFA_LOCAL] = {4, 16},
	[IFA_FLAGS] = {4, 4},
};
static const struct bounds route_bounds[] = {
	[RTA_OIF] = {4, 4},
	[RTA_GATEWAY] = {4, 16},
	[RTA_PREFSRC] = {4, 16},
	[RTA_VIA] = {6, 18},
	[RTA_METRICS] = {0, ANY_LENGTH},
	[RTA_MULTIPATH] = {8, ANY_LENGTH},
	[RTA_ENCAP_TYPE] = {2, 2},
};
static const struct bounds metrics_bounds[] = {[RTAX_MTU] = {4, 4}};

/*
 * The payload behind the family's fixed header; false: the message is cut short or lies about its
 * length.
 */
static bool body(const struct nlmsghdr *message, size_t size, size_t header, struct row *attributes)
{
	if (size < sizeof(*message) || message->nlmsg_len < NLMSG_LENGTH(header) ||
	    message->nlmsg_len > size)
		return false;
	attributes->start = mnl_nlmsg_get_payload_offset(message, header);
	attributes->size = 0;
	if (message->nlmsg_len > NLMSG_SPACE(header))
		attributes->size = message->nlmsg_len - NLMSG_SPACE(header);
	return true;
}

static struct row inside(const struct nlattr *attribute)
{
	return (struct row){mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute)};
}

/*
 * Fills in found[type] for each type that `bounds` names. Returns 0, or -EBADMSG if an attribute
 * reaches past the row's end, is shorter than its own header, or does not have a length that its
 * type allows.
 */
static int collect(struct row row, const struct bounds *bounds, size_t count,
		   const struct nlattr **found)
{
	const char *at = row.start;
	size_t left = row.size;

	memset(found, 0, count * sizeof(found[0]));
	while (left > 0) {
		const struct nlattr *attribute = (const void *)at;
		size_t step;
		uint16_t type, length;

		if (left < sizeof(*attribute) || attribute->nla_len < sizeof(*attribute) ||
		    attribute->nla_len > left)
			return -EBADMSG;
		type = mnl_attr_get_type(attribute);
		length = mnl_attr_get_payload_len(attribute);
		if (type < count && bounds[type].max) {
			if (length < bounds[type].min || length > bounds[type].max)
				return -EBADMSG;
			found[type] = attribute;
		}
		/* The last attribute may lack its padding. */
		step = MNL_ALIGN(attribute->nla_len);
		if (step >= left)
			break;
		at += step;
		left -= step;
	}
	return 0;
}

static uint8_t family_of(int af)
{
	return af == AF_INET ? 4 : af == AF_INET6 ? 6 : 0;
}

/* An address of the family `af`; an absent attribute gives none. */
static int read_addr(int af, const void *bytes, size_t length, struct addr *out)
{
	struct addr addr = {.family = family_of(af)};

	if (!addr.family || length != addr_size(addr.family))
		return -EBADMSG;
	memcpy(addr.bytes, bytes, length);
	*out = addr;
	return 0;
}

static int read_addr_attribute(int af, const struct nlattr *attribute, struct addr *out)
{
	*out = (struct addr){0};
	if (!attribute)
		return 0;
	return read_addr(af, mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute),
			 out);
}

static uint32_t read_u32(const struct nlattr *attribute, uint32_t otherwise)
{
	return attribute ? mnl_attr_get_u32(attribute) : otherwise;
}

/* A text that ends in NUL within its attribute. */
static bool is_text(const struct nlattr *attribute)
{
	return memchr(mnl_attr_get_payload(attribute), '\0', mnl_attr_get_payload_len(attribute));
}

/* IFLA_LINKINFO of a VLAN device, as vlan_fill_info() of net/8021q/vlan_netlink.c writes it. */
static int read_link_info(const struct nlattr *attribute, struct net_link *link)
{
	const struct nlattr *info[ARRAY_SIZE(info_bounds)], *vlan[ARRAY_SIZE(vlan_bounds)];
	int err;

	err = collect(inside(attribute), info_bounds, ARRAY_SIZE(info_bounds), info);
	if (err)
		return err;
	if (!info[IFLA_INFO_KIND])
		return 0;
	if (!is_text(info[IFLA_INFO_KIND]))
		return -EBADMSG;
	if (strcmp(mnl_attr_get_str(info[IFLA_INFO_KIND]), "vlan") != 0)
		return 0;
	if (!info[IFLA_INFO_DATA])
		return -EBADMSG;
	err = collect(inside(info[IFLA_INFO_DATA]), vlan_bounds, ARRAY_SIZE(vlan_bounds), vlan);
	if (err)
		return err;
	if (!vlan[IFLA_VLAN_ID])
		return -EBADMSG;
	link->is_vlan = true;
	link->vlan_id = mnl_attr_get_u16(vlan[IFLA_VLAN_ID]);
	/* In wire order; without it it is 802.1Q. */
	link->vlan_protocol = ETH_P_8021Q;
	if (vlan[IFLA_VLAN_PROTOCOL])
		link->vlan_protocol = ntohs(mnl_attr_get_u16(vlan[IFLA_VLAN_PROTOCOL]));
	return 0;
}

static bool link_is_up(unsigned int flags, const struct nlattr *operstate)
{
	uint8_t state = operstate ? mnl_attr_get_u8(operstate) : IF_OPER_UNKNOWN;

	/* Drivers that do not set an operational state leave "unknown" (linux, operstates.rst). */
	return (flags & IFF_UP) && (flags & IFF_LOWER_UP) &&
	       (state == IF_OPER_UP || state == IF_OPER_UNKNOWN);
}

int message_read_link(const struct nlmsghdr *message, size_t size, struct net_link *out)
{
	const struct nlattr *found[ARRAY_SIZE(link_bounds)];
	struct net_link link = {0};
	const struct ifinfomsg *info;
	struct row row;
	int err;

	if (!body(message, size, sizeof(*info), &row))
		return -EBADMSG;
	info = mnl_nlmsg_get_payload(message);
	err = collect(row, link_bounds, ARRAY_SIZE(link_bounds), found);
	if (err)
		return err;
	/*
	 * A bridge tells its view of a port as AF_BRIDGE; wireless events carry a name and no MTU.
	 */
	if (info->ifi_family != AF_UNSPEC || !found[IFLA_MTU])
		return -ENOMSG;
	if (info->ifi_index <= 0 || !found[IFLA_IFNAME] || !is_text(found[IFLA_IFNAME]))
		return -EBADMSG;

	link.ifindex = info->ifi_index;
	strcpy(link.name, mnl_attr_get_str(found[IFLA_IFNAME]));
	link.mtu = mnl_attr_get_u32(found[IFLA_MTU]);
	link.is_up = link_is_up(info->ifi_flags, found[IFLA_OPERSTATE]);
	link.has_ethernet = info->ifi_type == ARPHRD_ETHER;
	if (link.has_ethernet) {
		if (!found[IFLA_ADDRESS] ||
		    mnl_attr_get_payload_len(found[IFLA_ADDRESS]) != sizeof(link.mac))
			return -EBADMSG;
		memcpy(link.mac, mnl_attr_get_payload(found[IFLA_ADDRESS]), sizeof(link.mac));
	}
	if (found[IFLA_LINKINFO]) {
		err = read_link_info(found[IFLA_LINKINFO], &link);
		if (err)
			return err;
	}
	/* IFLA_LINK means other things elsewhere, such as the other end of a veth pair. */
	if (link.is_vlan && !found[IFLA_LINK_NETNSID])
		link.parent_ifindex = read_u32(found[IFLA_LINK], 0);
	*out = link;
	return 0;
}

int message_read_neighbour(const struct nlmsghdr *message, size_t size, struct net_neighbour *out)
{
	const struct nlattr *found[ARRAY_SIZE(neighbour_bounds)];
	struct net_neighbour neighbour = {0};
	const struct ndmsg *info;
	struct row row;
	int err;

	if (!body(message, size, sizeof(*info), &row))
		return -EBADMSG;
	info = mnl_nlmsg_get_payload(message);
	/*
	 * Bridges tell their forwarding entries in the same group; proxy entries answer for
	 * others.
	 */
	if (!family_of(info->ndm_family) || (info->ndm_flags & NTF_PROXY))
		return -ENOMSG;
	err = collect(row, neighbour_bounds, ARRAY_SIZE(neighbour_bounds), found);
	if (err)
		return err;
	if (info->ndm_ifindex <= 0 || !found[NDA_DST])
		return -EBADMSG;
	err = read_addr_attribute(info->ndm_family, found[NDA_DST], &neighbour.addr);
	if (err)
		return err;

	neighbour.ifindex = info->ndm_ifindex;
	neighbour.state = info->ndm_state;
	if (found[NDA_LLADDR] &&
	    mnl_attr_get_payload_len(found[NDA_LLADDR]) == sizeof(neighbour.mac)) {
		neighbour.has_mac = true;
		memcpy(neighbour.mac, mnl_attr_get_payload(found[NDA_LLADDR]),
		       sizeof(neighbour.mac));
	}
	*out = neighbour;
	return 0;
}

int message_read_address(const struct nlmsghdr *message, size_t size, struct net_address *out)
{
	const struct nlattr *found[ARRAY_SIZE(address_bounds)], *own;
	struct net_address address = {0};
	const struct ifaddrmsg *info;
	struct row row;
	int err;

	if (!body(message, size, sizeof(*info), &row))
		return -EBADMSG;
	info = mnl_nlmsg_get_payload(message);
	if (!family_of(info->ifa_family))
		return -ENOMSG;
	err = collect(row, address_bounds, ARRAY_SIZE(address_bounds), found);
	if (err)
		return err;
	/* With a far end, IFA_ADDRESS is the far end and IFA_LOCAL ours (linux/if_addr.h). */
	own = found[IFA_LOCAL] ? found[IFA_LOCAL] : found[IFA_ADDRESS];
	if (info->ifa_index == 0 || !own)
		return -EBADMSG;
	err = read_addr_attribute(info->ifa_family, own, &address.addr);
	if (err)
		return err;

	address.ifindex = info->ifa_index;
	address.prefix_length = info->ifa_prefixlen;
	address.flags = read_u32(found[IFA_FLAGS], info->ifa_flags);
	*out = address;
	return 0;
}

static int read_via(const struct nlattr *attribute, struct addr *out)
{
	const struct rtvia *via = mnl_attr_get_payload(attribute);

	return read_addr(via->rtvia_family, via->rtvia_addr,
			 mnl_attr_get_payload_len(attribute) - sizeof(*via), out);
}

/*
 * Where packets leave: the device and the gateway of a route, or of one hop of a multipath route.
 */
static int read_hop(int af, const struct nlattr *const *found, struct net_route *route)
{
	route->is_encapsulated = found[RTA_ENCAP_TYPE] != NULL;
	if (found[RTA_VIA])
		return read_via(found[RTA_VIA], &route->gateway);
	return read_addr_attribute(af, found[RTA_GATEWAY], &route->gateway);
}

/*
 * Takes the first hop that is alive, or the first if none is. Answers to a question have one hop
 * anyway.
 */
static int read_multipath(int af, struct row row, struct net_route *route)
{
	const char *at = row.start;
	size_t left = row.size;
	bool is_taken = false;

	while (left > 0) {
		const struct rtnexthop *hop = (const void *)at;
		const struct nlattr *found[ARRAY_SIZE(route_bounds)];
		bool is_alive;
		int err;

		if (left < sizeof(*hop) || hop->rtnh_len < sizeof(*hop) || hop->rtnh_len > left)
			return -EBADMSG;
		err = collect((struct row){hop + 1, hop->rtnh_len - sizeof(*hop)}, route_bounds,
			      ARRAY_SIZE(route_bounds), found);
		if (err)
			return err;
		is_alive = !(hop->rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN));
		if (!is_taken && (is_alive || at == row.start)) {
			err = read_hop(af, found, route);
			if (err)
				return err;
			route->ifindex = hop->rtnh_ifindex;
			is_taken = is_alive;
		}
		if ((size_t)RTNH_ALIGN(hop->rtnh_len) >= left)
			break;
		left -= RTNH_ALIGN(hop->rtnh_len);
		at += RTNH_ALIGN(hop->rtnh_len);
	}
	return 0;
}

int message_read_route(const struct nlmsghdr *message, size_t size, struct net_route *out)
{
	const struct nlattr *found[ARRAY_SIZE(route_bounds)];
	const struct nlattr *metrics[ARRAY_SIZE(metrics_bounds)];
	struct net_route route = {0};
	const struct rtmsg *info;
	struct row row;
	int err;

	if (!body(message, size, sizeof(*info), &row))
		return -EBADMSG;
	info = mnl_nlmsg_get_payload(message);
	if (!family_of(info->rtm_family))
		return -ENOMSG;
	err = collect(row, route_bounds, ARRAY_SIZE(route_bounds), found);
	if (err)
		return err;
	route.type = info->rtm_type;
	route.ifindex = read_u32(found[RTA_OIF], 0);
	err = read_hop(info->rtm_family, found, &route);
	if (!err)
		err = read_addr_attribute(info->rtm_family, found[RTA_PREFSRC], &route.source);
	if (!err && found[RTA_MULTIPATH])
		err = read_multipath(info->rtm_family, inside(found[RTA_MULTIPATH]), &route);
	if (!err && found[RTA_METRICS]) {
		err = collect(inside(found[RTA_METRICS]), metrics_bounds,
			      ARRAY_SIZE(metrics_bounds), metrics);
		if (!err)
			route.mtu = read_u32(metrics[RTAX_MTU], 0);
	}
	if (err)
		return err;
	*out = route;
	return 0;
}

int message_read_error(const struct nlmsghdr *message, size_t size)
{
	const struct nlmsgerr *error;
	struct row row;

	if (!body(message, size, sizeof(error->error), &row))
		return -EBADMSG;
	error = mnl_nlmsg_get_payload(message);
	return error->error > 0 ? -EBADMSG : error->error;
}

/* Fixed headers are zeroed by libmnl, which means "all families" in each of the three. */
struct nlmsghdr *message_ask_dump(void *buffer, uint16_t type)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	/*
	 * The longest of ifinfomsg, ifaddrmsg and ndmsg; the kernel asks for no exact length here.
	 */
	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	return request;
}

struct nlmsghdr *message_ask_route(void *buffer, const struct addr *address)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct rtmsg *info;

	request->nlmsg_type = RTM_GETROUTE;
	request->nlmsg_flags = NLM_F_REQUEST;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->rtm_family = addr_af(address);
	info->rtm_dst_len = addr_size(address->family) * 8;
	mnl_attr_put(request, RTA_DST, addr_size(address->family), address->bytes);
	return request;
}

struct nlmsghdr *message_use_neighbour(void *buffer, uint32_t ifindex, const struct addr *address)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ndmsg *info;

	request->nlmsg_type = RTM_NEWNEIGH;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->ndm_family = addr_af(address);
	info->ndm_ifindex = ifindex;
	info->ndm_flags = NTF_USE;
	mnl_attr_put(request, NDA_DST, addr_size(address->family), address->bytes);
	return request;
}
