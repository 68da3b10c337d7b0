/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listeners that are prefixes: which one answers, and what is refused. */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>

#include "random.h"
#include "unit/support/listeners.h"
#include "unit/unit.h"

static struct dataplane_listener prefix_listener(const char *text, uint16_t port, uint16_t service)
{
	struct dataplane_listener l = {.port = port, .protocol = IPPROTO_TCP, .service = service};
	struct prefix prefix;

	ck_assert_int_eq(prefix_parse(text, &prefix), 0);
	l.address = prefix.addr;
	l.length = prefix_is_host(&prefix) ? 0 : prefix.length;
	return l;
}

START_TEST(the_longest_prefix_answers_where_no_address_does)
{
	const struct dataplane_listener v4[] = {
		prefix_listener("203.0.113.10", 80, 1),
		prefix_listener("203.0.113.0/24", 0, 2),
		prefix_listener("203.0.113.0/28", 443, 3),
		prefix_listener("203.0.112.0/22", 22, 4),
		prefix_listener("203.0.113.0/28", 8080, 5),
		prefix_listener("203.0.113.10/31", 81, 6),
	};
	const struct dataplane_listener v6[] = {
		prefix_listener("2001:db8::a:a", 80, 1),
		prefix_listener("2001:db8::a:0/112", 0, 2),
		prefix_listener("2001:db8::a:0/124", 443, 3),
		prefix_listener("2001:db8::/64", 22, 4),
		prefix_listener("2001:db8::a:0/124", 8080, 5),
		prefix_listener("2001:db8::a:a/127", 81, 6),
	};
	static const struct {
		const char *v4, *v6;
		uint16_t port, service;
	} cases[] = {
		{"203.0.113.10", "2001:db8::a:a", 80, 1},
		{"203.0.113.10", "2001:db8::a:a", 81, 6},  /* a port miss of an address */
		{"203.0.113.10", "2001:db8::a:a", 443, 3}, /* ... and of a longer prefix */
		{"203.0.113.10", "2001:db8::a:a", 8080, 5},
		{"203.0.113.10", "2001:db8::a:a", 9, 2},
		{"203.0.113.11", "2001:db8::a:b", 81, 6},
		{"203.0.113.12", "2001:db8::a:c", 443, 3},
		{"203.0.113.16", "2001:db8::a:10", 443, 2},
		{"203.0.113.255", "2001:db8::a:ffff", 22, 2},
		{"203.0.112.1", "2001:db8::1", 22, 4},
		{"203.0.112.1", "2001:db8::1", 23, 0},
		{"203.0.116.1", "2001:db8:0:1::", 22, 0},
	};
	struct dataplane_listener read[ARRAY_SIZE(v4)];
	struct fixture f;

	make_fixture(&f, 16);
	ck_assert_int_eq(build(&f, _i ? v6 : v4, ARRAY_SIZE(v4)), 0);
	ck_assert_uint_ne(f.control.listeners & SL_LISTENERS_PREFIX, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct addr address;

		ck_assert_int_eq(addr_parse(_i ? cases[i].v6 : cases[i].v4, &address), 0);
		ck_assert_msg(dataplane_find_listener(&f.view, &address, cases[i].port,
						      IPPROTO_TCP) == cases[i].service,
			      "case %zu", i);
		ck_assert_uint_eq(
			dataplane_find_listener(&f.view, &address, cases[i].port, IPPROTO_UDP), 0);
	}
	ck_assert_uint_eq(dataplane_listeners(&f.view, read, ARRAY_SIZE(read)), ARRAY_SIZE(read));
	for (size_t i = 0; i < ARRAY_SIZE(read); i++) {
		size_t same = 0;

		for (size_t j = 0; j < ARRAY_SIZE(v4); j++)
			same += !memcmp(&read[i], _i ? &v6[j] : &v4[j], sizeof(read[i]));
		ck_assert_uint_eq(same, 1);
	}
	free_fixture(&f);
}
END_TEST

/* Against a search through all prefixes. */
START_TEST(random_prefixes_are_found_as_by_search)
{
	uint8_t family = _i % 2 ? 6 : 4;
	struct dataplane_listener list[40] = {};
	struct fixture f;

	make_fixture(&f, 64);
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		uint64_t bits = random_next();
		struct dataplane_listener *l = &list[i];
		struct prefix prefix;

		l->address.family = family;
		l->address.bytes[0] = 10;
		memcpy(l->address.bytes + (family == 4 ? 1 : 5), &bits, 3);
		l->address.bytes[family == 4 ? 1 : 5] &= 3;
		l->length = 7 + (family == 4 ? 0 : 32) + random_next() % SL_PREFIX_LENGTHS;
		prefix = prefix_of(&l->address, l->length);
		l->address = prefix.addr;
		l->port = 1 + i; /* so that none is claimed twice */
		l->protocol = IPPROTO_UDP;
		l->service = 1 + i;
	}
	ck_assert_int_eq(build(&f, list, ARRAY_SIZE(list)), 0);
	for (int n = 0; n < 4000; n++) {
		size_t i = random_next() % ARRAY_SIZE(list);
		struct prefix prefix = {list[i].address, list[i].length};
		struct addr address = {.family = family, .bytes = {10}};
		uint64_t bits = random_next();

		memcpy(address.bytes + (family == 4 ? 1 : 5), &bits, 3);
		address.bytes[family == 4 ? 1 : 5] &= 3;
		ck_assert_uint_eq(
			dataplane_find_listener(&f.view, &address, list[i].port, IPPROTO_UDP),
			prefix_contains(&prefix, &address) ? list[i].service : 0);
	}
	free_fixture(&f);
}
END_TEST

START_TEST(more_prefix_lengths_than_there_are_ranks_or_none_that_is_one_are_refused)
{
	struct dataplane_listener list[SL_PREFIX_LENGTHS + 1];
	struct fixture f;

	make_fixture(&f, 16);
	for (int i = 0; i <= SL_PREFIX_LENGTHS; i++) {
		list[i] = prefix_listener(_i ? "2001:db8::/32" : "203.0.0.0/16", 80, 1);
		list[i].length += i;
	}
	ck_assert_int_eq(build(&f, list, SL_PREFIX_LENGTHS), 0);
	ck_assert_int_eq(build(&f, list, SL_PREFIX_LENGTHS + 1), -E2BIG);
	list[0].length = _i ? 128 : 32;
	ck_assert_int_eq(build(&f, list, 1), -EINVAL);
	list[0] = list[1];
	ck_assert_int_eq(build(&f, list, 2), -EEXIST);
	free_fixture(&f);
}
END_TEST

int main(void)
{
	TCase *tc = unit_cases("dataplane_prefixes");

	tcase_add_loop_test(tc, the_longest_prefix_answers_where_no_address_does, 0, 2);
	tcase_add_loop_test(tc, random_prefixes_are_found_as_by_search, 0, 10);
	tcase_add_loop_test(
		tc, more_prefix_lengths_than_there_are_ranks_or_none_that_is_one_are_refused, 0, 2);
	return unit_run_cases("dataplane_prefixes", tc);
}
