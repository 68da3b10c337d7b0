/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a change would do, and whether it is safe. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "core/engine_state.h"

/* Backends that are no longer configured, but whose flows may still end. */
static void add_leaving(const struct engine *engine, struct model *model,
			const struct config *config, const struct model_sources *sources)
{
	for (size_t i = 0; i < engine->ids.service_count; i++) {
		const struct ids_service *service = &engine->ids.services[i];
		const struct model_service *wanted = model_find_service(model, service->name);
		const struct ids_backend *known;
		size_t count;

		if (!wanted || wanted->config->tracking != CONFIG_TRACKING_CHANGES)
			continue;
		known = ids_backends_of(&engine->ids, service->line, &count);
		for (size_t b = 0; b < count; b++)
			if (!model_find_backend(wanted, &known[b].address))
				model_add_leaving(model, config, service->name, &known[b].address,
						  track_leaves(engine->track, known[b].index),
						  sources);
	}
}

int change_weigh(struct engine *engine, const struct config *config,
		 const struct overrides *overrides, struct engine_change *out, struct problems *p)
{
	struct model_sources sources = engine_sources(engine);
	struct engine_change change = {
		.config = config,
		.overrides = overrides,
		.model = model_build(config, overrides, &sources),
	};
	int err;

	add_leaving(engine, change.model, config, &sources);
	err = plan_make(change.model, engine->options.view, &engine->ids, engine->tables,
			&change.plan, p);

	if (err)
		model_free(change.model);
	else
		*out = change;
	return err;
}

void change_free(struct engine_change *change)
{
	model_free(change->model);
	plan_free(change->plan);
	*change = (struct engine_change){};
}

/* ---- safety ---------------------------------------------------------------------------------- */

static void say(struct text *text, const char *service, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct text *text, const char *service, const char *format, ...)
{
	va_list args;
	char *sentence;

	va_start(args, format);
	sentence = mem_vformat(format, args);
	va_end(args);
	text_add(text, "%sservice %s %s", text->length ? "; " : "", service, sentence);
	free(sentence);
}

/* Taking flows, or kept from it by its health alone. */
static bool is_eligible(const struct model_backend *backend)
{
	return backend->reason == MODEL_TAKES_FLOWS || backend->reason == MODEL_UNPROBED ||
	       backend->reason == MODEL_PROBES_FAIL || backend->reason == MODEL_DAMPED ||
	       backend->reason == MODEL_STANDS_BY;
}

/*
 * The first backend that stops taking flows, and why: most often the one that the operator has in
 * mind. Where none takes flows now, the first one that may.
 */
static void say_emptied(struct text *text, const struct model_service *old,
			const struct model_service *new)
{
	char address[ADDR_TEXT_SIZE], reason[160];

	for (size_t i = 0; i < old->backend_count; i++) {
		const struct model_backend *was = &old->backends[i], *is;

		if (old->ready ? was->reason != MODEL_TAKES_FLOWS : !is_eligible(was))
			continue;
		is = model_find_backend(new, &was->address);
		say(text, new->name,
		    "would have no backend left that takes new flows (%zu now; %s %s)", old->ready,
		    addr_format(&was->address, address),
		    is ? model_reason_text(is, reason) : "is removed");
		return;
	}
}

/*
 * Lost ways and failed probes are no fault of the change: `old` is judged by the ways and the health
 * of now, as `new` is. New backends that wait for their first success are given it, or nobody could
 * replace all of a service's backends.
 */
static bool is_emptied(const struct model_service *was, const struct model_service *is)
{
	if (was->eligible && !is->eligible && !is->ready)
		return true;
	return was->ready && !is->ready && !is->unprobed;
}

static void check_emptied(const struct model *old, const struct model *new, struct text *text)
{
	for (size_t i = 0; i < new->service_count; i++) {
		const struct model_service *is = &new->services[i];
		const struct model_service *was = model_find_service(old, is->name);

		if (was && is_emptied(was, is))
			say_emptied(text, was, is);
	}
}

/*
 * The size of a live table is what the maps say, also when the former configuration is unknown. A size that the
 * configuration in force has already is no change: the maps are still on their way there.
 */
static void check_sizes(const struct engine *engine, const struct model *new, struct text *text)
{
	for (size_t i = 0; i < new->service_count; i++) {
		const struct config_service *is = new->services[i].config, *was = NULL;
		const struct ids_service *live = ids_find_service(&engine->ids, is->name);

		if (engine->config)
			was = config_find_service(engine->config, is->name);
		if (live && live->slots != is->table_size &&
		    (!was || was->table_size != is->table_size))
			say(text, live->name,
			    "would change its table-size from %u to %u, which moves its flows",
			    live->slots, is->table_size);
	}
}

static void check_modes(const struct config *old, const struct config *new, struct text *text)
{
	for (size_t i = 0; i < new->service_count; i++) {
		const struct config_service *is = &new->services[i];
		const struct config_service *was = config_find_service(old, is->name);

		if (was && was->affinity != is->affinity)
			say(text, is->name,
			    "would change its affinity from %s to %s, which moves its flows",
			    config_affinity_name(was->affinity),
			    config_affinity_name(is->affinity));
		if (was && was->tracking != is->tracking)
			say(text, is->name,
			    "would change its tracking from %s to %s, which may move its flows",
			    config_tracking_name(was->tracking),
			    config_tracking_name(is->tracking));
	}
}

char *change_unsafe(const struct engine *engine, const struct engine_change *change)
{
	struct text text = {};

	if (engine->config) {
		struct model_sources sources = engine_sources(engine);
		struct model *now = model_build(engine->config, &engine->overrides, &sources);

		check_emptied(now, change->model, &text);
		check_modes(engine->config, change->config, &text);
		model_free(now);
	}
	check_sizes(engine, change->model, &text);
	return text.data;
}

/* ---- the forecast ---------------------------------------------------------------------------- */

/* More than so many percent of the entries: inserts begin to find no room (docs/tracking.md). */
#define ROOMY_PERCENT 40

/*
 * In the steady state nobody knows a service's flows. Counted are TCP's SYNs and its FINs and RSTs: retransmissions
 * and floods make it too many, flows that just fall silent, too; UDP has none. So it is an estimate.
 */
static uint64_t estimate_flows(const struct engine *engine, const struct ids_service *service)
{
	const struct dataplane_view *view = engine->options.view;
	const struct ids_backend *known;
	uint64_t opened = 0, closed = 0;
	size_t count;

	/* Together: a flow that was let go is closed at another backend than it was opened at. */
	known = ids_backends_of(&engine->ids, service->line, &count);
	for (size_t i = 0; i < count; i++) {
		uint64_t counts[SL_COUNTERS_PER_LINE];

		dataplane_count(view, sl_counter_backends(&view->limits) + known[i].index, counts);
		opened += counts[SL_BACKEND_opened];
		closed += counts[SL_BACKEND_closed];
	}
	return opened > closed ? opened - closed : 0;
}

/* Live entries of the backends that a change takes down, as of the last scan: flows that a drain has left there. */
static uint64_t entries_cut(const struct engine *engine, const struct ids_service *service,
			    const struct model *wanted)
{
	const struct model_service *model = model_find_service(wanted, service->name);
	const struct ids_backend *known;
	uint64_t entries = 0;
	size_t count;

	known = ids_backends_of(&engine->ids, service->line, &count);
	for (size_t i = 0; model && i < count; i++) {
		const struct model_backend *backend = model_find_backend(model, &known[i].address);
		uint32_t live;

		track_entries(engine->track, known[i].index, &live);
		if (backend && backend->reason == MODEL_DISABLED)
			entries += live;
	}
	return entries;
}

/* Of those flows that do not end, the share of the slots that move. */
static void forecast_table(const struct engine *engine, const struct engine_change *change,
			   const struct ids_service *service, const struct plan_table *table,
			   struct engine_forecast *out)
{
	uint64_t flows = estimate_flows(engine, service);

	out->slots_tracked += table->moved - table->cut;
	out->slots_cut += table->cut;
	out->flows_cut +=
		flows * table->cut / table->slots + entries_cut(engine, service, change->model);
	out->flows_kept += flows * (table->moved - table->cut) / table->slots;
}

static void forecast_flows(const struct engine *engine, const struct engine_change *change,
			   const struct plan *plan, struct engine_forecast *out)
{
	uint32_t entries = engine->options.view->limits.flows;

	for (size_t s = 0; s < engine->ids.service_count; s++)
		for (size_t t = 0; t < plan->table_count; t++)
			if (plan->tables[t].base == engine->ids.services[s].base)
				forecast_table(engine, change, &engine->ids.services[s],
					       &plan->tables[t], out);
	for (size_t s = 0; s < engine->ids.service_count; s++)
		for (size_t i = 0; i < plan->loss_count; i++)
			if (plan->losses[i].line == engine->ids.services[s].line)
				out->flows_moved +=
					estimate_flows(engine, &engine->ids.services[s]) *
					plan->losses[i].moved / plan->losses[i].slots;
	for (size_t s = 0; s < engine->ids.service_count; s++)
		if (!model_find_service(change->model, engine->ids.services[s].name))
			out->flows_ended += estimate_flows(engine, &engine->ids.services[s]);
	if (out->flows_kept <= (uint64_t)entries * ROOMY_PERCENT / 100)
		return;
	out->warning = mem_format("about %llu live flows are to be kept while slots move, by the "
				  "SYNs and FINs counted, and "
				  "limits.flows is %u: the change may take longer, and breaks "
				  "none; raise limits.flows to "
				  "%llu or more, which takes a restart",
				  (unsigned long long)out->flows_kept, entries,
				  (unsigned long long)out->flows_kept * 100 / ROOMY_PERCENT);
}

/*
 * A backend that is new takes no flows until its next hop is known and a probe has succeeded, a moment later as a rule. What
 * the change comes to is told as if both were so, and slow starts over: else whoever adds a backend would be told that nothing
 * moves.
 */
struct hope {
	const struct engine *engine;
	bool is_any; /* some backend is judged better than it is */
};

static bool is_known(const struct engine *engine, const char *service, const struct addr *backend)
{
	const struct model_service *known = model_find_service(engine->model, service);

	return known && model_find_backend(known, backend);
}

static bool is_known_anywhere(const struct engine *engine, const struct addr *backend)
{
	for (size_t i = 0; i < engine->model->service_count; i++)
		if (model_find_backend(&engine->model->services[i], backend))
			return true;
	return false;
}

static void hope_for_way(void *self, const struct addr *address, struct net_nexthop *out)
{
	const struct engine_host *host = &((struct hope *)self)->engine->options.host;
	struct hope *hope = self;

	host->nexthop(host->self, address, out);
	if (out->way != NET_WAY_RESOLVING || is_known_anywhere(hope->engine, address))
		return;
	out->way = NET_WAY_READY;
	hope->is_any = true;
}

static void hope_for_health(void *self, const char *service, const struct addr *backend,
			    struct model_probe *out)
{
	const struct engine_host *host = &((struct hope *)self)->engine->options.host;
	struct hope *hope = self;

	host->health(host->self, service, backend, out);
	out->share =
		MODEL_FULL_SHARE; /* theirs, too: the new one is compared with what they will have */
	if (out->is_known || is_known(hope->engine, service, backend))
		return;
	*out = (struct model_probe){.is_known = true, .is_up = true, .share = MODEL_FULL_SHARE};
	hope->is_any = true;
}

/* The plan as it would be then; NULL: as it is. */
static struct plan *plan_with_hope(const struct engine *engine, const struct engine_change *change)
{
	struct hope hope = {.engine = engine};
	const struct model_sources sources = {&hope, hope_for_way,
					      engine->options.host.health ? hope_for_health : NULL};
	struct model *model = model_build(change->config, change->overrides, &sources);
	struct problems unsaid = {};
	struct plan *plan = NULL;

	add_leaving(engine, model, change->config, &sources);
	if (hope.is_any &&
	    plan_make(model, engine->options.view, &engine->ids, engine->tables, &plan, &unsaid))
		plan = NULL; /* the plan itself has no room, and says so */
	problems_free(&unsaid);
	model_free(model);
	return plan;
}

/* Services that stay, and of which the configuration says something else. */
static uint32_t count_changed(const struct engine *engine, const struct config *config,
			      const struct config_changes *changes)
{
	static const char list[] = "services[";
	char last[SL_NAME_SIZE] = "";
	uint32_t count = 0;

	for (size_t i = 0; i < changes->count && engine->config; i++) {
		const char *path = changes->list[i].path, *name = path + strlen(list);
		char now[SL_NAME_SIZE];

		if (strncmp(path, list, strlen(list)) != 0)
			continue;
		snprintf(now, sizeof(now), "%.*s", (int)strcspn(name, "]"), name);
		if (strcmp(now, last) == 0)
			continue;
		memcpy(last, now, sizeof(last));
		count += config_find_service(engine->config, now) &&
			 config_find_service(config, now);
	}
	return count;
}

static void tell(struct engine_forecast *out, const char *sentence)
{
	out->operations[out->operation_count++] = mem_string(sentence);
}

/*
 * The plan as people are told it. What goes last, after the first grace period, is of no interest one by one: what nothing
 * names any more is freed.
 */
static void forecast_operations(const struct plan *plan, struct engine_forecast *out)
{
	bool frees = false;

	out->operations = mem_array(plan->count + plan->table_count + plan->lost + 1,
				    sizeof(*out->operations));
	for (size_t i = 0; i < plan->count; i++) {
		frees = frees || plan->list[i].kind == PLAN_GRACE;
		if (!frees)
			tell(out, plan->list[i].text);
	}
	if (frees)
		tell(out, "when no packet sees it any more: what is no longer in force is freed");
	for (size_t i = 0; i < plan->table_count; i++)
		if (plan->tables[i].moved)
			tell(out, plan->tables[i].text);
	for (size_t i = plan->count; i < plan->count + plan->lost; i++)
		tell(out, plan->list[i].text);
}

void change_forecast(const struct engine *engine, const struct engine_change *change, char *unsafe,
		     struct engine_forecast *out)
{
	const struct plan *plan = change->plan;
	struct plan *hoped = plan_with_hope(engine, change);
	uint32_t moved = hoped ? hoped->slots_moved : plan->slots_moved;

	*out = (struct engine_forecast){
		.services_added = plan->services_added,
		.services_removed = plan->services_removed,
		.backends_added = plan->backends_added,
		.backends_removed = plan->backends_removed,
		.slots_total = plan->slots_total,
		.slots_moved = moved,
		.slots_later = moved > plan->slots_moved ? moved - plan->slots_moved : 0,
		.force_needed = unsafe,
		.unsafe = unsafe,
	};
	config_diff(engine->config, change->config, &out->changes);
	out->services_changed = count_changed(engine, change->config, &out->changes);
	forecast_operations(plan, out);
	forecast_flows(engine, change, hoped ? hoped : plan, out);
	plan_free(hoped);
}

void engine_forecast_free(struct engine_forecast *forecast)
{
	config_changes_free(&forecast->changes);
	for (size_t i = 0; i < forecast->operation_count; i++)
		free(forecast->operations[i]);
	free(forecast->operations);
	free(forecast->unsafe);
	free(forecast->warning);
	*forecast = (struct engine_forecast){};
}
