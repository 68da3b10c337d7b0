/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests: a command and its arguments, by the tables that commands.def makes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "wire/record.h"

/* A request is an object of an object of scalars. */
static const struct wire_bounds request_bounds = {WIRE_REQUEST_MAX, 64, 2};

#define SENT  true
#define LOCAL false
const struct wire_argument_info wire_argument_table[WIRE_ARGUMENTS] = {
#define WIRE_ARGUMENT(id, type, sent, spelling, help) \
	{#id, WIRE_TYPE_##type, sent, spelling, help, offsetof(struct wire_arguments, id)},
#include "wire/commands.def"
};

#define W(id) WIRE_BIT(id)
const struct wire_command_info wire_command_table[WIRE_COMMANDS] = {
#define WIRE_COMMAND(id, name, access, needs, may, help) \
	{name, WIRE_ACCESS_##access, needs, may, help},
#include "wire/commands.def"
};

const char *const wire_later[] = {
#define WIRE_LATER(spelling) spelling,
#include "wire/commands.def"
	NULL,
};

char *wire_encode_request(enum wire_command command, const struct wire_arguments *arguments)
{
	json_t *object = json_object();

	for (size_t i = 0; i < WIRE_ARGUMENTS; i++) {
		const struct wire_argument_info *info = &wire_argument_table[i];

		if (info->sent && arguments->given & 1u << i)
			json_object_set_new(object, info->name,
					    wire_encode_scalar(info->type, (const char *)arguments +
										   info->offset));
	}
	return wire_dump(json_pack("{s:i,s:s,s:o}", "version", WIRE_VERSION, "command",
				   wire_command_table[command].name, "arguments", object));
}

static int find_command(const json_t *json, enum wire_command *out, struct problems *p)
{
	static const struct wire_path path = {.name = "command"};
	const char *names[WIRE_COMMANDS + 1] = {NULL}, *nearest;
	const char *name = json_string_value(json_object_get(json, "command"));

	if (!name)
		return wire_wrong(p, &path, "expected a command's name");
	for (int i = 0; i < WIRE_COMMANDS; i++) {
		names[i] = wire_command_table[i].name;
		if (strcmp(name, names[i]) || wire_command_table[i].access == WIRE_ACCESS_LOCAL)
			continue;
		*out = i;
		return 0;
	}
	nearest = text_nearest(name, names);
	return problems_add(p, -EINVAL, "command", name, "is not known%s%s%s",
			    nearest ? "; did you mean '" : "", nearest ? nearest : "",
			    nearest ? "'?" : "");
}

/* The argument of this name that the command has; -1: none. */
static int find_argument(const struct wire_command_info *command, const char *name)
{
	for (int i = 0; i < WIRE_ARGUMENTS; i++)
		if (wire_argument_table[i].sent && (command->needs | command->may) & 1u << i &&
		    strcmp(wire_argument_table[i].name, name) == 0)
			return i;
	return -1;
}

static int decode_arguments(const json_t *json, struct wire_request *request, struct problems *p)
{
	static const struct wire_path path = {.name = "arguments"};
	const struct wire_command_info *command = &wire_command_table[request->command];
	struct wire_arguments *out = &request->arguments;
	const char *key;
	json_t *value;
	int err;

	if (json && !json_is_object(json))
		return wire_wrong(p, &path, "expected an object");
	json_object_foreach((json_t *)json, key, value)
	{
		struct wire_path here = {.up = &path, .name = key};
		int i = find_argument(command, key);

		if (i < 0)
			return wire_wrong(p, &here, "is no argument of '%s'", command->name);
		err = wire_decode_scalar(wire_argument_table[i].type, value, &here, request->arena,
					 (char *)out + wire_argument_table[i].offset, p);
		if (err)
			return err;
		out->given |= 1u << i;
	}
	for (size_t i = 0; i < WIRE_ARGUMENTS; i++) {
		struct wire_path here = {.up = &path, .name = wire_argument_table[i].name};

		if (wire_argument_table[i].sent && command->needs & ~out->given & 1u << i)
			return wire_wrong(p, &here, "is missing; '%s' needs it", command->name);
	}
	return 0;
}

int wire_decode_request(const char *line, size_t length, struct wire_request *out,
			struct problems *p)
{
	static const char *const keys[] = {"version", "command", "arguments", NULL};
	struct wire_request request = {};
	json_t *json = wire_parse("request", line, length, &request_bounds, p);
	int err;

	if (!json)
		return -EINVAL;
	request.arena = arena_new();
	err = wire_check_envelope("request", json, keys, p);
	if (!err)
		err = find_command(json, &request.command, p);
	if (!err)
		err = decode_arguments(json_object_get(json, "arguments"), &request, p);
	json_decref(json);
	if (err)
		wire_request_free(&request);
	else
		*out = request;
	return err;
}

void wire_request_free(struct wire_request *request)
{
	arena_free(request->arena);
	*request = (struct wire_request){};
}
