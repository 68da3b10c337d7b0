/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cluster's keys. A key file has one line "hash HEX" (32 bytes, never rotated: a new one would
 * move every flow) and lines "aead ID HEX" (for peers, later); blank lines and lines that begin
 * with # do not count. All key words are derived from the hash key by libsodium's crypto_kdf,
 * context "sluicev1": subkeys 1-8 are the words of struct sl_hash_key in their order (32 bytes
 * each, little-endian), 9 is the Maglev key, 10 the fingerprint.
 */
#ifndef CORE_KEY_H
#define CORE_KEY_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/abi.h>
#include <sluice/hash.h>

struct problems;

struct key {
	uint8_t master[SL_KEY_SIZE];
	struct sl_hash_key hash;
	uint8_t maglev[32];
	uint8_t id[8]; /* a fingerprint that may be shown */
};

/* Reads a key file's text; `file` names it in problems. Returns 0 or -EINVAL. */
int key_parse(const char *file, const char *text, size_t length, struct key *out,
	      struct problems *p);
void key_derive(const uint8_t master[SL_KEY_SIZE], struct key *out);

/* ---- what else the agent needs of libsodium -------------------------------------------------- */

#define KEY_DIGEST_SIZE 32

int key_init(void); /* before anything else here; -EIO: the kernel gives no random numbers */
void key_random(uint8_t master[SL_KEY_SIZE]);
void key_wipe(void *secret, size_t size);
void key_digest(const void *data, size_t length,
		uint8_t out[KEY_DIGEST_SIZE]); /* BLAKE2b, unkeyed */

#endif
