/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Probes through the tunnel: a tc program on the way out of a device. A packet whose mark names a backend gets the
 * header that the balancer gives to this backend's traffic, and leaves by the backend's own way; all others pass
 * untouched to whatever else is attached there.
 *
 * Story: the mark gives the backend's index, the balancer's own map its path in force. The steps that read a packet
 * and write a header are the balancer's. Room is made by bpf_skb_adjust_room(), which says to the kernel what the new
 * bytes are: so a checksum that it has left to the device (CHECKSUM_PARTIAL) and segments that it has yet to cut
 * (GSO) are finished behind us, in the inner packet, by the device if it can and by the kernel otherwise.
 *
 * A marked packet is never sent without the header: whatever is wrong with it or its backend, it is dropped, and the
 * probe times out.
 */
#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#define PKT_CONTEXT struct __sk_buff

#include "maps.h"
#include "pkt.h"
#include "parse.h"
#include "slot.h"
#include "nexthop.h"
#include "outer.h"

/* Ethernet, the longest IP headers that are read, and ports. */
#define READ_MAX 256

/* Local packets have their headers in the first part; the rest may lie elsewhere. */
static __always_inline bool read(struct pkt *p, struct __sk_buff *skb)
{
	enum sl_verdict verdict;

	if (bpf_skb_pull_data(skb, skb->len < READ_MAX ? skb->len : READ_MAX))
		return false;
	pkt_init(p, skb);
	p->ports = 0; /* of ICMP, and of later fragments */
	verdict = parse(p);
	return verdict == SL_GO_ON || verdict == SL_PASS_other_protocol;
}

static __always_inline bool encapsulate(struct pkt *p, struct __sk_buff *skb)
{
	bool outer4 = p->path->family == 4;
	__u64 flags = outer4 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;
	void *data;

	/* Between Ethernet and the inner packet. Refused where the packet would be longer than the device takes. */
	if (bpf_skb_adjust_room(skb, outer4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr),
				BPF_ADJ_ROOM_MAC, flags))
		return false;
	data = pkt_data(p);
	if (data + OUTER6_END > pkt_end(p))
		return false;
	if (outer4)
		write_outer4(p, data);
	else
		write_outer6(p, data);
	return true;
}

SEC("tc")
int probe(struct __sk_buff *skb)
{
	enum sl_verdict verdict;
	struct pkt p;

	if ((skb->mark & SL_PROBE_MARK_MASK) != SL_PROBE_MARK)
		return TC_ACT_UNSPEC;
	if (!read(&p, skb))
		return TC_ACT_SHOT;
	p.backend_index = skb->mark & ~SL_PROBE_MARK_MASK;
	verdict = nexthop(&p);
	/* What the kernel has yet to cut to segments fits once it is cut. */
	if (verdict && !(verdict == SL_DROP_too_big && skb->gso_size))
		return TC_ACT_SHOT;
	p.hash = flow_hash(&p);
	if (!encapsulate(&p, skb))
		return TC_ACT_SHOT;
	skb->mark = 0;
	return p.path->ifindex == skb->ifindex ? TC_ACT_OK : bpf_redirect(p.path->ifindex, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
