/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent: every change of the slot, a step at a time, and its death between any two of them. */

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
