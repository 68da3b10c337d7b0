/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking, retiring and looking up; reading the maps is in ids_read.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/ids.h"

static void *copy_list(const void *from, size_t count, size_t size)
{
	void *to = mem_array(count, size);

	if (count)
		memcpy(to, from, count * size);
	return to;
}

void ids_copy(const struct ids *from, struct ids *to)
{
	*to = *from;
	to->records = copy_list(from->records, sl_service_records(&from->limits), 1);
	to->lines = copy_list(from->lines, from->limits.services, 1);
	to->backends = copy_list(from->backends, from->limits.backends + 1, 1);
	to->regions = copy_list(from->regions, from->region_count, sizeof(*from->regions));
	to->services = copy_list(from->services, from->service_count, sizeof(*from->services));
	to->known = copy_list(from->known, from->known_count, sizeof(*from->known));
	to->listeners = copy_list(from->listeners, from->listener_count, sizeof(*from->listeners));
}

void ids_free(struct ids *ids)
{
	free(ids->records);
	free(ids->lines);
	free(ids->backends);
	free(ids->regions);
	free(ids->services);
	free(ids->known);
	free(ids->listeners);
	*ids = (struct ids){};
}

static int compare_name(const void *name, const void *service)
{
	return strcmp(name, ((const struct ids_service *)service)->name);
}

const struct ids_service *ids_find_service(const struct ids *ids, const char *name)
{
	if (!ids->service_count)
		return NULL;
	return bsearch(name, ids->services, ids->service_count, sizeof(*ids->services),
		       compare_name);
}

const struct ids_backend *ids_backends_of(const struct ids *ids, uint32_t line, size_t *count)
{
	size_t low = 0, high = ids->known_count, end;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (ids->known[middle].line < line)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < ids->known_count && ids->known[end].line == line;)
		end++;
	*count = end - low;
	return ids->known + low;
}

int ids_compare_listeners(const void *left, const void *right)
{
	const struct dataplane_listener *a = left, *b = right;
	int order = addr_compare(&a->address, &b->address);

	if (order)
		return order;
	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	if (a->protocol != b->protocol)
		return a->protocol < b->protocol ? -1 : 1;
	return a->port < b->port ? -1 : a->port > b->port;
}

/*
 * ---- taking ------------------------------------------------------------------------------------
 */

static int take(uint8_t *states, uint32_t count, uint32_t *out)
{
	for (uint32_t i = 0; i < count; i++)
		if (states[i] == IDS_FREE) {
			states[i] = IDS_USED;
			*out = i;
			return 0;
		}
	return -ENOSPC;
}

int ids_take_record(struct ids *ids, uint32_t *record)
{
	return take(ids->records, sl_service_records(&ids->limits), record);
}

int ids_take_line(struct ids *ids, uint32_t *line)
{
	uint32_t nth;
	int err = take(ids->lines, ids->limits.services, &nth);

	if (!err)
		*line = sl_counter_services(&ids->limits) + nth;
	return err;
}

int ids_take_backend(struct ids *ids, uint32_t *index)
{
	return take(ids->backends, ids->limits.backends + 1, index);
}

static uint32_t whole_lines(uint32_t slots)
{
	return (slots + SL_HOT_PER_LINE - 1) / SL_HOT_PER_LINE * SL_HOT_PER_LINE;
}

/*
 * The first slot after region `i`, and the end of the hole there; i == -1: the hole before the
 * first one.
 */
static void hole_after(const struct ids *ids, ptrdiff_t i, uint32_t *start, uint32_t *end)
{
	*start = i < 0 ? 0 : ids->regions[i].base + whole_lines(ids->regions[i].slots);
	*end = i + 1 < (ptrdiff_t)ids->region_count ? ids->regions[i + 1].base : ids->limits.slots;
}

int ids_take_region(struct ids *ids, uint32_t slots, uint32_t *base)
{
	for (ptrdiff_t i = -1; i < (ptrdiff_t)ids->region_count; i++) {
		uint32_t start, end;

		hole_after(ids, i, &start, &end);
		if (end < start || end - start < whole_lines(slots))
			continue;
		ids->regions =
			mem_resize(ids->regions, ids->region_count + 1, sizeof(*ids->regions));
		memmove(&ids->regions[i + 2], &ids->regions[i + 1],
			(ids->region_count - (i + 1)) * sizeof(*ids->regions));
		ids->regions[i + 1] = (struct ids_region){start, slots, IDS_USED};
		ids->region_count++;
		*base = start;
		return 0;
	}
	return -ENOSPC;
}

/*
 * ---- retiring ----------------------------------------------------------------------------------
 */

void ids_retire_service(struct ids *ids, const struct ids_service *service, bool keeps_line)
{
	ids->records[service->record] = IDS_RETIRING;
	if (!keeps_line)
		ids->lines[service->line - sl_counter_services(&ids->limits)] = IDS_RETIRING;
	for (size_t i = 0; i < ids->region_count; i++)
		if (ids->regions[i].base == service->base)
			ids->regions[i].state = IDS_RETIRING;
}

void ids_retire_backend(struct ids *ids, uint32_t index)
{
	ids->backends[index] = IDS_RETIRING;
}

/*
 * ---- what is left ------------------------------------------------------------------------------
 */

static struct ids_room count_room(const uint8_t *states, uint32_t first, uint32_t count)
{
	struct ids_room room = {.all = count - first};

	for (uint32_t i = first; i < count; i++) {
		room.free += states[i] == IDS_FREE;
		room.retiring += states[i] == IDS_RETIRING;
	}
	return room;
}

struct ids_room ids_room_lines(const struct ids *ids)
{
	return count_room(ids->lines, 0, ids->limits.services);
}

struct ids_room ids_room_backends(const struct ids *ids)
{
	return count_room(ids->backends, 1, ids->limits.backends + 1);
}

struct ids_room ids_room_slots(const struct ids *ids)
{
	struct ids_room room = {.all = ids->limits.slots};

	for (ptrdiff_t i = -1; i < (ptrdiff_t)ids->region_count; i++) {
		uint32_t start, end;

		if (i >= 0 && ids->regions[i].state == IDS_RETIRING)
			room.retiring += whole_lines(ids->regions[i].slots);
		hole_after(ids, i, &start, &end);
		if (end <= start)
			continue;
		room.free += end - start;
		if (end - start > room.largest)
			room.largest = end - start;
	}
	return room;
}
