/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Beside the steps: echo requests (RFC 792, RFC 4443 section 4) to an address at which a service listens that allows it are
 * answered here, whether its backends are up or not: an answer says that packets reach a balancer which has the address. The
 * request itself becomes the answer, with both pairs of addresses swapped and a fresh TTL: its bytes, its tags and its
 * length are the same, so that nobody gets more than he sent, and nothing limits their number: each costs less than
 * a packet to a backend.
 *
 * Checksums are brought up to date (RFC 1624) and not made anew: a request that was damaged on its way gets an answer that is
 * damaged just so, which its sender drops as this host would have dropped the request. And the data need not be read.
 *
 * What would need a thought of its own passes to this host, which answers where the address is its own: requests in fragments,
 * with IP options or extension headers (which must not simply be sent back: RFC 1122 section 3.2.2.6, RFC 8200 section
 * 4.4), and from addresses that nobody can be written to at.
 */
#ifndef BPF_ECHO_H
#define BPF_ECHO_H

#include <proto/checksum.h>
#include <proto/icmp.h>

#include "answer.h"
#include "deny.h"
#include "done.h"
#include "find.h"
#include "parse.h"
#include "pkt.h"
#include "service.h"
#include "vlan.h"

static __always_inline bool echo_is_request(__u8 family, __u8 type)
{
	return type == (family == 4 ? ICMP4_ECHO : ICMP6_ECHO);
}

/* Whether the request, which is one, is answered, or why not. */
static __always_inline enum sl_verdict echo_judge(const struct pkt *p)
{
	__u64 table = find_table();
	__u32 fixed = p->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	/* A prefix of a service may have a group in it. */
	bool is_to_host = p->family == 4 ? answer_is_host4(p->destination[0])
					 : answer_is_host6(p->destination64);

	if (!(table & SL_LISTENERS_ECHO) || p->headers != fixed || !answer_has_sender(p) ||
	    !is_to_host || !(find_address(table, p) & SL_HAS_ECHO))
		return SL_PASS_other_protocol;
	if (!service_holds(p, p->length) || p->length < fixed + sizeof(struct icmp_header))
		return SL_DROP_bad_length;
	return deny(p);
}

/* Makes the message an answer. */
static __always_inline void echo_write_icmp(struct icmp_header *icmp, __u8 answer)
{
	__u16 *type_code = (__u16 *)icmp, before = *type_code;

	icmp->type = answer;
	icmp->checksum = sum_replace(icmp->checksum, before, *type_code);
	/* Both are zero in ones' complement, but where all other bytes are 0 only this one is right. */
	if (!icmp->checksum)
		icmp->checksum = 0xffff;
}

static __always_inline void echo_write4(const struct pkt *p, struct iphdr *ip)
{
	__u16 *ttl_protocol = (__u16 *)&ip->ttl, before = *ttl_protocol;

	ip->saddr = p->destination[0];
	ip->daddr = p->source[0];
	ip->ttl = ANSWER_TTL;
	ip->check = sum_replace(ip->check, before, *ttl_protocol);
	echo_write_icmp((void *)(ip + 1), ICMP4_ECHO_REPLY);
}

static __always_inline void echo_write6(const struct pkt *p, struct ipv6hdr *ip)
{
	__u64 *address = (__u64 *)&ip->saddr;

	ip->hop_limit = ANSWER_TTL;
	address[0] = p->destination64[0];
	address[1] = p->destination64[1];
	address[2] = p->source64[0];
	address[3] = p->source64[1];
	echo_write_icmp((void *)(ip + 1), ICMP6_ECHO_REPLY);
}

static __always_inline enum sl_verdict echo_answer(const struct pkt *p)
{
	void *data = pkt_data(p), *end = pkt_end(p), *network;

	network = data + (pkt_ethernet(p) & 31); /* as the verifier must be told */
	PKT_OPAQUE(network);
	/* All of it was there a moment ago; likewise. */
	if (data + sizeof(struct ethhdr) > end)
		return SL_DROP_internal;
	if (p->family == 4) {
		if (network + sizeof(struct iphdr) + sizeof(struct icmp_header) > end)
			return SL_DROP_internal;
		echo_write4(p, network);
	} else {
		if (network + sizeof(struct ipv6hdr) + sizeof(struct icmp_header) > end)
			return SL_DROP_internal;
		echo_write6(p, network);
	}
	answer_swap_macs(data);
	return SL_SEND_echo_answered;
}

/* Of an echo request that is whole: answers it, or says why not; returns the XDP action. */
__noinline int echo(struct xdp_md *ctx)
{
	enum sl_verdict verdict;
	struct pkt p;

	pkt_init(&p, ctx);
	verdict = parse(&p);
	/* It is as it was when icmp.h read it. */
	if (verdict != SL_PASS_other_protocol)
		return ended(&p, SL_DROP_internal, counter_row());
	(verdict = echo_judge(&p)) || (verdict = echo_answer(&p));
	return ended(&p, verdict, counter_row());
}

#endif
