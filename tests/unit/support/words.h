/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A script's lines, word by word; what makes no sense fails the test, which names the line. */
#ifndef TESTS_WORDS_H
#define TESTS_WORDS_H

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/text.h"

struct words {
	const char *file;
	unsigned int line;
	char *rest; /* of the line */
};

#define WORDS_FAIL(words, ...)                                                  \
	do {                                                                    \
		fprintf(stderr, "%s:%u: ", (words)->file, (words)->line);       \
		fprintf(stderr, __VA_ARGS__);                                   \
		fprintf(stderr, "\n");                                          \
		ck_abort_msg("%s:%u, see above", (words)->file, (words)->line); \
	} while (0)

/* The next word, or what stands in quotes; NULL: the line is over. */
static inline char *word(struct words *words)
{
	char *start = words->rest + strspn(words->rest, " ,"), *end;

	if (!*start)
		return NULL;
	if (*start == '"') {
		end = strchr(start + 1, '"');
		if (!end)
			WORDS_FAIL(words, "a quote is not closed");
		words->rest = end + 1;
		*end = '\0';
		return start; /* with its first quote */
	}
	end = start + strcspn(start, " ,");
	words->rest = *end ? end + 1 : end;
	*end = '\0';
	return start;
}

static inline char *must_word(struct words *words, const char *what)
{
	char *found = word(words);

	if (!found)
		WORDS_FAIL(words, "%s is missing", what);
	return found;
}

static inline uint64_t must_time(struct words *words)
{
	const char *text = must_word(words, "a time");
	uint64_t ms;

	if (text_parse_duration(text, &ms))
		WORDS_FAIL(words, "%s is no time", text);
	return ms;
}

static inline uint64_t must_number(struct words *words)
{
	const char *text = must_word(words, "a number");
	uint64_t number;

	if (text_parse_uint(text, UINT32_MAX, &number))
		WORDS_FAIL(words, "%s is no number", text);
	return number;
}

static inline struct addr must_address(struct words *words)
{
	const char *text = must_word(words, "an address");
	struct addr addr;

	if (addr_parse(text, &addr))
		WORDS_FAIL(words, "%s is no address", text);
	return addr;
}

#endif
