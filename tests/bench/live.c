// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The same programs between real interfaces: a veth pair in a network namespace of our own. The generator's
 * live frames are redirected into one end, the program under test runs natively on the other and sends by
 * XDP_TX, and a sink counts what comes back. All of it runs on the one CPU, frame by frame of a batch.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench/bench.h"
#include "bench/report.h"
#include "bench/run.h"
#include "bench.skel.h" /* needs plan.h */

#define NEAR	    "sl-bench-near"
#define FAR	    "sl-bench-far"
#define LIVE_ROUNDS 15
#define LIVE_FRAMES 200000 /* a round */

/* What runs on the far end, and with how many flows. */
static const struct bench_case live_cases[] = {
	{.name = "null", .program = PROGRAM_NULL, .frame = {4, SERVICE_4IN4}, .flows = 1},
	{.name = "floor20", .program = PROGRAM_FLOOR20, .frame = {4, SERVICE_4IN4}, .flows = 1},
	{.name = "full", .program = PROGRAM_FULL, .frame = {4, SERVICE_4IN4}, .flows = 1},
	{.name = "one flow", .frame = {4, SERVICE_4IN4}, .flows = 1, .verdict = SL_SEND_tx},
	{.name = "1 M flows", .frame = {4, SERVICE_4IN4}, .flows = 1 << 20, .verdict = SL_SEND_tx},
	{.name = "6in6", .frame = {6, SERVICE_6IN6}, .flows = 1, .verdict = SL_SEND_tx},
};

static int attach(int program, const char *device)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
	int link = bpf_link_create(program, if_nametoindex(device), BPF_XDP, &options);

	if (link < 0)
		fail("%s: a program cannot be attached: %s", device, strerror(errno));
	return link;
}

/*
 * The namespace has no name and ends with this process, and the interfaces with it. Without IPv6 addresses of
 * their own they send nothing that would be counted.
 */
static void make_pair(void)
{
	if (unshare(CLONE_NEWNET))
		fail("a network namespace cannot be made: %s", strerror(errno));
	if (system("ip link add " NEAR " type veth peer name " FAR " && "
		   "ip link set " NEAR " addrgenmode none && ip link set " FAR
		   " addrgenmode none && "
		   "ip link set " NEAR " up && ip link set " FAR " up"))
		fail("a veth pair cannot be made; is iproute2 installed?");
}

/* Frames a second, in millions. */
static double run_live(struct bench *bench, const struct bench_case *c)
{
	uint8_t frame[FRAME_SIZE];
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = LIVE_FRAMES, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	int link = attach(program_fd(bench, c->program, c->knobs), FAR);
	uint64_t before = bench->bpf->bss->received, received;
	struct timespec begin, end;

	run_prepare(bench, c, c->program, 0, frame);
	bench->bpf->bss->plan.ifindex = if_nametoindex(NEAR);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	if (bpf_prog_test_run_opts(bpf_program__fd(bench->bpf->progs.generator), &options))
		fail("live %s: BPF_PROG_TEST_RUN: %s", c->name, strerror(errno));
	clock_gettime(CLOCK_MONOTONIC, &end);
	close(link);
	received = bench->bpf->bss->received - before;
	if (received != LIVE_FRAMES)
		fail("live %s: %lu of %d frames came back", c->name, received, LIVE_FRAMES);
	return received / ((end.tv_sec - begin.tv_sec) * 1e6 + (end.tv_nsec - begin.tv_nsec) / 1e3);
}

json_t *live_run(struct bench *bench)
{
	double best[ARRAY_SIZE(live_cases)] = {0};
	json_t *out = json_array();
	int sink;

	make_pair();
	sink = attach(bpf_program__fd(bench->bpf->progs.sink), NEAR);
	for (int round = 0; round < LIVE_ROUNDS; round++)
		for (size_t i = 0; i < ARRAY_SIZE(live_cases); i++) {
			double mpps = run_live(bench, &live_cases[i]);

			best[i] = mpps > best[i] ? mpps : best[i];
		}
	close(sink);
	for (size_t i = 0; i < ARRAY_SIZE(live_cases); i++)
		json_array_append_new(
			out, json_pack("{s:s, s:f}", "name", live_cases[i].name, "mpps", best[i]));
	return out;
}
