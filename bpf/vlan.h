/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Step 1 begins here, and step 8 ends here: VLAN tags, up to two (IEEE 802.1Q: a customer's, of type 0x8100, and around it
 * a provider's, 0x88a8; two of the first are common, too). On the way in they are skipped, and the outermost decides whether
 * services listen there. On the way out there are those of the path: the agent knows by which VLAN the next hop is reached.
 * The priority stays the packet's. Where the host itself knows of no VLANs, a packet keeps its tags.
 *
 * A tag that the driver has taken off is in no frame, and nothing is known of it here (the agent warns).
 */
#ifndef BPF_VLAN_H
#define BPF_VLAN_H

#include <stdbool.h>

#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>

#include <proto/vlan.h>

#include "maps.h"
#include "nexthop.h"
#include "parse.h"
#include "pkt.h"

#define VLAN_ID_MASK bpf_htons(0x0fff)
/* Of a tag that is loaded as one word: priority and drop eligible, the control's upper 4 bits. */
#define VLAN_PRIORITY 0xf00000u

/* In a program that is loaded without the knob `vlans` it is zeros, and nothing reads it. */
MAPS_CONSTANT struct sl_vlans vlans;

/* Whether services listen on a VLAN (of the outermost tag; 0: without one) of the interface that the packet came in by. */
static __always_inline bool vlan_listens(__u32 ifindex, __u32 vlan)
{
	__u32 row = sl_vlans_row(vlans.factor, ifindex), word = vlan >> 6;

	/* The verifier of Linux 6.12 does not follow a number through a swap of its bytes, as the compiler does. */
	PKT_OPAQUE(row);
	PKT_OPAQUE(word);
	row &= SL_VLAN_ROWS - 1;

	if (vlans.row[row].ifindex != ifindex)
		return vlan == SL_VLAN_UNTAGGED;
	return vlans.row[row].listens[word & 63] >> (vlan & 63) & 1;
}

static __always_inline enum sl_verdict parse_tagged(struct pkt *p)
{
	void *data = pkt_data(p), *end = pkt_end(p),
	     *types = data + offsetof(struct ethhdr, h_proto);
	__u64 first, second;
	__u32 vlan;

	/* What is shorter than two tags would make it holds no IP packet. */
	if (types + SL_TAGS_MAX * SL_TAG + sizeof(__be16) > end)
		return SL_PASS_unreadable;
	if (*(__u8 *)data & 1)
		return SL_PASS_group;
	first = vlan_is_tag(*(__be16 *)types);
	second = first & vlan_is_tag(*(__be16 *)(types + SL_TAG));
	vlan = bpf_ntohs(*(__be16 *)(types + sizeof(__be16)) & VLAN_ID_MASK) & -first;
	p->tags = (first + second) * SL_TAG;
	if (!vlan_listens(p->ctx->ingress_ifindex, vlan))
		return vlan == SL_VLAN_UNTAGGED ? SL_PASS_untagged : SL_PASS_tagged;
	types += p->tags;
	PKT_OPAQUE(types);
	if (types + sizeof(__be16) > end)
		return SL_PASS_unreadable;
	return parse_network(p, *(__be16 *)types, types + sizeof(__be16), end);
}

static __always_inline enum sl_verdict parse(struct pkt *p)
{
	return KNOB(vlans) ? parse_tagged(p) : parse_untagged(p);
}

/* The tags that a packet leaves with. */
struct tags {
	__u32 own;    /* bytes of those that it came with: 0, 4, 8 */
	__u32 length; /* of these, likewise */
	__u64 bytes;  /* as they lie in the frame */
};

/* Not to be asked once the head has moved. */
static __always_inline struct tags tags_out(const struct pkt *p)
{
	struct tags out = {.own = p->tags, .length = 0, .bytes = 0};
	void *own = pkt_data(p) + offsetof(struct ethhdr, h_proto);
	__u64 first, second;

	if (own + sizeof(out.bytes) > pkt_end(p))
		return out;
	out.bytes = *(__u64 *)own;
	out.length = p->tags;
	if (p->path->tags != SL_TAGS_KEEP) {
		first = p->tags ? out.bytes & VLAN_PRIORITY : 0;
		second = p->tags > SL_TAG ? out.bytes >> 32 & VLAN_PRIORITY : first;
		out.bytes = *(const __u64 *)p->path->tag | first | second << 32;
		out.length = p->path->tags;
	}
	/* As the verifier must be told. */
	out.length &= SL_TAG | 2 * SL_TAG;
	return out;
}

/* Where the frame begins that has no tags yet, once there is room for both. */
static __always_inline void *tags_skip(const struct pkt *p, const struct tags *tags)
{
	void *data = pkt_data(p) + tags->length;

	PKT_OPAQUE(data);
	return data;
}

/* Puts the addresses before the tags. What was written from tags_skip() on has them behind, where the tags go. */
static __always_inline enum sl_verdict tags_write(const struct pkt *p, const struct tags *tags)
{
	void *data = pkt_data(p), *tag = data + offsetof(struct ethhdr, h_proto);

	if (!tags->length)
		return SL_GO_ON;
	if (tag + sizeof(tags->bytes) > pkt_end(p))
		return SL_DROP_internal;
	path_write_macs(p, data);
	*(__u32 *)tag = tags->bytes;
	if (tags->length > SL_TAG)
		*(__u32 *)(tag + SL_TAG) = tags->bytes >> 32;
	return SL_GO_ON;
}

#endif
