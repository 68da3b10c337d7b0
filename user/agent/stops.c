/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/events.h"
#include "agent/stops.h"
#include "base/mem.h"

struct stop {
	char *service, *device, *why;
};

static bool has(const struct stop *list, size_t count, const char *service)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i].service, service))
			return true;
	return false;
}

void stops_note(struct stops *stops, const char *service, const char *device, const char *why)
{
	if (has(stops->next, stops->next_count, service))
		return;
	stops->next = mem_grow(stops->next, stops->next_count, sizeof(*stops->next));
	stops->next[stops->next_count++] =
		(struct stop){mem_string(service), mem_string(device), mem_string(why)};
}

static void free_list(struct stop *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(list[i].service);
		free(list[i].device);
		free(list[i].why);
	}
	free(list);
}

void stops_say(struct stops *stops, struct events *events)
{
	for (size_t i = 0; i < stops->next_count; i++) {
		const struct stop *stop = &stops->next[i];
		const struct event event = {.kind = EVENT_probes_stopped,
					    .service = stop->service,
					    .device = stop->device};

		if (!has(stops->list, stops->count, stop->service))
			event_say(events, event,
				  "service %s is not probed through the tunnel: %s; meanwhile its "
				  "backends' health stays as it is",
				  stop->service, stop->why);
	}
	for (size_t i = 0; i < stops->count; i++) {
		const struct stop *stop = &stops->list[i];
		const struct event event = {.kind = EVENT_probes_go_on,
					    .service = stop->service,
					    .device = stop->device};

		if (!has(stops->next, stops->next_count, stop->service))
			event_say(events, event,
				  "service %s: nothing keeps its probes from the tunnel any more",
				  stop->service);
	}
	free_list(stops->list, stops->count);
	stops->list = stops->next;
	stops->count = stops->next_count;
	stops->next = NULL;
	stops->next_count = 0;
}

const char *stops_find(const struct stops *stops, const char *service)
{
	for (size_t i = 0; i < stops->count; i++)
		if (!strcmp(stops->list[i].service, service))
			return stops->list[i].why;
	return NULL;
}

void stops_free(struct stops *stops)
{
	free_list(stops->list, stops->count);
	free_list(stops->next, stops->next_count);
	*stops = (struct stops){};
}
