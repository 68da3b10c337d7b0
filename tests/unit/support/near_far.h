/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of ways through a real kernel. Each test runs in a network namespace of its own with one end of a veth pair,
 * "near"; the other end, "far", is in a second one, where a real kernel answers ARP and ND. It needs root, and skips
 * loudly without. Both namespaces go with the process that holds them, so nothing is left behind.
 */
#ifndef TESTS_NEAR_FAR_H
#define TESTS_NEAR_FAR_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
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

static inline uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/* Runs `ip ARGUMENTS` here; arguments are separated by spaces. */
static inline void ip(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline void ip(const char *format, ...)
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

static inline void enter(int ns)
{
	ck_assert_int_eq(setns(ns, CLONE_NEWNET), 0);
}

static inline void write_sysctl(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(write(fd, value, strlen(value)), (ssize_t)strlen(value));
	close(fd);
}

static inline int open_ns(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* Takes what arrives within `ms`; returns whether anything of it counted as a change. */
static inline bool changes_within(int ms)
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
static inline void start(void)
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

static inline void stop(void)
{
	ck_assert_uint_eq(problems.count, 0);
	net_close(net);
	problems_free(&problems);
	close(near_ns);
	close(far_ns);
}

static inline struct net_nexthop way_to(const char *text)
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
static inline struct net_nexthop wait_for(const char *address, enum net_way wanted)
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

static inline int near_far_run(const char *name, const TTest *const *tests, size_t count)
{
	if (geteuid() == 0)
		return unit_run(name, tests, count);
	printf("SKIPPED: %s needs root to make network namespaces\n"
	       "0 passed, 0 failed, %zu skipped\n",
	       name, count);
	return 0;
}

#endif
