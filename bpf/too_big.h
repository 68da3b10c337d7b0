/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Beside the steps: a packet that does not fit the way to its backend, with the outer header. Its sender is told, from
 * the address that it sent to: fragmentation needed (RFC 792, RFC 1191) or packet too big (RFC 4443 section 3.2), with
 * what fits, and the packet's first bytes. Without that an upload would stall, since nobody else on the way knows of the
 * outer header. The packet itself is gone, and counted as dropped by its service.
 *
 * That holds for IPv4 without DF, too: a router would cut such a packet in pieces, which this does not, and hosts cut the next
 * ones by what they are told, whatever they wrote there. Who cannot be written to is not told (RFC 1122 section 3.2.2), and no
 * CPU tells more than KNOB(too_big_answers) in a tick: a flood of big packets is not to become one of answers. Senders are
 * never told less than what each link must carry, 576 and 1280 bytes: they would not go below it.
 *
 * A function of its own: packets that fit do not pay for it, and the verifier checks it once.
 */
#ifndef BPF_TOO_BIG_H
#define BPF_TOO_BIG_H

#include <stdbool.h>

#include <proto/checksum.h>
#include <proto/icmp.h>

#include "answer.h"
#include "done.h"
#include "outer.h"
#include "parse.h"
#include "pkt.h"
#include "track.h"
#include "vlan.h"

/* The least that each link must carry, and so the largest answer (RFC 791, RFC 1812 section 4.3.2.3; RFC 8200 section 5, RFC
 * 4443 section 2.4). A packet that is too big is longer, so each answer is of just that length. */
#define TOO_BIG_MIN4   576
#define TOO_BIG_MIN6   1280
#define TOO_BIG_QUOTE4 (TOO_BIG_MIN4 - sizeof(struct iphdr) - sizeof(struct icmp_header))
#define TOO_BIG_QUOTE6 (TOO_BIG_MIN6 - sizeof(struct ipv6hdr) - sizeof(struct icmp_header))

/* bpf_csum_diff() takes 512 bytes at most, and multiples of 4 (net/core/filter.c). */
#define TOO_BIG_PIECE 512
_Static_assert(TOO_BIG_QUOTE4 % 4 == 0 && TOO_BIG_QUOTE6 % 4 == 0, "words of 32 bits");

/* Ethernet and tags of the packet, while its head moves. */
struct too_big_frame {
	__u64 words[3];
};

/* What the sender is told fits. */
static __always_inline __u32 too_big_mtu(const struct pkt *p, __u32 inner_max)
{
	__u32 least = p->family == 4 ? TOO_BIG_MIN4 : TOO_BIG_MIN6;

	return inner_max < least ? least : inner_max;
}

/* ICMP says nothing about a later fragment (RFC 1122 section 3.2.2); ICMPv6 may (RFC 4443 section 2.4). */
static __always_inline bool too_big_is_told(const struct pkt *p)
{
	return (p->part != PKT_LATER_FRAGMENT || p->family == 6) && answer_has_sender(p);
}

/* Whether one more answer is allowed to this CPU. */
static __always_inline bool too_big_may_answer(void)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct sl_answers *own = bpf_map_lookup_elem(&answers, &cpu);
	__u32 tick = track_tick();

	if (!own)
		return false;
	if (own->tick != tick) {
		own->tick = tick;
		own->count = 0;
	}
	if (own->count >= KNOB(too_big_answers))
		return false;
	own->count++;
	return true;
}

/* Adds the sum of `length` bytes, at most three pieces. */
static __always_inline __u32 too_big_sum(void *bytes, __u32 length, __u32 sum)
{
#pragma unroll
	for (__u32 at = 0; at < 3 * TOO_BIG_PIECE; at += TOO_BIG_PIECE)
		if (at < length)
			sum = bpf_csum_diff(
				NULL, 0, bytes + at,
				length - at < TOO_BIG_PIECE ? length - at : TOO_BIG_PIECE, sum);
	return sum;
}

static __always_inline void too_big_write4(const struct pkt *p, void *network, __u32 mtu)
{
	struct iphdr *ip = network;
	struct icmp_header *icmp = network + sizeof(*ip);

	*ip = (struct iphdr){.version = 4,
			     .ihl = 5,
			     .tos = 0xc0, /* internetwork control: RFC 1812 section 4.3.2.5 */
			     .tot_len = bpf_htons(TOO_BIG_MIN4),
			     .frag_off = IPV4_DF,
			     .ttl = ANSWER_TTL,
			     .protocol = IPPROTO_ICMP,
			     .saddr = p->destination[0],
			     .daddr = p->source[0]};
	ip->check = ~sum_fold(bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0));
	*icmp = (struct icmp_header){.type = ICMP4_UNREACHABLE,
				     .code = ICMP4_FRAGMENTATION_NEEDED,
				     .rest = bpf_htonl(mtu)};
	icmp->checksum = ~sum_fold(too_big_sum(icmp, sizeof(*icmp) + TOO_BIG_QUOTE4, 0));
}

static __always_inline void too_big_write6(const struct pkt *p, void *network, __u32 mtu)
{
	struct ipv6hdr *ip = network;
	struct icmp_header *icmp = network + sizeof(*ip);
	__u64 *address = (__u64 *)&ip->saddr;
	__u32 sum;

	*(__u64 *)ip = 0;
	ip->version = 6;
	ip->payload_len = bpf_htons(TOO_BIG_MIN6 - sizeof(*ip));
	ip->nexthdr = IPPROTO_ICMPV6;
	ip->hop_limit = ANSWER_TTL;
	address[0] = p->destination64[0];
	address[1] = p->destination64[1];
	address[2] = p->source64[0];
	address[3] = p->source64[1];
	*icmp = (struct icmp_header){.type = ICMP6_TOO_BIG, .rest = bpf_htonl(mtu)};
	/* Of the pseudo-header of RFC 8200 section 8.1, length and next header in one word: they add up without carry. */
	sum = bpf_csum_diff(NULL, 0, (__be32 *)address, 32,
			    bpf_htonl(TOO_BIG_MIN6 - sizeof(*ip) + IPPROTO_ICMPV6));
	sum = too_big_sum(icmp, sizeof(*icmp) + TOO_BIG_QUOTE6, sum);
	icmp->checksum = ~sum_fold(sum);
}

static __always_inline enum sl_verdict too_big_answer(struct pkt *p, __u32 mtu)
{
	__u32 is_v6 = p->family == 6, quote = is_v6 ? TOO_BIG_QUOTE6 : TOO_BIG_QUOTE4;
	__u32 header = is_v6 ? sizeof(struct ipv6hdr) + sizeof(struct icmp_header)
			     : sizeof(struct iphdr) + sizeof(struct icmp_header);
	__u32 ethernet = pkt_ethernet(p);
	void *data = pkt_data(p), *end = pkt_end(p);
	struct too_big_frame frame;

	if (data + sizeof(frame) > end)
		return SL_DROP_too_big;
	frame = *(struct too_big_frame *)data;
	/* The packet may lie in several buffers; what is quoted must be in the first. */
	if (data + (ethernet & 31) + quote > end)
		return SL_DROP_too_big;
	if (bpf_xdp_adjust_tail(p->ctx,
				(int)(ethernet + quote) - (int)bpf_xdp_get_buff_len(p->ctx)))
		return SL_DROP_too_big;
	if (bpf_xdp_adjust_head(p->ctx, -(int)header))
		return SL_DROP_no_headroom;
	data = pkt_data(p);
	end = pkt_end(p);
	if (data + sizeof(frame) > end)
		return SL_DROP_internal;
	/* Some bytes more than there are: those behind are written below. Then the addresses, swapped. */
	*(struct too_big_frame *)data = frame;
	answer_swap_macs(data);
	data += ethernet & 31; /* as the verifier must be told */
	PKT_OPAQUE(data);
	if (is_v6) {
		if (data + TOO_BIG_MIN6 > end)
			return SL_DROP_internal;
		too_big_write6(p, data, mtu);
	} else {
		if (data + TOO_BIG_MIN4 > end)
			return SL_DROP_internal;
		too_big_write4(p, data, mtu);
	}
	return SL_SEND_too_big_told;
}

/* Of a packet that does not fit: tells its sender that `inner_max` bytes do, or drops it; returns the XDP action. */
__noinline int too_big(struct xdp_md *ctx, __u32 inner_max, __u32 service_line)
{
	enum sl_verdict verdict;
	struct pkt p;
	__u32 mtu, row = counter_row();

	pkt_init(&p, ctx);
	p.service_line = service_line;
	if (parse(&p))
		return ended(&p, SL_DROP_internal, row);
	mtu = too_big_mtu(&p, inner_max);
	if (p.length <= mtu || !too_big_is_told(&p) || !too_big_may_answer())
		return ended(&p, SL_DROP_too_big, row);
	verdict = too_big_answer(&p, mtu);
	if (verdict == SL_SEND_too_big_told)
		count_dropped(row, service_line);
	return ended(&p, verdict, row);
}

#endif
