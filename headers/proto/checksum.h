/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The checksum of IP, TCP, UDP and ICMP (RFC 1071): the complement of the sum, in ones' complement, of 16-bit words. Words are
 * as loaded from memory, in whatever order of bytes: the sum is then in the same.
 */
#ifndef PROTO_CHECKSUM_H
#define PROTO_CHECKSUM_H

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

/* A 32-bit word as two of a sum of 16-bit words. */
static __always_inline __u32 sum_word(__u32 word)
{
	return (word & 0xffff) + (word >> 16);
}

/* Folds a sum, which may have all of 32 bits: twice is enough. */
static __always_inline __u16 sum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return sum + (sum >> 16);
}

/* The checksum of what had the word `from` and has `to` now. RFC 1624, eqn. 3: HC' = ~(~HC + ~m + m'). */
static __always_inline __u16 sum_replace(__u16 checksum, __u16 from, __u16 to)
{
	return ~sum_fold((__u16)~checksum + (__u16)~from + to);
}

#endif
