/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The keyed hash of a flow, the same in the data path, in the agent and on every host of a cluster.
 *
 * Two 32-bit halves, each the upper half of a Multilinear-HM sum over 32-bit words w with 64-bit keys k
 * of its own (Lemire & Kaser, "Strongly universal string hashing is fast", 2013, section 3: of a sum
 * modulo 2^64 the upper 32 bits are strongly universal):
 *
 *	half = (k0 + (w0 + k1)(w1 + k2) + (w2 + k3)(w3 + k4) + ...) mod 2^64 >> 32
 *
 * The halves are independent, so two given flows collide with probability 2^-64 over the choice of
 * keys, whoever picks the flows. The halves are linear in ways that an observer of many placements
 * could use, so a bijective non-linear finaliser follows (splitmix64's, Steele, Lea & Flood 2014).
 *
 * Words are read from the packet as little-endian 32-bit integers:
 *	IPv4: source, destination, ports, protocol		(ports: source in the lower 16 bits)
 *	IPv6: source 4, destination 4, ports, protocol
 * IPv4 and IPv6 have keys of their own.
 */
#ifndef SLUICE_HASH_H
#define SLUICE_HASH_H

#include <linux/types.h>

/* Always inlined in a packet's way, also where a compiler that finds two callers would make a call of it. */
#define SL_HASH_INLINE static inline __attribute__((always_inline))

#define SL_HASH_WORDS4 4
#define SL_HASH_WORDS6 10

/* Key words, derived from the cluster's key (user/core/key.h). v4[h] and v6[h] make half h. */
struct sl_hash_key {
	__u64 v4[2][SL_HASH_WORDS4 + 1];
	__u64 v6[2][SL_HASH_WORDS6 + 1];
};

SL_HASH_INLINE __u64 sl_hash_finish(__u64 upper_sum, __u64 lower_sum)
{
	__u64 x = (upper_sum & 0xffffffff00000000ULL) | lower_sum >> 32;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

/*
 * The hash of an IPv4 flow. `source`, `destination`: addresses as loaded from the packet; `ports`: both
 * ports as one 32-bit load from the transport header; `protocol`: IPPROTO_*.
 */
SL_HASH_INLINE __u64 sl_hash4(const volatile struct sl_hash_key *key, __u32 source,
			      __u32 destination, __u32 ports, __u32 protocol)
{
	const volatile __u64 *a = key->v4[0], *b = key->v4[1];

	return sl_hash_finish(
		a[0] + (source + a[1]) * (destination + a[2]) + (ports + a[3]) * (protocol + a[4]),
		b[0] + (source + b[1]) * (destination + b[2]) + (ports + b[3]) * (protocol + b[4]));
}

SL_HASH_INLINE __u64 sl_hash_sum6(const volatile __u64 *k, const __u32 *source,
				  const __u32 *destination, __u32 ports, __u32 protocol)
{
	return k[0] + (source[0] + k[1]) * (source[1] + k[2]) +
	       (source[2] + k[3]) * (source[3] + k[4]) +
	       (destination[0] + k[5]) * (destination[1] + k[6]) +
	       (destination[2] + k[7]) * (destination[3] + k[8]) +
	       (ports + k[9]) * (protocol + k[10]);
}

/* The hash of an IPv6 flow; addresses are four words each, as loaded from the packet. */
SL_HASH_INLINE __u64 sl_hash6(const volatile struct sl_hash_key *key, const __u32 source[4],
			      const __u32 destination[4], __u32 ports, __u32 protocol)
{
	return sl_hash_finish(sl_hash_sum6(key->v6[0], source, destination, ports, protocol),
			      sl_hash_sum6(key->v6[1], source, destination, ports, protocol));
}

/*
 * The hash that gives a flow its slot where all flows of a client are to go to one backend (`affinity: source`). No packet
 * of a flow has these words, since its protocol is not 0.
 */
SL_HASH_INLINE __u64 sl_hash_source4(const volatile struct sl_hash_key *key, __u32 source,
				     __u32 destination)
{
	return sl_hash4(key, source, destination, 0, 0);
}

SL_HASH_INLINE __u64 sl_hash_source6(const volatile struct sl_hash_key *key, const __u32 source[4],
				     const __u32 destination[4])
{
	return sl_hash6(key, source, destination, 0, 0);
}

/* The slot of a flow in a table of `slots`: multiply-shift of the hash's upper half, never a modulo. */
static inline __u32 sl_hash_slot(__u64 hash, __u32 slots)
{
	return (hash >> 32) * slots >> 32;
}

#endif
