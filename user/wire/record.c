/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One encoder and one decoder for every record, driven by the tables that documents.def and prober.def make. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "wire/record.h"

/* ---- the tables ------------------------------------------------------------------------------ */

#include "wire/as_tables.def"
#include "wire/documents.def"

const struct wire_record *const wire_kind_records[WIRE_KINDS] = {
#define WIRE_KIND(kind, record, help) [WIRE_KIND_##kind] = &wire_##record##_record,
#include "wire/documents.def"
};

/* The shape that every list has in its record; `list` points to whatever its elements are. */
struct any_list {
	void *list;
	size_t count;
};

/* ---- paths ----------------------------------------------------------------------------------- */

static void add_path(struct text *text, const struct wire_path *path)
{
	if (!path)
		return;
	add_path(text, path->up);
	if (path->name)
		text_add(text, "%s%s", path->up ? "." : "", path->name);
	else
		text_add(text, "[%zu]", path->index);
}

int wire_wrong(struct problems *p, const struct wire_path *path, const char *expected, ...)
{
	struct text where = {};
	va_list args;
	char *what;

	va_start(args, expected);
	what = mem_vformat(expected, args);
	va_end(args);
	add_path(&where, path);
	problems_add(p, -EINVAL, where.data, NULL, "%s", what);
	text_free(&where);
	free(what);
	return -EINVAL;
}

/* ---- scalars --------------------------------------------------------------------------------- */

json_t *wire_encode_scalar(enum wire_type type, const void *at)
{
	switch (type) {
	case WIRE_TYPE_TEXT: {
		const char *text = *(const char *const *)at;

		return wire_text(text ? text : "");
	}
	case WIRE_TYPE_UINT: {
		uint64_t value = *(const uint64_t *)at;

		return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
	}
	case WIRE_TYPE_FLAG:
		return json_boolean(*(const bool *)at);
	default:
		return NULL;
	}
}

int wire_decode_scalar(enum wire_type type, const json_t *json, const struct wire_path *path,
		       struct arena *arena, void *at, struct problems *p)
{
	switch (type) {
	case WIRE_TYPE_TEXT:
		if (!json_is_string(json))
			return wire_wrong(p, path, "expected a string");
		*(const char **)at = arena_string(arena, json_string_value(json));
		return 0;
	case WIRE_TYPE_UINT:
		if (!json_is_integer(json) || json_integer_value(json) < 0)
			return wire_wrong(p, path, "expected an integer of at least 0");
		*(uint64_t *)at = json_integer_value(json);
		return 0;
	case WIRE_TYPE_FLAG:
		if (!json_is_boolean(json))
			return wire_wrong(p, path, "expected true or false");
		*(bool *)at = json_is_true(json);
		return 0;
	default:
		return wire_wrong(p, path, "is no scalar");
	}
}

static bool is_equal_scalar(enum wire_type type, const void *a, const void *b)
{
	if (type == WIRE_TYPE_TEXT) {
		const char *x = *(const char *const *)a, *y = *(const char *const *)b;

		return x == y || (x && y && strcmp(x, y) == 0);
	}
	if (type == WIRE_TYPE_UINT)
		return *(const uint64_t *)a == *(const uint64_t *)b;
	return type != WIRE_TYPE_FLAG || *(const bool *)a == *(const bool *)b;
}

bool wire_equal_scalars(const struct wire_record *record, const void *a, const void *b)
{
	for (size_t i = 0; i < record->count; i++) {
		const struct wire_field *field = &record->fields[i];

		if (!is_equal_scalar(field->type, (const char *)a + field->offset,
				     (const char *)b + field->offset))
			return false;
	}
	return true;
}

/* ---- encoding -------------------------------------------------------------------------------- */

static bool is_absent(const struct wire_field *field, const void *at)
{
	if (field->must)
		return false;
	return field->type == WIRE_TYPE_TEXT ? !*(const char *const *)at : !*(const uint64_t *)at;
}

/* What an element of a list of scalars is, and how wide any list's element. */
static enum wire_type element_type(const struct wire_field *field)
{
	return field->type == WIRE_TYPE_UINTS ? WIRE_TYPE_UINT : WIRE_TYPE_TEXT;
}

static size_t element_size(const struct wire_field *field)
{
	if (field->of)
		return field->of->size;
	return field->type == WIRE_TYPE_UINTS ? sizeof(uint64_t) : sizeof(char *);
}

static json_t *encode_list(const struct wire_field *field, const void *at)
{
	json_t *array = json_array();
	struct any_list list;

	memcpy(&list, at, sizeof(list));
	for (size_t i = 0; i < list.count; i++) {
		const char *element = (const char *)list.list + i * element_size(field);

		json_array_append_new(array,
				      field->of ? wire_encode_record(field->of, element)
						: wire_encode_scalar(element_type(field), element));
	}
	return array;
}

json_t *wire_encode_record(const struct wire_record *record, const void *data)
{
	json_t *object = json_object();

	for (size_t i = 0; i < record->count; i++) {
		const struct wire_field *field = &record->fields[i];
		const void *at = (const char *)data + field->offset;

		if (is_absent(field, at))
			continue;
		json_object_set_new(object, field->name,
				    field->type >= WIRE_TYPE_TEXTS
					    ? encode_list(field, at)
					    : wire_encode_scalar(field->type, at));
	}
	return object;
}

/* ---- decoding -------------------------------------------------------------------------------- */

static int decode_list(const struct wire_field *field, const json_t *json,
		       const struct wire_path *path, struct arena *arena, void *at,
		       struct problems *p)
{
	size_t step = element_size(field);
	struct any_list list = {.count = json_array_size(json)};
	int err = 0;

	if (!json_is_array(json))
		return wire_wrong(p, path, "expected a list");
	list.list = arena_alloc(arena, list.count * step);
	for (size_t i = 0; i < list.count && !err; i++) {
		struct wire_path here = {.up = path, .index = i};
		const json_t *value = json_array_get(json, i);
		char *element = (char *)list.list + i * step;

		err = field->of ? wire_decode_record(field->of, value, &here, arena, element, p)
				: wire_decode_scalar(element_type(field), value, &here, arena,
						     element, p);
	}
	memcpy(at, &list, sizeof(list));
	return err;
}

static int refuse_unknown(const struct wire_record *record, const json_t *json,
			  const struct wire_path *path, struct problems *p)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)json, key, value)
	{
		struct wire_path here = {.up = path, .name = key};
		bool known = false;

		for (size_t i = 0; i < record->count && !known; i++)
			known = strcmp(record->fields[i].name, key) == 0;
		if (!known)
			return wire_wrong(p, &here, "is no field of %s", record->name);
	}
	return 0;
}

int wire_decode_record(const struct wire_record *record, const json_t *json,
		       const struct wire_path *path, struct arena *arena, void *data,
		       struct problems *p)
{
	int err;

	if (!json_is_object(json))
		return wire_wrong(p, path, "expected an object");
	err = refuse_unknown(record, json, path, p);
	for (size_t i = 0; i < record->count && !err; i++) {
		const struct wire_field *field = &record->fields[i];
		struct wire_path here = {.up = path, .name = field->name};
		const json_t *value = json_object_get(json, field->name);
		void *at = (char *)data + field->offset;

		if (!value)
			err = field->must ? wire_wrong(p, &here, "is missing") : 0;
		else if (field->type >= WIRE_TYPE_TEXTS)
			err = decode_list(field, value, &here, arena, at, p);
		else
			err = wire_decode_scalar(field->type, value, &here, arena, at, p);
	}
	return err;
}
