/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The view of links, neighbours and addresses: which messages count as a change, and what a new
 * dump forgets.
 */
#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "base/mem.h"
#include "net/cache.h"
#include "unit/net_recorded.h"
#include "unit/unit.h"

static struct cache *cache;
static _Alignas(4) uint8_t buffer[256];
static const struct addr gateway = {.family = 4, .bytes = {10, 9, 0, 2}};
static const struct addr stranger = {.family = 4, .bytes = {10, 9, 0, 99}};

static int take(const struct nlmsghdr *message)
{
	return cache_take(cache, message, message->nlmsg_len);
}

static int take_bytes(const uint8_t *bytes)
{
	return take((const struct nlmsghdr *)bytes);
}

static int link_is(uint16_t type, uint32_t ifindex, const char *name, uint32_t mtu,
		   unsigned int flags)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));

	message->nlmsg_type = type;
	info->ifi_index = ifindex;
	info->ifi_type = ARPHRD_ETHER;
	info->ifi_flags = flags;
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	mnl_attr_put_u32(message, IFLA_MTU, mtu);
	mnl_attr_put(message, IFLA_ADDRESS, sizeof(mac), mac);
	return take(message);
}

static int address_is(uint16_t type, uint8_t length, uint32_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));

	message->nlmsg_type = type;
	info->ifa_family = AF_INET;
	info->ifa_index = 2;
	info->ifa_prefixlen = length;
	mnl_attr_put(message, IFA_LOCAL, 4, gateway.bytes);
	mnl_attr_put_u32(message, IFA_FLAGS, flags);
	return take(message);
}

/* `last`: the last byte of the MAC address; 0: none is known. */
static int neighbour_is(uint16_t type, const struct addr *addr, uint16_t state, uint8_t last)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, last};
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ndmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));

	message->nlmsg_type = type;
	info->ndm_family = AF_INET;
	info->ndm_ifindex = 2;
	info->ndm_state = state;
	mnl_attr_put(message, NDA_DST, 4, addr->bytes);
	if (last)
		mnl_attr_put(message, NDA_LLADDR, sizeof(mac), mac);
	return take(message);
}

static void start(void)
{
	cache = cache_new();
	ck_assert_int_eq(take_bytes(veth_link), 1);
}

static enum cache_reach reach(void)
{
	return cache_want_neighbour(cache, 2, &gateway)->reach;
}

START_TEST(only_what_matters_of_a_link_is_a_change)
{
	const unsigned int up = IFF_UP | IFF_LOWER_UP;

	start();
	ck_assert_int_eq(take_bytes(veth_link), 0);
	ck_assert_int_eq(take_bytes(bridge_port_link), 0);
	ck_assert_int_eq(link_is(RTM_NEWLINK, 3, "a", 1500, 0), 1);
	ck_assert_int_eq(link_is(RTM_NEWLINK, 3, "a", 1500, IFF_PROMISC), 0);
	ck_assert_int_eq(link_is(RTM_NEWLINK, 3, "a", 1500, up), 1);
	ck_assert_int_eq(link_is(RTM_NEWLINK, 3, "a", 1400, up), 1);
	ck_assert_int_eq(link_is(RTM_NEWLINK, 3, "b", 1400, up), 1);
	ck_assert_ptr_null(cache_link_named(cache, "a"));
	ck_assert_uint_eq(cache_link_named(cache, "b")->mtu, 1400);
	ck_assert_int_eq(link_is(RTM_DELLINK, 3, "b", 1400, 0), 1);
	ck_assert_int_eq(link_is(RTM_DELLINK, 3, "b", 1400, 0), 0);
	ck_assert_ptr_null(cache_link(cache, 3));
	cache_free(cache);
}
END_TEST

START_TEST(a_bridge_port_that_leaves_is_no_device_that_goes)
{
	_Alignas(4) uint8_t bytes[sizeof(bridge_port_unlink)];

	start();
	memcpy(bytes, bridge_port_unlink, sizeof(bytes));
	((struct ifinfomsg *)(bytes + NLMSG_HDRLEN))->ifi_index = 2;
	ck_assert_int_eq(take_bytes(bytes), 0);
	ck_assert_ptr_nonnull(cache_link(cache, 2));
	cache_free(cache);
}
END_TEST

START_TEST(a_neighbour_nobody_asked_for_wakes_nobody)
{
	start();
	ck_assert_int_eq(neighbour_is(RTM_NEWNEIGH, &stranger, NUD_INCOMPLETE, 0), 0);
	ck_assert_int_eq(neighbour_is(RTM_NEWNEIGH, &stranger, NUD_REACHABLE, 9), 0);
	ck_assert_int_eq(neighbour_is(RTM_NEWNEIGH, &stranger, NUD_FAILED, 0), 0);
	ck_assert_int_eq(neighbour_is(RTM_DELNEIGH, &stranger, NUD_FAILED, 0), 0);
	ck_assert_int_eq(neighbour_is(RTM_DELNEIGH, &stranger, NUD_FAILED, 0), 0);
	cache_free(cache);
}
END_TEST

START_TEST(only_validity_and_mac_of_a_neighbour_are_a_change)
{
	static const uint16_t valid[] = {NUD_STALE, NUD_DELAY,	   NUD_PROBE,	 NUD_REACHABLE,
					 NUD_NOARP, NUD_PERMANENT, NUD_REACHABLE};

	start();
	ck_assert_int_eq(reach(), CACHE_UNKNOWN);
	ck_assert_int_eq(neighbour_is(RTM_NEWNEIGH, &gateway, NUD_INCOMPLETE, 0), 0);
	ck_assert_int_eq(neighbour_is(RTM_NEWNEIGH, &gateway, NUD_REACHABLE, 0), 0);
	ck_assert_int_eq(reach(), CACHE_UNKNOWN);
	ck_assert_int_eq(neighbour_is(RTM_NEWNEIGH, &gateway, NUD_REACHABLE, 11), 1);
	ck_assert_int_eq(reach(), CACHE_VALID);
	for (size_t i = 0; i < ARRAY_SIZE(valid); i++)
		ck_assert_int_eq(neighbour_is(RTM_NEWNEIGH, &gateway, valid[i], 11), 0);
	ck_assert_int_eq(neighbour_is(RTM_NEWNEIGH, &gateway, NUD_STALE, 12), 1);
	ck_assert_uint_eq(cache_want_neighbour(cache, 2, &gateway)->last.mac[5], 12);
	ck_assert_int_eq(neighbour_is(RTM_NEWNEIGH, &gateway, NUD_FAILED, 12), 1);
	ck_assert_int_eq(reach(), CACHE_FAILED);
	cache_free(cache);
}
END_TEST

START_TEST(a_neighbour_that_failed_stays_failed_until_it_answers)
{
	start();
	ck_assert_int_eq(reach(), CACHE_UNKNOWN);
	ck_assert_int_eq(neighbour_is(RTM_NEWNEIGH, &gateway, NUD_FAILED, 0), 1);
	ck_assert_int_eq(neighbour_is(RTM_NEWNEIGH, &gateway, NUD_INCOMPLETE, 0), 0);
	ck_assert_int_eq(reach(), CACHE_FAILED);
	ck_assert_int_eq(neighbour_is(RTM_DELNEIGH, &gateway, NUD_FAILED, 0), 0);
	ck_assert_int_eq(reach(), CACHE_FAILED);
	ck_assert_int_eq(neighbour_is(RTM_NEWNEIGH, &gateway, NUD_REACHABLE, 11), 1);
	ck_assert_int_eq(neighbour_is(RTM_DELNEIGH, &gateway, NUD_STALE, 11), 1);
	ck_assert_int_eq(reach(), CACHE_UNKNOWN);
	cache_free(cache);
}
END_TEST

START_TEST(addresses_count_when_they_come_go_or_become_usable)
{
	start();
	ck_assert_int_eq(address_is(RTM_NEWADDR, 24, IFA_F_TENTATIVE), 1);
	ck_assert_int_eq(address_is(RTM_NEWADDR, 24, 0), 1);
	ck_assert_int_eq(address_is(RTM_NEWADDR, 24, IFA_F_PERMANENT), 0);
	ck_assert_uint_eq(cache_address(cache, &gateway)->ifindex, 2);
	/* The same address with another prefix is another one. */
	ck_assert_int_eq(address_is(RTM_NEWADDR, 32, 0), 1);
	ck_assert_int_eq(address_is(RTM_DELADDR, 24, 0), 1);
	ck_assert_ptr_nonnull(cache_address(cache, &gateway));
	ck_assert_int_eq(address_is(RTM_DELADDR, 32, 0), 1);
	ck_assert_int_eq(address_is(RTM_DELADDR, 32, 0), 0);
	ck_assert_ptr_null(cache_address(cache, &gateway));
	cache_free(cache);
}
END_TEST

START_TEST(routes_rules_and_next_hops_always_count)
{
	static const uint16_t types[] = {RTM_NEWROUTE, RTM_DELROUTE,   RTM_NEWRULE,
					 RTM_DELRULE,  RTM_NEWNEXTHOP, RTM_DELNEXTHOP};

	start();
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

		message->nlmsg_type = types[i];
		ck_assert_int_eq(take(message), 1);
	}
	cache_free(cache);
}
END_TEST

START_TEST(other_messages_are_ignored_and_broken_ones_refused)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

	start();
	for (unsigned int type = 0; type <= UINT16_MAX; type++) {
		message->nlmsg_type = type;
		if (type < RTM_BASE || type > RTM_DELNEXTHOP)
			ck_assert_int_eq(take(message), 0);
	}
	message->nlmsg_type = RTM_NEWLINK;
	ck_assert_int_eq(take(message), -EBADMSG);
	message->nlmsg_len = 15;
	ck_assert_int_eq(take(message), -EBADMSG);
	ck_assert_int_eq(cache_take(cache, (const void *)veth_link, 15), -EBADMSG);
	ck_assert_int_eq(cache_take(cache, (const void *)veth_link, 1000), -EBADMSG);
	cache_free(cache);
}
END_TEST

START_TEST(a_new_dump_forgets_what_it_does_not_name)
{
	start();
	ck_assert_int_eq(link_is(RTM_NEWLINK, 3, "a", 1500, 0), 1);
	ck_assert_int_eq(address_is(RTM_NEWADDR, 24, 0), 1);
	ck_assert_int_eq(reach(), CACHE_UNKNOWN);
	ck_assert_int_eq(neighbour_is(RTM_NEWNEIGH, &gateway, NUD_REACHABLE, 11), 1);
	ck_assert_int_eq(neighbour_is(RTM_NEWNEIGH, &stranger, NUD_REACHABLE, 12), 0);

	cache_begin(cache);
	ck_assert_int_eq(take_bytes(veth_link), 0);
	cache_sweep(cache);
	ck_assert_ptr_nonnull(cache_link(cache, 2));
	ck_assert_ptr_null(cache_link(cache, 3));
	ck_assert_ptr_null(cache_address(cache, &gateway));
	ck_assert_int_eq(reach(), CACHE_UNKNOWN);
	ck_assert_int_eq(cache_want_neighbour(cache, 2, &stranger)->reach, CACHE_UNKNOWN);

	cache_begin(cache);
	cache_sweep(cache);
	ck_assert_ptr_null(cache_link(cache, 2));
	cache_free(cache);
}
END_TEST

START_TEST(a_device_takes_its_neighbours_and_addresses_along)
{
	start();
	ck_assert_int_eq(reach(), CACHE_UNKNOWN);
	ck_assert_int_eq(neighbour_is(RTM_NEWNEIGH, &gateway, NUD_REACHABLE, 11), 1);
	ck_assert_int_eq(address_is(RTM_NEWADDR, 24, 0), 1);
	ck_assert_int_eq(link_is(RTM_DELLINK, 2, "v0", 1500, 0), 1);
	ck_assert_ptr_null(cache_address(cache, &gateway));
	ck_assert_int_eq(reach(), CACHE_UNKNOWN);
	cache_free(cache);
}
END_TEST

START_TEST(ten_thousand_neighbours_come_and_go)
{
	start();
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < 10000; i++) {
			struct addr addr = {.family = 4, .bytes = {10, 1, i / 256, i % 256}};

			ck_assert_int_eq(neighbour_is(RTM_NEWNEIGH, &addr, NUD_STALE, 7), 0);
		}
		for (unsigned int i = 0; i < 10000; i++) {
			struct addr addr = {.family = 4, .bytes = {10, 1, i / 256, i % 256}};

			if (i % 3)
				neighbour_is(RTM_DELNEIGH, &addr, NUD_STALE, 7);
		}
	}
	for (unsigned int i = 0; i < 10000; i++) {
		struct addr addr = {.family = 4, .bytes = {10, 1, i / 256, i % 256}};

		ck_assert_int_eq(cache_want_neighbour(cache, 2, &addr)->reach,
				 i % 3 ? CACHE_UNKNOWN : CACHE_VALID);
	}
	cache_free(cache);
}
END_TEST

RUN_TESTS("net_cache", only_what_matters_of_a_link_is_a_change,
	  a_bridge_port_that_leaves_is_no_device_that_goes,
	  a_neighbour_nobody_asked_for_wakes_nobody,
	  only_validity_and_mac_of_a_neighbour_are_a_change,
	  a_neighbour_that_failed_stays_failed_until_it_answers,
	  addresses_count_when_they_come_go_or_become_usable,
	  routes_rules_and_next_hops_always_count,
	  other_messages_are_ignored_and_broken_ones_refused,
	  a_new_dump_forgets_what_it_does_not_name,
	  a_device_takes_its_neighbours_and_addresses_along, ten_thousand_neighbours_come_and_go)
