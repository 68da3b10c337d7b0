/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking at what is in force. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/hash.h>

#include "base/mem.h"
#include "base/text.h"
#include "core/engine_state.h"
#include "dataplane/flows.h"

const struct config *engine_config(const struct engine *engine)
{
	return engine->config;
}

const struct overrides *engine_overrides(const struct engine *engine)
{
	return &engine->overrides;
}

uint64_t engine_revision(const struct engine *engine)
{
	return engine->revision;
}

const struct model *engine_model(const struct engine *engine)
{
	return engine->model;
}

const struct dataplane_view *engine_view(const struct engine *engine)
{
	return engine->options.view;
}

bool engine_service_place(const struct engine *engine, const char *service,
			  struct engine_service_place *out)
{
	const struct ids_service *found = ids_find_service(&engine->ids, service);

	if (!found)
		return false;
	*out = (struct engine_service_place){
		.record = found->record,
		.slots_base = found->base,
		.slots = found->slots,
		.counters_line = found->line,
	};
	return true;
}

static int compare_known(const void *address, const void *known)
{
	return addr_compare(address, &((const struct ids_backend *)known)->address);
}

uint32_t engine_backend_index(const struct engine *engine, const char *service,
			      const struct addr *backend)
{
	const struct ids_service *found = ids_find_service(&engine->ids, service);
	const struct ids_backend *known;
	size_t count = 0;

	known = found ? ids_backends_of(&engine->ids, found->line, &count) : NULL;
	if (!count)
		return 0;
	known = bsearch(backend, known, count, sizeof(*known), compare_known);
	return known ? known->index : 0;
}

struct slot_counts {
	uint32_t slots, bases;
};

/* How many slots of a service name each index; the caller frees the list. */
static struct slot_counts *count_slots(const struct dataplane_view *view,
				       const struct ids_service *service, bool *is_open)
{
	struct slot_counts *counts = mem_array(view->limits.backends + 1, sizeof(*counts));

	*is_open = false;
	for (uint32_t i = 0; i < service->slots; i++) {
		uint32_t hot = dataplane_hot(view, service->base + i), base;

		if ((hot & SL_HOT_NOW) <= view->limits.backends)
			counts[hot & SL_HOT_NOW].slots++;
		if (!(hot & SL_HOT_LOOK))
			continue;
		*is_open = true;
		base = dataplane_cold(view, service->base + i) & SL_COLD_BASE;
		if (base != (hot & SL_HOT_NOW) && base <= view->limits.backends)
			counts[base].bases++;
	}
	return counts;
}

struct engine_backend_place *engine_backend_places(const struct engine *engine, const char *service,
						   size_t *count)
{
	const struct dataplane_view *view = engine->options.view;
	const struct ids_service *found = ids_find_service(&engine->ids, service);
	struct engine_backend_place *list;
	const struct ids_backend *known;
	struct slot_counts *counts;
	bool is_open;

	*count = 0;
	if (!found)
		return NULL;
	known = ids_backends_of(&engine->ids, found->line, count);
	list = mem_array(*count, sizeof(*list));
	counts = count_slots(view, found, &is_open);
	for (size_t i = 0; i < *count; i++)
		list[i] = (struct engine_backend_place){
			.address = known[i].address,
			.index = known[i].index,
			.counters_line = sl_counter_backends(&view->limits) + known[i].index,
			.slots = counts[known[i].index].slots,
			.bases = counts[known[i].index].bases,
			.is_open = is_open,
		};
	free(counts);
	return list;
}

static int compare_place(const void *address, const void *place)
{
	return addr_compare(address, &((const struct engine_backend_place *)place)->address);
}

const struct engine_backend_place *engine_place_of(const struct engine_backend_place *list,
						   size_t count, const struct addr *backend)
{
	return count ? bsearch(backend, list, count, sizeof(*list), compare_place) : NULL;
}

/* The hashes of a flow as the data path works them out from its packet: its own, and its client's. */
static uint64_t hash_flow(const struct sl_hash_key *key, const struct engine_flow *flow,
			  bool by_source)
{
	uint16_t wire[2] = {htons(flow->source_port), htons(flow->destination_port)};
	uint32_t source[4], destination[4], ports;

	memcpy(&ports, wire, sizeof(ports));
	memcpy(source, flow->source.bytes, sizeof(source));
	memcpy(destination, flow->destination.bytes, sizeof(destination));
	if (by_source)
		return flow->source.family == 4 ? sl_hash_source4(key, source[0], destination[0])
						: sl_hash_source6(key, source, destination);
	if (flow->source.family == 4)
		return sl_hash4(key, source[0], destination[0], ports, flow->protocol);
	return sl_hash6(key, source, destination, ports, flow->protocol);
}

/* An entry counts unless it is void for packets (docs/tracking.md), SYNs aside. */
static bool find_entry(const struct engine *engine, const struct ids_service *service,
		       uint64_t hash, uint32_t slot, uint32_t *backend)
{
	const struct dataplane_view *view = engine->options.view;
	uint64_t data;
	uint32_t now;

	if (!flows_find(view->flows, &view->places, hash, &data) || sl_flow_slot(data) != slot ||
	    engine->options.ops->clock(engine->options.dataplane, &now))
		return false;
	*backend = sl_flow_backend(data);
	return *backend <= view->limits.backends &&
	       sl_flow_age(data, now >> view->clock_shift) <= service->idle_ticks &&
	       !(view->backends[*backend].flags & SL_BACKEND_DEAD);
}

uint32_t engine_fragments(const struct engine *engine)
{
	const struct dataplane_view *view = engine->options.view;
	uint32_t now;

	if (engine->options.ops->clock(engine->options.dataplane, &now))
		return 0;
	return flows_young(view->fragments, view->limits.fragments, now >> view->clock_shift,
			   dataplane_ticks(view, DATAPLANE_FRAGMENT_MS));
}

/* Where a slot's flow goes that goes on, and by what. */
static uint32_t follow_slot(const struct engine *engine, const struct ids_service *service,
			    struct engine_flow_answer *out)
{
	uint32_t slot = service->base + out->slot, backend;
	uint32_t hot = dataplane_hot(engine->options.view, slot);

	out->from = ENGINE_FLOW_TABLE;
	if (!(hot & SL_HOT_LOOK))
		return hot & SL_HOT_NOW;
	out->from = ENGINE_FLOW_ENTRY;
	if (find_entry(engine, service, out->hash, slot, &backend))
		return backend;
	backend = dataplane_cold(engine->options.view, slot) & SL_COLD_BASE;
	out->from = backend == (hot & SL_HOT_NOW) ? ENGINE_FLOW_TABLE : ENGINE_FLOW_BASE;
	return backend;
}

/* Fills in the backend that a slot names, and why packets do or do not get there. */
static char *look_backend(const struct engine *engine, const struct ids_service *service,
			  uint32_t index, struct engine_flow_answer *out)
{
	const struct sl_backend *backend = &engine->options.view->backends[index];
	const struct model_service *wanted = model_find_service(engine->model, service->name);
	const struct model_backend *found;

	static const char *const names[] = {
		[ENGINE_FLOW_TABLE] = "names it",
		[ENGINE_FLOW_ENTRY] = "moves, and the flow has an entry that names it",
		[ENGINE_FLOW_BASE] = "moves away from it, and the flow has no entry: "
				     "it stays; a new "
				     "one may go elsewhere",
		[ENGINE_FLOW_ID] = "the connection id names it, whatever the flow's slot says",
	};
	char *says;

	out->has_backend = true;
	out->backend = (struct addr){.family = backend->family};
	memcpy(out->backend.bytes, backend->address, sizeof(out->backend.bytes));
	found = wanted ? model_find_backend(wanted, &out->backend) : NULL;
	if (found)
		out->way = found->way;
	says = out->from == ENGINE_FLOW_ID ? mem_string(names[out->from])
					   : mem_format("slot %u of %u %s", out->slot,
							service->slots, names[out->from]);
	if (!backend->path[backend->active & 1].ifindex) {
		char *all = mem_format(
			"%s, but it has no way: its packets are dropped (no_nexthop)", says);

		free(says);
		return all;
	}
	return says;
}

/* What a connection id of a service with `affinity: quic` says, as bpf/quic.h reads it in a short header. */
struct id_look {
	uint32_t index; /* of the backend; SL_NOBODY: none, `why_not` says it */
	const char *why_not;
	char server_id[2 * SL_SERVER_ID_MAX + 1]; /* "": it was not read */
};

static struct id_look look_id(const struct engine *engine, const struct ids_service *service,
			      const struct engine_flow *flow)
{
	const struct dataplane_view *view = engine->options.view;
	const uint8_t *id = flow->connection_id;
	struct id_look out = {};
	uint16_t config;
	size_t length;

	config =
		id[0] >> 5 < SL_QUIC_CONFIGS ? view->services[service->record].quic[id[0] >> 5] : 0;
	length = config & SL_QUIC_SERVER_ID;
	if (!config) {
		out.why_not = "is of no configuration";
		return out;
	}
	if (flow->connection_id_length < sl_quic_length(config) ||
	    (config & SL_QUIC_ENCODES_LENGTH && (id[0] & 31) + 1u != sl_quic_length(config))) {
		out.why_not = "is not as long as its configuration says";
		return out;
	}
	text_format_hex(id + 1, length, out.server_id);
	out.index = dataplane_find_server_id(view, service->record, id + 1, length) &
		    ~SL_SERVER_ID_CLOSED;
	if (!out.index || out.index > view->limits.backends) {
		out.index = SL_NOBODY;
		out.why_not = "has a server id that is no backend's";
	} else if (view->backends[out.index].flags & SL_BACKEND_DEAD) {
		out.index = SL_NOBODY;
		out.why_not = "names a backend that is dead";
	}
	return out;
}

/* Appends to a sentence, which it frees. */
static char *and_says(char *says, char *more)
{
	char *all = mem_format("%s; %s", says, more);

	free(says);
	free(more);
	return all;
}

static char *look_up_by_hash(const struct engine *engine, const struct ids_service *service,
			     const struct engine_flow *flow, struct engine_flow_answer *out)
{
	uint64_t slot_hash = service->flags & SL_SERVICE_BY_SOURCE
				     ? hash_flow(&engine->options.key->hash, flow, true)
				     : out->hash;
	uint32_t index;

	out->slot = sl_hash_slot(slot_hash, service->slots);
	index = follow_slot(engine, service, out);
	if (index == SL_NOBODY || index > engine->options.view->limits.backends)
		return mem_string("no backend takes flows: its packets are dropped (no_backend)");
	return look_backend(engine, service, index, out);
}

static char *look_up_quic(const struct engine *engine, const struct ids_service *service,
			  const struct engine_flow *flow, struct engine_flow_answer *out)
{
	struct id_look look;

	out->reads_ids = true;
	if (!flow->connection_id_length)
		return look_up_by_hash(engine, service, flow, out);
	look = look_id(engine, service, flow);
	if (look.index == SL_NOBODY)
		return and_says(look_up_by_hash(engine, service, flow, out),
				mem_format("the connection id %s", look.why_not));
	out->from = ENGINE_FLOW_ID;
	return and_says(look_backend(engine, service, look.index, out),
			mem_format("its server id is %s", look.server_id));
}

static char *look_up(const struct engine *engine, const struct engine_flow *flow,
		     struct engine_flow_answer *out)
{
	const struct dataplane_view *view = engine->options.view;
	const struct ids_service *service = NULL;
	uint32_t record;

	out->hash = hash_flow(&engine->options.key->hash, flow, false);
	record = dataplane_find_listener(view, &flow->destination, flow->destination_port,
					 flow->protocol);
	if (!record)
		return mem_string("no service listens there: its packets pass to the kernel");
	for (size_t i = 0; i < engine->ids.service_count; i++)
		if (engine->ids.services[i].record == record)
			service = &engine->ids.services[i];
	if (!service)
		return mem_string("the maps contradict each other; see the agent's log");
	out->service = service->name;
	return service->flags & SL_SERVICE_QUIC ? look_up_quic(engine, service, flow, out)
						: look_up_by_hash(engine, service, flow, out);
}

int engine_flow_lookup(const struct engine *engine, const struct engine_flow *flow,
		       struct engine_flow_answer *out)
{
	/*
	 * The answer lives in the engine until the next question, which changes nothing that can be
	 * seen.
	 */
	struct engine *owner = (struct engine *)engine;

	*out = (struct engine_flow_answer){};
	if (flow->source.family != flow->destination.family || addr_is_none(&flow->source))
		return -EAFNOSUPPORT;
	free(owner->why);
	owner->why = look_up(engine, flow, out);
	out->why = owner->why;
	return 0;
}
