/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Problems: collected by libraries, printed by programs. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"

static void add(struct problems *p, const char *file, struct problem problem, const char *format,
		va_list args)
{
	if (!p)
		return;
	problem.file = mem_string(file);
	problem.field = mem_string(problem.field);
	problem.value = mem_string(problem.value);
	problem.expected = mem_vformat(format, args);
	p->list = mem_grow(p->list, p->count, sizeof(*p->list));
	p->list[p->count++] = problem;
}

void problems_add_at(struct problems *p, const char *file, unsigned int line, unsigned int column,
		     const char *field, const char *value, const char *expected, ...)
{
	struct problem problem = {
		.line = line,
		.column = column,
		.field = (char *)field,
		.value = (char *)value,
	};
	va_list args;

	va_start(args, expected);
	add(p, file, problem, expected, args);
	va_end(args);
}

int problems_add(struct problems *p, int error, const char *field, const char *value,
		 const char *expected, ...)
{
	struct problem problem = {.field = (char *)field, .value = (char *)value};
	va_list args;

	va_start(args, expected);
	add(p, NULL, problem, expected, args);
	va_end(args);
	return error;
}

struct ordered {
	struct problem problem;
	size_t index;
};

static int compare(const void *left, const void *right)
{
	const struct ordered *a = left, *b = right;
	int files = strcmp(a->problem.file ? a->problem.file : "",
			   b->problem.file ? b->problem.file : "");

	if (files)
		return files;
	if (a->problem.line != b->problem.line)
		return a->problem.line < b->problem.line ? -1 : 1;
	if (a->problem.column != b->problem.column)
		return a->problem.column < b->problem.column ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

void problems_sort(struct problems *p)
{
	struct ordered *sorted = mem_array(p->count, sizeof(*sorted));

	for (size_t i = 0; i < p->count; i++)
		sorted[i] = (struct ordered){p->list[i], i};
	qsort(sorted, p->count, sizeof(*sorted), compare);
	for (size_t i = 0; i < p->count; i++)
		p->list[i] = sorted[i].problem;
	free(sorted);
}

/* One problem stays one line, and a hostile value cannot steer a terminal. */
static void add_printable(struct text *text, const char *raw)
{
	for (; *raw; raw++) {
		unsigned char c = *raw;

		if (c == '\n')
			text_add(text, "\\n");
		else if (c == '\t')
			text_add(text, "\\t");
		else if (c < 0x20 || c == 0x7f)
			text_add(text, "\\x%02x", c);
		else
			text_add_bytes(text, raw, 1);
	}
}

char *problem_text(const struct problem *problem)
{
	struct text text = {};

	if (problem->file) {
		add_printable(&text, problem->file);
		if (problem->line)
			text_add(&text, ":%u", problem->line);
		if (problem->line && problem->column)
			text_add(&text, ":%u", problem->column);
		text_add(&text, ": ");
	}
	if (problem->field)
		add_printable(&text, problem->field);
	if (problem->value) {
		text_add(&text, problem->field ? " '" : "'");
		add_printable(&text, problem->value);
		text_add(&text, "'");
	}
	if (problem->field || problem->value)
		text_add(&text, ": ");
	add_printable(&text, problem->expected);
	return text.data;
}

void problems_print(const struct problems *p, FILE *to)
{
	for (size_t i = 0; i < p->count; i++) {
		char *text = problem_text(&p->list[i]);

		fprintf(to, "%s\n", text);
		free(text);
	}
}

void problems_free(struct problems *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->list[i].file);
		free(p->list[i].field);
		free(p->list[i].value);
		free(p->list[i].expected);
	}
	free(p->list);
	*p = (struct problems){};
}
