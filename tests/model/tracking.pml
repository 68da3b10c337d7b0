/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tracking by exception, as single loads, stores, compare-and-swaps and fetch_ors. This file holds the state and time;
 * packet.pml, agent.pml and oracle.pml the rest.
 *
 * One slot of a Maglev table, one way of the flow table, two flows that hash to both. A packet of each flow may be
 * under way at a time, on a CPU of its own; beside them run the agent, which may be killed between any two
 * of its steps, and time. Every d_step below makes at most one access to a word that is shared: hot, cold, check,
 * data, a backend's flags. What is merged with the access is private (registers) or belongs to the oracle.
 *
 * The oracle knows which backend holds each flow's socket. It asserts that
 *	- a live flow's packet is sent nowhere else (live: last packet at most T ago, backend not declared dead);
 *	- no packet that begins after a backend's dead flag is sent to it;
 *	- a slot that does not look flows up has no entry;
 *	- a swap takes no entry for another that looks the same.
 * What the mechanism does not promise is not asserted: a handshake or half-closed flow counts for as long as its entry
 * does, a handshake or UDP flow only while its backend is not down. docs/tracking.md says what else is left out.
 *
 * Time is a tick: idle timeout T = 1, "SYN only" and "closing" count for 0 ticks, the hold lasts until the next tick, clocks
 * may differ by MARGIN = 1, and a packet may see one tick pass while it is under way. Ages are kept rather than ticks, in
 * every copy of a word, and stop at OLD, where nothing distinguishes them any more.
 *
 * The count in `data` is not modelled as a number: a copy of the word remembers whether the word has been claimed
 * since it was loaded. That is a count which does not come round while a packet is under way.
 *
 * A flow stays on its CPU. That loses nothing: a CPU keeps nothing between packets, and there are two of each. The oracle
 * follows one of the two flows; the other is a stranger who sends whatever he likes, which is more than a client does.
 * That loses nothing either: what could break the one could break the other.
 *
 * Configurations and mutants are macros; tests/model/run lists them.
 */

#ifndef BACKENDS
#define BACKENDS 2
#endif

#define T	1
#ifdef NO_MARGIN
#define MARGIN	0
#else
#define MARGIN	1
#endif
#define OLD	(T + MARGIN + 1)
#define NOBODY	0
#define LOCK	7

/* The packet that a step belongs to: its flow, and its CPU. */
#define me _pid
/* Of the two flows, the one that the oracle follows; the other is a stranger and sends whatever it likes. */
#define FLOW	0

mtype:kind = { SYN, ACK, FIN, RST, UDP };
mtype:at = { IDLE, SEND, LOAD_DATA, LOAD_CHECK, LOAD_FLAGS, REFRESH, LOAD_COLD, LOAD_DOWN, REWRITE, RELOAD, TELL, CLAIM,
	     STORE_CHECK, STORE_DATA, NO_ROOM };
mtype:does = { RESTING, SET_HOT, NOBODY_HOT, NOBODY_BASE, CLEAR_HOLD, REBASE, GP, SCAN_LOAD, SCAN_DELETE, SETTLED, RESTARTED,
	       COMES_BACK };
mtype:then = { WINDOW, RESTART, SCAN, ALIVE, NOTHING };

/* ---- what is shared ------------------------------------------------------------------------------- */

/* hot, cold */
byte now = 2;
bit look;
byte base = 2;
bit crowded;
bit hold;

/* the one way: check is {flow, backend}, data is the rest */
byte check_flow = 2;
byte check_backend;
byte backend;
byte age;
bit syn_only;
bit closing;

/* backends' records */
bit down[BACKENDS + 1];
bit dead[BACKENDS + 1];

/* ---- what is private to a packet, by its flow ------------------------------------------------------- */

mtype:at at[2] = IDLE;
mtype:kind kind[2] = ACK;
byte hot[2];			/* hot's `now` */
byte lag[2];			/* the tick came round since the packet read its clock */
byte seen_backend[2];		/* data */
byte seen_age[2];
bit seen_syn_only[2];
bit seen_closing[2];
bit seen_claimed[2];		/* the count is no longer the one that was seen */
byte matched[2];		/* check's backend, if its flow is this one */
bit is_void[2];			/* the flow has an entry that does not count */
byte its_base[2];		/* cold */
#ifdef EARLY_BASE
bit its_crowded[2];
bit its_hold[2];
#endif
byte home[2];

/* ---- what is private to the agent --------------------------------------------------------------------- */

mtype:does does = RESTING;
mtype:then then = NOTHING;
byte target;
bit running;			/* a window */
byte window;			/* its age */
bit held;			/* the hold has lasted long enough */
bit waits[2];			/* the grace period: packets to wait for */
byte scan_backend;
byte scan_age;
bit scan_syn_only;
bit scan_closing;
bit scan_claimed;
bit doomed[BACKENDS + 1];	/* decided to be dead, not yet done */

#include "oracle.pml"
#include "packet.pml"

/* ---- time ------------------------------------------------------------------------------------------------------- */

inline grow(what)
{
	if
	:: what > 0 && what < OLD -> what++
	:: else
	fi
}

/* An entry's age also grows from 0; a free or locked way has none. */
inline grow_entry(whose, what)
{
	if
	:: whose != NOBODY && whose != LOCK && what < OLD -> what++
	:: else
	fi
}

inline pass(i)
{
	lag[i] = at[i] != IDLE && at[i] != SEND;
	grow_entry(seen_backend[i], seen_age[i])
}

active proctype clock()
{
	do
#ifdef CLOCK_WAITS
	:: d_step { (at[0] == IDLE || at[0] == SEND) && at[1] == IDLE ->
#else
	:: d_step { !lag[0] && !lag[1] ->
#endif
		pass(0);
		pass(1);
		if
		:: at[FLOW] == SEND
		:: at[FLOW] != SEND && owner != NOBODY && (silent == T || phase != ESTABLISHED) -> forget()
		:: at[FLOW] != SEND && owner != NOBODY && silent < T && phase == ESTABLISHED -> silent++
		:: else
		fi;
		grow_entry(backend, age);
		grow_entry(scan_backend, scan_age);
		if
		:: running && window < OLD -> window++
		:: else
		fi;
		held = running && hold
	   }
	od
}

#include "agent.pml"
