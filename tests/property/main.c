/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The property test of tracking by exception (docs/tracking.md). For a given time it makes runs, small tables and
 * large ones in turn, each from a seed of its own; world.h tells the story of a run. What breaks is told with the command
 * that repeats it, and is repeated at once with all that happened to the flow that broke.
 */
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "property/threads.h"
#include "property/world.h"

static const uint32_t capacities[] = {8, 64, 256, 1024, 4096};

static const struct {
	const char *words;
	uint64_t least; /* in a run of a minute */
} progress[WORLD_PROGRESSES] = {
#define P(name, least, words) [WORLD_##name] = {words, least},
	WORLD_PROGRESS(P)
#undef P
};

static const struct {
	const char *words;
	uint64_t least;
} events[SL_EVENTS] = {
	[SL_EVENT_inserted] = {"entries inserted", 10000},
	[SL_EVENT_evicted_expired] = {"expired entries evicted", 500},
	[SL_EVENT_evicted_syn_only] = {"entries with SYN only evicted", 500},
	[SL_EVENT_evicted_closing] = {"closing entries evicted", 300},
	[SL_EVENT_evicted_base] = {"entries to the base evicted", 300},
	[SL_EVENT_rewritten] = {"void entries rewritten", 500},
	[SL_EVENT_no_room] = {"no room", 500},
};

static struct {
	double seconds;
	uint64_t seed, seeds; /* the first one; how many, 0: as time allows */
	uint32_t capacity;    /* 0: all */
	uint32_t trace;
	const char *object;
	bool threads; /* the test of races instead */
	bool quick;   /* break or not, without the proof of progress and the repetition */
} options = {.seconds = 60, .seed = 1};

static struct {
	uint64_t progress[WORLD_PROGRESSES], events[SL_EVENTS], words[ORACLE_WORDS];
	uint64_t packets, looked_up, runs;
} total;

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void add_up(const struct world *w)
{
	for (int i = 0; i < WORLD_PROGRESSES; i++)
		total.progress[i] += w->progress[i];
	for (int i = 0; i < SL_EVENTS; i++)
		total.events[i] += w->done[i];
	for (int i = 0; i < ORACLE_WORDS; i++)
		total.words[i] += w->oracle.words[i];
	total.packets += w->packets;
	total.looked_up += w->looked_up;
	total.runs++;
}

/* Returns whether nothing broke. */
static bool one_run(struct rig *rig, uint32_t capacity, uint64_t seed)
{
	struct world w;
	uint32_t flow;
	bool ok = world_run(&w, rig, capacity, seed, options.trace);

	add_up(&w);
	flow = w.broken_flow;
	if (!ok)
		printf("not ok - capacity %u, seed %" PRIu64 ": %s\n", capacity, seed, w.broken);
	world_free(&w);
	if (!ok && !options.quick && !options.trace) {
		printf("to repeat it: property --capacity %u --seed %" PRIu64
		       " --runs 1 --trace %u\n",
		       capacity, seed, flow);
		fflush(stdout);
		world_run(&w, rig, capacity, seed, flow);
		world_free(&w);
	}
	return ok;
}

/* What happened, and whether it was enough. */
static int report(double seconds)
{
	int few = 0;
	double scale = options.seconds < 60 ? options.seconds / 60 : 1;

	printf("%" PRIu64 " runs, %" PRIu64 " packets (%.0f a second), %" PRIu64 " looked up\n",
	       total.runs, total.packets, total.packets / seconds, total.looked_up);
	for (int i = 0; i < ORACLE_WORDS; i++)
		printf("  %12" PRIu64 "  %s\n", total.words[i], oracle_word_name(i));
	for (int i = 0; i < SL_EVENTS; i++)
		if (events[i].words)
			printf("  %12" PRIu64 "  %s\n", total.events[i], events[i].words);
	for (int i = 0; i < WORLD_PROGRESSES; i++)
		printf("  %12" PRIu64 "  %s\n", total.progress[i], progress[i].words);
	for (int i = 0; i < SL_EVENTS; i++)
		if (total.events[i] < events[i].least * scale) {
			printf("not ok - vacuous: too few: %s\n", events[i].words);
			few++;
		}
	for (int i = 0; i < WORLD_PROGRESSES; i++)
		if (total.progress[i] < progress[i].least * scale) {
			printf("not ok - vacuous: too few: %s\n", progress[i].words);
			few++;
		}
	return few;
}

static int parse(int argc, char **argv)
{
	static const struct option known[] = {
		{"seconds", required_argument, NULL, 's'},
		{"seed", required_argument, NULL, 'S'},
		{"runs", required_argument, NULL, 'n'},
		{"capacity", required_argument, NULL, 'c'},
		{"trace", required_argument, NULL, 't'},
		{"object", required_argument, NULL, 'o'},
		{"threads", no_argument, NULL, 'T'},
		{"quick", no_argument, NULL, 'q'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
		switch (c) {
		case 's':
			options.seconds = atof(optarg);
			break;
		case 'S':
			options.seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			options.seeds = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			options.capacity = atoi(optarg);
			break;
		case 't':
			options.trace = atoi(optarg);
			break;
		case 'o':
			options.object = optarg;
			break;
		case 'T':
			options.threads = true;
			break;
		case 'q':
			options.quick = true;
			break;
		default:
			fprintf(stderr, "usage: property [--seconds N] [--seed N] [--runs N] "
					"[--capacity N] "
					"[--trace FLOW] [--object FILE] [--quick] [--threads]\n");
			return -1;
		}
	return 0;
}

static int run_threads(char *object, size_t size)
{
	int bad;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		printf("skip threads: one CPU only, and races need two\n0 passed, 0 failed, 1 "
		       "skipped\n");
		return 0;
	}
	bad = threads_run(options.seconds, object, size);
	free(object);
	printf("%d passed, %d failed\n", !bad, bad);
	return bad != 0;
}

int main(int argc, char **argv)
{
	static struct rig rigs[ARRAY_SIZE(capacities)];
	double start, used[ARRAY_SIZE(capacities)] = {0};
	uint64_t runs[ARRAY_SIZE(capacities)] = {0};
	size_t size = 0, least;
	char *object = NULL;
	bool ok = true;
	int few;

	if (parse(argc, argv))
		return 2;
	if (options.object && file_read(options.object, 64 << 20, &object, &size, NULL)) {
		fprintf(stderr, "%s cannot be read\n", options.object);
		return 2;
	}
	if (options.threads)
		return run_threads(object, size);
	for (size_t i = 0; i < ARRAY_SIZE(capacities); i++)
		if ((!options.capacity || options.capacity == capacities[i]) &&
		    world_open_rig(&rigs[i], capacities[i], object, size))
			return 2;
	start = seconds_now();
	/* Each capacity gets its share of the time. */
	for (uint64_t n = 0;
	     ok && (options.seeds ? n < options.seeds : seconds_now() - start < options.seconds);
	     n++) {
		double began = seconds_now();

		least = SIZE_MAX;
		for (size_t i = 0; i < ARRAY_SIZE(capacities); i++)
			if (rigs[i].dp && (least == SIZE_MAX || used[i] < used[least]))
				least = i;
		ok = one_run(&rigs[least], capacities[least], options.seed + runs[least]++);
		used[least] += seconds_now() - began;
	}
	few = !ok || options.quick || options.seeds ? 0 : report(seconds_now() - start);
	for (size_t i = 0; i < ARRAY_SIZE(capacities); i++)
		if (rigs[i].dp)
			rig_close(&rigs[i]);
	free(object);
	printf("%" PRIu64 " passed, %d failed\n", total.runs - !ok, few + !ok);
	return !ok || few;
}
