/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sealed.h"
#include "base/mem.h"
#include "base/text.h"

#define HEX_SIZE (2 * SEALED_HASH_SIZE + 1)

void sealed_hash(const void *data, size_t length, uint8_t out[SEALED_HASH_SIZE])
{
	key_digest(data, length, out);
}

void sealed_add(const char *magic, const struct text *body, struct text *out)
{
	uint8_t hash[SEALED_HASH_SIZE];
	char hex[HEX_SIZE];

	sealed_hash(body->data, body->length, hash);
	text_add(out, "%s %s\n", magic, text_format_hex(hash, sizeof(hash), hex));
	text_add_bytes(out, body->data, body->length);
}

char *sealed_line(struct sealed *s)
{
	const char *newline = memchr(s->at, '\n', s->end - s->at);
	char *line;

	if (!newline)
		return NULL;
	line = sealed_bytes(s, newline - s->at);
	s->at++;
	return line;
}

char *sealed_bytes(struct sealed *s, size_t length)
{
	char *bytes;

	if (length > (size_t)(s->end - s->at))
		return NULL;
	bytes = mem_alloc(length + 1);
	memcpy(bytes, s->at, length);
	s->at += length;
	return bytes;
}

char *sealed_word(char **rest)
{
	char *word = *rest;

	*rest = word ? strchr(word, ' ') : NULL;
	if (*rest)
		*(*rest)++ = '\0';
	return word;
}

int sealed_open(const char *magic, const char *data, size_t length, struct sealed *out,
		const char **what)
{
	uint8_t hash[SEALED_HASH_SIZE], expected[SEALED_HASH_SIZE];
	struct sealed s = {data, data + length};
	size_t prefix = strlen(magic);
	char *line = sealed_line(&s);
	int err = 0;

	if (!line || strncmp(line, magic, prefix) || line[prefix] != ' ') {
		*what = "is not a state file of this version";
		err = -EBADMSG;
	} else {
		sealed_hash(s.at, s.end - s.at, hash);
		if (text_parse_hex(line + prefix + 1, expected, sizeof(expected)) ||
		    memcmp(hash, expected, sizeof(hash))) {
			*what = "is damaged: its checksum does not fit";
			err = -EBADMSG;
		}
	}
	free(line);
	if (!err)
		*out = s;
	return err;
}
