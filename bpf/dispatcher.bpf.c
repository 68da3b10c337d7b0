/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * A dispatcher for libxdp (version 2 of its protocol, lib/libxdp/protocol.org in xdp-tools): calls up to ten functions
 * one after the other, each of which libxdp replaces by a program (freplace). libxdp has one of its own; but kernels
 * since 6.13, and the stable ones since early 2025, let a program that changes packets replace only a function that does,
 * and the functions of libxdp before 1.5.5 do not. These do.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <xdp/prog_dispatcher.h>

/* libxdp fills it in before it loads the object; so it is the whole of .rodata. */
const volatile struct xdp_dispatcher_config conf = {};

/*
 * `volatile`: else the compiler would know what comes back. The packet is changed, by nothing, for the sake of the rule
 * above; this runs only where a program has been detached from its place.
 */
#define PLACE(name)                                            \
	__attribute__((noinline)) int name(struct xdp_md *ctx) \
	{                                                      \
		volatile int verdict = XDP_DISPATCHER_RETVAL;  \
                                                               \
		if (!ctx)                                      \
			return XDP_ABORTED;                    \
		bpf_xdp_adjust_head(ctx, 0);                   \
		return verdict;                                \
	}

PLACE(prog0)
PLACE(prog1)
PLACE(prog2)
PLACE(prog3)
PLACE(prog4)
PLACE(prog5)
PLACE(prog6)
PLACE(prog7)
PLACE(prog8)
PLACE(prog9)
/* libxdp tries on this one whether the kernel can replace functions. */
PLACE(compat_test)

/* The verifier removes what is beyond the number of programs. */
#define RUN(number)                                             \
	if (conf.num_progs_enabled <= number)                   \
		return XDP_PASS;                                \
	verdict = prog##number(ctx);                            \
	if (!(1U << verdict & conf.chain_call_actions[number])) \
		return verdict;

SEC("xdp")
int xdp_dispatcher(struct xdp_md *ctx)
{
	int verdict;

	RUN(0)
	RUN(1)
	RUN(2)
	RUN(3)
	RUN(4)
	RUN(5)
	RUN(6)
	RUN(7)
	RUN(8)
	RUN(9)
	/* A function that nobody calls would not be in the program. */
	if (conf.num_progs_enabled > MAX_DISPATCHER_ACTIONS)
		compat_test(ctx);
	return XDP_PASS;
}

/* What libxdp tries to put in the place of compat_test(). */
SEC("xdp")
int xdp_pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
__uint(dispatcher_version, XDP_DISPATCHER_VERSION) SEC(XDP_METADATA_SECTION);
