/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses and prefixes: what is read, what is refused, and the canonical text of RFC 5952. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/mem.h"
#include "unit/unit.h"

/* Text as written, and its canonical form; the sections are RFC 5952's. */
static const struct {
	const char *written, *canonical;
} canonical[] = {
	{"192.0.2.1", "192.0.2.1"},
	{"0.0.0.0", "0.0.0.0"},
	{"255.255.255.255", "255.255.255.255"},
	{"::", "::"},
	{"::1", "::1"},
	{"2001:0db8::0001", "2001:db8::1"},		  /* 4.1 leading zeros */
	{"2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},	  /* 4.2.1 as short as possible */
	{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"}, /* 4.2.2 not for a single field */
	{"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  /* 4.2.2 */
	{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},	  /* 4.2.3 the longest run */
	{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},	  /* 4.2.3 the first of equals */
	{"2001:DB8:AAAA:bbbb:CCCC:DDDD:EEEE:1", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1"}, /* 4.3 */
	{"2001:db8::", "2001:db8::"},
	{"::ffff:192.0.2.1", "::ffff:192.0.2.1"}, /* 5 */
	{"::ffff:c000:0201", "::ffff:192.0.2.1"}, /* 5 */
	{"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
};

START_TEST(text_is_read_and_written_as_rfc_5952_says)
{
	char text[ADDR_TEXT_SIZE];
	struct addr addr, again;

	for (size_t i = 0; i < ARRAY_SIZE(canonical); i++) {
		ck_assert_int_eq(addr_parse(canonical[i].written, &addr), 0);
		ck_assert_str_eq(addr_format(&addr, text), canonical[i].canonical);
		ck_assert_int_eq(addr_parse(text, &again), 0);
		ck_assert(addr_equal(&addr, &again));
	}
}
END_TEST

START_TEST(what_is_no_address_is_refused_and_leaves_the_result_alone)
{
	static const char *const bad[] = {
		"",	      "1",	    "1.2.3",	     "1.2.3.4.5",	  "1.2.3.256",
		"1.2.3.4 ",   " 1.2.3.4",   "01.2.3.4",	     "0x1.2.3.4",	  "1.2.3.4/32",
		":",	      ":::",	    "1::2::3",	     "12345::",		  "g::",
		"fe80::1%lo", "[::1]",	    "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "example.com",
		"::1.2.3",    "1.2.3.4:80", "\xff",	     "2001:db8::1 ",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct addr addr = {.family = 42};

		ck_assert_msg(addr_parse(bad[i], &addr) == -EINVAL, "'%s' was read", bad[i]);
		ck_assert_int_eq(addr.family, 42);
	}
}
END_TEST

START_TEST(no_address_is_written_as_none)
{
	struct addr none = {};
	char text[ADDR_TEXT_SIZE];

	ck_assert(addr_is_none(&none));
	ck_assert(addr_is_unusable(&none));
	ck_assert_str_eq(addr_format(&none, text), "none");
}
END_TEST

START_TEST(order_is_by_family_and_then_by_bytes)
{
	static const char *const ordered[] = {"1.0.0.0", "9.255.255.255", "10.0.0.1",	"200.0.0.1",
					      "::",	 "::1",		  "2001:db8::", "ff02::1"};
	struct addr a, b;

	for (size_t i = 0; i < ARRAY_SIZE(ordered); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(ordered); j++) {
			int expected = i < j ? -1 : i > j;
			int got;

			ck_assert_int_eq(addr_parse(ordered[i], &a), 0);
			ck_assert_int_eq(addr_parse(ordered[j], &b), 0);
			got = addr_compare(&a, &b);
			ck_assert_int_eq(got < 0 ? -1 : got > 0, expected);
			ck_assert_int_eq(addr_equal(&a, &b), expected == 0);
		}
	}
}
END_TEST

START_TEST(addresses_that_no_host_can_have_are_unusable)
{
	static const struct {
		const char *text;
		bool unusable;
	} cases[] = {
		{"0.0.0.0", true},
		{"0.1.2.3", true},
		{"127.0.0.1", true},
		{"127.255.255.255", true},
		{"128.0.0.1", false},
		{"223.255.255.255", false},
		{"224.0.0.1", true},
		{"239.255.255.255", true},
		{"255.255.255.255", true},
		{"10.0.0.1", false},
		{"192.0.2.1", false},
		{"::", true},
		{"::1", true},
		{"::2", false},
		{"::ffff:10.0.0.1", true},
		{"fe80::1", true},
		{"febf::1", true},
		{"fec0::1", false},
		{"fd00::1", false},
		{"ff02::1", true},
		{"2001:db8::1", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct addr addr;

		ck_assert_int_eq(addr_parse(cases[i].text, &addr), 0);
		ck_assert_msg(addr_is_unusable(&addr) == cases[i].unusable, "%s", cases[i].text);
	}
}
END_TEST

START_TEST(size_and_address_family_follow_the_family)
{
	struct addr four = {.family = 4}, six = {.family = 6};

	ck_assert_uint_eq(addr_size(4), 4);
	ck_assert_uint_eq(addr_size(6), 16);
	ck_assert_int_eq(addr_af(&four), AF_INET);
	ck_assert_int_eq(addr_af(&six), AF_INET6);
}
END_TEST

START_TEST(prefixes_are_read_written_and_refused_with_the_right_error)
{
	static const struct {
		const char *written;
		int error;
		const char *canonical;
		bool host;
	} cases[] = {
		{"192.0.2.0/24", 0, "192.0.2.0/24", false},
		{"192.0.2.7", 0, "192.0.2.7/32", true},
		{"192.0.2.7/32", 0, "192.0.2.7/32", true},
		{"0.0.0.0/0", 0, "0.0.0.0/0", false},
		{"2001:DB8::/32", 0, "2001:db8::/32", false},
		{"2001:db8::1", 0, "2001:db8::1/128", true},
		{"::/0", 0, "::/0", false},
		{"192.0.2.1/24", -EDOM, NULL, false},
		{"192.0.2.128/24", -EDOM, NULL, false},
		{"10.0.0.1/31", -EDOM, NULL, false},
		{"2001:db8::1/127", -EDOM, NULL, false},
		{"192.0.2.0/33", -EINVAL, NULL, false},
		{"2001:db8::/129", -EINVAL, NULL, false},
		{"192.0.2.0/", -EINVAL, NULL, false},
		{"192.0.2.0/024", -EINVAL, NULL, false},
		{"192.0.2.0/-1", -EINVAL, NULL, false},
		{"192.0.2.0/24/24", -EINVAL, NULL, false},
		{"/24", -EINVAL, NULL, false},
		{"", -EINVAL, NULL, false},
		{"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/1", -EINVAL, NULL, false},
	};
	char text[PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct prefix prefix = {.length = 200};

		ck_assert_msg(prefix_parse(cases[i].written, &prefix) == cases[i].error, "%s",
			      cases[i].written);
		if (cases[i].error) {
			ck_assert_uint_eq(prefix.length, 200);
			continue;
		}
		ck_assert_str_eq(prefix_format(&prefix, text), cases[i].canonical);
		ck_assert_int_eq(prefix_is_host(&prefix), cases[i].host);
	}
}
END_TEST

START_TEST(an_address_is_in_one_prefix_of_each_length)
{
	static const char *const texts[] = {"203.0.113.77", "2001:db8:f:e:d:c:b:a"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct addr addr;

		ck_assert_int_eq(addr_parse(texts[i], &addr), 0);
		for (unsigned int length = 0; length <= 8 * addr_size(addr.family); length++) {
			struct prefix prefix = prefix_of(&addr, length), parsed;
			char text[PREFIX_TEXT_SIZE];

			/* No bits beyond its length, or it would not be read. */
			ck_assert_int_eq(prefix_parse(prefix_format(&prefix, text), &parsed), 0);
			ck_assert_uint_eq(parsed.length, length);
			ck_assert(prefix_contains(&prefix, &addr));
		}
	}
}
END_TEST

START_TEST(a_prefix_contains_its_addresses_and_no_others)
{
	static const struct {
		const char *prefix, *addr;
		bool contains;
	} cases[] = {
		{"192.0.2.0/24", "192.0.2.255", true},
		{"192.0.2.0/24", "192.0.3.0", false},
		{"10.0.0.0/9", "10.127.255.255", true},
		{"10.0.0.0/9", "10.128.0.0", false},
		{"0.0.0.0/0", "203.0.113.9", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::/0", "2001:db8::1", true},
		{"::/0", "192.0.2.1", false},
		{"2001:db8::/33", "2001:db8:7fff::", true},
		{"2001:db8::/33", "2001:db8:8000::", false},
		{"2001:db8::1/128", "2001:db8::1", true},
		{"2001:db8::1/128", "2001:db8::", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct prefix prefix;
		struct addr addr;

		ck_assert_int_eq(prefix_parse(cases[i].prefix, &prefix), 0);
		ck_assert_int_eq(addr_parse(cases[i].addr, &addr), 0);
		ck_assert_msg(prefix_contains(&prefix, &addr) == cases[i].contains, "%s in %s",
			      cases[i].addr, cases[i].prefix);
	}
}
END_TEST

RUN_TESTS("base_addr", text_is_read_and_written_as_rfc_5952_says,
	  what_is_no_address_is_refused_and_leaves_the_result_alone, no_address_is_written_as_none,
	  order_is_by_family_and_then_by_bytes, addresses_that_no_host_can_have_are_unusable,
	  size_and_address_family_follow_the_family,
	  prefixes_are_read_written_and_refused_with_the_right_error,
	  an_address_is_in_one_prefix_of_each_length, a_prefix_contains_its_addresses_and_no_others)
