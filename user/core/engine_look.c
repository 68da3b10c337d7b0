/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking at what is in force. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/hash.h>

#include "base/mem.h"
#include "core/engine_state.h"

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

/* How many slots of a service name each index; the caller frees the list. */
static uint32_t *count_slots(const struct dataplane_view *view, const struct ids_service *service)
{
	uint32_t *counts = mem_array(view->limits.backends + 1, sizeof(*counts));

	for (uint32_t i = 0; i < service->slots; i++) {
		uint32_t index = dataplane_hot(view, service->base + i) & SL_HOT_NOW;

		if (index <= view->limits.backends)
			counts[index]++;
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
	uint32_t *slots;

	*count = 0;
	if (!found)
		return NULL;
	known = ids_backends_of(&engine->ids, found->line, count);
	list = mem_array(*count, sizeof(*list));
	slots = count_slots(view, found);
	for (size_t i = 0; i < *count; i++)
		list[i] = (struct engine_backend_place){
			.address = known[i].address,
			.index = known[i].index,
			.counters_line = sl_counter_backends(&view->limits) + known[i].index,
			.slots = slots[known[i].index],
		};
	free(slots);
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

/* The hash of a flow as the data path works it out from its packet. */
static uint64_t hash_flow(const struct sl_hash_key *key, const struct engine_flow *flow)
{
	uint16_t wire[2] = {htons(flow->source_port), htons(flow->destination_port)};
	uint32_t source[4], destination[4], ports;

	memcpy(&ports, wire, sizeof(ports));
	memcpy(source, flow->source.bytes, sizeof(source));
	memcpy(destination, flow->destination.bytes, sizeof(destination));
	if (flow->source.family == 4)
		return sl_hash4(key, source[0], destination[0], ports, flow->protocol);
	return sl_hash6(key, source, destination, ports, flow->protocol);
}

/* Fills in the backend that a slot names, and why packets do or do not get there. */
static char *look_backend(const struct engine *engine, const struct ids_service *service,
			  uint32_t index, struct engine_flow_answer *out)
{
	const struct sl_backend *backend = &engine->options.view->backends[index];
	const struct model_service *wanted = model_find_service(engine->model, service->name);
	const struct model_backend *found;

	out->has_backend = true;
	out->backend = (struct addr){.family = backend->family};
	memcpy(out->backend.bytes, backend->address, sizeof(out->backend.bytes));
	found = wanted ? model_find_backend(wanted, &out->backend) : NULL;
	if (found)
		out->way = found->way;
	if (!backend->path[backend->active & 1].ifindex)
		return mem_format(
			"slot %u of %u names it, but it has no way: its packets are dropped "
			"(no_nexthop)",
			out->slot, service->slots);
	return mem_format("slot %u of %u names it", out->slot, service->slots);
}

static char *look_up(const struct engine *engine, const struct engine_flow *flow,
		     struct engine_flow_answer *out)
{
	const struct dataplane_view *view = engine->options.view;
	const struct ids_service *service = NULL;
	uint32_t record, index;

	out->hash = hash_flow(&engine->options.key->hash, flow);
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
	out->slot = sl_hash_slot(out->hash, service->slots);
	index = dataplane_hot(view, service->base + out->slot) & SL_HOT_NOW;
	if (index == SL_NOBODY || index > view->limits.backends)
		return mem_string("no backend takes flows: its packets are dropped (no_backend)");
	return look_backend(engine, service, index, out);
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
