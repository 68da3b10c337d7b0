/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that is zeroed, aligned, and ends the program when there is none. */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "unit/unit.h"

START_TEST(arena_memory_is_zeroed_aligned_and_apart)
{
	struct arena *arena = arena_new();
	unsigned char *parts[300];

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		size_t size = i * 37 % 9000;

		parts[i] = arena_alloc(arena, size);
		ck_assert_uint_eq((uintptr_t)parts[i] % _Alignof(max_align_t), 0);
		for (size_t j = 0; j < size; j++)
			ck_assert_uint_eq(parts[i][j], 0);
		memset(parts[i], i, size);
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		for (size_t j = 0; j < i * 37 % 9000; j++)
			ck_assert_uint_eq(parts[i][j], (unsigned char)i);
	ck_assert_str_eq(arena_string(arena, "text"), "text");
	ck_assert_ptr_null(arena_string(arena, NULL));
	ck_assert_str_eq(arena_format(arena, "%s-%d", "a", 1), "a-1");
	arena_free(arena);
	arena_free(NULL);
}
END_TEST

START_TEST(a_list_grows_one_by_one)
{
	unsigned int *list = NULL;

	for (unsigned int i = 0; i < 1000; i++) {
		list = mem_grow(list, i, sizeof(*list));
		list[i] = i;
	}
	for (unsigned int i = 0; i < 1000; i++)
		ck_assert_uint_eq(list[i], i);
	free(list);
}
END_TEST

START_TEST(strings_are_copied_and_formatted)
{
	char *copy = mem_string("text"), *formatted = mem_format("%s/%u", copy, 7u);

	ck_assert_str_eq(formatted, "text/7");
	ck_assert_ptr_null(mem_string(NULL));
	free(copy);
	free(formatted);
}
END_TEST

/* The sanitizer's allocator would end the program itself. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

START_TEST(a_large_array_is_zeroed_and_begins_at_a_huge_page)
{
	const size_t count = (5 << 20) / 4 + 1;
	uint32_t *array = mem_map(count, 4);

	ck_assert_uint_eq((uintptr_t)array % (2 << 20), 0);
	ck_assert_uint_eq(array[0] | array[count / 2] | array[count - 1], 0);
	array[count - 1] = 7;
	mem_unmap(array, count, 4);
	mem_unmap(NULL, count, 4);
	array = mem_map(3, 4);
	ck_assert_uint_eq(array[2], 0);
	mem_unmap(array, 3, 4);
	mem_unmap(NULL, 3, 4);
}
END_TEST

START_TEST(an_array_that_overflows_ends_the_program)
{
	volatile size_t huge = SIZE_MAX / 2;

	mem_resize(NULL, huge, 8);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {arena_memory_is_zeroed_aligned_and_apart,
				      a_list_grows_one_by_one, strings_are_copied_and_formatted,
				      a_large_array_is_zeroed_and_begins_at_a_huge_page};
	TCase *aborts = unit_cases("base_mem aborts");
	int failed;

	tcase_add_test_raise_signal(aborts, an_array_that_overflows_ends_the_program, SIGABRT);
	failed = unit_run_cases("base_mem aborts", aborts);
	return unit_run("base_mem", tests, ARRAY_SIZE(tests)) || failed;
}
