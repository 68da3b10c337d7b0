/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines that a decoder of the socket's documents must refuse, each by exactly one problem. */
#ifndef TESTS_REFUSED_H
#define TESTS_REFUSED_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/problem.h"

struct refused {
	const char *line;
	const char *complaint; /* part of the problem's text */
};

typedef int refused_decoder(const char *line, size_t length, struct problems *p);

static inline void check_refused(const struct refused *list, size_t count, refused_decoder *decode)
{
	for (size_t i = 0; i < count; i++) {
		struct problems p = {};
		char *text;

		ck_assert_int_lt(decode(list[i].line, strlen(list[i].line), &p), 0);
		ck_assert_uint_eq(p.count, 1);
		text = problem_text(&p.list[0]);
		ck_assert_msg(strstr(text, list[i].complaint), "%s\ngives: %s", list[i].line, text);
		free(text);
		problems_free(&p);
	}
}

#endif
