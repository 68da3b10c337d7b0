/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What every version of QUIC has in common (RFC 8999), and the first octet of QUIC-LB's connection ids. */
#ifndef PROTO_QUIC_H
#define PROTO_QUIC_H

#include <linux/types.h>

/* Section 5.1: first octet, version (4), length of the destination's connection id, and that. */
#define QUIC_LONG	 0x80 /* of the first octet; without it the header is short (section 5.2) */
#define QUIC_LONG_LENGTH 5
#define QUIC_LONG_ID	 6
/* Section 5.2: first octet, and the destination's connection id, whose length is nowhere. */
#define QUIC_SHORT_ID 1

/* draft-ietf-quic-load-balancers: the first octet of a connection id; server id and nonce follow in the plaintext form. */
static inline unsigned int quic_lb_rotation(__u8 first)
{
	return first >> 5;
}

static inline unsigned int quic_lb_length(__u8 first)
{
	return first & 0x1f; /* if it says that: of the connection id, less this octet */
}

#endif
