/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "base/mem.h"
#include "dataplane/dataplane.h"
#include "property/oracle.h"

#define NEVER -1000000

void oracle_open(struct oracle *o, const struct dataplane_view *view, uint16_t syn_ticks,
		 uint16_t closing_ticks)
{
	*o = (struct oracle){.view = view,
			     .slots = view->limits.slots,
			     .count = view->limits.backends + 1,
			     .syn_ticks = syn_ticks,
			     .closing_ticks = closing_ticks,
			     .closing_evicted_at = NEVER,
			     .lost_at = NEVER};
	o->backends = mem_array(o->count, sizeof(*o->backends));
	o->changed_at = mem_array(o->slots, sizeof(*o->changed_at));
	o->rested_at = mem_array(o->slots, sizeof(*o->rested_at));
	o->stored_at = mem_array(o->slots, sizeof(*o->stored_at));
	o->named = mem_array(o->slots, sizeof(*o->named));
	o->never = mem_array(o->slots, sizeof(*o->never));
	for (uint32_t b = 0; b < o->count; b++)
		o->backends[b].down_at = o->backends[b].let_go_at = NEVER;
	for (uint32_t s = 0; s < o->slots; s++)
		o->changed_at[s] = o->stored_at[s] = NEVER;
}

void oracle_close(struct oracle *o)
{
	free(o->backends);
	free(o->changed_at);
	free(o->rested_at);
	free(o->stored_at);
	free(o->named);
	free(o->never);
	free(o->idle);
}

static bool is_moving(const struct oracle *o, uint32_t slot)
{
	uint16_t hot = dataplane_hot(o->view, slot);

	return hot & SL_HOT_LOOK &&
	       (hot & SL_HOT_NOW) != (dataplane_cold(o->view, slot) & SL_COLD_BASE);
}

/* The shortest T that was in force since a time. */
static uint16_t idle_since(const struct oracle *o, uint16_t service, int64_t since)
{
	uint16_t shortest = UINT16_MAX;

	for (size_t i = o->idle_count; i-- > 0;) {
		if (o->idle[i].service != service)
			continue;
		if (o->idle[i].ticks < shortest)
			shortest = o->idle[i].ticks;
		if (o->idle[i].since <= since)
			break;
	}
	return shortest;
}

static void watch_idle(struct oracle *o, uint16_t service)
{
	uint16_t ticks = o->view->services[service].idle_ticks;
	struct oracle_idle *i = &o->idle[o->idle_count];

	while (i > o->idle && i[-1].service != service)
		i--;
	if (i > o->idle && i[-1].ticks == ticks)
		return;
	o->idle = mem_grow(o->idle, o->idle_count, sizeof(*o->idle));
	o->idle[o->idle_count++] = (struct oracle_idle){service, ticks, o->now};
}

void oracle_watch(struct oracle *o)
{
	for (uint32_t s = 0; s < o->slots; s++)
		if (dataplane_hot(o->view, s) & SL_HOT_LOOK)
			o->changed_at[s] = o->now;
	for (uint32_t s = 0; s < o->slots; s++)
		if (!is_moving(o, s))
			o->rested_at[s] = o->now;
	for (uint32_t s = 0; s < o->slots; s++) {
		uint16_t now = dataplane_hot(o->view, s) & SL_HOT_NOW;

		if (now != o->named[s])
			o->stored_at[s] = o->now;
		o->named[s] = now;
	}
	for (uint32_t b = 1; b < o->count; b++) {
		uint32_t flags = o->view->backends[b].flags;

		if (o->backends[b].down || flags & SL_BACKEND_DOWN)
			o->backends[b].down_at = o->now;
		o->backends[b].dead = flags & SL_BACKEND_DEAD;
	}
	for (uint32_t s = 1; s < sl_service_records(&o->view->limits); s++)
		watch_idle(o, s);
}

void oracle_set_down(struct oracle *o, uint16_t backend, bool down)
{
	o->backends[backend].down = down;
	oracle_watch(o);
}

void oracle_let_go(struct oracle *o, uint16_t backend)
{
	o->backends[backend].let_go = true;
	o->backends[backend].let_go_at = o->now;
}

void oracle_revive(struct oracle *o, uint16_t backend)
{
	o->backends[backend].let_go = false;
}

void oracle_set_never(struct oracle *o, uint32_t first, uint32_t count, bool never)
{
	for (uint32_t s = first; s < first + count; s++)
		o->never[s] = never;
	oracle_watch(o);
}

void oracle_replace(struct oracle_flow *flow, uint32_t slot, uint16_t service)
{
	flow->slot = slot;
	flow->service = service;
	flow->replaced = true;
}

void oracle_saw_eviction(struct oracle *o, bool closing)
{
	if (closing)
		o->closing_evicted_at = o->now;
	else
		o->lost_at = o->now;
}

/* Which of the limits grants that this packet went elsewhere; ORACLE_BROKEN: none. */
static enum oracle_word grant(const struct oracle *o, const struct oracle_flow *flow,
			      enum oracle_kind kind)
{
	int64_t silence = o->now - flow->last;
	bool changed = o->changed_at[flow->slot] >= flow->last;
	bool was_down = o->backends[flow->backend].down_at >= flow->last;

	if (o->never[flow->slot] && o->stored_at[flow->slot] >= flow->last)
		return ORACLE_NEVER;
	if (changed && silence > idle_since(o, flow->service, flow->last))
		return ORACLE_SILENT;
	if (flow->handshake && silence > o->syn_ticks && changed)
		return ORACLE_HANDSHAKE;
	if (flow->handshake && kind == ORACLE_SYN && was_down)
		return ORACLE_SYN_DOWN;
	if (flow->udp && was_down)
		return ORACLE_UDP_DOWN;
	if (flow->closing && silence > o->closing_ticks && o->closing_evicted_at >= flow->last)
		return ORACLE_CLOSED;
	if (flow->forged)
		return ORACLE_FORGED;
	return ORACLE_BROKEN;
}

/* A host takes what opens a flow, unless it is gone. */
static bool accepts(const struct oracle *o, uint16_t backend)
{
	return backend != SL_NOBODY && !o->backends[backend].let_go;
}

static void sent(struct oracle *o, struct oracle_flow *flow, enum oracle_kind kind)
{
	flow->handshake = kind == ORACLE_SYN && (flow->handshake || flow->last == NEVER);
	flow->closing = kind == ORACLE_FIN || kind == ORACLE_RST;
	flow->forged = flow->replaced = false;
	flow->sure = kind != ORACLE_RST && is_moving(o, flow->slot);
	flow->last = o->now;
}

static enum oracle_word judge(struct oracle *o, struct oracle_flow *flow, enum oracle_kind kind,
			      uint16_t to)
{
	enum oracle_word word;

	if (to >= o->count || o->backends[to].dead)
		return ORACLE_TO_DEAD;
	if (flow->backend == SL_NOBODY) {
		flow->last = NEVER;
		flow->backend = accepts(o, to) ? to : SL_NOBODY;
		return flow->backend ? ORACLE_ACCEPTED : ORACLE_REFUSED;
	}
	if (flow->replaced)
		word = ORACLE_REPLACED;
	else if (o->backends[flow->backend].let_go ||
		 o->backends[flow->backend].let_go_at >= flow->last)
		word = ORACLE_OVER;
	else
		word = to == flow->backend ? ORACLE_HELD : grant(o, flow, kind);
	/* Where it was granted to go it begins again, or is answered with a reset: no host takes a TCP flow without a SYN. */
	if (word != ORACLE_HELD)
		flow->backend =
			(flow->udp || kind == ORACLE_SYN) && accepts(o, to) ? to : SL_NOBODY;
	return word;
}

enum oracle_word oracle_packet(struct oracle *o, struct oracle_flow *flow, enum oracle_kind kind,
			       uint16_t to)
{
	enum oracle_word word = judge(o, flow, kind, to);

	o->words[word]++;
	sent(o, flow, kind);
	return word;
}

enum oracle_word oracle_named(struct oracle *o, struct oracle_flow *flow, uint16_t to)
{
	enum oracle_word word;

	if (to >= o->count || o->backends[to].dead)
		word = ORACLE_TO_DEAD;
	else if (o->backends[flow->backend].let_go ||
		 o->backends[flow->backend].let_go_at >= flow->last)
		word = ORACLE_OVER;
	else
		word = to == flow->backend ? ORACLE_HELD : ORACLE_BROKEN;
	o->words[word]++;
	flow->last = o->now;
	return word;
}

static bool is_sure(const struct oracle *o, const struct oracle_flow *flow)
{
	return flow->sure && o->lost_at < flow->last && o->rested_at[flow->slot] < flow->last;
}

enum oracle_word oracle_forged(struct oracle *o, struct oracle_flow *flow, enum oracle_kind kind,
			       uint16_t to)
{
	if (to >= o->count || o->backends[to].dead) {
		o->words[ORACLE_TO_DEAD]++;
		return ORACLE_TO_DEAD;
	}
	if (kind == ORACLE_RST)
		flow->closing = true;
	else if (is_moving(o, flow->slot) && !is_sure(o, flow))
		flow->forged = true;
	return ORACLE_HELD;
}

const char *oracle_word_name(enum oracle_word word)
{
	static const char *const names[ORACLE_WORDS] = {
		[ORACLE_ACCEPTED] = "accepted",
		[ORACLE_REFUSED] = "refused",
		[ORACLE_HELD] = "held",
		[ORACLE_OVER] = "over",
		[ORACLE_SILENT] = "granted: silent for longer than T",
		[ORACLE_HANDSHAKE] = "granted: slow handshake",
		[ORACLE_SYN_DOWN] = "granted: handshake with a backend that was down",
		[ORACLE_UDP_DOWN] = "granted: UDP to a backend that was down",
		[ORACLE_CLOSED] = "granted: closing, and evicted",
		[ORACLE_REPLACED] = "granted: its service or table was replaced",
		[ORACLE_NEVER] = "granted: tracking is never, and its slot has changed",
		[ORACLE_FORGED] = "granted: a forged SYN",
		[ORACLE_BROKEN] = "BROKEN: left its backend",
		[ORACLE_TO_DEAD] = "BROKEN: sent to the dead",
	};

	return names[word];
}
