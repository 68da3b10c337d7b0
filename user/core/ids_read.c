/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the ids from the maps. Nothing read is believed before it is checked: every number is
 * compared with the limits before it is used, so that whatever bytes are there, they are refused or
 * understood.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "core/ids.h"

#define REMEDY "the pinned maps are damaged; take them away by: sluiced --down"

/* ---- listeners ------------------------------------------------------------------------------- */

/* Whether a family's buckets lie within their half of the map. */
static bool has_buckets(unsigned int shift, uint64_t buckets)
{
	return shift >= 1 && (UINT64_C(1) << (64 - shift)) <= buckets;
}

static int read_listeners(const struct dataplane_view *view, struct ids *ids, struct problems *p)
{
	uint64_t word = view->control->listeners;

	if (!word) /* no table was ever put in force */
		return 0;
	if (!has_buckets(sl_listeners_shift4(word), sl_listener_buckets4(&view->limits)) ||
	    !has_buckets(sl_listeners_shift6(word), sl_listener_buckets6(&view->limits)))
		return problems_add(p, -EPROTO, "control", NULL,
				    "the listener table in force lies outside its map; " REMEDY);
	ids->listener_count = dataplane_listeners(view, NULL, 0);
	ids->listeners = mem_array(ids->listener_count, sizeof(*ids->listeners));
	dataplane_listeners(view, ids->listeners, ids->listener_count);
	qsort(ids->listeners, ids->listener_count, sizeof(*ids->listeners), ids_compare_listeners);
	return 0;
}

/* ---- services -------------------------------------------------------------------------------- */

static bool is_name(const char name[SL_NAME_SIZE])
{
	size_t length = strnlen(name, SL_NAME_SIZE);

	if (!length || length == SL_NAME_SIZE)
		return false;
	for (size_t i = 0; i < length; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return true;
}

/* What is wrong with a record, or NULL. */
static const char *find_fault(const struct sl_service *record, const struct sl_limits *limits)
{
	if (!is_name(record->name))
		return "its name is garbage";
	if (!record->slots || record->slots > limits->slots ||
	    record->slots_base > limits->slots - record->slots)
		return "its slots lie outside the map";
	if (record->slots_base % SL_HOT_PER_LINE)
		return "its slots begin within a cache line";
	if (record->counters < sl_counter_services(limits) ||
	    record->counters >= sl_counter_backends(limits))
		return "its counters line is none of a service";
	return NULL;
}

static int refuse_record(struct problems *p, uint32_t record, const char *fault)
{
	char field[32];

	snprintf(field, sizeof(field), "service record %u", record);
	return problems_add(p, -EPROTO, field, NULL, "%s; " REMEDY, fault);
}

static int read_service(const struct dataplane_view *view, uint32_t record, struct ids *ids,
			struct problems *p)
{
	const struct sl_service *value = &view->services[record];
	const char *fault = find_fault(value, &view->limits);
	uint8_t *line;

	if (fault)
		return refuse_record(p, record, fault);
	line = &ids->lines[value->counters - sl_counter_services(&view->limits)];
	if (*line == IDS_USED)
		return refuse_record(p, record, "its counters line is another service's, too");
	*line = IDS_USED;
	ids->records[record] = IDS_USED;
	ids->services = mem_grow(ids->services, ids->service_count, sizeof(*ids->services));
	ids->services[ids->service_count] = (struct ids_service){
		.record = record,
		.line = value->counters,
		.base = value->slots_base,
		.slots = value->slots,
		.idle_ticks = value->idle_ticks,
		.flags = value->flags,
		.tracks = value->flags & SL_SERVICE_TRACKS,
	};
	memcpy(ids->services[ids->service_count++].name, value->name, SL_NAME_SIZE);
	return 0;
}

static int compare_services(const void *left, const void *right)
{
	const struct ids_service *a = left, *b = right;

	return strcmp(a->name, b->name);
}

/* The services that listeners name. */
static int read_services(const struct dataplane_view *view, struct ids *ids, struct problems *p)
{
	for (size_t i = 0; i < ids->listener_count; i++) {
		uint32_t record = dataplane_record(&ids->listeners[i]);
		int err;

		if (dataplane_is_server_id(&ids->listeners[i]))
			continue; /* it makes no service */
		if (record == 0 || record >= sl_service_records(&view->limits))
			return refuse_record(p, record, "a listener names it, and it is none");
		if (ids->records[record] == IDS_USED)
			continue;
		err = read_service(view, record, ids, p);
		if (err)
			return err;
	}
	if (ids->service_count)
		qsort(ids->services, ids->service_count, sizeof(*ids->services), compare_services);
	for (size_t i = 1; i < ids->service_count; i++)
		if (!strcmp(ids->services[i - 1].name, ids->services[i].name))
			return refuse_record(p, ids->services[i].record,
					     "another record in force has its name");
	return 0;
}

/* ---- regions --------------------------------------------------------------------------------- */

static int compare_regions(const void *left, const void *right)
{
	const struct ids_region *a = left, *b = right;

	return a->base < b->base ? -1 : a->base > b->base;
}

static void add_region(struct ids *ids, uint32_t base, uint32_t slots, enum ids_state state)
{
	ids->regions = mem_grow(ids->regions, ids->region_count, sizeof(*ids->regions));
	ids->regions[ids->region_count++] = (struct ids_region){base, slots, state};
}

static void sort_regions(struct ids *ids)
{
	if (ids->region_count)
		qsort(ids->regions, ids->region_count, sizeof(*ids->regions), compare_regions);
}

static bool overlaps(const struct ids_region *region, uint32_t base, uint32_t slots)
{
	return base < region->base + region->slots && region->base < base + slots;
}

static int read_regions(struct ids *ids, struct problems *p)
{
	for (size_t i = 0; i < ids->service_count; i++)
		add_region(ids, ids->services[i].base, ids->services[i].slots, IDS_USED);
	sort_regions(ids);
	for (size_t i = 1; i < ids->region_count; i++)
		if (overlaps(&ids->regions[i - 1], ids->regions[i].base, ids->regions[i].slots)) {
			for (size_t s = 0; s < ids->service_count; s++)
				if (ids->services[s].base == ids->regions[i].base)
					return refuse_record(
						p, ids->services[s].record,
						"its slots are another service's, too");
		}
	return 0;
}

/*
 * Records that no listener names: what a change that was cut off left behind, before or after its
 * switch. Their slots and line are let go with them, unless what is written there cannot be
 * believed.
 */
static void read_leftover_services(const struct dataplane_view *view, struct ids *ids)
{
	static const struct sl_service none;
	size_t in_force = ids->region_count;

	for (uint32_t r = 1; r < sl_service_records(&view->limits); r++) {
		const struct sl_service *value = &view->services[r];
		bool is_alone = true;
		uint8_t *line;

		if (ids->records[r] != IDS_FREE || !memcmp(value, &none, sizeof(none)))
			continue;
		ids->records[r] = IDS_RETIRING;
		if (find_fault(value, &view->limits))
			continue;
		line = &ids->lines[value->counters - sl_counter_services(&view->limits)];
		if (*line == IDS_FREE)
			*line = IDS_RETIRING;
		for (size_t i = 0; i < ids->region_count; i++)
			is_alone &= !overlaps(&ids->regions[i], value->slots_base, value->slots);
		if (is_alone)
			add_region(ids, value->slots_base, value->slots, IDS_RETIRING);
	}
	if (ids->region_count > in_force)
		sort_regions(ids);
}

/* ---- backends -------------------------------------------------------------------------------- */

static bool is_in_force(const struct sl_backend *backend, const struct ids *ids)
{
	uint32_t first = sl_counter_services(&ids->limits);

	return (backend->family == 4 || backend->family == 6) && backend->active <= 1 &&
	       backend->service >= first && backend->service - first < ids->limits.services &&
	       ids->lines[backend->service - first] == IDS_USED;
}

static int compare_backends(const void *left, const void *right)
{
	const struct ids_backend *a = left, *b = right;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return addr_compare(&a->address, &b->address);
}

/*
 * Of two of one identity one is a leftover; ids_slots_astray() counts slots that name that one.
 */
static void retire_doubles(struct ids *ids)
{
	size_t kept = 0;

	if (ids->known_count)
		qsort(ids->known, ids->known_count, sizeof(*ids->known), compare_backends);
	for (size_t i = 0; i < ids->known_count; i++)
		if (kept && !compare_backends(&ids->known[kept - 1], &ids->known[i]))
			ids->backends[ids->known[i].index] = IDS_RETIRING;
		else
			ids->known[kept++] = ids->known[i];
	ids->known_count = kept;
}

static void read_backends(const struct dataplane_view *view, struct ids *ids)
{
	for (uint32_t i = 1; i <= view->limits.backends; i++) {
		const struct sl_backend *backend = &view->backends[i];
		struct ids_backend *known;

		if (!backend->family)
			continue;
		if (!is_in_force(backend, ids)) {
			ids->backends[i] = IDS_RETIRING;
			continue;
		}
		ids->backends[i] = IDS_USED;
		ids->known = mem_grow(ids->known, ids->known_count, sizeof(*ids->known));
		known = &ids->known[ids->known_count++];
		*known = (struct ids_backend){
			.line = backend->service,
			.address.family = backend->family,
			.index = i,
		};
		memcpy(known->address.bytes, backend->address, addr_size(backend->family));
	}
	retire_doubles(ids);
}

/* ---- server ids ------------------------------------------------------------------------------ */

/* Each is of a service in force, and names a backend of that service. */
static int check_server_ids(const struct dataplane_view *view, const struct ids *ids,
			    struct problems *p)
{
	for (size_t i = 0; i < ids->listener_count; i++) {
		const struct dataplane_listener *l = &ids->listeners[i];
		uint32_t record = dataplane_record(l);
		uint32_t index = l->service & ~SL_SERVER_ID_CLOSED;

		if (!dataplane_is_server_id(l))
			continue;
		if (record >= sl_service_records(&view->limits) || ids->records[record] != IDS_USED)
			return refuse_record(p, record, "a server id is of it, and it is none");
		if (!index || index > view->limits.backends || !view->backends[index].family ||
		    view->backends[index].service != view->services[record].counters)
			return refuse_record(p, record, "a server id of it names no backend of it");
	}
	return 0;
}

/* ---- all ------------------------------------------------------------------------------------- */

int ids_read(const struct dataplane_view *view, struct ids *out, struct problems *p)
{
	struct ids ids = {.limits = view->limits};
	int err;

	ids.records = mem_array(sl_service_records(&ids.limits), 1);
	ids.lines = mem_array(ids.limits.services, 1);
	ids.backends = mem_array(ids.limits.backends + 1, 1);
	ids.records[0] = IDS_USED;
	ids.backends[SL_NOBODY] = IDS_USED;
	err = read_listeners(view, &ids, p);
	if (!err)
		err = read_services(view, &ids, p);
	if (!err)
		err = check_server_ids(view, &ids, p);
	if (!err)
		err = read_regions(&ids, p);
	if (err) {
		ids_free(&ids);
		*out = ids;
		return err;
	}
	read_leftover_services(view, &ids);
	read_backends(view, &ids);
	*out = ids;
	return 0;
}

static bool names_its_own(const struct ids *ids, const struct dataplane_view *view, uint32_t line,
			  uint32_t backend)
{
	return backend == SL_NOBODY ||
	       (backend <= view->limits.backends && ids->backends[backend] == IDS_USED &&
		view->backends[backend].service == line);
}

/* The cold word of a slot that is not looked up counts for nothing. */
uint32_t ids_slots_astray(const struct ids *ids, const struct dataplane_view *view,
			  const struct ids_service *service, uint32_t first, uint32_t count)
{
	uint32_t astray = 0;

	for (uint32_t slot = first; slot < first + count; slot++) {
		uint16_t hot = dataplane_hot(view, slot);
		uint32_t base = dataplane_cold(view, slot) & SL_COLD_BASE;

		astray += !names_its_own(ids, view, service->line, hot & SL_HOT_NOW) ||
			  (hot & SL_HOT_LOOK && !names_its_own(ids, view, service->line, base));
	}
	return astray;
}
