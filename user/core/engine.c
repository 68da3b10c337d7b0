/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes. Each goes the same way: weigh (model and plan), refuse or store, apply, take over. What
 * is stored and what is in the maps can differ only while apply runs; a restart in that moment
 * plans what is missing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "core/apply.h"
#include "core/engine_state.h"
#include "core/maglev.h"

/* ---- life ------------------------------------------------------------------------------------ */

int engine_new(const struct engine_options *options, struct engine **out, struct problems *p)
{
	struct model_sources sources;
	struct engine *engine;
	struct ids ids;
	int err = ids_read(options->view, &ids, p);

	if (err) {
		ids_free(&ids);
		config_free(options->config);
		return err;
	}
	engine = mem_alloc(sizeof(*engine));
	engine->options = *options;
	engine->options.config = NULL;
	engine->options.overrides = NULL;
	engine->config = options->config;
	engine->revision = options->revision;
	engine->ids = ids;
	engine->tables = tables_new(options->key->maglev);
	engine->drains = mem_array((size_t)ids.limits.backends + 1, sizeof(*engine->drains));
	engine->clocks = mem_array((size_t)ids.limits.backends + 1, sizeof(*engine->clocks));
	if (options->overrides)
		overrides_copy(options->overrides, &engine->overrides);
	sources = engine_sources(engine);
	engine->model = engine->config ? model_build(engine->config, &engine->overrides, &sources)
				       : mem_alloc(sizeof(*engine->model));
	engine_track_start(engine);
	*out = engine;
	return 0;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	model_free(engine->model);
	config_free(engine->config);
	overrides_free(&engine->overrides);
	ids_free(&engine->ids);
	tables_free(engine->tables);
	track_free(engine->track);
	free(engine->drains);
	free(engine->crowds);
	free(engine->clocks);
	free(engine->why);
	free(engine);
}

/* ---- the maps -------------------------------------------------------------------------------- */

/* Runs a plan and reads anew what is in force, whatever came of it. */
static int run_plan(struct engine *engine, const struct plan *plan, struct problems *p)
{
	struct ids ids;
	int err;

	engine->is_behind = false;
	if (!plan->count)
		return 0;
	err = apply_plan(plan, engine->options.ops, engine->options.dataplane, engine->options.view,
			 p);
	engine->is_behind = err;
	/*
	 * Our own stores cannot contradict themselves; should the memory do so nevertheless, keep
	 * what was known.
	 */
	if (!ids_read(engine->options.view, &ids, p)) {
		ids_free(&engine->ids);
		engine->ids = ids;
	}
	return err;
}

/*
 * Frees what a change that was cut off left behind, so that the next one has all the room there is.
 * That it fails is nothing to be told: what is left stays where it is, and the change that follows
 * says what it lacks.
 */
void engine_clean(struct engine *engine)
{
	struct plan *plan = plan_make_cleaning(engine->options.view, &engine->ids);
	bool is_behind = engine->is_behind;
	struct problems p = {};

	run_plan(engine, plan, &p);
	engine->is_behind |= is_behind;
	problems_free(&p);
	plan_free(plan);
}

/*
 * After a change: services that track their flows follow it, then paths that are lost are written, so that no slot sends
 * new flows there any more. What fails is made good by the next tick.
 */
static void follow(struct engine *engine, const struct plan *plan, uint64_t now_ms)
{
	const struct engine_options *options = &engine->options;

	engine_track_follow(engine, plan, now_ms);
	for (size_t i = 0; plan && i < plan->lost; i++) {
		const struct plan_operation *o = &plan->list[plan->count + i];

		if (engine->track_error ||
		    options->ops->write_path(options->dataplane, o->index, o->path))
			engine->is_behind = true;
	}
}

static void take_model(struct engine *engine, struct engine_change *change)
{
	model_free(engine->model);
	engine->model = change->model;
	change->model = NULL;
	tables_sweep(engine->tables);
}

/* ---- what is durable ------------------------------------------------------------------------- */

static int store(struct engine *engine, const struct config *config,
		 const struct overrides *overrides, uint64_t revision, struct problems *p)
{
	return engine->options.host.store(engine->options.host.self, config, overrides, revision,
					  p);
}

/* Stores what is wanted, then puts it in force; when that fails the former is stored again. */
static int store_and_run(struct engine *engine, const struct engine_change *change,
			 uint64_t revision, struct problems *p)
{
	int err = store(engine, change->config, change->overrides, revision, p);

	if (err)
		return err;
	err = run_plan(engine, change->plan, p);
	if (err && engine->config)
		store(engine, engine->config, &engine->overrides, engine->revision, p);
	return err;
}

/* ---- a configuration ------------------------------------------------------------------------- */

/* The maps were made for limits; others need other maps. */
static int check_limits(const struct engine *engine, const struct config *config,
			struct problems *p)
{
	const struct sl_limits *now = &engine->options.view->limits;
	const struct {
		const char *field;
		uint32_t now, wanted;
	} limits[] = {
		{"limits.services", now->services, config->limits.services},
		{"limits.listeners", now->listeners, config->limits.listeners},
		{"limits.backends", now->backends, config->limits.backends},
		{"limits.flows", now->flows, config->limits.flows},
		{"limits.maglev-slots", now->slots, config->limits.slots},
		{"limits.fragments", now->fragments, config->limits.fragments},
		{"limits.deny", now->deny, config->limits.deny},
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		char wanted[16];

		if (limits[i].now == limits[i].wanted)
			continue;
		snprintf(wanted, sizeof(wanted), "%u", limits[i].wanted);
		err = problems_add(
			p, -EBUSY, limits[i].field, wanted,
			"the maps in force are made for %u; a restart of sluiced takes the new "
			"limit, and forwarding goes on meanwhile",
			limits[i].now);
	}
	return err;
}

static bool is_same(const struct config *old, const struct config *new)
{
	struct config_changes changes = {};
	bool same;

	if (!old)
		return false;
	config_diff(old, new, &changes);
	same = !changes.count;
	config_changes_free(&changes);
	return same;
}

static int refuse_unsafe(const char *unsafe, struct problems *p)
{
	return problems_add(p, -EPERM, NULL, NULL, "%s; --force does it nevertheless", unsafe);
}

int engine_plan(struct engine *engine, const struct config *config, struct engine_forecast *out,
		struct problems *p)
{
	struct overrides overrides;
	struct engine_change change;
	int err = check_limits(engine, config, p);

	if (err)
		return err;
	overrides_copy(&engine->overrides, &overrides);
	overrides_prune(&overrides, config);
	err = change_weigh(engine, config, &overrides, &change, p);
	if (!err) {
		change_forecast(engine, &change, change_unsafe(engine, &change), out);
		change_free(&change);
	}
	overrides_free(&overrides);
	return err;
}

/* Decides on a weighed change and makes it. */
static int put_in_force(struct engine *engine, struct engine_change *change, bool force,
			struct engine_forecast *out, struct problems *p)
{
	char *unsafe = change_unsafe(engine, change);
	bool same = is_same(engine->config, change->config);
	struct engine_forecast forecast = {};
	int err;

	if (out)
		change_forecast(engine, change, mem_string(unsafe), &forecast);
	if (unsafe && !force)
		err = refuse_unsafe(unsafe, p);
	else if (same)
		err = run_plan(engine, change->plan, p);
	else
		err = store_and_run(engine, change, engine->revision + 1, p);
	if (!err) {
		engine->revision += !same;
		engine->options.ops->set_revision(engine->options.dataplane, engine->revision);
	}
	if (!err && out)
		*out = forecast;
	else
		engine_forecast_free(&forecast);
	free(unsafe);
	return err;
}

int engine_apply(struct engine *engine, struct config *config, bool force, uint64_t now_ms,
		 struct engine_forecast *out, struct problems *p)
{
	struct overrides overrides;
	struct engine_change change = {};
	int err = check_limits(engine, config, p);

	overrides_copy(&engine->overrides, &overrides);
	overrides_prune(&overrides, config);
	engine_clean(engine);
	if (!err)
		err = change_weigh(engine, config, &overrides, &change, p);
	if (!err)
		err = put_in_force(engine, &change, force, out, p);
	if (err) {
		config_free(config);
		overrides_free(&overrides);
	} else {
		take_model(engine, &change);
		if (engine->options.host.took)
			engine->options.host.took(engine->options.host.self, config);
		config_free(engine->config);
		engine->config = config;
		overrides_free(&engine->overrides);
		engine->overrides = overrides;
	}
	follow(engine, err ? NULL : change.plan, now_ms);
	change_free(&change);
	return err;
}

/* ---- an override ----------------------------------------------------------------------------- */

static int check_override(const struct engine *engine, const char *service,
			  const struct addr *backend, const struct override *override,
			  struct problems *p)
{
	const struct model_service *found = model_find_service(engine->model, service);
	char text[ADDR_TEXT_SIZE];

	if (!found)
		return problems_add(
			p, -ENOENT, "service", service,
			"there is no such service; `sluicectl service list` names them");
	if (override->has_weight && override->weight > MAGLEV_WEIGHT_MAX) {
		snprintf(text, sizeof(text), "%u", override->weight);
		return problems_add(p, -EINVAL, "weight", text, "a weight is a number from 0 to %u",
				    MAGLEV_WEIGHT_MAX);
	}
	if (!model_find_backend(found, backend))
		return problems_add(
			p, -ENOENT, "backend", addr_format(backend, text),
			"service %s has no such backend; `sluicectl backend list %s` names them",
			service, service);
	return 0;
}

int engine_override(struct engine *engine, const char *service, const struct addr *backend,
		    const struct override *override, bool force, uint64_t now_ms,
		    struct problems *p)
{
	struct overrides overrides;
	struct engine_change change = {};
	char *unsafe = NULL;
	int err = check_override(engine, service, backend, override, p);

	if (err)
		return err;
	overrides_copy(&engine->overrides, &overrides);
	overrides_set(&overrides, service, backend, override);
	engine_clean(engine);
	err = change_weigh(engine, engine->config, &overrides, &change, p);
	if (!err)
		unsafe = change_unsafe(engine, &change);
	if (unsafe && !force)
		err = refuse_unsafe(unsafe, p);
	if (!err)
		err = store_and_run(engine, &change, engine->revision, p);
	if (err) {
		overrides_free(&overrides);
	} else {
		take_model(engine, &change);
		overrides_free(&engine->overrides);
		engine->overrides = overrides;
	}
	follow(engine, err ? NULL : change.plan, now_ms);
	free(unsafe);
	change_free(&change);
	return err;
}

/* ---- ways and time --------------------------------------------------------------------------- */

/* The ways are as they are: the model takes them over also when the maps cannot follow yet. */
int engine_refresh(struct engine *engine, uint64_t now_ms, struct problems *p)
{
	struct engine_change change = {};
	int err;

	if (!engine->config)
		return 0;
	engine_clean(engine);
	err = change_weigh(engine, engine->config, &engine->overrides, &change, p);
	if (err) {
		engine->is_behind = true;
		return err;
	}
	err = run_plan(engine, change.plan, p);
	take_model(engine, &change);
	follow(engine, err ? NULL : change.plan, now_ms);
	change_free(&change);
	return err;
}

unsigned int engine_tick(struct engine *engine, uint64_t now_ms)
{
	struct problems p = {};

	/* Whoever asked for the change has been told that it failed. */
	if (engine->is_behind)
		engine_refresh(engine, now_ms, &p);
	problems_free(&p);
	return engine_track_tick(engine, now_ms);
}
