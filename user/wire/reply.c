/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replies: a document of some kind, or what went wrong. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "wire/record.h"

static const struct wire_bounds reply_bounds = {WIRE_REPLY_MAX, 4 << 20, 8};

static const char *const kind_names[WIRE_KINDS] = {
	[WIRE_KIND_error] = "error",
#define WIRE_KIND(kind, record, help) [WIRE_KIND_##kind] = #kind,
#include "wire/documents.def"
};

const char *wire_kind_name(enum wire_kind kind)
{
	return kind_names[kind];
}

static json_t *envelope(enum wire_kind kind)
{
	return json_pack("{s:i,s:s}", "version", WIRE_VERSION, "kind", kind_names[kind]);
}

char *wire_encode_reply(enum wire_kind kind, const void *data)
{
	json_t *json = envelope(kind);

	json_object_set_new(json, "data", wire_encode_record(wire_kind_records[kind], data));
	return wire_dump(json);
}

char *wire_encode_error(enum wire_code code, const struct problems *errors)
{
	struct arena *arena = arena_new();
	const struct wire_problem *list = wire_problems_from(arena, errors);
	json_t *json = envelope(WIRE_KIND_error), *array = json_array();

	for (size_t i = 0; i < errors->count; i++)
		json_array_append_new(array, wire_encode_record(&wire_problem_record, &list[i]));
	json_object_set_new(json, "code", json_integer(code));
	json_object_set_new(json, "errors", array);
	arena_free(arena);
	return wire_dump(json);
}

int wire_check_envelope(const char *what, const json_t *json, const char *const *keys,
			struct problems *p)
{
	const json_t *version;
	const char *key;
	json_t *value;

	if (!json_is_object(json))
		return problems_add(p, -EINVAL, what, NULL, "expected an object");
	json_object_foreach((json_t *)json, key, value)
	{
		bool known = false;

		for (size_t i = 0; keys[i] && !known; i++)
			known = strcmp(keys[i], key) == 0;
		if (!known)
			return problems_add(p, -EINVAL, what, key, "is no field of a %s", what);
	}
	version = json_object_get(json, "version");
	if (!json_is_integer(version) || json_integer_value(version) != WIRE_VERSION)
		return problems_add(
			p, -EINVAL, what, NULL,
			"expected \"version\": %d; sluicectl and sluiced must be of the "
			"same release",
			WIRE_VERSION);
	return 0;
}

static int decode_error(const json_t *json, struct wire_reply *reply, struct problems *p)
{
	static const char *const keys[] = {"version", "kind", "code", "errors", NULL};
	static const struct wire_path code_path = {.name = "code"},
				      errors_path = {.name = "errors"};
	const json_t *errors = json_object_get(json, "errors");
	const json_t *code = json_object_get(json, "code");
	int err = wire_check_envelope("reply", json, keys, p);

	if (err)
		return err;
	if (!json_is_integer(code) || json_integer_value(code) < 1 ||
	    json_integer_value(code) > 255)
		return wire_wrong(p, &code_path, "expected an exit code, 1 to 255");
	if (json_array_size(errors) == 0)
		return wire_wrong(p, &errors_path, "expected a list of at least one error");
	reply->code = json_integer_value(code);
	reply->errors.count = json_array_size(errors);
	reply->errors.list =
		arena_alloc(reply->arena, reply->errors.count * sizeof(*reply->errors.list));
	for (size_t i = 0; i < reply->errors.count && !err; i++) {
		struct wire_path here = {.up = &errors_path, .index = i};

		err = wire_decode_record(&wire_problem_record, json_array_get(errors, i), &here,
					 reply->arena, &reply->errors.list[i], p);
	}
	return err;
}

static int decode_data(const json_t *json, struct wire_reply *reply, struct problems *p)
{
	static const char *const keys[] = {"version", "kind", "data", NULL};
	static const struct wire_path path = {.name = "data"};
	const struct wire_record *record = wire_kind_records[reply->kind];
	void *data;
	int err = wire_check_envelope("reply", json, keys, p);

	if (err)
		return err;
	data = arena_alloc(reply->arena, record->size);
	reply->data = data;
	return wire_decode_record(record, json_object_get(json, "data"), &path, reply->arena, data,
				  p);
}

static int decode(const json_t *json, struct wire_reply *reply, struct problems *p)
{
	static const struct wire_path path = {.name = "kind"};
	const char *kind = json_string_value(json_object_get(json, "kind"));

	for (reply->kind = 0; reply->kind < WIRE_KINDS; reply->kind++)
		if (kind && strcmp(kind, kind_names[reply->kind]) == 0)
			break;
	if (reply->kind == WIRE_KINDS)
		return wire_wrong(p, &path, "expected the name of a document");
	return reply->kind == WIRE_KIND_error ? decode_error(json, reply, p)
					      : decode_data(json, reply, p);
}

int wire_decode_reply(const char *line, size_t length, struct wire_reply *out, struct problems *p)
{
	struct wire_reply reply = {};
	json_t *json = wire_parse("reply", line, length, &reply_bounds, p);
	int err;

	if (!json)
		return -EINVAL;
	reply.arena = arena_new();
	err = decode(json, &reply, p);
	json_decref(json);
	if (err)
		wire_reply_free(&reply);
	else
		*out = reply;
	return err;
}

void wire_reply_free(struct wire_reply *reply)
{
	arena_free(reply->arena);
	*reply = (struct wire_reply){};
}

struct wire_problem *wire_problems_from(struct arena *arena, const struct problems *from)
{
	struct wire_problem *list = arena_alloc(arena, from->count * sizeof(*list));

	for (size_t i = 0; i < from->count; i++)
		list[i] = (struct wire_problem){
			.file = from->list[i].file,
			.line = from->list[i].line,
			.column = from->list[i].column,
			.field = from->list[i].field,
			.value = from->list[i].value,
			.expected = from->list[i].expected,
		};
	return list;
}

static unsigned int place(uint64_t number)
{
	return number > UINT32_MAX ? UINT32_MAX : number;
}

void wire_problems_to(const struct wire_problem *list, size_t count, struct problems *to)
{
	for (size_t i = 0; i < count; i++)
		problems_add_at(to, list[i].file, place(list[i].line), place(list[i].column),
				list[i].field, list[i].value, "%s", list[i].expected);
}
