/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of a backend's flows with time: a drain has a deadline, and a backend whose probes
 * fail is down first and dead after `dead-after`. That time counts only while its probes keep it
 * out of the table: neither in panic, nor while the ejected share keeps it in, nor while it has no
 * next hop or is drained, nor while nobody probes. It begins anew when it is well again, and when a dead one is taken in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "core/engine_state.h"

/* ---- drains ---------------------------------------------------------------------------------- */

static void note_drain(struct engine_drain *drain, bool drains, uint64_t now_ms)
{
	if (drains && !drain->is_on)
		*drain = (struct engine_drain){.is_on = true, .since_ms = now_ms};
	if (!drains)
		*drain = (struct engine_drain){};
}

/* ---- failing --------------------------------------------------------------------------------- */

/*
 * Rounds come each second. Where none has come for longer, the agent was stopped, and what the prober says of that time
 * is yet to be read: as while there is no agent, nobody dies of it.
 */
#define ROUND_MAX_MS 2000

static uint64_t counted_ms(const struct engine_clock *clock, uint64_t now_ms)
{
	uint64_t more_ms = clock->counts ? now_ms - clock->count_ms : 0;

	return clock->counted_ms + (more_ms < ROUND_MAX_MS ? more_ms : ROUND_MAX_MS);
}

/* The probes fail now; of one that flaps they succeed. */
static bool is_failing(const struct model_backend *backend)
{
	const struct model_probe *probe = &backend->probe;

	return backend->is_probed && probe->is_known && !probe->is_up && !probe->is_damped;
}

static void note_failing(struct engine_clock *clock, const struct model_backend *backend,
			 bool are_probed, uint64_t dead_after_ms, uint64_t now_ms)
{
	bool counts = backend->reason == MODEL_PROBES_FAIL && are_probed;

	if (backend->leaves) { /* nobody probes it any more: what is dead stays so */
		clock->fails = clock->counts = false;
		return;
	}
	clock->counted_ms = counted_ms(clock, now_ms);
	clock->count_ms = now_ms;
	clock->counts = counts;
	clock->fails = is_failing(backend);
	if (!clock->fails || (clock->is_dead && backend->kept)) {
		clock->counted_ms = 0;
		clock->is_dead = false;
	}
	clock->is_dead |= counts && clock->counted_ms >= dead_after_ms;
}

/* ---- both ------------------------------------------------------------------------------------ */

static void note_due(struct engine *engine, const struct engine_clock *clock,
		     uint64_t dead_after_ms, uint64_t now_ms)
{
	uint64_t due_ms = now_ms + dead_after_ms - clock->counted_ms;

	if (clock->counts && !clock->is_dead && due_ms < engine->dead_due_ms)
		engine->dead_due_ms = due_ms;
}

static void tell_dead(const struct engine *engine, const struct model_service *service,
		      const struct addr *backend)
{
	char address[ADDR_TEXT_SIZE], time[24];

	engine_tell(
		engine, ENGINE_DEAD, service->name, backend,
		mem_format("backend %s %s was down for %s (dead-after): its flows are let go, and "
			   "reset by the next backend",
			   service->name, addr_format(backend, address),
			   text_format_duration(service->config->dead_after_ms, time)));
}

/* One that left has its drain, whatever drain-end says: nobody will look after it. */
enum track_health engine_clock_health(struct engine *engine, const struct model_service *service,
				      const struct model_backend *backend, uint32_t index,
				      uint64_t now_ms)
{
	const struct config_service *config = service->config;
	struct engine_clock *clock = &engine->clocks[index];
	struct engine_drain *drain = &engine->drains[index];
	bool drains = backend->leaves || backend->reason == MODEL_DRAINED;
	enum track_health health = model_health(backend->reason);
	bool was_dead = clock->is_dead;

	note_drain(drain, drains, now_ms);
	note_failing(clock, backend, !engine->is_prober_away, config->dead_after_ms, now_ms);
	if (clock->is_dead && !was_dead)
		tell_dead(engine, service, &backend->address);
	note_due(engine, clock, config->dead_after_ms, now_ms);
	if (engine_is_drain_over(drain, config, now_ms) &&
	    (backend->leaves || config->drain_end == CONFIG_DRAIN_MOVE))
		return TRACK_DEAD;
	if (clock->is_dead)
		return TRACK_DEAD;
	/* The reason is the first one that applies: what drains may have lost its way, too. */
	return health == TRACK_UP && !backend->path.ifindex ? TRACK_DOWN : health;
}

void engine_note_prober(struct engine *engine, bool is_there)
{
	engine->is_prober_away = !is_there;
}

void engine_clock_look(const struct engine *engine, uint32_t index,
		       const struct config_service *service, uint64_t now_ms,
		       struct engine_holding *out)
{
	const struct engine_clock *clock = &engine->clocks[index];
	const struct engine_drain *drain = &engine->drains[index];
	uint64_t counted = counted_ms(clock, now_ms);

	out->drains = drain->is_on;
	out->is_failing = clock->fails;
	out->is_dead = clock->is_dead;
	out->is_paused = clock->fails && !clock->is_dead && !clock->counts;
	if (drain->is_on && service && !engine_is_drain_over(drain, service, now_ms))
		out->left_ms = service->drain_timeout_ms - (now_ms - drain->since_ms);
	if (clock->fails && !clock->is_dead && service && counted < service->dead_after_ms)
		out->dead_left_ms = service->dead_after_ms - counted;
}

/* ---- what is durable ------------------------------------------------------------------------- */

/* The clocks of a backend are lines of these words, each with milliseconds. */
static const char word_drain[] = "drain", word_failing[] = "failing", word_dead[] = "dead";

static void store_clocks(const struct engine *engine, const char *service,
			 const struct ids_backend *backend, uint64_t now_ms, struct text *out)
{
	const struct engine_clock *clock = &engine->clocks[backend->index];
	const struct engine_drain *drain = &engine->drains[backend->index];
	char address[ADDR_TEXT_SIZE];

	addr_format(&backend->address, address);
	if (drain->is_on)
		text_add(out, "%s %s %s %llu\n", service, address, word_drain,
			 (unsigned long long)(now_ms - drain->since_ms));
	if (clock->fails || clock->is_dead)
		text_add(out, "%s %s %s %llu\n", service, address,
			 clock->is_dead ? word_dead : word_failing,
			 (unsigned long long)counted_ms(clock, now_ms));
}

void engine_clocks_store(const struct engine *engine, uint64_t now_ms, struct text *out)
{
	for (size_t s = 0; s < engine->ids.service_count; s++) {
		const struct ids_service *service = &engine->ids.services[s];
		const struct ids_backend *known;
		size_t count;

		known = ids_backends_of(&engine->ids, service->line, &count);
		for (size_t i = 0; i < count; i++)
			store_clocks(engine, service->name, &known[i], now_ms, out);
	}
}

struct clock_line {
	uint32_t index; /* 0: of one that is not in the maps */
	const char *word;
	uint64_t ms;
};

static uint32_t find_index(const struct engine *engine, const char *service,
			   const struct addr *backend)
{
	const struct ids_service *found = ids_find_service(&engine->ids, service);
	const struct ids_backend *known;
	size_t count = 0;

	known = found ? ids_backends_of(&engine->ids, found->line, &count) : NULL;
	for (size_t i = 0; i < count; i++)
		if (addr_equal(&known[i].address, backend))
			return known[i].index;
	return 0;
}

static bool read_line(const struct engine *engine, char *text, struct clock_line *out)
{
	const char *service = strsep(&text, " "), *address = strsep(&text, " ");
	const char *words[] = {word_drain, word_failing, word_dead}, *word = strsep(&text, " ");
	struct addr addr;

	if (!text || addr_parse(address, &addr) || text_parse_uint(text, UINT64_MAX, &out->ms))
		return false;
	out->word = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(words[i], word))
			out->word = words[i];
	out->index = find_index(engine, service, &addr);
	return out->word;
}

/* Of the drain's beginning only its distance from now matters, so that it may lie before the clock's. */
static void restore_line(struct engine *engine, const struct clock_line *line, uint64_t now_ms,
			 uint64_t away_ms)
{
	struct engine_clock *clock = &engine->clocks[line->index];
	uint64_t since_ms = now_ms - line->ms - away_ms;

	if (!line->index)
		return;
	if (line->word == word_drain)
		engine->drains[line->index] =
			(struct engine_drain){.is_on = true, .since_ms = since_ms};
	else
		*clock = (struct engine_clock){
			.fails = true,
			.counted_ms = line->ms,
			.is_dead = line->word == word_dead,
		};
}

int engine_clocks_restore(struct engine *engine, const char *text, size_t length, uint64_t now_ms,
			  uint64_t away_ms, struct problems *p)
{
	char *copy = mem_format("%.*s", (int)length, text), *rest = copy, *next;
	struct clock_line *lines = NULL;
	size_t count = 0;
	int err = 0;

	while (!err && (next = strsep(&rest, "\n")) && (*next || rest)) {
		lines = mem_grow(lines, count, sizeof(*lines));
		if (read_line(engine, next, &lines[count]))
			count++;
		else
			err = problems_add(p, -EINVAL, "clocks", NULL,
					   "line %zu of the stored clocks makes no sense; they are "
					   "done without, and drains and dead-after begin anew",
					   count + 1);
	}
	for (size_t i = 0; !err && i < count; i++)
		restore_line(engine, &lines[i], now_ms, away_ms);
	free(lines);
	free(copy);
	return err;
}
