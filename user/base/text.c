/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Growing text, and numbers with units: one suffix table for durations, one for counts. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

/* JSON numbers are exact up to here (RFC 8259, section 6), so nothing that the agent tells is larger. */
#define EXACT_MAX (UINT64_C(1) << 53)

struct unit {
	const char *suffix;
	uint64_t factor;
};

/* Ascending, so that the last one that divides a value gives its shortest form. */
static const struct unit durations[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
static const struct unit counts[] = {{"", 1}, {"k", 1 << 10}, {"M", 1 << 20}};

void text_add(struct text *text, const char *format, ...)
{
	va_list args;
	char *more;

	va_start(args, format);
	more = mem_vformat(format, args);
	va_end(args);
	text_add_bytes(text, more, strlen(more));
	free(more);
}

/* The capacity that a text of this length has: a power of two with room for the NUL. */
static size_t capacity(size_t length)
{
	size_t size = 64;

	while (size <= length)
		size *= 2;
	return size;
}

void text_add_bytes(struct text *text, const void *bytes, size_t length)
{
	size_t total = text->length + length;

	if (!text->data || capacity(total) != capacity(text->length))
		text->data = mem_resize(text->data, capacity(total), 1);
	if (length)
		memcpy(text->data + text->length, bytes, length);
	text->data[total] = '\0';
	text->length = total;
}

void text_add_json(struct text *text, const char *string)
{
	text_add_bytes(text, "\"", 1);
	for (const unsigned char *c = (const void *)string; *c; c++) {
		if (*c == '"' || *c == '\\')
			text_add(text, "\\%c", *c);
		else if (*c < 0x20)
			text_add(text, "\\u%04x", *c);
		else
			text_add_bytes(text, c, 1);
	}
	text_add_bytes(text, "\"", 1);
}

void text_free(struct text *text)
{
	free(text->data);
	*text = (struct text){};
}

/* Reads digits into *value and says in *end what follows them. */
static int parse_digits(const char *text, uint64_t max, uint64_t *value, const char **end)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t sum = 0;

	if (digits == 0 || (text[0] == '0' && digits > 1))
		return -EINVAL;
	*end = text + digits;
	for (; digits; digits--, text++) {
		unsigned int digit = *text - '0';

		if (sum > max / 10 || digit > max - sum * 10)
			return -ERANGE;
		sum = sum * 10 + digit;
	}
	*value = sum;
	return 0;
}

static int parse_with_unit(const char *text, const struct unit *units, size_t unit_count,
			   uint64_t *value)
{
	const char *suffix = "";
	uint64_t number = 0;
	int err = parse_digits(text, EXACT_MAX, &number, &suffix);

	if (err == -EINVAL)
		return err;
	for (size_t i = 0; i < unit_count; i++) {
		if (strcmp(suffix, units[i].suffix))
			continue;
		if (err || number > EXACT_MAX / units[i].factor)
			return -ERANGE;
		*value = number * units[i].factor;
		return 0;
	}
	return -EINVAL;
}

int text_parse_duration(const char *text, uint64_t *ms)
{
	return parse_with_unit(text, durations, ARRAY_SIZE(durations), ms);
}

int text_parse_count(const char *text, uint64_t *count)
{
	return parse_with_unit(text, counts, ARRAY_SIZE(counts), count);
}

const char *text_format_duration(uint64_t ms, char out[24])
{
	const struct unit *best = &durations[1]; /* "0s" */

	if (ms)
		for (size_t i = 0; i < ARRAY_SIZE(durations); i++)
			if (ms % durations[i].factor == 0)
				best = &durations[i];
	snprintf(out, 24, "%llu%s", (unsigned long long)(ms / best->factor), best->suffix);
	return out;
}

const char *text_format_time(uint64_t ms, char out[24])
{
	static const struct {
		uint64_t seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	uint64_t seconds = ms / 1000;
	size_t i = 0;
	int length = 0;

	while (i + 1 < ARRAY_SIZE(units) - 1 && seconds < units[i].seconds)
		i++;
	if (seconds >= units[i].seconds)
		length = snprintf(out, 24, "%" PRIu64 "%c ", seconds / units[i].seconds,
				  units[i].unit);
	snprintf(out + length, 24 - length, "%" PRIu64 "%c",
		 seconds % units[i].seconds / units[i + 1].seconds, units[i + 1].unit);
	return out;
}

int text_parse_uint(const char *text, uint64_t max, uint64_t *value)
{
	const char *end = "";
	uint64_t number = 0;
	int err = parse_digits(text, max, &number, &end);

	if (*end)
		return -EINVAL;
	if (!err)
		*value = number;
	return err;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = memchr(digits, c | 0x20, 16);

	/* 0x20 maps upper to lower case, and control characters to digits: those are refused. */
	if (!found || (unsigned char)c < '0')
		return -1;
	return found - digits;
}

int text_parse_hex(const char *text, void *bytes, size_t size)
{
	unsigned char *out = bytes;

	if (strlen(text) != 2 * size)
		return -EINVAL;
	for (size_t i = 0; i < 2 * size; i++)
		if (hex_digit(text[i]) < 0)
			return -EINVAL;
	for (size_t i = 0; i < size; i++)
		out[i] = hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]);
	return 0;
}

const char *text_format_hex(const void *bytes, size_t size, char *out)
{
	const unsigned char *in = bytes;

	for (size_t i = 0; i < size; i++)
		sprintf(out + 2 * i, "%02x", in[i]);
	out[2 * size] = '\0';
	return out;
}

/* ---- slips ----------------------------------------------------------------------------------- */

#define SLIP_WORD_MAX 32 /* longer words are near to nothing */

static size_t least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/*
 * Edits that make one word of the other: letters put in, left out, replaced (Wagner & Fischer 1974),
 * swapped. Both have at most SLIP_WORD_MAX.
 */
static size_t slips(const char *a, const char *b)
{
	size_t edits[SLIP_WORD_MAX + 1][SLIP_WORD_MAX + 1];
	size_t a_length = strlen(a), b_length = strlen(b);

	for (size_t i = 0; i <= a_length; i++) {
		for (size_t j = 0; j <= b_length; j++) {
			if (!i || !j) {
				edits[i][j] = i + j;
				continue;
			}
			edits[i][j] = least(edits[i - 1][j] + 1, edits[i][j - 1] + 1,
					    edits[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				edits[i][j] = least(edits[i][j], edits[i - 2][j - 2] + 1, SIZE_MAX);
		}
	}
	return edits[a_length][b_length];
}

const char *text_nearest(const char *word, const char *const *names)
{
	size_t best = strlen(word) / 3 + 2; /* as many slips are one too many */
	const char *nearest = NULL;

	if (strlen(word) > SLIP_WORD_MAX)
		return NULL;
	for (; *names; names++) {
		size_t count = strlen(*names) > SLIP_WORD_MAX ? best : slips(word, *names);

		if (count >= best)
			continue;
		best = count;
		nearest = *names;
	}
	return nearest;
}
