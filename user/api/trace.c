/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traces. Here: a request's packets read, tried in one world or in two, and told. Where the worlds come from is the
 * agent's affair (agent/trace.h), in a process of its own: `answer_trace` only hands the request on to it.
 *
 * What a packet came to is the program's word. Why, is looked up beside it in the same maps, right after; where that
 * says another backend (a packet that is not judged by its own addresses and ports), it is not told.
 */
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/requests.h"
#include "base/mem.h"
#include "base/table.h"
#include "base/text.h"
#include "core/frame.h"

#define WORLDS	    2
#define LENGTH_MAX  (256 << 10) /* of a frame; tcpdump's own bound */
#define NOT_RUN	    SL_VERDICTS /* beside the verdicts */
#define PACKETS_MAX 4096	/* of a request */

struct sum {
	const char *service, *backend; /* in the tracer's arena */
	uint64_t packets[WORLDS];
};

struct tracer {
	struct tracer_world worlds[WORLDS];
	size_t world_count;
	uint64_t total, differ;
	uint64_t verdicts[WORLDS][SL_VERDICTS + 1];
	struct arena *arena;
	struct table *sums; /* of struct sum, by service and backend */
	struct sum **list;  /* the same, in the order in which they came */
	size_t sum_count;
};

/* A packet as it came with a request. */
struct packet {
	uint64_t seconds, nanoseconds;
	size_t length; /* of the frame; `bytes` has so many */
	bool is_cut;
	uint8_t *bytes;
};

/* What it came to in a world. */
struct judgement {
	uint32_t verdict; /* or NOT_RUN */
	const char *service, *backend, *device, *by, *why;
};

static const struct {
	const char *name, *action, *help;
} verdicts[SL_VERDICTS + 1] = {
#define ACTION_SEND		       "send"
#define ACTION_PASS		       "pass"
#define ACTION_DROP		       "drop"
#define SL_VERDICT(name, action, help) [SL_##action##_##name] = {#name, ACTION_##action, help},
#include <sluice/verdicts.def>
	[NOT_RUN] = {"not_run", "none", "it could not be tried"},
};

struct tracer *tracer_new(const struct tracer_world *worlds, size_t count)
{
	struct tracer *tracer = mem_alloc(sizeof(*tracer));

	memcpy(tracer->worlds, worlds, count * sizeof(*worlds));
	tracer->world_count = count;
	tracer->arena = arena_new();
	tracer->sums = table_new();
	return tracer;
}

void tracer_free(struct tracer *tracer)
{
	if (!tracer)
		return;
	table_free(tracer->sums);
	free(tracer->list);
	arena_free(tracer->arena);
	free(tracer);
}

/* ---- reading packets -------------------------------------------------------------------------- */

/* Cuts the next word, which ends in `end`, off a line. NULL: there is none. */
static char *cut_word(char **line, char end)
{
	char *word = *line, *at = word ? strchr(word, end) : NULL;

	if (!at)
		return NULL;
	*at = '\0';
	*line = at + 1;
	return word;
}

/* One line. False: it is none. */
static bool read_packet(char *line, struct arena *arena, struct packet *out)
{
	const char *seconds = cut_word(&line, '.');
	char *nanoseconds = seconds ? cut_word(&line, ' ') : NULL;
	const char *length = nanoseconds ? cut_word(&line, ' ') : NULL;
	uint64_t frame_length;
	size_t captured;

	if (!length || text_parse_uint(seconds, UINT32_MAX, &out->seconds) ||
	    strlen(nanoseconds) != 9 || strspn(nanoseconds, "0123456789") != 9 ||
	    text_parse_uint(length, LENGTH_MAX, &frame_length))
		return false;
	out->nanoseconds = strtoul(nanoseconds, NULL, 10);
	out->length = frame_length;
	captured = strlen(line) / 2;
	if (captured > out->length)
		return false;
	out->is_cut = captured < out->length;
	out->bytes = arena_alloc(arena, out->length + 1);
	return text_parse_hex(line, out->bytes, captured) == 0;
}

static int read_packets(struct tracer *tracer, const struct wire_arguments *arguments,
			struct arena *arena, struct packet **out, size_t *count, struct problems *p)
{
	char *text = arena_string(arena, arguments->packets), *line;
	struct packet *list = arena_alloc(arena, PACKETS_MAX * sizeof(*list));

	*count = 0;
	if (arguments->first != tracer->total + 1)
		return problems_add(p, -EINVAL, "arguments.first", NULL,
				    "expected %" PRIu64 ", the number of the next packet",
				    tracer->total + 1);
	while (*text) {
		line = cut_word(&text, '\n');
		if (*count == PACKETS_MAX)
			return problems_add(p, -E2BIG, "arguments.packets", NULL,
					    "expected at most %d in a request", PACKETS_MAX);
		if (!line || !read_packet(line, arena, &list[*count]))
			return problems_add(p, -EINVAL, "arguments.packets", NULL,
					    "line %zu: expected SECONDS.NANOSECONDS LENGTH "
					    "HEXADECIMAL and a newline, at most %d bytes",
					    *count + 1, LENGTH_MAX);
		++*count;
	}
	*out = list;
	return 0;
}

/* ---- why -------------------------------------------------------------------------------------- */

/* The name of the service that counts in a line, in the arena. */
static const char *service_name(const struct dataplane_view *view, uint32_t line,
				struct arena *arena)
{
	for (uint32_t i = 1; line && i < sl_service_records(&view->limits); i++)
		if (view->services[i].name[0] && view->services[i].counters == line)
			return arena_string(arena, view->services[i].name);
	return NULL;
}

static void describe_backend_of(const struct dataplane_view *view, uint32_t index,
				struct arena *arena, struct addr *address, struct judgement *out)
{
	const struct sl_backend *backend = &view->backends[index];
	char device[IF_NAMESIZE];

	*address = (struct addr){.family = backend->family};
	memcpy(address->bytes, backend->address, sizeof(address->bytes));
	out->backend = addr_text(arena, address);
	if (if_indextoname(backend->path[backend->active & 1].ifindex, device))
		out->device = arena_string(arena, device);
}

/* What `flow lookup` says of its flow; false: it is not read as one. */
static bool look_flow(const struct engine *engine, const struct frame *frame,
		      struct engine_flow_answer *out)
{
	const struct engine_flow flow = {
		.source = frame->source,
		.destination = frame->destination,
		.source_port = frame->source_port,
		.destination_port = frame->destination_port,
		.protocol = frame->protocol,
	};

	return frame->has_ports && !engine_flow_lookup(engine, &flow, out);
}

static void explain_denial(const struct tracer_world *world, const struct frame *frame,
			   struct arena *arena, struct judgement *out)
{
	char text[PREFIX_TEXT_SIZE];
	struct prefix by;

	if (world->denies(world->self, &frame->source, &by))
		out->why = arena_format(arena, DENIED_BY "%s", prefix_format(&by, text));
}

static void explain(const struct tracer_world *world, const struct frame *frame,
		    const struct addr *backend, struct arena *arena, struct judgement *out)
{
	static const char *const by[] = {
		[ENGINE_FLOW_TABLE] = "table",
		[ENGINE_FLOW_ENTRY] = "entry",
		[ENGINE_FLOW_BASE] = "base",
		[ENGINE_FLOW_ID] = "connection id",
	};
	struct engine_flow_answer found;
	bool is_flow;

	out->why = verdicts[out->verdict].help;
	if (out->verdict == SL_DROP_denied)
		explain_denial(world, frame, arena, out);
	if (!backend)
		return;
	is_flow = look_flow(world->engine, frame, &found) && found.has_backend &&
		  addr_equal(&found.backend, backend);
	if (is_flow) {
		out->by = by[found.from];
		out->why = arena_string(arena, found.why);
	} else if (frame->is_fragment && !frame->has_ports) {
		out->by = "first fragment";
		out->why = "it follows the first fragment of its packet";
	} else {
		out->why = "not its own addresses and ports say so, but what it belongs to: a "
			   "quoted packet, a connection id";
	}
}

/* What a connection id says, to be read on from there. */
static const char *const events[SL_EVENTS] = {
	[SL_EVENT_quic_named] = "its connection id names it, whatever the flow's slot says",
	[SL_EVENT_quic_unroutable] = "is of no configuration",
	[SL_EVENT_quic_malformed] = "is not as long as its configuration says, or is not there",
	[SL_EVENT_quic_unknown] = "has a server id that is no backend's",
	[SL_EVENT_quic_closed] = "names a backend that takes no new flows, which this may begin",
	[SL_EVENT_quic_dead] = "names a backend that is dead",
};

static const char *why_not_run(int err, struct arena *arena)
{
	if (err == -EMSGSIZE)
		return "longer than the kernel can try: captured behind segmentation offload (GRO, "
		       "TSO), no such frame was on the wire";
	if (err == -EINVAL)
		return "shorter than an Ethernet header";
	return arena_format(arena, "the kernel could not try it: %s", strerror(-err));
}

static void judge(const struct tracer_world *world, const struct packet *packet,
		  const struct frame *frame, struct arena *arena, struct judgement *out)
{
	const struct dataplane_view *view = engine_view(world->engine);
	struct dataplane_outcome outcome;
	struct addr address;
	int err = world->try(world->self, packet->bytes, packet->length, &outcome);

	*out = (struct judgement){.verdict = NOT_RUN};
	if (err) {
		out->why = why_not_run(err, arena);
		return;
	}
	out->verdict = outcome.verdict;
	out->service = service_name(view, outcome.service, arena);
	if (outcome.backend)
		describe_backend_of(view, outcome.backend, arena, &address, out);
	if (outcome.backend && outcome.connection_id == SL_EVENT_quic_named) {
		out->by = "connection id";
		out->why = events[outcome.connection_id];
		return;
	}
	explain(world, frame, outcome.backend ? &address : NULL, arena, out);
	if (outcome.backend && outcome.connection_id)
		out->why = arena_format(arena, "%s; the connection id %s", out->why,
					events[outcome.connection_id]);
}

/* ---- the sum ---------------------------------------------------------------------------------- */

static void add_sum(struct tracer *tracer, size_t world, const struct judgement *judgement)
{
	struct sum *sum;
	char *key;

	tracer->verdicts[world][judgement->verdict]++;
	if (!judgement->service || !judgement->backend)
		return;
	key = mem_format("%s %s", judgement->service, judgement->backend);
	sum = table_get(tracer->sums, key, strlen(key));
	if (!sum) {
		sum = arena_alloc(tracer->arena, sizeof(*sum));
		sum->service = arena_string(tracer->arena, judgement->service);
		sum->backend = arena_string(tracer->arena, judgement->backend);
		table_set(tracer->sums, key, strlen(key), sum);
		tracer->list = mem_grow(tracer->list, tracer->sum_count, sizeof(*tracer->list));
		tracer->list[tracer->sum_count++] = sum;
	}
	sum->packets[world]++;
	free(key);
}

static int compare_sums(const void *a, const void *b)
{
	const struct sum *x = *(struct sum *const *)a, *y = *(struct sum *const *)b;
	struct addr left, right;
	int order = strcmp(x->service, y->service);

	if (order || addr_parse(x->backend, &left) || addr_parse(y->backend, &right))
		return order;
	return addr_compare(&left, &right);
}

static void describe_sums(struct tracer *tracer, struct arena *arena, struct wire_trace *out)
{
	out->verdicts.list = arena_alloc(arena, (SL_VERDICTS + 1) * sizeof(*out->verdicts.list));
	for (uint32_t i = SL_GO_ON + 1; i <= SL_VERDICTS; i++)
		if (tracer->verdicts[0][i] || tracer->verdicts[1][i])
			out->verdicts.list[out->verdicts.count++] = (struct wire_trace_verdict){
				.verdict = verdicts[i].name,
				.action = verdicts[i].action,
				.packets = tracer->verdicts[0][i],
				.then_packets = tracer->verdicts[1][i],
				.help = verdicts[i].help,
			};
	if (tracer->sum_count)
		qsort(tracer->list, tracer->sum_count, sizeof(*tracer->list), compare_sums);
	out->backends.list = arena_alloc(arena, tracer->sum_count * sizeof(*out->backends.list));
	out->backends.count = tracer->sum_count;
	for (size_t i = 0; i < tracer->sum_count; i++)
		out->backends.list[i] = (struct wire_trace_backend){
			.service = tracer->list[i]->service,
			.backend = tracer->list[i]->backend,
			.packets = tracer->list[i]->packets[0],
			.then_packets = tracer->list[i]->packets[1],
		};
}

/* ---- documents -------------------------------------------------------------------------------- */

static const char *time_text(const struct packet *packet, struct arena *arena)
{
	time_t seconds = packet->seconds;
	char date[32] = "";
	struct tm utc;

	gmtime_r(&seconds, &utc);
	strftime(date, sizeof(date), "%FT%T", &utc);
	return arena_format(arena, "%s.%06" PRIu64 "Z", date, packet->nanoseconds / 1000);
}

static const char *end_text(const struct frame *frame, const struct addr *address, uint16_t port,
			    struct arena *arena)
{
	char text[ENDPOINT_TEXT_SIZE];

	if (!frame->has_ports)
		return addr_text(arena, address);
	if (port)
		return arena_string(arena, endpoint_format(address, port, text));
	return arena_format(arena, address->family == 6 ? "[%s]:0" : "%s:0",
			    addr_format(address, text));
}

static void describe_packet(const struct packet *packet, uint64_t number, const struct frame *frame,
			    const struct judgement *is, struct arena *arena,
			    struct wire_trace_packet *out)
{
	char protocol[FRAME_PROTOCOL_SIZE];

	*out = (struct wire_trace_packet){
		.number = number,
		.time = time_text(packet, arena),
		.length = packet->length,
		.cut = packet->is_cut,
		.protocol = arena_string(arena, frame_protocol(frame, protocol)),
		.source = end_text(frame, &frame->source, frame->source_port, arena),
		.destination = end_text(frame, &frame->destination, frame->destination_port, arena),
		.verdict = verdicts[is->verdict].name,
		.action = verdicts[is->verdict].action,
		.service = is->service,
		.backend = is->backend,
		.device = is->device,
		.by = is->by,
		.why = is->why,
	};
}

static void describe_then(const struct judgement *then, struct wire_trace_packet *out)
{
	out->then_verdict = verdicts[then->verdict].name;
	out->then_service = then->service;
	out->then_backend = then->backend;
	out->then_device = then->device;
	out->then_why = then->why;
}

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same(const struct judgement *a, const struct judgement *b)
{
	return a->verdict == b->verdict && is_same_text(a->service, b->service) &&
	       is_same_text(a->backend, b->backend);
}

static void try_packet(struct tracer *tracer, const struct packet *packet, struct arena *arena,
		       struct wire_trace *out)
{
	struct wire_trace_packet *told = &out->packets.list[out->packets.count];
	struct judgement judgements[WORLDS];
	struct frame frame;
	bool compares = tracer->world_count > 1;

	frame_read(packet->bytes, packet->length, &frame);
	for (size_t i = 0; i < tracer->world_count; i++) {
		judge(&tracer->worlds[i], packet, &frame, arena, &judgements[i]);
		add_sum(tracer, i, &judgements[i]);
	}
	tracer->total++;
	if (compares && is_same(&judgements[0], &judgements[1]))
		return;
	tracer->differ += compares;
	describe_packet(packet, tracer->total, &frame, &judgements[0], arena, told);
	if (compares)
		describe_then(&judgements[1], told);
	out->packets.count++;
}

char *tracer_answer(struct tracer *tracer, const struct wire_arguments *arguments,
		    enum wire_code *code)
{
	struct arena *arena = arena_new();
	struct wire_trace out = {.compares = tracer->world_count > 1, .ends = arguments->last};
	struct problems p = {};
	struct packet *packets = NULL;
	size_t count = 0;
	char *reply;

	*code = read_packets(tracer, arguments, arena, &packets, &count, &p) ? WIRE_USAGE : WIRE_OK;
	if (*code) {
		reply = wire_encode_error(*code, &p);
	} else {
		out.packets.list = arena_alloc(arena, (count + 1) * sizeof(*out.packets.list));
		for (size_t i = 0; i < count; i++)
			try_packet(tracer, &packets[i], arena, &out);
		out.total = tracer->total;
		out.differ = tracer->differ;
		if (arguments->last)
			describe_sums(tracer, arena, &out);
		reply = wire_encode_reply(WIRE_KIND_trace, &out);
	}
	problems_free(&p);
	arena_free(arena);
	return reply;
}

/* ---- the request ------------------------------------------------------------------------------ */

/* Texts come with their names, and with the first packet. */
static bool is_coherent(const struct wire_arguments *arguments)
{
	uint32_t given = arguments->given;

	return !(given & WIRE_BIT(config)) == !(given & WIRE_BIT(config_text)) &&
	       !(given & WIRE_BIT(diff)) == !(given & WIRE_BIT(diff_text)) && arguments->first &&
	       (arguments->first == 1 || !(given & (WIRE_BIT(config) | WIRE_BIT(diff))));
}

enum wire_code answer_trace(struct request *request)
{
	const struct api_host *host = &request->api->host;

	if (!is_coherent(request->arguments)) {
		problems_add(&request->errors, -EINVAL, "arguments", NULL,
			     "expected `first`, and with 1 alone a configuration, by name and "
			     "text");
		return WIRE_USAGE;
	}
	if (host->trace(host->self, request->client, request->arguments, request->promise,
			&request->errors))
		return WIRE_FAILED;
	request->is_promised = true;
	return WIRE_OK;
}
