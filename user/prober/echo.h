/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ICMP echo, both versions (RFC 792, RFC 4443 section 4). Pure. */
#ifndef PROBER_ECHO_H
#define PROBER_ECHO_H

#include <stddef.h>
#include <stdint.h>

#include "prober/judge.h"

#define ECHO_SIZE 16 /* header and eight bytes of data */

/*
 * A request for a raw socket: of ICMPv6 the kernel fills the checksum in. The answer repeats `token`
 * in its identifier, sequence number and data, so that no answer of another probe, process or time
 * is taken for it.
 */
size_t echo_request(int family, uint64_t token, uint8_t out[ECHO_SIZE]);

/* A packet as a raw socket gives it: with the IP header of IPv4, without that of IPv6. */
enum judge echo_judge(int family, uint64_t token, const uint8_t *packet, size_t length);

#endif
