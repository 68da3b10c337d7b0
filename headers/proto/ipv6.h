/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* RFC 8200: extension headers (section 4), of which the fragment header (section 4.5) and the authentication header (RFC 4302) are two. */
#ifndef PROTO_IPV6_H
#define PROTO_IPV6_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>

/* The fixed start of every extension header. */
struct ipv6_extension {
	__u8 next; /* protocol of what follows */
	__u8 length; /* 8-byte units after the first; 0 in a fragment header; 4-byte units less 2 in an AH */
	__be16 fragment; /* of a fragment header: offset, two reserved bits, IPV6_MORE */
	__u8 rest[4];
};

#define IPV6_OFFSET bpf_htons(0xfff8) /* in bytes */
#define IPV6_MORE   bpf_htons(0x0001)

#define IPV6_EXTENSIONS                                                                 \
	(1ULL << IPPROTO_HOPOPTS | 1ULL << IPPROTO_ROUTING | 1ULL << IPPROTO_FRAGMENT | \
	 1ULL << IPPROTO_AH | 1ULL << IPPROTO_DSTOPTS)

/* The headers that may stand before a transport header. One comparison: the verifier follows each by itself. */
static inline _Bool ipv6_is_extension(__u8 protocol)
{
	return protocol < 64 && IPV6_EXTENSIONS >> protocol & 1;
}

/*
 * Bytes of an extension header that is no fragment header; those of an authentication header count otherwise (RFC 4302
 * section 2.2). Without a branch, for the same reason.
 */
static inline __u32 ipv6_extension_length(__u8 protocol, const struct ipv6_extension *extension)
{
	__u64 is_ah = ((protocol ^ (__u64)IPPROTO_AH) - 1) >> 63;
	__u64 bytes;

	asm volatile("" : "+r"(is_ah));
	bytes = 8 + extension->length * (8 - 4 * is_ah);
	/* At most 2,048, which the verifier of Linux 6.1 does not see. */
	asm volatile("" : "+r"(bytes));
	return bytes & 0xfff;
}

#endif
