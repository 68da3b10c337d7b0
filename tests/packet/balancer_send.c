/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets that the balancer sends: every output byte against a frame that was written from the RFCs, every
 * counter, and once more by scapy, a decoder that this project did not write.
 */
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "packet/client.h"
#include "packet/world.h"

static const uint8_t hop_by_hop[] = {IPPROTO_HOPOPTS, 255};
static const uint8_t three[] = {IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, 255};
static const uint8_t six[] = {0, 60, 43, 60, 60, 60, 255};
static const uint8_t atomic_fragment[] = {IPPROTO_FRAGMENT, 255};

static const uint8_t routing[] = {IPPROTO_ROUTING, 255};
static const uint8_t destination_options[] = {IPPROTO_DSTOPTS, 255};
static const uint8_t authentication[] = {IPPROTO_AH, 255};
static const uint8_t in_order[] = {0, 60, 43, 44, 51, 60, 255}; /* RFC 8200 section 4.1 */

/* RFC 791 section 3.1: record route, timestamp, loose and strict source route, end; RFC 2113. */
static const uint8_t record_route[] = {7, 39, 4, [39] = 0};
static const uint8_t timestamp[] = {68, 12, 5, 0, [12] = 1, 1, 1, 0};
static const uint8_t loose_route[] = {131, 7, 4, 192, 0, 2, 99, 0};
static const uint8_t strict_route[] = {1, 137, 7, 8, 192, 0, 2, 99};
static const uint8_t router_alert[] = {148, 4, 0, 0};
static const uint8_t nonsense[] = {200, 0, 255, 1, 7, 1, 7, 99};

#define OPTIONS(bytes) .options = sizeof(bytes), .option_data = (bytes)

enum flag {
	NO_SUM = 1,  /* GUE over IPv6: the packet's own checksum does not say what it sums up to */
	LARGEST = 2, /* with ipip; other ways take as much less as their header is longer */
	IPIP_ALONE = 4, /* a packet for this way */
};

static const struct {
	const char *name;
	struct packet packet;
	enum world_backend backend;
	unsigned int flags; /* enum flag */
} cases[] = {
	{"4in4 tcp", V4("203.0.113.10", TCP, .payload = 100), WORLD_V4, 0},
	{"4in4 udp", V4("203.0.113.10", UDP, .payload = 100), WORLD_V4, 0},
	{"4in6 tcp", V4("203.0.113.11", TCP, .payload = 33), WORLD_V6, 0},
	{"4in6 udp", V4("203.0.113.11", UDP, .payload = 33), WORLD_V6, 0},
	{"6in4 tcp", V6("2001:db8:f::10", TCP, .payload = 100), WORLD_V4, 0},
	{"6in4 udp", V6("2001:db8:f::10", UDP, .payload = 1), WORLD_V4, 0},
	{"6in6 tcp", V6("2001:db8:f::11", TCP, .payload = 100), WORLD_V6, 0},
	{"6in6 udp", V6("2001:db8:f::11", UDP, .payload = 0), WORLD_V6, 0},
	{"any port v4", V4("203.0.113.12", TCP, .payload = 9), WORLD_V4, 0},
	{"any port v6", V6("2001:db8:f::12", TCP, .payload = 9), WORLD_V4, 0},
	{"any port, port 0",
	 {.source = "198.51.100.7", .destination = "203.0.113.12", .source_port = 1, TCP},
	 WORLD_V4,
	 0},
	{"syn", V4("203.0.113.10", TCP, .tcp_flags = 0x02), WORLD_V4, 0},
	{"fin", V4("203.0.113.10", TCP, .tcp_flags = 0x11), WORLD_V4, 0},
	{"rst", V4("203.0.113.10", TCP, .tcp_flags = 0x04), WORLD_V4, 0},
	{"no payload, padded to 60 bytes", V4("203.0.113.10", TCP, .padding = 6), WORLD_V4, 0},
	{"v6 padding", V6("2001:db8:f::11", UDP, .padding = 18), WORLD_V6, 0},
	{"dscp and ecn v4 in v4", V4("203.0.113.10", TCP, .tos = 0xb9), WORLD_V4, 0},
	{"dscp and ecn v4 in v6", V4("203.0.113.11", TCP, .tos = 0xff), WORLD_V6, 0},
	{"dscp and ecn v6 in v4", V6("2001:db8:f::10", TCP, .tos = 0x2e), WORLD_V4, 0},
	{"dscp and ecn v6 in v6", V6("2001:db8:f::11", TCP, .tos = 0xa3), WORLD_V6, 0},
	{"df clear: outer id varies", V4("203.0.113.10", UDP, .clear_df = true, .id = 0x1234),
	 WORLD_V4, 0},
	{"df clear, another id", V4("203.0.113.10", UDP, .clear_df = true, .id = 0xffff), WORLD_V4,
	 0},
	{"df clear in v6", V4("203.0.113.11", UDP, .clear_df = true, .id = 0x1234), WORLD_V6, 0},
	{"ipv4 options", V4("203.0.113.10", TCP, .options = 4, .payload = 10), WORLD_V4, 0},
	{"all ipv4 options", V4("203.0.113.10", UDP, .options = 40, .payload = 10), WORLD_V4, 0},
	{"record route", V4("203.0.113.10", TCP, OPTIONS(record_route), .payload = 10), WORLD_V4,
	 0},
	{"timestamp", V4("203.0.113.10", UDP, OPTIONS(timestamp)), WORLD_V4, 0},
	{"loose source route", V4("203.0.113.10", TCP, OPTIONS(loose_route)), WORLD_V4, 0},
	{"strict source route in v6", V4("203.0.113.11", UDP, OPTIONS(strict_route)), WORLD_V6,
	 NO_SUM},
	{"router alert", V4("203.0.113.10", UDP, OPTIONS(router_alert), .payload = 9), WORLD_V4, 0},
	{"options that are none", V4("203.0.113.11", TCP, OPTIONS(nonsense)), WORLD_V6, NO_SUM},
	{"a routing header with a segment left",
	 V6("2001:db8:f::10", TCP, .extensions = routing, .payload = 5), WORLD_V4, 0},
	{"destination options", V6("2001:db8:f::11", UDP, .extensions = destination_options),
	 WORLD_V6, NO_SUM},
	{"an authentication header",
	 V6("2001:db8:f::11", TCP, .extensions = authentication, .payload = 5), WORLD_V6, NO_SUM},
	{"all kinds of extension headers",
	 V6("2001:db8:f::10", UDP, .extensions = in_order, .payload = 5), WORLD_V4, 0},
	{"one extension header", V6("2001:db8:f::11", TCP, .extensions = hop_by_hop), WORLD_V6,
	 NO_SUM},
	{"three extension headers", V6("2001:db8:f::10", UDP, .extensions = three, .payload = 5),
	 WORLD_V4, 0},
	{"six extension headers", V6("2001:db8:f::11", TCP, .extensions = six, .payload = 5),
	 WORLD_V6, NO_SUM},
	{"atomic fragment", V6("2001:db8:f::11", UDP, .extensions = atomic_fragment, .payload = 5),
	 WORLD_V6, NO_SUM},
	{"tcp options", V4("203.0.113.10", TCP, .tcp_offset = 8, .payload = 40), WORLD_V4, 0},
	{"largest that fits v4 in v4", V4("203.0.113.10", TCP, .payload = WORLD_MTU - 20 - 40),
	 WORLD_V4, LARGEST},
	{"largest that fits v4 in v6", V4("203.0.113.11", TCP, .payload = WORLD_MTU - 40 - 40),
	 WORLD_V6, LARGEST},
	{"largest that fits v6 in v6", V6("2001:db8:f::11", UDP, .payload = WORLD_MTU - 40 - 48),
	 WORLD_V6, LARGEST},
	{"udp shorter than ip says", V4("203.0.113.10", UDP, .payload = 20, .lie_udp_length = -5),
	 WORLD_V4, 0},
	{"checksum that sums to 0xffff", V4("203.0.113.10", TCP, .payload = 1435), WORLD_V4,
	 IPIP_ALONE},
	{"udp without a checksum", V4("203.0.113.11", UDP, .payload = 20, .no_checksum = true),
	 WORLD_V6, NO_SUM},
	{"v6 udp without a checksum", V6("2001:db8:f::11", UDP, .no_checksum = true), WORLD_V6,
	 NO_SUM},
	{"udp shorter than ip says in v6",
	 V4("203.0.113.11", UDP, .payload = 20, .lie_udp_length = -5), WORLD_V6, NO_SUM},
	{"options in v6", V4("203.0.113.11", TCP, .options = 8, .payload = 10), WORLD_V6, NO_SUM},
	{"odd length in v6", V4("203.0.113.11", TCP, .tos = 3, .payload = 1), WORLD_V6, 0},
	{"odd length, v6 in v6", V6("2001:db8:f::11", UDP, .tos = 0xb8, .payload = 7), WORLD_V6, 0},
};

#define CASES (int)(sizeof(cases) / sizeof(cases[0]))

static void check_counts(const struct world *w, const struct world_counts *before, int i,
			 enum sl_verdict verdict, uint64_t bytes)
{
	const struct packet *p = &cases[i].packet;
	bool tcp = p->protocol == IPPROTO_TCP;
	struct world_counts after;
	uint64_t services = 0, service_bytes = 0;

	world_count(w, &after);
	world_expect_verdict(cases[i].name, before, &after, verdict);
	for (int s = 0; s < 16; s++) {
		services += after.service[s][SL_SERVICE_packets] -
			    before->service[s][SL_SERVICE_packets];
		service_bytes +=
			after.service[s][SL_SERVICE_bytes] - before->service[s][SL_SERVICE_bytes];
		ck_assert_uint_eq(after.service[s][SL_SERVICE_dropped],
				  before->service[s][SL_SERVICE_dropped]);
	}
	ck_assert_uint_eq(services, 1);
	ck_assert_uint_eq(service_bytes, bytes);
	for (int b = 0; b < WORLD_BACKENDS; b++) {
		const uint64_t *now = after.backend[b], *then = before->backend[b];
		bool mine = b == (int)cases[i].backend;

		ck_assert_uint_eq(now[SL_BACKEND_packets] - then[SL_BACKEND_packets], mine);
		ck_assert_uint_eq(now[SL_BACKEND_bytes] - then[SL_BACKEND_bytes], mine ? bytes : 0);
		ck_assert_uint_eq(now[SL_BACKEND_opened] - then[SL_BACKEND_opened],
				  mine && tcp && (p->tcp_flags & 0x12) == 0x02);
		ck_assert_uint_eq(now[SL_BACKEND_closed] - then[SL_BACKEND_closed],
				  mine && tcp && (p->tcp_flags & 0x05) != 0);
	}
}

/* The case's packet in the world's way. Returns whether there is one. */
static bool make_packet(const struct world *w, int i, struct packet *out)
{
	*out = cases[i].packet;
	if (cases[i].flags & LARGEST)
		out->payload += (cases[i].backend == WORLD_V4 ? 20 : 40) -
				world_overhead(w, cases[i].backend);
	return !(cases[i].flags & IPIP_ALONE) || w->way.encapsulation == SL_ENCAP_IPIP;
}

static void check_case(struct world *w, int i)
{
	struct packet packet;
	struct frame in, out, expected;
	struct world_counts before;
	struct outer outer;
	uint64_t bytes;

	if (!make_packet(w, i, &packet))
		return;
	frame_build(&in, &packet);
	world_outer(w, cases[i].backend, &in, &outer);
	outer.no_checksum = cases[i].flags & NO_SUM;
	frame_encapsulate(&expected, &in, &outer);
	world_count(w, &before);
	ck_assert_msg(world_run(w, &in, &out, 1) == XDP_TX, "%s: not sent", cases[i].name);
	ck_assert_msg(out.length == expected.length, "%s: %zu bytes, expected %zu", cases[i].name,
		      out.length, expected.length);
	for (size_t b = 0; b < out.length; b++)
		ck_assert_msg(out.data[b] == expected.data[b],
			      "%s: byte %zu is 0x%02x, expected 0x%02x", cases[i].name, b,
			      out.data[b], expected.data[b]);
	bytes = in.length - 14 - cases[i].packet.padding;
	check_counts(w, &before, i, SL_SEND_tx, bytes);
}

static const struct world_way ways[] = {
	{.encapsulation = SL_ENCAP_IPIP},
	{.encapsulation = SL_ENCAP_IPIP, .features.redirect = true},
	{.encapsulation = SL_ENCAP_IPIP, .features.encaps = true},
	{.encapsulation = SL_ENCAP_IPIP, .features.entropy = true},
	{.encapsulation = SL_ENCAP_IPIP, .all_features = true},
	{.encapsulation = SL_ENCAP_IPIP, .entropy = true},
	{.encapsulation = SL_ENCAP_IPIP, .entropy = true, .all_features = true},
	{.encapsulation = SL_ENCAP_GUE},
	{.encapsulation = SL_ENCAP_GUE, .entropy = true, .all_features = true},
	{.encapsulation = SL_ENCAP_L2},
	{.encapsulation = SL_ENCAP_L2, .entropy = true, .all_features = true},
};

#define WAYS (int)(sizeof(ways) / sizeof(ways[0]))

START_TEST(every_byte_sent_is_as_the_rfcs_say)
{
	struct world w;

	world_open_way(&w, &ways[_i]);
	for (int i = 0; i < CASES; i++)
		check_case(&w, i);
	world_close(&w);
}
END_TEST

/* Classic pcap: link type 1, Ethernet. */
static void write_capture(FILE *file, const struct frame *frame)
{
	uint32_t header[4] = {0, 0, frame->length, frame->length};

	ck_assert_uint_eq(fwrite(header, sizeof(header), 1, file), 1);
	ck_assert_uint_eq(fwrite(frame->data, frame->length, 1, file), 1);
}

START_TEST(scapy_reads_every_packet_sent_and_finds_its_checksums_right)
{
	static const char *const kinds[] = {
		[SL_ENCAP_IPIP] = "ipip", [SL_ENCAP_GUE] = "gue", [SL_ENCAP_L2] = "l2"};
	static const uint32_t head[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1};
	char path[] = "/tmp/sl-packets-XXXXXX", count[16];
	int fd = mkstemp(path), status;
	FILE *file = fdopen(fd, "wb");
	struct packet packet;
	struct frame in, out;
	struct world w;
	int pairs = 0;
	pid_t child;

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(head, sizeof(head), 1, file), 1);
	world_open_way(&w, &ways[_i]);
	for (int i = 0; i < CASES; i++) {
		if (!make_packet(&w, i, &packet))
			continue;
		pairs++;
		frame_build(&in, &packet);
		ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
		write_capture(file, &in);
		write_capture(file, &out);
	}
	world_close(&w);
	ck_assert_int_eq(fclose(file), 0);
	snprintf(count, sizeof(count), "%d", pairs);
	child = fork();
	if (!child) {
		execl("/usr/bin/python3", "python3", TEST_DIR "/packet/decode.py",
		      kinds[ways[_i].encapsulation], path, count, (char *)NULL);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	unlink(path);
	ck_assert_msg(status == 0,
		      "the decoder disagrees, see above (status %d; 127: no python3-scapy)",
		      WEXITSTATUS(status));
}
END_TEST

Suite *balancer_send_suite(void)
{
	Suite *suite = suite_create("balancer sends");
	TCase *tcase = tcase_create("send");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, every_byte_sent_is_as_the_rfcs_say, 0, WAYS);
	tcase_add_loop_test(tcase, scapy_reads_every_packet_sent_and_finds_its_checksums_right, 0,
			    WAYS);
	suite_add_tcase(suite, tcase);
	return suite;
}
