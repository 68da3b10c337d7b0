/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What somebody else has written into the maps is told, and put right; what we write ourselves is not. */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/internal.h"
#include "packet/pinned.h"

static struct dataplane *dp;
static const struct dataplane_ops *ops;

/* A service of one listener and one backend, by way of the operations alone. */
static void open_it(void)
{
	struct dataplane_options options = pinned_options();
	struct dataplane_listener listener = {.port = 80, .protocol = IPPROTO_TCP, .service = 1};
	struct sl_service service = {.slots_base = 0, .slots = 251, .name = "web"};
	struct sl_backend backend = {.family = 4, .address = {10, 0, 1, 11}};

	options.pin_dir = NULL;
	dp = pinned_open(&options);
	ops = dataplane_operations();
	backend.service = sl_counter_services(&dataplane_view(dp)->limits);
	backend.path[0].ifindex = 7;
	addr_parse("203.0.113.1", &listener.address);
	ck_assert_int_eq(ops->write_backend(dp, 1, &backend), 0);
	ck_assert_int_eq(ops->write_service(dp, 1, &service), 0);
	ck_assert_int_eq(ops->write_listeners(dp, &listener, 1), 0);
	ck_assert_int_eq(ops->open_way(dp, 1), 0); /* lo */
}

static void close_it(void)
{
	dataplane_close(dp);
}

static struct dataplane_damage damage(void)
{
	struct dataplane_damage found;

	dataplane_audit(dp, &found);
	return found;
}

static void check_sound(void)
{
	struct dataplane_damage found;

	ck_assert(!dataplane_audit(dp, &found));
}

static uint32_t find_listener(void)
{
	struct addr vip;

	addr_parse("203.0.113.1", &vip);
	return dataplane_find_listener(dataplane_view(dp), &vip, 80, IPPROTO_TCP);
}

START_TEST(every_operation_of_ours_is_taken_for_right)
{
	struct sl_path path = {.ifindex = 9};
	struct dataplane_listener none;

	check_sound();
	ck_assert_int_eq(ops->write_path(dp, 1, &path), 0);
	ck_assert_int_eq(ops->write_path(dp, 1, &path), 0);
	ck_assert_int_eq(ops->write_flags(dp, 1, SL_BACKEND_DOWN), 0);
	ck_assert_int_eq(ops->write_idle(dp, 1, 77), 0);
	ck_assert_int_eq(ops->write_longest(dp, 77), 0);
	ck_assert_int_eq(ops->write_listeners(dp, &none, 0), 0);
	ck_assert_int_eq(ops->write_listeners(dp, &none, 0), 0);
	ops->set_revision(dp, 12);
	check_sound();
}
END_TEST

START_TEST(a_backend_written_over_is_put_right_by_its_spare)
{
	struct sl_backend before = dp->maps.backends[1];

	memset(&dp->maps.backends[1], 0xa5, sizeof(before));
	ck_assert_uint_eq(damage().backends, 1);
	ck_assert_int_eq(dataplane_mend(dp, NULL), 0);
	check_sound();
	ck_assert_uint_le(dp->maps.backends[1].active, 1);
	ck_assert_mem_eq(&dp->maps.backends[1].path[dp->maps.backends[1].active],
			 &before.path[before.active], sizeof(before.path[0]));
	ck_assert_uint_eq(dp->maps.backends[1].flags, before.flags);
	ck_assert_uint_eq(dp->maps.backends[1].service, before.service);
	ck_assert_mem_eq(dp->maps.backends[1].address, before.address, sizeof(before.address));
}
END_TEST

/* The path in force is written over while it may be read: the right one is switched to, not written into it. */
START_TEST(the_path_in_force_is_replaced_and_not_written_into)
{
	struct sl_backend *backend = &dp->maps.backends[1];
	uint64_t was = backend->active;

	backend->path[was].ifindex = 666;
	ck_assert_uint_eq(damage().backends, 1);
	ck_assert_int_eq(dataplane_mend(dp, NULL), 0);
	ck_assert_uint_ne(backend->active, was);
	ck_assert_uint_eq(backend->path[backend->active].ifindex, 7);
	check_sound();
}
END_TEST

START_TEST(an_index_that_is_free_and_was_written_over_is_free_again)
{
	dp->maps.backends[5].family = 4;
	dp->maps.backends[0].path[0].ifindex = 3;
	ck_assert_uint_eq(damage().backends, 2);
	ck_assert_int_eq(dataplane_mend(dp, NULL), 0);
	ck_assert_uint_eq(dp->maps.backends[5].family, 0);
	check_sound();
}
END_TEST

START_TEST(a_service_written_over_is_put_right)
{
	dp->maps.services[1].slots = 3;
	dp->maps.services[2].name[0] = 'x';
	ck_assert_uint_eq(damage().services, 2);
	ck_assert_int_eq(dataplane_mend(dp, NULL), 0);
	ck_assert_uint_eq(dp->maps.services[1].slots, 251);
	check_sound();
}
END_TEST

START_TEST(a_listener_table_written_over_is_replaced_by_the_spare)
{
	uint64_t half = dp->maps.control->listeners & SL_LISTENERS_HALF;
	uint32_t max4 = sl_listener_buckets4(&dp->maps.limits);

	memset(dp->maps.listeners4 + half * max4, 0, max4 * sizeof(*dp->maps.listeners4));
	ck_assert_uint_eq(find_listener(), 0);
	ck_assert(damage().listeners);
	ck_assert_int_eq(dataplane_mend(dp, NULL), 0);
	ck_assert_uint_ne(dp->maps.control->listeners & SL_LISTENERS_HALF, half);
	ck_assert_uint_eq(find_listener(), 1);
	check_sound();
}
END_TEST

START_TEST(the_word_that_says_where_listeners_are_is_put_right)
{
	dp->maps.control->listeners = 0x123456789abcdefULL;
	ck_assert(damage().listeners);
	ck_assert_int_eq(dataplane_mend(dp, NULL), 0);
	ck_assert_uint_eq(find_listener(), 1);
	check_sound();
	/* And the next change goes on from there. */
	ck_assert_int_eq(ops->write_listeners(dp, &(struct dataplane_listener){}, 0), 0);
	ck_assert_uint_eq(find_listener(), 0);
	check_sound();
}
END_TEST

static void change_denied(const char *text, bool adds)
{
	struct sl_deny_key key = {.family = 4};
	struct prefix prefix;
	__u32 value = 7;

	prefix_parse(text, &prefix);
	key.bits = SL_DENY_FAMILY_BITS + prefix.length;
	memcpy(key.address, prefix.addr.bytes, sizeof(key.address));
	ck_assert_int_eq(adds ? bpf_map_update_elem(dataplane_map_fd(dp, "denied"), &key, &value, 0)
			      : bpf_map_delete_elem(dataplane_map_fd(dp, "denied"), &key),
			 0);
}

START_TEST(prefixes_added_and_removed_by_hand_are_put_right)
{
	struct prefix list[60], by;
	struct addr source;

	for (int i = 0; i < 60; i++) {
		prefix_parse("10.0.0.0/24", &list[i]);
		list[i].addr.bytes[2] = i;
	}
	ck_assert_int_eq(dataplane_write_denied(dp, list, 60, NULL), 0);
	check_sound();
	change_denied("10.0.7.0/24", false);
	ck_assert_uint_eq(damage().denied, 1);
	ck_assert_int_eq(dataplane_mend(dp, NULL), 0);
	check_sound();
	change_denied("10.0.7.0/24", false);
	change_denied("10.0.7.0/25", true);
	change_denied("192.0.2.1", true);
	ck_assert_uint_eq(damage().denied, 3);
	ck_assert_int_eq(dataplane_mend(dp, NULL), 0);
	check_sound();
	change_denied("10.0.7.0/24", false); /* which was there again */
	ck_assert_int_eq(dataplane_write_denied(dp, NULL, 0, NULL), 0);
	check_sound();
	addr_parse("10.0.1.1", &source);
	ck_assert(!dataplane_denies(dp, &source, &by));
}
END_TEST

START_TEST(the_spare_table_is_nobodys_business)
{
	uint64_t spare = !(dp->maps.control->listeners & SL_LISTENERS_HALF);

	dp->maps.listeners6[spare * sl_listener_buckets6(&dp->maps.limits)].pad = 1;
	check_sound();
}
END_TEST

START_TEST(meta_and_the_longest_timeout_are_put_right)
{
	ck_assert_int_eq(ops->write_longest(dp, 400), 0);
	dp->maps.meta->flows = 1;
	dp->maps.control->longest_ticks = 1;
	ck_assert(damage().meta);
	ck_assert_int_eq(dataplane_mend(dp, NULL), 0);
	ck_assert_uint_eq(dp->maps.meta->flows, dp->maps.limits.flows);
	ck_assert_uint_eq(dp->maps.control->longest_ticks, 400);
	check_sound();
}
END_TEST

START_TEST(a_way_that_was_shut_is_opened_again)
{
	uint32_t key = 1;

	ck_assert_int_eq(bpf_map_delete_elem(dp->maps.fd[MAP_egress], &key), 0);
	ck_assert_uint_eq(damage().ways, 1);
	ck_assert_int_eq(dataplane_mend(dp, NULL), 0);
	check_sound();
}
END_TEST

START_TEST(what_cannot_be_mended_now_is_still_told)
{
	struct sl_path path = {.ifindex = 9};

	ck_assert_int_eq(ops->write_path(dp, 1, &path), 0);
	/* The kernel refuses grace periods: the spare may still be read. */
	close(dp->grace_inner_fd);
	dp->grace_inner_fd = -1;
	dp->maps.backends[1].path[dp->maps.backends[1].active].ifindex = 666;
	ck_assert_int_lt(dataplane_mend(dp, NULL), 0);
	ck_assert_uint_eq(damage().backends, 1);
}
END_TEST

/* ---- with pins ---- */

static void open_pinned(void)
{
	struct dataplane_options options = pinned_options();

	dp = pinned_open(&options);
}

static void unpin(const char *kind, const char *name)
{
	char *path = pins_path(&dp->pins, kind, name);

	ck_assert_int_eq(unlink(path), 0);
	free(path);
}

START_TEST(what_was_unpinned_is_pinned_again)
{
	struct dataplane_options options = pinned_options();

	check_sound();
	unpin("maps", "hot");
	unpin("maps", "grace");
	unpin("progs", "balancer");
	ck_assert_uint_eq(damage().pins, 3);
	ck_assert_int_eq(dataplane_mend(dp, NULL), 0);
	check_sound();
	/* The next agent finds all of it. */
	dataplane_close(dp);
	dp = pinned_open(&options);
	ck_assert(dataplane_adopted(dp));
}
END_TEST

START_TEST(a_pin_of_something_else_is_replaced)
{
	char *path = pins_path(&dp->pins, "maps", "cold");
	int other = bpf_map_create(BPF_MAP_TYPE_ARRAY, "other", 4, 4, 1, NULL);

	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(bpf_obj_pin(other, path), 0);
	ck_assert_uint_eq(damage().pins, 1);
	ck_assert_int_eq(dataplane_mend(dp, NULL), 0);
	check_sound();
	close(other);
	free(path);
}
END_TEST

START_TEST(a_way_by_a_device_that_is_gone_is_no_damage)
{
	uint32_t ifindex;

	pinned_run("ip link add sl-a type veth peer name sl-b");
	ifindex = if_nametoindex("sl-a");
	ck_assert_int_eq(dataplane_operations()->open_way(dp, ifindex), 0);
	ck_assert_int_eq(bpf_map_delete_elem(dp->maps.fd[MAP_egress], &ifindex), 0);
	ck_assert_uint_eq(damage().ways, 1);
	ck_assert_int_eq(dataplane_mend(dp, NULL), 0);
	check_sound();
	pinned_run("ip link del sl-a");
	check_sound();
}
END_TEST

Suite *dataplane_audit_suite(void)
{
	TCase *pinned = tcase_create("pins");

	Suite *suite = suite_create("dataplane audit");
	TCase *tcase = tcase_create("audit");

	tcase_add_checked_fixture(tcase, open_it, close_it);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, every_operation_of_ours_is_taken_for_right);
	tcase_add_test(tcase, a_backend_written_over_is_put_right_by_its_spare);
	tcase_add_test(tcase, the_path_in_force_is_replaced_and_not_written_into);
	tcase_add_test(tcase, an_index_that_is_free_and_was_written_over_is_free_again);
	tcase_add_test(tcase, a_service_written_over_is_put_right);
	tcase_add_test(tcase, prefixes_added_and_removed_by_hand_are_put_right);
	tcase_add_test(tcase, a_listener_table_written_over_is_replaced_by_the_spare);
	tcase_add_test(tcase, the_word_that_says_where_listeners_are_is_put_right);
	tcase_add_test(tcase, the_spare_table_is_nobodys_business);
	tcase_add_test(tcase, meta_and_the_longest_timeout_are_put_right);
	tcase_add_test(tcase, a_way_that_was_shut_is_opened_again);
	tcase_add_test(tcase, what_cannot_be_mended_now_is_still_told);
	suite_add_tcase(suite, tcase);
	pinned_add_fixtures(pinned);
	tcase_add_checked_fixture(pinned, open_pinned, close_it);
	tcase_add_test(pinned, what_was_unpinned_is_pinned_again);
	tcase_add_test(pinned, a_pin_of_something_else_is_replaced);
	tcase_add_test(pinned, a_way_by_a_device_that_is_gone_is_no_damage);
	suite_add_tcase(suite, pinned);
	return suite;
}
