/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The words of a flow entry and the places where a flow may be, for packets and for the agent.
 *
 *	check = hash ^ backend << 48		so that userspace recovers the hash, and a reader believes an
 *						entry only if check and data fit each other and its own hash
 *	data  = slot 24 | flags 8 | backend 16 | tick 16 bits, from the top
 *
 * Every change of an entry is one compare-and-swap of data. The flags hold a count that each claim raises:
 * without it two entries could look the same to a swap that was prepared for the older one.
 */
#ifndef SLUICE_FLOW_H
#define SLUICE_FLOW_H

#include <linux/types.h>

#define SL_FLOW_TICK	  0xffffULL
#define SL_FLOW_BACKEND	  0xffff0000ULL /* 0: the entry is free; SL_FLOW_LOCK: it is being written */
#define SL_FLOW_LOCK	  0xffff0000ULL
#define SL_FLOW_SYN_ONLY  (1ULL << 32) /* nothing but SYNs was seen of it */
#define SL_FLOW_CLOSING	  (1ULL << 33) /* its last packet had FIN or RST */
#define SL_FLOW_PEER	  (1ULL << 34) /* told by a peer (later) */
#define SL_FLOW_COUNT_ONE (1ULL << 35)
#define SL_FLOW_COUNT	  (31ULL << 35)

static inline __u64 sl_flow_check(__u64 hash, __u32 backend)
{
	return hash ^ (__u64)backend << 48;
}

static inline __u64 sl_flow_data(__u32 slot, __u64 flags, __u32 backend, __u16 tick)
{
	return (__u64)slot << 40 | flags | (__u64)backend << 16 | tick;
}

static inline __u32 sl_flow_slot(__u64 data)
{
	return data >> 40;
}

static inline __u32 sl_flow_backend(__u64 data)
{
	return data >> 16 & 0xffff;
}

/* Another CPU may have written an entry a moment after `tick` was read. */
#define SL_FLOW_AHEAD 60

/* Ticks since the entry's flow sent a packet. The tick wraps: an age is right up to some 18 hours. */
static inline __u16 sl_flow_age(__u64 data, __u16 tick)
{
	__u16 age = tick - (__u16)data;

	return age > 0xffff - SL_FLOW_AHEAD ? 0 : age;
}

/* True for an entry of some flow: neither free nor being written. */
static inline _Bool sl_flow_in_use(__u64 data)
{
	return (data & SL_FLOW_BACKEND) != 0 && (data & SL_FLOW_BACKEND) != SL_FLOW_LOCK;
}

/* Whether an entry's words are those of one claim, and of the flow with this hash. */
static inline _Bool sl_flow_fits(__u64 hash, __u64 data, __u64 check)
{
	return (check ^ hash) == (data & SL_FLOW_BACKEND) << 32;
}

/* The two buckets of a flow: of one page, and different. */
struct sl_flow_place {
	__u32 bucket[2];
};

/*
 * `mask`: buckets less one; `page`: buckets in a page, both powers of two, the page at least 2 and at most all.
 * Keyed by the host (x is taken apart from its well-mixed upper end), so that nobody can plan which flows meet.
 */
static inline struct sl_flow_place sl_flow_place(__u64 hash, __u64 place_xor, __u64 place_factor,
						 __u32 mask, __u32 page)
{
	__u64 x = (hash ^ place_xor) * place_factor;
	__u32 apart = ((x >> 24 & 0xffff) * (page - 1) >> 16) + 1;
	__u32 first = x >> 40 & mask;

	return (struct sl_flow_place){{first, first ^ apart}};
}

#endif
