/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The oracle: who holds the flow's socket, and what must hold when a packet leaves. */

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
