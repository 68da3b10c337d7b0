/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Passes every packet. A veth takes frames that its peer sends by XDP_TX or a redirect only while a
 * native XDP program is attached to it; the lab attaches this one to the router's ends. Of any MTU: a jumbo frame lies in
 * several buffers.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp.frags")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}
