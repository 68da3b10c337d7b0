/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes that the full flow table holds open: no flow breaks by it, but people should know. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/engine_state.h"

/* ---- drains that cannot end -------------------------------------------------------------------- */

/* People decide what becomes of them, if the configuration does not. */
static void tell_drains(struct engine *engine, const struct ids_service *service,
			const struct config_service *config, uint32_t crowded, uint64_t now_ms)
{
	const struct ids_backend *known;
	char address[ADDR_TEXT_SIZE];
	size_t count;

	known = ids_backends_of(&engine->ids, service->line, &count);
	for (size_t i = 0; i < count; i++) {
		struct engine_drain *drain = &engine->drains[known[i].index];

		if (drain->is_told || !engine_is_drain_over(drain, config, now_ms))
			continue;
		drain->is_told = true;
		engine_tell(engine, ENGINE_HELD_OPEN, service->name, &known[i].address,
			    mem_format("backend %s %s is past its drain-timeout, and "
				       "slots are held open (%u), since the flow table was full; "
				       "raise limits.flows, or set drain-end: move",
				       service->name, addr_format(&known[i].address, address),
				       crowded));
	}
}

/* ---- services ---------------------------------------------------------------------------------- */

static uint32_t crowded_slots(const struct engine *engine, const struct ids_service *service)
{
	struct track_state state;

	return track_state(engine->track, service->base, &state) ? state.crowded : 0;
}

static struct engine_crowd *find_crowd(const struct engine *engine, const char *name)
{
	for (size_t i = 0; i < engine->crowd_count; i++)
		if (!strcmp(engine->crowds[i].service, name))
			return &engine->crowds[i];
	return NULL;
}

static void tell_crowded(struct engine *engine, const char *name, uint32_t crowded)
{
	struct engine_crowd *crowd = find_crowd(engine, name);

	if (!crowd) {
		engine->crowds =
			mem_grow(engine->crowds, engine->crowd_count, sizeof(*engine->crowds));
		crowd = &engine->crowds[engine->crowd_count++];
		snprintf(crowd->service, sizeof(crowd->service), "%s", name);
		engine_tell(engine, ENGINE_CROWDED, name, NULL,
			    mem_format("service %s: slots are held open (%u at first), since the "
				       "flow table was full; no flow is lost, but the change takes "
				       "longer; raise limits.flows if that lasts",
				       name, crowded));
	}
	crowd->is_crowded = true;
}

/* Of those that were told, tells the ones that are not crowded any more. */
static void tell_uncrowded(struct engine *engine)
{
	for (size_t i = engine->crowd_count; i-- > 0;) {
		struct engine_crowd *crowd = &engine->crowds[i];

		if (!crowd->is_crowded) {
			engine_tell(engine, ENGINE_UNCROWDED, crowd->service, NULL,
				    mem_format("service %s: no slot is held open any more",
					       crowd->service));
			*crowd = engine->crowds[--engine->crowd_count];
		} else {
			crowd->is_crowded = false;
		}
	}
}

void engine_tell_crowded(struct engine *engine, uint64_t now_ms)
{
	for (size_t i = 0; i < engine->ids.service_count; i++) {
		const struct ids_service *service = &engine->ids.services[i];
		const struct model_service *wanted =
			model_find_service(engine->model, service->name);
		uint32_t crowded = wanted ? crowded_slots(engine, service) : 0;

		if (!crowded)
			continue;
		tell_crowded(engine, service->name, crowded);
		tell_drains(engine, service, wanted->config, crowded, now_ms);
	}
	tell_uncrowded(engine);
}
