/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bench tells of every knob what it costs a packet: by a case, or in words. */
#include <string.h>

#include "bench/bench.h"
#include "unit/unit.h"

static size_t cases_of(enum bench_knob knob)
{
	size_t count = 0;

	for (size_t i = 0; i < case_count(); i++)
		count += case_at(i)->knob == knob;
	return count;
}

START_TEST(every_knob_has_cases_or_a_reason_why_not)
{
	for (enum bench_knob knob = KNOB_NONE + 1; knob < BENCH_KNOBS; knob++)
		ck_assert_msg(!cases_of(knob) != !knob_costless(knob),
			      "%s: give it either a row in tests/bench/cases_knobs.c or one in "
			      "tests/bench/costless.def",
			      knob_name(knob));
}
END_TEST

START_TEST(every_feature_has_cases)
{
#define DATAPLANE_FEATURE(name, help) \
	ck_assert_msg(cases_of(KNOB_##name), "%s: no row in tests/bench/cases_knobs.c", #name);
#include "dataplane/features.def"
}
END_TEST

/* The features of a world, one bit each. */
static uint64_t features_of(enum bench_world world)
{
	uint64_t features = 0;

#define DATAPLANE_FEATURE(name, help) \
	features |= (uint64_t)world_kinds[world].features.name << KNOB_##name;
#include "dataplane/features.def"
	return features;
}

static uint64_t all_features(void)
{
	uint64_t features = 0;

#define DATAPLANE_FEATURE(name, help) features |= UINT64_C(1) << KNOB_##name;
#include "dataplane/features.def"
	return features;
}

START_TEST(a_knobs_case_has_its_feature_on_alone_and_is_compared_with_none)
{
	for (size_t i = 0; i < case_count(); i++) {
		const struct bench_case *c = case_at(i);
		struct bench_case off = off_case(c);
		uint64_t feature = UINT64_C(1) << c->knob & all_features();

		if (!c->knob)
			continue;
		ck_assert_msg(features_of(c->world) == feature, "%s: features of its world",
			      c->name);
		ck_assert_msg(features_of(off.world) == 0, "%s: features when it is off", c->name);
		ck_assert_msg(!off.knob && !off.frame.tags, "%s: the packet when it is off",
			      c->name);
	}
}
END_TEST

/* Else the table's other half would be measured, or its numbers not be those of one thing. */
START_TEST(cases_without_a_knob_have_no_feature_on)
{
	for (size_t i = 0; i < case_count(); i++)
		ck_assert_msg(case_at(i)->knob || !features_of(case_at(i)->world), "%s",
			      case_at(i)->name);
}
END_TEST

START_TEST(names_of_cases_are_different)
{
	for (size_t i = 0; i < case_count(); i++)
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(case_at(i)->name, case_at(k)->name);
}
END_TEST

START_TEST(a_quick_run_has_each_knob)
{
	bool has[BENCH_KNOBS] = {false};

	for (size_t i = 0; i < case_count(); i++)
		has[case_at(i)->knob] |= case_at(i)->quick;
	for (enum bench_knob knob = KNOB_NONE + 1; knob < BENCH_KNOBS; knob++)
		ck_assert_msg(has[knob] || knob_costless(knob), "%s", knob_name(knob));
}
END_TEST

RUN_TESTS("bench_knobs", every_knob_has_cases_or_a_reason_why_not, every_feature_has_cases,
	  a_knobs_case_has_its_feature_on_alone_and_is_compared_with_none,
	  cases_without_a_knob_have_no_feature_on, names_of_cases_are_different,
	  a_quick_run_has_each_knob)
