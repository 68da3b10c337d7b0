/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes through the tunnel, by BPF_PROG_TEST_RUN: each byte that leaves against a frame written from the RFCs, and
 * against what the balancer itself sends. tests/e2e/probe-tunnel has real sockets, with checksums and segments that
 * the kernel leaves to the device.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <check.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "dataplane/internal.h"
#include "dataplane/probe.h"
#include "packet/pinned.h"
#include "packet/world.h"

#define V4(vip, ...)                                                              \
	{                                                                         \
		.source = "192.0.2.10", .destination = vip, .source_port = 40000, \
		.destination_port = 443, __VA_ARGS__                              \
	}
#define V6(vip, ...)                                                                \
	{                                                                           \
		.source = "2001:db8::10", .destination = vip, .source_port = 40000, \
		.destination_port = 443, __VA_ARGS__                                \
	}
#define TCP .protocol = IPPROTO_TCP
#define UDP .protocol = IPPROTO_UDP

static const uint8_t hop_by_hop[] = {IPPROTO_HOPOPTS, 255};
static const char *const objects[] = {"bpf/probe.bpf.o", "bpf-new/probe.bpf.o"};

static struct world world;
static struct bpf_object *object;
static int program;

/* Each with either compiler's program. */
static const struct world_way ways[] = {
	{.encapsulation = SL_ENCAP_IPIP},
	{.encapsulation = SL_ENCAP_IPIP, .entropy = true},
	{.encapsulation = SL_ENCAP_GUE},
	{.encapsulation = SL_ENCAP_L2},
};

#define RUNS (ARRAY_SIZE(ways) * ARRAY_SIZE(objects))

static void open_world(int which)
{
	struct dataplane_options options;
	struct problems p = {0};
	char *bytes;

	world_open_way(&world, &ways[which / ARRAY_SIZE(objects)]);
	options = world.dp->options;
	bytes = pinned_object(objects[which % ARRAY_SIZE(objects)], &options.probe_object_size);
	options.probe_object = bytes;
	pinned_ok(load_probe(&options, &world.dp->maps, &object, &program, &p), &p);
	free(bytes);
}

static void close_world(void)
{
	bpf_object__close(object);
	world_close(&world);
}

/* Runs a packet with a mark; returns the action, and gives the mark that it has then. */
static int run(const struct frame *in, uint32_t mark, struct frame *out, uint32_t *mark_after)
{
	struct __sk_buff before = {.mark = mark}, after = {0};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->data, .data_size_in = in->length,
		    .data_out = out->data, .data_size_out = sizeof(out->data), .ctx_in = &before,
		    .ctx_size_in = sizeof(before), .ctx_out = &after, .ctx_size_out = sizeof(after),
		    .repeat = 1);

	ck_assert_msg(bpf_prog_test_run_opts(program, &options) == 0, "test run: %m");
	out->length = options.data_size_out;
	*mark_after = after.mark;
	return (int)options.retval;
}

/* Stands for as much as fits. */
#define LARGEST SIZE_MAX

/* No listener has these VIPs: it is the mark alone that chooses, and the outer header is of the backend's family. */
static const struct {
	const char *name;
	struct packet packet;
	enum world_backend backend;
} cases[] = {
	{"4in4 syn", V4("203.0.113.99", TCP, .tcp_flags = 0x02), WORLD_V4},
	{"4in4 to another backend", V4("203.0.113.99", TCP), WORLD_V4B},
	{"4in4 data", V4("203.0.113.99", TCP, .payload = 100), WORLD_V4},
	{"4in4 udp", V4("203.0.113.99", UDP, .payload = 33), WORLD_V4},
	{"4in4 df clear: outer id varies", V4("203.0.113.99", UDP, .clear_df = true, .id = 0x1234),
	 WORLD_V4},
	{"4in4 dscp and ecn", V4("203.0.113.99", TCP, .tos = 0xb9), WORLD_V4},
	{"4in4 options", V4("203.0.113.99", TCP, .options = 40), WORLD_V4},
	{"4in4 largest", V4("203.0.113.99", TCP, .payload = LARGEST), WORLD_V4},
	{"4in6 syn", V4("203.0.113.99", TCP, .tcp_flags = 0x02), WORLD_V6},
	{"4in6 udp", V4("203.0.113.99", UDP, .payload = 33), WORLD_V6},
	{"6in4 syn", V6("2001:db8:f::99", TCP, .tcp_flags = 0x02), WORLD_V4},
	{"6in4 udp", V6("2001:db8:f::99", UDP, .payload = 1), WORLD_V4},
	{"6in6 syn", V6("2001:db8:f::99", TCP, .tcp_flags = 0x02), WORLD_V6},
	{"6in6 traffic class", V6("2001:db8:f::99", UDP, .tos = 0xa3, .payload = 9), WORLD_V6},
	{"6in6 extension header", V6("2001:db8:f::99", TCP, .extensions = hop_by_hop), WORLD_V6},
	{"6in6 largest", V6("2001:db8:f::99", UDP, .payload = LARGEST), WORLD_V6},
	{"4in6 udp without a checksum", V4("203.0.113.99", UDP, .payload = 33, .no_checksum = true),
	 WORLD_V6},
};

static struct packet make_packet(size_t i)
{
	struct packet packet = cases[i].packet;
	bool four = packet.source[3] == '.';

	if (packet.payload == LARGEST)
		packet.payload = WORLD_MTU - world_overhead(&world, cases[i].backend) -
				 (four ? 20 : 40) - (packet.protocol == IPPROTO_TCP ? 20 : 8);
	return packet;
}

START_TEST(a_marked_packet_gets_its_backends_header_byte_for_byte)
{
	struct frame in, out, expected;
	struct packet packet;
	struct outer outer;
	uint32_t mark;

	open_world(_i);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		packet = make_packet(i);
		frame_build(&in, &packet);
		world_outer(&world, cases[i].backend, &in, &outer);
		outer.no_checksum = packet.extensions || packet.no_checksum;
		frame_encapsulate(&expected, &in, &outer);
		ck_assert_msg(run(&in, dataplane_probe_mark(cases[i].backend), &out, &mark) ==
				      TC_ACT_OK,
			      "%s: not sent", cases[i].name);
		world_expect_frame(cases[i].name, &out, &expected);
		ck_assert_msg(mark == 0, "%s: mark 0x%x", cases[i].name, mark);
	}
	close_world();
}
END_TEST

START_TEST(it_is_what_the_balancer_sends_for_the_same_packet)
{
	static const struct packet packets[] = {V4("203.0.113.10", TCP, .payload = 5),
						V6("2001:db8:f::10", TCP, .payload = 5),
						V4("203.0.113.11", UDP, .clear_df = true, .id = 7),
						V6("2001:db8:f::11", UDP, .tos = 0x2e)};
	struct frame in, out, balanced;
	uint32_t mark;

	open_world(_i);
	for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
		frame_build(&in, &packets[i]);
		ck_assert_int_eq(world_run(&world, &in, &balanced, 1), XDP_TX);
		ck_assert_int_eq(
			run(&in, dataplane_probe_mark(i < 2 ? WORLD_V4 : WORLD_V6), &out, &mark),
			TC_ACT_OK);
		world_expect_frame(packets[i].destination, &out, &balanced);
	}
	close_world();
}
END_TEST

START_TEST(icmp_goes_through_the_tunnel_too)
{
	struct packet packet = V4("203.0.113.99", .protocol = IPPROTO_ICMP, .payload = 64);
	static const int protocols[] = {IPPROTO_IPIP, IPPROTO_UDP, IPPROTO_ICMP};
	struct frame in, out;
	uint32_t mark;
	size_t more;

	open_world(_i);
	more = world_overhead(&world, WORLD_V4);
	frame_build(&in, &packet);
	ck_assert_int_eq(run(&in, dataplane_probe_mark(WORLD_V4), &out, &mark), TC_ACT_OK);
	ck_assert_uint_eq(out.length, in.length + more);
	ck_assert_int_eq(out.data[23], protocols[world.way.encapsulation]);
	ck_assert_uint_eq(frame_checksum(out.data + 14, 20, 0), 0);
	ck_assert_int_eq(memcmp(out.data + 14 + more, in.data + 14, in.length - 14), 0);
	close_world();
}
END_TEST

START_TEST(what_has_no_mark_or_anothers_passes_untouched)
{
	static const uint32_t marks[] = {
		0, 1, SL_PROBE_MARK - 1, SL_PROBE_MARK + SL_BACKEND_MAX + 1, 0x5175, 0xffffffff,
	};
	struct packet packet = V4("203.0.113.10", TCP, .payload = 5);
	struct frame in, out;
	uint32_t mark;

	open_world(_i);
	frame_build(&in, &packet);
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		ck_assert_int_eq(run(&in, marks[i], &out, &mark), TC_ACT_UNSPEC);
		world_expect_frame("untouched", &out, &in);
		ck_assert_uint_eq(mark, marks[i]);
	}
	close_world();
}
END_TEST

static void expect_dropped(const char *name, const struct packet *packet, uint32_t mark)
{
	struct frame in, out;
	uint32_t after;

	frame_build(&in, packet);
	ck_assert_msg(run(&in, mark, &out, &after) == TC_ACT_SHOT, "%s: not dropped", name);
}

START_TEST(nothing_marked_ever_leaves_without_the_header)
{
	const struct packet good = V4("203.0.113.10", TCP);
	const struct packet bad[] = {
		V4("203.0.113.10", TCP, .ethertype = 0x0806),
		V4("203.0.113.10", TCP, .ethertype = 0x8100),
		V4("203.0.113.10", TCP, .cut = 18),
		V4("203.0.113.10", TCP, .version = 5),
		V4("203.0.113.10", TCP, .to_group = true),
		V4("203.0.113.10", TCP, .payload = WORLD_MTU - 40 + 1),
	};

	open_world(_i);
	expect_dropped("the mark of nobody", &good, dataplane_probe_mark(SL_NOBODY));
	expect_dropped("a free index", &good, dataplane_probe_mark(WORLD_BACKENDS));
	expect_dropped("an index beyond the map", &good, dataplane_probe_mark(SL_BACKEND_MAX));
	expect_dropped("a backend without a next hop", &good, dataplane_probe_mark(WORLD_NO_WAY));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		expect_dropped("a packet that cannot be sent", &bad[i],
			       dataplane_probe_mark(WORLD_V4));
	close_world();
}
END_TEST

START_TEST(a_way_out_by_another_device_is_redirected_to)
{
	struct packet packet = V6("2001:db8:f::99", TCP, .tcp_flags = 0x02);
	struct frame in, out, expected;
	struct outer outer;
	uint32_t mark;

	open_world(_i);
	world_set_ifindex(&world, 7);
	frame_build(&in, &packet);
	world_outer(&world, WORLD_V6, &in, &outer);
	frame_encapsulate(&expected, &in, &outer);
	ck_assert_int_eq(run(&in, dataplane_probe_mark(WORLD_V6), &out, &mark), TC_ACT_REDIRECT);
	world_expect_frame("redirected", &out, &expected);
	ck_assert_uint_eq(mark, 0); /* the other device's program leaves it alone */
	close_world();
}
END_TEST

/* ---- the loader -------------------------------------------------------------------------------------- */

static struct dataplane *dp;

static void open_it(void)
{
	struct dataplane_options options = pinned_options();

	pinned_run("ip link add sl-a type veth peer name sl-b");
	pinned_run("ip link set sl-a up && ip link set sl-b up");
	dp = pinned_open(&options);
}

static void close_it(void)
{
	dataplane_close(dp);
}

static void attach(const char *device)
{
	struct problems p = {0};

	pinned_ok(dataplane_probe_attach(dp, device, if_nametoindex(device), &p), &p);
	ck_assert(dataplane_probe_attached(dp, if_nametoindex(device)));
}

static void detach(const char *device)
{
	struct problems p = {0};

	pinned_ok(dataplane_probe_detach(dp, device, &p), &p);
	ck_assert(!dataplane_probe_attached(dp, if_nametoindex(device)));
}

/* Whether a command prints this. */
static bool prints(const char *command, const char *words)
{
	char output[4096];
	FILE *pipe = popen(command, "r");
	size_t length = fread(output, 1, sizeof(output) - 1, pipe);

	pclose(pipe);
	output[length] = '\0';
	return strstr(output, words) != NULL;
}

#define QDISC(device)  prints("tc qdisc show dev " device, "clsact")
#define FILTER(device) prints("tc filter show dev " device " egress", "probe")

START_TEST(it_stands_on_the_way_out_and_is_pinned)
{
	char devices[4][16];

	ck_assert(!dataplane_probe_attached(dp, if_nametoindex("sl-a")));
	attach("sl-a");
	attach("sl-a");
	ck_assert(FILTER("sl-a"));
	ck_assert(!FILTER("sl-b"));
	ck_assert(pinned_exists("progs/probe"));
	ck_assert(pinned_exists("probes/sl-a"));
	ck_assert(!pinned_exists("new"));
	ck_assert_uint_eq(dataplane_probe_devices(dp, devices, 4), 1);
	ck_assert_str_eq(devices[0], "sl-a");
	detach("sl-a");
	detach("sl-a");
	ck_assert(!FILTER("sl-a"));
	ck_assert(!QDISC("sl-a"));
	ck_assert(!pinned_exists("probes"));
	ck_assert(!pinned_exists("clsact"));
	ck_assert_uint_eq(dataplane_probe_devices(dp, devices, 4), 0);
}
END_TEST

START_TEST(the_next_agents_program_takes_the_place_of_the_last_ones)
{
	struct dataplane_options options = pinned_options();

	attach("sl-a");
	dataplane_close(dp);
	ck_assert(FILTER("sl-a"));
	dp = pinned_open(&options);
	ck_assert(!dataplane_probe_attached(dp, if_nametoindex("sl-a")));
	attach("sl-a");
	ck_assert(!prints("tc filter show dev sl-a egress | grep -c 'handle 0x'", "2"));
	detach("sl-a");
	ck_assert(!QDISC("sl-a"));
}
END_TEST

START_TEST(what_others_have_there_stays)
{
	pinned_run("tc qdisc add dev sl-a clsact");
	attach("sl-a");
	detach("sl-a");
	ck_assert(QDISC("sl-a"));
	/* A qdisc of ours that others began to use. */
	attach("sl-b");
	pinned_run("tc filter add dev sl-b ingress pref 7 protocol ip u32 match ip dst 192.0.2.1");
	detach("sl-b");
	ck_assert(QDISC("sl-b"));
	ck_assert(prints("tc filter show dev sl-b ingress", "u32"));
}
END_TEST

/* A tc program of somebody else's. */
static int load_foreign(void)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = TC_ACT_OK},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "somebody", "GPL", pass, 2, NULL);

	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(a_foreign_program_in_our_place_is_named_and_left_alone)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = if_nametoindex("sl-a"),
			    .attach_point = BPF_TC_EGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, filter, .handle = DATAPLANE_PROBE_HANDLE,
			    .priority = DATAPLANE_PROBE_PRIORITY, .prog_fd = load_foreign());
	struct problems p = {0};

	ck_assert_int_eq(bpf_tc_hook_create(&hook), 0);
	ck_assert_int_eq(bpf_tc_attach(&hook, &filter), 0);
	ck_assert_int_eq(dataplane_probe_attach(dp, "sl-a", hook.ifindex, &p), -EBUSY);
	pinned_expect(&p, "interface 'sl-a': has somebody else's tc program somebody (id");
	pinned_ok(dataplane_probe_detach(dp, "sl-a", &p), &p);
	ck_assert(prints("tc filter show dev sl-a egress", "somebody"));
	ck_assert(!pinned_exists("probes"));
}
END_TEST

START_TEST(a_filter_of_another_kind_in_our_place_is_told_of)
{
	struct problems p = {0};

	pinned_run("tc qdisc add dev sl-a clsact");
	pinned_run("tc filter add dev sl-a egress pref %d protocol ip u32 match ip dst 192.0.2.1",
		   DATAPLANE_PROBE_PRIORITY);
	ck_assert_int_lt(dataplane_probe_attach(dp, "sl-a", if_nametoindex("sl-a"), &p), 0);
	pinned_expect(&p, "interface 'sl-a': does not take the program that probes need");
	ck_assert(prints("tc filter show dev sl-a egress", "u32"));
}
END_TEST

START_TEST(a_device_that_has_gone_is_refused_and_forgotten)
{
	struct problems p = {0};
	char devices[4][16];

	ck_assert_int_eq(dataplane_probe_attach(dp, "sl-x", 12345, &p), -ENODEV);
	pinned_expect(&p, "interface 'sl-x': has gone");
	attach("sl-a");
	pinned_run("ip link del sl-a");
	pinned_ok(dataplane_probe_detach(dp, "sl-a", &p), &p);
	ck_assert(!pinned_exists("probes/sl-a"));
	/* And one that comes back gets it again. */
	pinned_run("ip link add sl-a type veth peer name sl-b");
	attach("sl-a");
	ck_assert_uint_ge(dataplane_probe_devices(dp, devices, 4), 1);
}
END_TEST

START_TEST(what_is_taken_away_by_hand_is_seen_and_put_back)
{
	attach("sl-a");
	pinned_run("tc qdisc del dev sl-a clsact");
	ck_assert(!dataplane_probe_attached(dp, if_nametoindex("sl-a")));
	attach("sl-a");
	pinned_run("rm %s/progs/probe", pinned_dir);
	attach("sl-a");
	ck_assert(pinned_exists("progs/probe"));
	detach("sl-a");
	ck_assert(!QDISC("sl-a"));
}
END_TEST

START_TEST(destroy_and_down_take_it_away)
{
	struct problems p = {0};

	/* Down first: a Linux 6.1 renames no device that is up. */
	pinned_run("ip link set sl-b down && ip link set sl-b name sl.b.1 up");
	attach("sl-a");
	attach("sl.b.1");
	if (_i) {
		dataplane_close(dp);
		pinned_ok(dataplane_down(pinned_dir, &p), &p);
	} else {
		pinned_ok(dataplane_destroy(dp, &p), &p);
	}
	dp = NULL;
	ck_assert(!QDISC("sl-a"));
	ck_assert(!QDISC("sl.b.1"));
	ck_assert(!pinned_exists(""));
}
END_TEST

Suite *probe_suite(void)
{
	Suite *suite = suite_create("probe");
	TCase *bytes = tcase_create("bytes"), *loader = tcase_create("attach");

	tcase_set_timeout(bytes, 60);
	tcase_add_loop_test(bytes, a_marked_packet_gets_its_backends_header_byte_for_byte, 0, RUNS);
	tcase_add_loop_test(bytes, it_is_what_the_balancer_sends_for_the_same_packet, 0, RUNS);
	tcase_add_loop_test(bytes, icmp_goes_through_the_tunnel_too, 0, RUNS);
	tcase_add_loop_test(bytes, what_has_no_mark_or_anothers_passes_untouched, 0, RUNS);
	tcase_add_loop_test(bytes, nothing_marked_ever_leaves_without_the_header, 0, RUNS);
	tcase_add_loop_test(bytes, a_way_out_by_another_device_is_redirected_to, 0, RUNS);
	suite_add_tcase(suite, bytes);

	pinned_add_fixtures(loader);
	tcase_add_checked_fixture(loader, open_it, close_it);
	tcase_add_test(loader, it_stands_on_the_way_out_and_is_pinned);
	tcase_add_test(loader, the_next_agents_program_takes_the_place_of_the_last_ones);
	tcase_add_test(loader, what_others_have_there_stays);
	tcase_add_test(loader, a_foreign_program_in_our_place_is_named_and_left_alone);
	tcase_add_test(loader, a_filter_of_another_kind_in_our_place_is_told_of);
	tcase_add_test(loader, a_device_that_has_gone_is_refused_and_forgotten);
	tcase_add_test(loader, what_is_taken_away_by_hand_is_seen_and_put_back);
	tcase_add_loop_test(loader, destroy_and_down_take_it_away, 0, 2);
	suite_add_tcase(suite, loader);
	return suite;
}
