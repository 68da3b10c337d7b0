/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The backend's program: what is taken, to the byte, and what passes or is dropped, each by its verdict. */
#include <bpf/bpf.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "packet/backend.h"
#include "packet/frame.h"

/* ---- what is taken ----------------------------------------------------------------------------------- */

static const struct backend_taken taken[] = {
	{"4in4", BALANCER4, SELF4, PACKET4(TCP, .payload = 100), SL_DECAP_TAKE_ipv4_in_ipv4},
	{"4in4 udp, id", BALANCER4, SELF4, PACKET4(UDP, .payload = 7, .clear_df = true),
	 SL_DECAP_TAKE_ipv4_in_ipv4},
	{"4in4 from a prefix", "198.51.100.77", SELF4, PACKET4(TCP), SL_DECAP_TAKE_ipv4_in_ipv4},
	{"4in4 padded", BALANCER4, SELF4, PACKET4(TCP, .padding = 11), SL_DECAP_TAKE_ipv4_in_ipv4},
	{"4in4 inner options", BALANCER4, SELF4, PACKET4(TCP, .options = 8, .payload = 3),
	 SL_DECAP_TAKE_ipv4_in_ipv4},
	{"4in4 inner fragment", BALANCER4, SELF4, PACKET4(UDP, .fragment = 0x2000, .payload = 64),
	 SL_DECAP_TAKE_ipv4_in_ipv4},
	{"6in4", BALANCER4, SELF4, PACKET6(TCP, .payload = 100), SL_DECAP_TAKE_ipv6_in_ipv4},
	{"4in6", BALANCER6, SELF6, PACKET4(UDP, .payload = 100), SL_DECAP_TAKE_ipv4_in_ipv6},
	{"6in6", BALANCER6, SELF6, PACKET6(TCP, .payload = 100), SL_DECAP_TAKE_ipv6_in_ipv6},
	{"6in6 from a prefix", "2001:db8::abcd", SELF6, PACKET6(UDP), SL_DECAP_TAKE_ipv6_in_ipv6},
	{"6in6 traffic class", BALANCER6, SELF6, PACKET6(UDP, .tos = 0xbb),
	 SL_DECAP_TAKE_ipv6_in_ipv6},
	{"6in6 large", BALANCER6, SELF6, PACKET6(TCP, .payload = 1400), SL_DECAP_TAKE_ipv6_in_ipv6},
};

START_TEST(what_a_balancer_sends_comes_out_byte_for_byte)
{
	char *object = backend_attach_object(_i);

	backend_expect_taken(OUTER_IPIP, taken, ARRAY_SIZE(taken));
	free(object);
}
END_TEST

/* ---- what is not ------------------------------------------------------------------------------------- */

/* Outer header from byte 14; inner from 34 (outer IPv4) or 54 (outer IPv6). */
static const struct backend_left others[] = {
	{"stranger v4", "192.0.2.11", SELF4, PACKET4(TCP), {0}, PASS(stranger)},
	{"stranger v6", "2001:db8:0:1::10", SELF6, PACKET6(TCP), {0}, PASS(stranger)},
	{"stranger just below a prefix", "198.51.99.255", SELF4, PACKET4(TCP), {0}, PASS(stranger)},
	{"stranger: the balancer's bytes in the other family",
	 "c000:20a::",
	 SELF6,
	 PACKET6(TCP),
	 {0},
	 PASS(stranger)},
	{"not own v4", BALANCER4, "10.0.1.12", PACKET4(TCP), {0}, PASS(not_own)},
	{"not own v6", BALANCER6, "2001:db8:1::12", PACKET4(TCP), {0}, PASS(not_own)},
	{"not own: own bytes in the other family",
	 BALANCER6,
	 "a00:10b::",
	 PACKET6(TCP),
	 {0},
	 PASS(not_own)},
	{"a stranger's rubbish", "192.0.2.11", SELF4, PACKET4(TCP), {BYTE(34, 0)}, PASS(stranger)},

	{"tcp", BALANCER4, SELF4, PACKET4(TCP), {BYTE(23, IPPROTO_TCP)}, PASS(no_tunnel)},
	{"gre", BALANCER4, SELF4, PACKET4(TCP), {BYTE(23, IPPROTO_GRE)}, PASS(no_tunnel)},
	{"udp in v6", BALANCER6, SELF6, PACKET4(TCP), {BYTE(20, IPPROTO_UDP)}, PASS(no_tunnel)},
	{"arp", BALANCER4, SELF4, PACKET4(TCP), {BYTE(12, 8), AND(13, 6)}, PASS(no_tunnel)},
	{"a tag and no IP packet",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(12, 0x81), AND(13, 0)},
	 PASS(no_tunnel)},

	{"first outer fragment", BALANCER4, SELF4, PACKET4(TCP), {BYTE(20, 0x20)}, PASS(fragment)},
	{"later outer fragment", BALANCER4, SELF4, PACKET4(TCP), {BYTE(21, 0x04)}, PASS(fragment)},
	{"outer fragment v6",
	 BALANCER6,
	 SELF6,
	 PACKET4(TCP),
	 {BYTE(20, IPPROTO_FRAGMENT), AND(54, IPPROTO_IPIP)},
	 PASS(fragment)},
	{"fragment of something else v6",
	 BALANCER6,
	 SELF6,
	 PACKET4(TCP),
	 {BYTE(20, IPPROTO_FRAGMENT), AND(54, IPPROTO_TCP)},
	 PASS(no_tunnel)},
	{"fragment header cut short",
	 BALANCER6,
	 SELF6,
	 PACKET4(TCP),
	 {BYTE(20, IPPROTO_FRAGMENT), .cut = 61},
	 PASS(unreadable)},
	{"outer options", BALANCER4, SELF4, PACKET4(TCP), {BYTE(14, 0x46)}, PASS(options)},

	{"outer checksum",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(22, 63), .keep_checksum = true},
	 PASS(unreadable)},
	{"outer version 5", BALANCER4, SELF4, PACKET4(TCP), {BYTE(14, 0x55)}, PASS(unreadable)},
	{"outer ihl 4", BALANCER4, SELF4, PACKET4(TCP), {BYTE(14, 0x44)}, PASS(unreadable)},
	{"outer version 7", BALANCER6, SELF6, PACKET4(TCP), {BYTE(14, 0x70)}, PASS(unreadable)},
	{"outer longer than the frame",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(17, 61)},
	 PASS(unreadable)},
	{"outer shorter than its header",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(17, 19)},
	 PASS(unreadable)},
	{"outer v6 longer than the frame",
	 BALANCER6,
	 SELF6,
	 PACKET4(TCP),
	 {BYTE(19, 41)},
	 PASS(unreadable)},
	{"outer header cut short", BALANCER4, SELF4, PACKET4(TCP), {.cut = 33}, PASS(unreadable)},
	{"outer v6 header cut short",
	 BALANCER6,
	 SELF6,
	 PACKET4(TCP),
	 {.cut = 53},
	 PASS(unreadable)},
	{"frame cut within the inner packet",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {.cut = 73},
	 PASS(unreadable)},

	{"inner version 6 where 4 is said",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(34, 0x65)},
	 DROP(inner_header)},
	{"inner version 4 where 6 is said",
	 BALANCER4,
	 SELF4,
	 PACKET6(TCP),
	 {BYTE(34, 0x45)},
	 DROP(inner_header)},
	{"inner ihl 4", BALANCER6, SELF6, PACKET4(TCP), {BYTE(54, 0x44)}, DROP(inner_header)},
	{"inner shorter than its header",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(37, 19)},
	 DROP(inner_header)},
	{"inner longer than the outer",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(37, 41)},
	 DROP(inner_length)},
	{"inner v6 longer than the outer",
	 BALANCER6,
	 SELF6,
	 PACKET6(TCP),
	 {BYTE(59, 21)},
	 DROP(inner_length)},
	{"padding is no inner packet",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP, .padding = 20),
	 {BYTE(37, 50)},
	 DROP(inner_length)},
	{"nothing inside",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(17, 20), .cut = 34},
	 DROP(inner_length)},
	{"19 bytes inside",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(17, 39), .cut = 53},
	 DROP(inner_length)},
	{"39 bytes inside where an IPv6 header is said",
	 BALANCER6,
	 SELF6,
	 PACKET6(TCP),
	 {BYTE(19, 39), .cut = 93},
	 DROP(inner_length)},
	{"19 bytes inside, and padding",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(17, 39)},
	 DROP(inner_length)},
};

START_TEST(all_else_passes_untouched_or_is_dropped_by_name)
{
	char *object = backend_attach_object(_i);

	backend_expect_left(OUTER_IPIP, others, ARRAY_SIZE(others));
	free(object);
}
END_TEST

START_TEST(no_cut_frame_is_read_past_its_end_or_taken)
{
	struct decap_options options = backend_options();
	struct frame whole, in, out;

	backend_attach(&options);
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		struct packet packet = taken[i].packet;

		/* Where the frame ends is where the inner packet ends. */
		packet.padding = 0;
		packet.payload = packet.payload > 100 ? 100 : packet.payload;
		backend_frame(&whole, &packet, taken[i].source, taken[i].destination);
		for (size_t length = 14; length < whole.length; length++) {
			in = whole;
			in.length = length;
			backend_expect(taken[i].name, &in, &out, XDP_PASS,
				       SL_DECAP_PASS_unreadable);
			backend_expect_same(taken[i].name, &out, &in);
		}
	}
}
END_TEST

Suite *decap_suite(void)
{
	Suite *suite = suite_create("decap");
	TCase *tc = tcase_create("decap");

	pinned_add_fixtures(tc);
	tcase_add_unchecked_fixture(tc, NULL, backend_detach_all);
	tcase_add_checked_fixture(tc, backend_make_device, backend_detach_all);
	tcase_add_loop_test(tc, what_a_balancer_sends_comes_out_byte_for_byte, 0, BACKEND_OBJECTS);
	tcase_add_loop_test(tc, all_else_passes_untouched_or_is_dropped_by_name, 0,
			    BACKEND_OBJECTS);
	tcase_add_test(tc, no_cut_frame_is_read_past_its_end_or_taken);
	suite_add_tcase(suite, tc);
	return suite;
}
