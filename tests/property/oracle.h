/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The oracle: for every flow the socket that accepted it, in unlimited memory.
 *
 * Written from the promise and the limits of docs/tracking.md alone, knowing nothing of how either is kept: it is told
 * what clients send and where that went, which backends are down or dead and what T is, and says of each packet
 * whether the promise was kept. What the limits grant is granted only where they say so: each grant is an enumerator
 * below with its condition, and is counted, so that a run that hides behind grants shows.
 *
 * Time is in ticks and does not wrap here.
 */
#ifndef PROPERTY_ORACLE_H
#define PROPERTY_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dataplane_view;

enum oracle_kind { ORACLE_SYN, ORACLE_ACK, ORACLE_FIN, ORACLE_RST, ORACLE_UDP };

enum oracle_word {
	ORACLE_ACCEPTED, /* a new flow, by the backend it went to */
	ORACLE_REFUSED,	 /* a new flow, sent to nobody or to a backend that was let go */
	ORACLE_HELD,	 /* it is where it belongs */
	ORACLE_OVER,	 /* its backend was let go: anything is right, but the dead */

	/* Elsewhere, and the limits grant it. */
	ORACLE_SILENT, /* silent for longer than T while its slot changed */
	ORACLE_HANDSHAKE, /* nothing but SYNs yet, the last more than 3 s ago, and its slot changed since */
	ORACLE_SYN_DOWN, /* a SYN sent again, and its backend was down since the one before */
	ORACLE_UDP_DOWN, /* UDP, and its backend was down since its last packet */
	ORACLE_CLOSED,	 /* closing and silent for 60 s, and such an entry was evicted meanwhile */
	ORACLE_REPLACED, /* its service or its table was replaced: it begins anew */
	ORACLE_NEVER,	 /* its service tracks never, and its slot has changed since */
	ORACLE_FORGED, /* somebody guessed it and forged a SYN while its slot was moving and it might have no entry */

	/* The promise is broken. */
	ORACLE_BROKEN,	/* it left its backend */
	ORACLE_TO_DEAD, /* a packet, of whatever flow, went to a backend whose dead flag is set */
	ORACLE_WORDS
};

/* A flow. All zero: its client has sent nothing yet. */
struct oracle_flow {
	uint32_t slot;
	uint16_t backend; /* that accepted it; 0: none has */
	bool udp;
	bool handshake; /* it sent nothing but SYNs */
	bool closing;	/* the last packet under its name had FIN or RST */
	bool forged;	/* see ORACLE_FORGED */
	bool replaced;	/* since its last packet: see ORACLE_REPLACED */
	bool sure; /* its last packet must have left an entry, unless something was evicted or its slot has rested since */
	uint16_t service; /* its record, which says T */
	int64_t last;	  /* when it last sent */
};

/* T of a service from a time on. */
struct oracle_idle {
	uint16_t service, ticks;
	int64_t since;
};

struct oracle_backend {
	bool down, let_go, dead;
	int64_t down_at; /* when it was last down */
	int64_t let_go_at;
};

struct oracle {
	const struct dataplane_view *view; /* for the slots' states, which the limits speak of */
	struct oracle_backend *backends;
	int64_t *changed_at; /* by slot: when it was last not stable */
	int64_t *rested_at;  /* by slot: when it was last not moving */
	int64_t *stored_at;  /* by slot: when it last began to name another backend */
	uint16_t *named;     /* by slot: whom it names */
	bool *never;	     /* by slot: its service tracks never */
	uint32_t slots;
	uint32_t count;		  /* of backends, nobody included */
	struct oracle_idle *idle; /* in the order of time */
	size_t idle_count;
	int64_t now;
	uint16_t syn_ticks, closing_ticks;
	int64_t closing_evicted_at; /* a closing entry was last evicted */
	int64_t lost_at;	    /* a live flow last found no room or lost its entry */
	uint64_t words[ORACLE_WORDS];
};

void oracle_open(struct oracle *o, const struct dataplane_view *view, uint16_t syn_ticks,
		 uint16_t closing_ticks);
void oracle_close(struct oracle *o);

/* Looks at the slots, backends and services. To be called whenever any of them or the time has changed. */
void oracle_watch(struct oracle *o);

void oracle_set_down(struct oracle *o, uint16_t backend, bool down); /* as the agent is told */
void oracle_let_go(struct oracle *o,
		   uint16_t backend); /* declared dead: from here on its flows may break */
void oracle_revive(struct oracle *o, uint16_t backend);

/* A service that tracks never (or again) has these slots. */
void oracle_set_never(struct oracle *o, uint32_t first, uint32_t count, bool never);
/* Another service, or another table of it, has the flow's packets from now on. */
void oracle_replace(struct oracle_flow *flow, uint32_t slot, uint16_t service);

/* What a packet did to others' entries. */
void oracle_saw_eviction(struct oracle *o, bool closing);

/* The flow's client has sent a packet, and it went `to`. */
enum oracle_word oracle_packet(struct oracle *o, struct oracle_flow *flow, enum oracle_kind kind,
			       uint16_t to);

/* Likewise one with an id that its backend has given it: nothing is granted there. */
enum oracle_word oracle_named(struct oracle *o, struct oracle_flow *flow, uint16_t to);

/* Somebody else has sent one in its name: a SYN or a RST. */
enum oracle_word oracle_forged(struct oracle *o, struct oracle_flow *flow, enum oracle_kind kind,
			       uint16_t to);

static inline bool oracle_is_broken(enum oracle_word word)
{
	return word >= ORACLE_BROKEN;
}

const char *oracle_word_name(enum oracle_word word);

#endif
