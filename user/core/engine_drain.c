/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When drains are over, and what is said of them. */
#include <stdlib.h>

#include "base/mem.h"
#include "core/engine_state.h"

void engine_tell(const struct engine *engine, enum engine_news news, const char *service,
		 const struct addr *backend, char *sentence)
{
	const struct engine_host *host = &engine->options.host;

	if (host->tell)
		host->tell(host->self, news, service, backend, sentence);
	free(sentence);
}

bool engine_is_drain_over(const struct engine_drain *drain, const struct config_service *service,
			  uint64_t now_ms)
{
	return drain->is_on && now_ms - drain->since_ms >= service->drain_timeout_ms;
}

static void tell_past(struct engine *engine, const struct model_service *service,
		      const struct engine_backend_place *place,
		      const struct engine_holding *holding)
{
	bool keeps = service->config->drain_end == CONFIG_DRAIN_KEEP && !holding->leaves;
	char address[ADDR_TEXT_SIZE], *without = NULL;

	/* These may have none, and are not counted. */
	if (place->bases)
		without = mem_format(", and so are those of %u slot%s away", place->bases,
				     place->bases == 1 ? " that moves" : "s that move");
	engine_tell(engine, ENGINE_DRAIN_OVER, service->name, &place->address,
		    mem_format("backend %s %s is past its drain-timeout: %u live flow%s %s%s",
			       service->name, addr_format(&place->address, address), holding->live,
			       holding->live == 1 ? " with an entry is" : "s with entries are",
			       keeps ? "kept" : "let go", without ? without : ""));
	free(without);
}

/* One that is empty from the start has nothing to tell. */
static void look_at_drain(struct engine *engine, const struct model_service *service,
			  const struct engine_backend_place *place, uint64_t now_ms)
{
	struct engine_drain *drain = &engine->drains[place->index];
	struct engine_holding holding;
	char address[ADDR_TEXT_SIZE];

	if (!drain->is_on || drain->is_over)
		return;
	holding = engine_holding(engine, service->name, place, now_ms);
	drain->has_held |= holding.holds;
	if (drain->has_held && !holding.holds) {
		drain->is_over = true;
		engine_tell(engine, ENGINE_DRAIN_OVER, service->name, &place->address,
			    mem_format("backend %s %s is drained: it is empty", service->name,
				       addr_format(&place->address, address)));
	} else if (holding.holds && !drain->is_past &&
		   engine_is_drain_over(drain, service->config, now_ms)) {
		drain->is_past = true;
		tell_past(engine, service, place, &holding);
	}
}

/* Slots are counted only where some drain goes on. */
static bool has_drain(const struct engine *engine, const struct ids_service *service)
{
	const struct ids_backend *known;
	size_t count;

	known = ids_backends_of(&engine->ids, service->line, &count);
	for (size_t i = 0; i < count; i++) {
		const struct engine_drain *drain = &engine->drains[known[i].index];

		if (drain->is_on && !drain->is_over)
			return true;
	}
	return false;
}

void engine_tell_drains(struct engine *engine, uint64_t now_ms)
{
	for (size_t i = 0; i < engine->model->service_count; i++) {
		const struct model_service *service = &engine->model->services[i];
		const struct ids_service *known = ids_find_service(&engine->ids, service->name);
		struct engine_backend_place *places;
		size_t count;

		if (!known || !known->tracks || !has_drain(engine, known))
			continue;
		places = engine_backend_places(engine, service->name, &count);
		for (size_t k = 0; k < count; k++)
			look_at_drain(engine, service, &places[k], now_ms);
		free(places);
	}
}
