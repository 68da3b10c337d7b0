/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames that go on in other buffers than their first (`multi_buffer`): BPF_PROG_TEST_RUN splits what is longer than a
 * page has room for. Every byte of what is sent, in all combinations of families and by each encapsulation.
 */
#include <bpf/bpf.h>
#include <check.h>
#include <netinet/in.h>
#include <linux/bpf.h>

#include "packet/world.h"

#define MTU	9000
#define PAYLOAD 3800 /* with it a frame is longer than the 3520 bytes of a first buffer */

static struct world w;

static void open_world(enum sl_encapsulation encapsulation, bool knob)
{
	world_open_way(&w, &(struct world_way){.encapsulation = encapsulation,
					       .mtu = MTU,
					       .features.multi_buffer = knob});
}

/* To a backend behind IPv4 (0) or IPv6 (1). */
static void build(struct frame *frame, bool v6, int outer, struct packet packet)
{
	static const char *const to[2][2] = {{"203.0.113.10", "203.0.113.11"},
					     {"2001:db8:f::10", "2001:db8:f::11"}};

	packet.source = v6 ? "2001:db8:c::7" : "198.51.100.7";
	packet.destination = to[v6][outer];
	packet.source_port = 40000;
	packet.destination_port = 443;
	packet.payload = PAYLOAD;
	frame_build(frame, &packet);
}

static uint64_t dropped(enum sl_verdict verdict)
{
	struct world_counts counts;

	world_count(&w, &counts);
	return counts.verdict[verdict];
}

static void expect_sent(bool v6, int outer, uint8_t protocol)
{
	struct frame in, out, expected;
	struct outer header;

	build(&in, v6, outer, (struct packet){.protocol = protocol});
	world_outer(&w, outer ? WORLD_V6 : WORLD_V4, &in, &header);
	frame_encapsulate(&expected, &in, &header);
	ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
	ck_assert_uint_eq(out.length, expected.length);
	for (size_t b = 0; b < out.length; b++)
		ck_assert_msg(out.data[b] == expected.data[b],
			      "v6 %d, outer %d, protocol %d: byte %zu is 0x%02x, expected 0x%02x",
			      v6, outer, protocol, b, out.data[b], expected.data[b]);
}

START_TEST(frames_of_several_buffers_are_sent_whole)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};

	open_world((enum sl_encapsulation)_i, true);
	for (int i = 0; i < 8; i++)
		expect_sent(i & 1, i >> 1 & 1, protocols[i >> 2]);
	world_close(&w);
}
END_TEST

/* Its IP packet must be there to its last byte, wherever that lies. */
START_TEST(lengths_are_judged_by_all_of_the_frame)
{
	struct frame in, out;

	open_world(SL_ENCAP_IPIP, true);
	for (int v6 = 0; v6 < 2; v6++) {
		build(&in, v6, 0, (struct packet){.protocol = IPPROTO_TCP, .cut = 1});
		ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_DROP);
		ck_assert_uint_eq(dropped(SL_DROP_bad_length), 2 * v6 + 1);
		build(&in, v6, 0, (struct packet){.protocol = IPPROTO_UDP, .lie_udp_length = 1});
		ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_DROP);
		ck_assert_uint_eq(dropped(SL_DROP_bad_udp), v6 + 1);
		build(&in, v6, 0, (struct packet){.protocol = IPPROTO_UDP, .lie_ip_length = 1});
		ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_DROP);
		ck_assert_uint_eq(dropped(SL_DROP_bad_length), 2 * v6 + 2);
	}
	world_close(&w);
}
END_TEST

/* An error that quotes a packet to its end, which lies in another buffer than the error's headers. */
START_TEST(icmp_errors_of_several_buffers_reach_the_backend)
{
	static const struct packet from_server[] = {
		{.source = "203.0.113.10",
		 .destination = "198.51.100.7",
		 .source_port = 443,
		 .destination_port = 40000,
		 .protocol = IPPROTO_TCP,
		 .payload = PAYLOAD - 100},
		{.source = "2001:db8:f::10",
		 .destination = "2001:db8:c::7",
		 .source_port = 443,
		 .destination_port = 40000,
		 .protocol = IPPROTO_TCP,
		 .payload = PAYLOAD - 100},
	};
	static const struct packet errors[] = {
		{.source = "198.51.100.1", .destination = "203.0.113.10", .protocol = IPPROTO_ICMP},
		{.source = "2001:db8:c::1",
		 .destination = "2001:db8:f::10",
		 .protocol = IPPROTO_ICMPV6},
	};
	static const struct icmp kinds[] = {{.type = 3, .code = 4}, {.type = 2}};
	struct frame quoted, in, out;

	open_world(SL_ENCAP_IPIP, true);
	for (int v6 = 0; v6 < 2; v6++) {
		frame_build(&quoted, &from_server[v6]);
		frame_build_icmp(&in, &errors[v6], &kinds[v6], &quoted);
		ck_assert_uint_gt(in.length, 3520);
		ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
		ck_assert_uint_eq(out.length, in.length + 20);
		ck_assert_mem_eq(out.data + 34, in.data + 14, in.length - 14);
		in.length--;
		ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_DROP);
		ck_assert_uint_eq(dropped(SL_DROP_bad_length), v6 + 1);
	}
	world_close(&w);
}
END_TEST

/* No driver gives it such frames then; if one did, no half of a packet would leave. */
START_TEST(without_the_knob_what_is_not_in_the_first_buffer_is_not_there)
{
	struct frame in, out;

	open_world(SL_ENCAP_IPIP, false);
	build(&in, false, 0, (struct packet){.protocol = IPPROTO_TCP});
	ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_DROP);
	ck_assert_uint_eq(dropped(SL_DROP_bad_length), 1);
	world_close(&w);
}
END_TEST

Suite *balancer_frags_suite(void)
{
	Suite *suite = suite_create("balancer and several buffers");
	TCase *tc = tcase_create("all");

	tcase_add_loop_test(tc, frames_of_several_buffers_are_sent_whole, SL_ENCAP_IPIP,
			    SL_ENCAP_L2 + 1);
	tcase_add_test(tc, lengths_are_judged_by_all_of_the_frame);
	tcase_add_test(tc, icmp_errors_of_several_buffers_reach_the_backend);
	tcase_add_test(tc, without_the_knob_what_is_not_in_the_first_buffer_is_not_there);
	suite_add_tcase(suite, tc);
	return suite;
}
