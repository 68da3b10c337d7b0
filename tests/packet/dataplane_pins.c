/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting, adopting, copying into other limits, taking down: what is pinned before and after. */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "dataplane/internal.h"
#include "packet/pinned.h"

/* ---- fresh --------------------------------------------------------------------------------------- */

START_TEST(a_fresh_start_pins_the_maps_and_the_program_and_no_more)
{
	struct dataplane_options options = pinned_options();
	struct dataplane *dp = pinned_open(&options);
	const struct dataplane_view *view = dataplane_view(dp);
	const uint8_t none[16] = {0};
	struct stat is;

	ck_assert(!dataplane_adopted(dp));
	ck_assert_uint_eq(pinned_count("."), 2);
	ck_assert_uint_eq(pinned_count("progs"), 1);
	ck_assert(pinned_exists("progs/balancer"));
	ck_assert_uint_eq(pinned_count("maps"), MAPS);
	ck_assert_int_eq(stat(pinned_dir, &is), 0);
	ck_assert_uint_eq(is.st_mode & 0777, 0700);

	ck_assert_uint_eq(view->meta->layout, SL_LAYOUT_VERSION);
	ck_assert_uint_eq(view->meta->cpus, libbpf_num_possible_cpus());
	ck_assert_uint_eq(view->limits.cpus, libbpf_num_possible_cpus());
	ck_assert_uint_eq(view->meta->slots, options.limits.slots);
	ck_assert_mem_eq(view->meta->key_id, options.key_id, sizeof(options.key_id));
	ck_assert_mem_ne(view->meta->host_key, none, sizeof(none));
	ck_assert_uint_eq(dataplane_listeners(view, NULL, 0), 0);
	ck_assert_int_ge(dataplane_map_fd(dp, "egress"), 0);
	ck_assert_int_eq(dataplane_map_fd(dp, "none"), -ENOENT);
	dataplane_close(dp);
	ck_assert_uint_eq(pinned_count("maps"), MAPS);
}
END_TEST

START_TEST(without_a_pin_directory_nothing_is_pinned)
{
	struct dataplane_options options = pinned_options();
	struct dataplane *dp;

	options.pin_dir = NULL;
	dp = pinned_open(&options);
	ck_assert(!pinned_exists(""));
	dataplane_close(dp);
}
END_TEST

/* ---- adoption ------------------------------------------------------------------------------------ */

#define LISTENERS 3

/* Fills some of everything, up to the limits of pinned_options(). */
static void fill(struct dataplane *dp)
{
	const struct dataplane_ops *ops = dataplane_operations();
	const struct sl_limits *l = &dataplane_view(dp)->limits;
	struct sl_service service = {.slots_base = 512,
				     .slots = 509,
				     .counters = sl_counter_services(l) + 3,
				     .name = "web"};
	struct sl_backend backend = {.family = 4, .address = {10, 0, 1, 11}, .path[0].ifindex = 7};
	struct sl_path path = {.ifindex = 9};
	struct dataplane_store hot = {512, 8}, cold = {1020, SL_COLD_CROWDED | 8};
	struct dataplane_listener list[LISTENERS] = {
		{.port = 443, .protocol = IPPROTO_TCP, .service = 7},
		{.port = 0, .protocol = IPPROTO_UDP, .service = 7},
		{.port = 80, .protocol = IPPROTO_TCP, .service = 7},
	};
	struct sl_counter_line *lines = dp->maps.counters;
	struct prefix denied[2];

	addr_parse("203.0.113.1", &list[0].address);
	addr_parse("2001:db8::1", &list[1].address);
	addr_parse("2001:db8::2", &list[2].address);
	ck_assert_int_eq(ops->write_service(dp, 7, &service), 0);
	ck_assert_int_eq(ops->write_backend(dp, 8, &backend), 0);
	ck_assert_int_eq(ops->write_path(dp, 8, &path), 0);
	ck_assert_int_eq(ops->store_hot(dp, &hot, 1), 0);
	ck_assert_int_eq(ops->store_cold(dp, &cold, 1), 0);
	ck_assert_int_eq(ops->write_listeners(dp, list, 1), 0);
	ck_assert_int_eq(ops->write_listeners(dp, list, LISTENERS), 0);
	ck_assert_int_eq(prefix_parse("192.0.2.0/24", &denied[0]), 0);
	ck_assert_int_eq(prefix_parse("2001:db8:d::/48", &denied[1]), 0);
	ck_assert_int_eq(dataplane_write_denied(dp, denied, 2, NULL), 0);
	ops->set_revision(dp, 42);
	for (uint32_t cpu = 0; cpu < l->cpus; cpu++) {
		struct sl_counter_line *row = lines + cpu * sl_counter_lines(l);

		row[SL_PASS_not_ip / SL_COUNTERS_PER_LINE].count[0] = 100 + cpu;
		row[sl_counter_services(l) + 3].count[1] = 200;
		row[sl_counter_backends(l) + 8].count[2] = 300;
	}
}

static void check_filled(const struct dataplane *dp)
{
	const struct dataplane_view *v = dataplane_view(dp);
	uint64_t counts[SL_COUNTERS_PER_LINE];
	struct addr v4, v6;
	struct prefix by;

	addr_parse("192.0.2.7", &v4);
	addr_parse("2001:db8:d::7", &v6);
	ck_assert(dataplane_denies(dp, &v4, &by) && by.length == 24);
	ck_assert(dataplane_denies(dp, &v6, &by) && by.length == 48);
	ck_assert(dataplane_features(dp).deny || !dataplane_adopted(dp));
	addr_parse("203.0.113.1", &v4);
	addr_parse("2001:db8::1", &v6);
	ck_assert_str_eq(v->services[7].name, "web");
	ck_assert_uint_eq(v->services[7].slots_base, 512);
	ck_assert_uint_eq(v->backends[8].address[3], 11);
	ck_assert_uint_eq(v->backends[8].path[v->backends[8].active].ifindex, 9);
	ck_assert_uint_eq(dataplane_hot(v, 512), 8);
	ck_assert_uint_eq(dataplane_cold(v, 1020), SL_COLD_CROWDED | 8);
	ck_assert_uint_eq(dataplane_listeners(v, NULL, 0), LISTENERS);
	ck_assert_uint_eq(dataplane_find_listener(v, &v4, 443, IPPROTO_TCP), 7);
	ck_assert_uint_eq(dataplane_find_listener(v, &v6, 12345, IPPROTO_UDP), 7);
	ck_assert_uint_eq(v->meta->revision, 42);
	dataplane_count(v, SL_PASS_not_ip / SL_COUNTERS_PER_LINE, counts);
	ck_assert_uint_ge(counts[0], 100 * v->limits.cpus);
	dataplane_count(v, sl_counter_services(&v->limits) + 3, counts);
	ck_assert_uint_eq(counts[1], 200 * v->limits.cpus);
	dataplane_count(v, sl_counter_backends(&v->limits) + 8, counts);
	ck_assert_uint_eq(counts[2], 300 * v->limits.cpus);
}

START_TEST(pinned_maps_are_adopted_with_their_contents)
{
	struct dataplane_options options = pinned_options();
	struct dataplane *dp = pinned_open(&options);
	uint32_t ids[MAPS], program = pinned_program_id(dataplane_program_fd(dp));
	uint8_t host_key[16];

	fill(dp);
	memcpy(host_key, dataplane_view(dp)->meta->host_key, sizeof(host_key));
	for (int i = 0; i < MAPS; i++)
		ids[i] = pinned_map_id(dp->maps.fd[i]);
	dataplane_close(dp);

	dp = pinned_open(&options);
	ck_assert(dataplane_adopted(dp));
	for (int i = 0; i < MAPS; i++)
		ck_assert_uint_eq(pinned_map_id(dp->maps.fd[i]), ids[i]);
	ck_assert_uint_ne(pinned_program_id(dataplane_program_fd(dp)), program);
	check_filled(dp);
	ck_assert_mem_eq(dataplane_view(dp)->meta->host_key, host_key, sizeof(host_key));
	dataplane_close(dp);
}
END_TEST

/* Else packets would meet services that their program cannot serve, until the next configuration is in force. */
START_TEST(what_adopted_maps_need_of_the_program_is_on)
{
	struct dataplane_options options = pinned_options();
	struct dataplane *dp = pinned_open(&options);
	struct sl_service service = {
		.flags = SL_SERVICE_BY_SOURCE | SL_SERVICE_QUIC, .mss = 1400, .name = "web"};
	struct dataplane_listener listener = {.address.family = 4,
					      .echo = true,
					      .port = 80,
					      .protocol = IPPROTO_TCP,
					      .service = 7};
	struct problems p = {0};

	ck_assert(!dataplane_features(dp).affinity);
	ck_assert(!dataplane_features(dp).echo);
	ck_assert_int_eq(dataplane_operations()->write_service(dp, 7, &service), 0);
	ck_assert_int_eq(dataplane_operations()->write_listeners(dp, &listener, 1), 0);
	dataplane_close(dp);
	dp = pinned_open(&options);
	ck_assert(dataplane_features(dp).affinity);
	ck_assert(dataplane_features(dp).mss_clamp);
	ck_assert(dataplane_features(dp).quic);
	ck_assert(dataplane_features(dp).echo);
	pinned_ok(dataplane_set_features(dp, options.features, &p), &p);
	ck_assert(!dataplane_features(dp).affinity);
	dataplane_close(dp);
}
END_TEST

/* The maps that a program uses. */
static bool program_uses(int program_fd, uint32_t map_id)
{
	uint32_t ids[64];
	struct bpf_prog_info info = {.nr_map_ids = 64, .map_ids = (uintptr_t)ids};
	uint32_t length = sizeof(info);

	ck_assert_int_eq(bpf_obj_get_info_by_fd(program_fd, &info, &length), 0);
	for (uint32_t i = 0; i < info.nr_map_ids; i++)
		if (ids[i] == map_id)
			return true;
	return false;
}

static const struct sl_limits other_limits[] = {
	{.services = 64,
	 .listeners = 256,
	 .backends = 100,
	 .flows = 8192,
	 .slots = 4096,
	 .deny = 999},
	/* The least that holds what fill() writes. */
	{.services = 4, .listeners = 2, .backends = 8, .flows = 16, .slots = 1024, .deny = 2},
	{.services = 5, .listeners = 16, .backends = 8, .flows = 4096, .slots = 1024, .deny = 64},
};

START_TEST(other_limits_get_new_maps_with_the_contents_and_the_links_follow)
{
	struct dataplane_options options = pinned_options();
	struct dataplane *dp = pinned_open(&options);
	struct dataplane_link link;
	struct problems p = {0};
	uint32_t old_control, egress, program;

	fill(dp);
	pinned_ok(dataplane_attach(dp, "lo", if_nametoindex("lo"), DATAPLANE_GENERIC, &link, NULL,
				   &p),
		  &p);
	old_control = pinned_map_id(dataplane_map_fd(dp, "control"));
	egress = pinned_map_id(dataplane_map_fd(dp, "egress"));
	dataplane_close(dp);

	options.limits = other_limits[_i];
	dp = pinned_open(&options);
	ck_assert(dataplane_adopted(dp));
	check_filled(dp);
	ck_assert_uint_eq(dataplane_view(dp)->limits.slots, other_limits[_i].slots);
	ck_assert_uint_eq(dataplane_view(dp)->meta->backends, other_limits[_i].backends);
	ck_assert_uint_ne(pinned_map_id(dataplane_map_fd(dp, "control")), old_control);
	ck_assert_uint_eq(pinned_map_id(dataplane_map_fd(dp, "egress")), egress);
	ck_assert_uint_eq(pinned_count("maps"), MAPS);
	ck_assert(!pinned_exists("new"));

	program = pinned_program_id(dataplane_program_fd(dp));
	ck_assert_uint_eq(pinned_program_on("lo"), program);
	ck_assert(program_uses(dataplane_program_fd(dp),
			       pinned_map_id(dataplane_map_fd(dp, "control"))));
	dataplane_close(dp);

	/* And what is pinned now is what the next start adopts. */
	dp = pinned_open(&options);
	check_filled(dp);
	dataplane_close(dp);
}
END_TEST

static const struct {
	struct sl_limits limits;
	const char *words;
} small_limits[] = {
	{{0, 3, 16, 8, 4096, 1024, 64, 0}, "limits.services '3'"},
	{{0, 4, 1, 8, 4096, 1024, 64, 0}, "limits.listeners '1'"},
	{{0, 4, 16, 7, 4096, 1024, 64, 0}, "limits.backends '7'"},
	{{0, 4, 16, 8, 4096, 992, 64, 0}, "limits.maglev-slots '992'"},
	{{0, 4, 16, 8, 4096, 1024, 1, 0}, "limits.deny '1'"},
	{{0, 4, 16, 8, 8, 1024, 64, 0}, "limits.flows '8': has no room for the 9 entries"},
};

START_TEST(a_limit_that_cuts_off_what_is_in_use_is_refused_and_all_stays)
{
	struct dataplane_options options = pinned_options(), smaller = options;
	struct dataplane *dp = pinned_open(&options);
	struct dataplane_link link;
	struct problems p = {0};
	uint32_t control, program;

	fill(dp);
	for (int i = 0; i < 9; i++) /* more flows than the least of these tables has entries */
		dp->maps.flows[77 + i].entry[3].data = 5ull << 16;
	/* Two slots that move, of which one has a base that is down. */
	for (int i = 0; i < 2; i++) {
		dp->maps.hot[5].word[i] = 3 | SL_HOT_LOOK;
		dp->maps.cold[5 * SL_HOT_PER_LINE / SL_COLD_PER_LINE].word[i] = 1 + i;
		dp->maps.backends[1 + i].flags = i ? SL_BACKEND_DOWN : 0;
	}
	pinned_ok(dataplane_attach(dp, "lo", if_nametoindex("lo"), DATAPLANE_GENERIC, &link, NULL,
				   &p),
		  &p);
	control = pinned_map_id(dataplane_map_fd(dp, "control"));
	program = pinned_program_on("lo");
	dataplane_close(dp);

	smaller.limits = small_limits[_i].limits;
	pinned_refuse(&smaller, -EBUSY, small_limits[_i].words);
	ck_assert_uint_eq(pinned_program_on("lo"), program);
	ck_assert(!pinned_exists("new"));
	dp = pinned_open(&options);
	check_filled(dp);
	ck_assert_uint_eq(pinned_map_id(dataplane_map_fd(dp, "control")), control);
	ck_assert_uint_eq(dp->maps.flows[77].entry[3].data, 5ull << 16);
	ck_assert_uint_eq(dp->maps.cold[5 * SL_HOT_PER_LINE / SL_COLD_PER_LINE].word[0],
			  1 | SL_COLD_HOLD_TCP | SL_COLD_HOLD_UDP);
	ck_assert_uint_eq(dp->maps.cold[5 * SL_HOT_PER_LINE / SL_COLD_PER_LINE].word[1], 2);
	dataplane_close(dp);
}
END_TEST

START_TEST(maps_of_another_layout_or_key_are_refused)
{
	struct dataplane_options options = pinned_options(), other = options;
	struct dataplane *dp = pinned_open(&options);

	fill(dp);
	dp->maps.meta->layout = SL_LAYOUT_VERSION + 6;
	dataplane_close(dp);
	pinned_refuse(&options, -EPROTO, "have layout 9, this program has layout 3");

	ck_assert_int_eq(dataplane_down(pinned_dir, NULL), 0);
	dataplane_close(pinned_open(&options));
	other.key_id[0] = 0xff;
	pinned_refuse(&other, -EPROTO, "ff02030405060708");
	dataplane_close(pinned_open(&options));
}
END_TEST

START_TEST(maps_that_are_not_what_meta_says_are_refused)
{
	struct dataplane_options options = pinned_options();
	struct dataplane *dp = pinned_open(&options);
	char *path = mem_format("%s/maps/hot", pinned_dir);

	dp->maps.meta->slots *= 2;
	dataplane_close(dp);
	pinned_refuse(&options, -EPROTO, "where its meta record says");

	ck_assert_int_eq(unlink(path), 0);
	pinned_refuse(&options, -EPROTO, "is missing beside the other maps");
	free(path);
	ck_assert_int_eq(dataplane_down(pinned_dir, NULL), 0);
	dataplane_close(pinned_open(&options));
}
END_TEST

START_TEST(what_a_crash_left_behind_is_removed_by_the_next_start)
{
	struct dataplane_options options = pinned_options();
	struct dataplane *dp = pinned_open(&options);
	char *path = mem_format("%s/new/maps/hot", pinned_dir);

	pinned_run("mkdir -p %s/new/maps", pinned_dir);
	ck_assert_int_eq(bpf_obj_pin(dataplane_map_fd(dp, "hot"), path), 0);
	free(path);
	dataplane_close(dp);
	dp = pinned_open(&options);
	ck_assert(dataplane_adopted(dp));
	ck_assert(!pinned_exists("new"));
	dataplane_close(dp);
}
END_TEST

/* Killed after its links were switched, before its maps were pinned as those in force. */
START_TEST(a_start_with_other_limits_that_was_killed_is_finished_by_the_next_one)
{
	struct dataplane_options options = pinned_options();
	struct dataplane *dp = pinned_open(&options);
	struct map_shape shapes[MAPS];
	struct dataplane_link link;
	struct problems p = {0};
	uint32_t control;
	int old[MAPS];

	fill(dp);
	pinned_ok(dataplane_attach(dp, "lo", if_nametoindex("lo"), DATAPLANE_GENERIC, &link, NULL,
				   &p),
		  &p);
	map_shapes(&options.limits, shapes);
	for (int i = 0; i < MAPS; i++)
		old[i] = dup(dataplane_map_fd(dp, shapes[i].name));
	dataplane_close(dp);
	options.limits = other_limits[0];
	dp = pinned_open(&options);
	control = pinned_map_id(dataplane_map_fd(dp, "control"));
	dataplane_close(dp);
	pinned_run("mkdir %s/new && mv %s/maps %s/new/maps && mkdir %s/maps", pinned_dir,
		   pinned_dir, pinned_dir, pinned_dir);
	for (int i = 0; i < MAPS; i++) {
		char *path = mem_format("%s/maps/%s", pinned_dir, shapes[i].name);

		ck_assert_int_eq(bpf_obj_pin(old[i], path), 0);
		close(old[i]);
		free(path);
	}
	dp = pinned_open(&options);
	ck_assert_uint_eq(pinned_map_id(dataplane_map_fd(dp, "control")), control);
	check_filled(dp);
	ck_assert_uint_eq(pinned_count("maps"), MAPS);
	ck_assert(!pinned_exists("new"));
	dataplane_close(dp);
}
END_TEST

START_TEST(changes_need_no_privilege_after_the_start)
{
	struct dataplane_options options = pinned_options();
	struct dataplane *dp = pinned_open(&options);

	pinned_drop_capabilities();
	fill(dp);
	ck_assert_int_eq(dataplane_operations()->grace(dp), 0);
	ck_assert_int_eq(dataplane_operations()->open_way(dp, if_nametoindex("lo")), 0);
	check_filled(dp);
	dataplane_close(dp);
}
END_TEST

/* ---- down ---------------------------------------------------------------------------------------- */

START_TEST(down_removes_all_and_detaches)
{
	struct dataplane_options options = pinned_options();
	struct dataplane *dp = pinned_open(&options);
	struct dataplane_link link;
	struct problems p = {0};

	pinned_ok(dataplane_attach(dp, "lo", if_nametoindex("lo"), DATAPLANE_GENERIC, &link, NULL,
				   &p),
		  &p);
	dataplane_close(dp);
	ck_assert_uint_ne(pinned_program_on("lo"), 0);
	pinned_ok(dataplane_down(pinned_dir, &p), &p);
	ck_assert_uint_eq(pinned_program_on("lo"), 0);
	ck_assert(!pinned_exists(""));
	/* Once more: there is nothing to do. */
	pinned_ok(dataplane_down(pinned_dir, &p), &p);
}
END_TEST

START_TEST(down_leaves_what_is_not_ours)
{
	struct dataplane_options options = pinned_options();
	struct dataplane *dp = pinned_open(&options);
	char *path = mem_format("%s/other", pinned_dir);
	struct problems p = {0};

	ck_assert_int_eq(bpf_obj_pin(dataplane_map_fd(dp, "meta"), path), 0);
	dataplane_close(dp);
	pinned_ok(dataplane_down(pinned_dir, &p), &p);
	ck_assert_uint_eq(pinned_count("."), 1);
	ck_assert(pinned_exists("other"));
	ck_assert_int_eq(unlink(path), 0);
	free(path);
}
END_TEST

Suite *dataplane_pins_suite(void)
{
	Suite *suite = suite_create("dataplane_pins");
	TCase *tc = tcase_create("pins");

	pinned_add_fixtures(tc);
	tcase_add_test(tc, a_fresh_start_pins_the_maps_and_the_program_and_no_more);
	tcase_add_test(tc, without_a_pin_directory_nothing_is_pinned);
	tcase_add_test(tc, what_adopted_maps_need_of_the_program_is_on);
	tcase_add_test(tc, pinned_maps_are_adopted_with_their_contents);
	tcase_add_loop_test(tc, other_limits_get_new_maps_with_the_contents_and_the_links_follow, 0,
			    ARRAY_SIZE(other_limits));
	tcase_add_loop_test(tc, a_limit_that_cuts_off_what_is_in_use_is_refused_and_all_stays, 0,
			    ARRAY_SIZE(small_limits));
	tcase_add_test(tc, maps_of_another_layout_or_key_are_refused);
	tcase_add_test(tc, maps_that_are_not_what_meta_says_are_refused);
	tcase_add_test(tc, what_a_crash_left_behind_is_removed_by_the_next_start);
	tcase_add_test(tc, a_start_with_other_limits_that_was_killed_is_finished_by_the_next_one);
	tcase_add_test(tc, changes_need_no_privilege_after_the_start);
	tcase_add_test(tc, down_removes_all_and_detaches);
	tcase_add_test(tc, down_leaves_what_is_not_ours);
	suite_add_tcase(suite, tc);
	return suite;
}
