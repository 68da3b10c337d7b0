/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fill of maglev.h, in time and memory that follow the number of slots alone, however uneven
 * the weights are: the turns of all members are laid out first, by a counting sort over rounds (a
 * member of quota q has its k-th turn in round ceil(k * R / q)), then played. Whether a slot is
 * taken is asked of a bitmap, which stays in the first-level cache where the table itself would
 * not.
 */
#include <endian.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/abi.h>

#include "base/mem.h"
#include "core/maglev.h"

/* A member's walk through the slots. */
struct walk {
	uint32_t next, skip;
	uint32_t quota;
};

struct share {
	uint64_t remainder;
	uint32_t member;
};

static bool is_prime(uint32_t n)
{
	if (n < 2 || (n % 2 == 0 && n != 2))
		return false;
	for (uint32_t d = 3; (uint64_t)d * d <= n; d += 2)
		if (n % d == 0)
			return false;
	return true;
}

static bool are_valid(const struct maglev_member *members, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (members[i].weight > MAGLEV_WEIGHT_MAX ||
		    (i && addr_compare(&members[i - 1].address, &members[i].address) >= 0))
			return false;
	return count <= SL_BACKEND_MAX;
}

static void start_walk(struct walk *walk, const uint8_t *key, const char *service,
		       const struct addr *address, uint32_t size)
{
	crypto_generichash_state state;
	uint64_t digest[2];

	crypto_generichash_init(&state, key, MAGLEV_KEY_SIZE, sizeof(digest));
	crypto_generichash_update(&state, (const uint8_t *)service, strlen(service) + 1);
	crypto_generichash_update(&state, &address->family, 1);
	crypto_generichash_update(&state, address->bytes, addr_size(address->family));
	crypto_generichash_final(&state, (uint8_t *)digest, sizeof(digest));
	walk->next = le64toh(digest[0]) % size;
	walk->skip = le64toh(digest[1]) % (size - 1) + 1;
}

/* The largest remainder first; equal remainders: the lower identity first. */
static int compare_shares(const void *left, const void *right)
{
	const struct share *a = left, *b = right;

	if (a->remainder != b->remainder)
		return a->remainder > b->remainder ? -1 : 1;
	return a->member < b->member ? -1 : a->member > b->member;
}

/* Gives each member its quota; returns the largest. `sum` is that of all weights, not zero. */
static uint32_t set_quotas(struct walk *walks, const struct maglev_member *members, size_t count,
			   uint32_t size, uint64_t sum)
{
	struct share *shares = mem_array(count, sizeof(*shares));
	uint32_t left = size, largest = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t product = (uint64_t)size * members[i].weight;

		walks[i].quota = product / sum;
		left -= walks[i].quota;
		shares[i] = (struct share){product % sum, i};
	}
	qsort(shares, count, sizeof(*shares), compare_shares);
	for (size_t i = 0; left; i++, left--)
		walks[shares[i].member].quota++;
	free(shares);
	for (size_t i = 0; i < count; i++)
		if (walks[i].quota > largest)
			largest = walks[i].quota;
	return largest;
}

/*
 * Enumerates the rounds, from 0, in which a member of this quota has a turn: ceil(k * rounds /
 * quota) - 1.
 */
struct turn {
	uint32_t step, extra, quota;
	uint32_t round, rest; /* round * quota + rest == k * rounds, 0 <= rest < quota */
};

static struct turn first_turn(uint32_t quota, uint32_t rounds)
{
	return (struct turn){.step = rounds / quota, .extra = rounds % quota, .quota = quota};
}

static uint32_t next_turn(struct turn *turn)
{
	turn->round += turn->step;
	turn->rest += turn->extra;
	if (turn->rest >= turn->quota) {
		turn->rest -= turn->quota;
		turn->round++;
	}
	return turn->round + (turn->rest != 0) - 1;
}

/*
 * Writes whose turn it is into turns[0..size). Members are visited in the order of identity and a
 * counting sort is stable, so that within a round they keep that order.
 */
static void order_turns(const struct walk *walks, size_t count, uint32_t rounds, uint16_t *turns)
{
	uint32_t *start = mem_array(rounds + 1, sizeof(*start));

	for (size_t i = 0; i < count; i++) {
		struct turn turn = first_turn(walks[i].quota ? walks[i].quota : 1, rounds);

		for (uint32_t k = 0; k < walks[i].quota; k++)
			start[next_turn(&turn) + 1]++;
	}
	for (uint32_t round = 0; round < rounds; round++)
		start[round + 1] += start[round];
	for (size_t i = 0; i < count; i++) {
		struct turn turn = first_turn(walks[i].quota ? walks[i].quota : 1, rounds);

		for (uint32_t k = 0; k < walks[i].quota; k++)
			turns[start[next_turn(&turn)]++] = i;
	}
	free(start);
}

static void play(struct walk *walks, const uint16_t *turns, uint32_t size, uint16_t *table)
{
	uint64_t *taken = mem_array(size / 64 + 1, sizeof(*taken));

	for (uint32_t i = 0; i < size; i++) {
		struct walk *walk = &walks[turns[i]];
		uint32_t slot = walk->next, skip = walk->skip;

		while (taken[slot / 64] >> slot % 64 & 1) {
			slot += skip;
			slot -= slot >= size ? size : 0;
		}
		taken[slot / 64] |= UINT64_C(1) << slot % 64;
		table[slot] = turns[i];
		slot += skip;
		walk->next = slot - (slot >= size ? size : 0);
	}
	free(taken);
}

int maglev_build(const uint8_t key[MAGLEV_KEY_SIZE], const char *service,
		 const struct maglev_member *members, size_t count, uint32_t size, uint16_t *table)
{
	struct walk *walks;
	uint16_t *turns;
	uint32_t rounds;
	uint64_t sum = 0;

	if (size < 3 || size > SL_SLOTS_MAX || !is_prime(size) || !are_valid(members, count))
		return -EINVAL;
	for (size_t i = 0; i < count; i++)
		sum += members[i].weight;
	if (!sum) {
		memset(table, 0xff, size * sizeof(*table)); /* MAGLEV_NONE */
		return 0;
	}
	walks = mem_array(count, sizeof(*walks));
	turns = mem_array(size, sizeof(*turns));
	rounds = set_quotas(walks, members, count, size, sum);
	for (size_t i = 0; i < count; i++)
		if (walks[i].quota)
			start_walk(&walks[i], key, service, &members[i].address, size);
	order_turns(walks, count, rounds, turns);
	play(walks, turns, size, table);
	free(turns);
	free(walks);
	return 0;
}
