/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What went wrong, in the one form that every part of sluice uses, from the YAML reader to the exit of the
 * CLI: where it is, which thing, which value it has, and what was expected or what to do about it.
 * Library code adds problems and returns a negative errno; only programs print them.
 */
#ifndef BASE_PROBLEM_H
#define BASE_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct problem {
	char *file;		   /* NULL: not in a file */
	unsigned int line, column; /* from 1; 0: unknown */
	char *field;		   /* what it is about: "services[0].port", "interface eth0" */
	char *value;		   /* the offending value as the user wrote it; NULL: none */
	char *expected;		   /* what was expected, or what is wrong and what to do */
};

/* A list of problems; zero it before use. Adding never fails visibly: out of memory aborts (base/mem.h). */
struct problems {
	struct problem *list;
	size_t count;
};

/* Adds a problem. `file` may be NULL, line and column 0, `value` NULL; `expected` is a printf format. */
void problems_add_at(struct problems *p, const char *file, unsigned int line, unsigned int column,
		     const char *field, const char *value, const char *expected, ...)
	__attribute__((format(printf, 7, 8)));

/* The same without a place. Always returns `error`, so that callers can write: return problems_add(...). */
int problems_add(struct problems *p, int error, const char *field, const char *value,
		 const char *expected, ...) __attribute__((format(printf, 5, 6)));

/* Sorts by file, line, column; equal places keep their order. */
void problems_sort(struct problems *p);

/* One line: FILE:LINE:COL: FIELD 'VALUE': EXPECTED, with what is absent left out. The caller frees it. */
char *problem_text(const struct problem *problem);

void problems_print(const struct problems *p, FILE *to); /* one problem_text() a line */
void problems_free(struct problems *p);			 /* and leaves it empty */

#endif
