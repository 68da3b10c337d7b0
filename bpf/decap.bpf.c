/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The backend's side: an XDP program that takes the outer header off IP in IP (RFC 2003, 4213, 2473), and off the same
 * in UDP and GUE, and hands the inner packet to the kernel.
 *
 * Story: only what a balancer (map `from`) sends to this host itself (map `own`) is taken. All else passes
 * as it came, so a tunnel of the kernel's own beside it still works. The inner header is checked before the
 * outer one goes, since a kernel that finds rubbish would blame the wrong sender. One counter a verdict.
 *
 * DSCP stays the inner packet's (RFC 2983 section 3.1). A mark of congestion from the tunnel's way is taken over (RFC
 * 6040 section 4.2). The UDP checksum is not looked at: it would take a pass over the data, and the kernel makes one
 * over the inner packet, whose checksums cover what of the datagram is left; the addresses have been compared by then.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include <proto/checksum.h>
#include <proto/ecn.h>
#include <proto/gue.h>
#include <proto/ipv4.h>
#include <proto/ipv6.h>
#include <proto/vlan.h>
#include <sluice/decap.h>

/* Numbers of entries are set when the program is loaded. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct sl_decap_prefix);
	__type(value, __u32);
} from SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct sl_decap_address);
	__type(value, __u32);
} own SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SL_DECAP_VERDICTS);
	__type(key, __u32);
	__type(value, __u64);
} verdicts SEC(".maps");

/* Keeps the compiler from computing a checked pointer once more, by other steps that the verifier cannot follow. */
#define OPAQUE(pointer) asm volatile("" : "+r"(pointer))

/* A packet that may be a tunnel's. */
struct tunnel {
	/*
	 * Of the frame's first buffer, without its VLAN tags: Ethernet's type is where it would be without them, and before
	 * it, where the addresses would be, lie their last bytes and the tags.
	 */
	void *data, *end;
	__u32 tags;    /* bytes of them: 0, 4, 8 */
	__u32 frame;   /* bytes of the whole frame */
	__u32 whole;   /* bytes of the outer packet, by IP's length field */
	__u32 header;  /* bytes of the outer headers */
	__u32 payload; /* bytes after them, by the last one's length field */
	__u8 inner;    /* family of the inner packet: 4 or 6; 0: see fields */
	__u8 outer;    /* likewise */
	__u8 ecn;      /* enum ecn of the outer header */
	bool fragment, options;
	bool gue, fields; /* fields: it has what is not read here */
	bool bad_length;  /* UDP's disagrees with IP's */
	struct sl_decap_prefix source;
	struct sl_decap_address destination;
};

static __always_inline __u8 inner_family(__u8 protocol)
{
	return protocol == IPPROTO_IPIP ? 4 : protocol == IPPROTO_IPV6 ? 6 : 0;
}

#define GUE_LENGTH (sizeof(struct udphdr) + sizeof(struct gue_header))

/* UDP after an IP header that says how much comes after it. Returns whether it is GUE, of which kind ever. */
static __always_inline bool read_gue(struct tunnel *t, const struct udphdr *udp, __u32 payload)
{
	const struct gue_header *gue = (const void *)(udp + 1);
	__u32 length;

	if ((void *)(gue + 1) > t->end || udp->dest != GUE_PORT)
		return false;
	t->gue = true;
	length = bpf_ntohs(udp->len);
	t->bad_length = length < GUE_LENGTH || length > payload || payload > 0xffff;
	t->header += GUE_LENGTH;
	t->payload = length - GUE_LENGTH;
	t->inner = inner_family(gue->protocol);
	t->fields = gue->first || gue->flags || !t->inner;
	return true;
}

/* Whether it is a tunnel's; `next`: what comes after the IP header, and after a first fragment's. */
static __always_inline bool read_tunnel(struct tunnel *t, __u8 protocol, void *next)
{
	t->inner = inner_family(protocol);
	return t->inner || (protocol == IPPROTO_UDP && read_gue(t, next, t->payload));
}

static __always_inline enum sl_decap_verdict read_ipv4(struct tunnel *t)
{
	struct iphdr *ip = t->data + sizeof(struct ethhdr);

	if ((void *)(ip + 1) > t->end)
		return SL_DECAP_PASS_unreadable;
	t->header = sizeof(*ip);
	t->whole = bpf_ntohs(ip->tot_len);
	t->payload = t->whole - sizeof(*ip); /* less than 0: larger than any frame */
	/* Only behind a header of 20 bytes and in a first fragment is UDP where it is looked for. */
	if (ip->protocol == IPPROTO_UDP && (ip->ihl != 5 || ip->frag_off & IPV4_OFFSET))
		return SL_DECAP_PASS_no_tunnel;
	if (!read_tunnel(t, ip->protocol, ip + 1))
		return SL_DECAP_PASS_no_tunnel;
	if (ip->version != 4 || ip->ihl < 5)
		return SL_DECAP_PASS_unreadable;
	t->outer = 4;
	t->ecn = ip->tos & ECN_MASK;
	t->options = ip->ihl > 5;
	t->fragment = ip->frag_off & (IPV4_MF | IPV4_OFFSET);
	t->source.bits = 8 + 32;
	__builtin_memcpy(t->source.address.bytes, &ip->saddr, 4);
	__builtin_memcpy(t->destination.bytes, &ip->daddr, 4);
	return SL_DECAP_GO_ON;
}

static __always_inline enum sl_decap_verdict read_ipv6(struct tunnel *t)
{
	struct ipv6hdr *ip = t->data + sizeof(struct ethhdr);
	struct ipv6_extension *extension = (void *)(ip + 1);
	void *next = extension;
	__u8 protocol;

	if ((void *)(ip + 1) > t->end)
		return SL_DECAP_PASS_unreadable;
	protocol = ip->nexthdr;
	t->header = sizeof(*ip);
	t->payload = bpf_ntohs(ip->payload_len);
	t->whole = sizeof(*ip) + t->payload;
	if (protocol == IPPROTO_FRAGMENT) {
		if ((void *)(extension + 1) > t->end)
			return SL_DECAP_PASS_unreadable;
		t->fragment = true;
		protocol = extension->next;
		if (protocol == IPPROTO_UDP && extension->fragment & IPV6_OFFSET)
			return SL_DECAP_PASS_no_tunnel;
		next = extension + 1;
	}
	if (!read_tunnel(t, protocol, next))
		return SL_DECAP_PASS_no_tunnel;
	if (ip->version != 6)
		return SL_DECAP_PASS_unreadable;
	t->outer = 6;
	t->ecn = ip->flow_lbl[0] >> 4 & ECN_MASK;
	t->source.bits = 8 + 128;
	__builtin_memcpy(t->source.address.bytes, &ip->saddr, 16);
	__builtin_memcpy(t->destination.bytes, &ip->daddr, 16);
	return SL_DECAP_GO_ON;
}

/* VLAN tags (IEEE 802.1Q), two at most: what a frame has, it keeps. A tagged frame with a packet has room for both. */
static __always_inline __u32 read_tags(const void *data, const void *end)
{
	const __be16 *types = data + offsetof(struct ethhdr, h_proto);
	__u64 first;

	if ((void *)(types + 1 + VLAN_TAGS_MAX * VLAN_TAG / sizeof(*types)) > end)
		return 0;
	first = vlan_is_tag(types[0]);
	return (first + (first & vlan_is_tag(types[VLAN_TAG / sizeof(*types)]))) * VLAN_TAG;
}

static __always_inline enum sl_decap_verdict read_outer(struct tunnel *t)
{
	struct ethhdr *eth;

	t->tags = read_tags(t->data, t->end);
	t->data += t->tags;
	OPAQUE(t->data);
	eth = t->data;
	if ((void *)(eth + 1) > t->end)
		return SL_DECAP_PASS_unreadable;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return read_ipv4(t);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		return read_ipv6(t);
	if (eth->h_proto == bpf_htons(ETH_P_8021Q) || eth->h_proto == bpf_htons(ETH_P_8021AD))
		return SL_DECAP_PASS_tagged;
	return SL_DECAP_PASS_no_tunnel;
}

/* Is it from a balancer, to this host? */
static __always_inline enum sl_decap_verdict check_ends(struct tunnel *t)
{
	t->source.address.family = t->destination.family = t->outer;
	if (!bpf_map_lookup_elem(&own, &t->destination))
		return SL_DECAP_PASS_not_own;
	if (!bpf_map_lookup_elem(&from, &t->source))
		return SL_DECAP_PASS_stranger;
	return SL_DECAP_GO_ON;
}

/* RFC 1071 over a header without options: 0xffff if the checksum is right. */
static __always_inline __u16 sum_ipv4(const struct iphdr *ip)
{
	const __u16 *word = (const void *)ip;
	__u32 sum = 0;

	for (unsigned int i = 0; i < sizeof(*ip) / 2; i++)
		sum += word[i];
	return sum_fold(sum);
}

/* What the kernel would have checked before its own tunnels see the packet. */
static __always_inline enum sl_decap_verdict check_outer(const struct tunnel *t)
{
	const struct iphdr *ip = t->data + sizeof(struct ethhdr);

	if (t->fragment)
		return SL_DECAP_PASS_fragment;
	if (t->options)
		return SL_DECAP_PASS_options;
	if (t->bad_length || t->payload > t->whole ||
	    t->whole > t->frame - t->tags - sizeof(struct ethhdr))
		return SL_DECAP_PASS_unreadable;
	if (t->outer == 4 && ((void *)(ip + 1) > t->end || sum_ipv4(ip) != 0xffff))
		return SL_DECAP_PASS_unreadable;
	return t->fields ? SL_DECAP_PASS_gue_fields : SL_DECAP_GO_ON;
}

/*
 * Where the frame would begin without the outer headers. The verifier has lost by now that they are 20 to 52
 * bytes long, and believes a mask that the compiler cannot see through.
 */
static __always_inline void *inner_frame(const struct tunnel *t)
{
	__u32 header = t->header;
	void *frame;

	OPAQUE(header);
	frame = t->data + (header & 63);
	OPAQUE(frame);
	return frame;
}

/*
 * The inner packet must be of the family that the outer header says, and no longer than that says (a frame
 * may be longer: short ones are padded).
 */
static __always_inline enum sl_decap_verdict check_inner(const struct tunnel *t)
{
	void *inner = inner_frame(t) + sizeof(struct ethhdr);
	struct ipv6hdr *ip6 = inner;
	struct iphdr *ip = inner;
	__u32 length;

	if (t->inner == 4) {
		if ((void *)(ip + 1) > t->end || t->payload < sizeof(*ip))
			return SL_DECAP_DROP_inner_length;
		length = bpf_ntohs(ip->tot_len);
		if (ip->version != 4 || ip->ihl < 5 || length < ip->ihl * 4u)
			return SL_DECAP_DROP_inner_header;
	} else {
		if ((void *)(ip6 + 1) > t->end || t->payload < sizeof(*ip6))
			return SL_DECAP_DROP_inner_length;
		length = sizeof(*ip6) + bpf_ntohs(ip6->payload_len);
		if (ip6->version != 6)
			return SL_DECAP_DROP_inner_header;
	}
	return length > t->payload ? SL_DECAP_DROP_inner_length : SL_DECAP_GO_ON;
}

/* Another word in place of one of an IPv4 header's, in its checksum, too. */
static __always_inline void replace_word(struct iphdr *ip, __u16 *word, __u16 to)
{
	ip->check = sum_replace(ip->check, *word, to);
	*word = to;
}

/* The inner packet's new ECN field, or a negative number: it is to be dropped. The table of RFC 6040 section 4.2. */
static __always_inline int join_ecn(__u8 outer, __u8 inner)
{
	if (outer == ECN_CE)
		return inner == ECN_NOT_ECT ? -1 : ECN_CE;
	return outer == ECN_ECT1 && inner == ECN_ECT0 ? ECN_ECT1 : inner;
}

/* Takes over what the tunnel's way has marked. The headers were checked, but for the verifier. */
static __always_inline enum sl_decap_verdict take_congestion(const struct tunnel *t)
{
	struct iphdr *ip = inner_frame(t) + sizeof(struct ethhdr);
	__u16 *first = (void *)ip; /* version; then tos, or traffic class from its upper half on */
	int shift = t->inner == 4 ? 8 : 12, ecn;
	__u8 inner;

	if (t->ecn != ECN_CE && t->ecn != ECN_ECT1)
		return SL_DECAP_GO_ON;
	if ((void *)(ip + 1) > t->end)
		return SL_DECAP_DROP_internal;
	inner = *first >> shift & ECN_MASK;
	ecn = join_ecn(t->ecn, inner);
	if (ecn < 0)
		return SL_DECAP_DROP_congestion;
	if (t->inner == 4)
		replace_word(ip, first, *first ^ (inner ^ ecn) << shift);
	else
		*first ^= (inner ^ ecn) << shift;
	return SL_DECAP_GO_ON;
}

static __always_inline enum sl_decap_verdict taken(const struct tunnel *t)
{
	bool four = t->inner == 4;

	if (t->gue && t->outer == 4)
		return four ? SL_DECAP_TAKE_ipv4_in_gue4 : SL_DECAP_TAKE_ipv6_in_gue4;
	if (t->gue)
		return four ? SL_DECAP_TAKE_ipv4_in_gue6 : SL_DECAP_TAKE_ipv6_in_gue6;
	if (t->outer == 4)
		return four ? SL_DECAP_TAKE_ipv4_in_ipv4 : SL_DECAP_TAKE_ipv6_in_ipv4;
	return four ? SL_DECAP_TAKE_ipv4_in_ipv6 : SL_DECAP_TAKE_ipv6_in_ipv6;
}

/* Bytes of a frame before Ethernet's type: addresses and tags. */
#define LINK_MAX (2 * ETH_ALEN + VLAN_TAGS_MAX * VLAN_TAG)

/* Moves the Ethernet header up to the inner packet, with its tags and its type, and the frame's start after it. */
static __always_inline enum sl_decap_verdict strip(struct xdp_md *ctx, const struct tunnel *t)
{
	const void *old = (void *)(long)ctx->data;
	void *new = (void *)old + (t->header & 63);
	struct ethhdr *inner = inner_frame(t);

	OPAQUE(new);
	if ((void *)(inner + 1) > t->end || new + LINK_MAX > t->end || old + LINK_MAX > t->end)
		return SL_DECAP_DROP_internal;
	__builtin_memcpy(new, old, 2 * ETH_ALEN);
	if (t->tags)
		__builtin_memcpy(new + 2 * ETH_ALEN, old + 2 * ETH_ALEN, VLAN_TAG);
	if (t->tags > VLAN_TAG)
		__builtin_memcpy(new + 2 * ETH_ALEN + VLAN_TAG, old + 2 * ETH_ALEN + VLAN_TAG,
				 VLAN_TAG);
	inner->h_proto = t->inner == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	if (bpf_xdp_adjust_head(ctx, t->header))
		return SL_DECAP_DROP_internal;
	return taken(t);
}

static __always_inline enum sl_decap_verdict steps(struct xdp_md *ctx)
{
	struct tunnel t = {.data = (void *)(long)ctx->data, .end = (void *)(long)ctx->data_end};
	enum sl_decap_verdict verdict;

	verdict = read_outer(&t);
	if (verdict)
		return verdict;
	t.frame = bpf_xdp_get_buff_len(ctx);
	(verdict = check_ends(&t)) || (verdict = check_outer(&t)) || (verdict = check_inner(&t)) ||
		(verdict = take_congestion(&t)) || (verdict = strip(ctx, &t));
	return verdict;
}

static __always_inline enum xdp_action verdict_action(enum sl_decap_verdict verdict)
{
	switch (verdict) {
#define SL_DECAP_VERDICT(name, action, help) \
	case SL_DECAP_##action##_##name:     \
		return ACTION_##action;
#define ACTION_TAKE XDP_PASS
#define ACTION_PASS XDP_PASS
#define ACTION_DROP XDP_DROP
#include <sluice/decap.def>
	default:
		return XDP_DROP;
	}
}

/* The frame may lie in several buffers (jumbo frames): the headers are in the first. */
SEC("xdp.frags")
int decap(struct xdp_md *ctx)
{
	__u32 verdict = steps(ctx);
	__u64 *count = bpf_map_lookup_elem(&verdicts, &verdict);

	if (count)
		++*count;
	return verdict_action(verdict);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
