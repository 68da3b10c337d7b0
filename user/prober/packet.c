/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns, udp and icmp: one packet there, one that fits back. The sockets are connected, so the kernel
 * hands over only what comes from the target, and its ICMP errors. What is no answer to this probe is
 * counted and left.
 */
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "prober/dns.h"
#include "prober/echo.h"
#include "prober/run.h"
#include "prober/sock.h"

/* linux/icmp.h, which netinet/ip_icmp.h does not go with. */
#define SOL_RAW_ICMP  255
#define ICMP_FILTER_1 1

#define PACKET_MAX 65536

#define RUN_OF(watched) ((struct run *)((char *)(watched)-offsetof(struct run, watch)))

struct packet_kind {
	int type;
	int (*protocol)(const struct run *run);
	/* Returns the bytes to send and their count. */
	const uint8_t *(*build)(const struct run *run, size_t *length);
	enum judge (*judge)(const struct run *run, const uint8_t *bytes, size_t length,
			    char why[JUDGE_WHY_SIZE]);
	int (*filter)(int fd, int family); /* NULL: none */
};

/* ---- dns ------------------------------------------------------------------------------------- */

static int udp_protocol(const struct run *run)
{
	(void)run;
	return IPPROTO_UDP;
}

static const uint8_t *dns_build(const struct run *run, size_t *length)
{
	static uint8_t query[DNS_QUERY_MAX];

	*length = dns_query((uint16_t)run->token, run->spec->query_name, run->spec->query_type,
			    query);
	return query;
}

static enum judge dns_look(const struct run *run, const uint8_t *bytes, size_t length,
			   char why[JUDGE_WHY_SIZE])
{
	size_t query_length;
	const uint8_t *query = dns_build(run, &query_length);

	return dns_judge(query, query_length, bytes, length, why);
}

/* ---- udp ------------------------------------------------------------------------------------- */

static const uint8_t *udp_build(const struct run *run, size_t *length)
{
	*length = run->spec->send.length;
	return run->spec->send.bytes;
}

static enum judge udp_look(const struct run *run, const uint8_t *bytes, size_t length,
			   char why[JUDGE_WHY_SIZE])
{
	const struct spec_bytes *expect = &run->spec->expect;

	if (!expect->length || memmem(bytes, length, expect->bytes, expect->length))
		return JUDGE_GOOD;
	snprintf(why, JUDGE_WHY_SIZE, "answer: %zu bytes that do not contain what is expected",
		 length);
	return JUDGE_BAD;
}

/* ---- icmp ------------------------------------------------------------------------------------ */

static int icmp_protocol(const struct run *run)
{
	return run->spec->target.to.any.sa_family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
}

static const uint8_t *icmp_build(const struct run *run, size_t *length)
{
	static uint8_t request[ECHO_SIZE];

	*length = echo_request(run->spec->target.to.any.sa_family, run->token, request);
	return request;
}

static enum judge icmp_look(const struct run *run, const uint8_t *bytes, size_t length,
			    char why[JUDGE_WHY_SIZE])
{
	(void)why;
	return echo_judge(run->spec->target.to.any.sa_family, run->token, bytes, length);
}

/* Echo replies alone; errors come as errors of the socket. */
static int icmp_filter(int fd, int family)
{
	uint32_t mask = ~1u;
	struct icmp6_filter filter;

	if (family == AF_INET)
		return setsockopt(fd, SOL_RAW_ICMP, ICMP_FILTER_1, &mask, sizeof(mask));
	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
	return setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter));
}

/* ---- all of them ----------------------------------------------------------------------------- */

static const struct packet_kind kinds[SPEC_KINDS] = {
	[SPEC_KIND_dns] = {SOCK_DGRAM, udp_protocol, dns_build, dns_look, NULL},
	[SPEC_KIND_udp] = {SOCK_DGRAM, udp_protocol, udp_build, udp_look, NULL},
	[SPEC_KIND_icmp] = {SOCK_RAW, icmp_protocol, icmp_build, icmp_look, icmp_filter},
};

/* Reads what there is; false: the run is over. */
static bool take_packet(struct run *run)
{
	static uint8_t packet[PACKET_MAX];
	char why[JUDGE_WHY_SIZE] = "";
	ssize_t length = recv(run->watch.fd, packet, sizeof(packet), 0);

	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (length < 0) {
		run_failed(run, "answer", errno);
		return false;
	}
	switch (kinds[run->spec->kind].judge(run, packet, (size_t)length, why)) {
	case JUDGE_GOOD:
		run_end(run, true, "%s", "");
		return false;
	case JUDGE_BAD:
		run_end(run, false, "%s", why);
		return false;
	case JUDGE_NOT_OURS:
		run->ignored++;
		break;
	}
	return true;
}

/* A flood of what is not ours must not keep the loop. */
static void on_ready(struct watch *watch, uint32_t events)
{
	struct run *run = RUN_OF(watch);

	(void)events;
	for (int i = 0; i < 16 && take_packet(run); i++)
		;
}

static void start(struct run *run)
{
	const struct spec_target *target = &run->spec->target;
	const struct packet_kind *kind = &kinds[run->spec->kind];
	char why[SOCK_WHY_SIZE];
	const uint8_t *bytes;
	size_t length;
	const char *step = "token";
	int fd;

	fd = sock_open(target, kind->type, kind->protocol(run), why);
	if (fd < 0) {
		run_end(run, false, "%s", why);
		return;
	}
	run->watch.on_ready = on_ready;
	if (watch_add(run->host->watcher, &run->watch, fd, EPOLLIN)) {
		close(fd);
		run_end(run, false, "epoll: cannot watch one more socket");
		return;
	}
	if (getrandom(&run->token, sizeof(run->token), 0) != sizeof(run->token))
		goto failed;
	step = "filter";
	if (kind->filter && kind->filter(fd, target->to.any.sa_family))
		goto failed;
	step = "connect";
	if (connect(fd, &target->to.any, target->length))
		goto failed;
	step = "send";
	bytes = kind->build(run, &length);
	if (send(fd, bytes, length, MSG_NOSIGNAL) < 0)
		goto failed;
	return;
failed:
	run_failed(run, step, errno);
}

static const char *waits_for(const struct run *run)
{
	(void)run;
	return "the answer";
}

const struct run_kind run_packet = {start, run_close, waits_for};
