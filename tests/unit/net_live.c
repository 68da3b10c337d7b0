/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ways through a real kernel: routes, links, and what it tells or fails to. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit/support/near_far.h"

START_TEST(a_link_without_carrier_and_one_switched_off_are_told_apart_from_no_route)
{
	struct net_nexthop way;

	start();
	ip("route add 10.20.0.0/16 via 10.9.0.2");
	wait_for("10.20.0.1", NET_WAY_READY);
	enter(far_ns);
	ip("link set far down");
	enter(near_ns);
	way = wait_for("10.20.0.1", NET_WAY_LINK_DOWN);
	ck_assert_str_eq(text_of(&way), "near is down or has no carrier");
	enter(far_ns);
	ip("link set far up");
	enter(near_ns);
	wait_for("10.20.0.1", NET_WAY_READY);
	/* The kernel withdraws the routes of a device that is switched off. */
	ip("link set near down");
	ck_assert(changes_within(200));
	ck_assert_int_eq(way_to("10.20.0.1").way, NET_WAY_NO_ROUTE);
	stop();
}
END_TEST

START_TEST(a_route_that_goes_is_a_change)
{
	struct net_nexthop way;

	start();
	ip("route add 10.20.0.0/16 via 10.9.0.2");
	ip("-6 route add 2001:db8:20::/48 via 2001:db8:9::2");
	wait_for("10.20.0.1", NET_WAY_READY);
	wait_for("2001:db8:20::1", NET_WAY_READY);
	changes_within(200);
	ip("route del 10.20.0.0/16");
	ck_assert(changes_within(200));
	way = way_to("10.20.0.1");
	ck_assert_int_eq(way.way, NET_WAY_NO_ROUTE);
	ck_assert_uint_eq(way.ifindex, 0);
	ck_assert_str_eq(text_of(&way), "no route to 10.20.0.1");
	ip("-6 route del 2001:db8:20::/48");
	ck_assert(changes_within(200));
	ck_assert_int_eq(way_to("2001:db8:20::1").way, NET_WAY_NO_ROUTE);
	/* A rule moves addresses to another table without a change of any route. */
	ip("route add 10.20.0.0/16 via 10.9.0.2 table 77");
	changes_within(200);
	ip("rule add to 10.20.0.0/16 lookup 77");
	ck_assert(changes_within(200));
	ck_assert_int_eq(way_to("10.20.0.1").way, NET_WAY_READY);
	stop();
}
END_TEST

START_TEST(routes_that_refuse_are_no_route_and_own_addresses_are_local)
{
	static const char *const refusing[] = {"10.40.0.1",	 "10.41.0.1",	   "10.42.0.1",
					       "10.50.0.1",	 "2001:db8:40::1", "2001:db8:41::1",
					       "2001:db8:42::1", "2001:db8:50::1", "10.9.0.255"};
	static const char *const own[] = {"10.9.0.1", "2001:db8:9::1", "127.0.0.1"};
	static const char *const types[] = {"unreachable", "blackhole", "prohibit"};
	char device[NET_NAME_SIZE] = "";
	struct addr addr;

	start();
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		ip("route add %s 10.4%zu.0.0/24", types[i], i);
		ip("-6 route add %s 2001:db8:4%zu::/48", types[i], i);
	}
	for (size_t i = 0; i < ARRAY_SIZE(refusing); i++)
		ck_assert_msg(way_to(refusing[i]).way == NET_WAY_NO_ROUTE, "%s", refusing[i]);
	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		ck_assert_msg(way_to(own[i]).way == NET_WAY_LOCAL, "%s", own[i]);
		ck_assert_int_eq(addr_parse(own[i], &addr), 0);
		ck_assert(net_has_address(net, &addr, device));
		ck_assert_str_eq(device, i < 2 ? "near" : "lo");
	}
	ck_assert_int_eq(addr_parse("10.9.0.2", &addr), 0);
	ck_assert(!net_has_address(net, &addr, device));
	ip("addr add 10.9.0.3/24 dev near");
	ck_assert(changes_within(200));
	ck_assert_int_eq(way_to("10.9.0.3").way, NET_WAY_LOCAL);
	stop();
}
END_TEST

/* The socket that asks: the one opened last. */
static int asking_socket(void)
{
	int found = -1;

	for (int fd = 0; fd < 64; fd++) {
		int domain;
		socklen_t size = sizeof(domain);

		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
		    domain == AF_NETLINK)
			found = fd;
	}
	return found;
}

START_TEST(a_kernel_that_cannot_be_asked_is_told_apart_from_no_route)
{
	int asks, saved, other = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct net_nexthop way;

	start();
	asks = asking_socket();
	saved = dup(asks);
	ck_assert_int_eq(dup2(other, asks), asks);
	way = way_to("10.9.0.2");
	ck_assert_int_eq(way.way, NET_WAY_UNKNOWN);
	ck_assert_int_eq(way.error, -ENOTSOCK);
	ck_assert_str_eq(text_of(&way), "the kernel does not tell the route to 10.9.0.2: "
					"Socket operation on non-socket");
	ck_assert_int_eq(net_probe(net, &way, now_ms()), 0);
	ck_assert_int_eq(dup2(saved, asks), asks);
	close(saved);
	close(other);
	wait_for("10.9.0.2", NET_WAY_READY);
	stop();
}
END_TEST

START_TEST(a_way_over_a_device_without_ethernet_is_said)
{
	struct net_nexthop way;

	start();
	ip("route add 10.60.0.0/16 dev lo");
	way = way_to("10.60.0.1");
	ck_assert_int_eq(way.way, NET_WAY_NO_ETHERNET);
	ck_assert_str_eq(text_of(&way), "the way over lo is a tunnel or has no Ethernet header");
	stop();
}
END_TEST

/* Turns a feature on or off, by its name. */
static void set_offload(const char *device, const char *feature, const char *state)
{
	char command[128];

	snprintf(command, sizeof(command), "ethtool -K %s %s %s >/dev/null", device, feature,
		 state);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(offloads_that_take_tags_off_are_told_apart)
{
	start();
	set_offload("near", "rx-vlan-hw-parse", "off");
	set_offload("near", "rx-vlan-stag-hw-parse", "off");
	ck_assert_uint_eq(net_strips(net, "near"), 0);
	set_offload("near", "rx-vlan-hw-parse", "on");
	ck_assert_uint_eq(net_strips(net, "near"), NET_STRIPS_CUSTOMER);
	set_offload("near", "rx-vlan-stag-hw-parse", "on");
	ck_assert_uint_eq(net_strips(net, "near"), NET_STRIPS_CUSTOMER | NET_STRIPS_PROVIDER);
	set_offload("near", "rx-vlan-hw-parse", "off");
	ck_assert_uint_eq(net_strips(net, "near"), NET_STRIPS_PROVIDER);
	ck_assert_uint_eq(net_strips(net, "lo"), 0);
	ck_assert_uint_eq(net_strips(net, "none"), 0);
	stop();
}
END_TEST

START_TEST(a_device_is_described)
{
	struct net_device device = {0};

	start();
	ck_assert_int_eq(net_device(net, "none", &device), -ENODEV);
	ck_assert_int_eq(net_device(net, "near", &device), 0);
	ck_assert(device.has_ethernet && !device.is_vlan);
	ck_assert_str_eq(device.name, "near");
	ck_assert_str_eq(device.parent, "");
	ck_assert_uint_eq(device.mtu, 1500);
	ck_assert_uint_eq(device.mac[5], 0xa);
	ck_assert_uint_eq(device.ifindex, if_nametoindex("near"));
	ck_assert_int_eq(net_device(net, "lo", &device), 0);
	ck_assert(!device.has_ethernet);
	stop();
}
END_TEST

/* More than the socket's buffer holds, by one `ip -batch`, while nobody reads. */
static void lose_messages(void)
{
	char path[] = "/tmp/net_live.XXXXXX";
	FILE *batch = fdopen(mkstemp(path), "w");

	ck_assert_ptr_nonnull(batch);
	for (int i = 0; i < 4000; i++)
		fprintf(batch, "link set near mtu %d\n", 1400 + i % 2);
	fprintf(batch, "link set near mtu 1280\n");
	/* The last IPv4 address takes the neighbours along, so they come after it. */
	fprintf(batch, "addr del 10.9.0.1/24 dev near\naddr add 10.9.0.5/24 dev near\n");
	fprintf(batch, "neigh replace 10.9.0.2 lladdr 02:00:00:00:00:0d dev near nud permanent\n");
	fclose(batch);
	ip("-batch %s", path);
	unlink(path);
}

START_TEST(lost_messages_are_made_up_for_by_a_new_dump)
{
	struct pollfd readable = {.events = POLLIN};
	char device[NET_NAME_SIZE];
	struct net_nexthop way;
	struct addr addr;

	start();
	ip("neigh replace 10.9.0.2 lladdr 02:00:00:00:00:0b dev near nud permanent");
	changes_within(100);
	ck_assert_uint_eq(way_to("10.9.0.2").neighbour_mac[5], 0xb);
	lose_messages();
	/* The descriptor is readable and nothing else, whatever the socket inside it has. */
	readable.fd = net_fd(net);
	ck_assert_int_eq(poll(&readable, 1, 0), 1);
	ck_assert_int_eq(readable.revents, POLLIN);
	ck_assert_int_eq(net_input(net, &problems), 1);
	way = way_to("10.9.0.2");
	ck_assert_int_eq(way.way, NET_WAY_READY);
	ck_assert_uint_eq(way.neighbour_mac[5], 0xd);
	ck_assert_uint_eq(way.mtu, 1280);
	ck_assert_int_eq(addr_parse("10.9.0.1", &addr), 0);
	ck_assert(!net_has_address(net, &addr, device));
	ck_assert_int_eq(addr_parse("10.9.0.5", &addr), 0);
	ck_assert(net_has_address(net, &addr, device));
	ck_assert_int_eq(net_input(net, &problems), 0);
	stop();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_link_without_carrier_and_one_switched_off_are_told_apart_from_no_route,
		a_route_that_goes_is_a_change,
		routes_that_refuse_are_no_route_and_own_addresses_are_local,
		a_kernel_that_cannot_be_asked_is_told_apart_from_no_route,
		a_way_over_a_device_without_ethernet_is_said,
		a_device_is_described,
		offloads_that_take_tags_off_are_told_apart,
		lost_messages_are_made_up_for_by_a_new_dump,
	};

	return near_far_run("net_live", tests, ARRAY_SIZE(tests));
}
