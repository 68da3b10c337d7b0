/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The bench's own XDP programs: the driver, which prepares each packet and tail-calls the program under
 * test; the generator, which does the same for real interfaces; and the floors, which that program is
 * compared with.
 *
 * Story: BPF_PROG_TEST_RUN with `repeat` hands the same buffer to the program again and again, with the outer
 * header of the last time still before it. So the driver takes that header off, writes what a driver would
 * have received - Ethernet header, addresses and ports of the next flow - and tail-calls slot 0 of `target`.
 * The null program stands for the driver's own cost, which is subtracted.
 *
 * Stores are as wide as they are so that every load of the programs under test lies inside one of them:
 * else the CPU could not forward the store to the load, and the load would wait, which it does not do for a
 * frame that a NIC wrote.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_helpers.h>

#include "floors.h"
#include "plan.h"

struct bench_plan plan;
__u64 received; /* frames that came to the sink */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

/*
 * The n-th packet's flow: an odd multiplier makes a permutation of 48 bits, so flows are distinct and
 * nothing about them is sequential.
 */
static __always_inline __u64 flow(__u64 n)
{
	__u64 number = n & plan.flood ? n : n >> plan.flood & plan.mask;

	return (number + 1) * 0x9e3779b97f4a7c15ULL;
}

#define STORE64(at, value) (*(__u64 *)(at) = (value))

static __always_inline _Bool write_packet(void *data, void *end)
{
	void *transport = data + (plan.transport_at & (FRAME_SIZE - 1));
	void *untagged = data + (plan.tags & 12);
	__u64 f = flow(plan.next++);

	if (data + FRAME_SIZE > end || transport + 24 > end || untagged + 54 > end)
		return 0;
	STORE64(data, plan.ethernet[0]);
	STORE64(data + 6, plan.ethernet[1]);
	/* The balancer loads bytes 12-19 as one word, and two more behind them. */
	if (plan.tagged) {
		STORE64(data + 14, plan.tag[1]);
		STORE64(data + 12, plan.tag[0]);
	}
	if (plan.family == 4) {
		STORE64(untagged + 26, plan.address[0] | (__u32)f);
	} else if (plan.family == 6) {
		STORE64(untagged + 22, plan.address[0]);
		STORE64(untagged + 30, plan.address[1] ^ (__u32)f);
		STORE64(untagged + 38, plan.address[2]);
		STORE64(untagged + 46, plan.address[3]);
	} else {
		return 1;
	}
	STORE64(transport, plan.transport | (f >> 32 & plan.ports));
	if (plan.optioned)
		STORE64(transport + 16, plan.option);
	return 1;
}

SEC("xdp")
int driver(struct xdp_md *ctx)
{
	int length = (void *)(long)ctx->data_end - (void *)(long)ctx->data;

	/* What an answer has cut off is zeros, as what the kernel puts there. */
	if (plan.cut && length != (int)plan.size) {
		if (bpf_xdp_adjust_tail(ctx, plan.cut))
			return XDP_ABORTED;
		length += plan.cut;
	}
	if (bpf_xdp_adjust_head(ctx, length - (int)plan.size))
		return XDP_ABORTED;
	if (!write_packet((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		return XDP_ABORTED;
	bpf_tail_call(ctx, &target, 0);
	return XDP_ABORTED;
}

/* For live frames, whose pointers the kernel itself puts back. */
SEC("xdp")
int generator(struct xdp_md *ctx)
{
	if (!write_packet((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		return XDP_ABORTED;
	return bpf_redirect(plan.ifindex, 0);
}

SEC("xdp")
int sink(struct xdp_md *ctx __attribute__((unused)))
{
	received++;
	return XDP_DROP;
}

SEC("xdp")
int null(struct xdp_md *ctx __attribute__((unused)))
{
	return XDP_TX;
}

SEC("xdp")
int floor20(struct xdp_md *ctx)
{
	return floor_constant(ctx);
}

SEC("xdp")
int parse(struct xdp_md *ctx)
{
	return floor_read(ctx);
}

SEC("xdp")
int full(struct xdp_md *ctx)
{
	return floor_encapsulate(ctx);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
