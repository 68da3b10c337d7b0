/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables for people: columns as wide as their widest cell, and numbers with units. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli.h"

struct table_rows {
	const char *const *heads;
	size_t columns;
	char **cells; /* row by row */
	size_t count;
};

struct table_rows *rows_new(const char *const *heads)
{
	struct table_rows *rows = mem_alloc(sizeof(*rows));

	rows->heads = heads;
	while (heads[rows->columns])
		rows->columns++;
	return rows;
}

void rows_add(struct table_rows *rows, const char *format, ...)
{
	va_list args;

	rows->cells = mem_grow(rows->cells, rows->count, sizeof(*rows->cells));
	va_start(args, format);
	rows->cells[rows->count++] = mem_vformat(format, args);
	va_end(args);
}

/* Characters, not bytes: continuation bytes of UTF-8 take no room. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

static bool is_right(const struct table_rows *rows, size_t column)
{
	return rows->heads[column][0] == '>';
}

static void print_row(const struct table_rows *rows, const size_t *widths, char *const *cells,
		      struct text *out)
{
	for (size_t i = 0; i < rows->columns; i++) {
		const char *cell = cells ? cells[i] : rows->heads[i] + is_right(rows, i);
		int fill = widths[i] - width_of(cell);
		bool last = i + 1 == rows->columns;

		if (is_right(rows, i))
			text_add(out, "%*s%s", fill, "", cell);
		else
			text_add(out, "%s%*s", cell, last ? 0 : fill, "");
		text_add(out, "%s", last ? "\n" : "  ");
	}
}

void rows_print(struct table_rows *rows, struct text *out)
{
	size_t *widths = mem_array(rows->columns, sizeof(*widths));

	for (size_t i = 0; i < rows->columns; i++)
		widths[i] = width_of(rows->heads[i] + is_right(rows, i));
	for (size_t i = 0; i < rows->count; i++)
		if (width_of(rows->cells[i]) > widths[i % rows->columns])
			widths[i % rows->columns] = width_of(rows->cells[i]);
	if (rows->count)
		print_row(rows, widths, NULL, out);
	for (size_t i = 0; i < rows->count; i += rows->columns)
		print_row(rows, widths, rows->cells + i, out);
	for (size_t i = 0; i < rows->count; i++)
		free(rows->cells[i]);
	free(rows->cells);
	free(rows);
	free(widths);
}

static const char *scaled(double value, double step, const char *const *units, const char *unit,
			  char out[UNIT_TEXT_SIZE])
{
	size_t i = 0;

	/* 999.95 would be printed as 1000.0 */
	while (value >= step - 0.05 && units[i + 1]) {
		value /= step;
		i++;
	}
	snprintf(out, UNIT_TEXT_SIZE, i ? "%.1f%s%s%s" : "%.0f%s%s%s", value,
		 units[i][0] || unit[0] ? " " : "", units[i], unit);
	return out;
}

const char *unit_bytes(uint64_t bytes, char out[UNIT_TEXT_SIZE])
{
	static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", NULL};

	return scaled(bytes, 1024, units, "B", out);
}

const char *unit_rate(double per_second, const char *unit, char out[UNIT_TEXT_SIZE])
{
	static const char *const units[] = {"", "k", "M", "G", "T", "P", "E", NULL};

	return scaled(per_second, 1000, units, unit, out);
}

const char *unit_share(uint64_t part, uint64_t whole, char out[UNIT_TEXT_SIZE])
{
	snprintf(out, UNIT_TEXT_SIZE, "%.1f %%", whole ? 100.0 * part / whole : 0.0);
	return out;
}
