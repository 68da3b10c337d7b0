/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * What libxdp runs among the programs of a dispatcher, in the balancer's name: it goes on to the balancer, which the agent
 * changes in the map without a word to libxdp. Where the map is empty, every packet passes.
 *
 * It has libxdp's own defaults: priority 50, and what passes goes on to the programs after it. Filters (xdp-filter has 10)
 * come before it.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} balancer SEC(".maps");

SEC("xdp")
int sluice_member(struct xdp_md *ctx)
{
	bpf_tail_call_static(ctx, &balancer, 0);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
