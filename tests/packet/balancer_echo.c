/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Echo requests: those to an address of which any listener allows it are answered, byte for byte as RFC 792 and RFC 4443
 * want it, whatever became of the service's backends. All others pass as they came, or are dropped by name.
 */
#include <check.h>
#include <netinet/in.h>
#include <string.h>

#include "packet/world.h"
#include "random.h"

#define CLIENT	"198.51.100.7"
#define CLIENT6 "2001:db8:c::7"
#define VIP	"203.0.113.10"
#define VIP6	"2001:db8:f::10"
#define EMPTY	4 /* the service of world.c that has no backend */
#define FROM(client, vip, ...)                                    \
	{                                                         \
		.source = client, .destination = vip, __VA_ARGS__ \
	}

static const struct {
	const char *v4, *v6;
	uint8_t protocol;
	bool echo;
	uint16_t service;
} listeners[] = {
	{"203.0.113.10", "2001:db8:f::10", IPPROTO_TCP, false, 1},
	{"203.0.113.10", "2001:db8:f::10", IPPROTO_UDP, true, 2},
	{"203.0.113.11", "2001:db8:f::11", IPPROTO_TCP, false, 1},
	{"203.0.113.11", "2001:db8:f::11", IPPROTO_UDP, false, 1},
	{"203.0.113.20", "2001:db8:f::20", IPPROTO_TCP, true, EMPTY},
	{"203.0.113.128/25", "2001:db8:f:8000::/49", IPPROTO_TCP, true, 1},
	{"203.0.113.192/26", "2001:db8:f:c000::/50", IPPROTO_TCP, false, 2},
	{"192.0.2.0/24", "2001:db8:2::/48", IPPROTO_TCP, false, 1},
	{"224.0.0.0/3", "f000::/4", IPPROTO_TCP, true, 1},
};

#define LISTENERS (sizeof(listeners) / sizeof(listeners[0]))

static struct world w;

static void listen_on(size_t count)
{
	struct dataplane_listener list[2 * LISTENERS] = {};

	for (size_t i = 0; i < 2 * count; i++) {
		list[i] = world_listener(i % 2 ? listeners[i / 2].v6 : listeners[i / 2].v4, 443,
					 listeners[i / 2].protocol, listeners[i / 2].service);
		list[i].echo = listeners[i / 2].echo;
	}
	ck_assert_int_eq(w.ops->write_listeners(w.dp, list, 2 * count), 0);
}

static void open_world(const struct world_way *way)
{
	/* Services listen without a tag, and on the outermost VLANs of the tags below. */
	static const uint64_t listens[64] = {1 | 1 << 7 | 1 << 9};
	struct world_way with = *way;
	static struct sl_vlans vlans;

	memset(&vlans, 0, sizeof(vlans));
	ck_assert_int_eq(vlans_add(&vlans, 1, listens), 0);
	if (with.keep_tags)
		with.vlans = &vlans;
	world_open_way(&w, &with);
	listen_on(LISTENERS);
}

/* ---- what is answered ------------------------------------------------------------------------- */

static bool is_v6(const struct packet *packet)
{
	return strchr(packet->destination, ':');
}

/* A message of `type` (v4) or `type6`, with data made up. */
static void build(struct frame *out, const struct packet *packet, uint8_t type, uint8_t type6)
{
	struct icmp icmp = {.type = is_v6(packet) ? type6 : type, .rest = 0xbeef0007};
	struct frame data = {.length = 14 + packet->payload};

	for (size_t i = 14; i < data.length; i++)
		data.data[i] = i * 11 + 5;
	frame_build_icmp(out, packet, &icmp, &data);
}

static void build_answer(struct frame *out, const struct packet *packet)
{
	struct packet back = *packet;

	back.source = packet->destination;
	back.destination = packet->source;
	back.ttl = 64;
	build(out, &back, 0, 129);
	frame_swap_macs(out);
}

/* Runs a frame, which must end by this verdict and by no other counter. */
static void run(const char *name, const struct frame *in, enum sl_verdict verdict, int action,
		struct frame *out)
{
	struct world_ran ran;

	world_run_counted(&w, name, in, verdict, &ran);
	ck_assert_msg(ran.action == action, "%s: action %d", name, ran.action);
	ck_assert_mem_eq(ran.before.service, ran.after.service, sizeof(ran.before.service));
	ck_assert_mem_eq(ran.before.backend, ran.after.backend, sizeof(ran.before.backend));
	*out = ran.out;
}

static const struct tagging one_tag = {1, {0x8100, 0x2007}};
static const struct tagging two_tags = {2, {0x88a8, 9, 0x8100, 0xe007}};

static const struct {
	const char *name;
	struct packet packet;
	const struct tagging *tags;
} answered[] = {
	{"56 bytes", FROM(CLIENT, VIP, .payload = 56), NULL},
	{"no data", FROM(CLIENT, VIP), NULL},
	{"an odd length", FROM(CLIENT, VIP, .payload = 57), NULL},
	{"1400 bytes", FROM(CLIENT, VIP, .payload = 1400), NULL},
	{"longer than an Ethernet frame", FROM(CLIENT, VIP, .payload = 3000), NULL},
	{"padding", FROM(CLIENT, VIP, .payload = 3, .padding = 15), NULL},
	{"dscp, ecn", FROM(CLIENT, VIP, .payload = 56, .tos = 0xba), NULL},
	{"df clear, with an id", FROM(CLIENT, VIP, .payload = 56, .clear_df = true, .id = 0x1234),
	 NULL},
	{"ttl 1", FROM(CLIENT, VIP, .payload = 56, .ttl = 1), NULL},
	{"ttl 255", FROM(CLIENT, VIP, .payload = 56, .ttl = 255), NULL},
	{"ttl 64", FROM(CLIENT, VIP, .payload = 56, .ttl = 64), NULL},
	{"no backend", FROM(CLIENT, "203.0.113.20", .payload = 56), NULL},
	{"the first of a prefix", FROM(CLIENT, "203.0.113.128", .payload = 56), NULL},
	{"a longer prefix does not allow it", FROM(CLIENT, "203.0.113.255", .payload = 56), NULL},
	{"one tag", FROM(CLIENT, VIP, .payload = 56), &one_tag},
	{"two tags", FROM(CLIENT, VIP, .payload = 57), &two_tags},
	{"56 bytes v6", FROM(CLIENT6, VIP6, .payload = 56), NULL},
	{"no data v6", FROM(CLIENT6, VIP6), NULL},
	{"an odd length v6", FROM(CLIENT6, VIP6, .payload = 57), NULL},
	{"1400 bytes v6", FROM(CLIENT6, VIP6, .payload = 1400), NULL},
	{"longer than an Ethernet frame v6", FROM(CLIENT6, VIP6, .payload = 3000), NULL},
	{"padding v6", FROM(CLIENT6, VIP6, .payload = 3, .padding = 15), NULL},
	{"traffic class v6", FROM(CLIENT6, VIP6, .payload = 56, .tos = 0xba), NULL},
	{"hop limit 1 v6", FROM(CLIENT6, VIP6, .payload = 56, .ttl = 1), NULL},
	{"no backend v6", FROM(CLIENT6, "2001:db8:f::20", .payload = 56), NULL},
	{"the first of a prefix v6", FROM(CLIENT6, "2001:db8:f:8000::", .payload = 56), NULL},
	{"a longer prefix does not allow it v6", FROM(CLIENT6, "2001:db8:f:ffff::9", .payload = 56),
	 NULL},
	{"one tag v6", FROM(CLIENT6, VIP6, .payload = 56), &one_tag},
	{"two tags v6", FROM(CLIENT6, VIP6, .payload = 57), &two_tags},
};

#define ANSWERED (int)(sizeof(answered) / sizeof(answered[0]))

static const struct world_way ways[] = {
	{.features.echo = true},
	{.features.echo = true, .keep_tags = true},
	{.features.echo = true, .features.redirect = true},
	{.keep_tags = true, .all_features = true},
};

#define WAYS (int)(sizeof(ways) / sizeof(ways[0]))

START_TEST(a_request_comes_back_as_its_answer_by_the_interface_that_it_came_in_by)
{
	struct frame in, out, expected;

	open_world(&ways[_i]);
	if (ways[_i].features.redirect) /* backends are elsewhere */
		world_set_ifindex(&w, 2);
	for (int i = 0; i < ANSWERED; i++) {
		if (answered[i].tags && !ways[_i].keep_tags)
			continue;
		build(&in, &answered[i].packet, 8, 128);
		build_answer(&expected, &answered[i].packet);
		if (answered[i].tags) {
			frame_tag(&in, answered[i].tags);
			frame_tag(&expected, answered[i].tags);
		}
		run(answered[i].name, &in, SL_SEND_echo_answered, XDP_TX, &out);
		world_expect_frame(answered[i].name, &out, &expected);
	}
	world_close(&w);
}
END_TEST

START_TEST(without_the_knob_all_of_them_pass)
{
	struct frame in, out;

	open_world(&(struct world_way){0});
	for (int i = 0; i < ANSWERED; i++) {
		if (answered[i].tags)
			continue;
		build(&in, &answered[i].packet, 8, 128);
		run(answered[i].name, &in, SL_PASS_other_protocol, XDP_PASS, &out);
		world_expect_frame(answered[i].name, &out, &in);
	}
	world_close(&w);
}
END_TEST

/* ---- what is not ------------------------------------------------------------------------------ */

static const uint8_t options[] = {IPPROTO_DSTOPTS, 255};
static const uint8_t atomic[] = {IPPROTO_FRAGMENT, 255};
static const uint8_t seven[] = {0, 60, 43, 60, 60, 60, 60, 255};

static const struct {
	const char *name;
	struct packet packet;
	uint8_t type, type6;
	enum sl_verdict verdict;
} others[] = {
	{"no listener allows it", FROM(CLIENT, "203.0.113.11", .payload = 56), 8, 128,
	 SL_PASS_other_protocol},
	{"nobody's address", FROM(CLIENT, "10.9.9.9", .payload = 56), 8, 128,
	 SL_PASS_other_protocol},
	{"an answer", FROM(CLIENT, VIP, .payload = 56), 0, 129, SL_PASS_other_protocol},
	{"a question for the time", FROM(CLIENT, VIP, .payload = 12), 13, 0,
	 SL_PASS_other_protocol},
	{"an IP option", FROM(CLIENT, VIP, .payload = 56, .options = 4), 8, 128,
	 SL_PASS_other_protocol},
	{"a first fragment", FROM(CLIENT, VIP, .payload = 56, .clear_df = true, .fragment = 0x2000),
	 8, 128, SL_PASS_other_protocol},
	{"a later fragment", FROM(CLIENT, VIP, .payload = 56, .clear_df = true, .fragment = 7), 8,
	 128, SL_PASS_other_protocol},
	{"from nobody", FROM("0.0.0.0", VIP, .payload = 56), 8, 128, SL_PASS_other_protocol},
	{"from a loopback", FROM("127.0.0.1", VIP, .payload = 56), 8, 128, SL_PASS_other_protocol},
	{"from a group", FROM("224.0.0.1", VIP, .payload = 56), 8, 128, SL_PASS_other_protocol},
	{"from all", FROM("255.255.255.255", VIP, .payload = 56), 8, 128, SL_PASS_other_protocol},
	{"to a group", FROM(CLIENT, "224.0.0.1", .payload = 56), 8, 128, SL_PASS_other_protocol},
	{"to all", FROM(CLIENT, "255.255.255.255", .payload = 56), 8, 128, SL_PASS_other_protocol},
	{"to a group's MAC address", FROM(CLIENT, VIP, .payload = 56, .to_group = true), 8, 128,
	 SL_PASS_group},
	{"7 bytes of it", FROM(CLIENT, VIP, .cut = 1), 8, 128, SL_PASS_unreadable},
	{"a byte less than it says", FROM(CLIENT, VIP, .payload = 56, .cut = 1), 8, 128,
	 SL_DROP_bad_length},
	{"it says a byte more", FROM(CLIENT, VIP, .payload = 56, .lie_ip_length = 1), 8, 128,
	 SL_DROP_bad_length},
	{"it says 7 bytes", FROM(CLIENT, VIP, .payload = 56, .lie_ip_length = -57), 8, 128,
	 SL_DROP_bad_length},

	{"no listener allows it v6", FROM(CLIENT6, "2001:db8:f::11", .payload = 56), 8, 128,
	 SL_PASS_other_protocol},
	{"nobody's address v6", FROM(CLIENT6, "2001:db8:9::9", .payload = 56), 8, 128,
	 SL_PASS_other_protocol},
	{"the other family's type", FROM(CLIENT6, VIP6, .payload = 56), 128, 8,
	 SL_PASS_other_protocol},
	{"an answer v6", FROM(CLIENT6, VIP6, .payload = 56), 0, 129, SL_PASS_other_protocol},
	{"a neighbour solicitation", FROM(CLIENT6, VIP6, .payload = 16), 0, 135,
	 SL_PASS_other_protocol},
	{"an extension header", FROM(CLIENT6, VIP6, .payload = 56, .extensions = options), 8, 128,
	 SL_PASS_other_protocol},
	{"an atomic fragment", FROM(CLIENT6, VIP6, .payload = 56, .extensions = atomic), 8, 128,
	 SL_PASS_other_protocol},
	{"a first fragment v6",
	 FROM(CLIENT6, VIP6, .payload = 56, .extensions = atomic, .fragment = 1), 8, 128,
	 SL_PASS_other_protocol},
	{"a later fragment v6",
	 FROM(CLIENT6, VIP6, .payload = 56, .extensions = atomic, .fragment = 8), 8, 128,
	 SL_PASS_other_protocol},
	{"too many headers", FROM(CLIENT6, VIP6, .payload = 56, .extensions = seven), 8, 128,
	 SL_DROP_many_headers},
	{"from nobody v6", FROM("::", VIP6, .payload = 56), 8, 128, SL_PASS_other_protocol},
	{"from a group v6", FROM("ff02::1", VIP6, .payload = 56), 8, 128, SL_PASS_other_protocol},
	{"to a group v6", FROM(CLIENT6, "ff02::1", .payload = 56), 8, 128, SL_PASS_other_protocol},
	{"7 bytes of it v6", FROM(CLIENT6, VIP6, .cut = 1), 8, 128, SL_PASS_unreadable},
	{"a byte less than it says v6", FROM(CLIENT6, VIP6, .payload = 56, .cut = 1), 8, 128,
	 SL_DROP_bad_length},
	{"it says a byte more v6", FROM(CLIENT6, VIP6, .payload = 56, .lie_ip_length = 1), 8, 128,
	 SL_DROP_bad_length},
	{"it says 7 bytes v6", FROM(CLIENT6, VIP6, .payload = 56, .lie_ip_length = -57), 8, 128,
	 SL_DROP_bad_length},
};

START_TEST(what_is_no_whole_plain_request_to_such_an_address_is_not_answered)
{
	struct frame in, out;

	open_world(&ways[_i]);
	for (int i = 0; i < (int)(sizeof(others) / sizeof(others[0])); i++) {
		build(&in, &others[i].packet, others[i].type, others[i].type6);
		run(others[i].name, &in, others[i].verdict, world_verdict_action(others[i].verdict),
		    &out);
		world_expect_frame(others[i].name, &out, &in);
	}
	world_close(&w);
}
END_TEST

/* The bit in the word of the table is asked first; and it is only one of them. */
START_TEST(where_no_address_allows_it_none_answers)
{
	struct packet packet = FROM(CLIENT, VIP, .payload = 56);
	struct frame in, out;

	open_world(&ways[_i]);
	listen_on(1);
	ck_assert_uint_eq(w.view->control->listeners & SL_LISTENERS_ECHO, 0);
	build(&in, &packet, 8, 128);
	run("one listener", &in, SL_PASS_other_protocol, XDP_PASS, &out);
	listen_on(2);
	ck_assert_uint_ne(w.view->control->listeners & SL_LISTENERS_ECHO, 0);
	run("two listeners", &in, SL_SEND_echo_answered, XDP_TX, &out);
	world_close(&w);
}
END_TEST

START_TEST(denied_sources_get_no_answer)
{
	static const struct packet from[] = {FROM(CLIENT, VIP), FROM(CLIENT6, VIP6),
					     FROM(CLIENT, "203.0.113.11")};
	static const char *const list[] = {"198.51.100.0/24", "2001:db8:c::/48"};
	struct frame in, out;

	open_world(&(struct world_way){.features.echo = true, .features.deny = _i});
	world_deny(&w, list, 2);
	for (int i = 0; i < 2; i++) {
		build(&in, &from[i], 8, 128);
		run(from[i].source, &in, _i ? SL_DROP_denied : SL_SEND_echo_answered,
		    _i ? XDP_DROP : XDP_TX, &out);
	}
	/* What is not ours to answer is not ours to drop. */
	build(&in, &from[2], 8, 128);
	run("not answered anyway", &in, SL_PASS_other_protocol, XDP_PASS, &out);
	world_close(&w);
}
END_TEST

/* BPF_PROG_TEST_RUN splits what is longer than a page has room for. */
START_TEST(frames_of_several_buffers_are_answered_where_they_are_taken)
{
	static const struct packet whole[] = {FROM(CLIENT, VIP, .payload = 3800),
					      FROM(CLIENT6, VIP6, .payload = 3800)};
	static const struct packet cut[] = {FROM(CLIENT, VIP, .payload = 3800, .cut = 1),
					    FROM(CLIENT6, VIP6, .payload = 3800, .cut = 1)};
	struct frame in, out, expected;

	open_world(&(struct world_way){.features.echo = true, .features.multi_buffer = true});
	for (int v6 = 0; v6 < 2; v6++) {
		build(&in, &whole[v6], 8, 128);
		build_answer(&expected, &whole[v6]);
		run("several buffers", &in, SL_SEND_echo_answered, XDP_TX, &out);
		world_expect_frame("several buffers", &out, &expected);
		build(&in, &cut[v6], 8, 128);
		run("a byte less", &in, SL_DROP_bad_length, XDP_DROP, &out);
	}
	world_close(&w);
}
END_TEST

/* ---- checksums -------------------------------------------------------------------------------- */

static uint32_t sum16(const uint8_t *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

/* RFC 1071: 0 where it is right, by a pass over all the bytes, and of 0 and 0xffff not the wrong one where all else is 0. */
static uint16_t fault(const struct frame *frame, bool v6)
{
	const uint8_t *message = frame->data + 14 + (v6 ? 40 : 20);
	size_t length = frame->length - 14 - (v6 ? 40 : 20);
	uint32_t pseudo = 0;

	if (v6) {
		pseudo = IPPROTO_ICMPV6 + length;
		for (int i = 0; i < 32; i += 2)
			pseudo += sum16(frame->data + 14 + 8 + i);
	}
	return frame_checksum(message, length, pseudo);
}

/* By so much a checksum is wrong, in ones' complement: the fault less that much, and 0 is 0xffff. */
START_TEST(any_data_gets_a_right_checksum_and_a_wrong_one_stays_as_wrong_as_it_was)
{
	static const struct packet packets[] = {FROM(CLIENT, VIP), FROM(CLIENT6, VIP6)};
	struct frame in, out;

	open_world(&(struct world_way){.features.echo = true});
	for (int n = 0; n < 4000; n++) {
		bool v6 = n & 1, wrong = n % 8 > 5;
		struct packet packet = packets[v6];
		struct icmp icmp = {.type = v6 ? 128 : 8, .rest = random_next()};
		struct frame data = {.length = 14 + random_below(n % 16 ? 64 : 1400)};
		size_t at = 14 + (v6 ? 40 : 20) + 2;

		for (size_t i = 14; i < data.length; i++)
			data.data[i] = random_next();
		/* All words that a sum can come to. */
		packet.ttl = 1 + random_below(255);
		packet.id = random_next();
		frame_build_icmp(&in, &packet, &icmp, &data);
		if (wrong)
			in.data[at + (n & 2) / 2] ^= 1 + random_below(255);
		ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
		ck_assert_uint_eq(out.length, in.length);
		ck_assert_uint_eq(fault(&in, v6) % 0xffff, fault(&out, v6) % 0xffff);
		ck_assert_int_eq(fault(&out, v6) == 0, fault(&in, v6) == 0);
		if (!v6)
			ck_assert_uint_eq(frame_checksum(out.data + 14, 20, 0), 0);
		ck_assert_mem_eq(in.data + at + 2, out.data + at + 2, in.length - at - 2);
	}
	world_close(&w);
}
END_TEST

/* An answer that is all zeros has the checksum 0xffff: with 0 its words would sum up to 0, which is wrong. */
START_TEST(all_checksums_of_a_request_are_followed)
{
	struct packet packet = FROM(CLIENT, VIP);
	struct frame in, out, data = {.length = 14 + 2};
	struct icmp icmp = {.type = 8};

	open_world(&(struct world_way){.features.echo = true});
	for (uint32_t word = 0; word < 0x10000; word++) {
		data.data[14] = word >> 8;
		data.data[15] = word;
		frame_build_icmp(&in, &packet, &icmp, &data);
		ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
		ck_assert_uint_eq(fault(&out, false), 0);
		if (!word)
			ck_assert_uint_eq(sum16(out.data + 36), 0xffff);
	}
	world_close(&w);
}
END_TEST

/* A damaged header of an IPv4 packet does not become a right one either. */
START_TEST(a_wrong_sum_of_the_ip_header_stays_wrong)
{
	struct packet packet = FROM(CLIENT, VIP, .payload = 56);
	struct frame in, out;

	open_world(&(struct world_way){.features.echo = true});
	build(&in, &packet, 8, 128);
	in.data[24] ^= 0x10;
	run("a wrong sum", &in, SL_SEND_echo_answered, XDP_TX, &out);
	ck_assert_uint_ne(frame_checksum(out.data + 14, 20, 0), 0);
	world_close(&w);
}
END_TEST

Suite *balancer_echo_suite(void)
{
	Suite *suite = suite_create("balancer_echo");
	TCase *tc = tcase_create("echo");

	tcase_add_loop_test(tc,
			    a_request_comes_back_as_its_answer_by_the_interface_that_it_came_in_by,
			    0, WAYS);
	tcase_add_test(tc, without_the_knob_all_of_them_pass);
	tcase_add_loop_test(tc, what_is_no_whole_plain_request_to_such_an_address_is_not_answered,
			    0, WAYS);
	tcase_add_loop_test(tc, where_no_address_allows_it_none_answers, 0, WAYS);
	tcase_add_loop_test(tc, denied_sources_get_no_answer, 0, 2);
	tcase_add_test(tc, frames_of_several_buffers_are_answered_where_they_are_taken);
	tcase_add_test(tc, any_data_gets_a_right_checksum_and_a_wrong_one_stays_as_wrong_as_it_was);
	tcase_add_test(tc, all_checksums_of_a_request_are_followed);
	tcase_add_test(tc, a_wrong_sum_of_the_ip_header_stays_wrong);
	suite_add_tcase(suite, tc);
	return suite;
}
