/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of VLANs that the program is loaded with (abi.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dataplane/dataplane.h"

/* 64 interfaces find a factor within some thousands of tries. */
#define TRIES 200000

struct row {
	uint32_t ifindex;
	uint64_t listens[64];
};

static size_t take_rows(const struct sl_vlans *vlans, struct row *out)
{
	size_t count = 0;

	for (int i = 0; i < SL_VLAN_ROWS; i++) {
		if (!vlans->row[i].ifindex)
			continue;
		out[count].ifindex = vlans->row[i].ifindex;
		memcpy(out[count++].listens, vlans->row[i].listens, sizeof(out->listens));
	}
	return count;
}

static bool is_perfect(uint32_t factor, const struct row *rows, size_t count)
{
	bool taken[SL_VLAN_ROWS] = {false};

	for (size_t i = 0; i < count; i++) {
		bool *place = &taken[sl_vlans_row(factor, rows[i].ifindex)];

		if (*place)
			return false;
		*place = true;
	}
	return true;
}

/* The same for the same interfaces; 0: none was found. */
static uint32_t find_factor(const struct row *rows, size_t count)
{
	uint32_t factor = 0x9e3779b1;

	for (int i = 0; i < TRIES; i++) {
		if (is_perfect(factor, rows, count))
			return factor;
		factor = factor * 1664525 + 1013904223;
		factor |= 1;
	}
	return 0;
}

static int by_ifindex(const void *left, const void *right)
{
	uint32_t a = ((const struct row *)left)->ifindex, b = ((const struct row *)right)->ifindex;

	return (a > b) - (a < b);
}

static int put_rows(struct sl_vlans *vlans, struct row *rows, size_t count)
{
	uint32_t factor;

	qsort(rows, count, sizeof(*rows), by_ifindex);
	factor = find_factor(rows, count);
	if (!factor)
		return -E2BIG;
	memset(vlans, 0, sizeof(*vlans));
	vlans->factor = factor;
	for (size_t i = 0; i < count; i++) {
		uint32_t place = sl_vlans_row(factor, rows[i].ifindex);

		vlans->row[place].ifindex = rows[i].ifindex;
		memcpy(vlans->row[place].listens, rows[i].listens, sizeof(rows[i].listens));
	}
	return 0;
}

int vlans_add(struct sl_vlans *vlans, uint32_t ifindex, const uint64_t listens[64])
{
	struct row *rows = mem_array(SL_VLAN_ROWS + 1, sizeof(*rows));
	size_t count = take_rows(vlans, rows), at = 0;
	int err;

	while (at < count && rows[at].ifindex != ifindex)
		at++;
	count += at == count;
	rows[at].ifindex = ifindex;
	for (int i = 0; i < 64; i++)
		rows[at].listens[i] |= listens[i];
	err = put_rows(vlans, rows, count);
	free(rows);
	return err;
}

int vlans_add_all(struct sl_vlans *vlans, const struct sl_vlans *more)
{
	int err = 0;

	for (int i = 0; !err && i < SL_VLAN_ROWS; i++)
		if (more->row[i].ifindex)
			err = vlans_add(vlans, more->row[i].ifindex,
					(const uint64_t *)more->row[i].listens);
	return err;
}
