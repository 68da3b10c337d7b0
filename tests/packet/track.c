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
#include "packet/track_cases.h"

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
