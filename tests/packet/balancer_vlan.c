/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VLAN tags: every byte of what leaves, for each number of tags that a frame comes with and that the way has; and which
 * frames are taken at all. The frames are those of the other suites with tags put in, which is where IEEE 802.1Q has them.
 */
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "packet/client.h"
#include "packet/world.h"

#define IN 1 /* ifindex that packets come in by */

/* A tag: type, and priority (with drop eligible) and id. */
#define CUSTOMER(control) 0x8100, control
#define PROVIDER(control) 0x88a8, control

static const uint8_t hop_by_hop[] = {IPPROTO_HOPOPTS, 255};

/* With GUE over IPv6 the sum of these is not known by their headers: no_sum. */
static const struct {
	struct packet packet;
	enum world_backend backend;
	bool no_sum;
} packets[] = {
	{V4("203.0.113.10", TCP, .payload = 100), WORLD_V4, false},
	{V4("203.0.113.10", UDP, .payload = 1, .clear_df = true, .id = 77, .tos = 0xb9), WORLD_V4,
	 false},
	{V4("203.0.113.11", TCP, .padding = 6), WORLD_V6, false},
	{V4("203.0.113.10", TCP, .options = 40), WORLD_V4, false},
	{V6("2001:db8:f::10", UDP), WORLD_V4, false},
	{V6("2001:db8:f::11", TCP, .payload = 33), WORLD_V6, false},
	{V6("2001:db8:f::11", TCP, .extensions = hop_by_hop), WORLD_V6, true},
};

static const struct {
	const char *name;
	bool keep;
	struct tagging in, way, out;
} cases[] = {
	{"none to none", false, {0}, {0}, {0}},
	{"none to one", false, {0}, {1, {CUSTOMER(7)}}, {1, {CUSTOMER(7)}}},
	{"none to two",
	 false,
	 {0},
	 {2, {PROVIDER(9), CUSTOMER(7)}},
	 {2, {PROVIDER(9), CUSTOMER(7)}}},
	{"one to none", false, {1, {CUSTOMER(0xe007)}}, {0}, {0}},
	{"one to the same, with its priority",
	 false,
	 {1, {CUSTOMER(0xf007)}},
	 {1, {CUSTOMER(7)}},
	 {1, {CUSTOMER(0xf007)}}},
	{"one to another, with its priority",
	 false,
	 {1, {CUSTOMER(0xa007)}},
	 {1, {CUSTOMER(0xffe)}},
	 {1, {CUSTOMER(0xaffe)}}},
	{"one to another type", false, {1, {CUSTOMER(7)}}, {1, {PROVIDER(7)}}, {1, {PROVIDER(7)}}},
	{"one to two, both with its priority",
	 false,
	 {1, {CUSTOMER(0x6007)}},
	 {2, {PROVIDER(9), CUSTOMER(8)}},
	 {2, {PROVIDER(0x6009), CUSTOMER(0x6008)}}},
	{"two to none", false, {2, {PROVIDER(7), CUSTOMER(8)}}, {0}, {0}},
	{"two to one, with the outer priority",
	 false,
	 {2, {PROVIDER(0x4007), CUSTOMER(0x2008)}},
	 {1, {CUSTOMER(9)}},
	 {1, {CUSTOMER(0x4009)}}},
	{"two to two, each with its priority",
	 false,
	 {2, {CUSTOMER(0x4007), CUSTOMER(0x2008)}},
	 {2, {PROVIDER(1), CUSTOMER(2)}},
	 {2, {PROVIDER(0x4001), CUSTOMER(0x2002)}}},
	{"none kept", true, {0}, {0}, {0}},
	{"one kept", true, {1, {CUSTOMER(0xe007)}}, {0}, {1, {CUSTOMER(0xe007)}}},
	{"two kept",
	 true,
	 {2, {PROVIDER(0x3007), CUSTOMER(0x2008)}},
	 {0},
	 {2, {PROVIDER(0x3007), CUSTOMER(0x2008)}}},
	{"two of one type kept",
	 true,
	 {2, {CUSTOMER(7), CUSTOMER(7)}},
	 {0},
	 {2, {CUSTOMER(7), CUSTOMER(7)}}},
	{"priority alone, to one",
	 false,
	 {1, {CUSTOMER(0xc000)}},
	 {1, {CUSTOMER(7)}},
	 {1, {CUSTOMER(0xc007)}}},
};

static void listen_at(struct sl_vlans *vlans, uint32_t ifindex, size_t count, const uint16_t *list)
{
	uint64_t listens[64] = {0};

	for (size_t i = 0; i < count; i++)
		listens[list[i] / 64] |= UINT64_C(1) << list[i] % 64;
	ck_assert_int_eq(vlans_add(vlans, ifindex, listens), 0);
}

static const struct world_way ways[] = {
	{.encapsulation = SL_ENCAP_IPIP},
	{.encapsulation = SL_ENCAP_IPIP, .entropy = true, .all_features = true},
	{.encapsulation = SL_ENCAP_GUE},
	{.encapsulation = SL_ENCAP_L2},
};

/* Services listen without a tag and on VLAN 7. */
static void open_listening(struct world *w, int way, struct sl_vlans *vlans)
{
	struct world_way with = ways[way];

	memset(vlans, 0, sizeof(*vlans));
	listen_at(vlans, IN, 2, (uint16_t[]){SL_VLAN_UNTAGGED, 7});
	with.vlans = vlans;
	world_open_way(w, &with);
}

/* Gives all backends the way of a case. */
static void set_ways(struct world *w, int which, size_t c)
{
	struct world_way way = ways[which];

	way.tags = &cases[c].way;
	way.keep_tags = cases[c].keep;
	world_set_way(w, WORLD_V4, &way, IN);
	world_set_way(w, WORLD_V6, &way, IN);
}

static void check_packet(struct world *w, size_t c, size_t i)
{
	struct frame in, tagged, out, expected;
	struct world_counts before, after;
	struct outer outer;

	frame_build(&in, &packets[i].packet);
	world_outer(w, packets[i].backend, &in, &outer);
	outer.no_checksum = packets[i].no_sum;
	frame_encapsulate(&expected, &in, &outer);
	frame_tag(&expected, &cases[c].out);
	tagged = in;
	frame_tag(&tagged, &cases[c].in);
	world_count(w, &before);
	ck_assert_msg(world_run(w, &tagged, &out, IN) == XDP_TX, "%s: not sent", cases[c].name);
	world_expect_frame(cases[c].name, &out, &expected);
	world_count(w, &after);
	ck_assert_uint_eq(after.verdict[SL_SEND_tx] - before.verdict[SL_SEND_tx], 1);
	ck_assert_uint_eq(after.backend[packets[i].backend][SL_BACKEND_bytes] -
				  before.backend[packets[i].backend][SL_BACKEND_bytes],
			  in.length - 14 - packets[i].packet.padding);
}

START_TEST(a_frame_leaves_with_the_tags_of_the_way_or_its_own)
{
	struct sl_vlans *vlans = mem_alloc(sizeof(*vlans));
	struct world w;

	open_listening(&w, _i, vlans);
	for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
		set_ways(&w, _i, c);
		for (size_t i = 0; i < ARRAY_SIZE(packets); i++)
			check_packet(&w, c, i);
	}
	world_close(&w);
	free(vlans);
}
END_TEST

/* Untagged ones are the other suites' affair: here they say what becomes of the same with tags. */
static void check_like_untagged(struct world *w, size_t c, const struct frame *frame)
{
	struct world_way untagged = {.encapsulation = SL_ENCAP_IPIP};
	struct frame in = *frame, out, expected;

	world_set_way(w, WORLD_V4, &untagged, IN);
	world_set_way(w, WORLD_V6, &untagged, IN);
	ck_assert_int_eq(world_run(w, &in, &expected, IN), XDP_TX);
	frame_tag(&expected, &cases[c].out);
	frame_tag(&in, &cases[c].in);
	set_ways(w, 0, c);
	ck_assert_msg(world_run(w, &in, &out, IN) == XDP_TX, "%s: not sent", cases[c].name);
	world_expect_frame(cases[c].name, &out, &expected);
}

START_TEST(icmp_errors_are_sent_with_tags)
{
	struct packet flow4 = V4("198.51.100.7", TCP, .payload = 20),
		      flow6 = V6("2001:db8:c::7", UDP, .payload = 20),
		      error4 = V4("203.0.113.10", .tos = 4),
		      error6 = V6("2001:db8:f::11", .extensions = hop_by_hop);
	struct sl_vlans *vlans = mem_alloc(sizeof(*vlans));
	struct frame quoted, frame;
	struct world w;

	flow4.source = "203.0.113.10";
	flow6.source = "2001:db8:f::11";
	flow4.source_port = flow6.source_port = 443;
	flow4.destination_port = flow6.destination_port = 40000;
	flow4.options = 8;
	open_listening(&w, 0, vlans);
	for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
		frame_build(&quoted, &flow4);
		frame_build_icmp(&frame, &error4,
				 &(struct icmp){.type = 3, .code = 4, .rest = 1300, .quoted = 36},
				 &quoted);
		check_like_untagged(&w, c, &frame);
		frame_build(&quoted, &flow6);
		frame_build_icmp(&frame, &error6, &(struct icmp){.type = 2, .rest = 1300}, &quoted);
		check_like_untagged(&w, c, &frame);
	}
	world_close(&w);
	free(vlans);
}
END_TEST

START_TEST(the_mss_is_lowered_behind_tags)
{
	static const uint8_t mss[] = {2, 4, 0x05, 0xb4};
	struct packet syn = V4("203.0.113.10", TCP, .tcp_flags = 2, .tcp_offset = 6, .data = mss,
			       .payload = sizeof(mss));
	struct sl_vlans *vlans = mem_alloc(sizeof(*vlans));
	struct world_way way = {.encapsulation = SL_ENCAP_IPIP, .all_features = true};
	struct frame frame, out;
	struct world w;

	memset(vlans, 0, sizeof(*vlans));
	listen_at(vlans, IN, 2, (uint16_t[]){SL_VLAN_UNTAGGED, 7});
	way.vlans = vlans;
	world_open_way(&w, &way);
	for (uint32_t record = 1; record < 4; record++)
		ck_assert_int_eq(w.ops->write_mss(w.dp, record, 1200), 0);
	frame_build(&frame, &syn);
	for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
		struct frame in = frame;

		frame_tag(&in, &cases[c].in);
		set_ways(&w, 0, c);
		ck_assert_int_eq(world_run(&w, &in, &out, IN), XDP_TX);
		ck_assert_uint_eq(out.data[out.length - 2] << 8 | out.data[out.length - 1], 1200);
		check_like_untagged(&w, c, &frame);
	}
	world_close(&w);
	free(vlans);
}
END_TEST

enum listed { SOME, UNTAGGED, ANY, ELSEWHERE, LISTS };

static const struct {
	const char *name;
	enum listed listed;
	struct tagging in;
	enum sl_verdict verdict; /* SL_GO_ON: it is sent */
} lists[] = {
	{"one that is listed", SOME, {1, {CUSTOMER(7)}}, SL_GO_ON},
	{"the highest one", SOME, {1, {CUSTOMER(0xfffe)}}, SL_GO_ON},
	{"one that is not listed", SOME, {1, {CUSTOMER(8)}}, SL_PASS_tagged},
	{"one of the same bit of another word", SOME, {1, {CUSTOMER(71)}}, SL_PASS_tagged},
	{"the number that nobody may use", SOME, {1, {CUSTOMER(0xfff)}}, SL_PASS_tagged},
	{"no tag where none is listed", SOME, {0}, SL_PASS_untagged},
	{"a priority alone where untagged is not listed",
	 SOME,
	 {1, {CUSTOMER(0xe000)}},
	 SL_PASS_untagged},
	{"two tags, the outer one listed", SOME, {2, {PROVIDER(7), CUSTOMER(8)}}, SL_GO_ON},
	{"two tags, the inner one listed", SOME, {2, {PROVIDER(8), CUSTOMER(7)}}, SL_PASS_tagged},
	{"three tags", SOME, {3, {PROVIDER(7), CUSTOMER(8), CUSTOMER(9)}}, SL_PASS_tagged},
	{"no tag where untagged is listed", UNTAGGED, {0}, SL_GO_ON},
	{"a priority alone", UNTAGGED, {1, {CUSTOMER(0x2000)}}, SL_GO_ON},
	{"a tag where untagged is listed", UNTAGGED, {1, {CUSTOMER(7)}}, SL_PASS_tagged},
	{"no tag where any will do", ANY, {0}, SL_GO_ON},
	{"a tag where any will do", ANY, {1, {CUSTOMER(1)}}, SL_GO_ON},
	{"the highest where any will do", ANY, {1, {PROVIDER(4094)}}, SL_GO_ON},
	{"no tag at an interface that is nowhere", ELSEWHERE, {0}, SL_GO_ON},
	{"a tag at an interface that is nowhere", ELSEWHERE, {1, {CUSTOMER(7)}}, SL_PASS_tagged},
};

/* Of the only interface that there is sure to be. */
static void make_list(enum listed listed, struct sl_vlans *out)
{
	uint64_t any[64];

	memset(any, 0xff, sizeof(any));
	memset(out, 0, sizeof(*out));
	if (listed == SOME)
		listen_at(out, IN, 2, (uint16_t[]){7, 4094});
	else if (listed == UNTAGGED)
		listen_at(out, IN, 1, (uint16_t[]){SL_VLAN_UNTAGGED});
	if (listed == ANY)
		ck_assert_int_eq(vlans_add(out, IN, any), 0);
	else
		ck_assert_int_eq(vlans_add(out, IN + 1, any), 0);
}

static void check_verdict(struct world *w, const char *name, const struct frame *in,
			  enum sl_verdict verdict)
{
	struct world_counts before, after;
	struct frame out;
	int action;

	world_count(w, &before);
	action = world_run(w, in, &out, IN);
	world_count(w, &after);
	if (verdict == SL_GO_ON) {
		ck_assert_msg(action == XDP_TX, "%s: action %d", name, action);
		return;
	}
	ck_assert_msg(action == XDP_PASS, "%s: action %d", name, action);
	ck_assert_msg(after.verdict[verdict] - before.verdict[verdict] == 1, "%s: not %s", name,
		      world_verdict_name(verdict));
	ck_assert_msg(out.length == in->length && !memcmp(out.data, in->data, in->length),
		      "%s: touched", name);
}

static void open_lists(struct world *w, struct sl_vlans *vlans)
{
	make_list(SOME, vlans);
	world_open_way(w, &(struct world_way){.vlans = vlans});
}

static void check_tagged(struct world *w, const char *name, const struct packet *packet,
			 const struct tagging *tags, enum sl_verdict verdict)
{
	struct frame in;

	frame_build(&in, packet);
	frame_tag(&in, tags);
	check_verdict(w, name, &in, verdict);
}

START_TEST(what_is_on_a_vlan_that_is_not_listed_passes)
{
	struct packet packet = V4("203.0.113.10", TCP, .payload = 10);
	struct sl_vlans *vlans = mem_alloc(sizeof(*vlans));
	struct problems p = {0};
	struct world w;

	open_lists(&w, vlans);
	for (enum listed listed = 0; listed < LISTS; listed++) {
		make_list(listed, vlans);
		ck_assert_int_eq(dataplane_set_vlans(w.dp, vlans, &p), 0);
		for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
			if (lists[i].listed == listed)
				check_tagged(&w, lists[i].name, &packet, &lists[i].in,
					     lists[i].verdict);
	}
	world_close(&w);
	free(vlans);
}
END_TEST

START_TEST(lists_change_while_packets_come)
{
	const struct packet packet = V4("203.0.113.10", TCP, .payload = 10);
	const struct tagging tags = {1, {CUSTOMER(8)}};
	struct sl_vlans *vlans = mem_alloc(sizeof(*vlans));
	struct problems p = {0};
	struct world w;

	open_lists(&w, vlans);
	check_tagged(&w, "not listed", &packet, &tags, SL_PASS_tagged);
	listen_at(vlans, 1, 1, (uint16_t[]){8});
	ck_assert_int_eq(dataplane_set_vlans(w.dp, vlans, &p), 0);
	check_tagged(&w, "listed", &packet, &tags, SL_GO_ON);
	ck_assert_mem_eq(dataplane_vlans(w.dp), vlans, sizeof(*vlans));
	ck_assert_int_eq(dataplane_set_features(w.dp, (struct dataplane_features){0}, &p), 0);
	check_tagged(&w, "off", &packet, &tags, SL_PASS_tagged);
	world_close(&w);
	free(vlans);
}
END_TEST

START_TEST(what_is_behind_a_tag_and_not_for_a_service_passes)
{
	static const struct {
		const char *name;
		struct packet packet;
		enum sl_verdict verdict;
	} others[] = {
		{"another address", V4("203.0.113.99", TCP), SL_PASS_no_listener},
		{"ARP", V4("203.0.113.10", TCP, .ethertype = 0x0806), SL_PASS_not_ip},
		{"a group", V4("203.0.113.10", TCP, .to_group = true), SL_PASS_group},
		{"another protocol", V6("2001:db8:f::10", .protocol = 132), SL_PASS_other_protocol},
	};
	const struct tagging tags = {1, {CUSTOMER(7)}};
	struct sl_vlans *vlans = mem_alloc(sizeof(*vlans));
	struct world w;

	open_lists(&w, vlans);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		check_tagged(&w, others[i].name, &others[i].packet, &tags, others[i].verdict);
	world_close(&w);
	free(vlans);
}
END_TEST

START_TEST(a_tagged_frame_that_ends_early_is_not_sent)
{
	struct packet vips[] = {V4("203.0.113.10", TCP), V6("2001:db8:f::10", UDP)};
	struct sl_vlans *vlans = mem_alloc(sizeof(*vlans));
	struct frame whole, in, out;
	struct world w;

	open_lists(&w, vlans);
	for (size_t v = 0; v < ARRAY_SIZE(vips); v++)
		for (size_t tags = 1; tags <= 3; tags++) {
			frame_build(&whole, &vips[v]);
			frame_tag(&whole,
				  &(struct tagging){tags, {PROVIDER(7), CUSTOMER(8), CUSTOMER(9)}});
			for (size_t length = 14; length < whole.length; length++) {
				in = whole;
				in.length = length;
				ck_assert_int_ne(world_run(&w, &in, &out, IN), XDP_TX);
				ck_assert_uint_eq(out.length, length);
				ck_assert_mem_eq(out.data, in.data, length);
			}
		}
	world_close(&w);
	free(vlans);
}
END_TEST

Suite *balancer_vlan_suite(void)
{
	Suite *suite = suite_create("balancer VLAN");
	TCase *tcase = tcase_create("vlan");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, a_frame_leaves_with_the_tags_of_the_way_or_its_own, 0,
			    ARRAY_SIZE(ways));
	tcase_add_test(tcase, icmp_errors_are_sent_with_tags);
	tcase_add_test(tcase, the_mss_is_lowered_behind_tags);
	tcase_add_test(tcase, what_is_on_a_vlan_that_is_not_listed_passes);
	tcase_add_test(tcase, lists_change_while_packets_come);
	tcase_add_test(tcase, what_is_behind_a_tag_and_not_for_a_service_passes);
	tcase_add_test(tcase, a_tagged_frame_that_ends_early_is_not_sent);
	suite_add_tcase(suite, tcase);
	return suite;
}
