/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The balancer: an XDP program that sends each packet of a service to a backend, encapsulated, and leaves
 * everything else to the kernel.
 *
 * Story: a packet goes through the steps below, one header file each. A step fills in struct pkt and returns
 * SL_GO_ON, or the verdict that ends the packet. done.h has the end of all packets: it counts, and answers the driver.
 * Three verdicts do not lead there at once: what is neither TCP nor UDP may be an ICMP error or an echo request, the sender of
 * what does not fit is told so, and a later fragment may follow its packet's first one. Functions beside the steps do that.
 *
 * Whatever each packet reads lies in array maps, whose look-ups the JIT inlines. So two helpers are all that it calls:
 * bpf_xdp_adjust_head(), and for the counters the CPU's number, which the JIT inlines since Linux 6.10. All other calls are
 * behind knobs or beside the steps: the deny list's trie, frames in several buffers, the way out by another interface ...
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "pkt.h"
#include "parse.h"
#include "vlan.h"
#include "service.h"
#include "slot.h"
#include "track.h"
#include "clamp.h"
#include "nexthop.h"
#include "encapsulate.h"
#include "done.h"
#include "echo.h"
#include "icmp.h"
#include "too_big.h"
#include "fragment.h"

static __always_inline enum sl_verdict steps(struct pkt *p)
{
	enum sl_verdict verdict;

	(verdict = parse(p)) || (verdict = service(p)) || (verdict = slot(p)) ||
		(verdict = track(p)) || (verdict = remember(p)) || (verdict = nexthop(p)) ||
		(verdict = clamp(p)) || (verdict = encapsulate(p));
	return verdict;
}

SEC("sluice/xdp")
int balancer(struct xdp_md *ctx)
{
	enum sl_verdict verdict;
	struct pkt p;

	pkt_init(&p, ctx);
	verdict = steps(&p);
	if (verdict == SL_PASS_other_protocol)
		return icmp(ctx);
	if (verdict == SL_DROP_too_big)
		return too_big(ctx, p.path->inner_max, p.service_line);
	/* The verdict is asked for first, so that the compiler has each step that ends a packet go straight to the right end. */
	if (verdict == SL_DROP_fragment && KNOB(fragments))
		return fragment(&p);
	return done(&p, verdict);
}

/*
 * The clock for the agent, which runs this (BPF_PROG_TEST_RUN) to know the time by which packets write ticks into flow
 * entries: 32 bits of jiffies, which it shifts by itself, so that it can wait for less than a tick. It is attached
 * nowhere.
 */
SEC("sluice/xdp")
int clock(struct xdp_md *ctx)
{
	(void)ctx;
	return KNOB(manual_clock) ? LOAD(control.tick) : bpf_jiffies64();
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
