/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `mss-clamp`: every byte of SYNs with all kinds of options, against frames that offer the lower MSS from the start and
 * whose checksums are summed anew; the knob and the service's field on and off.
 */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "packet/world.h"

#define CLAMP	  1000
#define MSS(a, b) 2, 4, a, b
#define LOWERED	  MSS(0x03, 0xe8) /* to CLAMP */
#define SYN	  0x02

static const struct {
	const char *name;
	uint8_t flags, options, in[40], out[40];
} cases[] = {
	{"alone", SYN, 4, {MSS(0x05, 0xb4)}, {LOWERED}},
	{"with ACK", SYN | 0x10, 4, {MSS(0x05, 0xb4)}, {LOWERED}},
	{"with ECN's flags", SYN | 0xc0, 4, {MSS(0x05, 0xb4)}, {LOWERED}},
	{"as a client sends it",
	 SYN,
	 20,
	 {MSS(0x05, 0xb4), 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7},
	 {LOWERED, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7}},
	{"at an odd byte", SYN, 8, {1, MSS(0x05, 0xb4), 1, 1, 0}, {1, LOWERED, 1, 1, 0}},
	{"at an odd byte, 65535", SYN, 8, {3, 3, 7, MSS(0xff, 0xff), 0}, {3, 3, 7, LOWERED, 0}},
	{"behind others",
	 SYN,
	 20,
	 {4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1, MSS(0x20, 0x00), 1, 0},
	 {4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1, LOWERED, 1, 0}},
	{"behind 36 nops",
	 SYN,
	 40,
	 {1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  1,
	  MSS(0x05, 0xb4)},
	 {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,	     1,
	  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, LOWERED}},
	{"one more", SYN, 4, {MSS(0x03, 0xe9)}, {LOWERED}},
	/* The rest is left as it is. */
	{"equal", SYN, 4, {LOWERED}, {LOWERED}},
	{"lower", SYN, 4, {MSS(0x02, 0x18)}, {MSS(0x02, 0x18)}},
	{"no options", SYN, 0, {0}, {0}},
	{"no MSS", SYN, 4, {3, 3, 7, 0}, {3, 3, 7, 0}},
	{"no SYN", 0x10, 4, {MSS(0x05, 0xb4)}, {MSS(0x05, 0xb4)}},
	{"behind the end", SYN, 8, {0, 1, 1, 1, MSS(0x05, 0xb4)}, {0, 1, 1, 1, MSS(0x05, 0xb4)}},
	{"length 0", SYN, 8, {8, 0, MSS(0x05, 0xb4), 1, 0}, {8, 0, MSS(0x05, 0xb4), 1, 0}},
	{"length 1", SYN, 8, {8, 1, MSS(0x05, 0xb4), 1, 0}, {8, 1, MSS(0x05, 0xb4), 1, 0}},
	{"length beyond", SYN, 8, {8, 250, 1, 1, MSS(0x05, 0xb4)}, {8, 250, 1, 1, MSS(0x05, 0xb4)}},
	{"length beyond, to the MSS if counted modulo 64",
	 SYN,
	 8,
	 {8, 68, 1, 1, MSS(0x05, 0xb4)},
	 {8, 68, 1, 1, MSS(0x05, 0xb4)}},
	{"an MSS of length 3", SYN, 4, {2, 3, 5, 0}, {2, 3, 5, 0}},
	{"cut off by the header", SYN, 4, {1, 1, 2, 4}, {1, 1, 2, 4}},
};

#define CASES (int)(sizeof(cases) / sizeof(cases[0]))

static struct world w;

static void open_world(uint16_t mss, bool knob)
{
	world_open_way(&w, &(struct world_way){.features.mss_clamp = knob});
	for (uint32_t record = 1; record <= 2; record++)
		ck_assert_int_eq(w.ops->write_mss(w.dp, record, mss), 0);
}

/* A frame with these options; four bytes of data follow them, which look like an MSS. */
static void build(struct frame *frame, int variant, uint8_t flags, const uint8_t *options,
		  size_t length)
{
	static const char *const to[] = {"203.0.113.10", "203.0.113.11", "2001:db8:f::10",
					 "2001:db8:f::11"};
	static const uint8_t extension[] = {IPPROTO_DSTOPTS, 255};
	uint8_t bytes[44] = {0};
	bool v6 = variant & 2;
	struct packet packet = {.source = v6 ? "2001:db8:c::7" : "198.51.100.7",
				.destination = to[variant & 3],
				.source_port = 40000,
				.destination_port = 443,
				.protocol = IPPROTO_TCP,
				.tcp_flags = flags,
				.tcp_offset = 5 + length / 4,
				.options = variant & 4 && !v6 ? 8 : 0,
				.extensions = variant & 4 && v6 ? extension : NULL,
				.payload = length + 4,
				.data = bytes};

	memcpy(bytes, options, length);
	memcpy(bytes + length, (uint8_t[]){MSS(0x05, 0xb4)}, 4);
	frame_build(frame, &packet);
}

static void check_case(int i, int variant, bool is_clamped)
{
	struct frame in, wanted, out, expected;
	struct outer outer;

	build(&in, variant, cases[i].flags, cases[i].in, cases[i].options);
	build(&wanted, variant, cases[i].flags, is_clamped ? cases[i].out : cases[i].in,
	      cases[i].options);
	world_outer(&w, variant & 1 ? WORLD_V6 : WORLD_V4, &in, &outer);
	frame_encapsulate(&expected, &wanted, &outer);
	ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
	ck_assert_uint_eq(out.length, expected.length);
	for (size_t b = 0; b < out.length; b++)
		ck_assert_msg(out.data[b] == expected.data[b],
			      "%s, variant %d: byte %zu is 0x%02x, expected 0x%02x", cases[i].name,
			      variant, b, out.data[b], expected.data[b]);
}

static void check_all(uint16_t mss, bool knob)
{
	open_world(mss, knob);
	/* Outer IPv4 and IPv6, inner IPv4 and IPv6, without and with options or an extension header before TCP. */
	for (int variant = 0; variant < 8; variant++)
		for (int i = 0; i < CASES; i++)
			check_case(i, variant, mss && knob);
	world_close(&w);
}

START_TEST(a_syn_s_mss_is_lowered_and_its_checksum_follows)
{
	check_all(CLAMP, true);
}
END_TEST

START_TEST(a_service_without_it_is_left_alone_while_the_knob_is_on)
{
	check_all(0, true);
}
END_TEST

START_TEST(nothing_is_changed_while_the_knob_is_off)
{
	check_all(CLAMP, false);
}
END_TEST

/* Of all values and clamps some sum to 0xffff and 0. */
START_TEST(the_checksum_is_right_for_any_value)
{
	struct frame in, wanted, out;
	size_t from, length;

	open_world(CLAMP, true);
	for (unsigned int n = 0; n < 4000; n++) {
		uint16_t clamp = 536 + n * 16, mss = n * 40503;
		uint16_t lowered = mss > clamp ? clamp : mss;
		uint8_t options[8] = {1, MSS(mss >> 8, mss & 255), 1, 1, 0};
		uint8_t after[8] = {1, MSS(lowered >> 8, lowered & 255), 1, 1, 0};

		ck_assert_int_eq(w.ops->write_mss(w.dp, 1, clamp), 0);
		build(&in, n % 2 * 2, SYN, options + n / 2 % 2, 4 + 4 * !(n / 2 % 2));
		build(&wanted, n % 2 * 2, SYN, after + n / 2 % 2, 4 + 4 * !(n / 2 % 2));
		ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
		length = in.length - 14;
		from = out.length - length;
		ck_assert_mem_eq(out.data + from, wanted.data + 14, length);
	}
	world_close(&w);
}
END_TEST

START_TEST(a_record_that_is_none_has_no_mss)
{
	open_world(0, false);
	ck_assert_int_eq(w.ops->write_mss(w.dp, 0, CLAMP), -ERANGE);
	ck_assert_int_eq(w.ops->write_mss(w.dp, sl_service_records(&w.view->limits), CLAMP),
			 -ERANGE);
	world_close(&w);
}
END_TEST

Suite *balancer_mss_suite(void)
{
	Suite *suite = suite_create("balancer MSS");
	TCase *tcase = tcase_create("mss");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_syn_s_mss_is_lowered_and_its_checksum_follows);
	tcase_add_test(tcase, a_service_without_it_is_left_alone_while_the_knob_is_on);
	tcase_add_test(tcase, nothing_is_changed_while_the_knob_is_off);
	tcase_add_test(tcase, the_checksum_is_right_for_any_value);
	tcase_add_test(tcase, a_record_that_is_none_has_no_mss);
	suite_add_tcase(suite, tcase);
	return suite;
}
