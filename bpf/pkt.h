/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * A packet on its way through the steps. Every step takes it and returns a verdict: SL_GO_ON for the next
 * step, anything else ends the packet by what done.h has. Fields are filled in by the step that is named.
 *
 * All steps are inlined into one function, and this struct lies on its stack. With its fields in registers a packet takes
 * longer: BPF has ten, and the compiler spills what the steps compute with.
 */
#ifndef BPF_PKT_H
#define BPF_PKT_H

#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#include <sluice/abi.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "headers are composed in little-endian words");

/* What of the packet this frame shows. */
enum pkt_part {
	PKT_WHOLE,
	PKT_FIRST_FRAGMENT, /* the ports are there, the rest is not */
	PKT_LATER_FRAGMENT, /* no ports */
	PKT_MANY_HEADERS,   /* no ports: they lie behind more extension headers than are read */
};

/* What the kernel calls the program with; a tc program says otherwise before it includes this. Both have data and data_end. */
#ifndef PKT_CONTEXT
#define PKT_CONTEXT struct xdp_md
#endif

struct pkt {
	PKT_CONTEXT *ctx;

	/* parse */
	__u8 tcp_flags; /* set by service, 0 for UDP */
	__u8 family;	/* 4 or 6 */
	__u8 protocol;	/* IPPROTO_TCP or IPPROTO_UDP */
	__u8 tos;	/* IPv4 type of service, IPv6 traffic class */
	__u32 tags;	/* bytes of VLAN tags before Ethernet's type: 0, 4, 8 */
	enum pkt_part part;
	__be16 fragment; /* IPv4's word of flags and offset; an IPv6 packet counts as DF */
	__be16 id;	 /* IPv4's */
	__u32 length;	 /* of the IP packet, by its header */
	__u32 headers;	 /* bytes of it before the transport header */
	void *transport; /* the transport header, of which 8 bytes are there; NULL: it is not in this frame, see
			    * part. Not to be used once the head has moved. */
	__u32 ports; /* source, destination: as they lie in the packet */
	union {	     /* as they lie in the packet; IPv4 in the first word */
		__u32 source[4];
		__u64 source64[2];
	};
	union {
		__u32 destination[4];
		__u64 destination64[2];
	};

	/* service; where GUE may be used */
	__u8 sum_known; /* its own checksum tells what its bytes sum up to (gue.h) */

	/* service, slot, nexthop */
	const struct sl_service *service;
	__u64 hash; /* the flow's; where more fragments follow, the packet's (fragment.h) */
	__u32 slot; /* from the start of the map */
	__u32 look; /* the slot wants flows looked up */
	const struct sl_backend *backend;
	const struct sl_path *path;
	__u32 service_line;  /* of the counters; 0: none yet */
	__u32 backend_index; /* SL_NOBODY: none yet */
};

/* Sets what a step may read that no step has written; to zero the rest would cost 2 ns. */
static __always_inline void pkt_init(struct pkt *p, PKT_CONTEXT *ctx)
{
	p->ctx = ctx;
	p->part = PKT_WHOLE;
	p->tcp_flags = 0;
	p->tags = 0;
	p->transport = NULL;
	p->service_line = 0;
	p->backend_index = SL_NOBODY;
}

static __always_inline __be16 pkt_port(const struct pkt *p)
{
	return p->ports >> 16; /* the destination's: the second half in memory */
}

/* The packet's bytes. Loaded anew after each change of the head: the verifier forgets them then. */
static __always_inline void *pkt_data(const struct pkt *p)
{
	return (void *)(long)p->ctx->data;
}

/* Keeps the compiler from computing a checked pointer once more, by other steps that the verifier cannot follow. */
#define PKT_OPAQUE(pointer) asm volatile("" : "+r"(pointer))

/* Bytes of the frame before the IP packet. */
static __always_inline __u32 pkt_ethernet(const struct pkt *p)
{
	return sizeof(struct ethhdr) + p->tags;
}

/* The IP packet; not to be used once the head has moved. */
static __always_inline void *pkt_network(const struct pkt *p)
{
	return pkt_data(p) + pkt_ethernet(p);
}

/* The end of what can be read: of the frame's first buffer. Headers lie there; more may come in others (service_holds()). */
static __always_inline void *pkt_end(const struct pkt *p)
{
	return (void *)(long)p->ctx->data_end;
}

#endif
