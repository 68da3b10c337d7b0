/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fragments that lie, and what changes between the first one and the others: each follows the first one of its own packet
 * and of no other, as it came; the receiver judges how they fit together.
 */
#include <check.h>
#include <netinet/in.h>

#include "base/problem.h"
#include "packet/datagram.h"

static struct world w;

static void open_world(void)
{
	world_open_way(&w, &(struct world_way){.features.fragments = true, .manual_clock = true});
	world_set_tick(&w, 1000);
}

/* One thing after the other is another than the first one's. */
START_TEST(a_later_fragment_follows_the_first_of_its_own_packet_alone)
{
	static const struct {
		const char *what;
		struct datagram other;
	} others[] = {
		{"another source", {.source = "198.51.100.8"}},
		{"another source of the same /64", {.v6 = true, .source = "2001:db8:c::8"}},
		{"another /64", {.v6 = true, .source = "2001:db8:c:1::7"}},
		{"another VIP", {.vip = "203.0.113.11"}},
		{"another VIP, IPv6", {.v6 = true, .vip = "2001:db8:f::11"}},
		{"another id", {.id = DATAGRAM_ID ^ 0x8000}},
		{"another id, IPv6", {.v6 = true, .id = DATAGRAM_ID ^ 1}},
		{"another protocol", {.tcp = true}},
	};
	struct datagram own = {.backend = WORLD_V4};

	open_world();
	datagram_expect_piece_sent(&w, &own, 0, "the first");
	own.v6 = true;
	datagram_expect_piece_sent(&w, &own, 0, "the first, IPv6");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		for (unsigned int n = 1; n < 3; n++)
			datagram_expect_piece_end(&w, &others[i].other, n, SL_DROP_fragment,
						  others[i].what);
	datagram_expect_piece_sent(&w, &own, 1, "its own, IPv6");
	own.v6 = false;
	datagram_expect_piece_sent(&w, &own, 1, "its own");
	world_close(&w);
}
END_TEST

/* Two sources, of which neither knows of the other, with the same id at one moment, to different backends. */
START_TEST(sources_that_use_the_same_id_do_not_meet)
{
	open_world();
	for (int v6 = 0; v6 < 2; v6++) {
		const struct datagram one = {.backend = WORLD_V4, .v6 = v6};
		const struct datagram two = {
			.backend = WORLD_V6,
			.v6 = v6,
			.source = v6 ? "2001:db8:c::9" : "198.51.100.9",
		};

		datagram_expect_piece_sent(&w, &one, 0, "the first of one");
		datagram_expect_piece_sent(&w, &two, 0, "the first of the other");
		for (unsigned int n = 1; n < 3; n++) {
			datagram_expect_piece_sent(&w, &two, n, "of the other");
			datagram_expect_piece_sent(&w, &one, n, "of one");
		}
	}
	world_close(&w);
}
END_TEST

/* To a port without a service, and back; each with the next packet's first fragment. */
START_TEST(an_id_that_is_used_again_follows_its_last_first_fragment)
{
	open_world();
	for (int v6 = 0; v6 < 2; v6++) {
		const struct datagram ours = {.backend = WORLD_V4, .v6 = v6};
		const struct datagram other = {.backend = WORLD_V4, .v6 = v6, .port = 80};

		datagram_expect_piece_sent(&w, &ours, 0, "the first packet's first");
		datagram_expect_piece_sent(&w, &ours, 1, "the first packet's next");
		datagram_expect_piece_end(&w, &other, 0, SL_PASS_no_listener,
					  "the second packet's first");
		datagram_expect_piece_end(&w, &other, 1, SL_PASS_no_listener,
					  "the second packet's next");
		datagram_expect_piece_sent(&w, &ours, 0, "the third packet's first");
		datagram_expect_piece_sent(&w, &ours, 2, "the third packet's last");
	}
	world_close(&w);
}
END_TEST

/* What overlaps, lies beyond 64 KiB, or is of no length in words of 8 bytes, is the receiver's to judge (RFC 5722, RFC 815). */
START_TEST(pieces_that_do_not_fit_together_reach_one_backend_as_they_came)
{
	static const size_t offsets[] = {16, 400, 792, 800, 65528};
	struct frame first, in;

	open_world();
	for (int v6 = 0; v6 < 2; v6++) {
		const struct datagram d = {.backend = WORLD_V6, .v6 = v6};

		datagram_piece(&d, 0, &first);
		datagram_expect_sent(&w, d.backend, &first, "the first");
		for (size_t i = 0; i < 2 * sizeof(offsets) / sizeof(offsets[0]); i++) {
			datagram_piece(&d, 1, &in);
			datagram_move(&in, offsets[i / 2], i % 2);
			datagram_expect_sent(&w, d.backend, &in, "one that overlaps");
		}
		datagram_expect_sent(&w, d.backend, &first, "the first once more");
	}
	world_close(&w);
}
END_TEST

/* Echo requests, and errors, in fragments: this host puts them together. */
START_TEST(icmp_in_fragments_passes)
{
	static const uint8_t header[] = {IPPROTO_FRAGMENT, 255};
	struct frame in;

	world_open_way(&w, &(struct world_way){.all_features = true});
	for (unsigned int word = 0; word < 3; word++)
		for (int v6 = 0; v6 < 2; v6++) {
			const uint16_t words[2][3] = {{0x2000, 0x2010, 0x0010}, {1, 0x81, 0x80}};
			const struct packet packet = {
				.source = v6 ? "2001:db8:c::7" : "198.51.100.7",
				.destination = v6 ? "2001:db8:f::10" : "203.0.113.10",
				.protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
				.data = (const uint8_t[64]){v6 ? 128 : 8},
				.payload = 64,
				.clear_df = true,
				.id = 7,
				.fragment = words[v6][word],
				.extensions = v6 ? header : NULL,
			};

			frame_build(&in, &packet);
			datagram_expect_end(&w, &in, SL_PASS_other_protocol,
					    v6 ? "ICMPv6" : "ICMP");
		}
	world_close(&w);
}
END_TEST

START_TEST(another_program_knows_what_the_last_one_remembered)
{
	struct problems p = {0};

	open_world();
	for (int v6 = 0; v6 < 2; v6++) {
		const struct datagram d = {.backend = WORLD_V4, .v6 = v6};

		datagram_expect_piece_sent(&w, &d, 0, "the first");
		ck_assert_int_eq(dataplane_set_features(
					 w.dp,
					 (struct dataplane_features){
						 .fragments = true, .deny = !v6, .quic = true},
					 &p),
				 0);
		datagram_expect_piece_sent(&w, &d, 1, "the next, by another program");
	}
	ck_assert_int_eq(dataplane_set_features(w.dp, (struct dataplane_features){0}, &p), 0);
	datagram_expect_piece_end(&w, &(struct datagram){.backend = WORLD_V4}, 1, SL_DROP_fragment,
				  "without the knob");
	world_close(&w);
}
END_TEST

/* Its table has another backend from one fragment to the next: the rest of the packet is of no use there. */
START_TEST(the_rest_of_a_packet_goes_where_its_first_fragment_went_though_the_slot_moves)
{
	const struct datagram old = {.backend = WORLD_V4};
	/* To the VIP of the old one, and so to the service that has moved. */
	const struct datagram next = {.backend = WORLD_V6, .vip = "203.0.113.10", .id = 8};
	struct dataplane_store stores[WORLD_SLOTS];
	uint32_t base;

	open_world();
	base = w.view->services[1].slots_base;
	datagram_expect_piece_sent(&w, &old, 0, "the first");
	for (uint32_t i = 0; i < WORLD_SLOTS; i++)
		stores[i] = (struct dataplane_store){base + i, WORLD_V6};
	ck_assert_int_eq(w.ops->store_cold(w.dp, stores, WORLD_SLOTS), 0);
	ck_assert_int_eq(w.ops->store_hot(w.dp, stores, WORLD_SLOTS), 0);
	datagram_expect_piece_sent(&w, &next, 0, "the next packet's first");
	datagram_expect_piece_sent(&w, &old, 1, "the rest");
	datagram_expect_piece_sent(&w, &next, 1, "the next packet's rest");
	datagram_expect_piece_sent(&w, &old, 2, "the end");
	world_close(&w);
}
END_TEST

Suite *balancer_fragments_lies_suite(void)
{
	Suite *suite = suite_create("balancer fragments lies");
	TCase *tcase = tcase_create("fragments lies");

	tcase_add_test(tcase, a_later_fragment_follows_the_first_of_its_own_packet_alone);
	tcase_add_test(tcase, sources_that_use_the_same_id_do_not_meet);
	tcase_add_test(tcase, an_id_that_is_used_again_follows_its_last_first_fragment);
	tcase_add_test(tcase, pieces_that_do_not_fit_together_reach_one_backend_as_they_came);
	tcase_add_test(tcase, icmp_in_fragments_passes);
	tcase_add_test(tcase, another_program_knows_what_the_last_one_remembered);
	tcase_add_test(
		tcase,
		the_rest_of_a_packet_goes_where_its_first_fragment_went_though_the_slot_moves);
	suite_add_tcase(suite, tcase);
	return suite;
}
