/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Documents about what is in force: services, backends, counters. */
#include <stdlib.h>
#include <string.h>

#include "api/requests.h"
#include "base/mem.h"

static void count_service(const struct request *request, const char *service,
			  uint64_t out[SL_COUNTERS_PER_LINE])
{
	struct engine_service_place place;
	bool placed = engine_service_place(request->api->engine, service, &place);

	memset(out, 0, SL_COUNTERS_PER_LINE * sizeof(*out));
	if (placed)
		dataplane_count_service(engine_view(request->api->engine), place.counters_line,
					out);
}

/* Where the backends of a service are, for as long as one answer takes. */
struct places {
	struct engine_backend_place *list;
	size_t count;
};

static struct places find_places(const struct request *request, const char *service)
{
	struct places places;

	places.list = engine_backend_places(request->api->engine, service, &places.count);
	return places;
}

/* Also gives the backend's place; NULL: it has none yet. */
static const struct engine_backend_place *count_backend(const struct request *request,
							const struct places *places,
							const struct addr *backend,
							uint64_t out[SL_COUNTERS_PER_LINE])
{
	const struct engine_backend_place *place =
		engine_place_of(places->list, places->count, backend);

	memset(out, 0, SL_COUNTERS_PER_LINE * sizeof(*out));
	if (place)
		dataplane_count(engine_view(request->api->engine), place->counters_line, out);
	return place;
}

/* ---- services and backends ------------------------------------------------------------------- */

/* What it still has, and for how long. */
static void describe_holding(const struct request *request,
			     const struct engine_backend_place *place, struct wire_backend *out)
{
	const struct api_host *host = &request->api->host;
	struct engine_holding holding =
		engine_holding(request->api->engine, out->service, place, host->now_ms(host->self));

	out->slots = place->slots;
	out->slots_leaving = place->bases;
	out->entries = holding.entries;
	out->entries_live = holding.live;
	out->holds = holding.holds;
	out->drains = holding.drains;
	out->drain_left_ms = holding.left_ms;
	describe_death(&holding, out);
}

/* NULL: it has none, or is no longer configured. */
static const char *server_ids_of(const struct model_service *service,
				 const struct model_backend *backend)
{
	const struct config_backend *configured =
		config_find_backend(service->config, &backend->address);

	return configured ? configured->server_ids : NULL;
}

static const char *quic_text(struct arena *arena, const struct config_service *service)
{
	struct text text = {};
	const char *kept;

	if (service->affinity != CONFIG_AFFINITY_QUIC)
		return NULL;
	for (size_t i = 0; i < service->quic_count; i++)
		text_add(&text, "%srotation %u: server id %u, nonce %u bytes%s", i ? "; " : "",
			 service->quic[i].rotation, service->quic[i].server_id_length,
			 service->quic[i].nonce_length,
			 service->quic[i].encodes_length ? ", encodes its length" : "");
	kept = arena_string(arena, text.data);
	text_free(&text);
	return kept;
}

static void describe(struct request *request, const struct model_service *service,
		     const struct places *places, const struct model_backend *backend,
		     struct wire_backend *out)
{
	uint64_t counts[SL_COUNTERS_PER_LINE];
	const struct engine_backend_place *place =
		count_backend(request, places, &backend->address, counts);
	bool takes_flows = backend->reason == MODEL_TAKES_FLOWS;
	char reason[160];

	*out = (struct wire_backend){
		.service = service->name,
		.address = addr_text(request->arena, &backend->address),
		.state = backend->leaves ? "removed" : config_state_name(backend->state),
		.state_overridden = backend->state_overridden,
		.fallback = !backend->is_fallback ? NULL
			    : takes_flows	  ? "used"
						  : "unused",
		.weight = backend->weight,
		.weight_overridden = backend->weight_overridden,
		.effective_weight = backend->effective_weight,
		.takes_flows = takes_flows,
		.device = device_text(request->arena, &backend->way),
		.gateway = addr_text(request->arena, &backend->way.gateway),
		.packets = counts[SL_BACKEND_packets],
		.bytes = counts[SL_BACKEND_bytes],
		.opened = counts[SL_BACKEND_opened],
		.closed = counts[SL_BACKEND_closed],
	};
	out->server_ids = server_ids_of(service, backend);
	if (place)
		describe_holding(request, place, out);
	if (out->drains)
		out->drain_end = config_drain_end_name(
			backend->leaves ? CONFIG_DRAIN_MOVE : service->config->drain_end);
	if (!backend->leaves)
		describe_health(request, backend, out);
	if (backend->leaves && backend->reason == MODEL_DRAINED)
		out->reason = "no longer configured";
	else if (!takes_flows)
		out->reason = arena_string(request->arena, model_reason_text(backend, reason));
}

void describe_backend(struct request *request, const struct model_service *service,
		      const struct model_backend *backend, struct wire_backend *out)
{
	struct places places = find_places(request, service->name);

	describe(request, service, &places, backend, out);
	free(places.list);
}

/* The most that describe_backends() gives. */
static size_t all_of(const struct model_service *service)
{
	return service->backend_count + service->leaving_count;
}

/*
 * Those that are configured, then those that are not any more, but may still have flows. Returns
 * their number.
 */
static size_t describe_backends(struct request *request, const struct model_service *service,
				struct wire_backend *list)
{
	struct places places = find_places(request, service->name);
	size_t count = service->backend_count;

	for (size_t i = 0; i < service->backend_count; i++)
		describe(request, service, &places, &service->backends[i], &list[i]);
	for (size_t i = 0; i < service->leaving_count; i++)
		describe(request, service, &places, &service->leaving[i], &list[count++]);
	free(places.list);
	return count;
}

static const char **listener_texts(struct arena *arena, const struct config_service *service)
{
	const char **list = arena_alloc(arena, service->listener_count * sizeof(*list));
	char text[ENDPOINT_TEXT_SIZE];

	for (size_t i = 0; i < service->listener_count; i++) {
		const struct config_listener *listener = &service->listeners[i];
		const struct prefix prefix = {listener->address, listener->length};

		list[i] = arena_format(
			arena, "%s/%s",
			prefix.length ? endpoint_format_prefix(&prefix, listener->port, text)
				      : endpoint_format(&prefix.addr, listener->port, text),
			config_protocol_name(listener->protocol));
	}
	return list;
}

enum wire_code answer_service_list(struct request *request)
{
	const struct model *model = engine_model(request->api->engine);
	struct wire_services *out = arena_alloc(request->arena, sizeof(*out));
	struct wire_service_line *list =
		arena_alloc(request->arena, model->service_count * sizeof(*list));

	for (size_t i = 0; i < model->service_count; i++) {
		const struct model_service *service = &model->services[i];
		struct slots_document slots = describe_slots(request, service->name);
		uint64_t counts[SL_COUNTERS_PER_LINE];

		count_service(request, service->name, counts);
		list[i] = (struct wire_service_line){
			.name = service->name,
			.listeners = {listener_texts(request->arena, service->config),
				      service->config->listener_count},
			.backends = service->backend_count - service->standing_by,
			.backends_ready = service->ready,
			.packets = counts[SL_SERVICE_packets],
			.bytes = counts[SL_SERVICE_bytes],
			.dropped = counts[SL_SERVICE_dropped],
			.fallback = fallback_text(service),
			.panic = panic_text(request->arena, service),
			SLOTS_FIELDS(slots),
		};
	}
	out->services.list = list;
	out->services.count = model->service_count;
	return answer_with(request, WIRE_KIND_services, out);
}

enum wire_code answer_service_show(struct request *request)
{
	const struct model_service *service = find_service(request);
	const struct api *api = request->api;
	struct wire_service *out = arena_alloc(request->arena, sizeof(*out));
	uint64_t counts[SL_COUNTERS_PER_LINE];
	struct slots_document slots;
	struct wire_backend *list;
	size_t count;

	if (!service)
		return WIRE_FAILED;
	slots = describe_slots(request, service->name);
	count_service(request, service->name, counts);
	list = arena_alloc(request->arena, all_of(service) * sizeof(*list));
	count = describe_backends(request, service, list);
	*out = (struct wire_service){
		.name = service->name,
		.listeners = {listener_texts(request->arena, service->config),
			      service->config->listener_count},
		.encapsulation = config_encapsulation_name(service->config->encapsulation),
		.affinity = config_affinity_name(service->config->affinity),
		.quic = quic_text(request->arena, service->config),
		.tracking = config_tracking_name(service->config->tracking),
		.table_size = service->config->table_size,
		.idle_timeout_ms = service->config->idle_timeout_ms,
		.drain_timeout_ms = service->config->drain_timeout_ms,
		.drain_end = config_drain_end_name(service->config->drain_end),
		.dead_after_ms = service->config->dead_after_ms,
		.echo = service->config->echo,
		.mss_clamp = service->config->mss_clamp,
		SLOTS_FIELDS(slots),
		.packets = counts[SL_SERVICE_packets],
		.bytes = counts[SL_SERVICE_bytes],
		.dropped = counts[SL_SERVICE_dropped],
		.backends_ready = service->ready,
		.health = health_text(request->arena, service->config),
		.unprobed = api->host.unprobed(api->host.self, service->name),
		.fallback = fallback_text(service),
		.panic = panic_text(request->arena, service),
		.backends = {list, count},
	};
	return answer_with(request, WIRE_KIND_service, out);
}

static size_t all_backends(const struct model *model)
{
	size_t total = 0;

	for (size_t i = 0; i < model->service_count; i++)
		total += all_of(&model->services[i]);
	return total;
}

enum wire_code answer_backend_list(struct request *request)
{
	const struct model *model = engine_model(request->api->engine);
	bool one = request->arguments->given & WIRE_BIT(service);
	const struct model_service *service = one ? find_service(request) : model->services;
	size_t services = one ? 1 : model->service_count;
	struct wire_backends *out = arena_alloc(request->arena, sizeof(*out));
	struct wire_backend *list;

	if (one && !service)
		return WIRE_FAILED;
	list = arena_alloc(request->arena,
			   (one ? all_of(service) : all_backends(model)) * sizeof(*list));
	out->backends.list = list;
	for (size_t i = 0; i < services; i++) {
		out->backends.count +=
			describe_backends(request, &service[i], list + out->backends.count);
	}
	return answer_with(request, WIRE_KIND_backends, out);
}

/* ---- counters -------------------------------------------------------------------------------- */

/* The actions of verdicts.def as the documents name them. */
#define ACTION_SEND "send"
#define ACTION_PASS "pass"
#define ACTION_DROP "drop"

static void count_verdicts(struct request *request, struct wire_counters *out)
{
	static const struct wire_verdict_counters named[] = {
#define SL_VERDICT(name, action, help) {#name, ACTION_##action, 0},
#include <sluice/verdicts.def>
	};
	struct wire_verdict_counters *list = arena_alloc(request->arena, sizeof(named));
	uint64_t counts[SL_VERDICTS];

	memcpy(list, named, sizeof(named));
	dataplane_count_verdicts(engine_view(request->api->engine), counts);
	for (size_t i = 0; i < ARRAY_SIZE(named); i++)
		list[i].packets = counts[i + 1]; /* SL_GO_ON, the first, ends no packet */
	out->verdicts.list = list;
	out->verdicts.count = ARRAY_SIZE(named);
}

static void count_services(struct request *request, const struct model *model,
			   struct wire_counters *out)
{
	struct wire_service_counters *services =
		arena_alloc(request->arena, model->service_count * sizeof(*services));
	struct wire_backend_counters *backends =
		arena_alloc(request->arena, all_backends(model) * sizeof(*backends));
	uint64_t counts[SL_COUNTERS_PER_LINE];
	struct places places;

	out->services.list = services;
	out->backends.list = backends;
	for (size_t i = 0; i < model->service_count; i++) {
		const struct model_service *service = &model->services[i];

		count_service(request, service->name, counts);
		services[out->services.count++] = (struct wire_service_counters){
			.service = service->name,
#define SL_SERVICE_COUNTER(name, help) .name = counts[SL_SERVICE_##name],
#include <sluice/counters.def>
		};
		places = find_places(request, service->name);
		for (size_t j = 0; j < service->backend_count; j++) {
			const struct addr *address = &service->backends[j].address;

			count_backend(request, &places, address, counts);
			backends[out->backends.count++] = (struct wire_backend_counters){
				.service = service->name,
				.address = addr_text(request->arena, address),
#define SL_BACKEND_COUNTER(name, help) .name = counts[SL_BACKEND_##name],
#include <sluice/counters.def>
			};
		}
		free(places.list);
	}
}

enum wire_code answer_counters(struct request *request)
{
	const struct api_host *host = &request->api->host;
	struct wire_counters *out = arena_alloc(request->arena, sizeof(*out));

	out->at_ms = host->now_ms(host->self);
	count_verdicts(request, out);
	count_services(request, engine_model(request->api->engine), out);
	return answer_with(request, WIRE_KIND_counters, out);
}

enum wire_code answer_version(struct request *request)
{
	static const struct wire_version version = {SLUICE_VERSION, SL_LAYOUT_VERSION};

	return answer_with(request, WIRE_KIND_version, &version);
}
