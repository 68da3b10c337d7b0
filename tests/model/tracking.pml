/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tracking by exception, as single loads, stores, compare-and-swaps and fetch_ors.
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
mtype:at = { IDLE, SEND, LOAD_DATA, LOAD_CHECK, LOAD_DEAD, REFRESH, LOAD_COLD, LOAD_DOWN, REWRITE, RELOAD, TELL, CLAIM,
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

/* ---- the oracle ------------------------------------------------------------------------------------------ */

#define ESTABLISHED	0
#define HANDSHAKE	1
#define HALF_CLOSED	2

byte owner;			/* who holds the socket, while the flow is live */
byte silent;			/* since how many ticks */
byte phase;
byte dead_before;		/* a bit for each backend that has been dead since its packet began */
byte doubtful;			/* a bit for each one that was not well at some time since then */

inline forget()
{
	owner = NOBODY;
	silent = 0;
	phase = ESTABLISHED
}

/* Whether a new flow that has come to a backend may count on it. */
#define COUNTS(b)	(b != NOBODY && !((doubtful >> (b)) & 1))

/* Registers that are no longer needed are cleared, so that states which do not differ are one. */
inline see_nothing()
{
	seen_backend[me] = 0;
	seen_age[me] = 0;
	seen_syn_only[me] = 0;
	seen_closing[me] = 0;
	seen_claimed[me] = 0
}

inline judge_flow(to)
{
	assert(!((dead_before >> (to)) & 1));
	assert(owner == NOBODY || owner == (to));
	if
	:: owner == NOBODY && (kind[me] == UDP || (kind[me] == SYN && !lag[me])) && COUNTS(to) ->
		owner = to;
		phase = (kind[me] == SYN -> HANDSHAKE : ESTABLISHED)
	:: else
	fi;
	if
	:: owner == NOBODY || kind[me] == RST || (kind[me] == FIN && lag[me]) ->
		forget()
	:: else ->
		silent = lag[me];
		if
		:: kind[me] == ACK -> phase = ESTABLISHED
		:: kind[me] == FIN -> phase = HALF_CLOSED
		:: else
		fi
	fi;
	dead_before = 0;
	doubtful = 0
}

/* The packet leaves for a backend. */
inline finish(to)
{
	if
	:: me == FLOW -> judge_flow(to)
	:: else
	fi;
	at[me] = IDLE;
	kind[me] = ACK;
	hot[me] = 0;
	lag[me] = 0;
	see_nothing();
	matched[me] = 0;
	is_void[me] = 0;
	its_base[me] = 0;
#ifdef EARLY_BASE
	its_crowded[me] = 0;
	its_hold[me] = 0;
#endif
	home[me] = 0;
	waits[me] = 0
}

/* ---- a packet ------------------------------------------------------------------------------------------------ */

/* The age of the entry that was seen, by the packet's clock. */
#ifdef UNSIGNED_AGE
#define SEEN_AGE	(seen_age[me] == OLD || seen_age[me] < lag[me] -> OLD : seen_age[me] - lag[me])
#else
#define SEEN_AGE	(seen_age[me] == OLD -> OLD : (seen_age[me] < lag[me] -> 0 : seen_age[me] - lag[me]))
#endif

#define NEW	(kind[me] == SYN || kind[me] == UDP)
#define ENDS	(kind[me] == FIN || kind[me] == RST)

#ifdef NO_COUNT
#define SAME_COUNT	true
#else
#define SAME_COUNT	(!seen_claimed[me])
#endif
#define UNCHANGED	(backend == seen_backend[me] && age == seen_age[me] && syn_only == seen_syn_only[me] && \
			 closing == seen_closing[me] && SAME_COUNT)

/* A swap that succeeds has found the very entry that was seen. (Stores are judged by the flows that they break.) */
#if defined(CLAIM_STORES) || defined(REFRESH_STORES)
#define NEVER_ANOTHERS	skip
#else
#define NEVER_ANOTHERS	assert(!seen_claimed[me])
#endif

#ifdef CLAIM_STORES
#define MAY_CLAIM	true
#else
#define MAY_CLAIM	UNCHANGED
#endif
#ifdef REFRESH_STORES
#define MAY_REFRESH	true
#else
#define MAY_REFRESH	UNCHANGED
#endif

#define ALL_DEAD	((dead[1] << 1) | (dead[2] << 2))
#define UNWELL(b)	((dead[b] | doomed[b] | down[b]) << (b))
#define ALL_UNWELL	(UNWELL(1) | UNWELL(2))

inline renew()
{
	if
	:: me == FLOW -> forget()
	:: else
	fi
}

/* Step 1. */
inline begin(what)
{
	kind[me] = what;
	if
	:: me == FLOW -> silent = 0; dead_before = ALL_DEAD; doubtful = ALL_UNWELL
	:: else
	fi;
	if
#ifdef SLOW
	:: !look && me == FLOW -> hot[me] = now; at[me] = SEND
	:: !look && me != FLOW -> finish(now)
#else
	:: !look -> finish(now)
#endif
	:: else ->
		hot[me] = now;
#if defined(EARLY_BASE)
		at[me] = LOAD_COLD
#elif defined(CHECK_FIRST)
		at[me] = LOAD_CHECK
#else
		at[me] = LOAD_DATA
#endif
	fi
}

inline see_data()
{
	seen_backend[me] = backend;
	seen_age[me] = age;
	seen_syn_only[me] = syn_only;
	seen_closing[me] = closing;
	seen_claimed[me] = 0
}

inline missed()
{
#ifdef EARLY_BASE
	choose_home()
#else
	at[me] = LOAD_COLD
#endif
}

/* The entry is the flow's: a hit, or void. */
inline judge(its_dead)
{
	if
	:: SEEN_AGE > T || its_dead || (kind[me] == SYN && (seen_closing[me] || (seen_syn_only[me] && SEEN_AGE > 0))) ->
		is_void[me] = 1;
		missed()
	:: else ->
		if
		:: seen_age[me] != lag[me] || (seen_syn_only[me] && kind[me] != SYN) || seen_closing[me] != ENDS ->
			at[me] = REFRESH
		:: else ->
			finish(seen_backend[me])
		fi
	fi
}

#ifdef DEATHS
#define JUDGE	at[me] = LOAD_DEAD
#else
#define JUDGE	judge(false)
#endif

#ifdef EARLY_BASE
#define ITS_CROWDED	its_crowded[me]
#define ITS_HOLD	its_hold[me]
#else
#define ITS_CROWDED	crowded
#define ITS_HOLD	hold
#endif

/* Step 3, with cold in hand. */
inline choose_home()
{
	if
	:: kind[me] == RST ->
		finish(its_base[me])
	:: kind[me] != RST && NEW && ITS_CROWDED && !ITS_HOLD && hot[me] != its_base[me] && at[me] != LOAD_DOWN ->
#ifdef CROWDED_COUNTS_NOT
		go_home(0)
#elif defined(DOWNS)
		at[me] = LOAD_DOWN
#else
		go_home(1)
#endif
	:: else ->
		go_home(ITS_HOLD)
	fi
}

inline go_home(stays)
{
	home[me] = ((NEW && !(stays)) || hot[me] == its_base[me] -> hot[me] : its_base[me]);
	if
#ifdef NO_VOID_REWRITE
	:: hot[me] == its_base[me] || home[me] == NOBODY ->
#else
	:: (hot[me] == its_base[me] && !(is_void[me] && NEW)) || home[me] == NOBODY ->
#endif
		finish(home[me])
	:: else ->
		if
		:: is_void[me] -> at[me] = REWRITE
		:: else -> insert()
		fi
	fi
}

/* Step 4. The way is looked at again, or what was seen when the flow was looked for is believed. */
inline insert()
{
	hot[me] = 0;
	is_void[me] = 0;
#ifdef BELIEVES_SEEN
	pick()
#else
	see_nothing();
	at[me] = RELOAD
#endif
}

inline no_room()
{
	see_nothing();
	hot[me] = 0;
	is_void[me] = 0;
	home[me] = 0;
#ifndef NO_ROOM_OLD_BASE
	its_base[me] = 0;
#endif
	at[me] = NO_ROOM
}

inline pick()
{
	if
	:: seen_backend[me] == LOCK -> no_room()
	:: seen_backend[me] != LOCK && (seen_backend[me] == NOBODY || SEEN_AGE > T + MARGIN ||
	   ((seen_syn_only[me] || seen_closing[me]) && SEEN_AGE > 0)) -> at[me] = CLAIM
	:: else ->
		if
#ifdef EVICT_SILENTLY
		:: seen_backend[me] == its_base[me] -> at[me] = CLAIM
#else
		:: seen_backend[me] == its_base[me] -> at[me] = TELL
#endif
		:: else -> no_room()
		fi
	fi
}

inline lock()
{
	NEVER_ANOTHERS;
	backend = LOCK;
	age = 0;
	syn_only = 0;
	closing = 0;
	hot[me] = 0;
	is_void[me] = 0;
	its_base[me] = 0;
	see_nothing();
	at[me] = STORE_CHECK
}

/* In a settling slot a void entry that has gone needs no other. */
inline rewrite_lost()
{
	if
	:: hot[me] == its_base[me] -> finish(hot[me])
	:: else -> insert()
	fi
}

#ifdef ENDINGS
#define ACKS	(me == FLOW)
#else
#define ACKS	true
#endif

active [2] proctype cpu()
{
	do
#ifdef UDP_FLOWS
	:: d_step { at[me] == IDLE -> begin(UDP) }
#else
	/* a new connection, also of a client that has forgotten its old one; a flood's */
	:: d_step { at[me] == IDLE -> renew(); begin(SYN) }
	/* the SYN again */
	:: d_step { at[me] == IDLE && me == FLOW && owner != NOBODY && phase == HANDSHAKE -> begin(SYN) }
	/* of a connection; of one that is no longer live; a flood's (where packets end flows, the flood ends them too) */
	:: d_step { at[me] == IDLE && ACKS -> begin(ACK) }
#endif
#ifdef ENDINGS
	:: d_step { at[me] == IDLE && (me != FLOW || (owner != NOBODY && phase != HANDSHAKE)) -> begin(FIN) }
	:: d_step { at[me] == IDLE && me == FLOW && owner != NOBODY && phase != HANDSHAKE -> begin(RST) }
#endif

	/* A stable slot's packet takes its time: nothing but a grace period bounds it. Its flow counts from when it leaves. */
	:: d_step { at[me] == SEND -> finish(hot[me]) }

#ifdef CHECK_FIRST
	:: d_step { at[me] == LOAD_CHECK ->
		matched[me] = (check_flow == me -> check_backend : 0);
		at[me] = LOAD_DATA
	   }
	:: d_step { at[me] == LOAD_DATA ->
		see_data();
		if
		:: backend != NOBODY && backend == matched[me] -> matched[me] = 0; JUDGE
		:: else -> matched[me] = 0; missed()
		fi
	   }
#else
	:: d_step { at[me] == LOAD_DATA ->
		see_data();
		if
		:: backend == NOBODY || backend == LOCK -> missed()
		:: else -> at[me] = LOAD_CHECK
		fi
	   }
	:: d_step { at[me] == LOAD_CHECK ->
		if
		:: check_flow == me && check_backend == seen_backend[me] -> JUDGE
		:: else -> missed()
		fi
	   }
#endif
	:: d_step { at[me] == LOAD_DEAD -> judge(dead[seen_backend[me]]) }
	:: d_step { at[me] == REFRESH ->
		if
		:: MAY_REFRESH ->
			NEVER_ANOTHERS;
			backend = seen_backend[me];
			age = lag[me];
			syn_only = seen_syn_only[me] && kind[me] == SYN;
			closing = ENDS;
			finish(seen_backend[me])
		:: else -> missed()
		fi
	   }

	:: d_step { at[me] == LOAD_COLD ->
		its_base[me] = base;
#ifdef EARLY_BASE
		its_crowded[me] = crowded;
		its_hold[me] = hold;
		at[me] = LOAD_DATA
#else
		choose_home()
#endif
	   }
	:: d_step { at[me] == LOAD_DOWN -> go_home(!down[its_base[me]]) }
	:: d_step { at[me] == REWRITE ->
		if
		:: MAY_CLAIM -> lock()
		:: else -> rewrite_lost()
		fi
	   }

	:: d_step { at[me] == RELOAD -> see_data(); pick() }
	:: d_step { at[me] == TELL ->
		crowded = 1;
#ifdef EVICT_OLD_BASE
		at[me] = CLAIM
#else
		if
		:: base == seen_backend[me] -> at[me] = CLAIM
		:: else -> no_room()
		fi
#endif
	   }
	:: d_step { at[me] == CLAIM ->
		if
		:: MAY_CLAIM -> lock()
		:: else -> no_room()
		fi
	   }
	:: d_step { at[me] == STORE_CHECK ->
		check_flow = me;
		check_backend = home[me];
		at[me] = STORE_DATA
	   }
	:: d_step { at[me] == STORE_DATA ->
		assert(look);
		backend = home[me];
		age = lag[me];
		syn_only = kind[me] == SYN;
		closing = kind[me] == FIN;
		seen_claimed[1 - me] = at[1 - me] != IDLE;
		scan_claimed = does == SCAN_DELETE;
		finish(home[me])
	   }

	/* Step 5. */
	:: d_step { at[me] == NO_ROOM ->
#ifndef NO_ROOM_SILENTLY
		crowded = 1;
#endif
#ifdef NO_ROOM_OLD_BASE
		finish(its_base[me])
#else
		finish(base)
#endif
	   }
	od
}

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

/* ---- the agent ---------------------------------------------------------------------------------------------------- */

#if defined(DELETE_STORES)
#define MAY_DELETE	true
#elif defined(NO_COUNT)
#define MAY_DELETE	SCAN_UNCHANGED
#else
#define MAY_DELETE	(SCAN_UNCHANGED && !scan_claimed)
#endif
#define SCAN_UNCHANGED	(backend == scan_backend && age == scan_age && syn_only == scan_syn_only && \
			 closing == scan_closing)

#define MOVING	(now != base)
#define USABLE(b)	(!down[b] && !doomed[b] && !dead[b])
#if BACKENDS > 2
#define NONE_USABLE	(!USABLE(1) && !USABLE(2) && !USABLE(3))
#else
#define NONE_USABLE	(!USABLE(1) && !USABLE(2))
#endif

inline stop_window()
{
	running = 0;
	window = 0;
	held = 0
}

/* Waits for the packets that are under way, then goes on with what comes after. */
inline grace_period(after)
{
	waits[0] = at[0] != IDLE;
	waits[1] = at[1] != IDLE;
	then = after;
	does = GP
}

inline no_grace_period(after)
{
	then = after;
	does = GP
}

#ifdef NO_GP_BEFORE_WINDOW
#define BEFORE_WINDOW	no_grace_period
#else
#define BEFORE_WINDOW	grace_period
#endif
#ifdef NO_GP_BEFORE_SCAN
#define BEFORE_SCAN	no_grace_period
#else
#define BEFORE_SCAN	grace_period
#endif
#ifdef NO_GP_BEFORE_ALIVE
#define BEFORE_ALIVE	no_grace_period
#else
#define BEFORE_ALIVE	grace_period
#endif

inline rewrite_base()
{
	base = now;
	crowded = 0;
	hold = 0;
	stop_window()
}

/* New flows shall go to another backend. The first step of that change. */
inline change(to)
{
	target = to;
	if
	:: !MOVING && base == NOBODY ->
#ifdef NOBODYS_BASE_FIRST
		base = to;
		crowded = 0;
		hold = 0;
		does = NOBODY_HOT
#else
		now = to;
		look = 1;
		does = NOBODY_BASE
#endif
	:: !MOVING && base != NOBODY ->
		crowded = 0;
#ifdef NO_HOLD
		hold = 0;
#else
		hold = !down[now] && !doomed[now];
#endif
		does = SET_HOT
	:: else ->
		if
		:: to == base || !down[base] || !hold ->
			now = to;
			target = 0;
			if
			:: to == base -> stop_window()
			:: else
			fi
		:: else ->
			hold = 0;
			held = 0;
			does = CLEAR_HOLD
		fi
	fi
}

#if defined(FLAG_BEFORE_TABLE)
#define MAY_FLAG(b)	true
#elif defined(FLAG_BEFORE_BASE)
#define MAY_FLAG(b)	(now != b)
#else
#define MAY_FLAG(b)	(now != b && base != b)
#endif

inline doubt(b)
{
	if
	:: at[FLOW] != IDLE -> doubtful = doubtful | (1 << b)
	:: else
	fi
}

inline is_doomed(b)
{
	doomed[b] = 1;
	doubt(b);
	if
	:: owner == b -> forget()
	:: else
	fi
}

/* A flow that has not shown that it is established goes with a backend that fails its probes. */
inline goes_down(b)
{
	down[b] = 1;
	doubt(b);
	if
#ifdef UDP_FLOWS
	:: owner == b -> forget()
#else
	:: owner == b && phase == HANDSHAKE -> forget()
#endif
	:: else
	fi
}

inline comes_back(b)
{
	dead[b] = 0;
	dead_before = dead_before & ~(1 << b)
}

active proctype agent()
{
	do
	:: d_step { does == RESTING && now != 1 && USABLE(1) -> change(1) }
	:: d_step { does == RESTING && now != 2 && USABLE(2) -> change(2) }
#if BACKENDS > 2
	:: d_step { does == RESTING && now != 3 && USABLE(3) -> change(3) }
#endif
	:: d_step { does == RESTING && now != NOBODY && NONE_USABLE -> change(NOBODY) }

	:: d_step { does == NOBODY_HOT -> now = target; target = 0; does = RESTING }
	:: d_step { does == NOBODY_BASE -> target = 0; rewrite_base(); does = RESTING }
	:: d_step { does == CLEAR_HOLD -> now = target; target = 0; does = RESTING }
	:: d_step { does == SET_HOT ->
		now = target;
		target = 0;
		look = 1;
		BEFORE_WINDOW(WINDOW)
	   }
	:: d_step { does == GP && !waits[0] && !waits[1] ->
		if
		:: then == WINDOW -> running = MOVING; does = RESTING
		/* A death that was decided and not flagged is forgotten: from here on the backend's new flows count. */
		:: then == RESTART -> running = MOVING; doomed[1] = 0; doomed[2] = 0; does = RESTING
		:: then == SCAN -> does = SCAN_LOAD
		:: then == ALIVE -> does = COMES_BACK
		:: else -> does = RESTING
		fi;
		then = NOTHING
	   }

#ifndef UDP_FLOWS
	:: d_step { does == RESTING && running && hold && held -> hold = 0; held = 0 }
#endif

	/* rebase: cold is loaded, then swapped */
#ifdef IGNORE_CROWDED
	:: d_step { does == RESTING && running && window > T + MARGIN -> does = REBASE }
#elif defined(HALF_WINDOW)
	:: d_step { does == RESTING && running && window > 0 && !crowded -> does = REBASE }
#elif defined(UDP_FLOWS)
	:: d_step { does == RESTING && running && window > T + MARGIN && !crowded -> does = REBASE }
#else
	:: d_step { does == RESTING && running && window > T + MARGIN && !crowded && !hold -> does = REBASE }
#endif
	:: d_step { does == REBASE ->
		if
#if defined(REBASE_STORES) || defined(IGNORE_CROWDED)
		:: true -> rewrite_base()
#else
		:: !crowded -> rewrite_base()
		:: else
#endif
		fi;
		does = RESTING
	   }

	/* crowded becomes hold, and the window starts anew */
	:: d_step { does == RESTING && MOVING && crowded ->
		crowded = 0;
#if !defined(NO_HOLD) && !defined(CROWDED_BECOMES_NOTHING)
		hold = !down[base];
#endif
		stop_window();
		BEFORE_WINDOW(WINDOW)
	   }

	/* settling -> stable */
	:: d_step { does == RESTING && look && !MOVING ->
		BEFORE_SCAN(SCAN)
	   }
	:: d_step { does == SCAN_LOAD ->
		if
		:: backend == NOBODY -> does = SETTLED
#ifdef SCAN_SKIPS_LOCK
		:: backend == LOCK -> does = SETTLED
#else
		:: backend == LOCK -> does = RESTING
#endif
		:: else ->
			if
			:: age > T + MARGIN || dead[backend] || backend == now ->
				scan_backend = backend;
				scan_age = age;
				scan_syn_only = syn_only;
				scan_closing = closing;
				does = SCAN_DELETE
			:: else -> does = RESTING
			fi
		fi
	   }
	:: d_step { does == SCAN_DELETE ->
		if
		:: MAY_DELETE ->
			backend = NOBODY;
			age = 0;
			syn_only = 0;
			closing = 0;
					does = SETTLED
#ifdef SCAN_TRUSTS_DELETE
		:: else -> does = SETTLED
#else
		:: else -> does = RESTING
#endif
		fi;
		scan_backend = 0;
		scan_age = 0;
		scan_syn_only = 0;
		scan_closing = 0;
		scan_claimed = 0
	   }
	:: d_step { does == SETTLED ->
		assert(backend == NOBODY);
		look = 0;
		does = RESTING
	   }

#ifdef DOWNS
	:: d_step { does == RESTING && !down[2] && !dead[2] && !doomed[2] -> goes_down(2) }
	:: d_step { does == RESTING && down[2] && !doomed[2] -> down[2] = 0 }
#endif
#ifdef DEATHS
	:: d_step { does == RESTING && !dead[2] && !doomed[2] -> is_doomed(2) }
	:: d_step { does == RESTING && doomed[2] && now != 2 && base == 2 -> rewrite_base() }
	:: d_step { does == RESTING && doomed[2] && MAY_FLAG(2) -> dead[2] = 1; doomed[2] = 0; down[2] = 0 }
	:: d_step { does == RESTING && dead[2] -> target = 2; BEFORE_ALIVE(ALIVE) }
#ifdef NO_BACKEND
	:: d_step { does == RESTING && !dead[1] && !doomed[1] -> is_doomed(1) }
	:: d_step { does == RESTING && doomed[1] && now != 1 && base == 1 -> rewrite_base() }
	:: d_step { does == RESTING && doomed[1] && MAY_FLAG(1) -> dead[1] = 1; doomed[1] = 0 }
	:: d_step { does == RESTING && dead[1] -> target = 1; BEFORE_ALIVE(ALIVE) }
#endif
	:: d_step { does == COMES_BACK -> comes_back(target); target = 0; does = RESTING }
#endif

#ifdef CRASHES
	/* killed, and started again */
	:: d_step { does != RESTARTED ->
		stop_window();
		target = 0;
		waits[0] = 0;
		waits[1] = 0;
		then = NOTHING;
		scan_backend = 0;
		scan_age = 0;
		scan_syn_only = 0;
		scan_closing = 0;
		scan_claimed = 0;
		does = RESTARTED
	   }
	:: d_step { does == RESTARTED ->
		if
		:: (!look && MOVING) || dead[base] -> rewrite_base()
		:: else
		fi;
#ifdef RESTART_TRUSTS
		running = MOVING;
		window = (MOVING -> OLD : 0);
		held = MOVING && hold;
		does = RESTING
#else
		BEFORE_WINDOW(RESTART)
#endif
	   }
#endif
	od
}
