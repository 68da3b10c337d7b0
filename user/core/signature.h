/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a webhook's receiver knows that an alert is ours: a header over its body,
 *
 *	Sluice-Signature: t=1795572831,v1=HEX
 *
 * HEX is HMAC-SHA256 (RFC 2104) under the sink's secret of the text "1795572831." followed by the body; t is when it was
 * sent, in seconds since 1970, so that a receiver can refuse what was recorded and sent again.
 */
#ifndef CORE_SIGNATURE_H
#define CORE_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

#define SIGNATURE_SIZE 96

/* The header's value. The secret may be of any length. */
const char *signature_make(const char *secret, size_t length, uint64_t time_s, const char *body,
			   char out[SIGNATURE_SIZE]);

#endif
