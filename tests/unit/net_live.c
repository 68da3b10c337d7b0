/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ways through a real kernel. Each test runs in a network namespace of its own with one end of a
 * veth pair; the other end, "far", is in a second one, where a real kernel answers ARP and ND. It
 * needs root, and skips loudly without. Both namespaces go with the process that holds them, so
 * nothing is left behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/problem.h"
#include "net/net.h"
#include "unit/unit.h"

extern char **environ;

static struct net *net;
static struct problems problems;
static int near_ns, far_ns;
static const uint8_t mac_far[6] = {2, 0, 0, 0, 0, 0xb};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/* Runs `ip ARGUMENTS` here; arguments are separated by spaces. */
static void ip(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void ip(const char *format, ...)
{
	char line[256], program[] = "ip", *words[32] = {program}, *rest = line;
	size_t count = 1;
	va_list args;
	pid_t pid;
	int status;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	while (count < ARRAY_SIZE(words) - 1 && (words[count] = strsep(&rest, " ")))
		count++;
	ck_assert_int_eq(posix_spawnp(&pid, "ip", NULL, NULL, words, environ), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status == 0, "ip %s (...): status %d", words[1], status);
}

static void enter(int ns)
{
	ck_assert_int_eq(setns(ns, CLONE_NEWNET), 0);
}

static void write_sysctl(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(write(fd, value, strlen(value)), (ssize_t)strlen(value));
	close(fd);
}

static int open_ns(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* Takes what arrives within `ms`; returns whether anything of it counted as a change. */
static bool changes_within(int ms)
{
	uint64_t end = now_ms() + ms;
	bool is_changed = false;

	for (uint64_t now = now_ms(); now < end; now = now_ms()) {
		int ret;

		poll(&(struct pollfd){.fd = net_fd(net), .events = POLLIN}, 1, end - now);
		ret = net_input(net, &problems);
		ck_assert_int_ge(ret, 0);
		is_changed |= ret;
	}
	return is_changed;
}

/* A namespace with "near" here, and one with "far"; the far end stays open as a descriptor. */
static void start(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	far_ns = open_ns();
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	near_ns = open_ns();
	ip("link set lo up");
	ip("link add near address 02:00:00:00:00:0a type veth peer name far address "
	   "02:00:00:00:00:0b netns /proc/%d/fd/%d",
	   getpid(), far_ns);
	/* No address becomes usable, and counts as a change, in the middle of a test. */
	write_sysctl("/proc/sys/net/ipv6/conf/near/accept_dad", "0");
	ip("addr add 10.9.0.1/24 dev near");
	ip("addr add 2001:db8:9::1/64 dev near nodad");
	ip("link set near up");
	/* Fail fast: probes of a silent neighbour 50 ms apart. */
	write_sysctl("/proc/sys/net/ipv4/neigh/near/retrans_time_ms", "50");
	write_sysctl("/proc/sys/net/ipv6/neigh/near/retrans_time_ms", "50");

	enter(far_ns);
	write_sysctl("/proc/sys/net/ipv6/conf/far/accept_dad", "0");
	ip("addr add 10.9.0.2/24 dev far");
	ip("addr add 2001:db8:9::2/64 dev far nodad");
	ip("link set far up");
	enter(near_ns);
	problems = (struct problems){0};
	ck_assert_int_eq(net_open(&net, &problems), 0);
	/* The kernel tells the carrier and what follows from it by and by. */
	for (int i = 0; changes_within(200); i++)
		ck_assert_int_lt(i, 50);
}

static void stop(void)
{
	ck_assert_uint_eq(problems.count, 0);
	net_close(net);
	problems_free(&problems);
	close(near_ns);
	close(far_ns);
}

static struct net_nexthop way_to(const char *text)
{
	struct net_nexthop way;
	struct addr addr;

	ck_assert_int_eq(addr_parse(text, &addr), 0);
	net_nexthop(net, &addr, &way);
	return way;
}

static const char *text_of(const struct net_nexthop *way)
{
	static char text[128];

	return net_way_text(way, text);
}

/* Lives as the agent does: polls, takes input, asks again, probes; until the way is as wanted. */
static struct net_nexthop wait_for(const char *address, enum net_way wanted)
{
	uint64_t end = now_ms() + 20000;

	for (;;) {
		struct net_nexthop way;

		ck_assert_int_ge(net_input(net, &problems), 0);
		way = way_to(address);
		if (way.way == wanted)
			return way;
		ck_assert_msg(now_ms() < end, "%s: way %d is wanted, but: %s", address, wanted,
			      text_of(&way));
		ck_assert_int_eq(net_probe(net, &way, now_ms()), 0);
		poll(&(struct pollfd){.fd = net_fd(net), .events = POLLIN}, 1, 100);
	}
}

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

static void set_vlan_rx_offload(const char *name, bool is_on)
{
	struct ethtool_value value = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq request = {.ifr_data = (void *)&value};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	ck_assert_int_eq(ioctl(fd, SIOCETHTOOL, &request), 0);
	value.cmd = ETHTOOL_SFLAGS;
	value.data &= ~ETH_FLAG_RXVLAN;
	if (is_on)
		value.data |= ETH_FLAG_RXVLAN;
	ck_assert_int_eq(ioctl(fd, SIOCETHTOOL, &request), 0);
	close(fd);
}

START_TEST(a_device_is_described_with_its_vlan_receive_offload)
{
	struct net_device device = {0};

	start();
	ck_assert_int_eq(net_device(net, "none", &device), -ENODEV);
	set_vlan_rx_offload("near", true);
	ck_assert_int_eq(net_device(net, "near", &device), 0);
	ck_assert(device.vlan_rx_offload);
	set_vlan_rx_offload("near", false);
	ck_assert_int_eq(net_device(net, "near", &device), 0);
	ck_assert(!device.vlan_rx_offload);
	ck_assert(device.has_ethernet && !device.is_vlan);
	ck_assert_str_eq(device.name, "near");
	ck_assert_str_eq(device.parent, "");
	ck_assert_uint_eq(device.mtu, 1500);
	ck_assert_uint_eq(device.mac[5], 0xa);
	ck_assert_uint_eq(device.ifindex, if_nametoindex("near"));
	ck_assert_int_eq(net_device(net, "lo", &device), 0);
	ck_assert(!device.has_ethernet && !device.vlan_rx_offload);
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
		a_real_neighbour_of_either_family_is_found_by_a_probe,
		gateways_are_resolved_also_link_local_ones_and_ipv6_ones_of_ipv4,
		a_silent_neighbour_fails_stays_failed_and_is_found_when_it_comes,
		probes_are_a_second_apart,
		a_permanent_neighbour_is_ready_and_left_permanent,
		a_new_mac_address_is_a_change_and_a_new_state_is_none,
		a_link_without_carrier_and_one_switched_off_are_told_apart_from_no_route,
		a_route_that_goes_is_a_change,
		routes_that_refuse_are_no_route_and_own_addresses_are_local,
		a_kernel_that_cannot_be_asked_is_told_apart_from_no_route,
		a_way_over_a_device_without_ethernet_is_said,
		a_device_is_described_with_its_vlan_receive_offload,
		lost_messages_are_made_up_for_by_a_new_dump,
	};

	if (geteuid() != 0) {
		printf("SKIPPED: net_live needs root to make network namespaces\n"
		       "0 passed, 0 failed, %zu skipped\n",
		       ARRAY_SIZE(tests));
		return 0;
	}
	return unit_run("net_live", tests, ARRAY_SIZE(tests));
}
