/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What others have written into the slots of services that track their flows, and into the flow table: it is told, and put
 * right by the rounds that follow.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "core/engine_state.h"

#define SCAN_MS	   10000
#define LOOK_SLOTS (1 << 18) /* looked at for damage each second, which takes less than 1 ms */

bool engine_give_up_astray(struct engine *engine)
{
	bool is_any = false;

	for (size_t i = 0; i < engine->ids.service_count; i++) {
		const struct ids_service *service = &engine->ids.services[i];
		uint32_t astray = service->tracks ? ids_slots_astray(&engine->ids,
								     engine->options.view, service)
						  : 0;

		if (!astray)
			continue;
		engine_tell(engine, ENGINE_DAMAGE, service->name, NULL,
			    mem_format("service %s: %u of %u slots were damaged and are mended; "
				       "their flows move",
				       service->name, astray, service->slots));
		track_drop(engine->track, service->base);
		is_any = true;
	}
	return is_any;
}

static const struct ids_service *service_at(const struct engine *engine, uint32_t base)
{
	const struct ids *ids = &engine->ids;

	for (size_t i = 0; i < ids->service_count; i++)
		if (ids->services[i].tracks && ids->services[i].base == base)
			return &ids->services[i];
	return NULL;
}

/*
 * Compares some slots with what we have stored. Those that were stable are stored again at once; a region with others
 * is given up. Returns whether there were any.
 */
static bool mend_slots(struct engine *engine)
{
	uint32_t budget = LOOK_SLOTS;
	struct track_damage damage;
	bool is_any = false;

	while (track_find_damage(engine->track, &budget, &damage)) {
		const struct ids_service *service = service_at(engine, damage.base);
		bool gives_up = damage.looked_up;

		engine_tell(
			engine, ENGINE_DAMAGE, service ? service->name : NULL, NULL,
			mem_format("service %s: %u of %u slots were damaged and are mended; %s",
				   service ? service->name : "?", damage.stable + damage.looked_up,
				   damage.slots,
				   gives_up ? "their flows move" : "some of their flows broke"));
		if (gives_up)
			track_drop(engine->track, damage.base);
		else
			track_restore(engine->track, damage.base);
		is_any = true;
	}
	return is_any;
}

bool engine_mend(struct engine *engine, uint64_t now_ms)
{
	uint64_t repaired = track_scans(engine->track).repaired;
	bool is_any = mend_slots(engine);

	if (repaired != engine->repaired)
		engine_tell(engine, ENGINE_DAMAGE, NULL, NULL,
			    mem_format("flow table: %llu damaged entries were deleted; their flows "
				       "may have moved",
				       (unsigned long long)(repaired - engine->repaired)));
	engine->repaired = repaired;
	if (now_ms - engine->mended_ms < SCAN_MS)
		return is_any;
	engine->mended_ms = now_ms;
	return is_any || engine_give_up_astray(engine);
}
