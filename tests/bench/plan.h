/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What the driver makes of its frame, for one case: written by the bench, read by bench.bpf.c. */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include <linux/types.h>

/* Bytes that every frame has at least, so that each offset below lies inside it. */
#define FRAME_SIZE 128

/* Words are as they lie in the frame, little-endian. */
struct bench_plan {
	__u64 next; /* number of the next packet; the only word that the driver writes */
	__u64 mask; /* number of flows - 1, a power of two less one; all ones: every packet is a new flow */
	__u64 ethernet[2];  /* bytes 0-7 and 6-13 of the frame */
	__u64 address[4];   /* IPv4: [0] source and destination; IPv6: source, destination */
	__u64 transport;    /* the transport header's first 8 bytes */
	__u64 ports;	    /* those of their bits that differ by flow */
	__u32 transport_at; /* its offset in the frame, below FRAME_SIZE - 8 */
	__u32 family;	    /* 4, 6; 0: neither, and nothing but the Ethernet header is written */
	__u32 ifindex;	    /* where the generator sends its frames */
	__u32 flood;	    /* 1: every other packet is a new flow, whatever `mask` says; else 0 */
	__u64 tag[2];	    /* bytes 12-19 and 14-21 of the frame, where `tagged` says so */
	__u64 option;	    /* bytes 16-23 of the TCP header, where `optioned` says so */
	__u32 tagged, optioned; /* 0 or 1 */
	__u32 tags;		/* bytes of VLAN tags: 0, 4, 8 */
	__u32 size;		/* of the frame */
	__s32 cut;		/* bytes that the program under test takes from its end */
};

#endif
