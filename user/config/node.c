/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is wrong with a node: its path, its value and its place in one problem. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "config/node.h"

#define VALUE_SHOWN 60 /* bytes of a value that a message repeats */

void node_path(const struct node *node, const char *key, struct text *out)
{
	const struct node *way[READING_DEPTH_MAX + 1];
	size_t depth = 0;

	text_add_bytes(out, "", 0);
	for (; node && node->parent && depth < ARRAY_SIZE(way); node = node->parent)
		way[depth++] = node;
	while (depth) {
		node = way[--depth];
		if (node->parent->kind == NODE_LIST)
			text_add(out, "[%u]", node->index);
		else if (node->key)
			text_add(out, "%s%s", out->length ? "." : "", node->key->text);
	}
	if (key)
		text_add(out, "%s%s", out->length ? "." : "", key);
}

bool node_is_null(const struct node *node)
{
	return node->kind == NODE_SCALAR && !node->quoted &&
	       (!strcmp(node->text, "") || !strcmp(node->text, "~") || !strcmp(node->text, "null"));
}

bool reading_is_hopeless(const struct reading *r)
{
	return r->errors >= READING_ERRORS_MAX;
}

/* Cuts a long value between two characters of UTF-8. */
static char *shown(const char *value)
{
	size_t length;

	if (!value)
		return NULL;
	length = strlen(value);
	if (length <= VALUE_SHOWN)
		return mem_string(value);
	for (length = VALUE_SHOWN; length && ((unsigned char)value[length] & 0xc0) == 0x80;)
		length--;
	return mem_format("%.*s...", (int)length, value);
}

static void add(struct reading *r, struct problems *to, struct config_place place,
		const char *field, const char *value, const char *format, va_list args)
{
	char *message, *cut;

	if (to == r->problems && r->errors++ >= READING_ERRORS_MAX)
		return;
	message = mem_vformat(format, args);
	cut = shown(value);
	problems_add_at(to, r->file, place.line, place.column, field, cut, "%s", message);
	free(message);
	free(cut);
}

void reading_error(struct reading *r, const struct node *node, const char *key, const char *format,
		   ...)
{
	struct text path = {};
	va_list args;

	node_path(node, key, &path);
	va_start(args, format);
	add(r, r->problems, node->place, path.length ? path.data : NULL,
	    node->kind == NODE_SCALAR && !node_is_null(node) ? node->text : NULL, format, args);
	va_end(args);
	text_free(&path);
}

void reading_error_at(struct reading *r, struct config_place place, const char *field,
		      const char *value, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(r, r->problems, place, field, value, format, args);
	va_end(args);
}

void reading_warning(struct reading *r, const struct node *node, const char *field,
		     const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(r, r->warnings, node ? node->place : (struct config_place){}, field, NULL, format,
	    args);
	va_end(args);
}

void reading_bare_address(struct reading *r, struct config_place place, const struct node *node,
			  const char *address)
{
	struct text path = {};

	node_path(node, NULL, &path);
	reading_error_at(
		r, place, path.length ? path.data : NULL, address,
		"YAML takes a colon at the end or the start of a bare word for the one after a "
		"key: write this address in quotes, \"%s\"",
		address);
	text_free(&path);
}
