/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets on trial: a copy of the maps that is true, and frames through it that leave what runs alone. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dataplane/flows.h"
#include "dataplane/internal.h"
#include "packet/pinned.h"
#include "packet/rig.h"

#define SERVICE_LINE(view) sl_counter_services(&(view)->limits)

static struct rig rig;
static struct dataplane *copy;

/* A service whose slots all name backend 1. */
static void open_both(void)
{
	const struct rig_options options = {
		.flows = 64, .slots = 31, .backends = 4, .syn_ticks = 3, .closing_ticks = 60};
	struct problems p = {};

	ck_assert_int_eq(rig_open(&rig, &options), 0);
	for (uint32_t i = 0; i < options.slots; i++)
		rig_set_hot(&rig, rig_first_slot(&rig, RIG_TCP) + i, 1);
	pinned_ok(dataplane_copy(rig.dp, &copy, &p), &p);
}

static void close_both(void)
{
	dataplane_close(copy);
	rig_close(&rig);
}

static const struct rig_flow flow = {.service = RIG_TCP, .client = 7, .port = 40000};

static struct dataplane_outcome try_frame(const void *bytes, size_t length)
{
	struct dataplane_outcome outcome;

	ck_assert_int_eq(dataplane_try(copy, bytes, length, 0, &outcome), 0);
	return outcome;
}

static void expect_counters_zero(const struct dataplane *dp)
{
	size_t lines = (size_t)dp->maps.limits.cpus * sl_counter_lines(&dp->maps.limits);

	for (size_t i = 0; i < lines; i++)
		for (int c = 0; c < SL_COUNTERS_PER_LINE; c++)
			ck_assert_uint_eq(dp->maps.counters[i].count[c], 0);
}

START_TEST(a_copy_says_what_the_running_program_does_and_leaves_it_alone)
{
	struct dataplane_outcome outcome;
	struct rig_frame frame;

	rig_build(&rig, &flow, &frame);
	for (int i = 0; i < 3; i++) {
		outcome = try_frame(frame.bytes, frame.length);
		ck_assert_uint_eq(outcome.verdict, SL_SEND_tx);
		ck_assert_uint_eq(outcome.backend, 1);
		ck_assert_uint_eq(outcome.service, copy->maps.backends[1].service);
	}
	expect_counters_zero(rig.dp);
	expect_counters_zero(copy);
	ck_assert_int_eq(rig_send(&rig, &frame, RIG_ACK), 1);
	/* What changes there now is not seen here, nor the other way. */
	rig_set_hot(&rig, rig_slot(&rig, &flow), 2);
	ck_assert_uint_eq(try_frame(frame.bytes, frame.length).backend, 1);
	ck_assert_int_eq(rig_send(&rig, &frame, RIG_ACK), 2);
}
END_TEST

START_TEST(drops_and_passes_are_told_with_the_service_that_counts_them)
{
	struct dataplane_outcome outcome;
	struct rig_frame frame;

	rig_build(&rig, &flow, &frame);
	copy->maps.hot[rig_slot(&rig, &flow) / SL_HOT_PER_LINE]
		.word[rig_slot(&rig, &flow) % SL_HOT_PER_LINE] = SL_NOBODY;
	outcome = try_frame(frame.bytes, frame.length);
	ck_assert_uint_eq(outcome.verdict, SL_DROP_no_backend);
	ck_assert_uint_eq(outcome.backend, SL_NOBODY);
	ck_assert_uint_ge(outcome.service, SERVICE_LINE(&copy->view));
	frame.bytes[30 + 3] ^= 0x40; /* of the destination: nobody listens there */
	outcome = try_frame(frame.bytes, frame.length);
	ck_assert_uint_eq(outcome.verdict, SL_PASS_no_listener);
	ck_assert_uint_eq(outcome.service, 0);
	expect_counters_zero(copy);
}
END_TEST

START_TEST(flows_keep_their_entries_in_the_copy)
{
	struct dataplane_options options = pinned_options();
	struct dataplane *running = pinned_open(&options), *second;
	struct problems p = {};
	uint32_t way = 1;
	struct bpf_devmap_val value = {.ifindex = 1};

	running->maps.flows[3].entry[1] = (struct sl_flow){0x1234, sl_flow_data(5, 0, 2, 0)};
	running->maps.flows[4].entry[0].data = sl_flow_data(5, 0, 2, 0) | SL_FLOW_LOCK;
	ck_assert_int_eq(bpf_map_update_elem(running->maps.fd[MAP_egress], &way, &value, BPF_ANY),
			 0);
	pinned_ok(dataplane_copy(running, &second, &p), &p);
	ck_assert_uint_eq(second->maps.flows[3].entry[1].check, 0x1234);
	ck_assert_uint_eq(second->maps.flows[4].entry[0].data, 0);
	ck_assert_mem_eq(second->maps.meta->host_key, running->maps.meta->host_key, 16);
	ck_assert_uint_eq(second->view.places.factor, running->view.places.factor);
	ck_assert_int_eq(bpf_map_lookup_elem(second->maps.fd[MAP_egress], &way, &value), 0);
	/* It is pinned nowhere. */
	ck_assert_ptr_null(second->pins.dir);
	dataplane_close(second);
	dataplane_close(running);
}
END_TEST

START_TEST(frames_that_cannot_be_tried_say_so)
{
	static uint8_t long_frame[256 << 10];
	struct dataplane_outcome outcome;

	memset(long_frame, 2, 12);
	ck_assert_int_eq(dataplane_try(copy, long_frame, 13, 0, &outcome), -EINVAL);
	ck_assert_int_eq(dataplane_try(copy, long_frame, sizeof(long_frame), 0, &outcome),
			 -EMSGSIZE);
	ck_assert_int_eq(dataplane_try(copy, long_frame, 60, 0x7fffffff, &outcome), -ENODEV);
	ck_assert_uint_eq(try_frame(long_frame, 14).verdict, SL_PASS_not_ip);
	ck_assert_uint_eq(try_frame(long_frame, 1514).verdict, SL_PASS_not_ip);
}
END_TEST

/* A process without rights must not begin a copy, and says what it lacks. */
START_TEST(a_copy_needs_rights)
{
	struct problems p = {};
	struct dataplane *second;

	pinned_drop_capabilities();
	ck_assert_int_eq(dataplane_copy(rig.dp, &second, &p), -EPERM);
	ck_assert_uint_gt(p.count, 0);
	problems_free(&p);
}
END_TEST

Suite *dataplane_try_suite(void);

Suite *dataplane_try_suite(void)
{
	Suite *suite = suite_create("dataplane_try");
	TCase *both = tcase_create("copy"), *own = tcase_create("own");

	tcase_set_timeout(both, 60);
	tcase_add_checked_fixture(both, open_both, close_both);
	tcase_add_test(both, a_copy_says_what_the_running_program_does_and_leaves_it_alone);
	tcase_add_test(both, drops_and_passes_are_told_with_the_service_that_counts_them);
	tcase_add_test(both, frames_that_cannot_be_tried_say_so);
	tcase_add_test(both, a_copy_needs_rights);
	suite_add_tcase(suite, both);
	tcase_set_timeout(own, 60);
	pinned_add_fixtures(own);
	tcase_add_test(own, flows_keep_their_entries_in_the_copy);
	suite_add_tcase(suite, own);
	return suite;
}
