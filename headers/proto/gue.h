/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Generic UDP Encapsulation, draft-ietf-intarea-gue-09: a UDP datagram (section 3) that begins with four bytes and any
 * extension fields. Variant 0 (section 3.2):
 *
 *	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *	+---+-+---------+---------------+-------------------------------+
 *	| 0 |C|  Hlen   |  Proto/ctype  |             Flags             |
 *	+---+-+---------+---------------+-------------------------------+
 *
 * C: a control message; Hlen: extension fields, in units of four bytes; flags say which they are.
 */
#ifndef PROTO_GUE_H
#define PROTO_GUE_H

#include <linux/types.h>
#include <bpf/bpf_endian.h>

#define GUE_PORT bpf_htons(6080) /* registered by IANA; the destination's */

struct gue_header {
	__u8 first;    /* variant, C and Hlen; 0: a packet, variant 0, without extension fields */
	__u8 protocol; /* IPPROTO_* of what follows */
	__be16 flags;
};

/*
 * The source port of a flow, which spreads flows over links and queues: of the dynamic ports, so 14 bits of a hash
 * (RFC 8085 section 5.1.1, RFC 6335).
 */
static inline __be16 gue_source_port(__u16 hash)
{
	return bpf_htons(0xc000 | hash);
}

#endif
