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
			ck_assert_ptr_null(host.told);
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
	tcase_add_test(cases, damaged_entries_are_deleted_and_named);
	tcase_add_test(cases, that_slots_do_not_go_on_is_told_once_and_that_they_do_again);
	tcase_add_test(cases, a_restart_takes_up_what_is_under_way);
	tcase_add_loop_test(cases,
			    a_failure_or_a_crash_at_any_operation_loses_nothing_and_is_made_good, 0,
			    ARRAY_SIZE(changes));
	return unit_run_cases("core_track_mend", cases);
}
