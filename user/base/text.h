/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text: a growing buffer, the units that users write (durations, counts, hex), and their slips. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* A growing text; zero it before use. `data` is NULL or ends in NUL. */
struct text {
	char *data;
	size_t length;
};

void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_add_bytes(struct text *text, const void *bytes, size_t length);
void text_add_json(struct text *text, const char *string); /* in quotes, RFC 8259 section 7 */
void text_free(struct text *text);			   /* and leaves it empty */

/* "250ms", "2s", "6m", "1h", "0s" into milliseconds. Returns 0, -EINVAL (form) or -ERANGE (over 2^53). */
int text_parse_duration(const char *text, uint64_t *ms);
/* The shortest exact form of a duration: 90000 -> "90s", 60000 -> "1m". */
const char *text_format_duration(uint64_t ms, char out[24]);
/* For people, the two largest units: "3d 4h", "4h 12m", "12m 5s", "7s". */
const char *text_format_time(uint64_t ms, char out[24]);

/* "4096", "4k" (2^10), "1M" (2^20). Returns 0, -EINVAL or -ERANGE. */
int text_parse_count(const char *text, uint64_t *count);

/* A decimal integer, nothing before or after it, no leading zeros. Returns 0, -EINVAL or -ERANGE. */
int text_parse_uint(const char *text, uint64_t max, uint64_t *value);

/* Hex digits into exactly `size` bytes and back. Returns 0 or -EINVAL. `out` takes 2 * size + 1 chars. */
int text_parse_hex(const char *text, void *bytes, size_t size);
const char *text_format_hex(const void *bytes, size_t size, char *out);

/*
 * The name among `names` (NULL at the end) that is the fewest slips away from `word`, the first of
 * equals; NULL: none is near.
 */
const char *text_nearest(const char *word, const char *const *names);

#endif
