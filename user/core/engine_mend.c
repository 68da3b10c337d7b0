/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What others have written into slots, and into the flow table: it is told, and put right by the rounds that follow and,
 * where flows are not tracked, by the plan that is made anew.
 */
#include "base/mem.h"
#include "core/engine_state.h"

#define LOOK_SLOTS (1 << 18) /* looked at for damage each second, which takes less than 1 ms */
#define MEND_MS	   10000     /* for so long slots that were given up may be as they were found */

static void tell_damage(const struct engine *engine, const struct ids_service *service,
			uint32_t damaged, bool moves)
{
	engine_tell(engine, ENGINE_DAMAGE, service->name, NULL,
		    mem_format("service %s: %u of %u slots were damaged and are mended; %s",
			       service->name, damaged, service->slots,
			       moves ? "their flows move" : "some of their flows broke"));
}

void engine_tell_astray(struct engine *engine)
{
	for (size_t i = 0; i < engine->ids.service_count; i++) {
		const struct ids_service *service = &engine->ids.services[i];
		uint32_t astray = ids_slots_astray(&engine->ids, engine->options.view, service,
						   service->base, service->slots);

		if (!astray)
			continue;
		tell_damage(engine, service, astray, service->tracks);
		engine->mended_ms = engine->options.now_ms + MEND_MS;
		engine->is_behind = true;
	}
}

static const struct ids_service *service_at(const struct engine *engine, uint32_t base)
{
	const struct ids *ids = &engine->ids;

	for (size_t i = 0; i < ids->service_count; i++)
		if (ids->services[i].base == base)
			return &ids->services[i];
	return NULL;
}

/*
 * Those that were stable are stored again at once; a region with others is given up. Slots of a service that does not
 * track its flows are stored again by the plan that follows. Returns whether there were any.
 */
static bool mend_slots(struct engine *engine, const struct track_look *look, uint64_t now_ms)
{
	const struct ids_service *service = service_at(engine, look->base);
	uint32_t damaged = look->stable + look->looked_up;
	bool gives_up = look->looked_up;

	if (!service)
		return false;
	if (!damaged && service->tracks && now_ms >= engine->mended_ms) {
		damaged = ids_slots_astray(&engine->ids, engine->options.view, service, look->first,
					   look->count);
		gives_up = damaged;
	}
	if (!damaged)
		return false;
	gives_up &= service->tracks;
	tell_damage(engine, service, damaged, gives_up);
	if (gives_up) {
		track_drop(engine->track, look->base);
		engine->mended_ms = now_ms + MEND_MS;
	} else {
		track_restore(engine->track, look->base);
	}
	return true;
}

bool engine_mend(struct engine *engine, uint64_t now_ms)
{
	uint64_t repaired = track_scans(engine->track).repaired;
	uint32_t budget = LOOK_SLOTS;
	struct track_look look;
	bool is_any = false;

	while (track_look(engine->track, &budget, &look))
		is_any |= mend_slots(engine, &look, now_ms);
	if (repaired != engine->repaired)
		engine_tell(engine, ENGINE_DAMAGE, NULL, NULL,
			    mem_format("flow table: %llu damaged entries were deleted; their flows "
				       "may have moved",
				       (unsigned long long)(repaired - engine->repaired)));
	engine->repaired = repaired;
	return is_any;
}
