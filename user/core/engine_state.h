/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's inside, shared by engine.c (changes), engine_forecast.c (what they would do) and
 * engine_look.c.
 */
#ifndef CORE_ENGINE_STATE_H
#define CORE_ENGINE_STATE_H

#include "core/engine.h"
#include "core/ids.h"
#include "core/plan.h"
#include "core/track.h"

/* A backend that takes no new flows any more, but keeps its old ones for some time. */
struct engine_drain {
	bool is_on, is_told;   /* it goes on; people know that it is held open */
	bool has_held;	       /* it was seen with flows; people know that it is */
	bool is_past, is_over; /* past its drain-timeout; empty */
	uint64_t since_ms;
};

/* A backend whose probes fail: down, and dead after a time (engine_clocks.c). */
struct engine_clock {
	bool fails;   /* its probes do: */
	bool is_dead; /* for so long that its flows were let go */
	bool counts;  /* dead-after, on from counted_ms at count_ms; else it is paused */
	uint64_t counted_ms, count_ms;
};

/* A service whose change is held open, as people have been told. */
struct engine_crowd {
	char service[SL_NAME_SIZE];
	bool is_crowded; /* it still is */
};

struct engine {
	struct engine_options options; /* but for `config`, which moves */
	struct config *config;	       /* in force; NULL: none */
	struct overrides overrides;
	struct model *model; /* of the two, with the ways as they were last seen; never NULL */
	uint64_t revision;
	struct ids ids; /* as the maps are now */
	struct tables *tables;
	struct track *track;	     /* of services that track their flows */
	struct engine_drain *drains; /* [backends + 1] */
	struct engine_clock *clocks; /* likewise */
	uint64_t dead_due_ms; /* when the next backend is dead; UINT64_MAX: none waits for it */
	struct engine_crowd *crowds;
	size_t crowd_count;
	bool is_gathering; /* planned changes, since and at last: */
	uint64_t gathering_since_ms, gathered_ms;
	uint64_t due_ms;     /* when the next round is, at the latest */
	uint64_t mended_ms;  /* when slots that were given up are mended, at the latest */
	uint64_t repaired;   /* entries, as they were told */
	int track_error;     /* of the last round; 0: it went well */
	bool is_prober_away; /* nobody probes: dead-after stands still */
	bool is_behind;	     /* a change failed: the maps may differ from the model */
	char *why;	     /* the last answer of engine_flow_lookup() */
};

/* A change that is being weighed: what would be wanted, and the plan that leads there. */
struct engine_change {
	const struct config *config;
	const struct overrides *overrides;
	struct model *model;
	struct plan *plan;
};

/* Frees what is retiring in the ids: after changes that were cut off, or when flows have ended. */
void engine_clean(struct engine *engine);

/* ---- engine_drain.c --------------------------------------------------------------------------- */

/* Takes `sentence` over. */
void engine_tell(const struct engine *engine, enum engine_news news, const char *service,
		 const struct addr *backend, char *sentence);
bool engine_is_drain_over(const struct engine_drain *drain, const struct config_service *service,
			  uint64_t now_ms);
/* Tells of each drain, once, that it is over. */
void engine_tell_drains(struct engine *engine, uint64_t now_ms);

/* ---- engine_crowd.c ---------------------------------------------------------------------------- */

/* Tells, once each, of changes and drains that the full flow table holds open, and when changes go on. */
void engine_tell_crowded(struct engine *engine, uint64_t now_ms);

/* ---- engine_mend.c: what others have written ---------------------------------------------------- */

/* At the start, before regions are adopted: tells of slots that name no backend of their service, and has all planned anew. */
void engine_tell_astray(struct engine *engine);
/*
 * Looks for slots and entries that nobody of us can have written, each second at some of the slots. Returns whether
 * there are slots: regions that were given up are then to be adopted, a round to be run, and all planned anew.
 */
bool engine_mend(struct engine *engine, uint64_t now_ms);

/* ---- engine_clocks.c: drains, and backends that fail ---------------------------------------------- */

/* How a backend is as far as its flows are concerned; keeps its clocks. */
enum track_health engine_clock_health(struct engine *engine, const struct model_service *service,
				      const struct model_backend *backend, uint32_t index,
				      uint64_t now_ms);
/* Fills in what the clocks of an index say. `service` NULL: it is no longer configured. */
void engine_clock_look(const struct engine *engine, uint32_t index,
		       const struct config_service *service, uint64_t now_ms,
		       struct engine_holding *out);

/* ---- engine_track.c: slots on their way, and what waits for time ------------------------------ */

void engine_track_start(struct engine *engine);
/*
 * After a change: what is in force, how backends are, and the tables of `plan` (NULL: none) go to
 * track.h, and what is urgent is done.
 */
void engine_track_follow(struct engine *engine, const struct plan *plan, uint64_t now_ms);
/* Does what is due; returns the milliseconds until the next call. */
unsigned int engine_track_tick(struct engine *engine, uint64_t now_ms);

/* Whom the model asks. */
static inline struct model_sources engine_sources(const struct engine *engine)
{
	const struct engine_host *host = &engine->options.host;

	return (struct model_sources){host->self, host->nexthop, host->health};
}

/*
 * Works out the model and the plan; the caller frees them by change_free(). Returns 0 or as
 * plan_make().
 */
int change_weigh(struct engine *engine, const struct config *config,
		 const struct overrides *overrides, struct engine_change *out, struct problems *p);
void change_free(struct engine_change *change);

/* Why a change needs --force, in one text of sentences, or NULL. The caller frees it. */
char *change_unsafe(const struct engine *engine, const struct engine_change *change);

/* Fills in a forecast. `unsafe` is taken over. */
void change_forecast(const struct engine *engine, const struct engine_change *change, char *unsafe,
		     struct engine_forecast *out);

#endif
