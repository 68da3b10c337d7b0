/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flow table and the clock as the agent uses them, on real maps. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/flows.h"
#include "dataplane/internal.h"
#include "packet/pinned.h"

#define FLOWS 1000 /* a quarter of the smallest table below */

static uint64_t hash_of(uint64_t n)
{
	return (n + 1) * 0x9e3779b97f4a7c15ULL;
}

/* Writes flows as packets would, into the first free way; returns how many found room. */
static unsigned int fill(struct dataplane *dp, unsigned int count)
{
	const struct flows_places *places = &dp->view.places;
	unsigned int done = 0;

	for (unsigned int n = 0; n < count; n++) {
		struct sl_flow_place place = sl_flow_place(
			hash_of(n), places->xored, places->factor, places->mask, places->page);
		struct sl_flow *at = NULL;

		for (int way = 7; way >= 0; way--) {
			struct sl_flow *flow =
				&dp->maps.flows[place.bucket[way / 4]].entry[way % 4];

			if (!(flow->data & SL_FLOW_BACKEND))
				at = flow;
		}
		if (!at)
			continue;
		at->check = sl_flow_check(hash_of(n), 1 + n % 5);
		at->data = sl_flow_data(n, 0, 1 + n % 5, 7);
		done++;
	}
	return done;
}

static void check_found(struct dataplane *dp)
{
	for (unsigned int n = 0; n < FLOWS; n++) {
		uint64_t data;

		ck_assert_msg(flows_find(dp->view.flows, &dp->view.places, hash_of(n), &data),
			      "flow %u is lost", n);
		ck_assert_uint_eq(sl_flow_slot(data), n);
		ck_assert_uint_eq(sl_flow_backend(data), 1 + n % 5);
	}
}

START_TEST(entries_find_their_places_in_a_table_of_another_size)
{
	static const uint32_t sizes[] = {1 << 16, 4096, 8192};
	struct dataplane_options options = pinned_options();
	struct dataplane *dp;
	uint8_t host_key[16];

	options.limits.flows = 8192;
	dp = pinned_open(&options);
	ck_assert_uint_eq(fill(dp, FLOWS), FLOWS);
	memcpy(host_key, dp->maps.meta->host_key, sizeof(host_key));
	dp->maps.control->longest_ticks = 99;
	/* Moving: new flows are held while the maps are copied. Settling: nothing is to be held. */
	dp->maps.hot[0].word[3] = 2 | SL_HOT_LOOK;
	dp->maps.cold[0].word[3] = 1 | SL_COLD_CROWDED;
	dp->maps.hot[0].word[4] = 2 | SL_HOT_LOOK;
	dp->maps.cold[0].word[4] = 2;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		dataplane_close(dp);
		options.limits.flows = sizes[i];
		dp = pinned_open(&options);
		check_found(dp);
	}
	ck_assert_mem_eq(dp->maps.meta->host_key, host_key, sizeof(host_key));
	ck_assert_uint_eq(dp->maps.control->longest_ticks, 99);
	ck_assert_uint_eq(dp->maps.cold[0].word[3],
			  1 | SL_COLD_CROWDED | SL_COLD_HOLD_TCP | SL_COLD_HOLD_UDP);
	ck_assert_uint_eq(dp->maps.cold[0].word[4], 2);
	dataplane_close(dp);
}
END_TEST

START_TEST(a_start_on_the_same_maps_finds_flows_where_they_were)
{
	struct dataplane_options options = pinned_options();
	struct dataplane *dp;

	options.limits.flows = 8192;
	dp = pinned_open(&options);
	fill(dp, FLOWS);
	dataplane_close(dp);
	dp = pinned_open(&options);
	check_found(dp);
	dataplane_close(dp);
}
END_TEST

/* Whoever is told that the table was full raises the limit while it is. */
START_TEST(a_full_table_finds_room_in_one_of_twice_the_size)
{
	struct dataplane_options options = pinned_options();
	unsigned int before = 0, after = 0, tried = 4 << 16;
	struct dataplane *dp;

	options.limits.flows = 1 << 16;
	dp = pinned_open(&options);
	/* The test of the places is vacuous unless some flows find both of their buckets full. */
	ck_assert_uint_gt(fill(dp, tried), options.limits.flows * 99 / 100);
	for (unsigned int n = 0; n < tried; n++)
		before += flows_find(dp->view.flows, &dp->view.places, hash_of(n), &(uint64_t){0});
	dataplane_close(dp);
	options.limits.flows *= 2;
	dp = pinned_open(&options);
	for (unsigned int n = 0; n < tried; n++)
		after += flows_find(dp->view.flows, &dp->view.places, hash_of(n), &(uint64_t){0});
	ck_assert_uint_eq(before, after);
	dataplane_close(dp);
}
END_TEST

/* Nobody would end the write of an entry that was locked in the old maps: its slot would never be stable again. */
START_TEST(what_is_being_written_is_not_copied_by_other_limits)
{
	struct dataplane_options options = pinned_options();
	struct dataplane *dp = pinned_open(&options);

	ck_assert_uint_eq(fill(dp, 10), 10);
	dp->maps.flows[7].entry[2].data = 5ull << 40 | SL_FLOW_LOCK;
	dataplane_close(dp);
	options.limits.slots *= 2;
	dp = pinned_open(&options);
	ck_assert_uint_eq(dp->maps.flows[7].entry[2].data, 0);
	for (unsigned int n = 0; n < 10; n++)
		ck_assert(flows_find(dp->view.flows, &dp->view.places, hash_of(n), &(uint64_t){0}));
	dataplane_close(dp);
}
END_TEST

/* Where first fragments went is known on, unless the memory is of another size: it is empty then. */
START_TEST(the_memory_of_fragments_outlives_starts_and_other_limits)
{
	struct dataplane_options options = pinned_options();
	struct dataplane *dp;

	options.limits.fragments = 128;
	dp = pinned_open(&options);
	dp->maps.fragments[31].entry[2] =
		(struct sl_flow){.check = 77, .data = sl_flow_data(5, 0, 3, 7)};
	dp->maps.fragments[31].entry[3].data = SL_FLOW_LOCK;
	dp->maps.backends[3].generation = 5;
	dataplane_close(dp);
	dp = pinned_open(&options);
	ck_assert(dataplane_features(dp).fragments);
	ck_assert_uint_eq(dp->maps.fragments[31].entry[2].check, 77);
	dataplane_close(dp);
	options.limits.slots *= 2;
	dp = pinned_open(&options);
	ck_assert_uint_eq(dp->maps.fragments[31].entry[2].check, 77);
	ck_assert_uint_eq(dp->maps.fragments[31].entry[2].data, sl_flow_data(5, 0, 3, 7));
	ck_assert_uint_eq(dp->maps.fragments[31].entry[3].data, 0);
	ck_assert_uint_eq(dp->maps.backends[3].generation, 5);
	dataplane_close(dp);
	options.limits.fragments = 256;
	dp = pinned_open(&options);
	ck_assert_uint_eq(dp->view.limits.fragments, 256);
	ck_assert_uint_eq(dp->maps.fragments[31].entry[2].data, 0);
	dataplane_close(dp);
}
END_TEST

/* ---- scan -------------------------------------------------------------------------------------------- */

struct scan {
	unsigned int seen, stayed;
	struct sl_flow *changes; /* while it is judged; NULL: nothing does */
};

static void judge(void *arg, const uint64_t *data, size_t count, bool *over)
{
	struct scan *scan = arg;

	for (size_t i = 0; i < count; i++)
		over[i] = sl_flow_backend(data[i]) == 3 || !sl_flow_in_use(data[i]);
	scan->seen += count;
	if (scan->changes)
		scan->changes->data++;
	scan->changes = NULL;
}

static void stays(void *arg, uint64_t data)
{
	struct scan *scan = arg;

	(void)data;
	scan->stayed++;
}

START_TEST(a_scan_deletes_what_the_visitor_says_and_keeps_the_count)
{
	const struct dataplane_ops *ops = dataplane_operations();
	struct dataplane_options options = pinned_options();
	struct sl_flow *flow;
	struct dataplane *dp;
	struct scan scan = {0};
	const struct dataplane_visitor visitor = {&scan, judge, stays};
	uint64_t data;

	options.limits.flows = 8192;
	dp = pinned_open(&options);
	fill(dp, FLOWS);
	for (unsigned int i = 0; i < 8192; i++) {
		flow = &dp->maps.flows[i / 4].entry[i % 4];
		if (sl_flow_backend(flow->data) == 3)
			flow->data |= 9 * SL_FLOW_COUNT_ONE;
	}
	ck_assert_int_eq(ops->scan_flows(dp, &visitor), 0);
	ck_assert_uint_eq(scan.seen, FLOWS);
	ck_assert_uint_eq(scan.stayed, 0);
	ck_assert(!flows_find(dp->view.flows, &dp->view.places, hash_of(2), &data));
	ck_assert(flows_find(dp->view.flows, &dp->view.places, hash_of(3), &data));
	for (unsigned int i = 0, freed = 0; i < 8192; i++) {
		flow = &dp->maps.flows[i / 4].entry[i % 4];
		if (!(flow->data & SL_FLOW_BACKEND) && flow->check)
			ck_assert_uint_eq(flow->data, (++freed, 9 * SL_FLOW_COUNT_ONE));
	}

	/* One that a packet is writing, and one that a packet changes meanwhile. */
	memset(dp->maps.flows, 0, 8192 * sizeof(*flow));
	scan = (struct scan){.changes = &dp->maps.flows[9].entry[0]};
	dp->maps.flows[7].entry[2].data = 5ull << 40 | SL_FLOW_LOCK;
	scan.changes->data = sl_flow_data(5, 0, 3, 7);
	ck_assert_int_eq(ops->scan_flows(dp, &visitor), 0);
	ck_assert_uint_eq(scan.seen, 2);
	ck_assert_uint_eq(scan.stayed, 2);
	ck_assert_uint_eq(dp->maps.flows[9].entry[0].data, sl_flow_data(5, 0, 3, 8));
	dataplane_close(dp);
}
END_TEST

/* ---- cold words, T, the clock --------------------------------------------------------------------------- */

START_TEST(a_swap_says_whether_it_was_done)
{
	struct dataplane_swap swaps[] = {{3, 5, 6, false}, {4, 5, 6, true}, {5, 0, 7, false}};
	const struct dataplane_ops *ops = dataplane_operations();
	struct dataplane_options options = pinned_options();
	struct dataplane *dp = pinned_open(&options);

	dp->maps.cold[0].word[3] = 5;
	dp->maps.cold[0].word[4] = 5 | SL_COLD_CROWDED;
	ck_assert_int_eq(ops->swap_cold(dp, swaps, 3), 0);
	ck_assert(swaps[0].done && !swaps[1].done && swaps[2].done);
	ck_assert_uint_eq(dp->maps.cold[0].word[3], 6);
	ck_assert_uint_eq(dp->maps.cold[0].word[4], 5 | SL_COLD_CROWDED);
	swaps[2].slot = options.limits.slots;
	swaps[0].from = 6;
	ck_assert_int_eq(ops->swap_cold(dp, swaps, 3), -ERANGE);
	ck_assert_uint_eq(dp->maps.cold[0].word[3], 6);
	ck_assert_int_eq(ops->write_idle(dp, 2, 360), 0);
	ck_assert_uint_eq(dp->maps.services[2].idle_ticks, 360);
	ck_assert_int_eq(ops->write_idle(dp, 0, 360), -ERANGE);
	ck_assert_int_eq(ops->write_idle(dp, 2, 65536), -ERANGE);
	ck_assert_int_eq(ops->write_idle(dp, sl_service_records(&options.limits), 1), -ERANGE);
	ck_assert_int_eq(ops->write_longest(dp, 363), 0);
	ck_assert_uint_eq(dp->maps.control->longest_ticks, 363);
	dataplane_close(dp);
}
END_TEST

START_TEST(the_clock_ticks_about_once_a_second)
{
	const struct dataplane_ops *ops = dataplane_operations();
	struct dataplane_options options = pinned_options();
	struct dataplane *dp = pinned_open(&options);
	uint32_t first, last;

	ck_assert_uint_ge(dp->view.tick_ns, 700000000);
	ck_assert_uint_le(dp->view.tick_ns, 1420000000);
	ck_assert_uint_ge(dataplane_ticks(&dp->view, 3000) * dp->view.tick_ns, 3000000000);
	ck_assert_uint_lt((dataplane_ticks(&dp->view, 3000) - 1) * dp->view.tick_ns, 3000000000);
	ck_assert_int_eq(ops->clock(dp, &first), 0);
	usleep(2 * dp->view.tick_ns / 1000);
	ck_assert_int_eq(ops->clock(dp, &last), 0);
	/* Jiffies wait for nobody, but this machine may stop. */
	ck_assert_uint_ge(last - first, 1u << dp->view.clock_shift);
	ck_assert_uint_le(last - first, 30u << dp->view.clock_shift);
	ck_assert_uint_ge(dataplane_units(&dp->view, 4000) * dataplane_unit_ns(&dp->view),
			  4000000000);
	ck_assert_uint_eq(dataplane_unit_ns(&dp->view) << dp->view.clock_shift, dp->view.tick_ns);
	dataplane_close(dp);

	options.manual_clock = true;
	dp = pinned_open(&options);
	dp->maps.control->tick = 4711;
	ck_assert_int_eq(ops->clock(dp, &first), 0);
	ck_assert_uint_eq(first, 4711);
	ck_assert_uint_eq(dp->view.clock_shift, 0);
	dataplane_close(dp);
}
END_TEST

Suite *dataplane_flows_suite(void)
{
	Suite *suite = suite_create("dataplane_flows");
	TCase *tc = tcase_create("flows");

	pinned_add_fixtures(tc);
	tcase_add_test(tc, entries_find_their_places_in_a_table_of_another_size);
	tcase_add_test(tc, a_start_on_the_same_maps_finds_flows_where_they_were);
	tcase_add_test(tc, a_full_table_finds_room_in_one_of_twice_the_size);
	tcase_add_test(tc, what_is_being_written_is_not_copied_by_other_limits);
	tcase_add_test(tc, the_memory_of_fragments_outlives_starts_and_other_limits);
	tcase_add_test(tc, a_scan_deletes_what_the_visitor_says_and_keeps_the_count);
	tcase_add_test(tc, a_swap_says_whether_it_was_done);
	tcase_add_test(tc, the_clock_ticks_about_once_a_second);
	suite_add_tcase(suite, tc);
	return suite;
}
