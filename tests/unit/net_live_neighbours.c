/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Neighbours of a real kernel: found, lost, permanent, and never asked for too often. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>

#include "unit/support/near_far.h"

START_TEST(a_real_neighbour_of_either_family_is_found_by_a_probe)
{
	static const struct {
		const char *address, *source;
	} cases[] = {{"10.9.0.2", "10.9.0.1"}, {"2001:db8:9::2", "2001:db8:9::1"}};

	start();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_nexthop way = way_to(cases[i].address);
		char text[ADDR_TEXT_SIZE];

		ck_assert_int_eq(way.way, NET_WAY_RESOLVING);
		way = wait_for(cases[i].address, NET_WAY_READY);
		ck_assert_mem_eq(way.neighbour_mac, mac_far, 6);
		ck_assert_str_eq(way.device, "near");
		ck_assert_uint_eq(way.ifindex, if_nametoindex("near"));
		ck_assert_uint_eq(way.device_mac[5], 0xa);
		ck_assert_str_eq(addr_format(&way.gateway, text), cases[i].address);
		ck_assert_str_eq(addr_format(&way.source, text), cases[i].source);
		ck_assert_uint_eq(way.mtu, 1500);
	}
	stop();
}
END_TEST

START_TEST(gateways_are_resolved_also_link_local_ones_and_ipv6_ones_of_ipv4)
{
	static const struct {
		const char *address, *gateway;
		uint32_t mtu;
	} cases[] = {
		{"10.20.0.1", "10.9.0.2", 1400},
		{"10.21.0.1", "fe80::ff:fe00:b", 1500},
		{"2001:db8:20::1", "fe80::ff:fe00:b", 1500},
		{"2001:db8:21::1", "2001:db8:9::2", 1300},
	};

	start();
	ip("route add 10.20.0.0/16 via 10.9.0.2 mtu 1400");
	ip("route add 10.21.0.0/16 via inet6 fe80::ff:fe00:b dev near");
	ip("-6 route add 2001:db8:20::/48 via fe80::ff:fe00:b dev near");
	ip("-6 route add 2001:db8:21::/48 via 2001:db8:9::2 mtu 1300");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_nexthop way = wait_for(cases[i].address, NET_WAY_READY);
		char text[ADDR_TEXT_SIZE];

		ck_assert_str_eq(addr_format(&way.gateway, text), cases[i].gateway);
		ck_assert_mem_eq(way.neighbour_mac, mac_far, 6);
		ck_assert_uint_eq(way.mtu, cases[i].mtu);
	}
	stop();
}
END_TEST

START_TEST(a_silent_neighbour_fails_stays_failed_and_is_found_when_it_comes)
{
	struct net_nexthop way;

	start();
	ck_assert_int_eq(way_to("10.9.0.77").way, NET_WAY_RESOLVING);
	way = wait_for("10.9.0.77", NET_WAY_FAILED);
	ck_assert_str_eq(text_of(&way), "neighbour 10.9.0.77 on near does not answer");
	/* Tried again and again it does not flap. */
	for (int i = 0; i < 3; i++) {
		way = way_to("10.9.0.77");
		ck_assert_int_eq(way.way, NET_WAY_FAILED);
		ck_assert_int_eq(net_probe(net, &way, now_ms() + 5000 * (i + 1)), 0);
		ck_assert(!changes_within(400));
	}
	wait_for("2001:db8:9::77", NET_WAY_FAILED);
	enter(far_ns);
	ip("addr add 10.9.0.77/24 dev far");
	enter(near_ns);
	net_close(net);
	ck_assert_int_eq(net_open(&net, &problems), 0);
	wait_for("10.9.0.77", NET_WAY_READY);
	stop();
}
END_TEST

START_TEST(probes_are_a_second_apart)
{
	struct net_nexthop way;
	uint64_t now = now_ms();

	start();
	ip("neigh add 10.9.0.2 lladdr 02:00:00:00:00:0b dev near nud stale");
	changes_within(100);
	way = way_to("10.9.0.2");
	ck_assert_int_eq(way.way, NET_WAY_READY);
	ck_assert_int_eq(net_probe(net, &way, now), 0);
	/* Confirmed it would be left alone; make it stale again. */
	ip("neigh replace 10.9.0.2 lladdr 02:00:00:00:00:0b dev near nud stale");
	changes_within(100);
	/* A probe would fail now, so that one that is not sent shows. */
	ip("link del near");
	ck_assert_int_eq(net_probe(net, &way, now + 999), 0);
	ck_assert_int_eq(net_probe(net, &way, now + 1000), -ENODEV);
	stop();
}
END_TEST

/* Lines of `ip neigh` about permanent neighbours. */
static int count_permanent(void)
{
	FILE *list = popen("ip neigh show nud permanent", "re");
	int count = 0;

	ck_assert_ptr_nonnull(list);
	for (int c = getc(list); c != EOF; c = getc(list))
		count += c == '\n';
	ck_assert_int_eq(pclose(list), 0);
	return count;
}

START_TEST(a_permanent_neighbour_is_ready_and_left_permanent)
{
	struct net_nexthop way;

	start();
	ip("neigh add 10.9.0.9 lladdr 02:00:00:00:00:09 dev near nud permanent");
	ck_assert(!changes_within(100));
	way = way_to("10.9.0.9");
	ck_assert_int_eq(way.way, NET_WAY_READY);
	ck_assert_uint_eq(way.neighbour_mac[5], 9);
	ck_assert_int_eq(net_probe(net, &way, now_ms()), 0);
	ck_assert(!changes_within(200));
	ck_assert_int_eq(count_permanent(), 1);
	/* The kernel tells a deletion as a failure first. */
	ip("neigh del 10.9.0.9 dev near");
	ck_assert(changes_within(200));
	ck_assert_int_eq(way_to("10.9.0.9").way, NET_WAY_FAILED);
	stop();
}
END_TEST

START_TEST(a_new_mac_address_is_a_change_and_a_new_state_is_none)
{
	start();
	wait_for("10.9.0.2", NET_WAY_READY);
	changes_within(200);
	ip("neigh replace 10.9.0.2 lladdr 02:00:00:00:00:0b dev near nud stale");
	ip("neigh replace 10.9.0.2 lladdr 02:00:00:00:00:0b dev near nud reachable");
	ck_assert(!changes_within(200));
	ip("neigh replace 10.9.0.2 lladdr 02:00:00:00:00:0c dev near nud reachable");
	ck_assert(changes_within(200));
	ck_assert_uint_eq(way_to("10.9.0.2").neighbour_mac[5], 0xc);
	stop();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_real_neighbour_of_either_family_is_found_by_a_probe,
		gateways_are_resolved_also_link_local_ones_and_ipv6_ones_of_ipv4,
		a_silent_neighbour_fails_stays_failed_and_is_found_when_it_comes,
		probes_are_a_second_apart,
		a_permanent_neighbour_is_ready_and_left_permanent,
		a_new_mac_address_is_a_change_and_a_new_state_is_none,
	};

	return near_far_run("net_live_neighbours", tests, ARRAY_SIZE(tests));
}
