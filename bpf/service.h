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
#include "pkt.h"
#include "quic.h"
#include "sum.h"

/* Byte 12 of a TCP header: data offset in the upper half; byte 13: flags (RFC 9293 section 3.1). */
static __always_inline enum sl_verdict service_check_tcp(struct pkt *p, void *transport, void *end,
							 __u32 left)
{
	__u8 *header = transport;
	__u32 header_length;

	if (transport + sizeof(struct tcphdr) > end)
		return SL_DROP_bad_length;
	header_length = header[12] >> 4 << 2;
	if (header_length < sizeof(struct tcphdr) || header_length > left)
		return SL_DROP_bad_tcp;
	p->tcp_flags = header[13];
	return SL_GO_ON;
}

static __always_inline enum sl_verdict service_check_udp(void *transport, void *end, __u32 left)
{
	struct udphdr *header = transport;
	__u32 length;

	if ((void *)(header + 1) > end)
		return SL_DROP_bad_length;
	length = bpf_ntohs(header->len);
	return length < sizeof(*header) || length > left ? SL_DROP_bad_udp : SL_GO_ON;
}

/*
 * Whether an IP packet of so many bytes is all there. Most are in what can be read; where frames may go on in other
 * buffers, the length of all of it costs a helper call, which only those that do go on pay for.
 */
static __always_inline bool service_holds(const struct pkt *p, __u32 length)
{
	if (length <= pkt_end(p) - pkt_network(p))
		return true;
	return knobs.multi_buffer && length + pkt_ethernet(p) <= bpf_xdp_get_buff_len(p->ctx);
}

static __always_inline enum sl_verdict service_check(struct pkt *p)
{
	void *end = pkt_end(p);
	__u32 left = p->length - p->headers;

	if (!service_holds(p, p->length) || p->length < p->headers)
		return SL_DROP_bad_length;
	if (knobs.encaps)
		p->sum_known = pkt_knows_sum(p);
	if (p->protocol == IPPROTO_TCP)
		return service_check_tcp(p, p->transport, end, left);
	return service_check_udp(p->transport, end, left);
}

/* A packet that shows no ports: all that can be said is what its address has. */
static __always_inline enum sl_verdict service_without_ports(__u64 table, const struct pkt *p)
{
	__u32 has = find_address(table, p);

	if (p->part == PKT_MANY_HEADERS)
		return has ? SL_DROP_many_headers : SL_PASS_no_listener;
	return has & (p->protocol == IPPROTO_TCP ? SL_HAS_TCP : SL_HAS_UDP) ? SL_DROP_fragment
									    : SL_PASS_no_listener;
}

static __always_inline enum sl_verdict service(struct pkt *p)
{
	__u64 table = find_table();
	enum sl_verdict verdict;
	__u32 record;

	if (!p->transport)
		return service_without_ports(table, p);
	record = find_listener(table, p);
	if (!record)
		return SL_PASS_no_listener;
	p->service = bpf_map_lookup_elem(&services, &record);
	if (!p->service)
		return SL_DROP_internal;
	p->service_line = p->service->counters;
	verdict = p->part == PKT_FIRST_FRAGMENT ? SL_DROP_fragment : service_check(p);
	/* Not a step in a row with this one: what follows wants the table and the record, which are in registers only here. */
	if (!verdict)
		verdict = deny(p);
	if (knobs.quic && !verdict && p->service->flags & SL_SERVICE_QUIC)
		p->backend_index =
			quic_backend(p->ctx, table, pkt_ethernet(p) + p->headers, record);
	return verdict;
}

#endif
