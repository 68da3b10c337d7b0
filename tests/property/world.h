/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world of the property test: clients and backends, the real BPF program, the agent's real slot logic, and the
 * oracle that watches over each flow.
 *
 * Story: a run is a seed and a capacity, and both alone decide all of it. In each tick clients send (SYNs, sent again
 * now and then; data; FINs and RSTs; some vanish, many use their tuple again; some have connection ids, quic.c), strangers
 * flood and forge, the operator and the probes change their minds (events.c, regions.c), and the agent takes its steps in
 * between, one at a time at any place, each of them possibly its last (agent.c). The tick wraps in every run. At its end
 * all clients fall silent, and then every slot must become stable and the table empty: a rule that keeps flows by never
 * finishing does not pass.
 */
#ifndef PROPERTY_WORLD_H
#define PROPERTY_WORLD_H

#include <stdio.h>

#include "core/track.h"
#include "packet/rig.h"
#include "property/oracle.h"

#define WORLD_TICKS	 1500
#define WORLD_SLOTS	 13 /* of a service; other tables have up to: */
#define WORLD_SLOTS_MOST 31
#define WORLD_BACKENDS	 8
#define WORLD_HOLD	 4
#define WORLD_SCAN	 10
#define WORLD_SYN	 3
#define WORLD_CLOSING	 20
#define WORLD_DEATH \
	25 /* ticks after which a dead backend is let go, with an agent that is killed now and then */
#define WORLD_WHEEL 512 /* ticks; more than any client waits */

/* What must happen in a run, else it proves nothing; the numbers are those of a run of a minute. */
#define WORLD_PROGRESS(P)                                           \
	P(rebases, 300, "rebases")                                  \
	P(crowded_windows, 100, "crowded windows")                  \
	P(settled, 300, "slots gone stable")                        \
	P(planned, 300, "slots moved as planned")                   \
	P(moved_off, 100, "slots moved off a backend that is down") \
	P(another, 50, "another change of a moving slot")           \
	P(back, 30, "changes back to base")                         \
	P(to_nobody, 10, "slots sent to nobody")                    \
	P(from_nobody, 10, "slots from nobody")                     \
	P(crowded_settling, 20, "settling slots that were crowded") \
	P(restarts, 100, "agents killed between two operations")    \
	P(torn, 20, "agents killed in the middle of a list")        \
	P(refused, 100, "steps of the agent that failed")           \
	P(deaths, 20, "backends dead")                              \
	P(revivals, 20, "backends alive again")                     \
	P(false_alarms, 20, "false alarms")                         \
	P(drains, 20, "drains")                                     \
	P(left, 5, "indexes given up and used again")               \
	P(raised, 5, "T raised")                                    \
	P(resized, 50, "tables of another size")                    \
	P(removed, 50, "services removed")                          \
	P(added, 50, "services added")                              \
	P(listeners_moved, 50, "listeners moved")                   \
	P(untracked, 20, "services that track never")               \
	P(tracked, 20, "services that track again")                 \
	P(stored, 300, "slots moved without tracking")              \
	P(passed, 1000, "packets of services that are gone")        \
	P(change_refused, 20, "operations of such changes refused") \
	P(change_torn, 10, "agents killed within such a change")    \
	P(syns_again, 1000, "SYNs sent again")                      \
	P(reused, 500, "tuples used again")                         \
	P(half_closed, 300, "half-closed flows that went on")       \
	P(forged, 300, "SYNs and RSTs forged")                      \
	P(floods, 1000, "packets of floods")                        \
	P(named, 1000, "packets that a connection id led")          \
	P(roamed, 300, "clients with an id that moved")             \
	P(aimed, 100, "connections begun by an id of a backend")    \
	P(not_begun, 20, "such that it took none of")               \
	P(stayed, 50, "packets to who takes no new ones, by an id") \
	P(rotated, 20, "configurations of ids changed")             \
	P(wraps, 5, "ticks wrapped")                                \
	P(scans, 300, "scans")

enum world_progress {
#define P(name, least, words) WORLD_##name,
	WORLD_PROGRESS(P)
#undef P
		WORLD_PROGRESSES
};

struct client {
	struct client *next; /* in the wheel, or free */
	struct oracle_flow flow;
	struct rig_flow tuple;
	struct rig_frame frame;
	uint64_t hash;
	uint32_t id;  /* counts up with each flow */
	uint32_t era; /* of its listener, as of its last packet */
	int64_t due;
	int packets_left;
	uint8_t syns; /* sent; 0 once established */
	bool quiet;   /* sends about once in T */
	struct {
		bool is_on;
		uint16_t backend; /* that has given it an id; 0: none has */
		uint8_t rotation, bytes[SL_SERVER_ID_MAX];
	} quic;
};

/* A service of the configuration, as far as it is in force. */
struct world_service {
	uint32_t record, base, slots;
	bool is_present, tracks;
};

struct world {
	struct rig *rig;
	struct oracle oracle;
	uint64_t random;
	uint32_t capacity;
	int64_t now;
	uint16_t first_tick; /* the tick of 0 */

	/* clients.c */
	struct client *wheel[WORLD_WHEEL];
	struct client *all, *spare; /* all of them, by index; a list of those free */
	uint32_t clients, used, next_id;
	bool noisy, quiet; /* floods; the end */

	/* agent.c */
	struct track *track;
	struct dataplane_ops ops; /* without grace periods: nothing runs while the agent does */
	bool round;		  /* begun and not over */
	const struct track_step *step; /* worked out, and not yet wholly done */
	size_t step_done;	       /* of its list */
	uint16_t *seen_hot;	       /* the words as they were, to tell what has changed */
	uint32_t *seen_cold;

	/* events.c: what operator and probes want */
	struct {
		enum track_health health;
		int64_t dead_since; /* tick; while it is dead */
		bool drained, leaves;
		int64_t until; /* down until then, then dead or back */
		bool comes_back;
	} backend[WORLD_BACKENDS + 1];
	uint16_t want[RIG_SERVICES][WORLD_SLOTS_MOST];
	uint16_t idle[RIG_SERVICES];
	int64_t nobody_until[RIG_SERVICES]; /* nobody takes its new flows */
	bool want_changed, urgent;

	/* regions.c: listeners are numbered as the services that they belong to at first */
	struct world_service service[RIG_SERVICES];
	int listener[RIG_SERVICES]; /* the service that it belongs to */
	uint32_t era[RIG_SERVICES]; /* counts what its flows do not outlive */
	struct world_change {
		bool is_on;
		int service;
		size_t step;
		struct world_service to;
		struct world_service old;
	} change;

	/* quic.c */
	struct {
		uint8_t rotation, old; /* of new ids, and what is read besides */
		uint8_t generation[WORLD_BACKENDS +
				   1];		 /* how often the index got another backend */
		bool closed[WORLD_BACKENDS + 1]; /* as it is published */
	} quic;

	uint64_t progress[WORLD_PROGRESSES];
	uint64_t packets, looked_up;
	uint64_t events[SL_EVENTS], done[SL_EVENTS]; /* as last read; in this run */
	uint32_t trace; /* the id of a flow of which everything is told; 0: none */
	struct world_traced {
		uint16_t hot;
		uint32_t cold;
		uint64_t data; /* of its entry */
	} told;
	char broken[256]; /* what broke first; "": nothing did */
	uint32_t broken_flow;
};

/* A rig serves many runs of its capacity. */
int world_open_rig(struct rig *rig, uint32_t capacity, const void *object, size_t size);

/* A run. Returns false if something broke; `broken` says what. */
bool world_run(struct world *world, struct rig *rig, uint32_t capacity, uint64_t seed,
	       uint32_t trace);
void world_free(struct world *world);

/* ---- world.c ------------------------------------------------------------------------------------ */

uint64_t world_random(struct world *world);
uint32_t world_below(struct world *world, uint32_t limit); /* 0 to limit - 1 */
bool world_chance(struct world *world, double probability);
void world_break(struct world *world, uint32_t flow, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Tells of the traced flow; of its slot and entry where they have changed. */
void world_tell(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Looks at the words after an operation of the agent: counts what has become of each slot. */
void world_look(struct world *world);

/* The words or the entry of the traced flow are others than were told. */
bool world_has_changed(const struct world *world);

/* T of a listener's flows. */
static inline uint16_t world_idle(const struct world *world, enum rig_service listener)
{
	return world->rig->view->services[world->service[world->listener[listener]].record]
		.idle_ticks;
}

/* ---- clients.c ---------------------------------------------------------------------------------- */

void clients_open(struct world *world);
/* All that is sent in this tick; `between` is called between any two packets. */
void clients_tick(struct world *world, void (*between)(struct world *world));

/* Runs a packet to a listener whose slot that is; returns the backend. */
uint16_t clients_run(struct world *world, struct rig_frame *frame, enum oracle_kind kind,
		     enum rig_service listener, uint32_t slot);

/* ---- agent.c ------------------------------------------------------------------------------------ */

void agent_start(struct world *world); /* the first one, or the next one after a crash */
void agent_step(struct world *world);  /* the next step of the round, begun if there is none */
void agent_finish_round(struct world *world);
void agent_want(struct world *world); /* hands on what has changed */
void agent_health(struct world *world, uint16_t backend, enum track_health health);

/* ---- events.c ----------------------------------------------------------------------------------- */

void events_open(struct world *world);
void events_tick(struct world *world);
/* The table that operator and probes want now. */
void events_fill(struct world *world, enum rig_service service, uint16_t table[WORLD_SLOTS_MOST]);

/* ---- regions.c ---------------------------------------------------------------------------------- */

void regions_open(struct world *world);
/* What an operator may do; the number says with which service or listener. */
void regions_resize(struct world *world, uint16_t number);
void regions_track(struct world *world, uint16_t number);
void regions_remove(struct world *world, uint16_t number);
void regions_add(struct world *world, uint16_t number);
void regions_move_listener(struct world *world, uint16_t number);
/* Goes on with what one of these has begun; what an agent does that starts meanwhile. */
void regions_step(struct world *world);
void regions_restart(struct world *world);
void regions_store(struct world *world, int service); /* the table of one that tracks never */

/* Switches to a listener table that names the records and server ids as they are now. */
int regions_listen(struct world *world);
bool regions_listens(const struct world *world, enum rig_service listener);
uint32_t regions_slot(const struct world *world, enum rig_service listener, uint64_t hash);

/* ---- quic.c ------------------------------------------------------------------------------------- */

void quic_words(const struct world *world, uint16_t words[SL_QUIC_CONFIGS]);
void quic_list(struct world *world);	/* what is to be published with the next listener table */
void quic_publish(struct world *world); /* if backends are drained or leave, or no longer */
void quic_rotate(struct world *world, uint16_t number);
void quic_renew(struct world *world, uint16_t backend); /* its index is another backend's now */

/* Whether the client's packets are read as QUIC's; then they are sent by this, which returns whether it goes on. */
bool quic_reads(const struct world *world, const struct client *client);
bool quic_send(struct world *world, struct client *client);

#endif
