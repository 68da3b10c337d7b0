/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The same programs between real interfaces: a veth pair in a network namespace of our own. The generator's
 * live frames are redirected into one end, the program under test runs natively on the other and sends by
 * XDP_TX, and a sink counts what comes back. All of it runs on the one CPU, batch by batch.
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
#include <unistd.h>

#include "base/mem.h"
#include "bench/bench.h"
#include "bench/report.h"
#include "bench/run.h"
#include "bench.skel.h" /* needs plan.h */

#define NEAR	    "sl-bench-near"
#define FAR	    "sl-bench-far"
#define LIVE_ROUNDS 15
#define LIVE_FRAMES 100000 /* a round */

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
 *
 * Until live_run() the drivers are attached there. No frame comes, but a program that is attached is one that the kernel
 * knows how to call: else BPF_PROG_TEST_RUN would tell it so before each run and forget it after, and wait for a grace
 * period each time.
 */
void live_pair(struct bench *bench)
{
	if (unshare(CLONE_NEWNET))
		fail("a network namespace cannot be made: %s", strerror(errno));
	if (system("ip link add " NEAR " type veth peer name " FAR " && "
		   "ip link set " NEAR " addrgenmode none && ip link set " FAR
		   " addrgenmode none && "
		   "ip link set " NEAR " up && ip link set " FAR " up"))
		fail("a veth pair cannot be made; is iproute2 installed?");
	bench->away = if_nametoindex(NEAR);
	bench->holds[0] = attach(bpf_program__fd(bench->bpf[0]->progs.driver), NEAR);
	bench->holds[1] = attach(bpf_program__fd(bench->bpf[1]->progs.driver), FAR);
}

static void release(struct bench *bench)
{
	close(bench->holds[0]);
	close(bench->holds[1]);
}

/* Waits for the frames that are still on their way. */
static uint64_t wait_received(const struct bench *bench, uint64_t expected)
{
	const volatile __u64 *received = &bench->bpf[0]->bss->received;

	for (int ms = 0; *received < expected && ms < 1000; ms++)
		usleep(1000);
	return *received;
}

/* Nanoseconds a frame, by the kernel's own clock, which stands still while another thread has the CPU. */
static double run_live(struct bench *bench, const struct bench_case *c)
{
	uint8_t frame[FRAME_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = FRAME_SIZE,
		    .repeat = LIVE_FRAMES, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	uint64_t expected = bench->bpf[0]->bss->received + LIVE_FRAMES, received;
	int link = attach(program_fd(bench, c->program, c->world), FAR);

	run_prepare(bench, c, c->program, c->flows > 1 ? bench->new_flows : 0, frame);
	bench->new_flows += LIVE_FRAMES;
	bench->bpf[0]->bss->plan.ifindex = if_nametoindex(NEAR);
	if (bpf_prog_test_run_opts(bpf_program__fd(bench->bpf[0]->progs.generator), &options))
		fail("live %s: BPF_PROG_TEST_RUN: %s", c->name, strerror(errno));
	received = wait_received(bench, expected);
	close(link);
	if (received != expected)
		fail("live %s: %d frames were sent, %lu came back", c->name, LIVE_FRAMES,
		     received + LIVE_FRAMES - expected);
	return options.duration;
}

json_t *live_run(struct bench *bench)
{
	double ns[ARRAY_SIZE(live_cases)][LIVE_ROUNDS];
	json_t *out = json_array();
	int sink;

	release(bench);
	sink = attach(bpf_program__fd(bench->bpf[0]->progs.sink), NEAR);
	for (int round = 0; round < LIVE_ROUNDS; round++)
		for (size_t i = 0; i < ARRAY_SIZE(live_cases); i++)
			ns[i][round] = run_live(bench, &live_cases[i]);
	close(sink);
	for (size_t i = 0; i < ARRAY_SIZE(live_cases); i++) {
		double median = rounds_quantile(ns[i], LIVE_ROUNDS, 0.5);

		json_array_append_new(out, json_pack("{s:s, s:f, s:f}", "name", live_cases[i].name,
						     "ns", median, "mpps", 1e3 / median));
	}
	return out;
}
