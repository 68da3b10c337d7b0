/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Probes through the tunnel: a tc program on the way out of a device. A packet whose mark names a backend gets the
 * header that the balancer gives to this backend's traffic, and leaves by the backend's own way; all others pass
 * untouched to whatever else is attached there.
 *
 * A packet that leaves by a VLAN device has no tag yet there, and gets that of the way, which leads out of the device below.
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
#include "gue.h"
#include "l2.h"
#include "outer.h"

/* Ethernet, the longest IP headers that are read, and ports. */
#define READ_MAX 256

/* Both of the tags that a packet may have: those of its way take their place. */
static __always_inline bool strip_tags(struct __sk_buff *skb)
{
	for (int i = 0; i < SL_TAGS_MAX; i++)
		if (bpf_skb_vlan_pop(skb))
			return false;
	return true;
}

/* The innermost first, each around the one before. A way that keeps tags has none: it leads out of no VLAN device. */
static __always_inline bool push_tags(const struct pkt *p, struct __sk_buff *skb)
{
	const __be16 *tag = p->path->tag;
	__u8 tags = p->path->tags;

	if (tags == SL_TAGS_KEEP)
		return true;
	if (tags > SL_TAG && bpf_skb_vlan_push(skb, tag[2], bpf_ntohs(tag[3])))
		return false;
	return !tags || !bpf_skb_vlan_push(skb, tag[0], bpf_ntohs(tag[1]));
}

/* Local packets have their headers in the first part; the rest may lie elsewhere. */
static __always_inline bool read(struct pkt *p, struct __sk_buff *skb)
{
	enum sl_verdict verdict;

	if (KNOB(vlans) && !strip_tags(skb))
		return false;
	if (bpf_skb_pull_data(skb, skb->len < READ_MAX ? skb->len : READ_MAX))
		return false;
	pkt_init(p, skb);
	p->ports = 0; /* of ICMP, and of later fragments */
	verdict = parse_untagged(p);
	return verdict == SL_GO_ON || verdict == SL_PASS_other_protocol;
}

/* Room between Ethernet and the inner packet. Refused where the packet would be longer than the device takes. */
static __always_inline bool make_room(struct pkt *p, struct __sk_buff *skb, bool gue)
{
	bool outer4 = p->path->family == 4;
	__u64 flags = outer4 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;
	__u32 room = outer4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);

	if (gue) {
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
		room += GUE_LENGTH;
	}
	return !bpf_skb_adjust_room(skb, room, BPF_ADJ_ROOM_MAC, flags);
}

static __always_inline bool encapsulate_ipip(struct pkt *p, struct __sk_buff *skb)
{
	void *data;

	if (!make_room(p, skb, false))
		return false;
	data = pkt_data(p);
	if (data + OUTER6_END > pkt_end(p))
		return false;
	write_ipip(p, data, p->path->family == 4);
	return true;
}

/*
 * The checksum is that of the finished packet, whether it is finished yet or not: what its checksum will be follows
 * from its headers. Segments that are yet to be cut would all have the same one, and get none.
 */
static __always_inline bool encapsulate_gue(struct pkt *p, struct __sk_buff *skb)
{
	bool sum_known = !skb->gso_size && gue_knows_sum(p);
	void *data;

	if (!make_room(p, skb, true))
		return false;
	data = pkt_data(p);
	if (data + GUE6_END + 8 > pkt_end(p))
		return false;
	if (p->path->family == 4)
		write_gue4(p, data);
	else
		write_gue6(p, data, sum_known);
	return true;
}

static __always_inline bool encapsulate(struct pkt *p, struct __sk_buff *skb)
{
	switch (path_encapsulation(p)) {
	case SL_ENCAP_L2:
		return write_l2(p, pkt_data(p), pkt_end(p));
	case SL_ENCAP_GUE:
		return encapsulate_gue(p, skb);
	default:
		return encapsulate_ipip(p, skb);
	}
}

SEC("sluice/tc")
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
	if (!encapsulate(&p, skb) || (KNOB(vlans) && !push_tags(&p, skb)))
		return TC_ACT_SHOT;
	skb->mark = 0;
	return p.path->ifindex == skb->ifindex ? TC_ACT_OK : bpf_redirect(p.path->ifindex, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
