/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes and VLAN tags, by BPF_PROG_TEST_RUN: which the way has, whatever a packet came with. The outermost tag is not in
 * the bytes, for the device puts it there; tests/kernels/guest/vlans has real VLAN devices.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <check.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "dataplane/internal.h"
#include "dataplane/probe.h"
#include "packet/pinned.h"
#include "packet/world.h"

static const char *const objects[] = {"bpf/probe.bpf.o", "bpf-new/probe.bpf.o"};

static const struct {
	const char *name;
	bool keep;
	struct tagging in, way, bytes; /* bytes: what of the way's is in the bytes */
} cases[] = {
	{"none to none", false, {0}, {0}, {0}},
	{"none to one", false, {0}, {1, {0x8100, 7}}, {0}},
	{"none to two", false, {0}, {2, {0x88a8, 9, 0x8100, 7}}, {1, {0x8100, 7}}},
	{"one to none", false, {1, {0x8100, 7}}, {0}, {0}},
	{"one to another", false, {1, {0x8100, 7}}, {1, {0x8100, 8}}, {0}},
	{"two to two",
	 false,
	 {2, {0x88a8, 5, 0x8100, 6}},
	 {2, {0x88a8, 9, 0x8100, 7}},
	 {1, {0x8100, 7}}},
	{"a way that keeps them", true, {0}, {0}, {0}},
};

static void run(int program, const struct frame *in, struct frame *out)
{
	struct __sk_buff skb = {.mark = dataplane_probe_mark(WORLD_V4)};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->data, .data_size_in = in->length,
		    .data_out = out->data, .data_size_out = sizeof(out->data), .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb), .repeat = 1);

	ck_assert_msg(bpf_prog_test_run_opts(program, &options) == 0, "test run: %m");
	ck_assert_int_ne((int)options.retval, TC_ACT_SHOT);
	out->length = options.data_size_out;
}

static void check_case(struct world *w, int program, size_t c)
{
	const struct packet packet = {.source = "192.0.2.10",
				      .destination = "203.0.113.99",
				      .source_port = 40000,
				      .destination_port = 443,
				      .protocol = IPPROTO_TCP,
				      .payload = 20};
	struct world_way way = w->way;
	struct frame in, out, expected;
	struct outer outer;

	way.tags = &cases[c].way;
	way.keep_tags = cases[c].keep;
	world_set_way(w, WORLD_V4, &way, 1);
	frame_build(&in, &packet);
	world_outer(w, WORLD_V4, &in, &outer);
	frame_encapsulate(&expected, &in, &outer);
	frame_tag(&expected, &cases[c].bytes);
	frame_tag(&in, &cases[c].in);
	run(program, &in, &out);
	ck_assert_msg(out.length == expected.length, "%s: %zu bytes, expected %zu", cases[c].name,
		      out.length, expected.length);
	ck_assert_msg(!memcmp(out.data, expected.data, out.length), "%s: other bytes",
		      cases[c].name);
}

START_TEST(a_probe_has_the_tags_of_its_way)
{
	static const enum sl_encapsulation encapsulations[] = {SL_ENCAP_IPIP, SL_ENCAP_GUE,
							       SL_ENCAP_L2};

	for (size_t e = 0; e < ARRAY_SIZE(encapsulations); e++) {
		struct dataplane_options options;
		struct bpf_object *object;
		struct problems p = {0};
		struct world w;
		int program;
		char *bytes;

		world_open_way(&w, &(struct world_way){.encapsulation = encapsulations[e]});
		options = w.dp->options;
		bytes = pinned_object(objects[_i], &options.probe_object_size);
		options.probe_object = bytes;
		pinned_ok(load_probe(&options, &w.dp->maps, &object, &program, &p), &p);
		for (size_t c = 0; c < ARRAY_SIZE(cases); c++)
			check_case(&w, program, c);
		bpf_object__close(object);
		free(bytes);
		world_close(&w);
	}
}
END_TEST

Suite *probe_vlan_suite(void)
{
	Suite *suite = suite_create("probe VLAN");
	TCase *tcase = tcase_create("tags");

	tcase_add_loop_test(tcase, a_probe_has_the_tags_of_its_way, 0, ARRAY_SIZE(objects));
	suite_add_tcase(suite, tcase);
	return suite;
}
