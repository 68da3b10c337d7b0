/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "agent/repair.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"

/* ---- attachment ------------------------------------------------------------------------------ */

/* A device that has gone, or is down, is not ours to mend: netlink tells when it is back. */
static char *look_at_attachment(struct agent *agent)
{
	struct interfaces *is = &agent->interfaces;
	struct text what = {};

	interfaces_look(is, agent->dp, agent->net);
	for (size_t i = 0; i < is->count; i++)
		if (is->list[i].attached && is->list[i].seen.is_detached)
			text_add(&what, "%sinterface %s: %s", what.length ? "; " : "",
				 is->list[i].link.device, is->list[i].seen.problem);
	return what.data;
}

static int mend_attachment(struct agent *agent, struct problems *p)
{
	struct problems warnings = {};
	int err = interfaces_mend(&agent->interfaces, agent->dp, agent->net, &warnings, p);

	log_and_free_problems(LOG_LEVEL_WARNING, &warnings);
	return err;
}

/* ---- maps ------------------------------------------------------------------------------------ */

static void add_count(struct text *what, uint32_t count, const char *things)
{
	if (count)
		text_add(what, "%s%u %s", what->length ? ", " : "", count, things);
}

static char *look_at_maps(struct agent *agent)
{
	struct dataplane_damage damage;
	struct text what = {};

	if (!dataplane_audit(agent->dp, &damage))
		return NULL;
	add_count(&what, damage.services, "service records written over by hand");
	add_count(&what, damage.backends, "backend records written over by hand");
	add_count(&what, damage.listeners, "listener table written over by hand");
	add_count(&what, damage.meta, "description of the maps written over by hand");
	add_count(&what, damage.ways, "ways out shut by hand");
	add_count(&what, damage.denied, "prefixes of the deny list added or removed by hand");
	add_count(&what, damage.pins, "pins removed or replaced by hand");
	return what.data;
}

static int mend_maps(struct agent *agent, struct problems *p)
{
	return dataplane_mend(agent->dp, p);
}

/* ---- the way of probes through the tunnel ------------------------------------------------------ */

static char *look_at_tunnel(struct agent *agent)
{
	return tunnel_look(&agent->tunnel);
}

static int mend_tunnel(struct agent *agent, struct problems *p)
{
	return agent_set_tunnel(agent, p);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static const struct {
	const char *name, *advice;
	/* What is wrong, for the caller to free; NULL: nothing. */
	char *(*look)(struct agent *agent);
	int (*mend)(struct agent *agent, struct problems *p); /* 0 or a negative errno */
} checks[REPAIR_CHECKS] = {
#define REPAIR_CHECK(id, name, advice) [REPAIR_##id] = {name, advice, look_at_##id, mend_##id},
#include "agent/repair.def"
};

const char *repair_name(enum repair_check check)
{
	return checks[check].name;
}

const char *repair_advice(enum repair_check check)
{
	return checks[check].advice;
}

static void set_what(struct repair_state *state, char *what)
{
	free(state->what);
	state->what = what;
}

/* The reason of a failure in one sentence, beside what is wrong. */
static char *failure_text(const char *what, const struct problems *p)
{
	char *why = p->count ? problem_text(&p->list[p->count - 1]) : NULL;
	char *text = mem_format("%s; %s", what, why ? why : "it is still so after a try");

	free(why);
	return text;
}

static void post(struct agent *agent, enum event_kind kind, enum repair_check check,
		 const char *sentence, ...) __attribute__((format(printf, 4, 5)));
static void post(struct agent *agent, enum event_kind kind, enum repair_check check,
		 const char *sentence, ...)
{
	va_list args;
	char *text;

	va_start(args, sentence);
	text = mem_vformat(sentence, args);
	va_end(args);
	event_say(agent->events, (struct event){.kind = kind, .check = checks[check].name},
		  "%s: %s", checks[check].name, text);
	free(text);
}

static void try_to_mend(struct agent *agent, enum repair_check check, uint64_t now_ms)
{
	struct repair_state *state = &agent->repair.states[check];
	struct problems p = {};
	int err = checks[check].mend(agent, &p);
	char *still = checks[check].look(agent), *text;

	if (!err && !still) {
		post(agent, EVENT_repaired, check, "put right: %s", state->what);
		state->mended++;
		state->is_wrong = false;
		set_what(state, NULL);
		tries_reset(&state->tries);
	} else {
		text = failure_text(still ? still : state->what, &p);
		if (tries_note_failure(&state->tries, now_ms))
			post(agent, EVENT_repair_failed, check,
			     "cannot be put right after %u tries: %s; %s", state->tries.failed,
			     text, checks[check].advice);
		set_what(state, text);
	}
	free(still);
	problems_free(&p);
}

static void run_check(struct agent *agent, enum repair_check check, uint64_t now_ms)
{
	struct repair_state *state = &agent->repair.states[check];
	char *what = checks[check].look(agent);

	if (!what) {
		if (state->is_wrong)
			post(agent, EVENT_repaired, check, "is right again");
		state->is_wrong = false;
		set_what(state, NULL);
		tries_reset(&state->tries);
		return;
	}
	if (state->is_wrong) {
		free(what); /* what it was found by, or why it stays, is known */
	} else {
		post(agent, EVENT_damage_found, check, "%s", what);
		state->found++;
		state->is_wrong = true;
		set_what(state, what);
	}
	if (tries_is_due(&state->tries, now_ms))
		try_to_mend(agent, check, now_ms);
}

void repair_run(struct agent *agent, uint64_t now_ms)
{
	for (int check = 0; check < REPAIR_CHECKS; check++)
		run_check(agent, check, now_ms);
}

void repair_reset(struct repair *repair)
{
	for (int check = 0; check < REPAIR_CHECKS; check++)
		tries_reset(&repair->states[check].tries);
}

void repair_free(struct repair *repair)
{
	for (int check = 0; check < REPAIR_CHECKS; check++)
		free(repair->states[check].what);
	*repair = (struct repair){};
}
