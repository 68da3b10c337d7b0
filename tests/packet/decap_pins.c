/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sluice-decap's pins and links, on the live kernel. */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "packet/backend.h"

START_TEST(attach_pins_below_the_device_and_detach_leaves_nothing)
{
	struct decap_options options = backend_options();
	struct dataplane_link link = backend_attach(&options);
	struct problems p = {0};
	char **names;
	size_t count;

	ck_assert_int_eq(link.mode, DATAPLANE_NATIVE);
	ck_assert(pinned_exists("sl-a/links/sl-a"));
	ck_assert_uint_eq(pinned_count("sl-a/maps"), 3);
	ck_assert(!pinned_exists("sl-a/new"));
	pinned_ok(decap_devices(pinned_dir, &names, &count, &p), &p);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(names[0], "sl-a");
	free(names[0]);
	free(names);
	pinned_ok(decap_detach(pinned_dir, "sl-a", &p), &p);
	ck_assert_uint_eq(pinned_program_on("sl-a"), 0);
	ck_assert(!pinned_exists(""));
	ck_assert_int_eq(decap_detach(pinned_dir, "sl-a", &p), -ENOENT);
	pinned_expect(&p, "sluice-decap is not attached there");
	pinned_ok(decap_devices(pinned_dir, &names, &count, &p), &p);
	ck_assert_uint_eq(count, 0);
}
END_TEST

static uint32_t link_id(void)
{
	char *path = mem_format("%s/sl-a/links/sl-a", pinned_dir);
	struct bpf_link_info info = {0};
	uint32_t length = sizeof(info);
	int fd = bpf_obj_get(path);

	free(path);
	ck_assert_int_eq(bpf_obj_get_info_by_fd(fd, &info, &length), 0);
	close(fd);
	return info.id;
}

START_TEST(a_second_attach_changes_the_prefixes_and_keeps_link_and_counters)
{
	struct decap_options options = backend_options();
	const struct packet packet = {
		.source = "203.0.113.200",
		.destination = "203.0.113.10",
		.source_port = 40000,
		.destination_port = 443,
		.protocol = IPPROTO_TCP,
	};
	struct frame in, out;
	uint32_t id;

	backend_attach(&options);
	id = link_id();
	backend_frame(&in, &packet, BALANCER4, SELF4);
	ck_assert_int_eq(backend_run(&in, &out), XDP_PASS);
	options.from++;
	options.from_count--;
	backend_attach(&options);
	ck_assert_uint_eq(link_id(), id);
	ck_assert_uint_eq(pinned_count("sl-a/maps"), 3);
	ck_assert(!pinned_exists("sl-a/new"));
	ck_assert_int_eq(backend_run(&in, &out), XDP_PASS);
	ck_assert_uint_eq(out.length, in.length);
	ck_assert_uint_eq(backend_read("sl-a").count[SL_DECAP_TAKE_ipv4_in_ipv4], 1);
	ck_assert_uint_eq(backend_read("sl-a").count[SL_DECAP_PASS_stranger], 1);
}
END_TEST

START_TEST(two_devices_are_apart)
{
	struct decap_options a = backend_options(), b = a;
	struct problems p = {0};

	b.device = "sl-b";
	b.ifindex = if_nametoindex("sl-b");
	backend_attach(&a);
	backend_attach(&b);
	pinned_ok(decap_detach(pinned_dir, "sl-a", &p), &p);
	ck_assert_uint_eq(pinned_program_on("sl-a"), 0);
	ck_assert_uint_ne(pinned_program_on("sl-b"), 0);
	ck_assert_str_eq(backend_read("sl-b").link.device, "sl-b");
}
END_TEST

START_TEST(a_failed_attach_leaves_what_was_there)
{
	struct decap_options options = backend_options(), other = options;
	struct problems p = {0}, warnings = {0};
	struct dataplane_link link;
	uint32_t program;

	/* Nothing was there. */
	pinned_run("ip link set sl-b mtu 9000");
	other.mode = DATAPLANE_NATIVE;
	other.ifindex = if_nametoindex("lo");
	other.device = "lo";
	ck_assert_int_eq(decap_attach(&other, &link, &warnings, &p), -EOPNOTSUPP);
	pinned_expect(&p, "Underlying driver does not support XDP in native mode");
	ck_assert(!pinned_exists(""));

	/* An object that is none. */
	backend_attach(&options);
	program = pinned_program_on("sl-a");
	other = options;
	other.object = "rubbish";
	other.object_size = 7;
	ck_assert_int_eq(decap_attach(&other, &link, &warnings, &p), -EINVAL);
	pinned_expect(&p, "cannot be read");
	ck_assert_uint_eq(pinned_program_on("sl-a"), program);
	ck_assert_uint_eq(backend_read("sl-a").link.ifindex, options.ifindex);
	pinned_ok(warnings.count, &warnings);
}
END_TEST

START_TEST(a_pin_directory_on_no_bpf_file_system_is_refused_and_stays)
{
	struct decap_options options = backend_options();
	char dir[] = "/tmp/sl-test-XXXXXX";
	struct dataplane_link link;
	struct problems p = {0};

	ck_assert_ptr_nonnull(mkdtemp(dir));
	options.pin_dir = dir;
	ck_assert_int_eq(decap_attach(&options, &link, &p, &p), -EINVAL);
	pinned_expect(&p, "is not on a BPF file system");
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

Suite *decap_pins_suite(void)
{
	Suite *suite = suite_create("decap_pins");
	TCase *tc = tcase_create("pins");

	pinned_add_fixtures(tc);
	tcase_add_unchecked_fixture(tc, NULL, backend_detach_all);
	tcase_add_checked_fixture(tc, backend_make_device, backend_detach_all);
	tcase_add_test(tc, attach_pins_below_the_device_and_detach_leaves_nothing);
	tcase_add_test(tc, a_second_attach_changes_the_prefixes_and_keeps_link_and_counters);
	tcase_add_test(tc, two_devices_are_apart);
	tcase_add_test(tc, a_failed_attach_leaves_what_was_there);
	tcase_add_test(tc, a_pin_directory_on_no_bpf_file_system_is_refused_and_stays);
	suite_add_tcase(suite, tc);
	return suite;
}
