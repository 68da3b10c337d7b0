/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VLAN device, eth0.7 (ifindex 9) on ifindex 2, as a message. */
#ifndef TESTS_NET_VLAN_H
#define TESTS_NET_VLAN_H

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <string.h>

#include <libmnl/libmnl.h>

#define VLAN .kind = "vlan", .kind_size = sizeof("vlan")
/* What of a VLAN device's message is made another way; the rest is as the kernel makes it. */
struct vlan_shape {
	const char *kind;
	size_t kind_size; /* the kernel counts the NUL */
	bool has_no_data, has_no_id, has_long_id, is_parent_elsewhere, has_no_protocol;
	int ifindex, parent;   /* 0: 9 and 2 */
	uint16_t protocol, id; /* 0: 0x8100 and 7 */
	const char *name;      /* NULL: eth0.7 */
};

/*
 * RTM_NEWLINK of eth0.7 as rtnl_fill_ifinfo() of net/core/rtnetlink.c and vlan_fill_info() of
 * net/8021q/vlan_netlink.c write it: the kernel that this was written on can make no VLAN device.
 */
static inline struct nlmsghdr *vlan_link(void *buffer, struct vlan_shape shape)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifla_vlan_flags flags = {.flags = 1, .mask = ~0U};
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 0xa};
	struct nlattr *info, *data;
	struct ifinfomsg *header;

	message->nlmsg_type = RTM_NEWLINK;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->ifi_type = ARPHRD_ETHER;
	header->ifi_index = shape.ifindex ? shape.ifindex : 9;
	header->ifi_flags = IFF_UP | IFF_RUNNING | IFF_LOWER_UP;
	mnl_attr_put_strz(message, IFLA_IFNAME, shape.name ? shape.name : "eth0.7");
	mnl_attr_put_u8(message, IFLA_OPERSTATE, IF_OPER_UP);
	mnl_attr_put_u32(message, IFLA_MTU, 1496);
	mnl_attr_put_u32(message, IFLA_LINK, shape.parent ? shape.parent : 2);
	if (shape.is_parent_elsewhere)
		mnl_attr_put_u32(message, IFLA_LINK_NETNSID, 0);
	mnl_attr_put(message, IFLA_ADDRESS, sizeof(mac), mac);
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put(message, IFLA_INFO_KIND, shape.kind_size, shape.kind);
	if (!shape.has_no_data) {
		data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
		if (!shape.has_no_protocol)
			mnl_attr_put_u16(message, IFLA_VLAN_PROTOCOL,
					 htons(shape.protocol ? shape.protocol : ETH_P_8021Q));
		if (shape.has_long_id)
			mnl_attr_put_u32(message, IFLA_VLAN_ID, 7);
		else if (!shape.has_no_id)
			mnl_attr_put_u16(message, IFLA_VLAN_ID, shape.id ? shape.id : 7);
		mnl_attr_put(message, IFLA_VLAN_FLAGS, sizeof(flags), &flags);
		mnl_attr_nest_end(message, data);
	}
	mnl_attr_nest_end(message, info);
	return message;
}

#endif
