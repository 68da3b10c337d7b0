/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Documents about what is in force: status, services, backends, flows, counters. */
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "api/requests.h"
#include "base/mem.h"

static const char *addr_text(struct arena *arena, const struct addr *address)
{
	char text[ADDR_TEXT_SIZE];

	return addr_is_none(address) ? NULL : arena_string(arena, addr_format(address, text));
}

/* "" is no device. */
static const char *device_text(struct arena *arena, const struct net_nexthop *way)
{
	return way->device[0] ? arena_string(arena, way->device) : NULL;
}

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

/* Also gives the number of slots that name the backend. */
static uint32_t count_backend(const struct request *request, const struct places *places,
			      const struct addr *backend, uint64_t out[SL_COUNTERS_PER_LINE])
{
	const struct engine_backend_place *place =
		engine_place_of(places->list, places->count, backend);

	memset(out, 0, SL_COUNTERS_PER_LINE * sizeof(*out));
	if (!place)
		return 0;
	dataplane_count(engine_view(request->api->engine), place->counters_line, out);
	return place->slots;
}

/* ---- services and backends ------------------------------------------------------------------- */

static void describe(struct request *request, const struct model_service *service,
		     const struct places *places, const struct model_backend *backend,
		     struct wire_backend *out)
{
	uint64_t counts[SL_COUNTERS_PER_LINE];
	uint32_t slots = count_backend(request, places, &backend->address, counts);
	bool takes_flows = backend->reason == MODEL_TAKES_FLOWS;
	char reason[160];

	*out = (struct wire_backend){
		.service = service->name,
		.address = addr_text(request->arena, &backend->address),
		.state = config_state_name(backend->state),
		.state_overridden = backend->state_overridden,
		.weight = backend->weight,
		.weight_overridden = backend->weight_overridden,
		.effective_weight = backend->effective_weight,
		.takes_flows = takes_flows,
		.device = device_text(request->arena, &backend->way),
		.gateway = addr_text(request->arena, &backend->way.gateway),
		.slots = slots,
		.packets = counts[SL_BACKEND_packets],
		.bytes = counts[SL_BACKEND_bytes],
		.opened = counts[SL_BACKEND_opened],
		.closed = counts[SL_BACKEND_closed],
	};
	if (!takes_flows)
		out->reason = arena_string(request->arena, model_reason_text(backend, reason));
}

void describe_backend(struct request *request, const struct model_service *service,
		      const struct model_backend *backend, struct wire_backend *out)
{
	struct places places = find_places(request, service->name);

	describe(request, service, &places, backend, out);
	free(places.list);
}

static void describe_backends(struct request *request, const struct model_service *service,
			      struct wire_backend *list)
{
	struct places places = find_places(request, service->name);

	for (size_t i = 0; i < service->backend_count; i++)
		describe(request, service, &places, &service->backends[i], &list[i]);
	free(places.list);
}

static const char **listener_texts(struct arena *arena, const struct config_service *service)
{
	const char **list = arena_alloc(arena, service->listener_count * sizeof(*list));
	char text[ENDPOINT_TEXT_SIZE];

	for (size_t i = 0; i < service->listener_count; i++) {
		const struct config_listener *listener = &service->listeners[i];

		list[i] = arena_format(arena, "%s/%s",
				       endpoint_format(&listener->address, listener->port, text),
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
		uint64_t counts[SL_COUNTERS_PER_LINE];

		count_service(request, service->name, counts);
		list[i] = (struct wire_service_line){
			.name = service->name,
			.listeners = {listener_texts(request->arena, service->config),
				      service->config->listener_count},
			.backends = service->backend_count,
			.backends_ready = service->ready,
			.packets = counts[SL_SERVICE_packets],
			.bytes = counts[SL_SERVICE_bytes],
			.dropped = counts[SL_SERVICE_dropped],
		};
	}
	out->services.list = list;
	out->services.count = model->service_count;
	return answer_with(request, WIRE_KIND_services, out);
}

enum wire_code answer_service_show(struct request *request)
{
	const struct model_service *service = find_service(request);
	struct wire_service *out = arena_alloc(request->arena, sizeof(*out));
	uint64_t counts[SL_COUNTERS_PER_LINE];
	struct wire_backend *list;

	if (!service)
		return WIRE_FAILED;
	count_service(request, service->name, counts);
	list = arena_alloc(request->arena, service->backend_count * sizeof(*list));
	describe_backends(request, service, list);
	*out = (struct wire_service){
		.name = service->name,
		.listeners = {listener_texts(request->arena, service->config),
			      service->config->listener_count},
		.encapsulation = config_encapsulation_name(service->config->encapsulation),
		.affinity = config_affinity_name(service->config->affinity),
		.tracking = config_tracking_name(service->config->tracking),
		.table_size = service->config->table_size,
		.idle_timeout_ms = service->config->idle_timeout_ms,
		.drain_timeout_ms = service->config->drain_timeout_ms,
		.packets = counts[SL_SERVICE_packets],
		.bytes = counts[SL_SERVICE_bytes],
		.dropped = counts[SL_SERVICE_dropped],
		.backends_ready = service->ready,
		.backends = {list, service->backend_count},
	};
	return answer_with(request, WIRE_KIND_service, out);
}

static size_t all_backends(const struct model *model)
{
	size_t total = 0;

	for (size_t i = 0; i < model->service_count; i++)
		total += model->services[i].backend_count;
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
			   (one ? service->backend_count : all_backends(model)) * sizeof(*list));
	out->backends.list = list;
	for (size_t i = 0; i < services; i++) {
		describe_backends(request, &service[i], list + out->backends.count);
		out->backends.count += service[i].backend_count;
	}
	return answer_with(request, WIRE_KIND_backends, out);
}

/* ---- flows ----------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint8_t number;
} protocols[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}};

static enum wire_code parse_flow(struct request *request, struct engine_flow *flow)
{
	const struct wire_arguments *arguments = request->arguments;
	static const char *const what = "expected ADDRESS:PORT, such as 192.0.2.1:443 or "
					"[2001:db8::1]:443";

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (strcmp(arguments->protocol, protocols[i].name) == 0)
			flow->protocol = protocols[i].number;
	if (!flow->protocol)
		problems_add(&request->errors, 0, "protocol", arguments->protocol,
			     "expected tcp or udp");
	if (endpoint_parse(arguments->source, &flow->source, &flow->source_port))
		problems_add(&request->errors, 0, "source", arguments->source, "%s", what);
	if (endpoint_parse(arguments->destination, &flow->destination, &flow->destination_port))
		problems_add(&request->errors, 0, "destination", arguments->destination, "%s",
			     what);
	if (!request->errors.count && flow->source.family != flow->destination.family)
		problems_add(&request->errors, 0, "destination", arguments->destination,
			     "expected an address of the source's family");
	return request->errors.count ? WIRE_USAGE : WIRE_OK;
}

enum wire_code answer_flow_lookup(struct request *request)
{
	struct wire_flow *out = arena_alloc(request->arena, sizeof(*out));
	struct engine_flow flow = {};
	struct engine_flow_answer found = {};
	enum wire_code code = parse_flow(request, &flow);
	char text[ENDPOINT_TEXT_SIZE];
	int err;

	if (code)
		return code;
	err = engine_flow_lookup(request->api->engine, &flow, &found);
	if (err) {
		problems_add(&request->errors, err, "flow", request->arguments->source,
			     "cannot be looked up: %s", strerror(-err));
		return WIRE_FAILED;
	}
	*out = (struct wire_flow){
		.protocol = request->arguments->protocol,
		.source = arena_string(request->arena,
				       endpoint_format(&flow.source, flow.source_port, text)),
		.destination =
			arena_string(request->arena, endpoint_format(&flow.destination,
								     flow.destination_port, text)),
		.service = found.service,
		.why = arena_string(request->arena, found.why),
	};
	if (found.service) {
		out->hash = arena_format(request->arena, "%016" PRIx64, found.hash);
		out->slot = found.slot;
	}
	if (found.has_backend) {
		out->backend = addr_text(request->arena, &found.backend);
		out->device = device_text(request->arena, &found.way);
		out->gateway = addr_text(request->arena, &found.way.gateway);
	}
	return answer_with(request, WIRE_KIND_flow, out);
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
