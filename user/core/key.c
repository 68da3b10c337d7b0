/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Key files and the keys derived from them. Problems never show what stands in a line with a key:
 * they end up in logs and terminals.
 */
#include <endian.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "core/key.h"

#define CONTEXT	       "sluicev1"
#define SUBKEY_SIZE    32
#define SUBKEY_MAGLEV  9
#define SUBKEY_ID      10
#define AEAD_ID_MAX    255
#define LINE_WORDS_MAX 3
#define LINE_SIZE      256

_Static_assert(sizeof(struct sl_hash_key) == 8 * SUBKEY_SIZE, "subkeys 1-8 are the hash key");
_Static_assert(SL_KEY_SIZE == crypto_kdf_KEYBYTES, "the cluster's key is crypto_kdf's");

struct reader {
	const char *file;
	unsigned int line;
	struct problems *p;
	bool has_hash;
	bool has_aead[AEAD_ID_MAX + 1];
	uint8_t master[SL_KEY_SIZE];
};

static int refuse(struct reader *r, const char *field, const char *expected)
{
	problems_add_at(r->p, r->file, r->line, 0, field, NULL, "%s", expected);
	return -EINVAL;
}

static int read_hash(struct reader *r, char **words, size_t count)
{
	if (count != 2)
		return refuse(r, "hash", "expected: hash HEX");
	if (r->has_hash)
		return refuse(r, "hash", "there is a hash line above already; keep one of them");
	if (text_parse_hex(words[1], r->master, sizeof(r->master)))
		return refuse(r, "hash", "expected 64 hex digits (32 bytes)");
	r->has_hash = true;
	return 0;
}

/* Peers will use these; for now they are only checked. */
static int read_aead(struct reader *r, char **words, size_t count)
{
	uint8_t key[SL_KEY_SIZE];
	uint64_t id;
	int err;

	if (count != 3)
		return refuse(r, "aead", "expected: aead ID HEX");
	if (text_parse_uint(words[1], AEAD_ID_MAX, &id))
		return refuse(r, "aead", "expected an ID from 0 to 255 as the second word");
	if (r->has_aead[id])
		return refuse(r, "aead", "this ID is in use above already; give each key its own");
	err = text_parse_hex(words[2], key, sizeof(key));
	sodium_memzero(key, sizeof(key));
	if (err)
		return refuse(r, "aead", "expected 64 hex digits (32 bytes) as the third word");
	r->has_aead[id] = true;
	return 0;
}

static const struct {
	const char *word;
	int (*read)(struct reader *r, char **words, size_t count);
} kinds[] = {{"hash", read_hash}, {"aead", read_aead}};

static int read_words(struct reader *r, char **words, size_t count)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(words[0], kinds[i].word))
			return kinds[i].read(r, words, count);
	return refuse(r, NULL,
		      "expected hash HEX, aead ID HEX, or a comment that begins with #; "
		      "`sluicectl key new` prints such a file");
}

static int read_line(struct reader *r, const char *start, size_t length)
{
	char line[LINE_SIZE], *words[LINE_WORDS_MAX + 1], *rest = line, *word;
	size_t count = 0;
	int err;

	if (length >= sizeof(line) || memchr(start, '\0', length))
		return refuse(r, NULL,
			      "this is no line of a key file; make one by: sluicectl key new");
	memcpy(line, start, length);
	line[length] = '\0';
	while (count <= LINE_WORDS_MAX && (word = strsep(&rest, " \t\r")))
		if (*word)
			words[count++] = word;
	err = !count || *words[0] == '#' ? 0 : read_words(r, words, count);
	sodium_memzero(line, sizeof(line));
	return err;
}

int key_parse(const char *file, const char *text, size_t length, struct key *out,
	      struct problems *p)
{
	struct reader r = {.file = file, .p = p};
	const char *end = text + length;
	int err = 0;

	while (text < end) {
		const char *newline = memchr(text, '\n', end - text);
		const char *stop = newline ? newline : end;

		r.line++;
		if (read_line(&r, text, stop - text))
			err = -EINVAL;
		text = stop + 1;
	}
	r.line = 0;
	if (!err && !r.has_hash)
		err = refuse(&r, "hash",
			     "the line is missing; make a key file by: sluicectl key new");
	if (!err)
		key_derive(r.master, out);
	sodium_memzero(&r, sizeof(r));
	return err;
}

void key_derive(const uint8_t master[SL_KEY_SIZE], struct key *out)
{
	union {
		uint8_t bytes[sizeof(struct sl_hash_key)];
		uint64_t words[sizeof(struct sl_hash_key) / sizeof(uint64_t)];
		struct sl_hash_key key;
	} hash;
	uint8_t id[SUBKEY_SIZE];
	/* It only picks the fastest BLAKE2b: hashing works whatever it returns. */
	int ignored = sodium_init();

	(void)ignored;
	for (unsigned int i = 0; i < sizeof(hash) / SUBKEY_SIZE; i++)
		crypto_kdf_derive_from_key(hash.bytes + i * SUBKEY_SIZE, SUBKEY_SIZE, 1 + i,
					   CONTEXT, master);
	for (size_t i = 0; i < ARRAY_SIZE(hash.words); i++)
		hash.words[i] = le64toh(hash.words[i]);
	out->hash = hash.key;
	crypto_kdf_derive_from_key(out->maglev, sizeof(out->maglev), SUBKEY_MAGLEV, CONTEXT,
				   master);
	crypto_kdf_derive_from_key(id, sizeof(id), SUBKEY_ID, CONTEXT, master);
	memcpy(out->id, id, sizeof(out->id));
	memmove(out->master, master, sizeof(out->master));
	sodium_memzero(&hash, sizeof(hash));
}

/* ---- what else the agent needs of libsodium -------------------------------------------------- */

int key_init(void)
{
	return sodium_init() < 0 ? -EIO : 0;
}

void key_random(uint8_t master[SL_KEY_SIZE])
{
	randombytes_buf(master, SL_KEY_SIZE);
}

void key_wipe(void *secret, size_t size)
{
	sodium_memzero(secret, size);
}

void key_digest(const void *data, size_t length, uint8_t out[KEY_DIGEST_SIZE])
{
	crypto_generichash(out, KEY_DIGEST_SIZE, data, length, NULL, 0);
}
