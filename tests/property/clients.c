/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients, one packet at a time, and the strangers among them. Who sends when is a wheel of lists, one a tick.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "property/world.h"

static const uint8_t tcp_flags[] = {
	[ORACLE_SYN] = RIG_SYN, [ORACLE_ACK] = RIG_ACK, [ORACLE_FIN] = RIG_FIN,
	[ORACLE_RST] = RIG_RST, [ORACLE_UDP] = 0,
};
static const char *const kind_names[] = {
	[ORACLE_SYN] = "SYN", [ORACLE_ACK] = "ACK", [ORACLE_FIN] = "FIN",
	[ORACLE_RST] = "RST", [ORACLE_UDP] = "UDP",
};

/* What the table did for the packet, by its counter on whatever CPU that was. */
static enum sl_event event_of(struct world *w)
{
	for (enum sl_event e = SL_EVENT_NONE + 1; e < SL_EVENT_quic_named; e++) {
		uint64_t count = rig_event(w->rig, e);

		if (count != w->events[e]) {
			w->events[e] = count;
			w->done[e]++;
			return e;
		}
	}
	return SL_EVENT_NONE;
}

uint16_t clients_run(struct world *w, struct rig_frame *frame, enum oracle_kind kind,
		     enum rig_service listener, uint32_t slot)
{
	int to = rig_send(w->rig, frame, tcp_flags[kind]);
	enum sl_event event;

	w->packets++;
	if (!regions_listens(w, listener)) {
		w->progress[WORLD_passed]++;
		if (to >= 0)
			world_break(w, 0, "a packet for a service that is gone did not pass");
		return SL_NOBODY;
	}
	if (to < 0) {
		world_break(w, 0,
			    "a packet neither went to a backend nor was dropped as no_backend");
		return SL_NOBODY;
	}
	if (!(dataplane_hot(w->rig->view, slot) & SL_HOT_LOOK))
		return to;
	w->looked_up++;
	event = event_of(w);
	if (event == SL_EVENT_evicted_closing)
		oracle_saw_eviction(&w->oracle, true);
	else if (event == SL_EVENT_evicted_base || event == SL_EVENT_no_room)
		oracle_saw_eviction(&w->oracle, false);
	/* Which slot is crowded now is told by no counter. */
	if (event == SL_EVENT_evicted_base || event == SL_EVENT_no_room)
		world_look(w);
	return to;
}

/* ---- the wheel -------------------------------------------------------------------------------------- */

static void wait_until(struct world *w, struct client *c, int64_t due)
{
	struct client **list = &w->wheel[due % WORLD_WHEEL];

	c->due = due;
	c->next = *list;
	*list = c;
}

static void free_client(struct world *w, struct client *c)
{
	c->id = 0;
	c->next = w->spare;
	w->spare = c;
}

/* ---- a flow's life ---------------------------------------------------------------------------------- */

static void random_tuple(struct world *w, struct rig_flow *t)
{
	t->service = 1 + world_below(w, RIG_SERVICES - 1);
	t->udp = t->service == RIG_UDP || (t->service == RIG_BOTH && world_chance(w, .3));
	t->v6 = world_chance(w, .4);
	t->client = world_random(w);
	t->port = 1 + world_below(w, 65535);
}

/* The client opens a flow with its tuple: a new one, or the tuple of a flow before. */
static void begin(struct world *w, struct client *c)
{
	enum rig_service listener = c->tuple.service;

	c->flow = (struct oracle_flow){.slot = regions_slot(w, listener, c->hash),
				       .udp = c->tuple.udp,
				       .service = w->service[w->listener[listener]].record};
	c->era = w->era[listener];
	c->id = ++w->next_id;
	c->packets_left = 2 + world_below(w, 10);
	c->syns = 0;
	c->quiet = world_chance(w, .3);
	if (listener != RIG_UDP)
		return;
	c->quic.is_on = world_chance(w, .5);
	c->quic.backend = SL_NOBODY;
	rig_build(w->rig, &c->tuple, &c->frame); /* of the flow before there may be an id */
}

static void arrive(struct world *w)
{
	struct client *c = w->spare;

	if (c)
		w->spare = c->next;
	else if (w->used < w->clients)
		c = &w->all[w->used++];
	else
		return;
	random_tuple(w, &c->tuple);
	rig_build(w->rig, &c->tuple, &c->frame);
	c->hash = rig_hash(w->rig, &c->tuple);
	begin(w, c);
	wait_until(w, c, w->now);
}

static void leave(struct world *w, struct client *c)
{
	static const uint8_t pauses[] = {1, 1, 2, 30, 45, 90};

	if (!w->quiet && world_chance(w, .3)) {
		begin(w, c);
		w->progress[WORLD_reused]++;
		wait_until(w, c, w->now + pauses[world_below(w, ARRAY_SIZE(pauses))]);
	} else {
		free_client(w, c);
	}
}

/* The oracle is told when a flow's packets find another service, or another table. */
static void locate(struct world *w, struct client *c)
{
	enum rig_service listener = c->tuple.service;

	if (c->era == w->era[listener])
		return;
	c->era = w->era[listener];
	oracle_replace(&c->flow, regions_slot(w, listener, c->hash),
		       w->service[w->listener[listener]].record);
}

/* Returns whether the flow goes on. */
static bool send_packet(struct world *w, struct client *c, enum oracle_kind kind)
{
	uint16_t had = c->flow.backend;
	int64_t silence = had ? w->now - c->flow.last : 0;
	enum oracle_word word;
	uint16_t to;

	if (c->quic.backend && quic_reads(w, c))
		return quic_send(w, c);
	c->quic.backend = SL_NOBODY; /* where no ids are read, none keeps it */
	locate(w, c);
	if (quic_reads(w, c))
		return quic_send(w, c);
	to = clients_run(w, &c->frame, kind, c->tuple.service, c->flow.slot);
	if (!regions_listens(w, c->tuple.service))
		return false;
	word = oracle_packet(&w->oracle, &c->flow, kind, to);
	if (w->trace == c->id)
		world_tell(w, "%s, %s after %lld ticks, goes to %u (its backend: %u)",
			   kind_names[kind], oracle_word_name(word), (long long)silence, to, had);
	if (oracle_is_broken(word))
		world_break(
			w, c->id,
			"tick %lld: flow %u (%s, slot %u, backend %u): %s after %lld ticks went to "
			"%u: %s",
			(long long)w->now, c->id, c->flow.udp ? "UDP" : "TCP", c->flow.slot, had,
			kind_names[kind], (long long)silence, to, oracle_word_name(word));
	/* One that was sent elsewhere is reset, or begins again there. */
	return word == ORACLE_ACCEPTED || word == ORACLE_HELD ||
	       (word == ORACLE_SYN_DOWN && c->flow.backend) ||
	       (word > ORACLE_OVER && c->flow.backend && world_chance(w, .5));
}

static int64_t pause_of(struct world *w, const struct client *c, enum oracle_kind last)
{
	uint32_t idle = world_idle(w, c->tuple.service), pause;

	if (world_chance(w, .01))
		return idle + 1 + world_below(w, idle); /* longer than it may count on */
	if (world_chance(w, .1))
		pause = idle;
	else if (c->quiet)
		pause = idle / 2 + world_below(w, idle / 2 + 1);
	else
		pause = 1 + world_below(w, idle / 8);
	return last == ORACLE_FIN && pause > WORLD_CLOSING && world_chance(w, .9) ? WORLD_CLOSING
										  : pause;
}

/* A SYN, or again; some hosts are slow to answer. */
static void shake_hands(struct world *w, struct client *c)
{
	int pause = 1 + world_below(w, WORLD_SYN);

	w->progress[WORLD_syns_again] += c->syns > 0;
	if (!send_packet(w, c, ORACLE_SYN)) {
		leave(w, c);
		return;
	}
	c->syns++;
	if (world_chance(w, .02))
		pause += WORLD_SYN;
	if (world_chance(w, .2) && !w->quiet)
		leave(w, c); /* never heard of again */
	else
		wait_until(w, c, w->now + pause);
}

static void send_data(struct world *w, struct client *c)
{
	enum oracle_kind kind = c->flow.udp ? ORACLE_UDP : ORACLE_ACK;

	c->syns = 0;
	w->progress[WORLD_half_closed] += c->flow.closing;
	if (--c->packets_left <= 0 && !c->flow.udp)
		kind = (enum oracle_kind[]){ORACLE_FIN, ORACLE_RST, ORACLE_ACK}[world_below(w, 3)];
	else if (!c->flow.udp && world_chance(w, .04))
		kind = ORACLE_FIN;
	if (!send_packet(w, c, kind) || c->packets_left <= 0)
		leave(w, c);
	else
		wait_until(w, c, w->now + pause_of(w, c, kind));
}

static void act(struct world *w, struct client *c)
{
	bool opened = c->flow.backend != SL_NOBODY;

	if (!c->flow.udp && (!opened || (c->flow.handshake && c->syns < 3 && world_chance(w, .4))))
		shake_hands(w, c);
	else
		send_data(w, c);
}

/* ---- strangers -------------------------------------------------------------------------------------- */

/* A packet of a tuple that nobody uses. */
static void flood(struct world *w)
{
	static const enum oracle_kind kinds[] = {ORACLE_SYN, ORACLE_SYN, ORACLE_ACK, ORACLE_FIN};
	struct oracle_flow unknown = {0};
	struct rig_frame frame;
	struct rig_flow tuple;
	enum oracle_kind kind;

	random_tuple(w, &tuple);
	rig_build(w->rig, &tuple, &frame);
	kind = tuple.udp ? ORACLE_UDP : kinds[world_below(w, ARRAY_SIZE(kinds))];
	unknown.slot = regions_slot(w, tuple.service, rig_hash(w->rig, &tuple));
	if (oracle_is_broken(
		    oracle_forged(&w->oracle, &unknown, kind,
				  clients_run(w, &frame, kind, tuple.service, unknown.slot))))
		world_break(w, 0, "a packet of a flood went to a backend that is dead");
	w->progress[WORLD_floods]++;
}

/* Somebody sends in the name of a flow that is under way. */
static void forge(struct world *w)
{
	struct client *c = w->used ? &w->all[world_below(w, w->used)] : NULL;
	enum oracle_kind kind = world_chance(w, .5) ? ORACLE_SYN : ORACLE_RST;
	uint16_t to;

	if (!c || !c->id || !c->flow.backend || c->flow.udp || c->flow.handshake || c->flow.closing)
		return;
	locate(w, c);
	to = clients_run(w, &c->frame, kind, c->tuple.service, c->flow.slot);
	if (oracle_is_broken(oracle_forged(&w->oracle, &c->flow, kind, to)))
		world_break(w, c->id, "a forged packet went to a backend that is dead");
	if (w->trace == c->id)
		world_tell(w, "forged %s goes to %u", kind_names[kind], to);
	w->progress[WORLD_forged]++;
}

/* ---- a tick ------------------------------------------------------------------------------------------- */

void clients_open(struct world *w)
{
	w->clients = 8 * w->capacity + 64;
	w->all = mem_array(w->clients, sizeof(*w->all));
	for (enum sl_event e = 0; e < SL_EVENTS; e++)
		w->events[e] = rig_event(w->rig, e);
}

/* Those due in this tick, in a random order. */
static size_t due(struct world *w, struct client ***out)
{
	struct client *c = w->wheel[w->now % WORLD_WHEEL], **list = NULL;
	size_t count = 0;

	w->wheel[w->now % WORLD_WHEEL] = NULL;
	for (; c; c = c->next) {
		list = mem_grow(list, count, sizeof(*list));
		list[count++] = c;
	}
	for (size_t i = count; i > 1; i--) {
		size_t other = world_below(w, i);
		struct client *swap = list[i - 1];

		list[i - 1] = list[other];
		list[other] = swap;
	}
	*out = list;
	return count;
}

void clients_tick(struct world *w, void (*between)(struct world *))
{
	uint32_t floods = w->noisy && world_chance(w, .3) ? w->capacity / 6 + 2 : 0;
	struct client **list;
	size_t count;

	if (!w->quiet)
		for (double n = w->capacity / 90. + (world_random(w) >> 11) * 0x1p-53; n >= 1; n--)
			arrive(w);
	count = due(w, &list);
	for (size_t i = 0; i < count && !w->broken[0]; i++) {
		between(w);
		for (uint32_t n = floods / count; n > 0; n--)
			flood(w);
		if (world_chance(w, .02) && !w->quiet)
			forge(w);
		/* In the end everybody goes, without a word. */
		if (w->quiet)
			free_client(w, list[i]);
		else
			act(w, list[i]);
	}
	if (count < floods && !w->broken[0])
		flood(w);
	between(w);
	free(list);
}
