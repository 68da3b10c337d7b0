/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The backend's program and GUE, as decap.c has it for IP in IP; and for both, marks of congestion. */
#include <bpf/bpf.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "packet/backend.h"
#include "packet/frame.h"

/* ---- what is taken ----------------------------------------------------------------------------------- */

static const struct backend_taken taken[] = {
	{"4 in 4", BALANCER4, SELF4, PACKET4(TCP, .payload = 100), SL_DECAP_TAKE_ipv4_in_gue4},
	{"4 in 4 from a prefix", "198.51.100.77", SELF4, PACKET4(UDP, .clear_df = true),
	 SL_DECAP_TAKE_ipv4_in_gue4},
	{"4 in 4 padded", BALANCER4, SELF4, PACKET4(TCP, .padding = 11),
	 SL_DECAP_TAKE_ipv4_in_gue4},
	{"4 in 4 inner fragment", BALANCER4, SELF4, PACKET4(UDP, .fragment = 0x2000, .payload = 64),
	 SL_DECAP_TAKE_ipv4_in_gue4},
	{"6 in 4", BALANCER4, SELF4, PACKET6(TCP, .payload = 100), SL_DECAP_TAKE_ipv6_in_gue4},
	{"4 in 6", BALANCER6, SELF6, PACKET4(UDP, .payload = 100), SL_DECAP_TAKE_ipv4_in_gue6},
	{"6 in 6", BALANCER6, SELF6, PACKET6(TCP, .payload = 1400), SL_DECAP_TAKE_ipv6_in_gue6},
	{"6 in 6 traffic class", BALANCER6, SELF6, PACKET6(UDP, .tos = 0xba),
	 SL_DECAP_TAKE_ipv6_in_gue6},
};

START_TEST(what_a_balancer_sends_in_gue_comes_out_byte_for_byte)
{
	char *object = backend_attach_object(_i);

	backend_expect_taken(OUTER_GUE, taken, ARRAY_SIZE(taken));
	free(object);
}
END_TEST

START_TEST(no_frame_of_gue_that_is_cut_is_read_past_its_end_or_taken)
{
	struct frame whole, in, out;
	char *object = backend_attach_object(_i);

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		struct packet packet = taken[i].packet;

		packet.padding = 0;
		packet.payload = packet.payload > 30 ? 30 : packet.payload;
		backend_frame_of(&whole, OUTER_GUE, &packet, taken[i].source, taken[i].destination);
		for (size_t length = 14; length < whole.length; length++) {
			in = whole;
			in.length = length;
			ck_assert_int_eq(backend_run(&in, &out), XDP_PASS);
			backend_expect_same(taken[i].name, &out, &in);
		}
	}
	free(object);
}
END_TEST

static const struct tagging tags[] = {
	{1, {0x8100, 0xe007}},
	{1, {0x88a8, 0x0ffe}},
	{2, {0x88a8, 0x4064, 0x8100, 0x2007}},
	{2, {0x8100, 1, 0x8100, 2}},
};

/* A tunnel's frame with tags, and the inner one with the same. */
static void make_tagged(enum outer_kind kind, size_t i, const struct tagging *with,
			struct frame *in, struct frame *expected)
{
	backend_frame_of(in, kind, &taken[i].packet, taken[i].source, taken[i].destination);
	backend_inner(in, expected);
	frame_tag(in, with);
	frame_tag(expected, with);
}

START_TEST(vlan_tags_stay_around_what_is_taken)
{
	char *object = backend_attach_object(_i);
	struct frame in, out, expected;

	for (size_t t = 0; t < ARRAY_SIZE(tags); t++)
		for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
			make_tagged(OUTER_GUE, i, &tags[t], &in, &expected);
			backend_expect(taken[i].name, &in, &out, XDP_PASS, taken[i].verdict);
			backend_expect_same(taken[i].name, &out, &expected);
			make_tagged(OUTER_IPIP, i, &tags[t], &in, &expected);
			ck_assert_int_eq(backend_run(&in, &out), XDP_PASS);
			backend_expect_same(taken[i].name, &out, &expected);
		}
	free(object);
}
END_TEST

START_TEST(tagged_frames_that_are_cut_or_have_three_tags_pass_untouched)
{
	static const struct tagging three = {3, {0x88a8, 1, 0x8100, 2, 0x8100, 3}};
	struct frame whole, in, out, unused;
	char *object = backend_attach_object(_i);

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		make_tagged(OUTER_IPIP, i, &three, &in, &unused);
		backend_expect(taken[i].name, &in, &out, PASS(tagged));
		backend_expect_same(taken[i].name, &out, &in);
		make_tagged(OUTER_IPIP, i, &tags[2], &whole, &unused);
		for (size_t length = 14; length < 14 + 8 + 40; length++) {
			in = whole;
			in.length = length;
			ck_assert_int_eq(backend_run(&in, &out), XDP_PASS);
			backend_expect_same(taken[i].name, &out, &in);
		}
	}
	free(object);
}
END_TEST

/* ---- what is not ------------------------------------------------------------------------------------- */

/* UDP from byte 34 (outer IPv4) or 54 (outer IPv6), GUE 8 bytes on, the inner packet 12 bytes on. */
static const struct backend_left others[] = {
	{"stranger v4", "192.0.2.11", SELF4, PACKET4(TCP), {0}, PASS(stranger)},
	{"stranger v6", "2001:db8:0:1::10", SELF6, PACKET6(TCP), {0}, PASS(stranger)},
	{"not own", BALANCER4, "10.0.1.12", PACKET4(TCP), {0}, PASS(not_own)},
	{"a stranger's other variant",
	 "192.0.2.11",
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(42, 0x40)},
	 PASS(stranger)},
	{"another port", BALANCER4, SELF4, PACKET4(TCP), {BYTE(37, 0xc1)}, PASS(no_tunnel)},
	{"another port v6", BALANCER6, SELF6, PACKET4(TCP), {BYTE(56, 0x18)}, PASS(no_tunnel)},
	{"from the port",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(36, 0), AND(37, 53)},
	 PASS(no_tunnel)},
	{"variant 1", BALANCER4, SELF4, PACKET4(TCP), {BYTE(42, 0x45)}, PASS(gue_fields)},
	{"variant 2", BALANCER4, SELF4, PACKET4(TCP), {BYTE(42, 0x80)}, PASS(gue_fields)},
	{"control message", BALANCER4, SELF4, PACKET4(TCP), {BYTE(42, 0x20)}, PASS(gue_fields)},
	{"extension fields", BALANCER4, SELF4, PACKET4(TCP), {BYTE(42, 1)}, PASS(gue_fields)},
	{"flags", BALANCER6, SELF6, PACKET4(TCP), {BYTE(64, 0x80)}, PASS(gue_fields)},
	{"the private flag", BALANCER6, SELF6, PACKET4(TCP), {BYTE(65, 1)}, PASS(gue_fields)},
	{"not IP inside",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(43, IPPROTO_TCP)},
	 PASS(gue_fields)},
	{"first outer fragment", BALANCER4, SELF4, PACKET4(TCP), {BYTE(20, 0x20)}, PASS(fragment)},
	{"later outer fragment", BALANCER4, SELF4, PACKET4(TCP), {BYTE(21, 4)}, PASS(no_tunnel)},
	{"outer options", BALANCER4, SELF4, PACKET4(TCP), {BYTE(14, 0x46)}, PASS(no_tunnel)},
	{"outer checksum",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(22, 63), .keep_checksum = true},
	 PASS(unreadable)},
	{"outer version 5", BALANCER4, SELF4, PACKET4(TCP), {BYTE(14, 0x55)}, PASS(unreadable)},
	{"udp longer than ip",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(39, 8 + 4 + 41)},
	 PASS(unreadable)},
	{"udp shorter than its header",
	 BALANCER6,
	 SELF6,
	 PACKET4(TCP),
	 {BYTE(59, 7)},
	 PASS(unreadable)},
	{"udp without room for gue",
	 BALANCER6,
	 SELF6,
	 PACKET4(TCP),
	 {BYTE(59, 11)},
	 PASS(unreadable)},
	{"ip shorter than its header",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(17, 19)},
	 PASS(unreadable)},
	{"ip longer than the frame",
	 BALANCER6,
	 SELF6,
	 PACKET4(TCP),
	 {BYTE(19, 53)},
	 PASS(unreadable)},
	{"nothing inside", BALANCER4, SELF4, PACKET4(TCP), {BYTE(39, 12)}, DROP(inner_length)},
	{"inner longer than udp",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(39, 8 + 4 + 39)},
	 DROP(inner_length)},
	{"inner version 6 where 4 is said",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(46, 0x65)},
	 DROP(inner_header)},
	{"inner version 4 where 6 is said",
	 BALANCER6,
	 SELF6,
	 PACKET6(TCP),
	 {BYTE(66, 0x45)},
	 DROP(inner_header)},
};

START_TEST(all_other_gue_passes_untouched_or_is_dropped_by_name)
{
	char *object = backend_attach_object(_i);

	backend_expect_left(OUTER_GUE, others, ARRAY_SIZE(others));
	free(object);
}
END_TEST

/* ---- ECN ------------------------------------------------------------------------------------------------ */

#define LOST 9

/* RFC 6040 figure 4: rows are the inner field, columns the outer one: Not-ECT, ECT(1), ECT(0), CE as numbers go. */
static const uint8_t joined[4][4] = {
	{0, 0, 0, LOST},
	{1, 1, 1, 3},
	{2, 1, 2, 3},
	{3, 3, 3, 3},
};

static void set_tos(uint8_t *ip, uint8_t tos)
{
	if (ip[0] >> 4 == 4) {
		uint16_t sum;

		ip[1] = tos;
		ip[10] = ip[11] = 0;
		sum = frame_checksum(ip, (ip[0] & 15) * 4, 0);
		ip[10] = sum >> 8;
		ip[11] = sum;
	} else {
		ip[0] = 0x60 | tos >> 4;
		ip[1] = (ip[1] & 0x0f) | tos << 4;
	}
}

static void try_mark(enum outer_kind kind, bool outer4, bool inner4, uint8_t inner, uint8_t outer)
{
	const struct packet four = PACKET4(TCP, .tos = 0xb8 | inner, .payload = 5, .options = 4);
	const struct packet six = PACKET6(UDP, .tos = 0xb8 | inner, .payload = 5);
	struct frame in, out, expected;
	uint8_t want = joined[inner][outer];
	char name[64];

	snprintf(name, sizeof(name), "%s %d in %d, %u in %u", kind == OUTER_GUE ? "gue" : "ipip",
		 inner4 ? 4 : 6, outer4 ? 4 : 6, inner, outer);
	backend_frame_of(&in, kind, inner4 ? &four : &six, outer4 ? BALANCER4 : BALANCER6,
			 outer4 ? SELF4 : SELF6);
	/* The tunnel's DSCP is not the packet's. */
	set_tos(in.data + 14, 0x28 | outer);
	if (want == LOST) {
		ck_assert_msg(backend_run(&in, &out) == XDP_DROP, "%s is not dropped", name);
		backend_expect_same(name, &out, &in);
		return;
	}
	backend_inner(&in, &expected);
	set_tos(expected.data + 14, 0xb8 | want);
	ck_assert_msg(backend_run(&in, &out) == XDP_PASS, "%s is dropped", name);
	backend_expect_same(name, &out, &expected);
}

START_TEST(marks_of_congestion_are_taken_over_as_rfc_6040_has_it)
{
	char *object = backend_attach_object(_i);
	struct decap_state state;

	for (int n = 0; n < 16; n++)
		for (int families = 0; families < 4; families++) {
			try_mark(OUTER_IPIP, families & 1, families & 2, n / 4, n % 4);
			try_mark(OUTER_GUE, families & 1, families & 2, n / 4, n % 4);
		}
	state = backend_read("sl-a");
	ck_assert_uint_eq(state.count[SL_DECAP_DROP_congestion], 8);
	free(object);
}
END_TEST

Suite *decap_tunnels_suite(void)
{
	Suite *suite = suite_create("decap_tunnels");
	TCase *tc = tcase_create("gue and ecn");

	pinned_add_fixtures(tc);
	tcase_add_checked_fixture(tc, backend_make_device, backend_detach_all);
	tcase_add_loop_test(tc, vlan_tags_stay_around_what_is_taken, 0, BACKEND_OBJECTS);
	tcase_add_loop_test(tc, tagged_frames_that_are_cut_or_have_three_tags_pass_untouched, 0,
			    BACKEND_OBJECTS);
	tcase_add_loop_test(tc, what_a_balancer_sends_in_gue_comes_out_byte_for_byte, 0,
			    BACKEND_OBJECTS);
	tcase_add_loop_test(tc, no_frame_of_gue_that_is_cut_is_read_past_its_end_or_taken, 0,
			    BACKEND_OBJECTS);
	tcase_add_loop_test(tc, all_other_gue_passes_untouched_or_is_dropped_by_name, 0,
			    BACKEND_OBJECTS);
	tcase_add_loop_test(tc, marks_of_congestion_are_taken_over_as_rfc_6040_has_it, 0,
			    BACKEND_OBJECTS);
	suite_add_tcase(suite, tc);
	return suite;
}
