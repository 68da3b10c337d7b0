/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which backend a flow gets: the slot that the keyed hash names, one store moves it, and the way out. */
#include <check.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet/world.h"

static struct packet flow(int n, bool v6)
{
	static char source[64];

	if (v6)
		snprintf(source, sizeof(source), "2001:db8:c::%x", n / 100 + 1);
	else
		snprintf(source, sizeof(source), "198.51.%d.%d", n / 25600, n / 100 % 256);
	return (struct packet){.source = source,
			       .destination = v6 ? "2001:db8:f::22" : "203.0.113.22",
			       .source_port = 1024 + n % 100,
			       .destination_port = 443,
			       .protocol = IPPROTO_TCP};
}

static enum world_backend sent_to(const struct frame *out)
{
	return out->data[5] == 0x11 ? WORLD_V4 : out->data[5] == 0x12 ? WORLD_V6 : WORLD_V4B;
}

START_TEST(a_flow_goes_to_the_backend_of_the_slot_that_its_hash_names)
{
	int seen[WORLD_BACKENDS] = {0};
	struct packet packet;
	struct frame in, out;
	struct world w;

	world_open(&w, false);
	for (int n = 0; n < 3000; n++) {
		packet = flow(n, n % 2);
		frame_build(&in, &packet);
		ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
		ck_assert_int_eq(
			sent_to(&out),
			((enum world_backend[]){
				WORLD_V4, WORLD_V6,
				WORLD_V4B})[sl_hash_slot(world_hash(&w, &in), WORLD_SLOTS) % 3]);
		seen[sent_to(&out)]++;
	}
	ck_assert_int_gt(seen[WORLD_V4], 800);
	ck_assert_int_gt(seen[WORLD_V6], 800);
	ck_assert_int_gt(seen[WORLD_V4B], 800);
	world_close(&w);
}
END_TEST

START_TEST(one_store_moves_a_slot_and_nothing_else)
{
	struct packet packet = flow(7, false);
	struct dataplane_store store;
	struct frame in, out;
	enum world_backend before[200];
	struct world w;

	world_open(&w, false);
	for (int n = 0; n < 200; n++) {
		packet = flow(n, false);
		frame_build(&in, &packet);
		world_run(&w, &in, &out, 1);
		before[n] = sent_to(&out);
	}
	packet = flow(7, false);
	frame_build(&in, &packet);
	store.slot =
		w.view->services[6].slots_base + sl_hash_slot(world_hash(&w, &in), WORLD_SLOTS);
	store.word = WORLD_NOBODY;
	ck_assert_int_eq(w.ops->store_hot(w.dp, &store, 1), 0);
	for (int n = 0; n < 200; n++) {
		bool moved;

		packet = flow(n, false);
		frame_build(&in, &packet);
		moved = w.view->services[6].slots_base +
				sl_hash_slot(world_hash(&w, &in), WORLD_SLOTS) ==
			store.slot;
		ck_assert_int_eq(world_run(&w, &in, &out, 1), moved ? XDP_DROP : XDP_TX);
		if (!moved)
			ck_assert_int_eq(sent_to(&out), before[n]);
	}
	world_close(&w);
}
END_TEST

START_TEST(the_way_out_decides_between_tx_and_redirect)
{
	struct packet packet = {.source = "198.51.100.7",
				.destination = "203.0.113.10",
				.source_port = 9,
				.destination_port = 443,
				.protocol = IPPROTO_TCP};
	struct world_counts counts;
	struct frame in, out, expected;
	struct outer outer;
	struct world w;
	uint32_t other;

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ck_assert_int_eq(system("ip link add sl-a type veth peer name sl-b"), 0);
	other = if_nametoindex("sl-a");
	world_open(&w, true);
	frame_build(&in, &packet);
	world_outer(&w, WORLD_V4, &in, &outer);
	frame_encapsulate(&expected, &in, &outer);
	world_set_ifindex(&w, other);
	ck_assert_int_eq(world_run(&w, &in, &out, 1),
			 XDP_DROP); /* not opened: never out by chance */
	ck_assert_int_eq(w.ops->open_way(w.dp, other), 0);
	ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_REDIRECT);
	ck_assert_uint_eq(out.length, expected.length);
	ck_assert_mem_eq(out.data, expected.data, expected.length);
	world_set_ifindex(&w, 1);
	ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
	world_count(&w, &counts);
	ck_assert_uint_eq(counts.verdict[SL_SEND_redirect], 2);
	ck_assert_uint_eq(counts.verdict[SL_SEND_tx], 1);
	world_close(&w);
}
END_TEST

/* Bytes that no agent wrote: whatever the maps hold, the program reads within them and ends in a verdict. */
START_TEST(random_bytes_in_the_maps_do_no_harm)
{
	static const char *const names[] = {"control", "listeners4", "services", "hot", "backends"};
	struct packet packet = flow(3, false);
	struct frame in, out;
	struct world w;

	world_open(&w, true);
	frame_build(&in, &packet);
	srand(1);
	for (size_t m = 0; m < sizeof(names) / sizeof(names[0]); m++) {
		const void *areas[] = {w.view->control, w.view->listeners4, w.view->services,
				       w.view->hot, w.view->backends};
		size_t sizes[] = {sizeof(*w.view->control), 8 * sizeof(*w.view->listeners4),
				  8 * sizeof(*w.view->services), 32 * sizeof(*w.view->hot),
				  8 * sizeof(*w.view->backends)};
		uint8_t *area = (uint8_t *)(uintptr_t)areas[m], *saved = malloc(sizes[m]);

		memcpy(saved, area, sizes[m]);
		for (int n = 0; n < 2000; n++) {
			for (size_t b = 0; b < sizes[m]; b++)
				area[b] = n % 2 ? rand() : saved[b] ^ (rand() % 16 ? 0 : rand());
			ck_assert_int_le(world_run(&w, &in, &out, 1), XDP_REDIRECT);
		}
		memcpy(area, saved, sizes[m]);
		free(saved);
	}
	ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
	world_close(&w);
}
END_TEST

START_TEST(what_was_sent_stays_counted_when_backend_and_service_are_gone)
{
	static const struct sl_backend nobody;
	struct packet packet = {.source = "198.51.100.7",
				.destination = "203.0.113.10",
				.source_port = 9,
				.destination_port = 443,
				.protocol = IPPROTO_TCP};
	struct world_counts before, counts;
	uint32_t line;
	struct frame in, out;
	struct world w;

	world_open(&w, false);
	line = sl_counter_services(&w.view->limits) + 1;
	frame_build(&in, &packet);
	for (int n = 0; n < 5; n++)
		ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
	world_count(&w, &before);
	ck_assert_uint_eq(before.verdict[SL_SEND_tx], 5);
	ck_assert_uint_eq(before.service[1][SL_SERVICE_packets], 5);
	ck_assert_int_eq(w.ops->write_backend(w.dp, WORLD_V4, &nobody), 0);
	world_count(&w, &counts);
	ck_assert_uint_eq(counts.verdict[SL_SEND_tx], 5);
	ck_assert_mem_eq(counts.service[1], before.service[1], sizeof(counts.service[1]));
	ck_assert_uint_eq(counts.backend[WORLD_V4][SL_BACKEND_packets], 0);
	ck_assert_int_eq(w.ops->clear_counters(w.dp, line), 0);
	world_count(&w, &counts);
	ck_assert_uint_eq(counts.verdict[SL_SEND_tx], 5);
	ck_assert_uint_eq(counts.service[1][SL_SERVICE_packets], 0);
	world_close(&w);
}
END_TEST

Suite *balancer_flows_suite(void)
{
	Suite *suite = suite_create("balancer flows");
	TCase *tcase = tcase_create("flows");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_flow_goes_to_the_backend_of_the_slot_that_its_hash_names);
	tcase_add_test(tcase, one_store_moves_a_slot_and_nothing_else);
	tcase_add_test(tcase, the_way_out_decides_between_tx_and_redirect);
	tcase_add_test(tcase, what_was_sent_stays_counted_when_backend_and_service_are_gone);
	tcase_add_test(tcase, random_bytes_in_the_maps_do_no_harm);
	suite_add_tcase(suite, tcase);
	return suite;
}
