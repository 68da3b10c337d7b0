/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rtnetlink messages: what recorded ones say, and that no cut or lie makes a reader read past the
 * end (ASan).
 */
#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include "base/mem.h"
#include "net/messages.h"
#include "unit/net_recorded.h"
#include "unit/net_vlan.h"
#include "unit/unit.h"

#define ROW(bytes)     (bytes), sizeof(bytes)
#define MESSAGE(bytes) (const struct nlmsghdr *)(bytes), sizeof(bytes)

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 0xa}, mac_b[6] = {2, 0, 0, 0, 0, 0xb};

START_TEST(a_veth_link_is_read_whole)
{
	struct net_link link;

	ck_assert_int_eq(message_read_link(MESSAGE(veth_link), &link), 0);
	ck_assert_uint_eq(link.ifindex, 2);
	ck_assert_str_eq(link.name, "v0");
	ck_assert(link.is_up && link.has_ethernet && !link.is_vlan);
	ck_assert_uint_eq(link.mtu, 1500);
	ck_assert_mem_eq(link.mac, mac_a, 6);
	/* Its IFLA_LINK is the other end of the pair, no parent. */
	ck_assert_uint_eq(link.parent_ifindex, 0);
}
END_TEST

START_TEST(a_vlan_device_names_its_number_and_its_parent)
{
	_Alignas(4) uint8_t buffer[512];
	struct nlmsghdr *message = vlan_link(buffer, (struct vlan_shape){VLAN});
	struct net_link link;

	ck_assert_int_eq(message_read_link(message, message->nlmsg_len, &link), 0);
	ck_assert(link.is_vlan && link.is_up && link.has_ethernet);
	ck_assert_uint_eq(link.vlan_id, 7);
	ck_assert_uint_eq(link.vlan_protocol, 0x8100);
	ck_assert_uint_eq(link.parent_ifindex, 2);
	ck_assert_uint_eq(link.mtu, 1496);

	message = vlan_link(buffer, (struct vlan_shape){VLAN, .protocol = 0x88a8});
	ck_assert_int_eq(message_read_link(message, message->nlmsg_len, &link), 0);
	ck_assert_uint_eq(link.vlan_protocol, 0x88a8);
	message = vlan_link(buffer, (struct vlan_shape){VLAN, .has_no_protocol = true});
	ck_assert_int_eq(message_read_link(message, message->nlmsg_len, &link), 0);
	ck_assert_uint_eq(link.vlan_protocol, 0x8100);
	message = vlan_link(buffer, (struct vlan_shape){VLAN, .is_parent_elsewhere = true});
	ck_assert_int_eq(message_read_link(message, message->nlmsg_len, &link), 0);
	ck_assert_uint_eq(link.parent_ifindex, 0);
}
END_TEST

START_TEST(another_kind_of_device_is_no_vlan)
{
	_Alignas(4) uint8_t buffer[512];
	struct nlmsghdr *message;
	struct net_link link;

	message = vlan_link(buffer, (struct vlan_shape){.kind = "vxlan", .kind_size = 6});
	ck_assert_int_eq(message_read_link(message, message->nlmsg_len, &link), 0);
	ck_assert(!link.is_vlan);
	ck_assert_uint_eq(link.parent_ifindex, 0);
}
END_TEST

START_TEST(a_vlan_device_that_lies_about_itself_is_refused)
{
	static const struct vlan_shape shapes[] = {
		{VLAN, .has_no_data = true},
		{VLAN, .has_no_id = true},
		{VLAN, .has_long_id = true},
		{.kind = "vlan", .kind_size = 4}, /* not terminated */
	};
	_Alignas(4) uint8_t buffer[512];

	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		struct nlmsghdr *message = vlan_link(buffer, shapes[i]);
		struct net_link link = {.ifindex = 42};

		ck_assert_msg(message_read_link(message, message->nlmsg_len, &link) == -EBADMSG,
			      "shape %zu", i);
		ck_assert_uint_eq(link.ifindex, 42);
	}
}
END_TEST

START_TEST(a_link_is_up_only_with_switch_carrier_and_operational_state)
{
	static const struct {
		unsigned int flags;
		int operstate; /* -1: the driver sets none */
		bool is_up;
	} cases[] = {
		{IFF_UP | IFF_LOWER_UP, IF_OPER_UP, true},
		{IFF_UP | IFF_LOWER_UP, IF_OPER_UNKNOWN, true},
		{IFF_UP | IFF_LOWER_UP, -1, true},
		{IFF_UP, IF_OPER_UP, false},
		{IFF_LOWER_UP, IF_OPER_UP, false},
		{IFF_UP | IFF_LOWER_UP, IF_OPER_DOWN, false},
		{IFF_UP | IFF_LOWER_UP, IF_OPER_DORMANT, false},
	};
	_Alignas(4) uint8_t buffer[512];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
		struct ifinfomsg *header;
		struct net_link link;

		message->nlmsg_type = RTM_NEWLINK;
		header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
		header->ifi_index = 3;
		header->ifi_type = ARPHRD_TUNNEL;
		header->ifi_flags = cases[i].flags;
		mnl_attr_put_strz(message, IFLA_IFNAME, "t0");
		mnl_attr_put_u32(message, IFLA_MTU, 1480);
		mnl_attr_put_u32(message, IFLA_ADDRESS, 0);
		if (cases[i].operstate >= 0)
			mnl_attr_put_u8(message, IFLA_OPERSTATE, cases[i].operstate);
		ck_assert_int_eq(message_read_link(message, message->nlmsg_len, &link), 0);
		ck_assert_msg(link.is_up == cases[i].is_up, "case %zu", i);
		ck_assert(!link.has_ethernet);
	}
}
END_TEST

START_TEST(what_a_bridge_says_of_its_ports_is_skipped)
{
	struct net_link link;
	struct net_neighbour neighbour;

	ck_assert_int_eq(message_read_link(MESSAGE(bridge_port_link), &link), -ENOMSG);
	ck_assert_int_eq(message_read_link(MESSAGE(bridge_port_unlink), &link), -ENOMSG);
	ck_assert_int_eq(message_read_neighbour(MESSAGE(bridge_fdb_neighbour), &neighbour),
			 -ENOMSG);
}
END_TEST

START_TEST(neighbours_of_every_state_are_read)
{
	static const struct {
		const uint8_t *bytes;
		size_t size;
		const char *addr;
		uint16_t state;
		bool has_mac;
	} cases[] = {
		{ROW(neighbour_reachable), "10.9.0.2", NUD_REACHABLE, true},
		{ROW(neighbour_incomplete), "10.9.0.77", NUD_INCOMPLETE, false},
		{ROW(neighbour_failed), "10.9.0.77", NUD_FAILED, false},
		{ROW(neighbour_permanent), "10.9.0.9", NUD_PERMANENT, true},
		{ROW(neighbour_v6), "2001:db8:9::2", NUD_REACHABLE, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_neighbour neighbour;
		char text[ADDR_TEXT_SIZE];

		ck_assert_int_eq(message_read_neighbour((const void *)cases[i].bytes, cases[i].size,
							&neighbour),
				 0);
		ck_assert_uint_eq(neighbour.ifindex, 2);
		ck_assert_str_eq(addr_format(&neighbour.addr, text), cases[i].addr);
		ck_assert_uint_eq(neighbour.state, cases[i].state);
		ck_assert_int_eq(neighbour.has_mac, cases[i].has_mac);
		if (neighbour.state == NUD_REACHABLE)
			ck_assert_mem_eq(neighbour.mac, mac_b, 6);
	}
}
END_TEST

START_TEST(addresses_are_the_hosts_own_and_not_the_far_end)
{
	static const struct {
		const uint8_t *bytes;
		size_t size;
		const char *addr;
		uint8_t length;
	} cases[] = {
		{ROW(address_v4), "10.9.0.1", 24},
		{ROW(address_v6), "2001:db8:9::1", 64},
		{ROW(address_peer), "10.8.0.1", 32},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_address address;
		char text[ADDR_TEXT_SIZE];

		ck_assert_int_eq(
			message_read_address((const void *)cases[i].bytes, cases[i].size, &address),
			0);
		ck_assert_uint_eq(address.ifindex, 2);
		ck_assert_str_eq(addr_format(&address.addr, text), cases[i].addr);
		ck_assert_uint_eq(address.prefix_length, cases[i].length);
		ck_assert(address.flags & IFA_F_PERMANENT);
	}
}
END_TEST

START_TEST(answers_about_routes_give_type_device_gateway_source_and_mtu)
{
	static const struct {
		const uint8_t *bytes;
		size_t size;
		uint8_t type;
		uint32_t ifindex;
		const char *gateway, *source; /* NULL: none */
		uint32_t mtu;
		bool is_encapsulated;
	} cases[] = {
		{ROW(route_on_link), RTN_UNICAST, 2, NULL, "10.9.0.1", 0, false},
		{ROW(route_local), RTN_LOCAL, 1, NULL, "10.9.0.1", 0, false},
		{ROW(route_broadcast), RTN_BROADCAST, 2, NULL, "10.9.0.1", 0, false},
		{ROW(route_gateway_mtu), RTN_UNICAST, 2, "10.9.0.2", "10.9.0.1", 1400, false},
		{ROW(route_via_v6), RTN_UNICAST, 2, "fe80::ff:fe00:b", "10.9.0.1", 0, false},
		{ROW(route_v6_link_local), RTN_UNICAST, 2, "fe80::ff:fe00:b", "2001:db8:9::1", 0,
		 false},
		{ROW(route_v6_local), RTN_LOCAL, 1, NULL, "2001:db8:9::1", 0, false},
		{ROW(route_multipath_answer), RTN_UNICAST, 2, "10.9.0.2", "10.9.0.1", 0, false},
		{ROW(route_encapsulated), RTN_UNICAST, 2, NULL, "10.9.0.1", 0, true},
		{ROW(route_multipath), RTN_UNICAST, 2, "10.9.0.2", NULL, 0, false},
		{ROW(route_blackhole), RTN_BLACKHOLE, 0, NULL, NULL, 0, false},
		{ROW(route_prohibit), RTN_PROHIBIT, 0, NULL, NULL, 0, false},
		{ROW(route_unreachable), RTN_UNREACHABLE, 0, NULL, NULL, 0, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct addr gateway = {0}, source = {0};
		struct net_route route;

		ck_assert_int_eq(
			message_read_route((const void *)cases[i].bytes, cases[i].size, &route), 0);
		if (cases[i].gateway)
			ck_assert_int_eq(addr_parse(cases[i].gateway, &gateway), 0);
		if (cases[i].source)
			ck_assert_int_eq(addr_parse(cases[i].source, &source), 0);
		ck_assert_msg(route.type == cases[i].type && route.ifindex == cases[i].ifindex &&
				      addr_equal(&route.gateway, &gateway) &&
				      addr_equal(&route.source, &source) &&
				      route.mtu == cases[i].mtu &&
				      route.is_encapsulated == cases[i].is_encapsulated,
			      "case %zu", i);
	}
}
END_TEST

/* A writable copy with nothing behind it, so that ASan sees one byte too far. */
static uint8_t *copy(const uint8_t *bytes, size_t size)
{
	uint8_t *out = malloc(size ? size : 1);

	ck_assert_ptr_nonnull(out);
	memcpy(out, bytes, size);
	return out;
}

static struct nlattr *attribute(uint8_t *message, size_t header, uint16_t type)
{
	struct nlattr *attr;

	mnl_attr_for_each(attr, (struct nlmsghdr *)message,
			  header) if (mnl_attr_get_type(attr) == type) return attr;
	ck_abort_msg("no attribute %u", type);
}

START_TEST(a_multipath_route_takes_the_first_hop_that_is_alive)
{
	uint8_t *bytes = copy(route_multipath, sizeof(route_multipath));
	struct nlattr *list = attribute(bytes, sizeof(struct rtmsg), RTA_MULTIPATH);
	struct rtnexthop *first = mnl_attr_get_payload(list), *second = RTNH_NEXT(first);
	struct net_route route;
	char text[ADDR_TEXT_SIZE];

	first->rtnh_flags |= RTNH_F_LINKDOWN;
	ck_assert_int_eq(message_read_route((void *)bytes, sizeof(route_multipath), &route), 0);
	ck_assert_str_eq(addr_format(&route.gateway, text), "10.9.0.3");
	second->rtnh_flags |= RTNH_F_DEAD;
	ck_assert_int_eq(message_read_route((void *)bytes, sizeof(route_multipath), &route), 0);
	ck_assert_str_eq(addr_format(&route.gateway, text), "10.9.0.2");

	second->rtnh_len += 4;
	ck_assert_int_eq(message_read_route((void *)bytes, sizeof(route_multipath), &route),
			 -EBADMSG);
	second->rtnh_len = 4;
	ck_assert_int_eq(message_read_route((void *)bytes, sizeof(route_multipath), &route),
			 -EBADMSG);
	free(bytes);
}
END_TEST

/* A reader as tables have it: what it finds counts for nothing. */
#define READER(what)                                                        \
	static int read_##what(const struct nlmsghdr *message, size_t size) \
	{                                                                   \
		struct net_##what out;                                      \
                                                                            \
		return message_read_##what(message, size, &out);            \
	}
READER(link)
READER(neighbour)
READER(address)
READER(route)

typedef int reader(const struct nlmsghdr *message, size_t size);

static const struct {
	const uint8_t *bytes;
	size_t size;
	reader *read;
	size_t header;
} recorded[] = {
#define RECORD(name, reader, header)                              \
	{                                                         \
		name, sizeof(name), reader, sizeof(struct header) \
	}
	RECORD(veth_link, read_link, ifinfomsg),
	RECORD(neighbour_reachable, read_neighbour, ndmsg),
	RECORD(neighbour_v6, read_neighbour, ndmsg),
	RECORD(address_v4, read_address, ifaddrmsg),
	RECORD(address_v6, read_address, ifaddrmsg),
	RECORD(route_gateway_mtu, read_route, rtmsg),
	RECORD(route_via_v6, read_route, rtmsg),
	RECORD(route_v6_link_local, read_route, rtmsg),
	RECORD(route_multipath, read_route, rtmsg),
	RECORD(route_encapsulated, read_route, rtmsg),
};

START_TEST(a_message_cut_short_anywhere_is_refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(recorded); i++)
		for (size_t size = 0; size < recorded[i].size; size++) {
			uint8_t *bytes = copy(recorded[i].bytes, size);

			ck_assert_msg(recorded[i].read((void *)bytes, size) == -EBADMSG,
				      "message %zu cut to %zu bytes", i, size);
			free(bytes);
		}
}
END_TEST

START_TEST(a_message_that_hides_its_cut_is_never_read_past_its_end)
{
	for (size_t i = 0; i < ARRAY_SIZE(recorded); i++)
		for (size_t size = sizeof(struct nlmsghdr); size < recorded[i].size; size++) {
			uint8_t *bytes = copy(recorded[i].bytes, size);
			int ret;

			((struct nlmsghdr *)bytes)->nlmsg_len = size;
			ret = recorded[i].read((void *)bytes, size);
			if (size < NLMSG_LENGTH(recorded[i].header))
				ck_assert_int_eq(ret, -EBADMSG);
			ck_assert(ret == 0 || ret == -EBADMSG || ret == -ENOMSG);
			free(bytes);
		}
}
END_TEST

START_TEST(any_byte_may_lie_and_no_reader_reads_past_the_end)
{
	static const uint8_t lies[] = {0, 1, 3, 5, 0x7f, 0xff};

	for (size_t i = 0; i < ARRAY_SIZE(recorded); i++)
		for (size_t at = 0; at < recorded[i].size; at++)
			for (size_t lie = 0; lie < ARRAY_SIZE(lies); lie++) {
				uint8_t *bytes = copy(recorded[i].bytes, recorded[i].size);
				int ret;

				bytes[at] = lies[lie];
				ret = recorded[i].read((void *)bytes, recorded[i].size);
				ck_assert(ret == 0 || ret == -EBADMSG || ret == -ENOMSG);
				free(bytes);
			}
}
END_TEST

START_TEST(an_attribute_of_a_wrong_length_is_refused)
{
	static const struct {
		const uint8_t *bytes;
		size_t size;
		reader *read;
		size_t header;
		uint16_t type;
		uint16_t payload; /* what it claims */
	} cases[] = {
		{ROW(veth_link), read_link, sizeof(struct ifinfomsg), IFLA_MTU, 3},
		{ROW(veth_link), read_link, sizeof(struct ifinfomsg), IFLA_ADDRESS, 5},
		{ROW(veth_link), read_link, sizeof(struct ifinfomsg), IFLA_IFNAME, 2},
		{ROW(veth_link), read_link, sizeof(struct ifinfomsg), IFLA_IFNAME, 0},
		{ROW(veth_link), read_link, sizeof(struct ifinfomsg), IFLA_IFNAME, 17},
		{ROW(veth_link), read_link, sizeof(struct ifinfomsg), IFLA_LINKINFO, 2000},
		{ROW(neighbour_v6), read_neighbour, sizeof(struct ndmsg), NDA_DST, 4},
		{ROW(neighbour_v6), read_neighbour, sizeof(struct ndmsg), NDA_LLADDR, 40},
		{ROW(address_v4), read_address, sizeof(struct ifaddrmsg), IFA_LOCAL, 3},
		{ROW(address_v4), read_address, sizeof(struct ifaddrmsg), IFA_FLAGS, 2},
		{ROW(route_gateway_mtu), read_route, sizeof(struct rtmsg), RTA_OIF, 2},
		{ROW(route_gateway_mtu), read_route, sizeof(struct rtmsg), RTA_GATEWAY, 3},
		{ROW(route_gateway_mtu), read_route, sizeof(struct rtmsg), RTA_PREFSRC, 8},
		{ROW(route_gateway_mtu), read_route, sizeof(struct rtmsg), RTA_METRICS, 7},
		{ROW(route_via_v6), read_route, sizeof(struct rtmsg), RTA_VIA, 17},
		{ROW(route_via_v6), read_route, sizeof(struct rtmsg), RTA_VIA, 2},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t *bytes = copy(cases[i].bytes, cases[i].size);

		attribute(bytes, cases[i].header, cases[i].type)->nla_len =
			sizeof(struct nlattr) + cases[i].payload;
		ck_assert_msg(cases[i].read((void *)bytes, cases[i].size) == -EBADMSG, "case %zu",
			      i);
		free(bytes);
	}
}
END_TEST

START_TEST(what_a_message_must_have_is_missed)
{
	static const struct {
		const uint8_t *bytes;
		size_t size;
		reader *read;
		size_t header;
		uint16_t type;
	} cases[] = {
		{ROW(veth_link), read_link, sizeof(struct ifinfomsg), IFLA_IFNAME},
		{ROW(veth_link), read_link, sizeof(struct ifinfomsg), IFLA_ADDRESS},
		{ROW(neighbour_v6), read_neighbour, sizeof(struct ndmsg), NDA_DST},
		{ROW(address_v6), read_address, sizeof(struct ifaddrmsg), IFA_ADDRESS},
	};
	uint8_t *bytes;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bytes = copy(cases[i].bytes, cases[i].size);
		attribute(bytes, cases[i].header, cases[i].type)->nla_type = 0x3fff;
		ck_assert_msg(cases[i].read((void *)bytes, cases[i].size) == -EBADMSG, "case %zu",
			      i);
		free(bytes);
	}
	/* Wireless events are links without an MTU. */
	bytes = copy(veth_link, sizeof(veth_link));
	attribute(bytes, sizeof(struct ifinfomsg), IFLA_MTU)->nla_type = 0x3fff;
	ck_assert_int_eq(read_link((void *)bytes, sizeof(veth_link)), -ENOMSG);
	free(bytes);
}
END_TEST

START_TEST(errors_carry_the_kernels_errno_or_are_refused)
{
	_Alignas(4) uint8_t buffer[64];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nlmsgerr *error = mnl_nlmsg_put_extra_header(message, sizeof(*error));

	message->nlmsg_type = NLMSG_ERROR;
	ck_assert_int_eq(message_read_error(message, message->nlmsg_len), 0);
	error->error = -EHOSTUNREACH;
	ck_assert_int_eq(message_read_error(message, message->nlmsg_len), -EHOSTUNREACH);
	error->error = 1;
	ck_assert_int_eq(message_read_error(message, message->nlmsg_len), -EBADMSG);
	message->nlmsg_len = sizeof(*message) + 2;
	ck_assert_int_eq(message_read_error(message, message->nlmsg_len), -EBADMSG);
}
END_TEST

RUN_TESTS("net_messages", a_veth_link_is_read_whole, a_vlan_device_names_its_number_and_its_parent,
	  another_kind_of_device_is_no_vlan, a_vlan_device_that_lies_about_itself_is_refused,
	  a_link_is_up_only_with_switch_carrier_and_operational_state,
	  what_a_bridge_says_of_its_ports_is_skipped, neighbours_of_every_state_are_read,
	  addresses_are_the_hosts_own_and_not_the_far_end,
	  answers_about_routes_give_type_device_gateway_source_and_mtu,
	  a_multipath_route_takes_the_first_hop_that_is_alive,
	  a_message_cut_short_anywhere_is_refused,
	  a_message_that_hides_its_cut_is_never_read_past_its_end,
	  any_byte_may_lie_and_no_reader_reads_past_the_end,
	  an_attribute_of_a_wrong_length_is_refused, what_a_message_must_have_is_missed,
	  errors_carry_the_kernels_errno_or_are_refused)
