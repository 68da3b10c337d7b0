/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attaching to live devices, in a network namespace of each test's own. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "dataplane/internal.h"
#include "packet/pinned.h"

static struct dataplane *dp;

static void open_it(void)
{
	struct dataplane_options options = pinned_options();

	pinned_run("ip link add sl-a type veth peer name sl-b");
	dp = pinned_open(&options);
}

static void close_it(void)
{
	dataplane_close(dp);
}

/* Attaches and expects this mode; `warnings` may be NULL: then there must be none. */
static struct dataplane_link attach(const char *device, enum dataplane_mode mode,
				    enum dataplane_mode expected, struct problems *warnings)
{
	struct problems p = {0}, none = {0};
	struct dataplane_link link = {0};

	pinned_ok(dataplane_attach(dp, device, if_nametoindex(device), mode, &link,
				   warnings ? warnings : &none, &p),
		  &p);
	pinned_ok(none.count, &none);
	ck_assert_str_eq(link.device, device);
	ck_assert_uint_eq(link.ifindex, if_nametoindex(device));
	ck_assert_int_eq(link.mode, expected);
	ck_assert_uint_eq(pinned_program_on(device), pinned_program_id(dataplane_program_fd(dp)));
	return link;
}

static void refuse(const char *device, uint32_t ifindex, enum dataplane_mode mode, int error,
		   const char *words)
{
	struct problems p = {0}, warnings = {0};
	struct dataplane_link link;

	ck_assert_int_eq(dataplane_attach(dp, device, ifindex, mode, &link, &warnings, &p), error);
	pinned_ok(warnings.count, &warnings);
	pinned_expect(&p, words);
}

/* The id of a pinned link; 0: there is none. */
static uint32_t link_id(const char *name)
{
	char *path = mem_format("%s/links/%s", pinned_dir, name);
	struct bpf_link_info info = {0};
	uint32_t length = sizeof(info);
	int fd = bpf_obj_get(path);

	free(path);
	if (fd < 0)
		return 0;
	ck_assert_int_eq(bpf_obj_get_info_by_fd(fd, &info, &length), 0);
	close(fd);
	return info.id;
}

START_TEST(auto_takes_native_where_the_driver_has_it)
{
	attach("sl-a", DATAPLANE_AUTO, DATAPLANE_NATIVE, NULL);
	ck_assert_uint_ne(link_id("sl-a"), 0);
	ck_assert(!pinned_exists("new"));
}
END_TEST

START_TEST(an_attached_device_gets_the_new_program_in_the_same_link)
{
	struct dataplane_options options = pinned_options();
	uint32_t id, program;

	attach("sl-a", DATAPLANE_AUTO, DATAPLANE_NATIVE, NULL);
	id = link_id("sl-a");
	program = pinned_program_on("sl-a");
	dataplane_close(dp);

	dp = pinned_open(&options);
	ck_assert_uint_eq(pinned_program_on("sl-a"), program);
	attach("sl-a", DATAPLANE_AUTO, DATAPLANE_NATIVE, NULL);
	ck_assert_uint_ne(pinned_program_on("sl-a"), program);
	attach("sl-a", DATAPLANE_NATIVE, DATAPLANE_NATIVE, NULL);
	ck_assert_uint_eq(link_id("sl-a"), id);
}
END_TEST

START_TEST(auto_falls_back_to_generic_and_says_why_in_the_drivers_words)
{
	struct problems warnings = {0};

	/* The loopback device has no native XDP; a veth refuses it where its peer's MTU is too large. */
	attach("lo", DATAPLANE_AUTO, DATAPLANE_GENERIC, &warnings);
	pinned_expect(&warnings,
		      "interface lo: native mode does not work: Underlying driver does not "
		      "support XDP in native mode");
	pinned_run("ip link set sl-b mtu 9000");
	attach("sl-a", DATAPLANE_AUTO, DATAPLANE_GENERIC, &warnings);
	pinned_expect(&warnings, "MTU is too large");
	/* It keeps the mode that it has, and warns no more. */
	pinned_run("ip link set sl-b mtu 1500");
	attach("sl-a", DATAPLANE_AUTO, DATAPLANE_GENERIC, NULL);
}
END_TEST

START_TEST(native_where_it_does_not_work_is_refused_in_the_drivers_words)
{
	refuse("lo", if_nametoindex("lo"), DATAPLANE_NATIVE, -EOPNOTSUPP,
	       "interface lo: cannot be attached to in native mode: Underlying driver does not "
	       "support "
	       "XDP in native mode");
	ck_assert_uint_eq(pinned_program_on("lo"), 0);
	ck_assert_uint_eq(link_id("lo"), 0);
}
END_TEST

START_TEST(a_mode_that_is_asked_for_by_name_replaces_the_other)
{
	attach("sl-a", DATAPLANE_GENERIC, DATAPLANE_GENERIC, NULL);
	attach("sl-a", DATAPLANE_NATIVE, DATAPLANE_NATIVE, NULL);
	attach("sl-a", DATAPLANE_AUTO, DATAPLANE_NATIVE, NULL);
	attach("sl-a", DATAPLANE_GENERIC, DATAPLANE_GENERIC, NULL);
	/* Where the mode asked for does not work, the former one comes back. */
	pinned_run("ip link set sl-b mtu 9000");
	refuse("sl-a", if_nametoindex("sl-a"), DATAPLANE_NATIVE, -ERANGE, "MTU is too large");
	ck_assert_uint_eq(pinned_program_on("sl-a"), pinned_program_id(dataplane_program_fd(dp)));
	attach("sl-a", DATAPLANE_AUTO, DATAPLANE_GENERIC, NULL);
}
END_TEST

/* A program of somebody else's that lets everything pass. */
static int load_foreign(void)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "somebody", "GPL", pass, 2, NULL);

	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(a_foreign_program_is_named_and_left_alone)
{
	static const struct {
		uint32_t flags;
		const char *name;
	} modes[] = {{XDP_FLAGS_DRV_MODE, "native"}, {XDP_FLAGS_SKB_MODE, "generic"}};
	int fd = load_foreign();
	uint32_t id = pinned_program_id(fd);
	char *words = mem_format("has the XDP program somebody (id %u, %s)", id, modes[_i].name);

	ck_assert_int_eq(bpf_xdp_attach(if_nametoindex("sl-a"), fd, modes[_i].flags, NULL), 0);
	for (int mode = DATAPLANE_AUTO; mode <= DATAPLANE_GENERIC; mode++)
		refuse("sl-a", if_nametoindex("sl-a"), mode, -EBUSY, words);
	ck_assert_uint_eq(pinned_program_on("sl-a"), id);
	ck_assert_uint_eq(link_id("sl-a"), 0);
	free(words);
	close(fd);
}
END_TEST

START_TEST(a_foreign_program_is_left_alone_though_our_link_of_that_name_is_pinned)
{
	int fd = load_foreign();

	attach("sl-a", DATAPLANE_AUTO, DATAPLANE_NATIVE, NULL);
	pinned_run("ip link del sl-a && ip link add sl-a type veth peer name sl-b");
	ck_assert_int_eq(bpf_xdp_attach(if_nametoindex("sl-a"), fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	refuse("sl-a", if_nametoindex("sl-a"), DATAPLANE_AUTO, -EBUSY, "somebody");
	ck_assert_uint_eq(pinned_program_on("sl-a"), pinned_program_id(fd));
	close(fd);
}
END_TEST

START_TEST(a_device_made_again_under_the_same_name_gets_a_new_link)
{
	struct dataplane_link links[4];
	uint32_t id;

	attach("sl-a", DATAPLANE_AUTO, DATAPLANE_NATIVE, NULL);
	id = link_id("sl-a");
	pinned_run("ip link del sl-a");
	ck_assert_uint_eq(dataplane_links(dp, links, 4), 1);
	ck_assert_uint_eq(links[0].ifindex, 0);
	pinned_run("ip link add sl-a type veth peer name sl-b");
	attach("sl-a", DATAPLANE_AUTO, DATAPLANE_NATIVE, NULL);
	ck_assert_uint_ne(link_id("sl-a"), id);
	ck_assert_uint_eq(pinned_count("links"), 1);
}
END_TEST

START_TEST(a_link_whose_device_got_another_name_is_replaced)
{
	attach("sl-a", DATAPLANE_AUTO, DATAPLANE_NATIVE, NULL);
	pinned_run("ip link set sl-a name sl-old && ip link add sl-a type veth peer name sl-c");
	attach("sl-a", DATAPLANE_AUTO, DATAPLANE_NATIVE, NULL);
	ck_assert_uint_eq(pinned_program_on("sl-old"), 0);
}
END_TEST

START_TEST(other_limits_pass_over_a_link_whose_device_is_gone)
{
	struct dataplane_options options = pinned_options();

	attach("sl-a", DATAPLANE_AUTO, DATAPLANE_NATIVE, NULL);
	attach("lo", DATAPLANE_GENERIC, DATAPLANE_GENERIC, NULL);
	pinned_run("ip link del sl-a");
	dataplane_close(dp);
	options.limits.slots = 2048;
	dp = pinned_open(&options);
	ck_assert_uint_eq(pinned_program_on("lo"), pinned_program_id(dataplane_program_fd(dp)));
}
END_TEST

START_TEST(a_device_with_dots_in_its_name_is_pinned_and_listed)
{
	struct dataplane_link links[4];
	struct problems p = {0};

	pinned_run("ip link set sl-a name sl.0.100");
	attach("sl.0.100", DATAPLANE_AUTO, DATAPLANE_NATIVE, NULL);
	ck_assert_uint_eq(dataplane_links(dp, links, 4), 1);
	ck_assert_str_eq(links[0].device, "sl.0.100");
	ck_assert_int_eq(links[0].mode, DATAPLANE_NATIVE);
	pinned_ok(dataplane_detach(dp, "sl.0.100", &p), &p);
	ck_assert_uint_eq(pinned_program_on("sl.0.100"), 0);
	ck_assert_uint_eq(dataplane_links(dp, links, 4), 0);
}
END_TEST

START_TEST(a_device_that_has_gone_is_refused)
{
	refuse("sl-x", 12345, DATAPLANE_AUTO, -ENODEV, "interface sl-x: has gone");
	refuse("sl-x", 12345, DATAPLANE_GENERIC, -ENODEV, "interface sl-x: has gone");
	ck_assert_uint_eq(pinned_count("links"), 0);
}
END_TEST

START_TEST(detaching_what_is_not_attached_is_refused)
{
	struct problems p = {0};

	ck_assert_int_eq(dataplane_detach(dp, "sl-a", &p), -ENOENT);
	pinned_expect(&p, "interface sl-a: has no program of ours");
}
END_TEST

START_TEST(links_without_pins_end_with_the_process)
{
	struct dataplane_options options = pinned_options();
	struct dataplane_link links[4];
	struct problems p = {0};

	dataplane_close(dp);
	options.pin_dir = NULL;
	dp = pinned_open(&options);
	attach("sl-a", DATAPLANE_AUTO, DATAPLANE_NATIVE, NULL);
	attach("sl-b", DATAPLANE_NATIVE, DATAPLANE_NATIVE, NULL);
	ck_assert_uint_eq(dataplane_links(dp, links, 4), 2);
	ck_assert_uint_eq(dataplane_links(dp, links, 1), 1);
	pinned_ok(dataplane_detach(dp, "sl-a", &p), &p);
	ck_assert_int_eq(dataplane_detach(dp, "sl-a", &p), -ENOENT);
	pinned_expect(&p, "has no program of ours");
	ck_assert_uint_eq(pinned_program_on("sl-a"), 0);
	ck_assert_uint_ne(pinned_program_on("sl-b"), 0);
	dataplane_close(dp);
	dp = NULL;
	ck_assert_uint_eq(pinned_program_on("sl-b"), 0);
}
END_TEST

START_TEST(features_change_in_the_same_links_and_maps)
{
	struct dataplane_options options = pinned_options();
	const struct dataplane_features none = options.features, other = {.encaps = true};
	struct problems p = {0};
	uint32_t link, program, pinned, control;

	attach("sl-a", DATAPLANE_AUTO, DATAPLANE_NATIVE, NULL);
	link = link_id("sl-a");
	program = pinned_program_on("sl-a");
	control = pinned_map_id(dataplane_map_fd(dp, "control"));
	pinned_ok(dataplane_set_features(dp, none, &p), &p);
	ck_assert_uint_eq(pinned_program_on("sl-a"), program);

	pinned_ok(dataplane_set_features(dp, other, &p), &p);
	ck_assert_uint_eq(link_id("sl-a"), link);
	ck_assert_uint_ne(pinned_program_on("sl-a"), program);
	ck_assert_uint_eq(pinned_program_on("sl-a"), pinned_program_id(dataplane_program_fd(dp)));
	ck_assert_uint_eq(pinned_map_id(dataplane_map_fd(dp, "control")), control);
	pinned = pinned_program_on("sl-a");
	dataplane_close(dp);
	options.pin_dir = NULL;
	ck_assert_uint_eq(pinned_program_on("sl-a"), pinned);

	/* And in links that are not pinned. */
	dp = pinned_open(&options);
	attach("sl-b", DATAPLANE_AUTO, DATAPLANE_NATIVE, NULL);
	program = pinned_program_on("sl-b");
	pinned_ok(dataplane_set_features(dp, (struct dataplane_features){.redirect = true}, &p),
		  &p);
	ck_assert_uint_ne(pinned_program_on("sl-b"), program);
}
END_TEST

START_TEST(destroy_detaches_and_unpins_all)
{
	struct problems p = {0};

	attach("sl-a", DATAPLANE_AUTO, DATAPLANE_NATIVE, NULL);
	pinned_ok(dataplane_destroy(dp, &p), &p);
	dp = NULL;
	ck_assert_uint_eq(pinned_program_on("sl-a"), 0);
	ck_assert(!pinned_exists(""));
}
END_TEST

START_TEST(nothing_reaches_standard_error)
{
	struct problems p = {0}, warnings = {0};
	struct dataplane_link link;
	int pipe_fds[2], saved = dup(2);
	char byte;

	ck_assert_int_eq(pipe(pipe_fds), 0);
	dup2(pipe_fds[1], 2);
	dataplane_attach(dp, "lo", if_nametoindex("lo"), DATAPLANE_NATIVE, &link, &warnings, &p);
	dataplane_attach(dp, "lo", if_nametoindex("lo"), DATAPLANE_AUTO, &link, &warnings, &p);
	dataplane_attach(dp, "sl-x", 12345, DATAPLANE_AUTO, &link, &warnings, &p);
	dup2(saved, 2);
	close(saved);
	close(pipe_fds[1]);
	ck_assert_int_eq(read(pipe_fds[0], &byte, 1), 0);
	close(pipe_fds[0]);
	problems_free(&p);
	problems_free(&warnings);
}
END_TEST

Suite *dataplane_attach_suite(void)
{
	Suite *suite = suite_create("dataplane_attach");
	TCase *tc = tcase_create("attach");

	pinned_add_fixtures(tc);
	tcase_add_checked_fixture(tc, open_it, close_it);
	tcase_add_test(tc, auto_takes_native_where_the_driver_has_it);
	tcase_add_test(tc, an_attached_device_gets_the_new_program_in_the_same_link);
	tcase_add_test(tc, auto_falls_back_to_generic_and_says_why_in_the_drivers_words);
	tcase_add_test(tc, native_where_it_does_not_work_is_refused_in_the_drivers_words);
	tcase_add_test(tc, a_mode_that_is_asked_for_by_name_replaces_the_other);
	tcase_add_loop_test(tc, a_foreign_program_is_named_and_left_alone, 0, 2);
	tcase_add_test(tc, a_foreign_program_is_left_alone_though_our_link_of_that_name_is_pinned);
	tcase_add_test(tc, a_device_made_again_under_the_same_name_gets_a_new_link);
	tcase_add_test(tc, a_link_whose_device_got_another_name_is_replaced);
	tcase_add_test(tc, other_limits_pass_over_a_link_whose_device_is_gone);
	tcase_add_test(tc, a_device_with_dots_in_its_name_is_pinned_and_listed);
	tcase_add_test(tc, a_device_that_has_gone_is_refused);
	tcase_add_test(tc, detaching_what_is_not_attached_is_refused);
	tcase_add_test(tc, links_without_pins_end_with_the_process);
	tcase_add_test(tc, features_change_in_the_same_links_and_maps);
	tcase_add_test(tc, destroy_detaches_and_unpins_all);
	tcase_add_test(tc, nothing_reaches_standard_error);
	suite_add_tcase(suite, tc);
	return suite;
}
