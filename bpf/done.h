/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The end of every packet: the only place that turns a verdict into an XDP action, and whose functions count packets, for
 * the steps and for what stands beside them. (Steps count events, of the flow table and of connection ids.) What went
 * through all steps is sent; its counters are found apart from the others', by indices that are constants.
 */
#ifndef BPF_DONE_H
#define BPF_DONE_H

#include <stdbool.h>
#include <proto/tcp.h>

#include "count.h"
#include "maps.h"
#include "pkt.h"

static __always_inline void count_sent(const struct pkt *p, __u32 row)
{
	struct sl_counter_line *line = counter_line(row, KNOB(backend_lines) + p->backend_index);

	if (line) {
		line->count[SL_BACKEND_packets]++;
		line->count[SL_BACKEND_bytes] += p->length;
		if (p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST)) {
			if ((p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
				line->count[SL_BACKEND_opened]++;
			if (p->tcp_flags & (TCP_FIN | TCP_RST))
				line->count[SL_BACKEND_closed]++;
		}
	}
}

static __always_inline enum xdp_action verdict_action(enum sl_verdict verdict)
{
	switch (verdict) {
#define SL_VERDICT(name, action, help) \
	case SL_##action##_##name:     \
		return ACTION_##action;
#define ACTION_PASS XDP_PASS
#define ACTION_DROP XDP_DROP
#define ACTION_SEND XDP_TX
#include <sluice/verdicts.def>
	default:
		return XDP_DROP;
	}
}

static __always_inline void count_verdict(__u32 row, enum sl_verdict verdict)
{
	struct sl_counter_line *line = counter_line(row, verdict / SL_COUNTERS_PER_LINE);

	if (line)
		line->count[verdict % SL_COUNTERS_PER_LINE]++;
}

/* Whether the backend is reached by the interface that the packet came in by. */
static __always_inline bool is_way_back(const struct pkt *p)
{
	return !KNOB(redirect) || p->path->ifindex == p->ctx->ingress_ifindex;
}

static __always_inline int sent(const struct pkt *p, __u32 row)
{
	count_sent(p, row);
	if (is_way_back(p))
		return XDP_TX; /* not counted by verdict: what was sent and not redirected */
	count_verdict(row, SL_SEND_redirect);
	return bpf_redirect_map(&egress, p->path->ifindex, XDP_DROP);
}

static __always_inline void count_dropped(__u32 row, __u32 service_line)
{
	struct sl_counter_line *line = counter_line(row, service_line);

	if (line)
		line->count[SL_SERVICE_dropped]++;
}

static __always_inline int ended(const struct pkt *p, enum sl_verdict verdict, __u32 row)
{
	enum xdp_action action = verdict_action(verdict);

	count_verdict(row, verdict);
	if (action == XDP_DROP && p->service_line)
		count_dropped(row, p->service_line);
	return action;
}

static __always_inline int done(const struct pkt *p, enum sl_verdict verdict)
{
	__u32 row = counter_row();

	return verdict == SL_GO_ON ? sent(p, row) : ended(p, verdict, row);
}

#endif
