/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of the maps: bounds, spares and grace periods. */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "dataplane/internal.h"
#include "packet/pinned.h"

static struct dataplane *dp;
static const struct dataplane_ops *ops;

static void open_it(void)
{
	struct dataplane_options options = pinned_options();

	options.pin_dir = NULL;
	dp = pinned_open(&options);
	ops = dataplane_operations();
}

static void close_it(void)
{
	dataplane_close(dp);
}

static uint32_t path_in_force(uint32_t index)
{
	const struct sl_backend *b = &dataplane_view(dp)->backends[index];

	return b->path[b->active].ifindex;
}

START_TEST(a_path_is_switched_and_its_spare_waits_for_a_grace_period)
{
	struct sl_path path = {.ifindex = 1};
	uint64_t graces = dp->graces;

	/* The first spare was never in force: no wait. */
	ck_assert_int_eq(ops->write_path(dp, 3, &path), 0);
	ck_assert_uint_eq(dp->graces, graces);
	ck_assert_uint_eq(path_in_force(3), 1);
	/* Another backend's spare is another matter. */
	ck_assert_int_eq(ops->write_path(dp, 4, &path), 0);
	ck_assert_uint_eq(dp->graces, graces);
	/* This spare was in force a moment ago. */
	path.ifindex = 2;
	ck_assert_int_eq(ops->write_path(dp, 3, &path), 0);
	ck_assert_uint_eq(dp->graces, graces + 1);
	ck_assert_uint_eq(path_in_force(3), 2);
	/* The one wait was also that of backend 4. */
	ck_assert_int_eq(ops->write_path(dp, 4, &path), 0);
	ck_assert_uint_eq(dp->graces, graces + 1);
	/* After a wait of the caller's own none is needed. */
	ck_assert_int_eq(ops->grace(dp), 0);
	ck_assert_int_eq(ops->write_path(dp, 3, &path), 0);
	ck_assert_uint_eq(dp->graces, graces + 2);
}
END_TEST

START_TEST(a_failed_grace_period_leaves_the_path_in_force)
{
	struct sl_path path = {.ifindex = 1};
	struct dataplane_listener none;

	ck_assert_int_eq(ops->write_path(dp, 3, &path), 0);
	ck_assert_int_eq(ops->write_listeners(dp, &none, 0), 0);
	/* Now the kernel refuses the update of the grace map. */
	close(dp->grace_inner_fd);
	dp->grace_inner_fd = -1;
	path.ifindex = 2;
	ck_assert_int_lt(ops->grace(dp), 0);
	ck_assert_int_lt(ops->write_path(dp, 3, &path), 0);
	ck_assert_int_lt(ops->write_listeners(dp, &none, 0), 0);
	ck_assert_uint_eq(path_in_force(3), 1);
	ck_assert_uint_eq(dataplane_view(dp)->control->listeners & SL_LISTENERS_HALF, 1);
}
END_TEST

START_TEST(listeners_are_switched_and_their_spare_waits_for_a_grace_period)
{
	struct dataplane_listener l = {.port = 80, .protocol = IPPROTO_TCP, .service = 1};
	const struct dataplane_view *v = dataplane_view(dp);
	uint64_t graces = dp->graces;

	addr_parse("203.0.113.1", &l.address);
	for (int i = 1; i <= 4; i++) {
		l.service = i;
		ck_assert_int_eq(ops->write_listeners(dp, &l, 1), 0);
		ck_assert_uint_eq(dp->graces, graces + i - 1);
		ck_assert_uint_eq(v->control->listeners & SL_LISTENERS_HALF, i % 2);
		ck_assert_uint_eq(dataplane_find_listener(v, &l.address, 80, IPPROTO_TCP), i);
	}
	/* A set that cannot be built changes nothing. */
	l.service = 0;
	ck_assert_int_eq(ops->write_listeners(dp, &l, 1), -EINVAL);
	ck_assert_uint_eq(dataplane_find_listener(v, &l.address, 80, IPPROTO_TCP), 4);
	ck_assert_uint_eq(v->control->listeners & SL_LISTENERS_HALF, 0);
}
END_TEST

START_TEST(the_two_listener_tables_do_not_overlap)
{
	const struct dataplane_view *v = dataplane_view(dp);
	struct dataplane_listener list[32] = {0};

	for (int i = 0; i < 32; i++) {
		list[i].address.family = i % 2 ? 6 : 4;
		list[i].address.bytes[0] = 32;
		list[i].address.bytes[3] = i;
		list[i].port = 80;
		list[i].protocol = IPPROTO_TCP;
		list[i].service = 1 + i % 8;
	}
	for (int round = 0; round < 3; round++) {
		ck_assert_int_eq(ops->write_listeners(dp, list, 32), 0);
		ck_assert_uint_eq(dataplane_listeners(v, NULL, 0), 32);
		ck_assert_int_eq(ops->write_listeners(dp, list + round, 1), 0);
		ck_assert_uint_eq(dataplane_listeners(v, NULL, 0), 1);
	}
}
END_TEST

START_TEST(what_lies_outside_the_maps_is_refused_and_nothing_is_stored)
{
	const struct sl_limits *l = &dataplane_view(dp)->limits;
	struct sl_service service = {.name = "x"};
	struct sl_backend backend = {.family = 4};
	struct sl_path path = {0};
	struct dataplane_store stores[2] = {{5, 6}, {l->slots, 7}};

	ck_assert_int_eq(ops->write_service(dp, 0, &service), -ERANGE);
	ck_assert_int_eq(ops->write_service(dp, sl_service_records(l), &service), -ERANGE);
	ck_assert_int_eq(ops->write_service(dp, sl_service_records(l) - 1, &service), 0);
	ck_assert_int_eq(ops->write_backend(dp, SL_NOBODY, &backend), -ERANGE);
	ck_assert_int_eq(ops->write_backend(dp, l->backends + 1, &backend), -ERANGE);
	ck_assert_int_eq(ops->write_backend(dp, l->backends, &backend), 0);
	ck_assert_int_eq(ops->write_path(dp, SL_NOBODY, &path), -ERANGE);
	ck_assert_int_eq(ops->write_path(dp, l->backends + 1, &path), -ERANGE);
	ck_assert_int_eq(ops->write_flags(dp, SL_NOBODY, 1), -ERANGE);
	ck_assert_int_eq(ops->write_flags(dp, l->backends + 1, 1), -ERANGE);
	ck_assert_int_eq(ops->write_flags(dp, l->backends, SL_BACKEND_DOWN), 0);
	ck_assert_uint_eq(dataplane_view(dp)->backends[l->backends].flags, SL_BACKEND_DOWN);
	ck_assert_int_eq(ops->clear_counters(dp, sl_counter_lines(l)), -ERANGE);
	ck_assert_int_eq(ops->store_hot(dp, stores, 2), -ERANGE);
	ck_assert_int_eq(ops->store_cold(dp, stores, 2), -ERANGE);
	ck_assert_uint_eq(dataplane_hot(dataplane_view(dp), 5), 0);
	ck_assert_uint_eq(dataplane_cold(dataplane_view(dp), 5), 0);
}
END_TEST

START_TEST(a_line_of_counters_is_cleared_on_every_cpu_and_no_other_is)
{
	const struct sl_limits *l = &dataplane_view(dp)->limits;
	uint64_t counts[SL_COUNTERS_PER_LINE];
	uint32_t line = sl_counter_services(l) + 1;

	for (uint32_t i = 0; i < l->cpus * sl_counter_lines(l); i++)
		for (int c = 0; c < SL_COUNTERS_PER_LINE; c++)
			dp->maps.counters[i].count[c] = 1;
	ck_assert_int_eq(ops->clear_counters(dp, line), 0);
	for (uint32_t i = 0; i < sl_counter_lines(l); i++) {
		dataplane_count(dataplane_view(dp), i, counts);
		ck_assert_uint_eq(counts[0], i == line ? 0 : l->cpus);
		ck_assert_uint_eq(counts[SL_COUNTERS_PER_LINE - 1], i == line ? 0 : l->cpus);
	}
}
END_TEST

START_TEST(a_way_out_is_opened_once_or_more)
{
	uint32_t lo = if_nametoindex("lo");
	struct {
		uint32_t ifindex;
		int fd;
	} way;

	ck_assert_int_eq(ops->open_way(dp, lo), 0);
	ck_assert_int_eq(ops->open_way(dp, lo), 0);
	ck_assert_int_eq(bpf_map_lookup_elem(dataplane_map_fd(dp, "egress"), &lo, &way), 0);
	ck_assert_uint_eq(way.ifindex, lo);
	ck_assert_int_lt(ops->open_way(dp, 12345), 0);
}
END_TEST

START_TEST(a_lack_of_open_files_is_said_as_that_and_leaves_nothing)
{
	struct dataplane_options options = pinned_options();
	struct rlimit before, few;
	unsigned int refused = 0;
	int err = -EMFILE;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	for (few.rlim_cur = 8; err; few.rlim_cur++) {
		struct problems p = {0};
		struct dataplane *opened = NULL;

		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
		err = dataplane_open(&options, &opened, &p);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
		if (err) {
			pinned_expect(&p, "oo many open files");
			ck_assert(!pinned_exists(""));
			refused++;
		}
		if (opened)
			dataplane_close(opened);
	}
	ck_assert_uint_ge(refused, 10);
}
END_TEST

Suite *dataplane_change_suite(void)
{
	Suite *suite = suite_create("dataplane_change");
	TCase *tc = tcase_create("change"), *files = tcase_create("files");

	pinned_add_fixtures(tc);
	tcase_add_checked_fixture(tc, open_it, close_it);
	tcase_add_test(tc, a_path_is_switched_and_its_spare_waits_for_a_grace_period);
	tcase_add_test(tc, a_failed_grace_period_leaves_the_path_in_force);
	tcase_add_test(tc, listeners_are_switched_and_their_spare_waits_for_a_grace_period);
	tcase_add_test(tc, the_two_listener_tables_do_not_overlap);
	tcase_add_test(tc, what_lies_outside_the_maps_is_refused_and_nothing_is_stored);
	tcase_add_test(tc, a_line_of_counters_is_cleared_on_every_cpu_and_no_other_is);
	tcase_add_test(tc, a_way_out_is_opened_once_or_more);
	suite_add_tcase(suite, tc);
	pinned_add_fixtures(files);
	tcase_add_test(files, a_lack_of_open_files_is_said_as_that_and_leaves_nothing);
	suite_add_tcase(suite, files);
	return suite;
}
