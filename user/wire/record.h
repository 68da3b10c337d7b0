/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records by the tables of their fields: what wire/ shares among its files, and with the manual's
 * generator.
 */
#ifndef WIRE_RECORD_H
#define WIRE_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "wire/wire.h"

struct wire_field {
	const char *name;
	enum wire_type type;
	bool must; /* else it may be absent: NULL or 0 */
	size_t offset;
	const struct wire_record *of; /* WIRE_TYPE_LIST: its elements */
	const char *help;
};

struct wire_record {
	const char *name;
	size_t size;
	const struct wire_field *fields;
	size_t count;
};

extern const struct wire_record wire_problem_record;
extern const struct wire_record *const wire_kind_records[WIRE_KINDS]; /* of each kind's data */

/* Where a value is in a document, for messages; innermost first. */
struct wire_path {
	const struct wire_path *up; /* NULL: the document */
	const char *name;	    /* NULL: the element `index` of a list */
	size_t index;
};

/* Adds a problem about the value at `path` and returns -EINVAL. */
int wire_wrong(struct problems *p, const struct wire_path *path, const char *expected, ...)
	__attribute__((format(printf, 3, 4)));

json_t *wire_encode_record(const struct wire_record *record, const void *data);
/*
 * Fills *data, zeroed and of record->size bytes; what it points to lies in `arena`. Returns 0 or
 * -EINVAL.
 */
int wire_decode_record(const struct wire_record *record, const json_t *json,
		       const struct wire_path *path, struct arena *arena, void *data,
		       struct problems *p);

/* Whether no field differs; lists are not looked at. */
bool wire_equal_scalars(const struct wire_record *record, const void *a, const void *b);

/* One value at `at` of a scalar type. */
json_t *wire_encode_scalar(enum wire_type type, const void *at);
int wire_decode_scalar(enum wire_type type, const json_t *json, const struct wire_path *path,
		       struct arena *arena, void *at, struct problems *p);

/* What a text may cost before it is even parsed. */
struct wire_bounds {
	size_t bytes, values;
	unsigned int depth;
};

/* Parses one document, strictly. NULL: see `p`, where `what` names it. */
json_t *wire_parse(const char *what, const char *text, size_t length,
		   const struct wire_bounds *bounds, struct problems *p);
json_t *wire_text(const char *text); /* a JSON string, made valid UTF-8 if it is not */
char *wire_dump(json_t *json);	     /* one line; consumes `json` */

/* Checks that `json` is an object with exactly these keys and that its "version" is ours. */
int wire_check_envelope(const char *what, const json_t *json, const char *const *keys,
			struct problems *p);

#endif
