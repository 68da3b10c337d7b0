/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What packets can reach in the dataplane of plain memory: whether it is in order, and an image of it. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "unit/support/fake_dataplane.h"

static size_t list_listeners(const struct fake *fake, struct dataplane_listener **out)
{
	size_t count = dataplane_listeners(&fake->view, NULL, 0);

	*out = mem_array(count, sizeof(**out));
	dataplane_listeners(&fake->view, *out, count);
	return count;
}

void fake_mark_reached(const struct fake *fake, bool *services, bool *backends)
{
	struct dataplane_listener *list;
	size_t count = list_listeners(fake, &list);

	for (size_t i = 0; i < count; i++) {
		uint32_t record = dataplane_record(&list[i]);
		const struct sl_service *service = &fake->services[record];

		if (dataplane_is_server_id(&list[i])) {
			uint32_t index = list[i].service & ~SL_SERVER_ID_CLOSED;

			if (index > fake->view.limits.backends)
				ck_abort_msg("a server id names backend %u", index);
			backends[index] = true;
		}

		if (record >= sl_service_records(&fake->view.limits))
			ck_abort_msg("a listener names record %u", record);
		if (services[record])
			continue;
		services[record] = true;
		for (uint32_t s = service->slots_base; s < service->slots_base + service->slots;
		     s++) {
			uint32_t now = dataplane_hot(&fake->view, s) & SL_HOT_NOW;
			uint32_t base = dataplane_cold(&fake->view, s) & SL_COLD_BASE;

			if (now > fake->view.limits.backends || base > fake->view.limits.backends)
				ck_abort_msg("slot %u names backends %u, %u", s, now, base);
			backends[now] = backends[base] = true;
		}
	}
	free(list);
}

static void check_slot(const struct fake *fake, const struct sl_service *service, uint32_t slot)
{
	uint32_t now = dataplane_hot(&fake->view, slot) & SL_HOT_NOW;
	uint32_t base = dataplane_cold(&fake->view, slot) & SL_COLD_BASE;
	const uint32_t named[] = {now, base};

	for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
		const struct sl_backend *backend = &fake->backends[named[i]];

		if (named[i] == SL_NOBODY)
			continue;
		if (named[i] > fake->view.limits.backends || !backend->family ||
		    backend->service != service->counters || backend->active > 1)
			ck_abort_msg(
				"slot %u of %s names index %u, which is not one of its backends",
				slot, service->name, named[i]);
	}
}

static void check_server_id(const struct fake *fake, const struct sl_service *service,
			    uint32_t index)
{
	const struct sl_backend *backend = &fake->backends[index];

	if (!index || index > fake->view.limits.backends || !backend->family ||
	    backend->service != service->counters)
		ck_abort_msg("a server id of service %s names backend %u, which is none of it",
			     service->name, index);
}

void fake_check(const struct fake *fake)
{
	const struct sl_limits *limits = &fake->view.limits;
	bool *seen = mem_array(sl_service_records(limits), sizeof(*seen));
	uint8_t *owner = mem_array(limits->slots, 1);
	struct dataplane_listener *list;
	size_t count = list_listeners(fake, &list);

	for (size_t i = 0; i < count; i++) {
		uint32_t record = dataplane_record(&list[i]);
		const struct sl_service *service = &fake->services[record];

		if (dataplane_is_server_id(&list[i])) {
			check_server_id(fake, service, list[i].service & ~SL_SERVER_ID_CLOSED);
			continue;
		}
		if (seen[record])
			continue;
		seen[record] = true;
		if (!record || record >= sl_service_records(limits) || !service->name[0] ||
		    !service->slots || service->slots_base + service->slots > limits->slots)
			ck_abort_msg("a listener names record %u, which is none", record);
		for (uint32_t s = 0; s < service->slots; s++) {
			if (owner[service->slots_base + s]++)
				ck_abort_msg("slot %u is of two services", service->slots_base + s);
			check_slot(fake, service, service->slots_base + s);
		}
	}
	free(list);
	free(owner);
	free(seen);
}

static int compare_listeners(const void *left, const void *right)
{
	const struct dataplane_listener *a = left, *b = right;
	int order = addr_compare(&a->address, &b->address);

	if (!order)
		order = (a->port > b->port) - (a->port < b->port);
	return order ? order : (a->protocol > b->protocol) - (a->protocol < b->protocol);
}

static void image_slots(const struct fake *fake, const struct sl_service *service, struct text *out)
{
	for (uint32_t s = service->slots_base; s < service->slots_base + service->slots; s++)
		text_add(out, " %x/%x", dataplane_hot(&fake->view, s),
			 dataplane_cold(&fake->view, s));
	text_add(out, "\n");
}

static void image_backend(const struct fake *fake, uint32_t index, struct text *out)
{
	const struct sl_backend *backend = &fake->backends[index];
	char hex[2 * sizeof(backend->path[0]) + 1];

	text_add(out, "backend %u flags %u service %u address %s", index, backend->flags,
		 backend->service,
		 text_format_hex(backend->address, sizeof(backend->address), hex));
	text_add(out, " path %s\n",
		 text_format_hex(&backend->path[backend->active & 1], sizeof(backend->path[0]),
				 hex));
}

void fake_image(const struct fake *fake, struct text *out)
{
	const struct sl_limits *limits = &fake->view.limits;
	bool *services = mem_array(sl_service_records(limits), sizeof(*services));
	bool *backends = mem_array(limits->backends + 1, sizeof(*backends));
	struct dataplane_listener *list;
	size_t count = list_listeners(fake, &list);
	char address[ADDR_TEXT_SIZE];

	text_add(out, "%zu listeners\n", count);
	if (count)
		qsort(list, count, sizeof(*list), compare_listeners);
	for (size_t i = 0; i < count; i++)
		text_add(out, "listener %s %u/%u -> %u%s\n", addr_format(&list[i].address, address),
			 list[i].port, list[i].protocol, list[i].service,
			 list[i].echo ? " echo" : "");
	fake_mark_reached(fake, services, backends);
	for (uint32_t r = 0; r < sl_service_records(limits); r++)
		if (services[r]) {
			text_add(out, "service %u %s: counters %u slots %u:", r,
				 fake->services[r].name, fake->services[r].counters,
				 fake->services[r].slots_base);
			image_slots(fake, &fake->services[r], out);
		}
	for (uint32_t b = 1; b <= limits->backends; b++)
		if (backends[b])
			image_backend(fake, b, out);
	free(list);
	free(services);
	free(backends);
}

void fake_compare(const char *before, const char *after)
{
	while (*before || *after) {
		int old = strcspn(before, "\n"), new = strcspn(after, "\n");

		if (old != new || strncmp(before, after, old))
			ck_abort_msg("was: %.*s\nis: %.*s", old < 400 ? old : 400, before,
				     new < 400 ? new : 400, after);
		before += old + (before[old] == '\n');
		after += new + (after[new] == '\n');
	}
}
