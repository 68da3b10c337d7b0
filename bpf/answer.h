/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What packets that the balancer itself answers (too_big.h, echo.h) have in common: who is answered, and by which way. */
#ifndef BPF_ANSWER_H
#define BPF_ANSWER_H

#include <stdbool.h>

#include <linux/if_ether.h>

#include "pkt.h"

/* An answer's TTL and hop limit. */
#define ANSWER_TTL 64

/* Who can be written to, and so can be answered. */
static __always_inline bool answer_is_host4(__be32 address)
{
	__u8 first = address;

	/* 0/8 is no host, 127/8 no other one; multicast, reserved and broadcast are from 224 up. */
	return first && first != 127 && first < 224;
}

static __always_inline bool answer_is_host6(const __u64 address[2])
{
	return (__u8)address[0] != 0xff && (address[0] || address[1]);
}

static __always_inline bool answer_has_sender(const struct pkt *p)
{
	return p->family == 4 ? answer_is_host4(p->source[0]) : answer_is_host6(p->source64);
}

/* Swaps the addresses of an Ethernet header: the answer goes where its question came from, with the same tags. */
static __always_inline void answer_swap_macs(void *ethernet)
{
	__u64 first = *(__u64 *)ethernet;      /* the destination, and 2 bytes of the source */
	__u32 rest = *(__u32 *)(ethernet + 8); /* 4 bytes of the source */

	*(__u64 *)ethernet = first >> 48 | (__u64)rest << 16 | first << 48;
	*(__u32 *)(ethernet + 8) = first >> 16;
}

#endif
