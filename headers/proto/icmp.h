/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* RFC 792 and RFC 4443: what every ICMP message begins with, and the types that the data path knows. */
#ifndef PROTO_ICMP_H
#define PROTO_ICMP_H

#include <linux/types.h>

struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 rest; /* by type; an error quotes the packet that it is about behind it */
};

enum icmp4_type {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACHABLE = 3, /* "fragmentation needed" is one of its codes (RFC 1191) */
	ICMP4_ECHO = 8,	       /* a request; all but its type comes back in the reply, as below */
	ICMP4_TIME_EXCEEDED = 11,
	ICMP4_PARAMETER_PROBLEM = 12,
};

/* Of ICMP4_UNREACHABLE: `rest` has the MTU of the next hop in its lower half (RFC 1191 section 4). */
#define ICMP4_FRAGMENTATION_NEEDED 4

enum icmp6_type {
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAMETER_PROBLEM = 4,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
};

#endif
