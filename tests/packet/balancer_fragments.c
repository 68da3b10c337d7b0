/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fragments that follow the first one of their packet: every byte of each against an encapsulation of it, in any order,
 * after their time, under a flood, on two CPUs, and when a backend has died or its index is another's.
 */
#include <check.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet/datagram.h"

#define LIFETIME 30 /* s, and there are no ticks shorter than 0.9 s */

static struct world w;

static const uint8_t after_options[] = {IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, 255};
static const uint8_t before_options[] = {IPPROTO_FRAGMENT, IPPROTO_DSTOPTS, 255};

static void send_piece(const struct datagram *d, unsigned int n)
{
	char what[64];

	snprintf(what, sizeof(what), "piece %u, %s to %d", n, d->v6 ? "v6" : "v4", d->backend);
	datagram_expect_piece_sent(&w, d, n, what);
}

static void refuse_piece(const struct datagram *d, unsigned int n)
{
	datagram_expect_piece_end(&w, d, n, SL_DROP_fragment, "a piece");
}

static size_t transport_length(const struct datagram *d)
{
	struct datagram least = *d;
	struct frame f;

	least.payload = 1;
	datagram_build(&least, &f);
	return f.length - 14 - datagram_headers(&f) - 1;
}

static uint64_t evictions(void)
{
	uint64_t line[SL_COUNTERS_PER_LINE];
	uint32_t event = SL_EVENT_fragment_evicted;

	dataplane_count(w.view, SL_VERDICT_LINES + event / SL_COUNTERS_PER_LINE, line);
	return line[event % SL_COUNTERS_PER_LINE];
}

static void open_world(const struct world_way *wanted)
{
	struct world_way way = *wanted;

	way.features.fragments = true;
	way.manual_clock = true;
	world_open_way(&w, &way);
	world_set_tick(&w, 1000);
}

static const struct datagram datagrams[] = {
	{.backend = WORLD_V4},
	{.backend = WORLD_V6},
	{.backend = WORLD_V4, .options = 8},
	{.backend = WORLD_V4, .tcp = true},
	{.backend = WORLD_V4, .v6 = true},
	{.backend = WORLD_V6, .v6 = true},
	{.backend = WORLD_V6, .v6 = true, .tcp = true},
	{.backend = WORLD_V4, .v6 = true, .extensions = after_options},
	/* The later ones name no transport: they go on within destination options, they say. */
	{.backend = WORLD_V4, .v6 = true, .extensions = before_options},
	{.backend = WORLD_V6, .v6 = true, .extensions = before_options, .tcp = true},
};
#define DATAGRAMS  (sizeof(datagrams) / sizeof(datagrams[0]))
#define WITH_PORTS (DATAGRAMS - 2) /* whose later ones name a transport */

static const struct world_way ways[] = {
	{.encapsulation = SL_ENCAP_IPIP},
	{.encapsulation = SL_ENCAP_GUE},
	{.encapsulation = SL_ENCAP_L2},
	{.encapsulation = SL_ENCAP_IPIP, .entropy = true},
	{.encapsulation = SL_ENCAP_IPIP, .all_features = true},
	{.encapsulation = SL_ENCAP_GUE, .all_features = true},
};

/* The last before the one in the middle, and every one twice. */
START_TEST(later_fragments_follow_the_first_in_any_order)
{
	static const uint8_t order[] = {0, 2, 1, 1, 0, 2};

	open_world(&ways[_i]);
	for (size_t i = 0; i < DATAGRAMS; i++)
		for (size_t n = 0; n < sizeof(order); n++)
			send_piece(&datagrams[i], order[n]);
	ck_assert_uint_eq(evictions(), 0);
	world_close(&w);
}
END_TEST

/* Of an Ethernet that does not pad, with no more behind the headers than one byte: there are packets of 21 bytes. */
START_TEST(the_last_one_may_be_of_any_length)
{
	open_world(&ways[_i]);
	for (size_t i = 0; i < DATAGRAMS; i++)
		for (size_t last = 1; last <= 9; last++) {
			struct datagram d = datagrams[i];

			d.id = 200 + 10 * i + last;
			d.payload = DATAGRAM_PIECE + last - transport_length(&d);
			send_piece(&d, 0);
			send_piece(&d, 1);
		}
	world_close(&w);
}
END_TEST

START_TEST(one_before_the_first_is_dropped_and_counted)
{
	open_world(&ways[0]);
	for (size_t i = 0; i < WITH_PORTS; i++) {
		struct datagram d = datagrams[i];

		d.id = 100 + i;
		refuse_piece(&d, 1);
		send_piece(&d, 0);
		send_piece(&d, 1);
		d.id += 50; /* another packet's */
		refuse_piece(&d, 2);
	}
	world_close(&w);
}
END_TEST

START_TEST(all_are_dropped_while_the_knob_is_off)
{
	world_open(&w, false);
	for (size_t i = 0; i < WITH_PORTS; i++)
		for (unsigned int n = 0; n < 3; n++)
			refuse_piece(&datagrams[i], n);
	world_close(&w);
}
END_TEST

START_TEST(a_memory_ends_after_its_time)
{
	uint32_t ticks;

	open_world(&ways[0]);
	ticks = dataplane_ticks(w.view, LIFETIME * 1000);
	send_piece(&datagrams[0], 0);
	world_set_tick(&w, 1000 + ticks);
	send_piece(&datagrams[0], 1);
	world_set_tick(&w, 1000 + ticks + 1);
	refuse_piece(&datagrams[0], 1);
	send_piece(&datagrams[0], 0);
	send_piece(&datagrams[0], 2);
	world_close(&w);
}
END_TEST

/* Of 64 places a flood of 640 takes all; every one that was still of use is counted. Later, none is. */
START_TEST(what_a_flood_pushes_out_is_counted)
{
	uint64_t known = 0;

	open_world(&ways[0]);
	for (int i = 0; i < 640; i++)
		send_piece(&(struct datagram){.backend = WORLD_V4, .id = 1 + i}, 0);
	for (int i = 0; i < 640; i++) {
		struct frame in, out;

		datagram_piece(&(struct datagram){.backend = WORLD_V4, .id = 1 + i}, 1, &in);
		known += world_run(&w, &in, &out, 1) == XDP_TX;
	}
	ck_assert_uint_gt(known, 32);
	ck_assert_uint_le(known, 64);
	ck_assert_uint_eq(known + evictions(), 640);
	known = evictions();
	world_set_tick(&w, 2000);
	for (int i = 0; i < 8; i++)
		send_piece(&(struct datagram){.backend = WORLD_V4, .id = 2000 + i}, 0);
	ck_assert_uint_eq(evictions(), known);
	world_close(&w);
}
END_TEST

/* Datagrams that are remembered in one bucket. */
static void find_neighbours(struct datagram *list, size_t count)
{
	uint32_t bucket = 0;
	struct frame piece;

	for (size_t found = 0, id = 1; found < count; id++) {
		struct datagram d = {.backend = WORLD_V4, .id = id};
		uint32_t own;

		datagram_piece(&d, 0, &piece);
		own = datagram_hash(&w, &piece) >> 32 & (64 / SL_FLOWS_PER_BUCKET - 1);
		if (found && own != bucket)
			continue;
		bucket = own;
		list[found++] = d;
	}
}

START_TEST(the_oldest_in_a_crowded_place_goes_and_one_that_is_over_uncounted)
{
	struct datagram d[6];
	uint32_t ticks;

	open_world(&ways[0]);
	ticks = dataplane_ticks(w.view, LIFETIME * 1000);
	find_neighbours(d, 6);
	for (int i = 0; i < 4; i++) {
		world_set_tick(&w, 1000 + 2 * i);
		send_piece(&d[i], 0);
	}
	world_set_tick(&w, 1008);
	send_piece(&d[0], 0); /* sent again: it is the youngest now */
	ck_assert_uint_eq(evictions(), 0);
	send_piece(&d[4], 0);
	ck_assert_uint_eq(evictions(), 1);
	refuse_piece(&d[1], 1);
	for (int i = 0; i < 5; i++)
		if (i != 1)
			send_piece(&d[i], 1);
	world_set_tick(&w, 1004 + ticks + 1);
	send_piece(&d[5], 0);
	ck_assert_uint_eq(evictions(), 1);
	refuse_piece(&d[2], 1);
	for (int i = 0; i < 6; i++)
		if (i != 1 && i != 2)
			send_piece(&d[i], 1);
	world_close(&w);
}
END_TEST

START_TEST(none_goes_to_a_dead_backend_or_to_one_that_has_its_index)
{
	struct sl_backend another;

	open_world(&ways[0]);
	send_piece(&datagrams[0], 0);
	ck_assert_int_eq(w.ops->write_flags(w.dp, WORLD_V4, SL_BACKEND_DOWN), 0);
	send_piece(&datagrams[0], 1);
	ck_assert_int_eq(w.ops->write_flags(w.dp, WORLD_V4, SL_BACKEND_DEAD), 0);
	refuse_piece(&datagrams[0], 1);
	ck_assert_int_eq(w.ops->write_flags(w.dp, WORLD_V4, 0), 0);
	send_piece(&datagrams[0], 1);
	another = w.view->backends[WORLD_V4];
	ck_assert_int_eq(w.ops->write_backend(w.dp, WORLD_V4, &another), 0);
	refuse_piece(&datagrams[0], 1);
	world_close(&w);
}
END_TEST

static void tag(const struct frame *in, const struct tagging *tags, struct frame *out)
{
	*out = *in;
	frame_tag(out, tags);
}

/* One tag, and two. */
START_TEST(later_fragments_keep_their_vlan_tags)
{
	static const struct tagging tags[] = {{1, {0x8100, 0x2007}},
					      {2, {0x88a8, 9, 0x8100, 0xe007}}};
	static const uint64_t listens[64] = {1 | 1 << 7 | 1 << 9};
	static struct sl_vlans vlans;
	struct frame plain, in, out, bare, expected;

	memset(&vlans, 0, sizeof(vlans));
	ck_assert_int_eq(vlans_add(&vlans, 1, listens), 0);
	open_world(&(struct world_way){.keep_tags = true, .vlans = &vlans});
	for (size_t i = 0; i < DATAGRAMS; i++)
		for (unsigned int n = 0; n < 4; n++) {
			datagram_piece(&datagrams[i], n % 2, &plain);
			datagram_expected(&w, datagrams[i].backend, &plain, &bare);
			tag(&plain, &tags[n / 2], &in);
			tag(&bare, &tags[n / 2], &expected);
			ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
			world_expect_frame("tagged", &out, &expected);
		}
	world_close(&w);
}
END_TEST

START_TEST(later_fragments_of_several_buffers_are_sent_whole)
{
	struct frame whole, in;

	open_world(&(struct world_way){.mtu = 9000, .features.multi_buffer = true});
	for (size_t i = 0; i < WITH_PORTS; i++) {
		struct datagram d = datagrams[i];

		d.payload = 3900;
		datagram_build(&d, &whole);
		datagram_cut(&whole, 0, 3800, &in);
		datagram_expect_sent(&w, d.backend, &in, "the first");
		datagram_move(&in, 3800, false);
		datagram_expect_sent(&w, d.backend, &in, "the last");
	}
	world_close(&w);
}
END_TEST

START_TEST(fragments_leave_by_the_interface_of_the_way)
{
	struct frame in, out, expected;
	struct world_counts counts;
	uint32_t other;

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ck_assert_int_eq(system("ip link add sl-a type veth peer name sl-b"), 0);
	other = if_nametoindex("sl-a");
	open_world(&(struct world_way){.features.redirect = true});
	world_set_ifindex(&w, other);
	ck_assert_int_eq(w.ops->open_way(w.dp, other), 0);
	for (unsigned int n = 0; n < 3; n++) {
		datagram_piece(&datagrams[0], n, &in);
		datagram_expected(&w, datagrams[0].backend, &in, &expected);
		ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_REDIRECT);
		world_expect_frame("redirected", &out, &expected);
	}
	world_count(&w, &counts);
	ck_assert_uint_eq(counts.verdict[SL_SEND_redirect], 3);
	world_close(&w);
}
END_TEST

/* ---- two CPUs ----------------------------------------------------------------------------------------- */

#define RUNS 20000

static struct frame firsts[2][64], laters[2][64];
static atomic_uint ready, followed, astray;

/* First and later fragments of 64 packets to its own backend, all in the same few places of the memory. */
static void *send_many(void *argument)
{
	unsigned int own = *(unsigned int *)argument, random = 7 + own;
	enum world_backend backend = own ? WORLD_V6 : WORLD_V4;
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(own, &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
	atomic_fetch_add(&ready, 1);
	while (atomic_load(&ready) < 2)
		;
	for (int i = 0; i < RUNS; i++) {
		struct frame out, expected;

		random = random * 1103515245 + 12345;
		if (random & 1 << 20) {
			world_run(&w, &firsts[own][random >> 24 & 63], &out, 1);
			continue;
		}
		if (world_run(&w, &laters[own][random >> 24 & 63], &out, 1) != XDP_TX)
			continue;
		datagram_expected(&w, backend, &laters[own][random >> 24 & 63], &expected);
		atomic_fetch_add(&followed, 1);
		if (out.length != expected.length || memcmp(out.data, expected.data, out.length))
			atomic_fetch_add(&astray, 1);
	}
	return NULL;
}

START_TEST(two_cpus_that_write_the_same_places_lead_none_astray)
{
	static unsigned int numbers[2] = {0, 1};
	pthread_t threads[2];

	open_world(&ways[0]);
	for (int own = 0; own < 2; own++)
		for (int i = 0; i < 64; i++) {
			struct datagram d = {.backend = own ? WORLD_V6 : WORLD_V4, .id = 1 + i};

			datagram_piece(&d, 0, &firsts[own][i]);
			datagram_piece(&d, 1, &laters[own][i]);
		}
	for (int own = 0; own < 2; own++)
		ck_assert_int_eq(pthread_create(&threads[own], NULL, send_many, &numbers[own]), 0);
	for (int own = 0; own < 2; own++)
		pthread_join(threads[own], NULL);
	ck_assert_uint_gt(followed, RUNS / 10);
	ck_assert_uint_eq(astray, 0);
	world_close(&w);
}
END_TEST

Suite *balancer_fragments_suite(void)
{
	Suite *suite = suite_create("balancer fragments");
	TCase *tcase = tcase_create("fragments");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, later_fragments_follow_the_first_in_any_order, 0,
			    sizeof(ways) / sizeof(ways[0]));
	tcase_add_loop_test(tcase, the_last_one_may_be_of_any_length, 0,
			    sizeof(ways) / sizeof(ways[0]));
	tcase_add_test(tcase, one_before_the_first_is_dropped_and_counted);
	tcase_add_test(tcase, all_are_dropped_while_the_knob_is_off);
	tcase_add_test(tcase, a_memory_ends_after_its_time);
	tcase_add_test(tcase, what_a_flood_pushes_out_is_counted);
	tcase_add_test(tcase, the_oldest_in_a_crowded_place_goes_and_one_that_is_over_uncounted);
	tcase_add_test(tcase, none_goes_to_a_dead_backend_or_to_one_that_has_its_index);
	tcase_add_test(tcase, later_fragments_keep_their_vlan_tags);
	tcase_add_test(tcase, later_fragments_of_several_buffers_are_sent_whole);
	tcase_add_test(tcase, fragments_leave_by_the_interface_of_the_way);
	tcase_add_test(tcase, two_cpus_that_write_the_same_places_lead_none_astray);
	suite_add_tcase(suite, tcase);
	return suite;
}
