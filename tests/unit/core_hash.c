/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flow hash: goldens computed independently (Python's big integers, from the formula at the
 * head of hash.h, with the keys of core_key.c), and whether structured flows spread as random ones
 * would.
 */
#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include <sluice/hash.h>

#include "base/addr.h"
#include "base/mem.h"
#include "random.h"
#include "unit/support/fixed_key.h"
#include "unit/unit.h"

#define MILLION 1000000

static struct key key;

struct flow {
	const char *source, *destination;
	uint16_t source_port, destination_port;
	uint8_t protocol;
};

static uint64_t hash_flow(const struct flow *flow)
{
	uint16_t ports[2] = {htons(flow->source_port), htons(flow->destination_port)};
	struct addr source, destination;
	uint32_t from[4], to[4], both;

	ck_assert_int_eq(addr_parse(flow->source, &source), 0);
	ck_assert_int_eq(addr_parse(flow->destination, &destination), 0);
	memcpy(&both, ports, sizeof(both));
	memcpy(from, source.bytes, sizeof(from));
	memcpy(to, destination.bytes, sizeof(to));
	return source.family == 4 ? sl_hash4(&key.hash, from[0], to[0], both, flow->protocol)
				  : sl_hash6(&key.hash, from, to, both, flow->protocol);
}

#define ALL_ONES "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

START_TEST(hashes_are_the_golden_ones)
{
	static const struct {
		struct flow flow;
		uint64_t hash;
	} cases[] = {
		{{"192.0.2.1", "203.0.113.10", 1024, 443, 6}, 0x8300b5eb2114e0ce},
		{{"255.255.255.255", "255.255.255.255", 65535, 65535, 17}, 0x1bdbd0137e21398e},
		{{"0.0.0.0", "0.0.0.0", 0, 0, 6}, 0x7e2cc29479632f28},
		{{"10.1.2.3", "198.51.100.7", 53124, 80, 6}, 0xd3edd4a60bad883c},
		{{"2001:db8::1", "2001:db8:ffff::10", 1024, 443, 6}, 0x649742e18c992f17},
		{{ALL_ONES, ALL_ONES, 65535, 65535, 17}, 0x9fa6b3162e16b88a},
		{{"::", "::", 0, 0, 6}, 0xf2fb681c0c924cf8},
		{{"2001:db8:1:2:3:4:5:6", "2001:db8::7", 53124, 53, 17}, 0x643a1c1b0206e0b1},
	};

	key = fixed_key();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_uint_eq(hash_flow(&cases[i].flow), cases[i].hash);
}
END_TEST

START_TEST(a_slot_is_the_upper_half_times_the_slots)
{
	ck_assert_uint_eq(sl_hash_slot(0, 16381), 0);
	ck_assert_uint_eq(sl_hash_slot(UINT64_MAX, 16381), 16380);
	ck_assert_uint_eq(sl_hash_slot(UINT64_C(1) << 63, 16381), 8190);
	ck_assert_uint_eq(sl_hash_slot(0xffffffff, 655373), 0);
}
END_TEST

/*
 * The n-th of a million flows as real life has them: runs of ports, of neighbouring addresses, of
 * both, and of addresses that differ in their upper bytes; IPv4 and IPv6. Words are as loaded from
 * the packet.
 */
static const char *const patterns[] = {"ports", "both ports", "hosts", "nets", "hosts x ports"};

static uint64_t structured(unsigned int pattern, int family, uint32_t n)
{
	uint16_t sport = 1024, dport = 443;
	uint32_t host = 1, ports, from[4] = {}, to[4] = {};

	switch (pattern) {
	case 0: /* 50 hosts x 20,000 source ports */
		sport += n % 20000;
		host += n / 20000;
		break;
	case 1:
		sport += n % 1000;
		dport += n / 1000;
		break;
	case 2:
		host += n;
		break;
	case 3:
		host += n << 12;
		break;
	default:
		host += n / 1000;
		sport += n % 1000 * 2; /* as Linux chooses them: even ones only */
	}
	ports = htons(sport) | (uint32_t)htons(dport) << 16;
	if (family == 4)
		return sl_hash4(&key.hash, htonl(0x0a000000 + host), htonl(0xcb00710a), ports,
				IPPROTO_TCP);
	from[0] = to[0] = htonl(0x20010db8);
	from[3] = htonl(host);
	to[3] = htonl(0x10);
	return sl_hash6(&key.hash, from, to, ports, IPPROTO_TCP);
}

static int compare_hashes(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	return *a < *b ? -1 : *a > *b;
}

/* Two of a million collide with a probability of 3 in 10^8. */
START_TEST(no_two_of_a_million_structured_flows_collide)
{
	uint64_t *hashes = mem_array(MILLION, sizeof(*hashes));
	int family = _i % 2 ? 6 : 4;
	uint32_t collisions = 0;

	key = fixed_key();
	for (uint32_t n = 0; n < MILLION; n++)
		hashes[n] = structured(_i / 2, family, n);
	qsort(hashes, MILLION, sizeof(*hashes), compare_hashes);
	for (uint32_t n = 1; n < MILLION; n++)
		collisions += hashes[n] == hashes[n - 1];
	ck_assert_msg(!collisions, "%s, IPv%d: %u", patterns[_i / 2], family, collisions);
	free(hashes);
}
END_TEST

/*
 * Chi-squared over the slots, over the lower 12 and the upper 12 bits: within six standard
 * deviations of what random values give (mean: the degrees of freedom; variance: twice that). The
 * keys are fixed, so is the result.
 */
START_TEST(structured_flows_fill_slots_and_buckets_evenly)
{
	static const uint32_t buckets[] = {16381, 4096, 4096};
	int family = _i % 2 ? 6 : 4;

	key = fixed_key();
	for (size_t kind = 0; kind < ARRAY_SIZE(buckets); kind++) {
		uint32_t *count = mem_array(buckets[kind], sizeof(*count));
		double expected = (double)MILLION / buckets[kind], sum = 0,
		       degrees = buckets[kind] - 1;

		for (uint32_t n = 0; n < MILLION; n++) {
			uint64_t hash = structured(_i / 2, family, n);

			count[kind == 0	  ? sl_hash_slot(hash, buckets[kind])
			      : kind == 1 ? hash & 0xfff
					  : hash >> 52]++;
		}
		for (uint32_t i = 0; i < buckets[kind]; i++)
			sum += (count[i] - expected) * (count[i] - expected) / expected;
		ck_assert_msg(fabs(sum - degrees) < 6 * sqrt(2 * degrees),
			      "%s, IPv%d, kind %zu: chi-squared %.0f of %.0f", patterns[_i / 2],
			      family, kind, sum, degrees);
		free(count);
	}
}
END_TEST

/* Every bit of the input flips every bit of the hash about every second time. */
START_TEST(each_input_bit_flips_half_of_the_output)
{
	enum { ROUNDS = 2000, WORDS = 10 };
	int family = _i ? 6 : 4;
	unsigned int words = family == 4 ? 4 : WORDS;

	key = fixed_key();
	for (unsigned int bit = 0; bit < 32 * words - 24; bit++) { /* the protocol is 8 bits */
		uint32_t flips[64] = {};

		for (int round = 0; round < ROUNDS; round++) {
			uint32_t w[WORDS];
			uint64_t difference;

			for (unsigned int i = 0; i < words; i++)
				w[i] = random_next() >> 16;
			w[words - 1] &= 0xff;
			difference = 0;
			for (int flipped = 0; flipped < 2; flipped++) {
				difference ^= family == 4
						      ? sl_hash4(&key.hash, w[0], w[1], w[2], w[3])
						      : sl_hash6(&key.hash, w, w + 4, w[8], w[9]);
				w[bit / 32] ^= 1u << bit % 32;
			}
			for (int i = 0; i < 64; i++)
				flips[i] += difference >> i & 1;
		}
		for (int i = 0; i < 64; i++)
			ck_assert_msg(fabs(flips[i] - ROUNDS / 2.0) < 0.15 * ROUNDS,
				      "IPv%d: input bit %u flips output bit %d in %u of %d", family,
				      bit, i, flips[i], ROUNDS);
	}
}
END_TEST

START_TEST(families_halves_and_keys_are_independent)
{
	struct key other = key;
	uint32_t zero[4] = {};

	key = fixed_key();
	other = key;
	other.hash.v4[0][0] ^= UINT64_C(1) << 40;
	other.hash.v6[1][3] ^= UINT64_C(1) << 40;
	ck_assert_uint_ne(sl_hash4(&key.hash, 0, 0, 0, 6), sl_hash6(&key.hash, zero, zero, 0, 6));
	ck_assert_uint_ne(sl_hash4(&key.hash, 1, 2, 3, 6), sl_hash4(&other.hash, 1, 2, 3, 6));
	ck_assert_uint_ne(sl_hash6(&key.hash, zero, zero, 3, 6),
			  sl_hash6(&other.hash, zero, zero, 3, 6));
	ck_assert_uint_ne(sl_hash4(&key.hash, 1, 2, 3, 6), sl_hash4(&key.hash, 2, 1, 3, 6));
}
END_TEST

int main(void)
{
	TCase *cases = unit_cases("core_hash");
	int all = 2 * ARRAY_SIZE(patterns);

	tcase_add_test(cases, hashes_are_the_golden_ones);
	tcase_add_test(cases, a_slot_is_the_upper_half_times_the_slots);
	tcase_add_test(cases, families_halves_and_keys_are_independent);
	tcase_add_loop_test(cases, no_two_of_a_million_structured_flows_collide, 0, all);
	tcase_add_loop_test(cases, structured_flows_fill_slots_and_buckets_evenly, 0, all);
	tcase_add_loop_test(cases, each_input_bit_flips_half_of_the_output, 0, 2);
	return unit_run_cases("core_hash", cases);
}
