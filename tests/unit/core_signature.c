/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The header that webhooks are signed with, against what openssl makes of the same (docs/alerts.md). */
#include <string.h>

#include "core/key.h"
#include "core/signature.h"
#include "unit/unit.h"

static void expect(const char *secret, uint64_t time_s, const char *body, const char *expected)
{
	char out[SIGNATURE_SIZE];

	ck_assert_int_eq(key_init(), 0);
	ck_assert_str_eq(signature_make(secret, strlen(secret), time_s, body, out), expected);
}

START_TEST(a_signature_is_what_openssl_makes_of_time_and_body)
{
	expect("s3cret", 1795572831, "{\"a\":1}",
	       "t=1795572831,v1=c39d73c9868bc58f9f85fde04e4c7fcc48376244d0a8e63b1e03a8c628d0a004");
}
END_TEST

START_TEST(secrets_longer_than_a_block_are_taken_whole)
{
	char secret[101] = "";

	memset(secret, 'k', 100);
	expect(secret, 0, "",
	       "t=0,v1=243c2f8200e1d4ee892e7a7ded377a65e2beb1c64b997c54b8b0f516216d4b0f");
}
END_TEST

RUN_TESTS("core_signature", a_signature_is_what_openssl_makes_of_time_and_body,
	  secrets_longer_than_a_block_are_taken_whole)
