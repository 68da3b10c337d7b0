/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ids from the maps: taking and retiring, leftovers of changes that were cut off, and maps that
 * lie.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "core/ids.h"
#include "unit/support/fake_host.h"
#include "unit/unit.h"

static struct fake *fake;

static void write_record(uint32_t record, const char *name, uint32_t base, uint32_t slots,
			 uint32_t line)
{
	struct sl_service *service = &fake->services[record];

	*service = (struct sl_service){
		.slots_base = base,
		.slots = slots,
		.counters = sl_counter_services(&fake_limits) + line,
	};
	snprintf(service->name, sizeof(service->name), "%s", name);
}

static void write_backend(uint32_t index, const char *text, uint32_t line)
{
	struct addr address = fake_address(text);

	fake->backends[index] = (struct sl_backend){
		.family = address.family,
		.service = sl_counter_services(&fake_limits) + line,
	};
	memcpy(fake->backends[index].address, address.bytes, sizeof(address.bytes));
}

static void write_listeners(const uint32_t *records, size_t count)
{
	struct dataplane_listener list[8] = {};

	for (size_t i = 0; i < count; i++)
		list[i] = (struct dataplane_listener){
			.address = {4, {203, 0, 113, 1 + i}},
			.port = 80,
			.protocol = IPPROTO_TCP,
			.service = records[i],
		};
	ck_assert_int_eq(fake_operations()->write_listeners(fake, list, count), 0);
}

static void write_hot(uint32_t slot, uint16_t hot, uint32_t cold)
{
	fake->hot[slot / SL_HOT_PER_LINE].word[slot % SL_HOT_PER_LINE] = hot;
	fake->cold[slot / SL_COLD_PER_LINE].word[slot % SL_COLD_PER_LINE] = cold;
}

/* Services web (record 2, backends 1 and 3) and dns (record 5, backend 4). */
static void start(void)
{
	fake = fake_new(&fake_limits);
	fake->is_checked = false;
	write_record(2, "web", 64, 251, 1);
	write_record(5, "dns", 512, 257, 0);
	write_backend(1, "10.0.1.12", 1);
	write_backend(3, "10.0.1.11", 1);
	write_backend(4, "2001:db8::1", 0);
	write_listeners((uint32_t[]){5, 2, 2}, 3);
	for (uint32_t i = 0; i < 251; i++)
		write_hot(64 + i, i % 2 ? 1 : 3, 3);
	for (uint32_t i = 0; i < 257; i++)
		write_hot(512 + i, 4, SL_COLD_CROWDED | 4);
}

static struct ids read_good(void)
{
	struct problems p = {};
	struct ids ids;

	if (ids_read(&fake->view, &ids, &p)) {
		problems_print(&p, stderr);
		ck_abort_msg("good maps are refused");
	}
	return ids;
}

/* Slots of all services that name what is not theirs. */
static uint32_t astray(const struct ids *ids)
{
	uint32_t count = 0;

	for (size_t i = 0; i < ids->service_count; i++)
		count += ids_slots_astray(ids, &fake->view, &ids->services[i],
					  ids->services[i].base, ids->services[i].slots);
	return count;
}

START_TEST(what_is_in_force_is_found)
{
	const struct ids_backend *known;
	const struct ids_service *web;
	struct ids ids, copy;
	size_t count;

	start();
	ids = read_good();
	ids_copy(&ids, &copy);
	ids_free(&ids);
	ck_assert_uint_eq(copy.service_count, 2);
	ck_assert_str_eq(copy.services[0].name, "dns");
	web = ids_find_service(&copy, "web");
	ck_assert_uint_eq(web->record, 2);
	ck_assert_uint_eq(web->base, 64);
	ck_assert_uint_eq(web->slots, 251);
	ck_assert_ptr_null(ids_find_service(&copy, "we"));
	known = ids_backends_of(&copy, web->line, &count);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(known[0].index, 3); /* 10.0.1.11 comes before 10.0.1.12 */
	ck_assert_uint_eq(known[1].index, 1);
	ids_backends_of(&copy, web->line + 1, &count);
	ck_assert_uint_eq(count, 0);
	ck_assert_uint_eq(copy.listener_count, 3);
	ck_assert_uint_eq(copy.listeners[0].service, 5);
	ids_free(&copy);
	fake_free(fake);
}
END_TEST

START_TEST(empty_maps_are_all_free)
{
	struct ids ids;

	fake = fake_new(&fake_limits);
	ids = read_good();
	ck_assert_uint_eq(ids.service_count + ids.known_count + ids.listener_count, 0);
	ck_assert_uint_eq(ids_room_lines(&ids).free, 8);
	ck_assert_uint_eq(ids_room_backends(&ids).free, 40);
	ck_assert_uint_eq(ids_room_slots(&ids).free, 4096);
	ck_assert_uint_eq(ids_room_slots(&ids).largest, 4096);
	ids_free(&ids);
	fake_free(fake);
}
END_TEST

START_TEST(the_lowest_free_one_is_taken_until_none_is_left)
{
	struct ids ids;
	uint32_t got;

	start();
	ids = read_good();
	ck_assert_int_eq(ids_take_backend(&ids, &got), 0);
	ck_assert_uint_eq(got, 2);
	ck_assert_int_eq(ids_take_backend(&ids, &got), 0);
	ck_assert_uint_eq(got, 5);
	for (uint32_t i = 6; i <= 40; i++)
		ck_assert_int_eq(ids_take_backend(&ids, &got), 0);
	ck_assert_uint_eq(got, 40);
	ck_assert_int_eq(ids_take_backend(&ids, &got), -ENOSPC);
	ck_assert_int_eq(ids_take_record(&ids, &got), 0);
	ck_assert_uint_eq(got, 1);
	ck_assert_int_eq(ids_take_line(&ids, &got), 0);
	ck_assert_uint_eq(got, sl_counter_services(&fake_limits) + 2);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(ids_take_line(&ids, &got), 0);
	ck_assert_int_eq(ids_take_line(&ids, &got), -ENOSPC);
	ids_free(&ids);
	fake_free(fake);
}
END_TEST

START_TEST(regions_fill_holes_and_share_no_cache_line)
{
	struct ids_room room;
	struct ids ids;
	uint32_t base;

	start();
	ids = read_good();
	/* Used: 64-320 (251 slots), 512-800 (257). Holes: 0-64, 320-512, 800-4096. */
	room = ids_room_slots(&ids);
	ck_assert_uint_eq(room.free, 64 + 192 + 3296);
	ck_assert_uint_eq(room.largest, 3296);
	ck_assert_int_eq(ids_take_region(&ids, 251, &base), 0);
	ck_assert_uint_eq(base, 800);
	ck_assert_int_eq(ids_take_region(&ids, 191, &base), 0);
	ck_assert_uint_eq(base, 320);
	ck_assert_int_eq(ids_take_region(&ids, 61, &base), 0);
	ck_assert_uint_eq(base, 0);
	ck_assert_int_eq(ids_take_region(&ids, 3041, &base), -ENOSPC);
	ck_assert_int_eq(ids_take_region(&ids, 3040, &base), 0);
	ck_assert_uint_eq(base, 1056);
	ck_assert_int_eq(ids_take_region(&ids, 3, &base), -ENOSPC);
	ck_assert_uint_eq(ids_room_slots(&ids).free, 0);
	ids_free(&ids);
	fake_free(fake);
}
END_TEST

START_TEST(what_retires_is_not_taken_again)
{
	struct ids ids;
	uint32_t got, base;

	start();
	ids = read_good();
	ids_retire_service(&ids, ids_find_service(&ids, "web"), false);
	ids_retire_backend(&ids, 1);
	ck_assert_int_eq(ids_take_backend(&ids, &got), 0);
	ck_assert_uint_eq(got, 2);
	ck_assert_int_eq(ids_take_record(&ids, &got), 0);
	ck_assert_uint_eq(got, 1);
	ck_assert_int_eq(ids_take_region(&ids, 251, &base), 0);
	ck_assert_uint_eq(base, 800);
	ck_assert_uint_eq(ids_room_backends(&ids).retiring, 1);
	ck_assert_uint_eq(ids_room_lines(&ids).retiring, 1);
	ck_assert_uint_eq(ids_room_slots(&ids).retiring, 256);
	ids_retire_service(&ids, ids_find_service(&ids, "dns"), true);
	ck_assert_uint_eq(ids_room_lines(&ids).retiring, 1);
	ids_free(&ids);
	fake_free(fake);
}
END_TEST

START_TEST(leftovers_of_a_cut_off_change_retire)
{
	struct ids ids;

	start();
	write_record(7, "new", 1024, 251, 3);	 /* written, never switched to */
	write_record(9, "web", 2048, 509, 1);	 /* the same service, another size */
	write_record(10, "torn", 65, 70000, 99); /* half-written: cannot be believed */
	write_record(11, "over", 64, 251, 4);	 /* half-wiped: over slots that are in force */
	write_backend(20, "10.0.1.99", 3);	 /* of the service that is not in force */
	write_backend(21, "10.0.1.12", 1);	 /* twice, and no slot names this one */
	fake->backends[22].family = 7;
	write_backend(23, "10.0.1.98", 1);
	fake->backends[23].active = 5;
	ids = read_good();
	ck_assert_uint_eq(ids.service_count, 2);
	ck_assert_uint_eq(ids.known_count, 3);
	for (uint32_t r = 1; r < sl_service_records(&fake_limits); r++)
		ck_assert_int_eq(ids.records[r], r == 2 || r == 5		 ? IDS_USED
						 : r == 7 || (r >= 9 && r <= 11) ? IDS_RETIRING
										 : IDS_FREE);
	for (uint32_t i = 20; i <= 23; i++)
		ck_assert_int_eq(ids.backends[i], IDS_RETIRING);
	ck_assert_int_eq(ids.lines[3], IDS_RETIRING);
	ck_assert_int_eq(ids.lines[1], IDS_USED);
	ck_assert_uint_eq(ids.region_count, 4);
	ids_free(&ids);
	fake_free(fake);
}
END_TEST

static void rename_to_garbage(void)
{
	memset(fake->services[2].name, 'x', SL_NAME_SIZE);
}

static void rename_to_nothing(void)
{
	fake->services[2].name[0] = '\0';
}

static void rename_to_control(void)
{
	fake->services[2].name[1] = '\n';
}

static void rename_to_another(void)
{
	write_record(2, "dns", 64, 251, 1);
}

static void move_out(void)
{
	fake->services[2].slots_base = 4096 - 224;
}

static void move_within_a_line(void)
{
	fake->services[2].slots_base = 65;
}

static void grow(void)
{
	fake->services[2].slots = 0xfffffff0;
}

static void shrink(void)
{
	fake->services[2].slots = 0;
}

static void overlap(void)
{
	fake->services[2].slots_base = 512 + 256;
}

static void share_line(void)
{
	fake->services[2].counters = fake->services[5].counters;
}

static void lose_line(void)
{
	fake->services[2].counters = sl_counter_backends(&fake_limits);
}

static void name_no_record(void)
{
	write_listeners((uint32_t[]){5, 2, 17}, 3);
}

static void shift_listeners4(void)
{
	fake->control.listeners &= ~(63ull << 2);
}

static void shift_listeners6(void)
{
	fake->control.listeners &= ~(63ull << 8);
}

static void name_a_free_index(void)
{
	write_hot(64 + 250, 2, 2);
}

static void name_another_services(void)
{
	write_hot(64, SL_HOT_LOOK | 3, 4);
}

static void name_no_index(void)
{
	write_hot(64, 41, 3);
}

static void name_a_leftover(void)
{
	fake->backends[3].active = 2;
}

START_TEST(maps_that_contradict_themselves_are_refused_and_named)
{
	static const struct {
		void (*damage)(void);
		const char *said;
	} cases[] = {
		{rename_to_garbage, "service record 2: its name is garbage"},
		{rename_to_nothing, "service record 2: its name is garbage"},
		{rename_to_control, "service record 2: its name is garbage"},
		{rename_to_another, "another record in force has its name"},
		{move_out, "service record 2: its slots lie outside the map"},
		{move_within_a_line, "service record 2: its slots begin within a cache line"},
		{grow, "service record 2: its slots lie outside the map"},
		{shrink, "service record 2: its slots lie outside the map"},
		{overlap, "its slots are another service's, too"},
		{share_line, "its counters line is another service's, too"},
		{lose_line, "service record 2: its counters line is none of a service"},
		{name_no_record, "service record 17: a listener names it, and it is none"},
		{shift_listeners4, "control: the listener table in force lies outside its map"},
		{shift_listeners6, "control: the listener table in force lies outside its map"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct problems p = {};
		struct ids ids;
		char *text;
		int err;

		start();
		cases[i].damage();
		err = ids_read(&fake->view, &ids, &p);
		ck_assert_int_eq(err, -EPROTO);
		ck_assert_uint_eq(p.count, 1);
		text = problem_text(&p.list[0]);
		ck_assert_msg(strstr(text, cases[i].said), "case %zu: %s", i, text);
		ck_assert_ptr_nonnull(strstr(text, "sluiced --down"));
		free(text);
		problems_free(&p);
		ids_free(&ids);
		fake_free(fake);
	}
}
END_TEST

START_TEST(slots_that_name_what_is_not_theirs_are_counted)
{
	void (*const damages[])(void) = {name_a_free_index, name_another_services, name_no_index,
					 name_a_leftover};

	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		struct ids ids;

		start();
		ids = read_good();
		ck_assert_uint_eq(astray(&ids), 0);
		ids_free(&ids);
		damages[i]();
		ids = read_good();
		ck_assert_msg(astray(&ids), "case %zu", i);
		ids_free(&ids);
		fake_free(fake);
	}
}
END_TEST

static uint64_t random_state = 88172645463325252ULL;

static uint32_t next_random(void)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return random_state >> 32;
}

/* Overwrites bytes of each map: a few, or half of all of them. */
static void damage_maps(bool a_few)
{
	const struct sl_limits *l = &fake->view.limits;
	const struct {
		void *bytes;
		size_t size;
	} maps[] = {
		{&fake->control, sizeof(fake->control)},
		{fake->services, sl_service_records(l) * sizeof(*fake->services)},
		{fake->backends, (l->backends + 1) * sizeof(*fake->backends)},
		{fake->hot, l->slots * sizeof(uint16_t)},
		{fake->listeners4, 2 * sl_listener_buckets4(l) * sizeof(*fake->listeners4)},
		{fake->listeners6, 2 * sl_listener_buckets6(l) * sizeof(*fake->listeners6)},
	};
	uint8_t mask = next_random() % 2 ? 0x1f : 0xff; /* small numbers are believed more often */

	for (size_t map = 0; map < ARRAY_SIZE(maps); map++)
		for (size_t n = a_few ? 1 + map : maps[map].size / 2; n; n--)
			((uint8_t *)maps[map].bytes)[next_random() % maps[map].size] =
				next_random() & mask;
}

/* Under the sanitizers: whatever bytes are there, reading them stays within the maps. */
START_TEST(random_bytes_crash_nothing)
{
	static const struct sl_limits small = {
		.cpus = 1,
		.services = 2,
		.listeners = 4,
		.backends = 6,
		.flows = 4096,
		.slots = 256,
	};
	unsigned int good = 0, bad = 0;

	for (int round = 0; round < 20000; round++) {
		struct problems p = {};
		struct ids ids;

		if (round % 2)
			start();
		else
			fake = fake_new(&small);
		damage_maps(round % 2);
		if (round % 4 == 0) { /* a table that could be */
			fake->control.listeners &= ~(63ull << 2 | 63ull << 8);
			fake->control.listeners |= 60ull << 2 | 60ull << 8;
		}
		if (!ids_read(&fake->view, &ids, &p) && !astray(&ids))
			good++;
		else
			bad++;
		problems_free(&p);
		ids_free(&ids);
		fake_free(fake);
	}
	ck_assert_uint_gt(good, 500);
	ck_assert_uint_gt(bad, 5000);
}
END_TEST

RUN_TESTS("core_ids", what_is_in_force_is_found, empty_maps_are_all_free,
	  the_lowest_free_one_is_taken_until_none_is_left,
	  regions_fill_holes_and_share_no_cache_line, what_retires_is_not_taken_again,
	  leftovers_of_a_cut_off_change_retire,
	  maps_that_contradict_themselves_are_refused_and_named,
	  slots_that_name_what_is_not_theirs_are_counted, random_bytes_crash_nothing)
