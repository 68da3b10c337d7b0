/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine with services that track their flows: damage, failures and restarts lose nothing. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "unit/support/tracked_web.h"
#include "unit/unit.h"

/* Slot 3 names an index beyond the map, slot 4 one that is free, slot 5 moves from nowhere. */
static void damage_slots(void)
{
	host.fake->is_checked = false;
	host.fake->hot[0].word[3] = 0x7fff;
	host.fake->hot[0].word[4] = 39;
	host.fake->hot[0].word[5] = SL_HOT_LOOK | 1;
	host.fake->cold[0].word[5] = 0xffff7ff0;
}

static void check_mended(void)
{
	ck_assert_str_eq(host.told, "service web: 3 of 251 slots were damaged and are mended; "
				    "their flows move");
	ck_assert_uint_eq(slots().stable, 251);
	host.fake->is_checked = true;
	fake_check(host.fake);
	ck_assert_uint_eq(fake_place(&host, "web", "10.0.1.11").slots, 126);
}

START_TEST(damaged_slots_are_mended_and_named)
{
	start(WEB(A "," B));
	pass(1);
	damage_slots();
	pass(100);
	check_mended();
	/* Without an agent. */
	free(host.told);
	host.told = NULL;
	damage_slots();
	host.now_ms = now_ms;
	fake_host_start(&host);
	fake_apply(&host, WEB(A "," B), false, 0);
	pass(100);
	check_mended();
	fake_host_free(&host);
}
END_TEST

/* What was told since the last time is this; NULL: nothing. */
static void check_told(const char *text)
{
	if (text)
		ck_assert_str_eq(host.told, text);
	else
		ck_assert_msg(!host.told, "%s", host.told);
	free(host.told);
	host.told = NULL;
}

START_TEST(slots_that_name_another_backend_of_their_service_are_put_back_within_a_second)
{
	uint32_t first, second;
	uint16_t a, b;

	start(WEB(A "," B));
	pass(20);
	a = index_of("10.0.1.11");
	b = index_of("10.0.1.12");
	first = slot_at(a);
	second = slot_at(b);
	host.fake->hot[first / SL_HOT_PER_LINE].word[first % SL_HOT_PER_LINE] = b;
	host.fake->hot[second / SL_HOT_PER_LINE].word[second % SL_HOT_PER_LINE] = a;
	pass(1);
	ck_assert_uint_eq(dataplane_hot(&host.fake->view, first), a);
	ck_assert_uint_eq(dataplane_hot(&host.fake->view, second), b);
	check_told("service web: 2 of 251 slots were damaged and are mended; some of their flows "
		   "broke");
	pass(30);
	check_told(NULL);
	ck_assert_uint_eq(slots().stable, 251);
	fake_check(host.fake);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_stable_slot_that_is_looked_up_is_settled_and_named)
{
	uint32_t slot;

	start(WEB(A "," B));
	pass(1);
	slot = slot_at(index_of("10.0.1.11"));
	host.fake->hot[slot / SL_HOT_PER_LINE].word[slot % SL_HOT_PER_LINE] |= SL_HOT_LOOK;
	fake_insert(host.fake, 7, slot, index_of("10.0.1.12"), host.fake->now);
	pass(1);
	check_told("service web: 1 of 251 slots were damaged and are mended; their flows move");
	ck_assert_uint_eq(slots().settling, 1);
	pass(80);
	check_told(NULL);
	ck_assert_uint_eq(slots().stable, 251);
	fake_check(host.fake);
	fake_host_free(&host);
}
END_TEST

/* While the cold word names it, it does not count as dead. */
START_TEST(a_slot_does_not_stay_with_a_backend_that_died_meanwhile)
{
	bool names_it = _i;
	uint32_t slot;
	uint16_t a, b;

	start(WEB(A "," B));
	pass(1);
	a = index_of("10.0.1.11");
	b = index_of("10.0.1.12");
	slot = slot_at(a);
	host.fake->hot[slot / SL_HOT_PER_LINE].word[slot % SL_HOT_PER_LINE] = b;
	if (!names_it)
		host.fake->cold[slot / SL_COLD_PER_LINE].word[slot % SL_COLD_PER_LINE] = b;
	override_state("10.0.1.11", CONFIG_DOWN);
	ck_assert_int_eq(host.fake->backends[a].flags & SL_BACKEND_DEAD,
			 names_it ? 0 : SL_BACKEND_DEAD);
	pass(1);
	check_told(names_it ? "service web: 1 of 251 slots were damaged and are mended; some of "
			      "their flows broke"
			    : "service web: 1 of 251 slots were damaged and are mended; their "
			      "flows move");
	pass(2);
	ck_assert(host.fake->backends[a].flags & SL_BACKEND_DEAD);
	ck_assert_uint_eq(dataplane_hot(&host.fake->view, slot) & SL_HOT_NOW, b);
	pass(80);
	ck_assert_uint_eq(slots().stable, 251);
	fake_check(host.fake);
	fake_host_free(&host);
}
END_TEST

#define NEVER                                                                                 \
	" - {name: web, address: 203.0.113.10, port: 443, table-size: 251, tracking: never, " \
	"backends: [" A "," B "]}\n"

/* Slot `first` names another backend of the service, `second` none. */
static void mislead(uint32_t first, uint32_t second)
{
	host.fake->hot[first / SL_HOT_PER_LINE].word[first % SL_HOT_PER_LINE] =
		dataplane_hot(&host.fake->view, first) ^ index_of("10.0.1.11") ^
		index_of("10.0.1.12");
	host.fake->hot[second / SL_HOT_PER_LINE].word[second % SL_HOT_PER_LINE] = 0x7fff;
	host.fake->is_checked = false;
}

static void check_put_back(uint32_t first, uint16_t a, uint32_t second, uint16_t b)
{
	ck_assert_uint_eq(dataplane_hot(&host.fake->view, first), a);
	ck_assert_uint_eq(dataplane_hot(&host.fake->view, second), b);
	host.fake->is_checked = true;
	fake_check(host.fake);
}

START_TEST(slots_of_a_service_that_tracks_nothing_are_put_back_too)
{
	uint32_t first, second;
	uint16_t a, b;

	start(NEVER);
	pass(2);
	a = index_of("10.0.1.11");
	b = index_of("10.0.1.12");
	first = slot_at(a);
	second = slot_at(b);
	mislead(first, second);
	pass(1);
	check_told("service web: 2 of 251 slots were damaged and are mended; some of their flows "
		   "broke");
	pass(1);
	check_put_back(first, a, second, b);
	pass(10);
	check_told(NULL);
	/* Without an agent only the one that names none is told; both are put back. */
	mislead(first, second);
	host.now_ms = now_ms;
	fake_host_start(&host);
	check_told("service web: 1 of 251 slots were damaged and are mended; some of their flows "
		   "broke");
	fake_apply(&host, NEVER, false, 0);
	pass(1);
	check_put_back(first, a, second, b);
	check_told(NULL);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_slot_on_its_way_whose_base_is_of_another_service_is_found_within_a_second)
{
	uint32_t slot;

	start(WEB(A "," B) FAKE_DNS);
	slot = slot_at(index_of("10.0.1.12"));
	override_state("10.0.1.12", CONFIG_DRAIN);
	pass(3);
	check_told(NULL);
	ck_assert(dataplane_hot(&host.fake->view, slot) & SL_HOT_LOOK);
	host.fake->is_checked = false;
	host.fake->cold[slot / SL_COLD_PER_LINE].word[slot % SL_COLD_PER_LINE] =
		fake_place(&host, "dns", "10.0.1.11").index;
	pass(1);
	check_told("service web: 1 of 251 slots were damaged and are mended; their flows move");
	ck_assert_uint_eq(dataplane_cold(&host.fake->view, slot) & SL_COLD_BASE,
			  index_of("10.0.1.11"));
	pass(15);
	check_told(NULL);
	pass(85);
	ck_assert_uint_eq(slots().stable, 251);
	host.fake->is_checked = true;
	fake_check(host.fake);
	fake_host_free(&host);
}
END_TEST

START_TEST(what_is_put_back_is_tried_again_when_it_fails)
{
	uint32_t slot;
	uint16_t a, b;

	start(WEB(A "," B));
	pass(1);
	a = index_of("10.0.1.11");
	b = index_of("10.0.1.12");
	slot = slot_at(a);
	host.fake->hot[slot / SL_HOT_PER_LINE].word[slot % SL_HOT_PER_LINE] = b;
	host.fake->fail_at = host.fake->calls + 1;
	now_ms += 1000;
	engine_tick(host.engine, now_ms);
	ck_assert_int_eq(engine_track_error(host.engine), -EIO);
	pass(3);
	ck_assert_uint_eq(dataplane_hot(&host.fake->view, slot), a);
	ck_assert_uint_eq(slots().stable, 251);
	fake_check(host.fake);
	fake_host_free(&host);
}
END_TEST

START_TEST(damaged_entries_are_deleted_and_named)
{
	start(WEB(A "," B));
	override_state("10.0.1.12", CONFIG_DRAIN);
	pass(1);
	fake_insert(host.fake, 7, 4000, 1, host.fake->now);
	fake_insert(host.fake, 8, slot_at(1), 0x7ffe, host.fake->now);
	pass(25);
	ck_assert_uint_eq(fake_entry(host.fake, 7) | fake_entry(host.fake, 8), SL_NOBODY);
	ck_assert_str_eq(host.told, "flow table: 2 damaged entries were deleted; their flows may "
				    "have moved");
	fake_host_free(&host);
}
END_TEST

START_TEST(that_slots_do_not_go_on_is_told_once_and_that_they_do_again)
{
	start(WEB(A "," B));
	pass(1);
	ck_assert_ptr_null(host.told);
	override_state("10.0.1.12", CONFIG_DRAIN);
	for (int i = 0; i < 3; i++) {
		host.fake->fail_at = host.fake->calls + 1;
		now_ms += 1000;
		ck_assert_uint_eq(engine_tick(host.engine, now_ms), 1000);
		ck_assert_int_eq(engine_track_error(host.engine), -EIO);
		ck_assert_uint_eq(slots().stable, 251);
		if (i > 0) {
			ck_assert_msg(!host.told, "%s", host.told);
			continue;
		}
		ck_assert_str_eq(host.told,
				 "flow tracking: slots do not go on, and their flows stay where "
				 "they are, since a change of the maps fails (Input/output error); "
				 "it is tried again each second");
		free(host.told);
		host.told = NULL;
	}
	pass(1);
	ck_assert_str_eq(host.told, "flow tracking: slots go on again");
	ck_assert_uint_eq(slots().moving, 125);
	free(host.told);
	host.told = NULL;
	pass(3);
	ck_assert_ptr_null(host.told);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_restart_takes_up_what_is_under_way)
{
	start(WEB(A "," B));
	override_state("10.0.1.12", CONFIG_DRAIN);
	pass(60);
	ck_assert_uint_eq(slots().moving, 125);
	fake_host_start(&host);
	fake_apply(&host, WEB(A "," B), false, 0);
	ck_assert_uint_eq(slots().moving, 125);
	pass(62);
	ck_assert_uint_eq(slots().moving, 125);
	pass(12);
	ck_assert_uint_eq(slots().stable, 251);
	fake_host_free(&host);
}
END_TEST

/* Each change, and every operation of its first seconds is the last one before a crash or fails. */
static const struct {
	const char *from, *to;
	uint8_t lost;
} changes[] = {
	{WEB(A "," B), WEB(A "," B "," C), 0},
	{WEB(A "," B), WEB(B), 0},
	{WEB(A "," B "," C), WEB(A "," B "," C), 12},
	{WEB(A "," B) FAKE_DNS, FAKE_DNS, 0},
	{WEB(A "," B), WEB(A ", {address: 10.0.1.12, state: down}"), 0},
};

/* Applies, fails at operation `fail`, and lets time go by. Returns whether it did fail. */
static bool change_failing_at(size_t change, unsigned int fail, bool crashes)
{
	struct problems p = {};
	unsigned int calls;
	bool did;
	int err;

	start(changes[change].from);
	host.way[changes[change].lost] = NET_WAY_FAILED;
	calls = host.fake->calls;
	host.fake->fail_at = calls + fail;
	err = engine_apply(host.engine, fake_config(changes[change].to), true, now_ms, NULL, &p);
	problems_free(&p);
	for (int i = 0; i < 3; i++) {
		host.fake->now++;
		now_ms += 1000;
		engine_tick(host.engine, now_ms);
	}
	did = host.fake->calls >= calls + fail;
	host.fake->fail_at = 0;
	if (crashes)
		fake_host_start(&host);
	if (err || crashes)
		apply(changes[change].to);
	return did;
}

START_TEST(a_failure_or_a_crash_at_any_operation_loses_nothing_and_is_made_good)
{
	for (int crashes = 0; crashes < 2; crashes++) {
		for (unsigned int fail = 1;; fail++) {
			bool did = change_failing_at(_i, fail, crashes);

			pass(200);
			if (model_find_service(engine_model(host.engine), "web"))
				ck_assert_uint_eq(slots().stable, 251);
			fake_check(host.fake);
			fake_host_free(&host);
			if (!did || fail > 60)
				break;
		}
	}
}
END_TEST

int main(void)
{
	TCase *cases = unit_cases("core_track_mend");

	tcase_add_test(cases, damaged_slots_are_mended_and_named);
	tcase_add_test(
		cases,
		slots_that_name_another_backend_of_their_service_are_put_back_within_a_second);
	tcase_add_test(cases, a_stable_slot_that_is_looked_up_is_settled_and_named);
	tcase_add_loop_test(cases, a_slot_does_not_stay_with_a_backend_that_died_meanwhile, 0, 2);
	tcase_add_test(cases, slots_of_a_service_that_tracks_nothing_are_put_back_too);
	tcase_add_test(cases,
		       a_slot_on_its_way_whose_base_is_of_another_service_is_found_within_a_second);
	tcase_add_test(cases, what_is_put_back_is_tried_again_when_it_fails);
	tcase_add_test(cases, damaged_entries_are_deleted_and_named);
	tcase_add_test(cases, that_slots_do_not_go_on_is_told_once_and_that_they_do_again);
	tcase_add_test(cases, a_restart_takes_up_what_is_under_way);
	tcase_add_loop_test(cases,
			    a_failure_or_a_crash_at_any_operation_loses_nothing_and_is_made_good, 0,
			    ARRAY_SIZE(changes));
	return unit_run_cases("core_track_mend", cases);
}
