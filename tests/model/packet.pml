/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet: begin, look-up, miss, insert, no room. One CPU for each of the two flows. */

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
inline judge(its_dead, its_down)
{
	if
	:: SEEN_AGE > T || its_dead || (kind[me] == SYN && (seen_closing[me] || (seen_syn_only[me] && (SEEN_AGE > 0 || its_down)))) ->
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

/* Dead counts for all packets, down for a SYN and a handshake alone. */
#ifdef DEATHS
#define JUDGE	at[me] = LOAD_FLAGS
#elif defined(DOWNS)
#define JUDGE	if :: kind[me] == SYN && seen_syn_only[me] -> at[me] = LOAD_FLAGS :: else -> judge(false, false) fi
#else
#define JUDGE	judge(false, false)
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
	:: d_step { at[me] == LOAD_FLAGS -> judge(dead[seen_backend[me]], down[seen_backend[me]]) }
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
