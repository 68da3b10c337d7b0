/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* RFC 791 section 3.1: the word of flags and fragment offset, in wire order. */
#ifndef PROTO_IPV4_H
#define PROTO_IPV4_H

#include <bpf/bpf_endian.h>

#define IPV4_DF	    bpf_htons(0x4000) /* don't fragment */
#define IPV4_MF	    bpf_htons(0x2000) /* more fragments */
#define IPV4_OFFSET bpf_htons(0x1fff) /* in units of 8 bytes */

#endif
