/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Health enters the effective weights. A panic threshold and a largest ejected share speak of the
 * service's backends together, and only of those that would take flows were it not for their
 * health: what the administrator took out, or what has no way, is neither healthy nor ejected. One
 * that waits for its first success is neither, too. Fallbacks are not among them: while none of the others is healthy, those
 * fallbacks that are go before panic and the largest share, which would send flows to servers that are known not to answer.
 *
 * Tables are the same on every host that has the same inputs, so whoever is kept follows from how
 * long backends have failed and from their addresses, never from the order of events.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "core/model_judge.h"

static const struct model_probe healthy = {
	.is_known = true, .is_up = true, .share = MODEL_FULL_SHARE};

static void ask(const struct model_service *service, const struct model_sources *sources,
		struct model_backend *backend)
{
	const struct config_health *health = &service->config->health;

	backend->probe = healthy;
	backend->is_probed = health->kind != CONFIG_HEALTH_NONE && sources->health;
	if (!backend->is_probed)
		return;
	sources->health(sources->self, service->name, &backend->address, &backend->probe);
	if (!backend->probe.is_known)
		backend->probe.is_up = health->initial_up;
}

static bool is_eligible(const struct model_backend *backend)
{
	return backend->reason == MODEL_TAKES_FLOWS && !backend->is_fallback;
}

static bool is_out(const struct model_backend *backend)
{
	return is_eligible(backend) && backend->probe.is_known && !backend->probe.is_up;
}

/* Who is ejected first: what fails before what only flaps, then what has failed for longer. */
static int by_urgency(const void *left, const void *right)
{
	const struct model_backend *a = *(struct model_backend *const *)left;
	const struct model_backend *b = *(struct model_backend *const *)right;

	if (a->probe.is_damped != b->probe.is_damped)
		return a->probe.is_damped ? 1 : -1;
	if (a->probe.since_ms != b->probe.since_ms)
		return a->probe.since_ms < b->probe.since_ms ? -1 : 1;
	return addr_compare(&a->address, &b->address);
}

/* `out` of them are out, and only so many may be. */
static void keep_share(struct model_service *service, size_t out, size_t allowed)
{
	struct model_backend **list;
	size_t count = 0;

	if (out <= allowed)
		return;
	list = mem_array(out, sizeof(struct model_backend *));
	for (size_t i = 0; i < service->backend_count; i++)
		if (is_out(&service->backends[i]))
			list[count++] = &service->backends[i];
	qsort(list, count, sizeof(struct model_backend *), by_urgency);
	for (size_t i = allowed; i < count; i++)
		list[i]->kept = MODEL_KEPT_SHARE;
	free(list);
}

static void keep_all(struct model_service *service)
{
	for (size_t i = 0; i < service->backend_count; i++) {
		struct model_backend *backend = &service->backends[i];

		if (is_eligible(backend) && !backend->probe.is_up)
			backend->kept = MODEL_KEPT_PANIC;
	}
}

static enum model_reason reason_of(const struct model_backend *backend)
{
	if (!backend->probe.is_known)
		return MODEL_UNPROBED;
	return backend->probe.is_damped ? MODEL_DAMPED : MODEL_PROBES_FAIL;
}

/* Weights are whole numbers, and whoever takes flows has one. */
static uint32_t weight_of(const struct model_backend *backend)
{
	uint32_t weight = backend->weight;

	if (backend->reason != MODEL_TAKES_FLOWS)
		return 0;
	if (!backend->kept)
		weight = weight * backend->probe.share / MODEL_FULL_SHARE;
	return weight ? weight : 1;
}

static void settle(struct model_service *service, struct model_backend *backend)
{
	if (backend->reason == MODEL_TAKES_FLOWS && !backend->probe.is_up && !backend->kept)
		backend->reason = reason_of(backend);
	if (backend->reason == MODEL_TAKES_FLOWS && backend->is_fallback && !service->is_fallback)
		backend->reason = MODEL_STANDS_BY;
	backend->effective_weight = weight_of(backend);
	service->ready += backend->reason == MODEL_TAKES_FLOWS;
	service->standing_by += backend->reason == MODEL_STANDS_BY;
	service->unprobed += backend->reason == MODEL_UNPROBED;
}

/* Whether some backend is healthy and may take flows: of the fallbacks, or of the others. */
static bool has_healthy(const struct model_service *service, bool among_fallbacks)
{
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct model_backend *backend = &service->backends[i];

		if (backend->is_fallback == among_fallbacks &&
		    backend->reason == MODEL_TAKES_FLOWS && backend->probe.is_up)
			return true;
	}
	return false;
}

void model_judge(struct model_service *service, const struct model_sources *sources)
{
	const struct config_service *config = service->config;
	size_t known = 0, out = 0;

	for (size_t i = 0; i < service->backend_count; i++) {
		struct model_backend *backend = &service->backends[i];

		ask(service, sources, backend);
		service->eligible += is_eligible(backend);
		known += is_eligible(backend) && backend->probe.is_known;
		out += is_out(backend);
	}
	service->is_fallback = !has_healthy(service, false) && has_healthy(service, true);
	service->is_panic = !service->is_fallback && (known - out) * 100 < config->panic * known;
	if (service->is_panic)
		keep_all(service);
	else if (!service->is_fallback)
		keep_share(service, out, config->max_ejected * known / 100);
	for (size_t i = 0; i < service->backend_count; i++)
		settle(service, &service->backends[i]);
}
