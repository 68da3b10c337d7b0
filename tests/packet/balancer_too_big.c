/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets that do not fit the way to their backend: the sender is told what fits, by an ICMP or ICMPv6 error from the address
 * that it sent to, unless nobody can or need be told, or too many were.
 */
#include <check.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "packet/client.h"
#include "packet/world.h"

#define CLIENT	"198.51.100.7"
#define CLIENT6 "2001:db8:c::7"
#define TO(vip, client, ...)                                                \
	{                                                                   \
		.source = client, .destination = vip, .source_port = 40000, \
		.destination_port = 443, __VA_ARGS__                        \
	}

static const uint8_t options[] = {IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, 255};
static const struct tagging one_tag = {1, {0x8100, 0x2007}};
static const struct tagging two_tags = {2, {0x88a8, 9, 0x8100, 0xe007}};

/* 1,500 bytes less the outer header fit. */
static const struct {
	const char *name;
	struct packet packet;
	const struct tagging *tags;
	uint32_t mtu;
} told[] = {
	{"one byte", TO("203.0.113.10", CLIENT, TCP, .payload = 1441), NULL, 1480},
	{"a full frame", TO("203.0.113.10", CLIENT, TCP, .payload = 1460), NULL, 1480},
	{"an odd length", TO("203.0.113.10", CLIENT, TCP, .payload = 1459), NULL, 1480},
	{"dscp, options, padding",
	 TO("203.0.113.10", CLIENT, TCP, .payload = 1420, .tos = 0xb9, .options = 24, .padding = 5),
	 NULL, 1480},
	{"udp", TO("203.0.113.10", CLIENT, UDP, .payload = 1472), NULL, 1480},
	{"any port", TO("203.0.113.12", CLIENT, TCP, .payload = 1460), NULL, 1480},
	{"out by IPv6", TO("203.0.113.11", CLIENT, TCP, .payload = 1421), NULL, 1460},
	{"longer than an Ethernet frame", TO("203.0.113.10", CLIENT, TCP, .payload = 3000), NULL,
	 1480},
	{"one tag", TO("203.0.113.10", CLIENT, TCP, .payload = 1460), &one_tag, 1480},
	{"two tags", TO("203.0.113.10", CLIENT, TCP, .payload = 1461), &two_tags, 1480},
	{"without df", TO("203.0.113.10", CLIENT, UDP, .payload = 1472, .clear_df = true, .id = 7),
	 NULL, 1480},
	{"one byte without df", TO("203.0.113.10", CLIENT, TCP, .payload = 1441, .clear_df = true),
	 NULL, 1480},
	{"one byte without df, out by IPv6",
	 TO("203.0.113.11", CLIENT, TCP, .payload = 1421, .clear_df = true), NULL, 1460},
	{"one byte v6", TO("2001:db8:f::10", CLIENT6, TCP, .payload = 1421), NULL, 1480},
	{"a full frame v6", TO("2001:db8:f::10", CLIENT6, TCP, .payload = 1440), NULL, 1480},
	{"an odd length v6", TO("2001:db8:f::10", CLIENT6, TCP, .payload = 1439), NULL, 1480},
	{"dscp, extensions v6",
	 TO("2001:db8:f::10", CLIENT6, TCP, .payload = 1424, .tos = 0xb9, .extensions = options),
	 NULL, 1480},
	{"udp v6", TO("2001:db8:f::10", CLIENT6, UDP, .payload = 1452), NULL, 1480},
	{"out by IPv6 v6", TO("2001:db8:f::11", CLIENT6, TCP, .payload = 1401), NULL, 1460},
	{"one tag v6", TO("2001:db8:f::10", CLIENT6, TCP, .payload = 1440), &one_tag, 1480},
	{"two tags v6", TO("2001:db8:f::10", CLIENT6, TCP, .payload = 1441), &two_tags, 1480},
};

#define TOLD (int)(sizeof(told) / sizeof(told[0]))

static bool is_v6(const struct packet *packet)
{
	return strchr(packet->destination, ':');
}

static void build(const struct packet *packet, const struct tagging *tags, struct frame *out)
{
	frame_build(out, packet);
	if (tags)
		frame_tag(out, tags);
}

/* RFC 1812 section 4.3.2.3, RFC 4443 section 2.4: as much of the packet as fits 576 or 1280 bytes. */
static void build_answer(const struct packet *packet, const struct tagging *tags, uint32_t mtu,
			 struct frame *out)
{
	struct packet back = {.source = packet->destination,
			      .destination = packet->source,
			      .ttl = 64,
			      .tos = is_v6(packet) ? 0 : 0xc0};
	struct icmp needed = {.type = 3, .code = 4, .rest = mtu, .quoted = 548};
	struct icmp too_big = {.type = 2, .rest = mtu, .quoted = 1232};
	struct frame quoted;

	frame_build(&quoted, packet);
	frame_build_icmp(out, &back, is_v6(packet) ? &too_big : &needed, &quoted);
	if (is_v6(packet))
		memset(out->data + 15, 0, 3); /* no flow label */
	frame_swap_macs(out);
	if (tags)
		frame_tag(out, tags);
}

/* Runs a frame, which must end by this verdict and count as dropped by its service. */
static void run(struct world *w, const char *name, const struct frame *in, enum sl_verdict verdict,
		struct frame *out)
{
	struct world_ran ran;

	world_run_counted(w, name, in, verdict, &ran);
	ck_assert_msg(ran.action == (verdict == SL_DROP_too_big ? XDP_DROP : XDP_TX),
		      "%s: action %d", name, ran.action);
	ck_assert_msg(world_dropped(&ran.after) - world_dropped(&ran.before) == 1,
		      "%s: the service's count", name);
	ck_assert_mem_eq(ran.before.backend, ran.after.backend, sizeof(ran.before.backend));
	*out = ran.out;
}

static const struct world_way ways[] = {
	{.keep_tags = true},
	{.keep_tags = true, .all_features = true},
};

/* Packets are this CPU's from now on. Returns whether there is such a one. */
static bool run_on(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one) == 0;
}

/* Services listen without a tag, and on the outermost VLANs of the tags above. */
static void open_pinned(struct world *w, const struct world_way *wanted)
{
	static const uint64_t listens[64] = {1 | 1 << 7 | 1 << 9};
	struct world_way way = *wanted;
	static struct sl_vlans vlans;

	/* A CPU has its own limit. */
	ck_assert(run_on(0));
	memset(&vlans, 0, sizeof(vlans));
	ck_assert_int_eq(vlans_add(&vlans, 1, listens), 0);
	if (way.keep_tags)
		way.vlans = &vlans;
	world_open_way(w, &way);
}

START_TEST(the_sender_is_told_what_fits_by_the_address_that_it_sent_to)
{
	struct frame in, out, expected;
	struct world w;

	open_pinned(&w, &ways[_i]);
	for (int i = 0; i < TOLD; i++) {
		build(&told[i].packet, told[i].tags, &in);
		build_answer(&told[i].packet, told[i].tags, told[i].mtu, &expected);
		run(&w, told[i].name, &in, SL_SEND_too_big_told, &out);
		world_expect_frame(told[i].name, &out, &expected);
	}
	world_close(&w);
}
END_TEST

/* Without the knob for VLANs: the frame's place is a constant. */
START_TEST(it_is_also_where_nobody_asked_for_vlans)
{
	struct frame in, out, expected;
	struct world w;

	open_pinned(&w, &(struct world_way){0});
	for (int i = 0; i < TOLD; i++) {
		if (told[i].tags)
			continue;
		build(&told[i].packet, NULL, &in);
		build_answer(&told[i].packet, NULL, told[i].mtu, &expected);
		run(&w, told[i].name, &in, SL_SEND_too_big_told, &out);
		world_expect_frame(told[i].name, &out, &expected);
	}
	world_close(&w);
}
END_TEST

/* ---- who is not told -------------------------------------------------------------------------- */

static const struct {
	const char *name;
	struct packet packet;
} untold[] = {
	{"from nobody", TO("203.0.113.10", "0.0.0.0", TCP, .payload = 1460)},
	{"from this network", TO("203.0.113.10", "0.1.2.3", TCP, .payload = 1460)},
	{"from a loopback", TO("203.0.113.10", "127.0.0.1", TCP, .payload = 1460)},
	{"from a group", TO("203.0.113.10", "224.0.0.1", TCP, .payload = 1460)},
	{"from all", TO("203.0.113.10", "255.255.255.255", TCP, .payload = 1460)},
	{"from nobody v6", TO("2001:db8:f::10", "::", TCP, .payload = 1440)},
	{"from a group v6", TO("2001:db8:f::10", "ff02::1", TCP, .payload = 1440)},
};

START_TEST(who_cannot_or_need_not_be_told_is_not)
{
	struct frame in, out;
	struct world w;

	open_pinned(&w, &ways[_i]);
	for (int i = 0; i < (int)(sizeof(untold) / sizeof(untold[0])); i++) {
		build(&untold[i].packet, NULL, &in);
		run(&w, untold[i].name, &in, SL_DROP_too_big, &out);
		world_expect_frame(untold[i].name, &out, &in);
	}
	world_close(&w);
}
END_TEST

static void narrow(struct world *w, enum world_backend backend, uint16_t inner_max)
{
	const struct sl_backend *is = &w->view->backends[backend];
	struct sl_path path = is->path[is->active & 1];

	path.inner_max = inner_max;
	ck_assert_int_eq(w->ops->write_path(w->dp, backend, &path), 0);
}

START_TEST(nobody_is_told_less_than_each_link_must_carry)
{
	struct packet at4 = TO("203.0.113.10", CLIENT, TCP, .payload = 576 - 40);
	struct packet over4 = TO("203.0.113.10", CLIENT, TCP, .payload = 576 - 39);
	struct packet at6 = TO("2001:db8:f::10", CLIENT6, TCP, .payload = 1280 - 60);
	struct packet over6 = TO("2001:db8:f::10", CLIENT6, TCP, .payload = 1280 - 59);
	struct frame in, out, expected;
	struct world w;

	open_pinned(&w, &ways[_i]);
	narrow(&w, WORLD_V4, 500);
	build(&at4, NULL, &in);
	run(&w, "576 bytes", &in, SL_DROP_too_big, &out);
	build(&over4, NULL, &in);
	build_answer(&over4, NULL, 576, &expected);
	run(&w, "577 bytes", &in, SL_SEND_too_big_told, &out);
	world_expect_frame("577 bytes", &out, &expected);
	build(&at6, NULL, &in);
	run(&w, "1280 bytes", &in, SL_DROP_too_big, &out);
	build(&over6, NULL, &in);
	build_answer(&over6, NULL, 1280, &expected);
	run(&w, "1281 bytes", &in, SL_SEND_too_big_told, &out);
	world_expect_frame("1281 bytes", &out, &expected);
	world_close(&w);
}
END_TEST

/* Such a packet's first bytes, which are quoted, lie in its first buffer; what the others hold is cut off. */
START_TEST(the_sender_of_a_packet_of_several_buffers_is_told)
{
	static const struct packet packets[] = {
		TO("203.0.113.10", CLIENT, TCP, .payload = 3900),
		TO("203.0.113.11", CLIENT, UDP, .payload = 3901),
		TO("2001:db8:f::10", CLIENT6, TCP, .payload = 3901),
		TO("2001:db8:f::11", CLIENT6, UDP, .payload = 3900),
	};
	static const struct tagging *const tags[] = {NULL, &one_tag, &two_tags};
	struct frame in, out, expected;
	struct world w;

	open_pinned(&w, &(struct world_way){.keep_tags = true,
					    .features = {.multi_buffer = true, .vlans = true}});
	for (int i = 0; i < 4; i++)
		for (int t = 0; t < 3; t++) {
			build(&packets[i], tags[t], &in);
			build_answer(&packets[i], tags[t], i & 1 ? 1460 : 1480, &expected);
			run(&w, packets[i].destination, &in, SL_SEND_too_big_told, &out);
			world_expect_frame(packets[i].destination, &out, &expected);
		}
	world_close(&w);
}
END_TEST

enum { LIMIT = 1000 }; /* knobs.too_big_answers */

START_TEST(a_cpu_tells_so_many_in_a_tick_and_goes_on_in_the_next)
{
	struct packet packet = TO("203.0.113.10", CLIENT, TCP, .payload = 1460);
	struct frame in, out;
	struct world w;

	open_pinned(&w, &(struct world_way){.manual_clock = true});
	build(&packet, NULL, &in);
	for (uint16_t tick = 7; tick < 10; tick++) {
		world_set_tick(&w, tick);
		for (int i = 0; i < LIMIT; i++)
			ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
		for (int i = 0; i < 10; i++)
			run(&w, "over the limit", &in, SL_DROP_too_big, &out);
	}
	world_close(&w);
}
END_TEST

/* A flood on one CPU, as one queue brings it, leaves the senders of the others' packets their answers. */
START_TEST(what_one_cpu_has_told_counts_for_no_other)
{
	struct packet packet = TO("203.0.113.10", CLIENT, TCP, .payload = 1460);
	struct frame in, out;
	struct world w;

	open_pinned(&w, &(struct world_way){.manual_clock = true});
	build(&packet, NULL, &in);
	if (run_on(1)) {
		for (int cpu = 1; cpu >= 0; cpu--) {
			ck_assert(run_on(cpu));
			for (int i = 0; i < LIMIT; i++)
				ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
			run(&w, "over the limit", &in, SL_DROP_too_big, &out);
		}
		ck_assert(run_on(1));
		run(&w, "over the first one's limit, still", &in, SL_DROP_too_big, &out);
	} else {
		fprintf(stderr, "skipped: there is one CPU here, so no other to tell from it\n");
	}
	world_close(&w);
}
END_TEST

Suite *balancer_too_big_suite(void)
{
	Suite *suite = suite_create("balancer_too_big");
	TCase *tc = tcase_create("too big");

	tcase_add_loop_test(tc, the_sender_is_told_what_fits_by_the_address_that_it_sent_to, 0, 2);
	tcase_add_test(tc, it_is_also_where_nobody_asked_for_vlans);
	tcase_add_loop_test(tc, who_cannot_or_need_not_be_told_is_not, 0, 2);
	tcase_add_loop_test(tc, nobody_is_told_less_than_each_link_must_carry, 0, 2);
	tcase_add_test(tc, the_sender_of_a_packet_of_several_buffers_is_told);
	tcase_add_test(tc, a_cpu_tells_so_many_in_a_tick_and_goes_on_in_the_next);
	tcase_add_test(tc, what_one_cpu_has_told_counts_for_no_other);
	suite_add_tcase(suite, tc);
	return suite;
}
