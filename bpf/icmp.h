/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Beside the steps: ICMP and ICMPv6 (RFC 792, RFC 4443).
 *
 * An error about a packet that a server has sent comes to the service's address, and belongs to the backend that has
 * the flow: without it path MTU discovery of the answers fails. The packet that it quotes went from the server to the
 * client, so the quoted flow has its ends swapped. Once they are swapped back, the steps that find a flow's backend
 * are those of the flow's own packets; but nothing is written down for an error, and it is counted by verdict alone.
 *
 * These are functions of their own, which read the packet anew: the packets of TCP and UDP do not pay for them, and the
 * verifier checks each once. Three (the last is home_send()), because the stack of all that are under way at once has room for
 * 512 bytes.
 */
#ifndef BPF_ICMP_H
#define BPF_ICMP_H

#include <stdbool.h>

#include <proto/icmp.h>

#include "deny.h"
#include "done.h"
#include "echo.h"
#include "find.h"
#include "home.h"
#include "parse.h"
#include "pkt.h"
#include "slot.h"
#include "track.h"
#include "vlan.h"

/* Errors about a packet on its way. Redirects are for this host's own routing, source quench is no more (RFC 6633). */
static __always_inline bool icmp_is_error(__u8 family, __u8 type)
{
	if (family == 4)
		return type == ICMP4_UNREACHABLE || type == ICMP4_TIME_EXCEEDED ||
		       type == ICMP4_PARAMETER_PROBLEM;
	return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER_PROBLEM;
}

/* Where in a frame the quote is: bytes from its start. 8 bytes of the transport header are there. */
struct icmp_quote {
	__u16 network;
	__u16 transport;
	__u16 service; /* record of the service whose flow it is; 0: there is none, and the packet has ended */
	__u8 is_v6 : 1, is_udp : 1;
	__u8 tags : 4;	   /* bytes of them, in front of all that */
	__u8 is_whole : 1; /* it lies within the IP packet, and that within the frame */
	__u8 action;	   /* by which the packet has ended; or ICMP_ASKS */
};

/* No action: it is an echo request, and its end is echo.h's to say. */
#define ICMP_ASKS 255

/* A function that the verifier checks by itself returns nothing but a number. */
union icmp_quote_number {
	__u64 number;
	struct icmp_quote quote;
};

static __always_inline bool icmp_is_to_sender(const struct pkt *quote, const struct pkt *p)
{
	if (p->family == 4)
		return quote->source[0] == p->destination[0];
	return quote->source64[0] == p->destination64[0] &&
	       quote->source64[1] == p->destination64[1];
}

/*
 * Reads an error and what it quotes; of an echo request this says only that it is one (SL_SEND_echo_answered). What no
 * service's host can have sent is not ours, and passes: a quote that cannot be read up to 8 bytes of its transport
 * header, or is of another protocol or sender than the address that the error came to.
 */
static __always_inline enum sl_verdict icmp_read(struct pkt *p, struct icmp_quote *out)
{
	/* Asked for first: around a call further down, clang 19 forgets where the message is. */
	__u32 frame = KNOB(multi_buffer) ? bpf_xdp_get_buff_len(p->ctx) : pkt_end(p) - pkt_data(p);
	void *end = pkt_end(p), *message, *quoted;
	enum sl_verdict verdict = parse(p);
	struct pkt quote;
	__u8 type;

	if (verdict != SL_PASS_other_protocol || p->part != PKT_WHOLE ||
	    p->protocol != (p->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return verdict;
	message = pkt_network(p) + p->headers;
	PKT_OPAQUE(message);
	quoted = message + sizeof(struct icmp_header);
	if (quoted > end)
		return SL_PASS_unreadable;
	type = ((struct icmp_header *)message)->type;
	if (!icmp_is_error(p->family, type))
		return KNOB(echo) && echo_is_request(p->family, type) ? SL_SEND_echo_answered
								      : verdict;
	pkt_init(&quote, p->ctx);
	verdict =
		p->family == 4 ? parse_ipv4(&quote, quoted, end) : parse_ipv6(&quote, quoted, end);
	if (verdict)
		return verdict;
	if (!quote.transport || !icmp_is_to_sender(&quote, p))
		return SL_PASS_other_protocol;
	out->network = pkt_ethernet(p) + p->headers + sizeof(struct icmp_header);
	out->transport = out->network + quote.headers;
	out->is_v6 = p->family == 6;
	out->tags = p->tags;
	out->is_udp = quote.protocol == IPPROTO_UDP;
	out->is_whole = p->length + pkt_ethernet(p) <= frame &&
			p->length + pkt_ethernet(p) >= out->transport + 8u;
	/* A listener is where packets of the flow go to. That is the error's address, and the port that the quote is from. */
	p->protocol = quote.protocol;
	p->ports = quote.ports << 16;
	out->service = find_listener(find_table(), p);
	if (!out->service)
		return SL_PASS_no_listener;
	return deny(p);
}

/* Of a packet that is neither TCP nor UDP: what it quotes, or its end; union icmp_quote_number. */
__noinline __u64 icmp_find(struct xdp_md *ctx)
{
	union icmp_quote_number found = {.number = 0};
	enum sl_verdict verdict;
	struct pkt p;

	pkt_init(&p, ctx);
	verdict = icmp_read(&p, &found.quote);
	if (verdict) {
		found.number = 0;
		found.quote.action = verdict == SL_SEND_echo_answered
					     ? ICMP_ASKS
					     : ended(&p, verdict, counter_row());
	}
	return found.number;
}

/* The quoted flow as its own packets have it: with its ends swapped. */
static __always_inline enum sl_verdict icmp_read_flow(struct pkt *p, const struct icmp_quote *quote)
{
	__u32 *ports = home_at(p, quote->transport, 8);
	__u64 is_v6 = home_is_v6(quote->is_v6);
	struct ipv6hdr *ip6;
	struct iphdr *ip;
	__u64 *address;

	/* All of it was there a moment ago; the verifier wants it said. */
	if (!ports)
		return SL_DROP_internal;
	p->protocol = quote->is_udp ? IPPROTO_UDP : IPPROTO_TCP;
	p->ports = *ports << 16 | *ports >> 16;
	if (!is_v6) {
		ip = home_at(p, quote->network, sizeof(*ip));
		if (!ip)
			return SL_DROP_internal;
		p->family = 4;
		p->source[0] = ip->daddr;
		p->destination[0] = ip->saddr;
		return SL_GO_ON;
	}
	ip6 = home_at(p, quote->network, sizeof(*ip6));
	if (!ip6)
		return SL_DROP_internal;
	p->family = 6;
	address = (__u64 *)&ip6->saddr;
	p->destination64[0] = address[0];
	p->destination64[1] = address[1];
	p->source64[0] = address[2];
	p->source64[1] = address[3];
	return SL_GO_ON;
}

static __always_inline enum sl_verdict icmp_service(struct pkt *p, const struct icmp_quote *quote)
{
	__u32 record = quote->service;

	p->service = bpf_map_lookup_elem(&services, &record);
	if (!p->service)
		return SL_DROP_internal;
	p->service_line = p->service->counters;
	return quote->is_whole ? SL_GO_ON : SL_DROP_bad_length;
}

/* The backend that has the quoted flow, or the packet's end; union home_number. */
__noinline __u64 icmp_find_home(struct xdp_md *ctx, __u64 number)
{
	union icmp_quote_number found = {.number = number};
	union home_number home = {.number = 0};
	enum sl_verdict verdict;
	struct pkt p = {
		0}; /* what a family leaves undefined, the verifier refuses to see spilled */

	pkt_init(&p, ctx);
	(verdict = icmp_read_flow(&p, &found.quote)) ||
		(verdict = icmp_service(&p, &found.quote)) || (verdict = slot(&p)) ||
		(verdict = track_peek(&p));
	if (verdict) {
		home.is.action = ended(&p, verdict, counter_row());
	} else {
		home.is.backend = p.backend_index;
		home.is.hash = p.hash;
		home.is.tags = found.quote.tags;
	}
	return home.number;
}

/* A packet that is neither TCP nor UDP; returns the XDP action. */
static __always_inline int icmp(struct xdp_md *ctx)
{
	union icmp_quote_number found = {.number = icmp_find(ctx)};
	union home_number home;

	if (KNOB(echo) && found.quote.action == ICMP_ASKS)
		return echo(ctx);
	if (!found.quote.service)
		return found.quote.action;
	home.number = icmp_find_home(ctx, found.number);
	return home.is.backend ? home_send(ctx, home.number, found.quote.is_v6) : home.is.action;
}

#endif
