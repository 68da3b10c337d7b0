/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a line to a command, and from what it answers to a line. */
#include <errno.h>
#include <string.h>

#include "api/requests.h"
#include "base/mem.h"
#include "base/text.h"

/*
 * Commands that the agent has no part in (key new) have no function, and their requests are no
 * requests.
 */
static answer_function *const functions[WIRE_COMMANDS] = {
	[WIRE_COMMAND_status] = answer_status,
	[WIRE_COMMAND_check] = answer_check,
	[WIRE_COMMAND_diff] = answer_diff,
	[WIRE_COMMAND_apply] = answer_apply,
	[WIRE_COMMAND_service_list] = answer_service_list,
	[WIRE_COMMAND_service_show] = answer_service_show,
	[WIRE_COMMAND_backend_list] = answer_backend_list,
	[WIRE_COMMAND_backend_drain] = answer_backend_drain,
	[WIRE_COMMAND_backend_enable] = answer_backend_enable,
	[WIRE_COMMAND_backend_disable] = answer_backend_disable,
	[WIRE_COMMAND_backend_weight] = answer_backend_weight,
	[WIRE_COMMAND_backend_check] = answer_backend_check,
	[WIRE_COMMAND_flow_lookup] = answer_flow_lookup,
	[WIRE_COMMAND_flow_stats] = answer_flow_stats,
	[WIRE_COMMAND_trace] = answer_trace,
	[WIRE_COMMAND_counters] = answer_counters,
	[WIRE_COMMAND_events] = answer_events,
	[WIRE_COMMAND_deny_add] = answer_deny_add,
	[WIRE_COMMAND_deny_del] = answer_deny_del,
	[WIRE_COMMAND_deny_list] = answer_deny_list,
	[WIRE_COMMAND_doctor] = answer_doctor,
	[WIRE_COMMAND_version] = answer_version,
	[WIRE_COMMAND_down] = answer_down,
};

enum wire_code answer_with(struct request *request, enum wire_kind kind, const void *data)
{
	request->kind = kind;
	request->data = data;
	return WIRE_OK;
}

/* A dry run changes nothing, so whoever may read may ask for it. */
static bool is_change(const struct wire_request *decoded)
{
	return wire_command_table[decoded->command].access == WIRE_ACCESS_CHANGE &&
	       !decoded->arguments.dry_run;
}

static enum wire_code answer(struct request *request, const struct wire_request *decoded)
{
	const char *name = wire_command_table[decoded->command].name;
	enum wire_code code;

	if (is_change(decoded) && !request->client->may_change) {
		problems_add(&request->errors, -EACCES, name, NULL,
			     "needs root or the agent's user; uid %u may only read",
			     request->client->uid);
		return WIRE_FAILED;
	}
	if (is_change(decoded) && request->api->is_ending) {
		problems_add(&request->errors, -ESHUTDOWN, name, NULL,
			     "comes too late: sluice is being taken down; start sluiced first");
		return WIRE_FAILED;
	}
	code = functions[decoded->command](request);
	if (code && !request->errors.count)
		problems_add(&request->errors, -EIO, name, NULL,
			     "failed without a reason; see the agent's log");
	return code;
}

char *api_answer(const struct api *api, const struct api_client *client,
		 struct api_promise *promise, const char *line, size_t length)
{
	struct request request = {.api = api, .client = client, .promise = promise};
	struct wire_request decoded = {};
	enum wire_code code = WIRE_USAGE;
	char *reply = NULL;

	request.arena = arena_new();
	request.arguments = &decoded.arguments;
	if (!wire_decode_request(line, length, &decoded, &request.errors))
		code = answer(&request, &decoded);
	if (code)
		reply = wire_encode_error(code, &request.errors);
	else if (!request.is_promised)
		reply = wire_encode_reply(request.kind, request.data);
	wire_request_free(&decoded);
	problems_free(&request.errors);
	arena_free(request.arena);
	return reply;
}

const char *addr_text(struct arena *arena, const struct addr *address)
{
	char text[ADDR_TEXT_SIZE];

	return addr_is_none(address) ? NULL : arena_string(arena, addr_format(address, text));
}

const char *device_text(struct arena *arena, const struct net_nexthop *way)
{
	return way->device[0] ? arena_string(arena, way->device) : NULL;
}

/* ---- names ----------------------------------------------------------------------------------- */

const struct model_service *find_service(struct request *request)
{
	const struct model *model = engine_model(request->api->engine);
	const char *name = request->arguments->service, *nearest;
	const char **names =
		arena_alloc(request->arena, (model->service_count + 1) * sizeof(*names));

	for (size_t i = 0; i < model->service_count; i++) {
		names[i] = model->services[i].name;
		if (strcmp(names[i], name) == 0)
			return &model->services[i];
	}
	nearest = text_nearest(name, names);
	problems_add(&request->errors, -ENOENT, "service", name, "is not configured%s%s%s",
		     nearest ? "; did you mean '" : "; see 'sluicectl service list'",
		     nearest ? nearest : "", nearest ? "'?" : "");
	return NULL;
}

const struct model_backend *find_backend(struct request *request,
					 const struct model_service *service)
{
	const char *text = request->arguments->address;
	const struct model_backend *backend;
	struct addr address;

	if (addr_parse(text, &address)) {
		problems_add(&request->errors, -EINVAL, "address", text,
			     "expected an IPv4 or IPv6 address");
		return NULL;
	}
	backend = model_find_backend(service, &address);
	if (backend)
		return backend;
	if (model_find_leaving(service, &address))
		problems_add(&request->errors, -ENOENT, "backend", text,
			     "is no longer configured for service %s, and drains; an apply with it "
			     "brings it back",
			     service->name);
	else
		problems_add(&request->errors, -ENOENT, "backend", text,
			     "is none of service %s; see 'sluicectl backend list %s'",
			     service->name, service->name);
	return NULL;
}
