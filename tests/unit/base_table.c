/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hash table against a plain array that does the same. */
#include <string.h>

#include "base/mem.h"
#include "base/table.h"
#include "unit/unit.h"

START_TEST(a_table_does_what_an_array_indexed_by_the_key_does)
{
	enum { KEYS = 3000, STEPS = 60000 };
	struct table *table = table_new();
	char *values = mem_alloc(STEPS);
	void **model = mem_array(KEYS, sizeof(*model));
	unsigned int random = 1;
	size_t count = 0;

	for (size_t step = 0; step < STEPS; step++) {
		unsigned int key = (random = random * 1103515245 + 12345) >> 8;
		void *before;

		key %= KEYS;
		ck_assert_ptr_eq(table_get(table, &key, sizeof(key)), model[key]);
		before = model[key];
		if (random >> 30) {
			model[key] = &values[step];
			ck_assert_ptr_eq(table_set(table, &key, sizeof(key), &values[step]),
					 before);
			count += !before;
		} else {
			model[key] = NULL;
			ck_assert_ptr_eq(table_remove(table, &key, sizeof(key)), before);
			count -= !!before;
		}
		ck_assert_uint_eq(table_count(table), count);
	}
	for (unsigned int key = 0; key < KEYS; key++)
		ck_assert_ptr_eq(table_get(table, &key, sizeof(key)), model[key]);
	table_free(table);
	free(model);
	free(values);
}
END_TEST

START_TEST(keys_of_all_lengths_differ_and_are_copied)
{
	struct table *table = table_new();
	char zeros[64] = {}, values[64];

	for (size_t size = 0; size < sizeof(zeros); size++)
		ck_assert_ptr_null(table_set(table, zeros, size, &values[size]));
	zeros[3] = 'x';
	ck_assert_ptr_null(table_get(table, zeros, 4));
	zeros[3] = '\0';
	for (size_t size = 0; size < sizeof(zeros); size++)
		ck_assert_ptr_eq(table_get(table, zeros, size), &values[size]);
	table_free(table);
	table_free(NULL);
}
END_TEST

RUN_TESTS("base_table", a_table_does_what_an_array_indexed_by_the_key_does,
	  keys_of_all_lengths_differ_and_are_copied)
