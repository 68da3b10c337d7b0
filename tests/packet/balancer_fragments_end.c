/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fragments that go nowhere, and why: those that are cut where they must not be, do not fit, come from denied sources, or
 * have no way; and those that are not a service's, which pass.
 */
#include <check.h>
#include <netinet/in.h>
#include <string.h>

#include "packet/datagram.h"

static struct world w;

static const uint8_t plain[] = {IPPROTO_FRAGMENT, 255};
static const uint8_t before_options[] = {IPPROTO_FRAGMENT, IPPROTO_DSTOPTS, 255};

static void open_world(bool knob)
{
	world_open_way(&w, &(struct world_way){.features.fragments = knob,
					       .features.deny = true,
					       .manual_clock = true});
}

/* RFC 1858: a first fragment without TCP's flags, and one that would write over them. */
START_TEST(a_fragment_that_cuts_the_transport_header_is_dropped)
{
	struct datagram d = {.backend = WORLD_V4, .tcp = true};
	struct frame whole, in;

	open_world(true);
	for (int v6 = 0; v6 < 2; v6++) {
		d.v6 = v6;
		datagram_build(&d, &whole);
		datagram_cut(&whole, 0, 16, &in);
		datagram_expect_end(&w, &in, SL_DROP_tiny_fragment,
				    "a TCP header without its flags");
		datagram_cut(&whole, 0, 24, &in);
		datagram_expect_sent(&w, WORLD_V4, &in, "a TCP header and 4 bytes");
		datagram_cut(&whole, 1, 8, &in);
		datagram_expect_end(&w, &in, SL_DROP_tiny_fragment,
				    "what would write over the flags");
		datagram_cut(&whole, 2, 8, &in);
		datagram_expect_sent(&w, WORLD_V4, &in, "what begins behind the flags");
		whole.data[14 + datagram_headers(&whole) + 12] = 0xf0;
		datagram_cut(&whole, 0, 24, &in);
		datagram_expect_end(&w, &in, SL_DROP_tiny_fragment, "TCP options that are cut off");
	}
	d = (struct datagram){.backend = WORLD_V4, .id = 5};
	datagram_build(&d, &whole);
	datagram_cut(&whole, 0, 8, &in);
	datagram_expect_sent(&w, WORLD_V4, &in, "a UDP header alone");
	datagram_cut(&whole, 1, 8, &in);
	datagram_expect_sent(&w, WORLD_V4, &in, "what comes after a UDP header");
	world_close(&w);
}
END_TEST

static uint64_t dropped(void)
{
	struct world_counts counts;

	world_count(&w, &counts);
	return world_dropped(&counts);
}

START_TEST(what_else_is_wrong_keeps_its_name)
{
	struct datagram d = {.backend = WORLD_V4};
	struct frame whole, in;

	open_world(true);
	datagram_build(&d, &whole);
	datagram_cut(&whole, 0, DATAGRAM_PIECE, &in);
	memcpy(in.data + 14 + 20 + 4, (uint8_t[]){0, 7}, 2); /* UDP's length */
	datagram_expect_end(&w, &in, SL_DROP_bad_udp, "a length of UDP's header that is too short");
	datagram_cut(&whole, 0, DATAGRAM_PIECE, &in);
	in.length -= 1;
	datagram_expect_end(&w, &in, SL_DROP_bad_length, "a first fragment without its last byte");
	datagram_cut(&whole, 0, DATAGRAM_PIECE, &in);
	datagram_expect_sent(&w, WORLD_V4, &in, "the first");
	datagram_cut(&whole, 1, DATAGRAM_PIECE, &in);
	in.length -= 1;
	datagram_expect_end(&w, &in, SL_DROP_bad_length, "a later fragment without its last byte");
	ck_assert_uint_eq(dropped(), 3); /* by the service, later ones as well */
	world_close(&w);
}
END_TEST

/* `type` of ICMP or ICMPv6 is behind the IP header, and what fits at its end. */
static void expect_told(const struct frame *in, size_t headers, uint8_t type, uint32_t mtu)
{
	struct frame out;

	ck_assert_int_eq(world_run(&w, in, &out, 1), XDP_TX);
	ck_assert_uint_eq(out.data[14 + headers], type);
	ck_assert_uint_eq(out.data[14 + headers + 6] << 8 | out.data[14 + headers + 7], mtu);
	/* What is quoted is the fragment. */
	ck_assert_mem_eq(out.data + 14 + headers + 8, in->data + 14, 60);
}

/* 1,500 bytes less the outer header fit. ICMP says nothing of later fragments (RFC 1122), ICMPv6 does. */
START_TEST(who_sent_a_fragment_that_is_too_big_is_told)
{
	struct datagram d = {.backend = WORLD_V4, .keep_df = true};
	struct frame whole, in;

	open_world(true);
	datagram_build(&d, &whole);
	datagram_cut(&whole, 0, 1496, &in);
	expect_told(&in, 20, 3, 1480);
	datagram_move(&in, 1496, true);
	datagram_expect_end(&w, &in, SL_DROP_too_big, "a later one that is too big");
	d.keep_df = false;
	datagram_build(&d, &whole);
	datagram_cut(&whole, 0, 1496, &in);
	expect_told(&in, 20, 3, 1480);
	d.v6 = true;
	datagram_build(&d, &whole);
	datagram_cut(&whole, 0, 1496, &in);
	expect_told(&in, 40, 2, 1480);
	datagram_move(&in, 1496, true);
	expect_told(&in, 40, 2, 1480);
	datagram_cut(&whole, 1, DATAGRAM_PIECE, &in);
	datagram_expect_sent(&w, WORLD_V4, &in, "one that fits");
	world_close(&w);
}
END_TEST

START_TEST(fragments_of_denied_sources_are_dropped_also_when_the_first_was_let_in)
{
	static const char *const sources[] = {"198.51.100.0/24", "2001:db8:c::/48"};

	open_world(true);
	for (int v6 = 0; v6 < 2; v6++) {
		struct datagram d = {.backend = WORLD_V4, .v6 = v6}, other = d;

		other.id = 77;
		datagram_expect_piece_sent(&w, &d, 0, "the first, let in");
		world_deny(&w, sources, 2);
		datagram_expect_piece_end(&w, &d, 1, SL_DROP_denied, "the next, denied");
		datagram_expect_piece_end(&w, &other, 0, SL_DROP_denied, "the first, denied");
		datagram_expect_piece_end(&w, &other, 1, SL_DROP_fragment,
					  "the next of a first that was denied");
		world_deny(&w, NULL, 0);
		datagram_expect_piece_sent(&w, &d, 1, "the next, let in again");
	}
	world_close(&w);
}
END_TEST

/* Not a listener's: another port or protocol of a VIP, and another address. */
START_TEST(fragments_that_are_not_a_service_s_pass_with_all_that_follow)
{
	static const struct datagram others[] = {
		{.port = 80},
		{.port = 80, .tcp = true},
		{.port = 80, .v6 = true},
		{.port = 80, .v6 = true, .extensions = before_options},
		{.vip = "203.0.113.12"}, /* TCP alone */
		{.vip = "203.0.113.99"},
		{.vip = "2001:db8:f::99", .v6 = true},
	};

	open_world(true);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		datagram_expect_piece_end(&w, &others[i], 0, SL_PASS_no_listener,
					  "a first fragment that is nobody's");
		for (unsigned int n = 1; n < 3; n++)
			datagram_expect_piece_end(&w, &others[i], n, SL_PASS_no_listener,
						  "a later fragment that is nobody's");
	}
	world_close(&w);
}
END_TEST

START_TEST(one_that_names_no_transport_passes_unless_it_is_known)
{
	struct datagram d = {.backend = WORLD_V4, .v6 = true, .extensions = before_options};

	open_world(true);
	datagram_expect_piece_end(&w, &d, 1, SL_PASS_other_protocol, "one before the first");
	datagram_expect_piece_sent(&w, &d, 0, "the first");
	datagram_expect_piece_sent(&w, &d, 1, "the next");
	world_close(&w);
	open_world(false);
	datagram_expect_piece_end(&w, &d, 0, SL_DROP_fragment, "the first, without the knob");
	datagram_expect_piece_end(&w, &d, 1, SL_PASS_other_protocol, "the next, without the knob");
	world_close(&w);
}
END_TEST

/* RFC 6946: a fragment header with neither an offset nor more to come is of a packet by itself. */
START_TEST(an_atomic_fragment_is_a_packet_like_others)
{
	struct packet packet = {.source = "2001:db8:c::7",
				.destination = "2001:db8:f::10",
				.source_port = 40000,
				.destination_port = 443,
				.protocol = IPPROTO_UDP,
				.payload = 100,
				.extensions = plain};
	struct frame in, out, expected;
	struct outer outer;

	open_world(true);
	frame_build(&in, &packet);
	world_outer(&w, WORLD_V4, &in, &outer);
	frame_encapsulate(&expected, &in, &outer);
	ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
	world_expect_frame("an atomic fragment", &out, &expected);
	datagram_move(&in, 800, false); /* nothing is remembered of it */
	datagram_expect_end(&w, &in, SL_DROP_fragment, "a later one of an atomic fragment");
	world_close(&w);
}
END_TEST

/* The outer one is of a packet by itself, which holds the fragment. What is in its reserved byte says nothing (RFC 8200 section 4.5). */
START_TEST(an_atomic_header_before_the_fragment_s_own_is_passed_over)
{
	uint8_t atomic[8] = {IPPROTO_FRAGMENT};
	struct datagram d = {.backend = WORLD_V4, .v6 = true};
	struct frame in, out;

	open_world(true);
	for (unsigned int n = 0; n < 3; n++) {
		datagram_piece(&d, n, &in);
		memmove(in.data + 14 + 48, in.data + 14 + 40, in.length - 14 - 40);
		atomic[1] = 100 * n;
		memcpy(in.data + 14 + 40, atomic, sizeof(atomic));
		in.length += sizeof(atomic);
		in.data[14 + 4] = (in.length - 14 - 40) >> 8;
		in.data[14 + 5] = in.length - 14 - 40;
		ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
	}
	world_close(&w);
}
END_TEST

START_TEST(without_a_backend_or_a_way_to_it_they_are_dropped)
{
	struct datagram d = {.backend = WORLD_V4},
			nobody = {.backend = WORLD_V4, .vip = "203.0.113.20"};

	open_world(true);
	datagram_expect_piece_end(&w, &nobody, 0, SL_DROP_no_backend,
				  "the first, without a backend");
	datagram_expect_piece_end(&w, &nobody, 1, SL_DROP_fragment, "the next, without a backend");
	datagram_expect_piece_sent(&w, &d, 0, "the first");
	ck_assert_int_eq(w.ops->write_path(w.dp, WORLD_V4, &(struct sl_path){.ifindex = 0}), 0);
	datagram_expect_piece_end(&w, &d, 1, SL_DROP_no_nexthop, "the next, without a way");
	world_close(&w);
}
END_TEST

Suite *balancer_fragments_end_suite(void)
{
	Suite *suite = suite_create("balancer fragments end");
	TCase *tcase = tcase_create("fragments end");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_fragment_that_cuts_the_transport_header_is_dropped);
	tcase_add_test(tcase, what_else_is_wrong_keeps_its_name);
	tcase_add_test(tcase, who_sent_a_fragment_that_is_too_big_is_told);
	tcase_add_test(tcase,
		       fragments_of_denied_sources_are_dropped_also_when_the_first_was_let_in);
	tcase_add_test(tcase, fragments_that_are_not_a_service_s_pass_with_all_that_follow);
	tcase_add_test(tcase, one_that_names_no_transport_passes_unless_it_is_known);
	tcase_add_test(tcase, an_atomic_fragment_is_a_packet_like_others);
	tcase_add_test(tcase, an_atomic_header_before_the_fragment_s_own_is_passed_over);
	tcase_add_test(tcase, without_a_backend_or_a_way_to_it_they_are_dropped);
	suite_add_tcase(suite, tcase);
	return suite;
}
