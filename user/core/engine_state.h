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

struct engine {
	struct engine_options options; /* but for `config`, which moves */
	struct config *config;	       /* in force; NULL: none */
	struct overrides overrides;
	struct model *model; /* of the two, with the ways as they were last seen; never NULL */
	uint64_t revision;
	struct ids ids; /* as the maps are now */
	struct tables *tables;
	bool is_behind; /* a change failed: the maps may differ from the model */
	char *why;	/* the last answer of engine_flow_lookup() */
};

/* A change that is being weighed: what would be wanted, and the plan that leads there. */
struct engine_change {
	const struct config *config;
	const struct overrides *overrides;
	struct model *model;
	struct plan *plan;
};

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
