/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which way a route, links and neighbours make together, from recorded messages, and what is said
 * of it.
 */
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include "base/mem.h"
#include "net/cache.h"
#include "net/way.h"
#include "unit/net_recorded.h"
#include "unit/net_vlan.h"
#include "unit/unit.h"

static struct cache *cache;

static void take(const void *message, size_t size)
{
	ck_assert_int_ge(cache_take(cache, message, size), 0);
}

static struct net_nexthop way_of(const void *message, size_t size, const char *address)
{
	struct net_nexthop way;
	struct net_route route;
	struct addr addr;

	ck_assert_int_eq(addr_parse(address, &addr), 0);
	ck_assert_int_eq(message_read_route(message, size, &route), 0);
	way_find(cache, &addr, &route, &way);
	return way;
}

static const char *text_of(const struct net_nexthop *way)
{
	static char text[128];

	return net_way_text(way, text);
}

#define WAY(route, address) way_of(route, sizeof(route), address)

START_TEST(recorded_messages_make_the_way_step_by_step)
{
	struct net_nexthop way;
	char text[ADDR_TEXT_SIZE];

	cache = cache_new();
	way = WAY(route_gateway_mtu, "10.20.1.1");
	ck_assert_int_eq(way.way, NET_WAY_LINK_DOWN);
	ck_assert_str_eq(text_of(&way), "an unknown device is down or has no carrier");
	take(veth_link, sizeof(veth_link));
	way = WAY(route_gateway_mtu, "10.20.1.1");
	ck_assert_int_eq(way.way, NET_WAY_RESOLVING);
	ck_assert_str_eq(text_of(&way), "neighbour 10.9.0.2 on v0 is not known yet");
	take(neighbour_reachable, sizeof(neighbour_reachable));
	way = WAY(route_gateway_mtu, "10.20.1.1");
	ck_assert_int_eq(way.way, NET_WAY_READY);
	ck_assert_str_eq(text_of(&way), "neighbour 10.9.0.2 on v0");
	ck_assert_str_eq(addr_format(&way.source, text), "10.9.0.1");
	ck_assert_uint_eq(way.mtu, 1400);
	ck_assert_uint_eq(way.device_mac[5], 0xa);
	ck_assert_uint_eq(way.neighbour_mac[5], 0xb);
	ck_assert_uint_eq(WAY(route_on_link, "10.9.0.2").mtu, 1500);
	take(neighbour_failed, sizeof(neighbour_failed));
	way = WAY(route_on_link, "10.9.0.77");
	ck_assert_int_eq(way.way, NET_WAY_FAILED);
	cache_free(cache);
}
END_TEST

START_TEST(a_link_local_gateway_is_looked_up_on_its_own_link)
{
	struct net_nexthop way;
	struct cache_neighbour *neighbour;

	cache = cache_new();
	take(veth_link, sizeof(veth_link));
	way = WAY(route_via_v6, "10.21.1.1");
	ck_assert_int_eq(way.way, NET_WAY_RESOLVING);
	neighbour = cache_want_neighbour(cache, way.ifindex + 1, &way.gateway);
	neighbour->reach = CACHE_VALID;
	ck_assert_int_eq(WAY(route_via_v6, "10.21.1.1").way, NET_WAY_RESOLVING);
	neighbour = cache_want_neighbour(cache, way.ifindex, &way.gateway);
	neighbour->reach = CACHE_VALID;
	ck_assert_int_eq(WAY(route_via_v6, "10.21.1.1").way, NET_WAY_READY);
	ck_assert_int_eq(WAY(route_v6_link_local, "2001:db8:20::1").way, NET_WAY_READY);
	cache_free(cache);
}
END_TEST

/* The route that leads over another device. */
static struct net_nexthop way_over(uint32_t ifindex)
{
	_Alignas(4) uint8_t route[sizeof(route_gateway_mtu)];
	struct nlattr *attr;

	memcpy(route, route_gateway_mtu, sizeof(route));
	mnl_attr_for_each(attr, (struct nlmsghdr *)route, sizeof(struct rtmsg))
	{
		if (mnl_attr_get_type(attr) == RTA_OIF)
			*(uint32_t *)mnl_attr_get_payload(attr) = ifindex;
	}
	return WAY(route, "10.20.1.1");
}

static void take_vlan(struct vlan_shape shape)
{
	_Alignas(4) uint8_t link[512];
	struct nlmsghdr *message = vlan_link(link, shape);

	take(message, message->nlmsg_len);
}

START_TEST(a_way_over_a_vlan_device_leaves_by_its_parent_with_a_tag)
{
	struct net_device device;
	struct net_nexthop way;
	char why[160];

	cache = cache_new();
	take_vlan((struct vlan_shape){VLAN});
	way = way_over(9);
	ck_assert_int_eq(way.way, NET_WAY_VLAN);
	ck_assert_str_eq(text_of(&way), "eth0.7 is VLAN 7 of a device elsewhere");
	take(veth_link, sizeof(veth_link)); /* ifindex 2, the parent */
	way = way_over(9);
	ck_assert_int_eq(way.way, NET_WAY_RESOLVING);
	ck_assert_uint_eq(way.ifindex, 9);
	ck_assert_str_eq(way.device, "eth0.7");
	ck_assert_str_eq(way.parent, "v0");
	ck_assert_str_eq(net_way_out(&way), "v0");
	ck_assert_uint_eq(way.parent_ifindex, 2);
	ck_assert_uint_eq(way.tag_count, 1);
	ck_assert_uint_eq(way.tags[0].protocol, 0x8100);
	ck_assert_uint_eq(way.tags[0].id, 7);
	ck_assert(way_device(cache, "eth0.7", &device));
	ck_assert(device.is_vlan && device.is_up && device.has_ethernet && !device.carries_vlans);
	ck_assert_str_eq(device.parent, "v0");
	ck_assert_str_eq(net_device_fault(&device, why),
			 "is a VLAN device of v0: list that one, with `vlans: [7]`");
	ck_assert(way_device(cache, "v0", &device));
	ck_assert(device.carries_vlans);
	ck_assert_ptr_null(net_device_fault(&device, why));
	ck_assert(!way_device(cache, "eth0", &device));
	cache_free(cache);
}
END_TEST

START_TEST(vlan_devices_on_one_another_give_two_tags_and_no_more)
{
	struct net_device device;
	struct net_nexthop way;
	char why[160];

	cache = cache_new();
	take(veth_link, sizeof(veth_link));
	take_vlan((struct vlan_shape){VLAN, .protocol = 0x88a8, .id = 100, .name = "v0.100"});
	take_vlan((struct vlan_shape){VLAN, .ifindex = 10, .parent = 9, .name = "v0.100.7"});
	way = way_over(10);
	ck_assert_int_eq(way.way, NET_WAY_RESOLVING);
	ck_assert_str_eq(net_way_out(&way), "v0");
	ck_assert_uint_eq(way.parent_ifindex, 2);
	ck_assert_uint_eq(way.tag_count, 2);
	ck_assert(way.tags[0].protocol == 0x88a8 && way.tags[0].id == 100);
	ck_assert(way.tags[1].protocol == 0x8100 && way.tags[1].id == 7);
	ck_assert(way_device(cache, "v0.100.7", &device));
	ck_assert_str_eq(net_device_fault(&device, why),
			 "is a VLAN device of v0: list that one, with `vlans: [100]`");
	take_vlan((struct vlan_shape){VLAN, .ifindex = 11, .parent = 10, .name = "v0.100.7.8"});
	way = way_over(11);
	ck_assert_int_eq(way.way, NET_WAY_VLAN);
	ck_assert_uint_eq(way.tag_count, 0);
	ck_assert_str_eq(text_of(&way), "v0.100.7.8 is on v0 with more than 2 VLAN tags");
	cache_free(cache);
}
END_TEST

START_TEST(a_device_with_vlan_devices_on_it_is_told_from_one_without)
{
	cache = cache_new();
	take(veth_link, sizeof(veth_link));
	ck_assert(!way_over(2).carries_vlans);
	ck_assert_uint_eq(way_over(2).tag_count, 0);
	ck_assert_str_eq(way_over(2).parent, "");
	take_vlan((struct vlan_shape){VLAN});
	ck_assert(way_over(2).carries_vlans);
	ck_assert(!way_over(9).carries_vlans);
	cache_free(cache);
}
END_TEST

START_TEST(vlan_devices_that_name_each_other_are_no_way)
{
	cache = cache_new();
	take_vlan((struct vlan_shape){VLAN, .ifindex = 9, .parent = 10});
	take_vlan((struct vlan_shape){VLAN, .ifindex = 10, .parent = 9, .name = "eth0.8"});
	ck_assert_int_eq(way_over(9).way, NET_WAY_VLAN);
	cache_free(cache);
}
END_TEST

START_TEST(what_is_no_way_is_named)
{
	static const struct {
		const uint8_t *route;
		size_t size;
		enum net_way way;
		const char *text;
	} cases[] = {
		{route_local, sizeof(route_local), NET_WAY_LOCAL,
		 "10.41.0.1 is an address of this host"},
		{route_broadcast, sizeof(route_broadcast), NET_WAY_NO_ROUTE,
		 "no route to 10.41.0.1"},
		{route_blackhole, sizeof(route_blackhole), NET_WAY_NO_ROUTE,
		 "no route to 10.41.0.1"},
		{route_prohibit, sizeof(route_prohibit), NET_WAY_NO_ROUTE, "no route to 10.41.0.1"},
		{route_encapsulated, sizeof(route_encapsulated), NET_WAY_NO_ETHERNET,
		 "the way over v0 is a tunnel or has no Ethernet header"},
	};

	cache = cache_new();
	take(veth_link, sizeof(veth_link));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_nexthop way = way_of(cases[i].route, cases[i].size, "10.41.0.1");

		ck_assert_int_eq(way.way, cases[i].way);
		ck_assert_str_eq(text_of(&way), cases[i].text);
	}
	cache_free(cache);
}
END_TEST

START_TEST(the_longest_sentence_fits)
{
	struct net_nexthop way = {.device = "fifteen-letters",
				  .parent = "fifteen-letters",
				  .vlan_id = 4095,
				  .gateway = {.family = 6}};

	memset(way.gateway.bytes, 0xff, sizeof(way.gateway.bytes));
	for (way.way = NET_WAY_READY; way.way < NET_WAYS; way.way++)
		ck_assert_uint_lt(strlen(text_of(&way)), 120);
}
END_TEST

RUN_TESTS("net_way", recorded_messages_make_the_way_step_by_step,
	  a_link_local_gateway_is_looked_up_on_its_own_link,
	  a_way_over_a_vlan_device_leaves_by_its_parent_with_a_tag,
	  vlan_devices_on_one_another_give_two_tags_and_no_more,
	  a_device_with_vlan_devices_on_it_is_told_from_one_without,
	  vlan_devices_that_name_each_other_are_no_way, what_is_no_way_is_named,
	  the_longest_sentence_fits)
