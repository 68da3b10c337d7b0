/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Beside other programs, by libxdp's dispatcher. Where the kernel cannot do it, what is refused is tested; the guests of
 * tests/kernels can.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/attacher.h"
#include "base/children.h"
#include "dataplane/beside.h"
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

static int attach(enum dataplane_mode mode, struct dataplane_link *link, struct problems *p)
{
	struct problems warnings = {};
	int err = dataplane_attach_beside(dp, "sl-a", if_nametoindex("sl-a"), mode, link, &warnings,
					  p);

	pinned_ok(warnings.count, &warnings);
	return err;
}

/* By a link, as without others. */
static void attach_link(void)
{
	struct problems p = {}, warnings = {};
	struct dataplane_link link;

	pinned_ok(dataplane_attach(dp, "sl-a", if_nametoindex("sl-a"), DATAPLANE_AUTO, &link,
				   &warnings, &p),
		  &p);
	ck_assert(!link.is_beside);
}

/* Expects this, and that nothing is left of the try. */
static void refuse(enum dataplane_mode mode, int error, const char *words)
{
	struct dataplane_link link;
	struct problems p = {};

	ck_assert_int_eq(attach(mode, &link, &p), error);
	pinned_expect(&p, words);
	ck_assert_uint_eq(pinned_count("beside"), 0);
}

/* Attaches; false: the kernel lets no program take the place of a function, and the refusal says so. */
static bool try_to_attach(struct dataplane_link *link)
{
	struct problems p = {};
	int err = attach(DATAPLANE_AUTO, link, &p);

	if (err != -EOPNOTSUPP) {
		pinned_ok(err, &p);
		return true;
	}
	pinned_expect(&p, "interface sl-a: this kernel does not let a program take the place of "
			  "another one's function (freplace)");
	return false;
}

static uint32_t program(void)
{
	return pinned_program_id(dataplane_program_fd(dp));
}

START_TEST(what_the_kernel_cannot_do_is_refused_and_what_it_can_is_attached)
{
	struct dataplane_link link, links[4];
	struct problems p = {};

	if (!try_to_attach(&link)) {
		ck_assert_uint_eq(pinned_program_on("sl-a"), 0);
		ck_assert_uint_eq(pinned_count("beside"), 0);
		return;
	}
	ck_assert(link.is_beside);
	ck_assert_int_eq(link.mode, DATAPLANE_NATIVE);
	ck_assert_uint_eq(link.program_id, program());
	ck_assert_uint_ne(pinned_program_on("sl-a"), program());
	ck_assert_uint_eq(dataplane_links(dp, links, 4), 1);
	ck_assert_uint_eq(links[0].program_id, program());
	ck_assert_uint_eq(links[0].others, 0);
	pinned_ok(dataplane_detach(dp, "sl-a", &p), &p);
	ck_assert_uint_eq(pinned_program_on("sl-a"), 0);
	ck_assert_uint_eq(pinned_count("beside"), 0);
}
END_TEST

START_TEST(another_program_goes_into_the_same_dispatcher)
{
	const struct dataplane_features other = {.encaps = true};
	struct dataplane_options options = pinned_options();
	struct dataplane_link link, links[4];
	struct problems p = {};
	uint32_t dispatcher, before = program();

	if (!try_to_attach(&link))
		return;
	dispatcher = pinned_program_on("sl-a");
	pinned_ok(dataplane_set_features(dp, other, &p), &p);
	ck_assert_uint_ne(program(), before);
	ck_assert_uint_eq(pinned_program_on("sl-a"), dispatcher);
	ck_assert_uint_eq(dataplane_links(dp, links, 4), 1);
	ck_assert_uint_eq(links[0].program_id, program());

	/* And that of other maps: a start with other limits. */
	dataplane_close(dp);
	options.limits.slots = 2048;
	dp = pinned_open(&options);
	ck_assert_uint_eq(pinned_program_on("sl-a"), dispatcher);
	ck_assert_uint_eq(dataplane_links(dp, links, 4), 1);
	ck_assert_uint_eq(links[0].program_id, program());

	/* One that takes several buffers is refused, and the present one stays. */
	before = program();
	ck_assert_int_lt(
		dataplane_set_features(dp, (struct dataplane_features){.multi_buffer = true}, &p),
		0);
	pinned_expect(&p,
		      "one that takes frames in several buffers (a large MTU) cannot run there");
	ck_assert_uint_eq(program(), before);
	ck_assert_uint_eq(dataplane_links(dp, links, 4), 1);
	ck_assert_uint_eq(links[0].program_id, before);
}
END_TEST

START_TEST(a_link_and_a_dispatcher_take_each_others_place)
{
	struct dataplane_link link;

	attach_link();
	if (!try_to_attach(&link)) {
		/* The link is back. */
		ck_assert_uint_eq(pinned_program_on("sl-a"), program());
		ck_assert_uint_eq(pinned_count("links"), 1);
		return;
	}
	ck_assert_uint_eq(pinned_count("links"), 0);
	ck_assert_uint_eq(pinned_count("beside"), 1);
	attach_link();
	ck_assert_uint_eq(pinned_program_on("sl-a"), program());
	ck_assert_uint_eq(pinned_count("beside"), 0);
}
END_TEST

START_TEST(down_takes_it_away)
{
	struct dataplane_link link;
	struct problems p = {};

	if (!try_to_attach(&link))
		return;
	dataplane_close(dp);
	dp = NULL;
	ck_assert_uint_ne(pinned_program_on("sl-a"), 0);
	pinned_ok(dataplane_down(pinned_dir, &p), &p);
	ck_assert_uint_eq(pinned_program_on("sl-a"), 0);
	ck_assert(!pinned_exists(""));
}
END_TEST

START_TEST(a_program_that_is_no_dispatchers_is_named_and_left_alone)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "somebody", "GPL", pass, 2, NULL);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bpf_xdp_attach(if_nametoindex("sl-a"), fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	for (int mode = DATAPLANE_AUTO; mode <= DATAPLANE_GENERIC; mode++)
		refuse(mode, -EBUSY, "interface sl-a: has the XDP program somebody (id ");
	ck_assert_uint_eq(pinned_program_on("sl-a"), pinned_program_id(fd));
	close(fd);
}
END_TEST

START_TEST(a_program_that_takes_several_buffers_is_refused_before_anything)
{
	struct problems p = {};

	pinned_ok(dataplane_set_features(dp, (struct dataplane_features){.multi_buffer = true}, &p),
		  &p);
	refuse(DATAPLANE_AUTO, -EINVAL, "takes frames in several buffers");
}
END_TEST

START_TEST(without_the_right_to_it_nothing_is_touched)
{
	attach_link();
	pinned_drop_capabilities();
	refuse(DATAPLANE_AUTO, -EACCES, "needs CAP_SYS_ADMIN");
	ck_assert_uint_eq(pinned_count("links"), 1);
}
END_TEST

START_TEST(without_pins_it_is_refused)
{
	struct dataplane_options options = pinned_options();
	struct dataplane_link link;
	struct problems p = {};

	dataplane_close(dp);
	options.pin_dir = NULL;
	dp = pinned_open(&options);
	ck_assert_int_eq(attach(DATAPLANE_AUTO, &link, &p), -EINVAL);
	pinned_expect(&p, "nothing is pinned");
	ck_assert_int_eq(dataplane_detach(dp, "sl-a", &p), -ENOENT);
	pinned_expect(&p, "has no program of ours");
}
END_TEST

START_TEST(a_device_that_has_gone_is_told)
{
	struct dataplane_link link;
	struct problems p = {}, warnings = {};

	ck_assert_int_eq(
		dataplane_attach_beside(dp, "sl-x", 12345, DATAPLANE_AUTO, &link, &warnings, &p),
		-ENODEV);
	pinned_expect(&p, "interface sl-x: has gone");
	ck_assert_uint_eq(pinned_count("beside"), 0);
}
END_TEST

START_TEST(another_process_asks_in_place_of_this_one_until_it_is_gone)
{
	struct attacher *attacher = NULL;
	struct dataplane_link link;
	struct problems p = {};
	pid_t *children = NULL;

	pinned_ok(attacher_start(&attacher, pinned_dir, &p), &p);
	dataplane_ask_beside_by(dp, &(struct beside_by){attacher_ask, attacher});
	ck_assert_int_eq(children_list(&children), 1);
	if (try_to_attach(&link)) {
		ck_assert_uint_eq(link.program_id, program());
		pinned_ok(dataplane_detach(dp, "sl-a", &p), &p);
	}
	kill(children[0], SIGKILL);
	for (int i = 0; i < 2; i++)
		refuse(DATAPLANE_AUTO, -EPIPE, "(sluice-attacher) is gone");
	attacher_stop(attacher);
	free(children);
}
END_TEST

Suite *dataplane_beside_suite(void)
{
	Suite *suite = suite_create("dataplane_beside");
	TCase *tc = tcase_create("core");

	pinned_add_fixtures(tc);
	tcase_add_checked_fixture(tc, open_it, close_it);
	tcase_add_test(tc, what_the_kernel_cannot_do_is_refused_and_what_it_can_is_attached);
	tcase_add_test(tc, another_program_goes_into_the_same_dispatcher);
	tcase_add_test(tc, a_link_and_a_dispatcher_take_each_others_place);
	tcase_add_test(tc, down_takes_it_away);
	tcase_add_test(tc, a_program_that_is_no_dispatchers_is_named_and_left_alone);
	tcase_add_test(tc, a_program_that_takes_several_buffers_is_refused_before_anything);
	tcase_add_test(tc, without_the_right_to_it_nothing_is_touched);
	tcase_add_test(tc, without_pins_it_is_refused);
	tcase_add_test(tc, a_device_that_has_gone_is_told);
	tcase_add_test(tc, another_process_asks_in_place_of_this_one_until_it_is_gone);
	suite_add_tcase(suite, tc);
	return suite;
}
