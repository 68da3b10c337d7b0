/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Step 2: whose packet is it, and is it well-formed? What is no service's passes. Lengths are judged only
 * now, so that only packets to a listener are dropped for them. Then the deny list is asked, and after it the packet's
 * connection id: nothing is read for a source that is not let in.
 */
#ifndef BPF_SERVICE_H
#define BPF_SERVICE_H

#include <stdbool.h>

#include <linux/in.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>

#include "deny.h"
#include "find.h"
#include "gue.h"
#include "parse.h"
#include "pkt.h"
#include "quic.h"

/*
 * A first fragment has all of the transport header. One that ends within would have TCP's flags come with the next one (RFC
 * 1858 section 3; RFC 7112 section 5).
 */
static __always_inline enum sl_verdict service_short(const struct pkt *p, enum sl_verdict whole)
{
	return p->part == PKT_FIRST_FRAGMENT ? SL_DROP_tiny_fragment : whole;
}

/* Byte 12 of a TCP header: data offset in the upper half; byte 13: flags (RFC 9293 section 3.1). */
static __always_inline enum sl_verdict service_check_tcp(struct pkt *p, void *transport, void *end,
							 __u32 left)
{
	__u8 *header = transport;
	__u32 header_length;

	if (transport + sizeof(struct tcphdr) > end)
		return service_short(p, SL_DROP_bad_length);
	header_length = header[12] >> 4 << 2;
	if (header_length < sizeof(struct tcphdr))
		return SL_DROP_bad_tcp;
	if (header_length > left)
		return service_short(p, SL_DROP_bad_tcp);
	p->tcp_flags = header[13];
	return SL_GO_ON;
}

static __always_inline enum sl_verdict service_check_udp(const struct pkt *p, void *transport,
							 void *end, __u32 left)
{
	struct udphdr *header = transport;
	__u32 length;

	if ((void *)(header + 1) > end)
		return SL_DROP_bad_length;
	length = bpf_ntohs(header->len);
	if (length < sizeof(*header))
		return SL_DROP_bad_udp;
	if (length <= left)
		return SL_GO_ON;
	/* The length is that of all fragments together. */
	if (p->part == PKT_FIRST_FRAGMENT)
		return left < sizeof(*header) ? SL_DROP_tiny_fragment : SL_GO_ON;
	return SL_DROP_bad_udp;
}

/*
 * Whether an IP packet of so many bytes goes on, and ends, in other buffers than the frame's first: a helper's call, which only
 * frames that do go on pay for.
 */
static __always_inline bool service_goes_on(const struct pkt *p, __u32 length)
{
	return KNOB(multi_buffer) && length + pkt_ethernet(p) <= bpf_xdp_get_buff_len(p->ctx);
}

/* Whether an IP packet of so many bytes is all there. */
static __always_inline bool service_holds(const struct pkt *p, __u32 length)
{
	return length <= pkt_end(p) - pkt_network(p) || service_goes_on(p, length);
}

static __always_inline enum sl_verdict service_check(struct pkt *p)
{
	void *end = pkt_end(p);
	__u32 left = p->length - p->headers;

	if (p->length < p->headers)
		return SL_DROP_bad_length;
	if (left > end - p->transport && !service_goes_on(p, p->length))
		return SL_DROP_bad_length;
	if (KNOB(encaps))
		p->sum_known = gue_knows_sum(p);
	if (p->protocol == IPPROTO_TCP)
		return service_check_tcp(p, p->transport, end, left);
	return service_check_udp(p, p->transport, end, left);
}

/* What of enum sl_address_has a packet is for. A later fragment may name an extension header, and is for either. */
static __always_inline __u32 service_has(const struct pkt *p)
{
	if (p->protocol == IPPROTO_TCP)
		return SL_HAS_TCP;
	return p->protocol == IPPROTO_UDP ? SL_HAS_UDP : SL_HAS_TCP | SL_HAS_UDP;
}

/* In the place of a backend's index, and none's: the packet passes. */
#define FRAGMENT_PASSES (SL_BACKEND_MAX + 1)

/*
 * A packet that shows no ports, or a first fragment to ports that no listener has: all that can be said is what its
 * address has. The latter passes; but its packet's later ones must be told from those of services (fragment.h).
 */
static __always_inline enum sl_verdict service_by_address(__u64 table, struct pkt *p)
{
	__u32 has = find_address(table, p);

	if (p->part == PKT_MANY_HEADERS)
		return has ? SL_DROP_many_headers : SL_PASS_no_listener;
	if (p->part == PKT_FIRST_FRAGMENT)
		p->backend_index = FRAGMENT_PASSES;
	return has & service_has(p) ? SL_DROP_fragment : SL_PASS_no_listener;
}

/* IPv6's first fragments have IPv4's flag, too, which the verifier need not look at all that comes after twice for. */
static __always_inline void service_mark(struct pkt *p)
{
	if (p->family == 6)
		p->fragment = parse_forget(
			p->part == PKT_FIRST_FRAGMENT ? IPV4_DF | IPV4_MF : IPV4_DF, p->ports);
}

static __always_inline enum sl_verdict service(struct pkt *p)
{
	__u64 table = find_table();
	enum sl_verdict verdict;
	__u32 record;

	if (!p->transport)
		return service_by_address(table, p);
	record = find_listener(table, p);
	if (!record)
		return KNOB(fragments) && p->part == PKT_FIRST_FRAGMENT
			       ? service_by_address(table, p)
			       : SL_PASS_no_listener;
	p->service = bpf_map_lookup_elem(&services, &record);
	if (!p->service)
		return SL_DROP_internal;
	p->service_line = p->service->counters;
	if (KNOB(fragments))
		service_mark(p);
	else if (p->part == PKT_FIRST_FRAGMENT)
		return SL_DROP_fragment;
	(verdict = service_check(p)) || (verdict = deny(p));
	if (verdict)
		return verdict;
	/* Not a step of its own behind this one: it wants the table and the record, which struct pkt does not keep. */
	if (KNOB(quic) && p->service->flags & SL_SERVICE_QUIC)
		p->backend_index =
			quic_backend(p->ctx, table, pkt_ethernet(p) + p->headers, record);
	return SL_GO_ON;
}

#endif
