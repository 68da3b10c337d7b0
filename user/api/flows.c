/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Documents about flows: where one goes, what the flow table holds, and how far changes are. */
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "api/requests.h"
#include "base/mem.h"

/* ---- how far a change is ---------------------------------------------------------------------- */

const char *track_problem(struct request *request)
{
	char *problem = engine_track_problem(request->api->engine);
	const char *kept = arena_string(request->arena, problem);

	free(problem);
	return kept;
}

/* What keeps slots from going on; NULL: nothing but time. */
static const char *held_open(struct request *request, const struct engine_slots *slots)
{
	const char *problem;

	if (!slots->moving && !slots->settling)
		return NULL;
	problem = track_problem(request);
	if (problem)
		return problem;
	if (slots->crowded)
		return arena_format(request->arena,
				    "%u slot%s again from the start, since the flow table was "
				    "full; it goes on when there is room, or raise limits.flows",
				    slots->crowded, slots->crowded == 1 ? " moves" : "s move");
	return NULL;
}

struct slots_document describe_slots(struct request *request, const char *service)
{
	struct engine_service_place place = {};
	struct engine_slots slots;

	/* Where no flows are tracked, a slot has moved when it is stored. */
	if (!engine_service_slots(request->api->engine, service, &slots)) {
		engine_service_place(request->api->engine, service, &place);
		slots = (struct engine_slots){.stable = place.slots};
	}
	return (struct slots_document){slots, held_open(request, &slots)};
}

/* ---- where a flow goes ------------------------------------------------------------------------ */

static const struct {
	const char *name;
	uint8_t number;
} protocols[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}};

static const char *const by_names[] = {
	[ENGINE_FLOW_TABLE] = "table",
	[ENGINE_FLOW_ENTRY] = "entry",
	[ENGINE_FLOW_BASE] = "base",
	[ENGINE_FLOW_ID] = "connection id",
};

#define CONNECTION_ID_MAX 20 /* bytes: RFC 9000, section 17.2 */

static void parse_connection_id(struct request *request, struct engine_flow *flow)
{
	const char *text = request->arguments->connection_id;
	size_t length = text ? strlen(text) / 2 : 0;
	uint8_t *bytes = arena_alloc(request->arena, CONNECTION_ID_MAX);

	if (!(request->arguments->given & WIRE_BIT(connection_id)))
		return;
	if (!length || length > CONNECTION_ID_MAX || text_parse_hex(text, bytes, length)) {
		problems_add(&request->errors, 0, "connection_id", text,
			     "expected 1 to %d bytes in hex digits", CONNECTION_ID_MAX);
		return;
	}
	flow->connection_id = bytes;
	flow->connection_id_length = length;
}

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
	parse_connection_id(request, flow);
	return request->errors.count ? WIRE_USAGE : WIRE_OK;
}

/* What the answer leaves open, or out, of connection ids; empty: nothing. */
static const char *say_of_ids(const struct engine_flow *flow,
			      const struct engine_flow_answer *found)
{
	if (!found->service || found->reads_ids == (flow->connection_id_length > 0))
		return "";
	return found->reads_ids ? "; a packet whose connection id names a backend goes there "
				  "(--connection-id)"
				: "; no connection id is read: the service has no affinity: quic";
}

enum wire_code answer_flow_lookup(struct request *request)
{
	struct wire_flow *out = arena_alloc(request->arena, sizeof(*out));
	struct engine_flow flow = {};
	struct engine_flow_answer found = {};
	enum wire_code code = parse_flow(request, &flow);
	const struct api_host *host = &request->api->host;
	char text[ENDPOINT_TEXT_SIZE], prefix[PREFIX_TEXT_SIZE];
	struct prefix by;
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
		.why = arena_format(request->arena, "%s%s", found.why, say_of_ids(&flow, &found)),
	};
	if (found.service) {
		out->hash = arena_format(request->arena, "%016" PRIx64, found.hash);
		out->slot = found.slot;
	}
	if (found.service && host->denies(host->self, &flow.source, &by)) {
		found.has_backend = false;
		out->why = arena_format(request->arena, DENIED_BY "%s", prefix_format(&by, prefix));
	}
	if (found.has_backend) {
		out->backend = addr_text(request->arena, &found.backend);
		out->by = by_names[found.from];
		out->device = device_text(request->arena, &found.way);
		out->gateway = addr_text(request->arena, &found.way.gateway);
	}
	return answer_with(request, WIRE_KIND_flow, out);
}

/* ---- the flow table --------------------------------------------------------------------------- */

static void count_events(const struct dataplane_view *view, uint64_t out[SL_EVENTS])
{
	uint64_t line[SL_COUNTERS_PER_LINE];

	for (uint32_t event = 0; event < SL_EVENTS; event++) {
		if (event % SL_COUNTERS_PER_LINE == 0)
			dataplane_count(view, SL_VERDICT_LINES + event / SL_COUNTERS_PER_LINE,
					line);
		out[event] = line[event % SL_COUNTERS_PER_LINE];
	}
}

/* The slots of all services together. */
static struct slots_document sum_slots(struct request *request)
{
	const struct model *model = engine_model(request->api->engine);
	struct slots_document sum = {};

	for (size_t i = 0; i < model->service_count; i++) {
		struct slots_document one = describe_slots(request, model->services[i].name);

		sum.slots.stable += one.slots.stable;
		sum.slots.moving += one.slots.moving;
		sum.slots.settling += one.slots.settling;
		sum.slots.crowded += one.slots.crowded;
		if (one.slots.open_ms > sum.slots.open_ms)
			sum.slots.open_ms = one.slots.open_ms;
		if (one.slots.since_ms > sum.slots.since_ms)
			sum.slots.since_ms = one.slots.since_ms;
		if (one.slots.left_ms > sum.slots.left_ms)
			sum.slots.left_ms = one.slots.left_ms;
	}
	sum.held_open = held_open(request, &sum.slots);
	return sum;
}

enum wire_code answer_flow_stats(struct request *request)
{
	const struct engine *engine = request->api->engine;
	struct wire_flow_stats *out = arena_alloc(request->arena, sizeof(*out));
	struct slots_document slots = sum_slots(request);
	struct track_scans scans = engine_scans(engine);
	uint64_t counts[SL_EVENTS];

	count_events(engine_view(engine), counts);
	*out = (struct wire_flow_stats){
		.size = engine_view(engine)->limits.flows,
		.entries = scans.entries,
		.deleted = scans.deleted,
		.scans = scans.count,
		.repaired = scans.repaired,
		.rebases = scans.rebases,
		.crowded = scans.crowded,
		.fragments = engine_fragments(engine),
		.fragments_size = engine_view(engine)->limits.fragments,
		SLOTS_FIELDS(slots),
#define SL_EVENT(name, help) .name = counts[SL_EVENT_##name],
#include <sluice/events.def>
	};
	engine_scanned_ms(engine, &out->scanned_ms);
	return answer_with(request, WIRE_KIND_flow_stats, out);
}
