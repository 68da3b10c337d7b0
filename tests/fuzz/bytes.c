/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes as bytes: captures and the frames in them, answers to DNS and ICMP probes, netlink's messages.
 *
 *	input	which, its bytes
 */
#include <errno.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <string.h>

#include "base/problem.h"
#include "cli/pcap.h"
#include "core/frame.h"
#include "net/messages.h"
#include "prober/dns.h"
#include "prober/echo.h"
#include "require.h"

static void try_frame(const uint8_t *data, size_t size)
{
	char protocol[FRAME_PROTOCOL_SIZE];
	struct frame frame;

	frame_read(data, size, &frame);
	REQUIRE(strlen(frame_protocol(&frame, protocol)) < sizeof(protocol));
}

static void try_capture(const uint8_t *data, size_t size)
{
	struct problems p = {0};
	struct pcap_packet packet;
	struct pcap pcap;
	size_t seen = 0;
	int err;

	if (pcap_open("fuzz", data, size, &pcap, &p)) {
		REQUIRE(p.count > 0);
		problems_free(&p);
		return;
	}
	while ((err = pcap_next(&pcap, &packet, &p)) == 1) {
		REQUIRE(packet.data >= data && packet.captured <= size &&
			packet.data + packet.captured <= data + size);
		REQUIRE(packet.captured + packet.header_length <= packet.length);
		try_frame(packet.data, packet.captured);
		REQUIRE(++seen <= size);
	}
	REQUIRE(err == 0 || p.count > 0);
	problems_free(&p);
}

static void try_dns(const uint8_t *data, size_t size)
{
	uint8_t query[DNS_QUERY_MAX];
	char why[JUDGE_WHY_SIZE];
	size_t length = dns_query(0x1234, "www.example.com", 1, query);

	dns_judge(query, length, data, size, why);
}

static void try_echo(const uint8_t *data, size_t size)
{
	echo_judge(4, 0x0123456789abcdef, data, size);
	echo_judge(6, 0x0123456789abcdef, data, size);
}

/* As messages.h wants it: what comes from the kernel has a header, at an aligned place. */
static void try_netlink(const uint8_t *data, size_t size)
{
	struct net_neighbour neighbour;
	struct net_address address;
	struct nlmsghdr *message;
	struct net_route route;
	struct net_link link;

	if (size < sizeof(*message))
		return;
	message = malloc(size);
	REQUIRE(message != NULL);
	memcpy(message, data, size);
	if (message_read_link(message, size, &link) == 0)
		REQUIRE(memchr(link.name, 0, sizeof(link.name)) != NULL);
	message_read_neighbour(message, size, &neighbour);
	message_read_address(message, size, &address);
	message_read_route(message, size, &route);
	message_read_error(message, size);
	free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const uint8_t *data, size_t size) = {
		try_capture, try_frame, try_dns, try_echo, try_netlink};
	uint8_t *copy;

	if (!size)
		return 0;
	/* Of its own size, so that what is read beyond is found. */
	copy = malloc(size - 1);
	REQUIRE(copy != NULL || size == 1);
	if (size > 1)
		memcpy(copy, data + 1, size - 1);
	tries[data[0] % 5](copy, size - 1);
	free(copy);
	return 0;
}
