/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rounds: in each, every case is run once between two runs of the null program with the same packets, and
 * beside the `full` floor and its own null; a knob's case also beside the same packet with the knob off, and
 * its null. A disturbance thus costs one round of each case at most. A round in which a null took over 15 %
 * longer than the best one of its case is run again, while there is time.
 */
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "bench/bench.h"
#include "bench/run.h"

#define DISTURBED 1.15

struct round {
	double null[2], target; /* ns a packet, the driver's share included */
	double reference_null, reference;
	double off_null, off; /* of a knob's case: the same packet with the knob off */
};

/* All rounds of one case. */
struct series {
	struct round *rounds; /* [bench->rounds] */
	double best_null, best_reference_null, best_off_null;
	unsigned int disturbed;
};

static double least(double a, double b)
{
	return a < b ? a : b;
}

static double net(const struct round *r)
{
	return r->target - (r->null[0] + r->null[1]) / 2;
}

static double full(const struct round *r)
{
	return r->reference - r->reference_null;
}

static double off(const struct round *r)
{
	return r->off - r->off_null;
}

/* What a knob's case is compared with; else nothing. */
static void run_off(struct bench *bench, const struct bench_case *c, struct series *s,
		    struct round *r)
{
	struct bench_case without = off_case(c);

	r->off_null = run_packets(bench, &without, PROGRAM_NULL);
	r->off = run_packets(bench, &without, PROGRAM_BALANCER);
	s->best_off_null = least(s->best_off_null, r->off_null);
}

static void run_round(struct bench *bench, const struct bench_case *c, struct series *s,
		      struct round *r)
{
	r->reference_null = run_packets(bench, &reference_case, PROGRAM_NULL);
	r->reference = run_packets(bench, &reference_case, PROGRAM_FULL);
	if (c->knob)
		run_off(bench, c, s, r);
	r->null[0] = run_packets(bench, c, PROGRAM_NULL);
	r->target = run_packets(bench, c, c->program);
	r->null[1] = run_packets(bench, c, PROGRAM_NULL);
	s->best_null = least(s->best_null, least(r->null[0], r->null[1]));
	s->best_reference_null = least(s->best_reference_null, r->reference_null);
}

static bool is_disturbed(const struct series *s, const struct round *r)
{
	return r->null[0] > DISTURBED * s->best_null || r->null[1] > DISTURBED * s->best_null ||
	       r->reference_null > DISTURBED * s->best_reference_null ||
	       r->off_null > DISTURBED * s->best_off_null;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* Runs disturbed rounds again, until there is none or the time is over. */
static void run_again(struct bench *bench, struct series *series, double end)
{
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < case_count(); i++)
			for (unsigned int n = 0; series[i].rounds && n < bench->rounds; n++) {
				if (!is_disturbed(&series[i], &series[i].rounds[n]))
					continue;
				if (now_s() > end)
					return;
				run_round(bench, case_at(i), &series[i], &series[i].rounds[n]);
				series[i].disturbed++;
				again = true;
			}
	}
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double rounds_quantile(double *values, size_t count, double share)
{
	double at = share * (count - 1);
	size_t below = at;

	qsort(values, count, sizeof(*values), compare);
	return below + 1 < count
		       ? values[below] + (at - below) * (values[below + 1] - values[below])
		       : values[below];
}

/* What a round says of its case. */
static double full_multiple(const struct round *r)
{
	return net(r) / full(r);
}

static double adds(const struct round *r)
{
	return net(r) - off(r);
}

static double adds_multiple(const struct round *r)
{
	return adds(r) / full(r);
}

static double off_multiple(const struct round *r)
{
	return net(r) / off(r);
}

/* The value below which `share` of the rounds' lie. */
static double conclude_one(const struct bench *bench, const struct series *s,
			   double (*value)(const struct round *), double share)
{
	double *values = mem_array(bench->rounds, sizeof(*values)), out;

	for (unsigned int n = 0; n < bench->rounds; n++)
		values[n] = value(&s->rounds[n]);
	out = rounds_quantile(values, bench->rounds, share);
	free(values);
	return out;
}

static void conclude(const struct bench *bench, const struct bench_case *c, const struct series *s,
		     struct result *out)
{
	*out = (struct result){
		.ns = conclude_one(bench, s, net, 0.5),
		.low = conclude_one(bench, s, net, 0.25),
		.high = conclude_one(bench, s, net, 0.75),
		.multiple = conclude_one(bench, s, full_multiple, 0.5),
		.disturbed = s->disturbed,
	};
	for (unsigned int n = 0; n < bench->rounds; n++)
		out->clean += !is_disturbed(s, &s->rounds[n]);
	if (!c->knob)
		return;
	out->off_ns = conclude_one(bench, s, off, 0.5);
	out->adds_ns = conclude_one(bench, s, adds, 0.5);
	out->adds_multiple = conclude_one(bench, s, adds_multiple, 0.5);
	out->off_multiple = conclude_one(bench, s, off_multiple, 0.5);
}

/* The medians of the reference over all rounds of all cases. */
static void conclude_reference(const struct bench *bench, const struct series *series,
			       struct results *out)
{
	double *null = mem_array(case_count() * bench->rounds, sizeof(*null));
	double *floor = mem_array(case_count() * bench->rounds, sizeof(*floor));
	size_t count = 0;

	for (size_t i = 0; i < case_count(); i++)
		for (unsigned int n = 0; series[i].rounds && n < bench->rounds; n++, count++) {
			null[count] = series[i].rounds[n].reference_null;
			floor[count] = full(&series[i].rounds[n]);
		}
	out->null_ns = rounds_quantile(null, count, 0.5);
	out->full_ns = rounds_quantile(floor, count, 0.5);
	free(null);
	free(floor);
}

static void check_off(struct bench *bench, const struct bench_case *c)
{
	struct bench_case without = off_case(c);

	check_case(bench, &without);
}

void rounds_run(struct bench *bench, struct results *out)
{
	struct series *series = mem_array(case_count(), sizeof(*series));
	double end = now_s() + bench->deadline_s;

	*out = (struct results){.cases = mem_array(case_count(), sizeof(*out->cases))};
	for (size_t i = 0; i < case_count(); i++)
		if (bench_has(bench, case_at(i))) {
			check_case(bench, case_at(i));
			if (case_at(i)->knob)
				check_off(bench, case_at(i));
			series[i].rounds = mem_array(bench->rounds, sizeof(*series[i].rounds));
			series[i].best_null = series[i].best_reference_null = 1e9;
			series[i].best_off_null = 1e9;
		}
	for (unsigned int n = 0; n < bench->rounds; n++)
		for (size_t i = 0; i < case_count(); i++)
			if (series[i].rounds)
				run_round(bench, case_at(i), &series[i], &series[i].rounds[n]);
	run_again(bench, series, end);
	for (size_t i = 0; i < case_count(); i++) {
		if (!series[i].rounds)
			continue;
		conclude(bench, case_at(i), &series[i], &out->cases[i]);
		out->rounds += bench->rounds;
		out->disturbed += series[i].disturbed;
	}
	conclude_reference(bench, series, out);
	for (size_t i = 0; i < case_count(); i++)
		free(series[i].rounds);
	free(series);
}
