/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `affinity: source`: which slot a client has, with the knob on and off, and that entries are its flows' nevertheless.
 * Slots are worked out from the definition of the hash, every byte sent is compared with a frame written from the RFCs.
 */
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "packet/world.h"

#define SPREAD	6 /* the record whose slots name V4, V6 and V4B in turn */
#define CLIENTS 300

static struct world w;

static void open_world(bool by_source, bool knob)
{
	struct sl_service record;

	world_open_way(&w, &(struct world_way){.features.affinity = knob});
	record = w.view->services[SPREAD];
	record.flags = by_source ? SL_SERVICE_BY_SOURCE : 0;
	record.idle_ticks = 100;
	ck_assert_int_eq(w.ops->write_service(w.dp, SPREAD, &record), 0);
}

/* A packet of a client's n-th flow. */
static void build(struct frame *out, bool v6, int client, int n, uint8_t tcp_flags)
{
	char source[64];
	struct packet packet = {.source = source,
				.destination = v6 ? "2001:db8:f::22" : "203.0.113.22",
				.source_port = 1024 + n,
				.destination_port = 443,
				.protocol = IPPROTO_TCP,
				.tcp_flags = tcp_flags,
				.payload = n % 7};

	snprintf(source, sizeof(source), v6 ? "2001:db8:c::%x:%x" : "198.51.%d.%d", client / 256,
		 client % 256);
	frame_build(out, &packet);
}

static uint32_t word(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, 4);
	return value;
}

/* The slot of a frame's source and destination. */
static uint32_t source_slot(const struct frame *in)
{
	const uint8_t *ip = in->data + 14;
	uint32_t s[4], d[4];
	uint64_t hash;

	if (ip[0] >> 4 == 4) {
		hash = sl_hash4(&w.key, word(ip + 12), word(ip + 16), 0, 0);
	} else {
		for (int i = 0; i < 4; i++) {
			s[i] = word(ip + 8 + i * 4);
			d[i] = word(ip + 24 + i * 4);
		}
		hash = sl_hash6(&w.key, s, d, 0, 0);
	}
	return sl_hash_slot(hash, WORLD_SLOTS);
}

static uint32_t flow_slot(const struct frame *in)
{
	return sl_hash_slot(world_hash(&w, in), WORLD_SLOTS);
}

static void expect_at(const struct frame *in, enum world_backend backend)
{
	struct frame out, expected;
	struct outer outer;

	world_outer(&w, backend, in, &outer);
	frame_encapsulate(&expected, in, &outer);
	ck_assert_int_eq(world_run(&w, in, &out, 1), XDP_TX);
	ck_assert_uint_eq(out.length, expected.length);
	ck_assert_mem_eq(out.data, expected.data, expected.length);
}

static enum world_backend in_turn(uint32_t slot)
{
	return (enum world_backend[]){WORLD_V4, WORLD_V6, WORLD_V4B}[slot % 3];
}

START_TEST(all_flows_of_a_client_go_to_one_backend_and_clients_spread)
{
	int seen[WORLD_BACKENDS] = {0};
	struct frame in;

	open_world(true, true);
	for (int client = 0; client < CLIENTS; client++)
		for (int n = 0; n < 4; n++) {
			build(&in, _i, client, n * 7919, n ? 0 : 0x02);
			expect_at(&in, in_turn(source_slot(&in)));
			seen[in_turn(source_slot(&in))]++;
		}
	for (int b = 0; b < 3; b++)
		ck_assert_int_gt(seen[in_turn(b)], 4 * CLIENTS / 5);
	world_close(&w);
}
END_TEST

START_TEST(with_the_knob_on_a_service_without_it_goes_by_flow)
{
	struct frame in;

	open_world(false, true);
	for (int n = 0; n < CLIENTS; n++) {
		build(&in, _i, n % 3, n, 0);
		expect_at(&in, in_turn(flow_slot(&in)));
	}
	world_close(&w);
}
END_TEST

START_TEST(with_the_knob_off_every_flow_goes_by_itself)
{
	struct frame in;

	open_world(true, false);
	for (int n = 0; n < CLIENTS; n++) {
		build(&in, _i, n % 3, n, 0);
		expect_at(&in, in_turn(flow_slot(&in)));
	}
	world_close(&w);
}
END_TEST

/* Of two flows of a client, in a slot that moves, the new one is written down, and the old one stays. */
START_TEST(entries_are_the_flows_where_the_slot_is_the_clients)
{
	struct frame old, new;
	struct dataplane_store store;

	open_world(true, true);
	ck_assert_int_eq(w.ops->write_longest(w.dp, 200), 0);
	build(&old, _i, 1, 1, 0);
	build(&new, _i, 1, 2, 0x02);
	store = (struct dataplane_store){w.view->services[SPREAD].slots_base + source_slot(&old),
					 WORLD_V4};
	ck_assert_int_eq(w.ops->store_cold(w.dp, &store, 1), 0);
	store.word = WORLD_V6 | SL_HOT_LOOK;
	ck_assert_int_eq(w.ops->store_hot(w.dp, &store, 1), 0);

	expect_at(&old, WORLD_V4);
	expect_at(&new, WORLD_V6);
	build(&new, _i, 1, 2, 0);
	expect_at(&new, WORLD_V6);
	expect_at(&old, WORLD_V4);
	world_close(&w);
}
END_TEST

Suite *balancer_affinity_suite(void)
{
	Suite *suite = suite_create("balancer affinity");
	TCase *tcase = tcase_create("affinity");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, all_flows_of_a_client_go_to_one_backend_and_clients_spread, 0,
			    2); /* IPv4, IPv6 */
	tcase_add_loop_test(tcase, with_the_knob_on_a_service_without_it_goes_by_flow, 0, 2);
	tcase_add_loop_test(tcase, with_the_knob_off_every_flow_goes_by_itself, 0, 2);
	tcase_add_loop_test(tcase, entries_are_the_flows_where_the_slot_is_the_clients, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite;
}
