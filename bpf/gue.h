/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * UDP and GUE between the outer IP header and the packet.
 *
 * The UDP checksum. Over IPv4 it is 0, for none (RFC 768): the outer IP header has a checksum of its own, the packet
 * inside has its own, and UDP adds nothing but a length and ports. Over IPv6 nothing else protects the outer addresses,
 * and a receiver that was not told otherwise discards a datagram without a checksum (RFC 8200 section 8.1); so there it
 * is right. That takes no pass over the data: a packet with a valid transport checksum has bytes whose sum follows from
 * its headers, as the checksum makes the transport segment and its pseudo-header sum up to 0. (Is the packet corrupt,
 * then so is the outer datagram, and a NIC that has judged the outer checksum has judged the inner one.) Only where
 * the packet has none to go by - UDP without a checksum, or with other headers in between - it is 0 over IPv6, too:
 * RFC 6935 allows that to tunnels, under the conditions of RFC 6936, of which RFC 8085 section 3.4.1 reminds; here, that
 * receivers take it on this port alone.
 */
#ifndef BPF_GUE_H
#define BPF_GUE_H

#include <stdbool.h>

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>

#include <proto/checksum.h>
#include <proto/gue.h>

#include "outer.h"
#include "pkt.h"

#define GUE_LENGTH (sizeof(struct udphdr) + sizeof(struct gue_header))
#define GUE4_END   (OUTER4_END + GUE_LENGTH)
#define GUE6_END   (OUTER6_END + GUE_LENGTH)

/*
 * Whether the packet's own checksum tells what its bytes sum up to. Asked where the transport header is at hand: to keep it
 * for later would have the verifier follow four times as many states through all steps in between.
 */
static __always_inline bool gue_knows_sum(const struct pkt *p)
{
	const struct udphdr *udp = p->transport;

	if (p->part != PKT_WHOLE || !udp ||
	    p->headers != (p->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)))
		return false;
	return p->protocol != IPPROTO_UDP ||
	       (udp->check && bpf_ntohs(udp->len) == p->length - p->headers);
}

/* The sum of the packet's bytes, by what its checksums promise; `inner` is its IP header. Less than 2^18. */
static __always_inline __u32 gue_inner_sum(const struct pkt *p, const __u32 *inner)
{
	/* IPv6: addresses and length are in the header and in the pseudo-header, and cancel out. */
	if (p->family == 6)
		return sum_word(inner[0]) + (inner[1] >> 16) + (__u16) ~(p->protocol << 8);
	return (__u16)~sum_fold(sum_word(p->source[0]) + sum_word(p->destination[0]) +
				(p->protocol << 8) + bpf_htons(p->length - sizeof(struct iphdr)));
}

/* Writes UDP and GUE; the checksum is 0 unless given the sum of all else that it covers. */
static __always_inline void gue_write(const struct pkt *p, struct udphdr *udp, __u32 sum)
{
	struct gue_header *gue = (void *)(udp + 1);
	__u8 protocol = inner_protocol(p);
	__be16 port = gue_source_port(p->hash);
	__u16 length = bpf_htons(p->length + GUE_LENGTH);
	__u16 check = 0;

	if (sum) {
		/* The length is in the UDP header and in the pseudo-header. */
		check = ~sum_fold(sum + port + 2 * length + (protocol << 8));
		if (!check)
			check = 0xffff; /* 0 says that there is none */
	}
	*(__u32 *)udp = port | (__u32)GUE_PORT << 16;
	*((__u32 *)udp + 1) = length | (__u32)check << 16;
	*(__u32 *)gue = (__u32)protocol << 8;
}

static __always_inline void write_gue4(const struct pkt *p, void *data)
{
	write_ipv4(p, data, IPPROTO_UDP, p->length + GUE_LENGTH);
	gue_write(p, data + OUTER4_END, 0);
}

/* The packet's first 8 bytes are there. `sum_known`: gue_knows_sum(). */
static __always_inline void write_gue6(const struct pkt *p, void *data, bool sum_known)
{
	write_ipv6(p, data, IPPROTO_UDP, p->length + GUE_LENGTH);
	gue_write(p, data + OUTER6_END,
		  sum_known ? p->path->checksum + gue_inner_sum(p, data + GUE6_END) : 0);
}

#endif
