/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON texts of strangers: bounded in size, depth and number of values before the parser sees them,
 * since each value costs it tens of bytes for as little as two; and text made UTF-8 before it is
 * written.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "wire/record.h"

/*
 * Out of memory ends the program (base/mem.h), within jansson, too: so no document is ever written
 * with a part missing. It must be told before its first allocation.
 */
__attribute__((constructor)) static void use_mem(void)
{
	json_set_alloc_funcs(mem_alloc, free);
}

/* Counts brackets, commas and colons outside of strings. */
static int check_bounds(const char *what, const char *text, size_t length,
			const struct wire_bounds *bounds, struct problems *p)
{
	size_t values = 1;
	unsigned int depth = 0;
	bool in_string = false;

	if (length > bounds->bytes)
		return problems_add(p, -EINVAL, what, NULL, "is longer than %zu bytes",
				    bounds->bytes);
	for (size_t i = 0; i < length; i++) {
		char c = text[i];

		if (in_string) {
			i += c == '\\';
			in_string = c != '"';
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			depth++;
			values++;
		} else if (c == '}' || c == ']') {
			depth -= depth > 0;
		} else if (c == ',' || c == ':') {
			values++;
		}
		if (depth > bounds->depth)
			return problems_add(p, -EINVAL, what, NULL, "is nested deeper than %u",
					    bounds->depth);
		if (values > bounds->values)
			return problems_add(p, -EINVAL, what, NULL, "has more than %zu values",
					    bounds->values);
	}
	return 0;
}

json_t *wire_parse(const char *what, const char *text, size_t length,
		   const struct wire_bounds *bounds, struct problems *p)
{
	json_error_t error;
	json_t *json;

	if (check_bounds(what, text, length, bounds, p))
		return NULL;
	json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
	if (!json)
		problems_add(p, -EINVAL, what, NULL, "is not a JSON document: %s (at byte %d)",
			     error.text, error.position);
	return json;
}

/* Length of the UTF-8 sequence at `s` (RFC 3629, section 4); 0: none, or NUL. */
static size_t sequence(const unsigned char *s, size_t left)
{
	/* First byte's range, length, and range of the second byte. */
	static const struct {
		unsigned char first, last, length, second_min, second_max;
	} forms[] = {
		{0x01, 0x7f, 1, 0, 0},	     {0xc2, 0xdf, 2, 0x80, 0xbf},
		{0xe0, 0xe0, 3, 0xa0, 0xbf}, {0xe1, 0xec, 3, 0x80, 0xbf},
		{0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
		{0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf},
		{0xf4, 0xf4, 4, 0x80, 0x8f},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (s[0] < forms[i].first || s[0] > forms[i].last)
			continue;
		if (forms[i].length > left)
			return 0;
		if (forms[i].length > 1 &&
		    (s[1] < forms[i].second_min || s[1] > forms[i].second_max))
			return 0;
		for (size_t j = 2; j < forms[i].length; j++)
			if ((s[j] & 0xc0) != 0x80)
				return 0;
		return forms[i].length;
	}
	return 0;
}

size_t wire_utf8_length(const char *text, size_t length)
{
	size_t done = 0, step;

	while (done < length) {
		step = sequence((const unsigned char *)text + done, length - done);
		if (!step)
			break;
		done += step;
	}
	return done;
}

json_t *wire_text(const char *text)
{
	size_t left = strlen(text);
	struct text clean = {};
	json_t *json;

	for (;;) {
		size_t valid = wire_utf8_length(text, left);

		text_add_bytes(&clean, text, valid);
		if (valid == left)
			break;
		text_add(&clean, "\xef\xbf\xbd"); /* U+FFFD, the replacement character */
		text += valid + 1;
		left -= valid + 1;
	}
	json = json_stringn(clean.data, clean.length);
	text_free(&clean);
	return json;
}

char *wire_dump(json_t *json)
{
	char *line = json_dumps(json, JSON_COMPACT);

	json_decref(json);
	return line;
}
