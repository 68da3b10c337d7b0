/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "core/signature.h"

const char *signature_make(const char *secret, size_t length, uint64_t time_s, const char *body,
			   char out[SIGNATURE_SIZE])
{
	crypto_auth_hmacsha256_state state;
	uint8_t mac[crypto_auth_hmacsha256_BYTES];
	int written = snprintf(out, SIGNATURE_SIZE, "%" PRIu64 ".", time_s);

	crypto_auth_hmacsha256_init(&state, (const uint8_t *)secret, length);
	crypto_auth_hmacsha256_update(&state, (const uint8_t *)out, written);
	crypto_auth_hmacsha256_update(&state, (const uint8_t *)body, strlen(body));
	crypto_auth_hmacsha256_final(&state, mac);
	sodium_memzero(&state, sizeof(state));
	written = snprintf(out, SIGNATURE_SIZE, "t=%" PRIu64 ",v1=", time_s);
	text_format_hex(mac, sizeof(mac), out + written);
	return out;
}
