/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a packet does in a slot that is under way: a row for each case of docs/tracking.md. It says how the slot, the
 * entries and the backends are, what comes, and all that has changed afterwards.
 */
#ifndef PACKET_TRACK_CASES_H
#define PACKET_TRACK_CASES_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/flow.h>

#include "packet/rig.h"

#define ENTRIES	  8
#define TICK	  3 /* so that ages wrap */
#define IDLE	  100
#define LONGEST	  200
#define SYN_TICKS 3
#define CLOSING	  60

/* The other slot is moving; entries to LIVE in it cannot be evicted while they are young. */
enum backend { NOBODY, BASE, NOW, ELSEWHERE, OTHER_NOW, OTHER_BASE, LIVE, BACKENDS };

/* By default an entry is free, or in a full table another flow's, live and young. */
enum owner { DEFAULT, FREE, MINE, OTHERS, MINE_OF_OTHER_SLOT, OTHERS_OF_MY_SLOT };

#define S SL_FLOW_SYN_ONLY
#define C SL_FLOW_CLOSING

struct way {
	enum owner owner;
	enum backend backend;
	uint16_t age;
	uint64_t flags;
};

#define NONE	 -1
#define ANY_FREE -2 /* one free entry, whichever */
#define MOVING                     \
	{                          \
		NOW, true, BASE, 0 \
	}
#define SETTLING                  \
	{                         \
		NOW, true, NOW, 0 \
	}
#define CROWDED SL_COLD_CROWDED

struct after {
	int entry; /* the one that is changed: to this flow and this tick; or NONE, ANY_FREE */
	enum backend backend;
	uint64_t flags;
	bool claimed; /* its count is one more */
};

struct test_case {
	const char *name;
	struct {
		enum backend now;
		bool look;
		enum backend base;
		uint32_t flags; /* of cold */
	} slot;
	uint8_t packet; /* TCP's flags; 0: UDP */
	bool full;	/* see DEFAULT */
	struct way way[ENTRIES];
	uint32_t backend_flags[BACKENDS];
	/* Afterwards. */
	enum backend to;
	struct after after;
	enum sl_event event;
	bool crowds, crowds_other;
};

#define WROTE(flags)	 {ANY_FREE, BASE, flags, true}, SL_EVENT_inserted
#define WROTE_NOW(flags) {ANY_FREE, NOW, flags, true}, SL_EVENT_inserted
#define NOTHING		 {NONE, 0, 0, 0}, SL_EVENT_NONE
#define REFRESHED(flags) {2, ELSEWHERE, flags, false}, SL_EVENT_NONE
#define REWRITTEN(b, f)	 {2, b, f, true}, SL_EVENT_rewritten
#define EVICTED(n, kind) {n, BASE, 0, true}, SL_EVENT_evicted_##kind
#define NO_ENTRY                         \
	{                                \
		{                        \
			DEFAULT, 0, 0, 0 \
		}                        \
	}
#define HAS(...)                                       \
	{                                              \
		[2] = { MINE, ELSEWHERE, __VA_ARGS__ } \
	}

/* What a row leaves out is 0. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
/* clang-format off */
static const struct test_case cases[] = {
	/* A stable slot: flows are not looked up, whatever the table holds. */
	{"stable: ACK", {NOW, false, NOW, 0}, RIG_ACK, false, HAS(5), {0}, NOW, NOTHING},
	{"stable: SYN", {NOW, false, NOW, 0}, RIG_SYN, false, HAS(5), {0}, NOW, NOTHING},
	{"stable: FIN", {NOW, false, NOW, 0}, RIG_FIN, false, HAS(5), {0}, NOW, NOTHING},
	{"stable: RST", {NOW, false, NOW, 0}, RIG_RST, false, HAS(5), {0}, NOW, NOTHING},
	{"stable: UDP", {NOW, false, NOW, 0}, 0, false, HAS(5), {0}, NOW, NOTHING},
	{"stable: cold is not read", {NOW, false, BASE, CROWDED}, RIG_ACK, true, NO_ENTRY, {0}, NOW, NOTHING},
	{"stable: nobody", {NOBODY, false, NOBODY, 0}, RIG_SYN, false, NO_ENTRY, {0}, NOBODY, NOTHING},

	/* A hit. */
	{"hit: ACK", MOVING, RIG_ACK, false, HAS(5), {0}, ELSEWHERE, REFRESHED(0)},
	{"hit: UDP", MOVING, 0, false, HAS(5), {0}, ELSEWHERE, REFRESHED(0)},
	{"hit: in this tick nothing is written", MOVING, RIG_ACK, false, HAS(0), {0}, ELSEWHERE, NOTHING},
	{"hit: as old as T", MOVING, RIG_ACK, false, HAS(IDLE), {0}, ELSEWHERE, REFRESHED(0)},
	{"hit: in the last way", MOVING, RIG_ACK, true, {[7] = {MINE, ELSEWHERE, 5}}, {0}, ELSEWHERE,
	 {7, ELSEWHERE, 0, false}},
	{"hit: SYN", MOVING, RIG_SYN, false, HAS(5), {0}, ELSEWHERE, REFRESHED(0)},
	{"hit: SYN sent again", MOVING, RIG_SYN, false, HAS(SYN_TICKS, S), {0}, ELSEWHERE, REFRESHED(S)},
	{"hit: ACK ends SYN only", MOVING, RIG_ACK, false, HAS(2, S), {0}, ELSEWHERE, REFRESHED(0)},
	{"hit: ACK ends SYN only, in its tick too", MOVING, RIG_ACK, false, HAS(0, S), {0}, ELSEWHERE, REFRESHED(0)},
	{"hit: ACK ends an old SYN only", MOVING, RIG_ACK, false, HAS(50, S), {0}, ELSEWHERE, REFRESHED(0)},
	{"hit: FIN", MOVING, RIG_FIN, false, HAS(5), {0}, ELSEWHERE, REFRESHED(C)},
	{"hit: FIN, in its tick too", MOVING, RIG_FIN, false, HAS(0), {0}, ELSEWHERE, REFRESHED(C)},
	{"hit: FIN ends SYN only", MOVING, RIG_FIN, false, HAS(1, S), {0}, ELSEWHERE, REFRESHED(C)},
	{"hit: RST", MOVING, RIG_RST, false, HAS(5), {0}, ELSEWHERE, REFRESHED(C)},
	{"hit: RST of a closing flow in its tick", MOVING, RIG_RST, false, HAS(0, C), {0}, ELSEWHERE, NOTHING},
	{"hit: ACK opens a closing flow", MOVING, RIG_ACK, false, HAS(5, C), {0}, ELSEWHERE, REFRESHED(0)},
	{"hit: settling", SETTLING, RIG_ACK, false, HAS(5), {0}, ELSEWHERE, REFRESHED(0)},
	{"hit: settling, SYN", SETTLING, RIG_SYN, false, HAS(5), {0}, ELSEWHERE, REFRESHED(0)},
	{"hit: a backend that is down", MOVING, RIG_ACK, false, HAS(5), {[ELSEWHERE] = SL_BACKEND_DOWN}, ELSEWHERE,
	 REFRESHED(0)},
	{"hit: SYN of a flow that lives, at a backend that is down", MOVING, RIG_SYN, false, HAS(1), {[ELSEWHERE] = SL_BACKEND_DOWN},
	 ELSEWHERE, REFRESHED(0)},
	{"hit: ACK of a handshake with a backend that is down", MOVING, RIG_ACK, false, HAS(1, S),
	 {[ELSEWHERE] = SL_BACKEND_DOWN}, ELSEWHERE, REFRESHED(0)},
	{"hit: nothing crowds it", {NOW, true, BASE, CROWDED}, RIG_ACK, true, HAS(5), {0}, ELSEWHERE, REFRESHED(0)},
	{"hit: while nobody takes new flows", {NOBODY, true, BASE, 0}, RIG_ACK, false, HAS(5), {0}, ELSEWHERE,
	 REFRESHED(0)},

	/* An entry that does not count is written anew, in place. */
	{"void: older than T", MOVING, RIG_ACK, false, HAS(IDLE + 1), {0}, BASE, REWRITTEN(BASE, 0)},
	{"void: older than T, SYN", MOVING, RIG_SYN, false, HAS(IDLE + 1), {0}, NOW, REWRITTEN(NOW, S)},
	{"void: older than T, UDP", MOVING, 0, false, HAS(IDLE + 1), {0}, NOW, REWRITTEN(NOW, 0)},
	{"void: older than T, FIN", MOVING, RIG_FIN, false, HAS(IDLE + 1), {0}, BASE, REWRITTEN(BASE, C)},
	{"void: older than T, RST", MOVING, RIG_RST, false, HAS(IDLE + 1), {0}, BASE, NOTHING},
	{"void: SYN sent again to a backend that is down", MOVING, RIG_SYN, false, HAS(1, S),
	 {[ELSEWHERE] = SL_BACKEND_DOWN}, NOW, REWRITTEN(NOW, S)},
	{"void: SYN sent again to a backend that is down, settling", SETTLING, RIG_SYN, false, HAS(1, S),
	 {[ELSEWHERE] = SL_BACKEND_DOWN}, NOW, REWRITTEN(NOW, S)},
	{"void: the flags go", MOVING, RIG_ACK, false, HAS(IDLE + 1, C | S), {0}, BASE, REWRITTEN(BASE, 0)},
	{"void: of another slot", MOVING, RIG_ACK, false, {[2] = {MINE_OF_OTHER_SLOT, ELSEWHERE, 5}}, {0}, BASE,
	 REWRITTEN(BASE, 0)},
	{"void: of another slot, SYN", MOVING, RIG_SYN, false, {[2] = {MINE_OF_OTHER_SLOT, ELSEWHERE, 5}}, {0}, NOW,
	 REWRITTEN(NOW, S)},
	{"void: dead", MOVING, RIG_ACK, false, HAS(5), {[ELSEWHERE] = SL_BACKEND_DEAD}, BASE, REWRITTEN(BASE, 0)},
	{"void: dead and down", MOVING, 0, false, HAS(5), {[ELSEWHERE] = SL_BACKEND_DEAD | SL_BACKEND_DOWN}, NOW,
	 REWRITTEN(NOW, 0)},
	{"void: SYN of a closing flow", MOVING, RIG_SYN, false, HAS(5, C), {0}, NOW, REWRITTEN(NOW, S)},
	{"void: SYN long after SYN", MOVING, RIG_SYN, false, HAS(SYN_TICKS + 1, S), {0}, NOW, REWRITTEN(NOW, S)},
	{"void: held", {NOW, true, BASE, SL_COLD_HOLD_TCP}, RIG_SYN, false, HAS(5, C), {0}, BASE, REWRITTEN(BASE, S)},
	{"void: in a full table", MOVING, RIG_SYN, true, HAS(5, C), {0}, NOW, REWRITTEN(NOW, S)},
	{"void: settling, SYN", SETTLING, RIG_SYN, false, HAS(5, C), {0}, NOW, REWRITTEN(NOW, S)},
	{"void: settling, UDP", SETTLING, 0, false, HAS(IDLE + 1), {0}, NOW, REWRITTEN(NOW, 0)},
	{"void: settling, of another slot, SYN", SETTLING, RIG_SYN, false, {[2] = {MINE_OF_OTHER_SLOT, ELSEWHERE, 5}}, {0},
	 NOW, NOTHING},
	{"void: settling, of another slot, UDP", SETTLING, 0, false, {[2] = {MINE_OF_OTHER_SLOT, ELSEWHERE, 5}}, {0}, NOW,
	 NOTHING},
	{"void: settling, ACK", SETTLING, RIG_ACK, false, HAS(IDLE + 1), {0}, NOW, NOTHING},
	{"void: settling, FIN", SETTLING, RIG_FIN, false, HAS(IDLE + 1), {0}, NOW, NOTHING},
	{"void: settling, RST", SETTLING, RIG_RST, false, HAS(IDLE + 1), {0}, NOW, NOTHING},

	/* A miss. */
	{"miss: SYN", MOVING, RIG_SYN, false, NO_ENTRY, {0}, NOW, WROTE_NOW(S)},
	{"miss: ACK", MOVING, RIG_ACK, false, NO_ENTRY, {0}, BASE, WROTE(0)},
	{"miss: FIN", MOVING, RIG_FIN, false, NO_ENTRY, {0}, BASE, WROTE(C)},
	{"miss: RST", MOVING, RIG_RST, false, NO_ENTRY, {0}, BASE, NOTHING},
	{"miss: UDP", MOVING, 0, false, NO_ENTRY, {0}, NOW, WROTE_NOW(0)},
	{"miss: hold, SYN", {NOW, true, BASE, SL_COLD_HOLD_TCP}, RIG_SYN, false, NO_ENTRY, {0}, BASE, WROTE(S)},
	{"miss: hold, UDP", {NOW, true, BASE, SL_COLD_HOLD_UDP}, 0, false, NO_ENTRY, {0}, BASE, WROTE(0)},
	{"miss: hold of UDP, SYN", {NOW, true, BASE, SL_COLD_HOLD_UDP}, RIG_SYN, false, NO_ENTRY, {0}, NOW, WROTE_NOW(S)},
	{"miss: hold of TCP, UDP", {NOW, true, BASE, SL_COLD_HOLD_TCP}, 0, false, NO_ENTRY, {0}, NOW, WROTE_NOW(0)},
	{"miss: hold, base is down", {NOW, true, BASE, SL_COLD_HOLD_TCP}, RIG_SYN, false, NO_ENTRY, {[BASE] = SL_BACKEND_DOWN},
	 BASE, WROTE(S)},
	{"miss: hold of both, ACK", {NOW, true, BASE, SL_COLD_HOLD_TCP | SL_COLD_HOLD_UDP}, RIG_ACK, false, NO_ENTRY, {0},
	 BASE, WROTE(0)},
	{"miss: crowded, SYN", {NOW, true, BASE, CROWDED}, RIG_SYN, false, NO_ENTRY, {0}, BASE, WROTE(S)},
	{"miss: crowded, UDP", {NOW, true, BASE, CROWDED}, 0, false, NO_ENTRY, {0}, BASE, WROTE(0)},
	{"miss: crowded, base is down, SYN", {NOW, true, BASE, CROWDED}, RIG_SYN, false, NO_ENTRY, {[BASE] = SL_BACKEND_DOWN},
	 NOW, WROTE_NOW(S)},
	{"miss: crowded, base is down, UDP", {NOW, true, BASE, CROWDED}, 0, false, NO_ENTRY, {[BASE] = SL_BACKEND_DOWN}, NOW,
	 WROTE_NOW(0)},
	{"miss: crowded, base is down, ACK", {NOW, true, BASE, CROWDED}, RIG_ACK, false, NO_ENTRY, {[BASE] = SL_BACKEND_DOWN},
	 BASE, WROTE(0)},
	{"miss: settling, SYN", SETTLING, RIG_SYN, false, NO_ENTRY, {0}, NOW, NOTHING},
	{"miss: settling, ACK", SETTLING, RIG_ACK, false, NO_ENTRY, {0}, NOW, NOTHING},
	{"miss: settling, FIN", SETTLING, RIG_FIN, false, NO_ENTRY, {0}, NOW, NOTHING},
	{"miss: settling, RST", SETTLING, RIG_RST, false, NO_ENTRY, {0}, NOW, NOTHING},
	{"miss: settling, UDP", SETTLING, 0, true, NO_ENTRY, {0}, NOW, NOTHING},
	{"miss: settling and crowded", {NOW, true, NOW, CROWDED}, RIG_SYN, true, NO_ENTRY, {0}, NOW, NOTHING},
	{"miss: to nobody", {NOBODY, true, BASE, 0}, RIG_SYN, false, NO_ENTRY, {0}, NOBODY, NOTHING},
	{"miss: UDP to nobody", {NOBODY, true, BASE, 0}, 0, false, NO_ENTRY, {0}, NOBODY, NOTHING},
	{"miss: to nobody, void", {NOBODY, true, BASE, 0}, RIG_SYN, false, HAS(5, C), {0}, NOBODY, NOTHING},
	{"miss: old flow, nobody takes new ones", {NOBODY, true, BASE, 0}, RIG_ACK, false, NO_ENTRY, {0}, BASE, WROTE(0)},
	{"miss: base is nobody", {NOW, true, NOBODY, 0}, RIG_ACK, false, NO_ENTRY, {0}, NOBODY, NOTHING},
	{"miss: base is nobody, no room", {NOW, true, NOBODY, 0}, RIG_ACK, true, NO_ENTRY, {0}, NOBODY, NOTHING},
	{"miss: another flow of the slot", MOVING, RIG_ACK, false, {[2] = {OTHERS_OF_MY_SLOT, ELSEWHERE, 5}}, {0}, BASE,
	 WROTE(0)},

	/* Where it is written: the emptier bucket, then by kind. */
	{"insert: the only free way", MOVING, RIG_ACK, true, {[6] = {FREE}, [1] = {OTHERS, LIVE, LONGEST + 1}}, {0}, BASE,
	 {6, BASE, 0, true}, SL_EVENT_inserted},
	{"insert: a SYN claims like any", MOVING, RIG_SYN, true, {[6] = {OTHERS, LIVE, LONGEST + 1}}, {0}, NOW,
	 {6, NOW, S, true}, SL_EVENT_evicted_expired},
	{"insert: expired", MOVING, RIG_ACK, true,
	 {[0] = {OTHERS, OTHER_BASE, 0}, [1] = {OTHERS, LIVE, CLOSING + 1, C}, [3] = {OTHERS, LIVE, SYN_TICKS + 1, S},
	  [5] = {OTHERS, LIVE, LONGEST + 1}}, {0}, BASE, EVICTED(5, expired)},
	{"insert: SYN only", MOVING, RIG_ACK, true,
	 {[0] = {OTHERS, OTHER_BASE, 0}, [1] = {OTHERS, LIVE, CLOSING + 1, C}, [5] = {OTHERS, LIVE, SYN_TICKS + 1, S}},
	 {0}, BASE, EVICTED(5, syn_only)},
	{"insert: closing", MOVING, RIG_ACK, true,
	 {[0] = {OTHERS, OTHER_BASE, 0}, [5] = {OTHERS, LIVE, CLOSING + 1, C}}, {0}, BASE, EVICTED(5, closing)},
	{"insert: its slot's base", MOVING, RIG_ACK, true, {[5] = {OTHERS, OTHER_BASE, 0}}, {0}, BASE,
	 EVICTED(5, base), .crowds_other = true},
	{"insert: my slot's base", MOVING, RIG_ACK, true, {[5] = {OTHERS_OF_MY_SLOT, BASE, 0}}, {0}, BASE,
	 EVICTED(5, base), .crowds = true},
	{"insert: crowding again", {NOW, true, BASE, CROWDED}, RIG_ACK, true, {[5] = {OTHERS_OF_MY_SLOT, BASE, 0}}, {0},
	 BASE, EVICTED(5, base), .crowds = true},
	{"insert: where others' slot says now is no victim", MOVING, RIG_ACK, true, {[5] = {OTHERS, OTHER_NOW, 0}}, {0},
	 BASE, {NONE}, SL_EVENT_no_room, .crowds = true},
	{"insert: not what only this service takes for expired", MOVING, RIG_ACK, true, {[5] = {OTHERS, LIVE, LONGEST}},
	 {0}, BASE, {NONE}, SL_EVENT_no_room, .crowds = true},
	{"insert: not a young SYN only", MOVING, RIG_ACK, true, {[5] = {OTHERS, LIVE, SYN_TICKS, S}}, {0}, BASE, {NONE},
	 SL_EVENT_no_room, .crowds = true},
	{"insert: not what has just closed", MOVING, RIG_ACK, true, {[5] = {OTHERS, LIVE, CLOSING, C}}, {0}, BASE, {NONE},
	 SL_EVENT_no_room, .crowds = true},
	{"insert: nor the dead", MOVING, RIG_ACK, true, {[5] = {OTHERS, ELSEWHERE, 0}}, {[ELSEWHERE] = SL_BACKEND_DEAD},
	 BASE, {NONE}, SL_EVENT_no_room, .crowds = true},

	/* No room. */
	{"no room: SYN", MOVING, RIG_SYN, true, NO_ENTRY, {0}, BASE, {NONE}, SL_EVENT_no_room, .crowds = true},
	{"no room: UDP", MOVING, 0, true, NO_ENTRY, {0}, BASE, {NONE}, SL_EVENT_no_room, .crowds = true},
	{"no room: FIN", MOVING, RIG_FIN, true, NO_ENTRY, {0}, BASE, {NONE}, SL_EVENT_no_room, .crowds = true},
	{"no room: RST", MOVING, RIG_RST, true, NO_ENTRY, {0}, BASE, NOTHING},
	{"no room: base is down", MOVING, RIG_SYN, true, NO_ENTRY, {[BASE] = SL_BACKEND_DOWN}, BASE, {NONE},
	 SL_EVENT_no_room, .crowds = true},
	{"no room: hold stays", {NOW, true, BASE, SL_COLD_HOLD_TCP | SL_COLD_HOLD_UDP}, RIG_SYN, true, NO_ENTRY, {0}, BASE,
	 {NONE}, SL_EVENT_no_room, .crowds = true},
};
/* clang-format on */

#endif
