/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way out for marked packets, and what the kernel takes back, by a real kernel. */
#include <net/if.h>
#include <stdlib.h>

#include "net/marked.h"
#include "unit/support/near_far.h"

static const struct net_mark mark = {.value = 0x51750000, .mask = 0xffff8000};
static const struct net_mark of_one = {.value = 0x51750007, .mask = 0xffff8000};
static const struct net_mark other = {.value = 0x51740007, .mask = 0xffff8000};

static struct addr address(const char *text)
{
	struct addr addr;

	ck_assert_int_eq(addr_parse(text, &addr), 0);
	return addr;
}

static struct net_device near(void)
{
	struct net_device device;

	ck_assert_int_eq(net_device(net, "near", &device), 0);
	return device;
}

static bool goes(const char *to, const struct net_mark *m)
{
	struct addr addr = address(to);

	return net_marked_goes(net, m, &addr, near().ifindex);
}

/* How many lines `ip ARGUMENTS` prints that hold `words`. */
static int count_lines(const char *arguments, const char *words)
{
	char *command = mem_format("ip %s 2>/dev/null | grep -c '%s'", arguments, words);
	FILE *pipe = popen(command, "r");
	int count = -1;

	ck_assert_int_eq(fscanf(pipe, "%d", &count), 1);
	pclose(pipe);
	free(command);
	return count;
}

/* Where the tables have none. */
static void check_family(bool v6)
{
	static const char *const vips[] = {"203.0.113.10", "2001:db8:f::10"};
	const uint8_t family = v6 ? 6 : 4;
	const char *rules = v6 ? "-6 rule" : "rule";
	const char *routes = v6 ? "-6 route show table 20853" : "route show table 20853";
	struct net_device device;

	start();
	device = near();
	ck_assert_int_eq(way_to(vips[v6]).way, NET_WAY_NO_ROUTE);
	ck_assert(!goes(vips[v6], &of_one));
	for (int again = 0; again < 2; again++)
		ck_assert_int_eq(net_marked_add(net, family, &mark, &device, 1400 + again), 0);
	ck_assert(goes(vips[v6], &of_one));
	ck_assert(!goes(vips[v6], &other));
	ck_assert_int_eq(way_to(vips[v6]).way, NET_WAY_NO_ROUTE);
	ck_assert_int_eq(count_lines(rules, "lookup 20853"), 1);
	ck_assert_int_eq(count_lines(routes, "mtu 1401"), 1);
	ck_assert_int_eq(count_lines(routes, "default"), 1);
	ck_assert_int_eq(count_lines("neigh show dev near", "02:00:00:00:00:0a PERMANENT"), 1);
	/* Each of the three is missed. */
	ip(v6 ? "neigh del fe80::5175 dev near" : "neigh del 169.254.81.117 dev near");
	ck_assert(!goes(vips[v6], &of_one));
	ck_assert_int_eq(net_marked_add(net, family, &mark, &device, 1401), 0);
	ip(v6 ? "-6 route flush table 20853" : "route flush table 20853");
	ck_assert(!goes(vips[v6], &of_one));
	ck_assert_int_eq(net_marked_add(net, family, &mark, &device, 1401), 0);
	ip(v6 ? "-6 rule del pref 10" : "rule del pref 10");
	ck_assert(!goes(vips[v6], &of_one));
	ck_assert_int_eq(net_marked_add(net, family, &mark, &device, 1401), 0);
	ck_assert(goes(vips[v6], &of_one));
	/* The host's own address there is reached as before, and not by the wire. */
	ck_assert(!goes(v6 ? "2001:db8:9::1" : "10.9.0.1", &of_one));

	for (int again = 0; again < 2; again++)
		ck_assert_int_eq(net_marked_remove(net, family, &mark, device.ifindex), 0);
	ck_assert(!goes(vips[v6], &of_one));
	ck_assert_int_eq(count_lines("neigh show dev near", "PERMANENT"), 0);
	for (int again = 0; again < 2; again++)
		ck_assert_int_eq(net_marked_remove(net, family, &mark, 0), 0);
	ck_assert_int_eq(count_lines(rules, "lookup 20853"), 0);
	stop();
}

START_TEST(marked_packets_have_a_way_in_ipv4)
{
	check_family(false);
}
END_TEST

START_TEST(marked_packets_have_a_way_in_ipv6)
{
	check_family(true);
}
END_TEST

START_TEST(each_device_has_a_way_of_its_own_and_other_routes_do_not_matter)
{
	struct net_device device, second;
	struct addr vip = address("203.0.113.10"), vip6 = address("2001:db8:f::10");

	start();
	ip("link add second type veth peer name third");
	ip("link set third up");
	ip("link set second up");
	ip("route add default via 10.9.0.2");
	ip("-6 route add default via 2001:db8:9::2");
	for (int i = 0; changes_within(200); i++)
		ck_assert_int_lt(i, 50);
	device = near();
	ck_assert_int_eq(net_device(net, "second", &second), 0);
	for (int family = 4; family <= 6; family += 2) {
		ck_assert_int_eq(net_marked_add(net, family, &mark, &device, 1400), 0);
		ck_assert_int_eq(net_marked_add(net, family, &mark, &second, 1400), 0);
	}
	ck_assert(net_marked_goes(net, &of_one, &vip, device.ifindex));
	ck_assert(net_marked_goes(net, &of_one, &vip, second.ifindex));
	ck_assert(net_marked_goes(net, &of_one, &vip6, device.ifindex));
	ck_assert(net_marked_goes(net, &of_one, &vip6, second.ifindex));
	ck_assert_int_eq(net_marked_remove(net, 4, &mark, second.ifindex), 0);
	ck_assert(net_marked_goes(net, &of_one, &vip, device.ifindex));
	ck_assert(!net_marked_goes(net, &of_one, &vip, second.ifindex));
	stop();
}
END_TEST

START_TEST(a_device_that_is_not_there_or_is_down_is_an_error)
{
	struct net_device device;

	start();
	device = near();
	device.ifindex = 12345;
	ck_assert_int_lt(net_marked_add(net, 4, &mark, &device, 1400), 0);
	ck_assert_int_eq(net_marked_remove(net, 4, &mark, 12345), 0);
	device = near();
	ip("link set near down");
	ck_assert_int_lt(net_marked_add(net, 4, &mark, &device, 1400), 0);
	stop();
}
END_TEST

START_TEST(the_kernel_says_what_it_takes_back)
{
	static const char accept_local[] = "/proc/sys/net/ipv4/conf/near/accept_local";
	static const char rp_filter[] = "/proc/sys/net/ipv4/conf/near/rp_filter";
	struct addr vip = address("203.0.113.10"), own = address("10.9.0.1");
	struct addr vip6 = address("2001:db8:f::10"), own6 = address("2001:db8:9::1");
	uint32_t ifindex;

	start();
	ifindex = near().ifindex;
	write_sysctl("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
	write_sysctl(rp_filter, "0");
	ck_assert(net_takes(net, &vip, &own, ifindex));
	ip("addr add 203.0.113.10/32 dev lo");
	ck_assert(!net_takes(net, &vip, &own, ifindex));
	write_sysctl(accept_local, "1");
	ck_assert(net_takes(net, &vip, &own, ifindex));
	write_sysctl(rp_filter, "2");
	ck_assert(net_takes(net, &vip, &own, ifindex));
	write_sysctl(rp_filter, "1");
	ck_assert(!net_takes(net, &vip, &own, ifindex));
	ip("addr del 203.0.113.10/32 dev lo");
	ck_assert(!net_takes(net, &vip, &own, ifindex));
	ip("route add default via 10.9.0.2");
	ck_assert(net_takes(net, &vip, &own, ifindex));
	ck_assert(net_takes(net, &vip6, &own6, ifindex));
	changes_within(100);
	stop();
}
END_TEST

START_TEST(the_address_that_probes_come_from_is_one_of_a_network)
{
	struct addr got, vip = address("10.1.0.1");

	start();
	ip("addr add 10.1.0.1/32 dev near");
	ip("addr add 10.9.0.5/24 dev near");
	ip("addr add 2001:db8:1::1/128 dev near nodad");
	changes_within(300);
	ck_assert(net_device_address(net, near().ifindex, 4, &got));
	ck_assert_str_eq(addr_format(&got, (char[ADDR_TEXT_SIZE]){0}), "10.9.0.1");
	ck_assert(net_device_address(net, near().ifindex, 6, &got));
	ck_assert_str_eq(addr_format(&got, (char[ADDR_TEXT_SIZE]){0}), "2001:db8:9::1");
	ck_assert(!net_device_address(net, 12345, 4, &got));
	ck_assert(net_device_has(net, near().ifindex, &vip));
	ck_assert(!net_device_has(net, 1, &vip));
	stop();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		marked_packets_have_a_way_in_ipv4,
		marked_packets_have_a_way_in_ipv6,
		each_device_has_a_way_of_its_own_and_other_routes_do_not_matter,
		a_device_that_is_not_there_or_is_down_is_an_error,
		the_kernel_says_what_it_takes_back,
		the_address_that_probes_come_from_is_one_of_a_network,
	};

	return near_far_run("net_marked", tests, ARRAY_SIZE(tests));
}
