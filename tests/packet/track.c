/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One packet at a time against docs/tracking.md: the words before, the packet, and each word after it, exactly.
 *
 * The table has two buckets, so every flow may be in either: entry n is way n % 4 of bucket n / 4. Two slots: the
 * packet's own, and another one whose flows fill the table. Each case runs by IPv4 and IPv6, with loads
 * ordered as arm64 needs it and not, and as either clang has built the program.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/flow.h>

#include "base/mem.h"
#include "packet/pinned.h"
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
	{"hit: nothing crowds it", {NOW, true, BASE, CROWDED}, RIG_ACK, true, HAS(5), {0}, ELSEWHERE, REFRESHED(0)},
	{"hit: while nobody takes new flows", {NOBODY, true, BASE, 0}, RIG_ACK, false, HAS(5), {0}, ELSEWHERE,
	 REFRESHED(0)},

	/* An entry that does not count is written anew, in place. */
	{"void: older than T", MOVING, RIG_ACK, false, HAS(IDLE + 1), {0}, BASE, REWRITTEN(BASE, 0)},
	{"void: older than T, SYN", MOVING, RIG_SYN, false, HAS(IDLE + 1), {0}, NOW, REWRITTEN(NOW, S)},
	{"void: older than T, UDP", MOVING, 0, false, HAS(IDLE + 1), {0}, NOW, REWRITTEN(NOW, 0)},
	{"void: older than T, FIN", MOVING, RIG_FIN, false, HAS(IDLE + 1), {0}, BASE, REWRITTEN(BASE, C)},
	{"void: older than T, RST", MOVING, RIG_RST, false, HAS(IDLE + 1), {0}, BASE, NOTHING},
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

static struct rig rig;
static struct rig_flow flow; /* that the packet belongs to */
static uint32_t my_slot, other_slot;

/* A hash that is not the flow's, one for each entry. */
static uint64_t others_hash(int n)
{
	return 0x1234567890abcdefULL + n * 0x1111111111ULL;
}

static struct sl_flow entry(const struct way *way, int n)
{
	bool mine = way->owner == MINE || way->owner == MINE_OF_OTHER_SLOT;
	bool in_mine = way->owner == MINE || way->owner == OTHERS_OF_MY_SLOT;
	uint64_t count = (uint64_t)(n + 1) * SL_FLOW_COUNT_ONE, hash;

	if (way->owner == DEFAULT || way->owner == FREE)
		return (struct sl_flow){0, sl_flow_data(other_slot, count, 0, TICK)};
	hash = mine ? rig_hash(&rig, &flow) : others_hash(n);
	return (struct sl_flow){sl_flow_check(hash, way->backend),
				sl_flow_data(in_mine ? my_slot : other_slot, way->flags | count,
					     way->backend, TICK - way->age)};
}

static uint32_t cold_word(const struct test_case *c)
{
	return c->slot.base | c->slot.flags;
}

static void set_up(const struct test_case *c, struct sl_flow before[ENTRIES])
{
	static const struct way live = {OTHERS, LIVE, 0, 0};

	flow.udp = c->packet == 0;
	my_slot = rig_slot(&rig, &flow);
	other_slot = rig_first_slot(&rig, RIG_TCP);
	rig_set_tick(&rig, TICK);
	rig_set_hot(&rig, my_slot, c->slot.now | (c->slot.look ? SL_HOT_LOOK : 0));
	rig_set_cold(&rig, my_slot, cold_word(c));
	rig_set_hot(&rig, other_slot, OTHER_NOW | SL_HOT_LOOK);
	rig_set_cold(&rig, other_slot, OTHER_BASE);
	for (int b = 1; b < BACKENDS; b++)
		rig.ops->write_flags(rig.dp, b, c->backend_flags[b]);
	for (int n = 0; n < ENTRIES; n++) {
		const struct way *way = &c->way[n];

		before[n] = entry(way->owner == DEFAULT && c->full ? &live : way, n);
		*rig_entry(&rig, n) = before[n];
	}
}

static void expect_entries(const struct test_case *c, const char *name,
			   const struct sl_flow before[ENTRIES])
{
	const struct after *after = &c->after;
	int changed = after->entry;

	for (int n = 0; changed == ANY_FREE && n < ENTRIES; n++)
		if (!sl_flow_in_use(before[n].data) &&
		    memcmp(&before[n], rig_entry(&rig, n), sizeof(before[n])) != 0)
			changed = n;
	ck_assert_msg(changed != ANY_FREE, "%s: no entry was written", name);
	for (int n = 0; n < ENTRIES; n++) {
		struct sl_flow want = before[n], *got = rig_entry(&rig, n);

		if (n == changed) {
			uint64_t count = before[n].data & SL_FLOW_COUNT;

			count = (count + (after->claimed ? SL_FLOW_COUNT_ONE : 0)) & SL_FLOW_COUNT;
			want.check = sl_flow_check(rig_hash(&rig, &flow), after->backend);
			want.data =
				sl_flow_data(my_slot, after->flags | count, after->backend, TICK);
		}
		ck_assert_msg(got->check == want.check && got->data == want.data,
			      "%s: entry %d is %016llx %016llx, not %016llx %016llx", name, n,
			      (unsigned long long)got->check, (unsigned long long)got->data,
			      (unsigned long long)want.check, (unsigned long long)want.data);
	}
}

static void run_case(const struct test_case *c)
{
	uint64_t events[SL_EVENTS], dropped = rig_verdict(&rig, SL_DROP_no_backend);
	struct sl_flow before[ENTRIES];
	struct rig_frame frame;
	char name[128];
	int to;

	snprintf(name, sizeof(name), "%s (IPv%d, loads %s)", c->name, flow.v6 ? 6 : 4,
		 rig.knobs.order_loads ? "ordered" : "as they are");
	set_up(c, before);
	for (int e = 0; e < SL_EVENTS; e++)
		events[e] = rig_event(&rig, e);
	rig_build(&rig, &flow, &frame);
	to = rig_send(&rig, &frame, c->packet);
	ck_assert_msg(to == (int)c->to, "%s: goes to %d, not to %d", name, to, c->to);
	ck_assert_msg(rig_verdict(&rig, SL_DROP_no_backend) == dropped + (c->to == NOBODY),
		      "%s: no_backend is miscounted", name);
	expect_entries(c, name, before);
	ck_assert_msg(dataplane_cold(rig.view, my_slot) ==
			      (cold_word(c) | (c->crowds ? CROWDED : 0)),
		      "%s: cold is %x", name, dataplane_cold(rig.view, my_slot));
	ck_assert_msg(dataplane_cold(rig.view, other_slot) ==
			      (OTHER_BASE | (c->crowds_other ? CROWDED : 0)),
		      "%s: the other slot's cold is %x", name,
		      dataplane_cold(rig.view, other_slot));
	ck_assert_uint_eq(dataplane_hot(rig.view, my_slot),
			  c->slot.now | (c->slot.look ? SL_HOT_LOOK : 0));
	for (int e = SL_EVENT_NONE + 1; e < SL_EVENTS; e++)
		ck_assert_msg(rig_event(&rig, e) == events[e] + (e == (int)c->event),
			      "%s: event %d is miscounted", name, e);
}

static void open_rig(bool order_loads, bool newer_clang)
{
	char *object = NULL;
	struct rig_options options = {.flows = ENTRIES,
				      .slots = 31,
				      .backends = BACKENDS,
				      .syn_ticks = SYN_TICKS,
				      .closing_ticks = CLOSING,
				      .order_loads = order_loads};

	if (newer_clang)
		options.object = object =
			pinned_object("bpf-new/sluice.bpf.o", &options.object_size);
	ck_assert_int_eq(rig_open(&rig, &options), 0);
	free(object);
	rig_set_idle(&rig, RIG_BOTH, IDLE);
	rig_set_longest(&rig, LONGEST);
	flow = (struct rig_flow){.service = RIG_BOTH, .client = 0x01020304, .port = 4000};
}

START_TEST(each_packet_does_what_the_page_says_and_nothing_else)
{
	open_rig(_i & 1, _i & 4);
	flow.v6 = _i & 2;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		run_case(&cases[i]);
	rig_close(&rig);
}
END_TEST

/* With free ways in both buckets the emptier one is taken, whichever of the two it is. */
START_TEST(the_emptier_bucket_is_taken)
{
	struct test_case c = {.name = "emptier bucket",
			      .slot = MOVING,
			      .packet = RIG_ACK,
			      .to = BASE,
			      .after = {ANY_FREE, BASE, 0, true},
			      .event = SL_EVENT_inserted};

	open_rig(false, false);
	for (int emptier = 0; emptier < 2; emptier++)
		for (int free = 1; free < 4; free++) {
			int in_emptier = 0;

			memset(c.way, 0, sizeof(c.way));
			for (int i = 0; i < 4 - free; i++)
				c.way[emptier * 4 + i] = (struct way){OTHERS, LIVE, 0, 0};
			for (int i = 0; i < 4 - free + 1; i++)
				c.way[!emptier * 4 + i] = (struct way){OTHERS, LIVE, 0, 0};
			run_case(&c);
			for (int i = 0; i < 4; i++)
				in_emptier +=
					sl_flow_in_use(rig_entry(&rig, emptier * 4 + i)->data);
			ck_assert_int_eq(in_emptier, 4 - free + 1);
		}
	rig_close(&rig);
}
END_TEST

/* An entry under way is nobody's: not a hit, and no way to claim. */
START_TEST(a_locked_entry_is_left_alone)
{
	struct sl_flow locked, before;
	struct rig_frame frame;

	open_rig(false, false);
	my_slot = rig_slot(&rig, &flow);
	rig_set_tick(&rig, TICK);
	rig_set_hot(&rig, my_slot, NOW | SL_HOT_LOOK);
	rig_set_cold(&rig, my_slot, BASE);
	locked.data = sl_flow_data(my_slot, SL_FLOW_COUNT_ONE, 0xffff, TICK - LONGEST - 5);
	for (uint32_t check = 0; check < 3; check++) {
		locked.check = check == 0   ? sl_flow_check(rig_hash(&rig, &flow), 0xffff)
			       : check == 1 ? sl_flow_check(rig_hash(&rig, &flow), ELSEWHERE)
					    : 5;
		for (int n = 0; n < ENTRIES; n++)
			*rig_entry(&rig, n) = locked;
		rig_build(&rig, &flow, &frame);
		ck_assert_int_eq(rig_send(&rig, &frame, RIG_ACK), BASE);
		for (int n = 0; n < ENTRIES; n++)
			ck_assert(!memcmp(rig_entry(&rig, n), &locked, sizeof(locked)));
		ck_assert_uint_eq(dataplane_cold(rig.view, my_slot), BASE | CROWDED);
		rig_set_cold(&rig, my_slot, BASE);
	}
	/* A pair that does not fit is not believed either: data of one flow, check of another. */
	before = (struct sl_flow){sl_flow_check(rig_hash(&rig, &flow), LIVE),
				  sl_flow_data(my_slot, 0, ELSEWHERE, TICK)};
	for (int n = 0; n < ENTRIES; n++)
		*rig_entry(&rig, n) = before;
	ck_assert_int_eq(rig_send(&rig, &frame, RIG_ACK), BASE);
	rig_close(&rig);
}
END_TEST

/* Each service has its own T; the age of others' entries is measured by the longest. */
START_TEST(a_flow_is_as_old_as_its_service_says)
{
	struct test_case c = {.name = "T of the service",
			      .slot = MOVING,
			      .packet = RIG_ACK,
			      .way = HAS(IDLE - 9),
			      .to = ELSEWHERE,
			      .after = {2, ELSEWHERE, 0, false}};

	open_rig(false, false);
	run_case(&c);
	rig_set_idle(&rig, RIG_BOTH, IDLE - 10);
	c.to = BASE;
	c.after = (struct after){2, BASE, 0, true};
	c.event = SL_EVENT_rewritten;
	run_case(&c);
	flow.service = RIG_TCP;
	c.to = ELSEWHERE;
	c.after = (struct after){2, ELSEWHERE, 0, false};
	c.event = SL_EVENT_NONE;
	run_case(&c);
	rig_close(&rig);
}
END_TEST

/* Bytes that no agent wrote: packets end in a verdict, and the maps of others keep theirs. */
START_TEST(random_bytes_in_hot_cold_and_entries_do_no_harm)
{
	struct rig_frame frame;
	unsigned int seed = 1;

	open_rig(false, false);
	for (int n = 0; n < 200000; n++) {
		uint32_t slots = rig.view->limits.slots;

		flow.udp = n & 1;
		flow.v6 = n & 2;
		rig_build(&rig, &flow, &frame);
		rig_set_hot(&rig, rig_slot(&rig, &flow), rand_r(&seed) | SL_HOT_LOOK);
		rig_set_cold(&rig, rig_slot(&rig, &flow),
			     (uint32_t)rand_r(&seed) << 16 ^ rand_r(&seed));
		rig_set_cold(&rig, rand_r(&seed) % slots, rand_r(&seed));
		for (int e = 0; e < ENTRIES; e++)
			for (size_t b = 0; b < sizeof(struct sl_flow); b++)
				((uint8_t *)rig_entry(&rig, e))[b] = rand_r(&seed) >> 8;
		if (n % 3 == 0)
			rig_entry(&rig, n % ENTRIES)->check =
				sl_flow_check(rig_hash(&rig, &flow),
					      sl_flow_backend(rig_entry(&rig, n % ENTRIES)->data));
		/* Backends without a way out drop; none goes anywhere else. */
		ck_assert_int_lt(rig_send(&rig, &frame, rand_r(&seed)), BACKENDS + 1);
	}
	rig_close(&rig);
}
END_TEST

Suite *track_suite(void)
{
	Suite *suite = suite_create("track");
	TCase *tcase = tcase_create("words");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, each_packet_does_what_the_page_says_and_nothing_else, 0, 8);
	tcase_add_test(tcase, the_emptier_bucket_is_taken);
	tcase_add_test(tcase, a_locked_entry_is_left_alone);
	tcase_add_test(tcase, a_flow_is_as_old_as_its_service_says);
	tcase_add_test(tcase, random_bytes_in_hot_cold_and_entries_do_no_harm);
	suite_add_tcase(suite, tcase);
	return suite;
}
