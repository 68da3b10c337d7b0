/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Step 7: lowers the MSS that a SYN offers, where the service wants that (`mss-clamp`). It is all that is ever changed in
 * a client's packet. A SYN without the option is left as it is: what it stands for (RFC 9293 section 3.7.1) is the least
 * that any way must carry.
 */
#ifndef BPF_CLAMP_H
#define BPF_CLAMP_H

#include <stdbool.h>

#include <linux/tcp.h>
#include <bpf/bpf_endian.h>

#include <proto/checksum.h>
#include <proto/tcp.h>

#include "maps.h"
#include "pkt.h"

#define CLAMP_OPTIONS_MAX 40 /* bytes: a header of 60 less 20 */

/*
 * Where the option begins at an odd byte, the value lies across two of the words that are summed, in each the other way
 * round.
 */
static __always_inline void clamp_checksum(struct tcphdr *tcp, __be16 from, __be16 to, bool is_odd)
{
	if (is_odd) {
		from = __builtin_bswap16(from);
		to = __builtin_bswap16(to);
	}
	tcp->check = sum_replace(tcp->check, from, to);
}

/* Where the option is, from the start of the header; 0: it is not there, or the options are nonsense. */
static __always_inline __u32 clamp_find(const void *header, const void *end, __u32 length)
{
	__u64 at = sizeof(struct tcphdr);

#pragma nounroll
	for (int i = 0; i < CLAMP_OPTIONS_MAX; i++) {
		const __u8 *option;
		__u64 is_nop, is_short;

		/* By its length an option may reach beyond the header, which has 60 bytes at most. */
		if (at + TCP_MSS_LENGTH > length)
			return 0;
		/* This says it again, so that the verifier sees it, too. */
		PKT_OPAQUE(at);
		at &= 63;
		option = header + at;
		if ((void *)option + TCP_MSS_LENGTH > end || option[0] == TCP_OPTION_END)
			return 0;
		if (option[0] == TCP_OPTION_MSS)
			return option[1] == TCP_MSS_LENGTH ? at : 0;
		/* Without a branch, of which the verifier would follow both sides each time. */
		is_nop = ((option[0] ^ TCP_OPTION_NOP) - 1ULL) >> 63;
		is_short = (option[1] - 2ULL) >> 63 & ~is_nop;
		PKT_OPAQUE(is_short);
		if (is_short)
			return 0;
		at += is_nop + (option[1] & (is_nop - 1));
	}
	return 0;
}

/*
 * `offset`: of the TCP header in the frame. A function of its own for the verifier, as track_write(). It returns whether
 * something was changed, which nobody needs to know.
 */
__noinline int clamp_syn(struct xdp_md *ctx, __u32 offset, __u32 mss)
{
	void *end = (void *)(long)ctx->data_end, *header;
	__be16 *value, wanted = bpf_htons(mss);
	__u32 at;

	header = (void *)(long)ctx->data + (offset & 0x3fff);
	if (header + sizeof(struct tcphdr) > end)
		return 0;
	at = clamp_find(header, end, ((__u8 *)header)[12] >> 4 << 2);
	if (!at)
		return 0;
	value = header + (at & 63) + 2;
	if ((void *)(value + 1) > end || bpf_ntohs(*value) <= mss)
		return 0;
	clamp_checksum(header, *value, wanted, at & 1);
	*value = wanted;
	return 1;
}

static __always_inline enum sl_verdict clamp(struct pkt *p)
{
	__u16 mss;

	if (!KNOB(mss_clamp) || !(p->tcp_flags & TCP_SYN))
		return SL_GO_ON;
	mss = LOAD(p->service->mss);
	if (mss)
		clamp_syn(p->ctx, pkt_ethernet(p) + p->headers, mss);
	return SL_GO_ON;
}

#endif
