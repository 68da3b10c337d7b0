/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listener tables: every key is found, no other is, and the table follows from the set of keys alone. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "random.h"
#include "unit/support/listeners.h"
#include "unit/unit.h"

/* `count` listeners of both families: runs of ports on runs of addresses, as configurations have them. */
static struct dataplane_listener *make_listeners(size_t count, bool any_port)
{
	struct dataplane_listener *list = mem_array(count, sizeof(*list));

	for (size_t i = 0; i < count; i++) {
		struct dataplane_listener *l = &list[i];
		size_t n = i / 2, host = n / 8;
		uint32_t address4 = htonl(0xcb007100 + host);
		uint16_t host6 = htons(host);

		l->port = any_port && n % 4 == 3 ? 0 : 80 + n % 4;
		l->protocol = n / 4 % 2 ? IPPROTO_TCP : IPPROTO_UDP;
		l->service = 1 + i % 500;
		l->echo = host % 3 == 1;
		if (i % 2) {
			l->address.family = 6;
			memcpy(l->address.bytes, "\x20\x01\x0d\xb8", 4);
			memcpy(l->address.bytes + (host % 2 ? 6 : 14), &host6, 2);
		} else {
			l->address.family = 4;
			memcpy(l->address.bytes, &address4, 4);
		}
	}
	return list;
}

/* The value of a key by abi.h's words alone, without the code under test. 0: not there. */
static uint16_t find_by_abi(const struct fixture *f, const struct addr *address, uint16_t port,
			    uint8_t protocol, enum sl_listener_kind kind)
{
	uint64_t word = f->control.listeners;
	uint32_t address4;
	__u64 half[2];

	memcpy(&address4, address->bytes, 4);
	memcpy(half, address->bytes, 16);
	if (address->family == 4) {
		uint64_t k = sl_listener_key4(address4, htons(port), protocol, kind);
		const struct sl_listeners4 *b = &f->buckets4[k * (word | 1) >> (word >> 2 & 63)];

		for (int i = 0; i < SL_WAYS4; i++)
			if (b->key[i] == k)
				return b->value[i];
	} else {
		uint8_t p = kind == SL_ADDRESS ? SL_PROTOCOL_ADDRESS : protocol;
		uint64_t k = sl_listener_key6(half, htons(port), p);
		const struct sl_listeners6 *b = &f->buckets6[k * (word | 1) >> (word >> 8 & 63)];

		for (int i = 0; i < SL_WAYS6; i++)
			if (!memcmp(b->address[i], half, 16) && b->port[i] == htons(port) &&
			    b->protocol[i] == p)
				return b->value[i];
	}
	return 0;
}

static bool listed(const struct dataplane_listener *list, size_t count, const struct addr *address,
		   uint16_t port, uint8_t protocol)
{
	for (size_t i = 0; i < count; i++)
		if (!memcmp(&list[i].address, address, sizeof(*address)) &&
		    (list[i].port == port || list[i].port == 0) && list[i].protocol == protocol)
			return true;
	return false;
}

static const size_t sizes[] = {1, 2, 3, 7, 16, 100, 1000, 4096};

START_TEST(every_listener_is_found_as_a_packet_looks_it_up)
{
	size_t count = sizes[_i];
	struct dataplane_listener *list = make_listeners(count, false);
	struct fixture f;

	make_fixture(&f, count);
	ck_assert_int_eq(build(&f, list, count), 0);
	ck_assert_uint_eq(f.control.listeners & SL_LISTENERS_ANY_PORT, 0);
	for (size_t i = 0; i < count; i++) {
		const struct dataplane_listener *l = &list[i];

		ck_assert_uint_eq(find_by_abi(&f, &l->address, l->port, l->protocol, SL_LISTENER),
				  l->service);
		ck_assert_uint_eq(
			dataplane_find_listener(&f.view, &l->address, l->port, l->protocol),
			l->service);
	}
	free_fixture(&f);
	free(list);
}
END_TEST

START_TEST(as_many_listeners_of_one_family_as_the_limit_says_fit)
{
	size_t count = sizes[_i / 2];
	uint8_t family = _i % 2 ? 4 : 6;
	struct dataplane_listener *list = mem_array(count, sizeof(*list));
	struct fixture f;

	make_fixture(&f, count);
	for (size_t i = 0; i < count; i++) {
		uint64_t half = random_next();

		list[i] = (struct dataplane_listener){.address.family = family,
						      .port = 443,
						      .protocol = IPPROTO_TCP,
						      .service = 1};
		memcpy(list[i].address.bytes, &half, family == 4 ? 4 : 8);
	}
	ck_assert_int_eq(build(&f, list, count), 0);
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_eq(
			dataplane_find_listener(&f.view, &list[i].address, 443, IPPROTO_TCP), 1);
	free_fixture(&f);
	free(list);
}
END_TEST

START_TEST(every_address_has_one_mark_with_its_protocols_and_whether_any_listener_allows_echo)
{
	size_t count = sizes[_i];
	struct dataplane_listener *list = make_listeners(count, false);
	struct fixture f;

	make_fixture(&f, count);
	for (size_t i = 0; i < count; i++)
		list[i].echo = i % 5 == 1;
	ck_assert_int_eq(build(&f, list, count), 0);
	ck_assert_int_eq((f.control.listeners & SL_LISTENERS_ECHO) != 0, count > 1);
	for (size_t i = 0; i < count; i++) {
		unsigned int mask = 0;

		for (size_t j = 0; j < count; j++)
			if (!memcmp(&list[i].address, &list[j].address, sizeof(struct addr)))
				mask |= (list[j].protocol == IPPROTO_TCP ? SL_HAS_TCP
									 : SL_HAS_UDP) |
					(list[j].echo ? SL_HAS_ECHO : 0);
		ck_assert_uint_eq(find_by_abi(&f, &list[i].address, 0, 0, SL_ADDRESS), mask);
		/* A mark is no listener. */
		ck_assert_uint_eq(dataplane_find_listener(&f.view, &list[i].address, 0, 0), 0);
		ck_assert_uint_eq(
			dataplane_find_listener(&f.view, &list[i].address, 0, SL_PROTOCOL_ADDRESS),
			0);
	}
	free_fixture(&f);
	free(list);
}
END_TEST

START_TEST(any_port_answers_where_no_port_does)
{
	struct dataplane_listener list[] = {
		{.port = 0, .protocol = IPPROTO_TCP, .service = 1},
		{.port = 443, .protocol = IPPROTO_TCP, .service = 2},
	};
	const char *address = _i ? "2001:db8::1" : "203.0.113.1";
	struct fixture f;

	make_fixture(&f, 16);
	ck_assert_int_eq(addr_parse(address, &list[0].address), 0);
	list[1].address = list[0].address;
	ck_assert_int_eq(build(&f, list, 2), 0);
	ck_assert_uint_ne(f.control.listeners & SL_LISTENERS_ANY_PORT, 0);
	ck_assert_uint_eq(dataplane_find_listener(&f.view, &list[0].address, 443, IPPROTO_TCP), 2);
	ck_assert_uint_eq(dataplane_find_listener(&f.view, &list[0].address, 80, IPPROTO_TCP), 1);
	ck_assert_uint_eq(dataplane_find_listener(&f.view, &list[0].address, 80, IPPROTO_UDP), 0);
	free_fixture(&f);
}
END_TEST

START_TEST(no_other_key_is_found)
{
	size_t count = sizes[_i];
	struct dataplane_listener *list = make_listeners(count, true);
	struct fixture f;

	make_fixture(&f, count);
	ck_assert_int_eq(build(&f, list, count), 0);
	for (int n = 0; n < 2000; n++) {
		struct addr address = list[random_next() % count].address;
		uint16_t port = random_next() % 100;
		uint8_t protocol = random_next() % 2 ? IPPROTO_TCP : IPPROTO_UDP;

		/* Near misses: every second address differs by one bit. */
		if (n % 2)
			address.bytes[random_next() % addr_size(address.family)] ^=
				1 << random_next() % 8;
		ck_assert_int_eq(dataplane_find_listener(&f.view, &address, port, protocol) != 0,
				 listed(list, count, &address, port, protocol));
	}
	free_fixture(&f);
	free(list);
}
END_TEST

START_TEST(the_table_does_not_follow_from_the_order_of_the_input)
{
	size_t count = sizes[_i];
	struct dataplane_listener *list = make_listeners(count, true);
	struct fixture a, b;
	struct sl_limits *limits = &a.view.limits;

	make_fixture(&a, count);
	make_fixture(&b, count);
	ck_assert_int_eq(build(&a, list, count), 0);
	for (size_t i = count; i > 1; i--) {
		size_t j = random_next() % i;
		struct dataplane_listener swap = list[i - 1];

		list[i - 1] = list[j];
		list[j] = swap;
	}
	ck_assert_int_eq(build(&b, list, count), 0);
	ck_assert_mem_eq(&a.control, &b.control, sizeof(a.control));
	ck_assert_mem_eq(a.buckets4, b.buckets4,
			 sl_listener_buckets4(limits) * sizeof(*a.buckets4));
	ck_assert_mem_eq(a.buckets6, b.buckets6,
			 sl_listener_buckets6(limits) * sizeof(*a.buckets6));
	free_fixture(&a);
	free_fixture(&b);
	free(list);
}
END_TEST

static int compare_listeners(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct dataplane_listener));
}

START_TEST(what_was_put_in_force_can_be_listed)
{
	size_t count = sizes[_i];
	struct dataplane_listener *list = make_listeners(count, true);
	struct dataplane_listener *read = mem_array(count, sizeof(*read));
	struct fixture f;

	make_fixture(&f, count);
	ck_assert_int_eq(build(&f, list, count), 0);
	ck_assert_uint_eq(dataplane_listeners(&f.view, NULL, 0), count);
	ck_assert_uint_eq(dataplane_listeners(&f.view, read, count), count);
	qsort(list, count, sizeof(*list), compare_listeners);
	qsort(read, count, sizeof(*read), compare_listeners);
	ck_assert_mem_eq(list, read, count * sizeof(*list));
	free_fixture(&f);
	free(list);
	free(read);
}
END_TEST

/* One of an address allows echo: so do all, once they are read. Built of that, the table is the same. */
START_TEST(echo_is_read_back_as_the_address_has_it)
{
	static const char *const texts[] = {"203.0.113.1", "2001:db8::1", "203.0.113.0/25",
					    "2001:db8::/65"};
	struct dataplane_listener list[3 * ARRAY_SIZE(texts)] = {}, read[ARRAY_SIZE(list)];
	struct fixture f;
	uint64_t word;

	make_fixture(&f, ARRAY_SIZE(list));
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		struct prefix prefix;

		ck_assert_int_eq(prefix_parse(texts[i / 3], &prefix), 0);
		list[i].address = prefix.addr;
		list[i].length = prefix_is_host(&prefix) ? 0 : prefix.length;
		list[i].port = 80 + i % 3;
		list[i].protocol = IPPROTO_TCP;
		list[i].service = 1;
		list[i].echo = (int)i == 3 * _i + 1;
	}
	ck_assert_int_eq(build(&f, list, ARRAY_SIZE(list)), 0);
	ck_assert_uint_eq(dataplane_listeners(&f.view, read, ARRAY_SIZE(read)), ARRAY_SIZE(read));
	for (size_t i = 0; i < ARRAY_SIZE(read); i++)
		ck_assert_int_eq(read[i].echo,
				 addr_equal(&read[i].address, &list[3 * _i].address) &&
					 read[i].length == list[3 * _i].length);
	word = f.control.listeners;
	ck_assert_int_eq(build(&f, read, ARRAY_SIZE(read)), 0);
	ck_assert_uint_eq(f.control.listeners, word);
	free_fixture(&f);
}
END_TEST

START_TEST(a_small_table_stays_small)
{
	struct dataplane_listener *list = make_listeners(6, false);
	struct fixture f;

	make_fixture(&f, 4096);
	ck_assert_int_eq(build(&f, list, 6), 0);
	ck_assert_uint_ge(sl_listeners_shift4(f.control.listeners), 64 - 5);
	ck_assert_uint_ge(sl_listeners_shift6(f.control.listeners), 64 - 6);
	free_fixture(&f);
	free(list);
}
END_TEST

START_TEST(nothing_listens_in_an_empty_table)
{
	struct addr v4, v6;
	struct fixture f;

	make_fixture(&f, 16);
	addr_parse("203.0.113.1", &v4);
	addr_parse("2001:db8::1", &v6);
	for (int built = 0; built < 2; built++) {
		ck_assert_uint_eq(dataplane_find_listener(&f.view, &v4, 80, IPPROTO_TCP), 0);
		ck_assert_uint_eq(dataplane_find_listener(&f.view, &v6, 80, IPPROTO_TCP), 0);
		ck_assert_uint_eq(dataplane_listeners(&f.view, NULL, 0), 0);
		ck_assert_int_eq(build(&f, NULL, 0), 0);
	}
	free_fixture(&f);
}
END_TEST

START_TEST(too_many_keys_for_the_largest_table_are_refused_and_out_is_untouched)
{
	struct dataplane_listener *list = make_listeners(64, false);
	struct sl_listeners4 buckets4[2];
	struct sl_listeners6 buckets6[2];
	uint64_t out = 7;

	ck_assert_int_eq(listeners_build(list, 64, buckets4, 2, buckets6, 2, &out), -ENOSPC);
	ck_assert_int_eq(listeners_build(list, 1, buckets4, 0, buckets6, 2, &out), -ENOSPC);
	ck_assert_uint_eq(out, 7);
	free(list);
}
END_TEST

START_TEST(a_listener_claimed_twice_or_of_no_service_is_refused)
{
	struct dataplane_listener *list = make_listeners(4, false);
	struct fixture f;

	make_fixture(&f, 16);
	list[3] = list[0];
	list[3].service = 77;
	ck_assert_int_eq(build(&f, list, 4), -EEXIST);
	list[3] = list[1];
	ck_assert_int_eq(build(&f, list, 4), -EEXIST);
	list[3].port = 9;
	list[3].service = 0;
	ck_assert_int_eq(build(&f, list, 4), -EINVAL);
	list[3].service = 1;
	list[3].protocol = IPPROTO_ICMP;
	ck_assert_int_eq(build(&f, list, 4), -EINVAL);
	list[3].protocol = IPPROTO_UDP;
	list[3].address.family = 0;
	ck_assert_int_eq(build(&f, list, 4), -EINVAL);
	free_fixture(&f);
	free(list);
}
END_TEST

/* The arrays end where the maps do, for the sanitizer to see. */
START_TEST(a_damaged_word_leads_nowhere_outside_the_maps)
{
	struct dataplane_listener *list = make_listeners(16, false);
	struct fixture f;

	make_fixture(&f, 16);
	f.buckets4 = mem_resize(f.buckets4, 2 * sl_listener_buckets4(&f.view.limits),
				sizeof(*f.buckets4));
	f.buckets6 = mem_resize(f.buckets6, 2 * sl_listener_buckets6(&f.view.limits),
				sizeof(*f.buckets6));
	memset(f.buckets4, 0x5a, 2 * sl_listener_buckets4(&f.view.limits) * sizeof(*f.buckets4));
	memset(f.buckets6, 0x5a, 2 * sl_listener_buckets6(&f.view.limits) * sizeof(*f.buckets6));
	f.view.listeners4 = f.buckets4;
	f.view.listeners6 = f.buckets6;
	for (unsigned int i = 0; i < 2000; i++) {
		/* Every pair of shifts, in either half, and noise. */
		f.control.listeners = i < 1000 ? random_next()
					       : random_next() << 14 | i % 64 << 8 |
							 (i / 64 + i) % 64 << 2 | i % 4;
		for (size_t k = 0; k < 16; k++)
			dataplane_find_listener(&f.view, &list[k].address, list[k].port,
						list[k].protocol);
		ck_assert_uint_le(dataplane_listeners(&f.view, NULL, 0),
				  SL_WAYS4 * sl_listener_buckets4(&f.view.limits) +
					  SL_WAYS6 * sl_listener_buckets6(&f.view.limits));
	}
	free_fixture(&f);
	free(list);
}
END_TEST

int main(void)
{
	TCase *tc = unit_cases("dataplane_listeners");

	tcase_add_loop_test(tc, every_listener_is_found_as_a_packet_looks_it_up, 0,
			    ARRAY_SIZE(sizes));
	tcase_add_loop_test(tc, as_many_listeners_of_one_family_as_the_limit_says_fit, 0,
			    2 * ARRAY_SIZE(sizes));
	tcase_add_loop_test(
		tc,
		every_address_has_one_mark_with_its_protocols_and_whether_any_listener_allows_echo,
		0, ARRAY_SIZE(sizes));
	tcase_add_loop_test(tc, any_port_answers_where_no_port_does, 0, 2);
	tcase_add_loop_test(tc, no_other_key_is_found, 0, ARRAY_SIZE(sizes));
	tcase_add_loop_test(tc, the_table_does_not_follow_from_the_order_of_the_input, 0,
			    ARRAY_SIZE(sizes));
	tcase_add_loop_test(tc, what_was_put_in_force_can_be_listed, 0, ARRAY_SIZE(sizes));
	tcase_add_loop_test(tc, echo_is_read_back_as_the_address_has_it, 0, 4);
	tcase_add_test(tc, a_small_table_stays_small);
	tcase_add_test(tc, nothing_listens_in_an_empty_table);
	tcase_add_test(tc, too_many_keys_for_the_largest_table_are_refused_and_out_is_untouched);
	tcase_add_test(tc, a_listener_claimed_twice_or_of_no_service_is_refused);
	tcase_add_test(tc, a_damaged_word_leads_nowhere_outside_the_maps);
	return unit_run_cases("dataplane_listeners", tc);
}
