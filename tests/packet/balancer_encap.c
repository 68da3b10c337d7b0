/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the ways to a backend promise beyond the bytes of single packets (balancer_send.c): entropy, what is too big for
 * each, and all of them side by side in one program.
 */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "packet/world.h"

#define FLOWS 2000

static const struct world_way gue = {.encapsulation = SL_ENCAP_GUE};
static const struct world_way l2 = {.encapsulation = SL_ENCAP_L2};
static const struct world_way ipip = {.encapsulation = SL_ENCAP_IPIP};
static const struct world_way varied = {.encapsulation = SL_ENCAP_IPIP, .entropy = true};

/* One packet of flow `n` to the first VIP of a backend's. */
static void make(int n, bool outer4, size_t payload, struct frame *out)
{
	char source[32];
	struct packet packet = {.source = source,
				.destination = outer4 ? "203.0.113.10" : "203.0.113.11",
				.source_port = 1024 + n % 50000,
				.destination_port = 443,
				.protocol = IPPROTO_TCP,
				.payload = payload};

	snprintf(source, sizeof(source), "198.51.100.%d", n % 250 + 1);
	frame_build(out, &packet);
}

static uint32_t word(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return ntohl(value);
}

/* Sends flows and calls `look` for each; every flow twice, to see the same. */
static void each_flow(struct world *w, bool outer4, uint32_t (*look)(const struct frame *out),
		      uint32_t values[FLOWS])
{
	struct frame in, out;

	for (int n = 0; n < FLOWS; n++) {
		make(n, outer4, n % 100, &in);
		ck_assert_int_eq(world_run(w, &in, &out, 1), XDP_TX);
		values[n] = look(&out);
		make(n, outer4, n % 7, &in);
		ck_assert_int_eq(world_run(w, &in, &out, 1), XDP_TX);
		ck_assert_uint_eq(look(&out), values[n]);
	}
}

/* How many of `queues` equal parts of the low bits of the values have their fair share, within a half. */
static void check_spread(const uint32_t values[FLOWS], unsigned int queues)
{
	int counts[16] = {0};

	for (int n = 0; n < FLOWS; n++)
		counts[values[n] % queues]++;
	for (unsigned int q = 0; q < queues; q++)
		ck_assert_msg(counts[q] > FLOWS / (int)queues / 2 &&
				      counts[q] < FLOWS / (int)queues * 3 / 2,
			      "queue %u of %u gets %d of %d flows", q, queues, counts[q], FLOWS);
}

static uint32_t port4(const struct frame *out)
{
	return out->data[34] << 8 | out->data[35];
}

static uint32_t port6(const struct frame *out)
{
	return out->data[54] << 8 | out->data[55];
}

START_TEST(gue_spreads_flows_by_a_dynamic_source_port_that_stays_a_flows)
{
	uint32_t values[FLOWS];
	struct world w;

	world_open_way(&w, &gue);
	each_flow(&w, _i, _i ? port4 : port6, values);
	for (int n = 0; n < FLOWS; n++)
		ck_assert_uint_ge(values[n], 49152);
	check_spread(values, 16);
	world_close(&w);
}
END_TEST

static uint32_t source4(const struct frame *out)
{
	return word(out->data + 26);
}

static uint32_t source6(const struct frame *out)
{
	ck_assert_mem_eq(out->data + 22, "\x01\0\0\0\0\0\0\0\0\0\0\0", 12);
	return word(out->data + 34);
}

START_TEST(entropy_spreads_flows_by_sources_of_the_prefix_alone)
{
	uint32_t values[FLOWS];
	struct world w;

	world_open_way(&w, &varied);
	each_flow(&w, _i, _i ? source4 : source6, values);
	for (int n = 0; _i && n < FLOWS; n++)
		ck_assert_uint_eq(values[n] >> 17, 0xc6120000 >> 17);
	check_spread(values, 16);
	world_close(&w);
}
END_TEST

START_TEST(without_entropy_every_source_is_the_tunnels)
{
	uint32_t values[FLOWS];
	struct world w;

	world_open_way(&w, &ipip);
	each_flow(&w, true, source4, values);
	for (int n = 0; n < FLOWS; n++)
		ck_assert_uint_eq(values[n], 0xc000020a);
	world_close(&w);
}
END_TEST

/* 40 bytes of headers inside. */
START_TEST(one_byte_more_than_fits_is_too_big_whatever_the_way)
{
	static const struct world_way *const ways[] = {&ipip, &varied, &gue, &l2};
	struct world_counts counts;
	struct frame in, out;
	struct world w;

	world_open_way(&w, ways[_i]);
	for (int outer4 = 0; outer4 < 2; outer4++) {
		size_t overhead = world_overhead(&w, outer4 ? WORLD_V4 : WORLD_V6);

		make(1, outer4, WORLD_MTU - overhead - 40, &in);
		ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
		ck_assert_uint_eq(out.length, 14 + WORLD_MTU);
		make(1, outer4, WORLD_MTU - overhead - 39, &in);
		ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
		ck_assert_uint_eq(out.length, 14 + 576);
	}
	world_count(&w, &counts);
	ck_assert_uint_eq(counts.verdict[SL_SEND_too_big_told], 2);
	world_close(&w);
}
END_TEST

/* The service's slots name three backends in turn, and each of them is reached in its own way. */
START_TEST(every_backend_of_a_service_may_have_a_way_of_its_own)
{
	static const struct world_way all = {.all_features = true};
	const struct world_way *ways[WORLD_BACKENDS] = {
		[WORLD_V4] = &varied, [WORLD_V6] = &gue, [WORLD_V4B] = &l2};
	int seen[WORLD_BACKENDS] = {0};
	struct frame in, out, expected;
	struct outer outer;
	struct world w;

	world_open_way(&w, &all);
	for (int b = 1; b < WORLD_BACKENDS; b++)
		if (ways[b])
			world_set_way(&w, b, ways[b], 1);
	for (int n = 0; n < 600; n++) {
		char source[32];
		struct packet packet = {.source = source,
					.destination = n % 2 ? "203.0.113.22" : "2001:db8:f::22",
					.source_port = 1024 + n,
					.destination_port = 443,
					.protocol = IPPROTO_TCP};
		enum world_backend b;

		snprintf(source, sizeof(source), n % 2 ? "198.51.100.%d" : "2001:db8:c::%d",
			 n % 200 + 1);
		frame_build(&in, &packet);
		b = ((enum world_backend[]){
			WORLD_V4, WORLD_V6,
			WORLD_V4B})[sl_hash_slot(world_hash(&w, &in), WORLD_SLOTS) % 3];
		w.way = *ways[b];
		world_outer(&w, b, &in, &outer);
		frame_encapsulate(&expected, &in, &outer);
		ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_TX);
		ck_assert_uint_eq(out.length, expected.length);
		ck_assert_mem_eq(out.data, expected.data, expected.length);
		seen[b]++;
	}
	for (int b = 1; b < WORLD_BACKENDS; b++)
		ck_assert(!ways[b] || seen[b] > 100);
	world_close(&w);
}
END_TEST

Suite *balancer_encap_suite(void)
{
	Suite *suite = suite_create("balancer's ways");
	TCase *tcase = tcase_create("ways");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, gue_spreads_flows_by_a_dynamic_source_port_that_stays_a_flows, 0,
			    2);
	tcase_add_loop_test(tcase, entropy_spreads_flows_by_sources_of_the_prefix_alone, 0, 2);
	tcase_add_test(tcase, without_entropy_every_source_is_the_tunnels);
	tcase_add_loop_test(tcase, one_byte_more_than_fits_is_too_big_whatever_the_way, 0, 4);
	tcase_add_test(tcase, every_backend_of_a_service_may_have_a_way_of_its_own);
	suite_add_tcase(suite, tcase);
	return suite;
}
