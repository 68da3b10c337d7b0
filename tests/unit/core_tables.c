/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables are those of maglev_build(), built again only when what they follow from has changed. */
#include <string.h>

#include "base/mem.h"
#include "core/tables.h"
#include "unit/support/fake_host.h"
#include "unit/unit.h"

static const uint8_t key[MAGLEV_KEY_SIZE] = {1, 2, 3};

static void check(struct tables *tables, const char *service, const struct maglev_member *members,
		  size_t count, uint32_t size)
{
	uint16_t *expected = mem_array(size, sizeof(*expected));

	ck_assert_int_eq(maglev_build(key, service, members, count, size, expected), 0);
	ck_assert_mem_eq(tables_get(tables, service, members, count, size), expected,
			 size * sizeof(*expected));
	free(expected);
}

START_TEST(a_table_follows_each_of_its_inputs)
{
	struct maglev_member members[] = {{fake_address("10.0.1.1"), 1},
					  {fake_address("10.0.1.2"), 1}};
	struct tables *tables = tables_new(key);

	for (int round = 0; round < 2; round++) {
		check(tables, "web", members, 2, 251);
		check(tables, "dns", members, 2, 251);
		check(tables, "web", members, 2, 257);
		check(tables, "web", members, 1, 257);
		members[0].weight++;
		check(tables, "web", members, 1, 257);
		check(tables, "web", members, 2, 257);
		members[1].address = fake_address("10.0.1.3");
		check(tables, "web", members, 2, 257);
		check(tables, "none", members, 0, 257);
	}
	tables_free(tables);
}
END_TEST

START_TEST(the_same_inputs_give_the_same_memory_until_it_is_swept)
{
	struct maglev_member member = {fake_address("10.0.1.1"), 1};
	struct tables *tables = tables_new(key);
	const uint16_t *first = tables_get(tables, "web", &member, 1, 251);

	ck_assert_ptr_eq(tables_get(tables, "web", &member, 1, 251), first);
	tables_get(tables, "dns", &member, 1, 251);
	tables_sweep(tables);
	ck_assert_ptr_eq(tables_get(tables, "web", &member, 1, 251), first);
	tables_sweep(tables); /* dns goes, web stays */
	ck_assert_ptr_eq(tables_get(tables, "web", &member, 1, 251), first);
	check(tables, "dns", &member, 1, 251);
	tables_sweep(tables);
	tables_sweep(tables);
	check(tables, "web", &member, 1, 251);
	tables_free(tables);
	tables_free(NULL);
}
END_TEST

START_TEST(what_cannot_be_built_is_no_table)
{
	struct maglev_member member = {fake_address("10.0.1.1"), 1};
	struct tables *tables = tables_new(key);

	ck_assert_ptr_null(tables_get(tables, "web", &member, 1, 252));
	check(tables, "web", &member, 1, 251);
	ck_assert_ptr_null(tables_get(tables, "web", &member, 1, 252));
	tables_free(tables);
}
END_TEST

RUN_TESTS("core_tables", a_table_follows_each_of_its_inputs,
	  the_same_inputs_give_the_same_memory_until_it_is_swept, what_cannot_be_built_is_no_table)
