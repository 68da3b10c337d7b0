/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of VLANs that the balancer is loaded with: each interface in a row of its own, and two tables in one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dataplane/dataplane.h"
#include "unit/unit.h"

static struct sl_vlans *new_table(void)
{
	struct sl_vlans *vlans = mem_alloc(sizeof(*vlans));

	memset(vlans, 0, sizeof(*vlans));
	return vlans;
}

static int add(struct sl_vlans *vlans, uint32_t ifindex, unsigned int vlan)
{
	uint64_t listens[64] = {0};

	listens[vlan / 64] |= UINT64_C(1) << vlan % 64;
	return vlans_add(vlans, ifindex, listens);
}

/* As packets look. */
static bool listens(const struct sl_vlans *vlans, uint32_t ifindex, unsigned int vlan)
{
	uint32_t row = sl_vlans_row(vlans->factor, ifindex);

	return vlans->row[row].ifindex == ifindex &&
	       vlans->row[row].listens[vlan / 64] >> vlan % 64 & 1;
}

/* The i-th of as many indices as may be configured, in no order that a factor would like. */
static uint32_t ifindex_of(uint32_t i, uint32_t from)
{
	return from + i * i * 7919 % 100003;
}

START_TEST(as_many_interfaces_as_may_be_configured_are_found)
{
	struct sl_vlans *vlans = new_table();

	for (uint32_t i = 0; i < SL_VLAN_INTERFACES; i++)
		ck_assert_int_eq(add(vlans, ifindex_of(i, 2), 64 * i), 0);
	for (uint32_t i = 0; i < SL_VLAN_INTERFACES; i++)
		for (uint32_t k = 0; k < SL_VLAN_INTERFACES; k++)
			ck_assert(listens(vlans, ifindex_of(i, 2), 64 * k) == (i == k));
	ck_assert(!listens(vlans, 1, 0));
	free(vlans);
}
END_TEST

START_TEST(the_order_of_input_does_not_matter)
{
	struct sl_vlans *up = new_table(), *down = new_table();

	for (uint32_t i = 0; i < 40; i++) {
		ck_assert_int_eq(add(up, ifindex_of(i, 2), i), 0);
		ck_assert_int_eq(add(down, ifindex_of(39 - i, 2), 39 - i), 0);
	}
	ck_assert_mem_eq(up, down, sizeof(*up));
	free(up);
	free(down);
}
END_TEST

START_TEST(two_tables_in_one_listen_where_either_does)
{
	struct sl_vlans *a = new_table(), *b = new_table();

	ck_assert_int_eq(add(a, 2, 7) | add(a, 3, SL_VLAN_UNTAGGED), 0);
	ck_assert_int_eq(add(b, 2, SL_VLAN_MAX) | add(b, 9, 1), 0);
	ck_assert_int_eq(vlans_add_all(a, b), 0);
	ck_assert(listens(a, 2, 7) && listens(a, 2, SL_VLAN_MAX) && listens(a, 3, 0));
	ck_assert(listens(a, 9, 1) && !listens(a, 9, 7) && !listens(a, 3, 1));
	free(a);
	free(b);
}
END_TEST

START_TEST(what_has_no_room_is_refused_and_changes_nothing)
{
	struct sl_vlans *vlans = new_table(), *before = new_table();
	int err = 0;

	for (uint32_t i = 0; !err && i < SL_VLAN_ROWS; i++) {
		*before = *vlans;
		err = add(vlans, ifindex_of(i, 3), 1);
	}
	ck_assert_int_eq(err, -E2BIG);
	ck_assert_mem_eq(vlans, before, sizeof(*vlans));
	free(vlans);
	free(before);
}
END_TEST

RUN_TESTS("dataplane_vlans", as_many_interfaces_as_may_be_configured_are_found,
	  the_order_of_input_does_not_matter, two_tables_in_one_listen_where_either_does,
	  what_has_no_room_is_refused_and_changes_nothing)
