/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between two sets of probes, as orders: carried out on the first they give the second. */
#include <stdlib.h>
#include <string.h>

#include "agent/probeset.h"
#include "base/mem.h"
#include "unit/unit.h"

#define IDS 2000

/* A prober that does what it is told: the port of each probe, 0: it does not run. */
static struct {
	uint64_t ports[IDS];
	size_t orders, removed, set, largest;
} prober;

static void carry_out(void *arg, const struct wire_order *order)
{
	size_t size = order->remove.count + order->set.count;

	(void)arg;
	prober.orders++;
	if (size > prober.largest)
		prober.largest = size;
	ck_assert_uint_gt(size, 0);
	ck_assert_uint_eq(order->check.count + order->alerts.count + order->ping, 0);
	for (size_t i = 0; i < order->remove.count; i++, prober.removed++) {
		ck_assert_uint_ne(prober.ports[order->remove.list[i]], 0);
		prober.ports[order->remove.list[i]] = 0;
	}
	for (size_t i = 0; i < order->set.count; i++, prober.set++)
		prober.ports[order->set.list[i].id] = order->set.list[i].port;
}

/* A set by the ports of ids 0, 1, 2 ...; 0: not in it. Its list is not in order. */
static struct probeset set_of(const uint64_t *ports, size_t count)
{
	struct arena *arena = arena_new();
	struct wire_probe *list = arena_alloc(arena, count * sizeof(*list));
	size_t used = 0;

	for (size_t i = count; i-- > 0;)
		if (ports[i])
			list[used++] = (struct wire_probe){
				.id = i,
				.port = ports[i],
				.kind = arena_string(arena, "tcp"),
				.address = arena_string(arena, "10.0.1.11"),
			};
	return probeset_make(arena, list, used);
}

/* Leads the prober from one set to the next. */
static void follow(struct probeset *from, const uint64_t *ports, size_t count)
{
	struct probeset to = set_of(ports, count);

	memset((char *)&prober + sizeof(prober.ports), 0, sizeof(prober) - sizeof(prober.ports));
	probeset_orders(from, &to, carry_out, NULL);
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_eq(prober.ports[i], ports[i]);
	probeset_free(from);
	*from = to;
}

START_TEST(what_is_new_is_set_what_is_gone_is_removed_and_the_rest_is_left)
{
	struct probeset set = {};

	follow(&set, (uint64_t[]){0, 80, 81, 0, 82}, 5);
	ck_assert_uint_eq(prober.set, 3);
	follow(&set, (uint64_t[]){79, 80, 0, 0, 99}, 5);
	ck_assert_uint_eq(prober.set, 2);
	ck_assert_uint_eq(prober.removed, 1);
	ck_assert_uint_eq(prober.orders, 1);
	follow(&set, (uint64_t[]){0, 0, 0, 0, 0}, 5);
	ck_assert_uint_eq(prober.removed, 3);
	probeset_free(&set);
}
END_TEST

START_TEST(nothing_that_differs_is_no_order)
{
	struct probeset set = {};

	follow(&set, (uint64_t[]){0, 0}, 2);
	ck_assert_uint_eq(prober.orders, 0);
	follow(&set, (uint64_t[]){7, 8}, 2);
	follow(&set, (uint64_t[]){7, 8}, 2);
	ck_assert_uint_eq(prober.orders, 0);
	probeset_free(&set);
}
END_TEST

START_TEST(any_field_makes_a_difference)
{
	struct probeset from, to;
	struct arena *arena;
	struct wire_probe *list;

	for (int i = 0; i < 4; i++) {
		from = set_of((uint64_t[]){0, 80}, 2);
		arena = arena_new();
		list = arena_alloc(arena, sizeof(*list));
		*list = from.list[0];
		switch (i) {
		case 0:
			list->verify = true;
			break;
		case 1:
			list->path = arena_string(arena, "/");
			break;
		case 2:
			list->address = arena_string(arena, "10.0.1.12");
			break;
		}
		to = probeset_make(arena, list, 1);
		memset(&prober, 0, sizeof(prober));
		probeset_orders(&from, &to, carry_out, NULL);
		ck_assert_uint_eq(prober.set, i < 3);
		probeset_free(&to);
		probeset_free(&from);
	}
}
END_TEST

START_TEST(no_order_is_larger_than_it_may_be)
{
	uint64_t ports[IDS];
	struct probeset set = {};

	for (size_t i = 0; i < IDS; i++)
		ports[i] = i + 1;
	follow(&set, ports, IDS);
	ck_assert_uint_eq(prober.set, IDS);
	ck_assert_uint_eq(prober.largest, WIRE_ORDER_PROBES);
	ck_assert_uint_eq(prober.orders, (IDS + WIRE_ORDER_PROBES - 1) / WIRE_ORDER_PROBES);
	ck_assert_uint_eq(probeset_find(&set, 700)->port, 701);
	ck_assert_ptr_null(probeset_find(&set, IDS));
	probeset_free(&set);
	ck_assert_ptr_null(probeset_find(&set, 700));
}
END_TEST

START_TEST(changes_at_random_lead_where_they_should)
{
	uint64_t ports[IDS] = {};
	struct probeset set = {};
	unsigned int state = 1;

	for (int round = 0; round < 100; round++) {
		for (size_t i = 0; i < IDS; i++)
			if (rand_r(&state) % 4 == 0)
				ports[i] = rand_r(&state) % 3;
		follow(&set, ports, IDS);
		ck_assert_uint_le(prober.largest, WIRE_ORDER_PROBES);
	}
	probeset_free(&set);
}
END_TEST

RUN_TESTS("agent_probeset", what_is_new_is_set_what_is_gone_is_removed_and_the_rest_is_left,
	  nothing_that_differs_is_no_order, any_field_makes_a_difference,
	  no_order_is_larger_than_it_may_be, changes_at_random_lead_where_they_should)
