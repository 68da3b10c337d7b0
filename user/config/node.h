/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree that reader.c makes of a text, before anything in it has a meaning. Used within this
 * folder. */
#ifndef CONFIG_NODE_H
#define CONFIG_NODE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "config/config.h"

struct arena;

enum node_kind {
	NODE_SCALAR,
	NODE_LIST,
	NODE_MAP,
	NODE_BAD, /* an error about it has been reported; nothing more is to be said */
};

struct node {
	enum node_kind kind;
	bool quoted; /* a scalar that was written in quotes or as a block */
	struct config_place place;
	const char *text;	   /* of a scalar */
	const struct node *parent; /* NULL: the root */
	const struct node *key;	   /* in a map: the scalar before it, of a key: itself */
	unsigned int index;	   /* in a list: from 0 */
	unsigned int count;	   /* of children */
	struct node *first, *next; /* children in the order of the text; siblings */
};

/* One reading of one text: what every step of it needs. */
struct reading {
	const char *file;
	struct arena *arena; /* nodes and values; freed when the configuration is built */
	struct problems *problems;
	struct problems *warnings;
	size_t errors; /* reported so far; from READING_ERRORS_MAX on they are counted only */
};

#define READING_TEXT_MAX   (4u << 20) /* bytes */
#define READING_DEPTH_MAX  16
#define READING_NODES_MAX  500000u
#define READING_ERRORS_MAX 100

/* Reads a text into nodes. Returns NULL when it has no usable tree; the reasons are in r->problems.
 */
struct node *node_read(struct reading *r, const char *text, size_t length);

/* "services[2].backends[0].address"; "" for the root. `key`, when not NULL, is appended: a key that
 * the node has not got, or its own. */
void node_path(const struct node *node, const char *key, struct text *out);

/* A plain scalar that YAML takes for nothing. */
bool node_is_null(const struct node *node);

/* Reports an error at a node about `key` in it (NULL: about the node itself); the value is a
 * scalar's text. */
void reading_error(struct reading *r, const struct node *node, const char *key, const char *format,
		   ...) __attribute__((format(printf, 4, 5)));

/* Reports an error at a place, with no node to it. */
void reading_error_at(struct reading *r, struct config_place place, const char *field,
		      const char *value, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* The same as a warning. `node` may be NULL. */
void reading_warning(struct reading *r, const struct node *node, const char *field,
		     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Reports an IPv6 address that YAML took apart, since it was not in quotes. `node` tells the path.
 */
void reading_bare_address(struct reading *r, struct config_place place, const struct node *node,
			  const char *address);

/* True when so many errors were found that looking for more is of no use. */
bool reading_is_hopeless(const struct reading *r);

#endif
