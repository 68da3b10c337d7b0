/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A probe on demand. It takes time, so its answer is promised, and kept when the results are there. */
#include <errno.h>
#include <stdlib.h>

#include "api/requests.h"
#include "base/mem.h"

struct check {
	struct api_promise *promise;
	char *service;
	struct addr backend;
};

static const char *target_text(struct arena *arena, const struct api_probed *result)
{
	char text[ENDPOINT_TEXT_SIZE];

	if (!result->port)
		return addr_text(arena, &result->address);
	return arena_string(arena, endpoint_format(&result->address, result->port, text));
}

static char *describe_results(const struct check *check, const struct api_probed *results,
			      size_t count)
{
	struct arena *arena = arena_new();
	struct wire_backend_check out = {
		.service = check->service,
		.address = addr_text(arena, &check->backend),
		.ok = true,
		.probes = {arena_alloc(arena, count * sizeof(*out.probes.list)), count},
	};
	char *reply;

	for (size_t i = 0; i < count; i++) {
		out.ok &= results[i].ok;
		out.probes.list[i] = (struct wire_probed){
			.via = results[i].is_tunnel ? "tunnel" : "direct",
			.target = target_text(arena, &results[i]),
			.ok = results[i].ok,
			.latency_us = results[i].latency_us,
			.what = results[i].what,
		};
	}
	reply = wire_encode_reply(WIRE_KIND_backend_check, &out);
	arena_free(arena);
	return reply;
}

static char *describe_failure(const struct check *check, const char *why)
{
	struct problems errors = {};
	char address[ADDR_TEXT_SIZE];
	char *reply;

	problems_add(&errors, -EIO, "backend check", addr_format(&check->backend, address),
		     "cannot be probed: %s", why);
	reply = wire_encode_error(WIRE_FAILED, &errors);
	problems_free(&errors);
	return reply;
}

static void on_probed(void *arg, const struct api_probed *results, size_t count, const char *why)
{
	struct check *check = arg;
	char *reply =
		count ? describe_results(check, results, count) : describe_failure(check, why);

	check->promise->keep(check->promise, reply);
	free(check->service);
	free(check);
}

enum wire_code answer_backend_check(struct request *request)
{
	const struct api_host *host = &request->api->host;
	const struct model_service *service = find_service(request);
	const struct model_backend *backend = service ? find_backend(request, service) : NULL;
	struct check *check;

	if (!backend)
		return WIRE_FAILED;
	check = mem_alloc(sizeof(*check));
	*check = (struct check){request->promise, mem_string(service->name), backend->address};
	if (host->check(host->self, check->service, &check->backend, on_probed, check,
			&request->errors)) {
		free(check->service);
		free(check);
		return WIRE_FAILED;
	}
	request->is_promised = true;
	return WIRE_OK;
}
