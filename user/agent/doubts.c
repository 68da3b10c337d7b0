/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "agent/agent.h"
#include "agent/doubts.h"
#include "base/problem.h"
#include "health/health.h"

#define SETTLE_MS 3000 /* until each part of the agent has looked at its own */

void doubts_begin(struct agent *agent)
{
	struct doubts *doubts = &agent->doubts;
	struct problems p = {};

	if (alerts_restore(events_alerts(agent->events), doubts->kept.data ?: "",
			   doubts->kept.length, ways_now_ms(), doubts->kept_away_ms, &p)) {
		char *text = problem_text(&p.list[0]);

		event_post(agent->events, &(struct event){.kind = EVENT_health_lost, .text = text});
		free(text);
	}
	problems_free(&p);
	doubts->from_ms = ways_now_ms() + SETTLE_MS;
	text_free(&doubts->kept);
}

void doubts_store(struct agent *agent, uint64_t now_ms, struct text *out)
{
	if (agent->doubts.kept.length)
		text_add_bytes(out, agent->doubts.kept.data, agent->doubts.kept.length);
	else
		alerts_store(events_alerts(agent->events), now_ms, out);
}

/* What a condition is found to be: it lasts, nobody knows yet, or it is over by an event of this kind. */
enum finding { LASTS, UNKNOWN, OVER };

static enum finding over(enum event_kind by, enum event_kind *kind)
{
	*kind = by;
	return OVER;
}

/* `state`: of those in which it lasts, as bits. */
static enum finding find_health(const struct agent *agent, const struct event *event,
				const struct addr *backend, unsigned int states,
				enum event_kind *kind)
{
	struct health_look look;

	if (!health_look(agent->health, event->service, backend, ways_now_ms(), &look) ||
	    look.state == HEALTH_STATE_UNPROBED)
		return over(EVENT_backend_unprobed, kind);
	if (event->kind == EVENT_tunnel_broken && look.state != HEALTH_STATE_NEW)
		return look.is_tunnel_broken ? LASTS : over(EVENT_tunnel_mended, kind);
	if (look.state == HEALTH_STATE_NEW)
		return UNKNOWN;
	return states & 1u << look.state ? LASTS : over(EVENT_backend_up, kind);
}

static enum finding find_way(const struct model_backend *backend, bool by_way,
			     enum event_kind *kind)
{
	bool wayless = backend->reason == MODEL_NO_WAY || backend->reason == MODEL_UNLISTED_WAY;

	if (backend->reason == MODEL_NO_WAY && backend->way.way == NET_WAY_RESOLVING)
		return UNKNOWN;
	if (by_way)
		return wayless ? LASTS : over(EVENT_next_hop_found, kind);
	/* An operator's will is said at the start. */
	return over(EVENT_backend_in, kind);
}

static enum finding find_backend(const struct agent *agent, const struct event *event,
				 enum event_kind *kind)
{
	const struct model_service *service =
		model_find_service(engine_model(agent->engine), event->service);
	const struct model_backend *backend;
	struct addr address;

	if (!service || addr_parse(event->backend, &address))
		return over(EVENT_backend_removed, kind);
	backend = model_find_backend(service, &address);
	if (!backend)
		return over(EVENT_backend_removed, kind);
	switch (event->kind) {
	case EVENT_backend_down:
	case EVENT_backend_dead:
		return find_health(agent, event, &address, 1u << HEALTH_STATE_DOWN, kind);
	case EVENT_backend_damped:
		return find_health(agent, event, &address,
				   1u << HEALTH_STATE_DAMPED | 1u << HEALTH_STATE_DOWN, kind);
	case EVENT_tunnel_broken:
		return find_health(agent, event, &address, 0, kind);
	default:
		return find_way(backend, event->kind == EVENT_next_hop_lost, kind);
	}
}

/* The first kind that ends it; of what is no backend's one does. What lasts has been said anew by whom it concerns. */
static enum finding find(const struct agent *agent, const struct event *event,
			 enum event_kind *kind)
{
	if (event->service && event->backend)
		return find_backend(agent, event, kind);
	for (*kind = 0; *kind < EVENT_KINDS; ++*kind)
		if (event_ends(*kind) & UINT64_C(1) << event->kind)
			break;
	return OVER;
}

static void settle(struct agent *agent, const struct event *event)
{
	struct event next = {
		.service = event->service,
		.backend = event->backend,
		.device = event->device,
		.check = event->check,
	};

	switch (find(agent, event, &next.kind)) {
	case LASTS:
		alerts_believe(events_alerts(agent->events), event);
		break;
	case OVER:
		event_say(agent->events, next, "over since before this start: %s", event->text);
		break;
	case UNKNOWN:
		break;
	}
}

void doubts_settle(struct agent *agent, uint64_t now_ms)
{
	struct event **list;
	size_t count;

	if (!agent->doubts.from_ms || now_ms < agent->doubts.from_ms)
		return;
	list = alerts_doubts(events_alerts(agent->events), &count);
	for (size_t i = 0; i < count; i++) {
		settle(agent, list[i]);
		event_free(list[i]);
	}
	free(list);
	if (!count)
		agent->doubts.from_ms = 0;
}
