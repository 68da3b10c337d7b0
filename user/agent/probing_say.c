/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "agent/probing_say.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"

/* In tenths of a second up to ten. */
static const char *spoken(uint64_t ms, char out[24])
{
	if (ms >= 10000)
		return text_format_time(ms, out);
	snprintf(out, 24, "%u.%us", (unsigned int)ms / 1000, (unsigned int)ms / 100 % 10);
	return out;
}

/* The sentence without its subject; the caller frees it. */
static char *sentence_of(const struct health_change *change)
{
	const char *colon = *change->text ? ": " : "";
	char time[24];

	switch (change->kind) {
	case HEALTH_UP:
		return mem_format("is healthy after %s%s%s", spoken(change->ms, time), colon,
				  change->text);
	case HEALTH_DOWN:
		return mem_format("is down%s%s", colon, change->text);
	case HEALTH_DAMPED:
		return mem_format("answers again, but flaps: it stays out for %s at most",
				  spoken(change->ms, time));
	case HEALTH_STEP:
		return mem_format("starts slowly: %u %% of its weight", change->share / 10);
	case HEALTH_TUNNEL_BROKEN:
		return mem_format("answers directly%s%s, but not through the tunnel: look at its "
				  "decapsulation",
				  colon, change->text);
	case HEALTH_TUNNEL_MENDED:
		return mem_format(
			"is no longer one that only its tunnel keeps out: that works again, "
			"or the server fails, too");
	case HEALTH_GONE:
	case HEALTH_CHANGES:
		break;
	}
	return mem_format("is probed no more");
}

/* What is no event is for those who look closely. */
static bool kind_of(enum health_change_kind change, enum event_kind *kind)
{
	static const enum event_kind kinds[] = {
		[HEALTH_UP] = EVENT_backend_up,
		[HEALTH_DOWN] = EVENT_backend_down,
		[HEALTH_DAMPED] = EVENT_backend_damped,
		[HEALTH_TUNNEL_BROKEN] = EVENT_tunnel_broken,
		[HEALTH_TUNNEL_MENDED] = EVENT_tunnel_mended,
		[HEALTH_GONE] = EVENT_backend_unprobed,
	};

	if (change == HEALTH_STEP)
		return false;
	*kind = kinds[change];
	return true;
}

void probing_say_change(const struct agent *agent, const struct health_change *change,
			bool is_quiet)
{
	char *sentence = sentence_of(change), address[ADDR_TEXT_SIZE];
	struct event event = {
		.service = change->service,
		.backend = addr_format(&change->backend, address),
		.is_quiet = is_quiet,
	};

	if (*change->text)
		event.attributes[0] = (struct event_attribute){"reason", change->text};
	if (kind_of(change->kind, &event.kind))
		event_say(agent->events, event, "backend %s %s %s", event.service, event.backend,
			  sentence);
	else
		log_debug("backend %s %s %s", event.service, event.backend, sentence);
	free(sentence);
}

void probing_say_prober(const struct agent *agent, enum prober_news news, const char *sentence)
{
	static const enum event_kind kinds[] = {
		[PROBER_STARTED] = EVENT_prober_started,    [PROBER_ENDED] = EVENT_prober_died,
		[PROBER_HUNG] = EVENT_prober_hung,	    [PROBER_NONSENSE] = EVENT_prober_died,
		[PROBER_NOT_STARTED] = EVENT_prober_failed, [PROBER_OTHER] = EVENT_prober_other,
		[PROBER_STOPPED] = EVENT_prober_stopped,
	};

	event_post(agent->events, &(struct event){.kind = kinds[news], .text = sentence});
}

void probing_say_store(const struct agent *agent, const struct problem *problem)
{
	char *why = problem ? problem_text(problem) : NULL;

	if (why)
		event_say(
			agent->events, (struct event){.kind = EVENT_health_unkept},
			"what is known of backends' health cannot be kept: %s; it is tried again, "
			"and an agent that starts until then begins with what was kept before",
			why);
	else
		event_say(agent->events, (struct event){.kind = EVENT_health_kept},
			  "what is known of backends' health is kept again");
	free(why);
}
