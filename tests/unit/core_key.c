/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Key files, and goldens of the derived keys. The goldens were computed independently, by Python's
 * hashlib.blake2b with key, salt (the subkey's number) and person (the context), as libsodium
 * documents crypto_kdf_blake2b.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "core/key.h"
#include "unit/unit.h"

#define HEX	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEX_BAD "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1"

static const uint64_t golden_words[] = {
	0x467aa3f168ad55cd, 0xaf73afb3aa75b9da, 0xa4a94f700135638a, 0x4aff6efa0db0777a,
	0xcb6a0aaf69a12b3f, 0x34696f53ff468dfc, 0x6346b2bc63eaa09a, 0x6bdf91077a10a2d9,
	0x910248b6e23bcd39, 0x43dcdd8db9be8e47, 0xebfecd0e555d4266, 0x4aa54d6e90d578b3,
	0x23134c704199ca4e, 0x583e0b6d91e73d58, 0xfa47fdb32baf8e96, 0x294665f8c9b165f5,
	0x538a81344283f99f, 0x2cba9b249e721f2e, 0xbf1104b1af60c846, 0x93fefd87c313be0e,
	0x905a5a6bc644fbfb, 0xdf2661475acbce30, 0x70eb5b557027592f, 0x259831616d82e72a,
	0xccc1a4f4acfd8c8a, 0x0b685ec33f7630db, 0x7173e85caae1c0af, 0x68dde4e0595ce7d7,
	0xe50e1fcfd2bed8e4, 0xea52beb2127446cd, 0xcf2010c0cc7d5344, 0x99f6c5c639f319d9,
};
#define GOLDEN_MAGLEV "d67c42811db83fc60c4c61bb88a56d60a4914248c2b51ac23e2849b561f169b8"
#define GOLDEN_ID     "385fd5b44f5b8b0a"

static void check_golden(const struct key *key)
{
	char text[65];

	ck_assert_str_eq(text_format_hex(key->master, 32, text), HEX);
	ck_assert_uint_eq(sizeof(key->hash), sizeof(golden_words));
	ck_assert_mem_eq(&key->hash, golden_words, sizeof(golden_words));
	ck_assert_str_eq(text_format_hex(key->maglev, 32, text), GOLDEN_MAGLEV);
	ck_assert_str_eq(text_format_hex(key->id, 8, text), GOLDEN_ID);
}

START_TEST(derived_keys_are_the_golden_ones)
{
	uint8_t master[SL_KEY_SIZE];
	struct key key;

	ck_assert_int_eq(text_parse_hex(HEX, master, sizeof(master)), 0);
	key_derive(master, &key);
	check_golden(&key);
	key_derive(key.master, &key); /* in place */
	check_golden(&key);
}
END_TEST

START_TEST(every_form_of_a_good_file_is_read)
{
	static const char *const good[] = {
		"hash " HEX "\n",
		"hash " HEX,
		"# a comment\n\n  hash\t" HEX "  \r\n",
		"aead 1 " HEX "\nhash " HEX "\naead 2 " HEX "\naead 0 " HEX "\naead 255 " HEX "\n",
		"#hash " HEX_BAD "\nhash " HEX "\n#" HEX HEX HEX "\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct problems p = {};
		struct key key;

		ck_assert_int_eq(key_parse("k", good[i], strlen(good[i]), &key, &p), 0);
		ck_assert_uint_eq(p.count, 0);
		check_golden(&key);
	}
}
END_TEST

START_TEST(every_bad_line_is_named_and_no_key_is_shown)
{
	static const struct {
		const char *text;
		unsigned int line; /* 0: the file as a whole */
		size_t problems;
	} bad[] = {
		{"", 0, 1},
		{"# nothing\n", 0, 1},
		{"aead 1 " HEX "\n", 0, 1},
		{"\nhash " HEX_BAD "\n", 2, 1},
		{"hash " HEX "0\n", 1, 1},
		{"hash " HEX " more\n", 1, 1},
		{"hash\n", 1, 1},
		{"hash " HEX "\nhash " HEX "\n", 2, 1},
		{"hash " HEX "\naead " HEX "\n", 2, 1},
		{"hash " HEX "\naead 256 " HEX "\n", 2, 1},
		{"hash " HEX "\naead 01 " HEX "\n", 2, 1},
		{"hash " HEX "\naead 1 " HEX_BAD "\n", 2, 1},
		{"hash " HEX "\naead 1 " HEX "\naead 1 " HEX "\n", 3, 1},
		{"hash " HEX "\naead 1 " HEX " x y z\n", 2, 1},
		{HEX "\n", 1, 1},
		{"hash " HEX "\n" HEX HEX HEX HEX HEX "\n", 2, 1},
		{"key " HEX "\nhash x\naead\n", 1, 3},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct problems p = {};
		struct key key, before;

		memset(&key, 0x5a, sizeof(key));
		before = key;
		ck_assert_int_eq(
			key_parse("cluster.key", bad[i].text, strlen(bad[i].text), &key, &p),
			-EINVAL);
		ck_assert_mem_eq(&key, &before, sizeof(key));
		ck_assert_uint_eq(p.count, bad[i].problems);
		ck_assert_uint_eq(p.list[0].line, bad[i].line);
		for (size_t n = 0; n < p.count; n++) {
			char *text = problem_text(&p.list[n]);

			ck_assert_ptr_nonnull(strstr(text, "cluster.key"));
			ck_assert_ptr_null(strstr(text, "0a0b0c"));
			free(text);
		}
		problems_free(&p);
	}
}
END_TEST

START_TEST(a_nul_byte_does_not_hide_the_rest_of_a_line)
{
	static const char text[] = "hash " HEX "\0 more\n";
	struct problems p = {};
	struct key key;

	ck_assert_int_eq(key_parse("k", text, sizeof(text) - 1, &key, &p), -EINVAL);
	ck_assert_uint_eq(p.list[0].line, 1);
	problems_free(&p);
}
END_TEST

START_TEST(every_bit_of_the_master_changes_every_key)
{
	uint8_t master[SL_KEY_SIZE] = {};
	struct key first, other;

	key_derive(master, &first);
	for (unsigned int bit = 0; bit < 8 * sizeof(master); bit++) {
		const uint64_t *a = (const uint64_t *)&first.hash,
			       *b = (const uint64_t *)&other.hash;

		master[bit / 8] ^= 1 << bit % 8;
		key_derive(master, &other);
		master[bit / 8] ^= 1 << bit % 8;
		for (size_t i = 0; i < sizeof(first.hash) / sizeof(*a); i++)
			ck_assert_uint_ne(a[i], b[i]);
		ck_assert_mem_ne(first.maglev, other.maglev, sizeof(first.maglev));
		ck_assert_mem_ne(first.id, other.id, sizeof(first.id));
	}
}
END_TEST

RUN_TESTS("core_key", derived_keys_are_the_golden_ones, every_form_of_a_good_file_is_read,
	  every_bad_line_is_named_and_no_key_is_shown, a_nul_byte_does_not_hide_the_rest_of_a_line,
	  every_bit_of_the_master_changes_every_key)
