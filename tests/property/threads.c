/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Races: two threads on two CPUs send packets of flows of their own (a flow is handled by one CPU at a time) through two
 * buckets, far too few for all of them, while the agent's real slot logic moves slots, rebases, scans and deletes with real
 * grace periods, as fast as it can; a tick is a millisecond, and so T is short.
 *
 * Asserted: no flow that goes on leaves its backend; no entry is ever a mixture of two (data that stays the same
 * while check is read fits it, and names a backend of ours); and the counts add up: packets by backend, and
 * entries inserted less those deleted are those that are left.
 *
 * A thread that was kept from running for long knows nothing about its flows: what it sends first after that is not held
 * against anybody.
 */
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sluice/flow.h>

#include "base/mem.h"
#include "core/track.h"
#include "property/threads.h"
#include "property/world.h"

#define ENTRIES	    8
#define SLOTS	    5
#define BACKENDS    6
#define FLOWS	    16 /* of each thread */
#define IDLE	    60
#define SYN_TICKS   30
#define CLOSING	    40
#define PACKET_CPUS 2

struct flow {
	struct rig_frame frame;
	uint64_t hash;
	uint32_t slot;
	uint16_t backend;
	bool is_open; /* it has sent more than a SYN */
	int packets_left;
	uint32_t last; /* tick before it last sent */
};

struct sender {
	struct race *race;
	int cpu;
	uint64_t random;
	struct flow flows[FLOWS];
	uint64_t sent[BACKENDS + 1], held;
};

struct race {
	struct rig rig;
	struct track *track;
	atomic_uint tick;
	atomic_bool over;
	atomic_int failed;
	struct sender senders[PACKET_CPUS];
	uint64_t deleted, scans, rounds, looks;
};

static void fail(struct race *race, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct race *race, const char *format, ...)
{
	va_list args;

	if (atomic_fetch_add(&race->failed, 1) > 10)
		return;
	va_start(args, format);
	printf("not ok - threads: ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
}

static uint32_t below(uint64_t *random, uint32_t limit)
{
	*random = *random * 6364136223846793005ULL + 1442695040888963407ULL; /* Knuth's MMIX */
	return (*random >> 32) * limit >> 32;
}

/* ---- packets ---------------------------------------------------------------------------------------- */

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void send_one(struct sender *s, struct flow *f)
{
	struct race *race = s->race;
	uint32_t before = atomic_load(&race->tick), after;
	uint8_t flags = f->backend == SL_NOBODY ? RIG_SYN : RIG_ACK;
	int to;

	if (flags == RIG_ACK && --f->packets_left <= 0)
		flags = below(&s->random, 2) ? RIG_FIN : RIG_RST;
	to = rig_send(&race->rig, &f->frame, flags);
	after = atomic_load(&race->tick);
	if (to <= 0 || to > BACKENDS) {
		fail(race, "a packet went to %d", to);
		return;
	}
	s->sent[to]++;
	if (flags == RIG_SYN) {
		f->backend = to;
		f->is_open = false;
		f->packets_left = 2 + below(&s->random, 40);
	} else if (after - f->last < (f->is_open ? IDLE : SYN_TICKS) - 2U) {
		if (to != f->backend)
			fail(race, "a flow of slot %u left backend %u for %d", f->slot, f->backend,
			     to);
		s->held++;
	}
	f->backend = flags == RIG_FIN || flags == RIG_RST ? SL_NOBODY
		     : flags == RIG_SYN			  ? f->backend
							  : to;
	f->is_open |= flags == RIG_ACK;
	f->last = before;
}

static void *send_all(void *arg)
{
	static const uint8_t active[] = {2, 4, 2, FLOWS, 3, 1, 6};
	struct sender *s = arg;

	pin(s->cpu);
	while (!atomic_load(&s->race->over)) {
		/* More and fewer of them, so that the table is full at times, and slots settle at others. */
		uint32_t phase = atomic_load(&s->race->tick) / 200 % ARRAY_SIZE(active);

		send_one(s, &s->flows[below(&s->random, active[phase])]);
	}
	return NULL;
}

static void make_flows(struct race *race, int cpu)
{
	struct sender *s = &race->senders[cpu];

	s->race = race;
	s->cpu = cpu;
	s->random = cpu + 1;
	for (int i = 0; i < FLOWS; i++) {
		struct rig_flow flow = {.service = RIG_TCP,
					.v6 = i % 2,
					.client = below(&s->random, UINT32_MAX),
					.port = 1000 + 100 * cpu + i};

		rig_build(&race->rig, &flow, &s->flows[i].frame);
		s->flows[i].hash = rig_hash(&race->rig, &flow);
		s->flows[i].slot = rig_slot(&race->rig, &flow);
	}
}

/* ---- the agent --------------------------------------------------------------------------------------- */

static const struct flow *flow_of(const struct race *race, uint64_t hash)
{
	for (int cpu = 0; cpu < PACKET_CPUS; cpu++)
		for (int i = 0; i < FLOWS; i++)
			if (race->senders[cpu].flows[i].hash == hash)
				return &race->senders[cpu].flows[i];
	return NULL;
}

/* An entry that does not change while it is read is whole. Returns whether it is in use. */
static bool look_at(struct race *race, const struct sl_flow *entry)
{
	uint64_t data = __atomic_load_n(&entry->data, __ATOMIC_ACQUIRE);
	uint64_t check = __atomic_load_n(&entry->check, __ATOMIC_ACQUIRE);
	const struct flow *flow;

	if (!sl_flow_in_use(data) || __atomic_load_n(&entry->data, __ATOMIC_ACQUIRE) != data)
		return false;
	race->looks++;
	flow = flow_of(race, sl_flow_check(check, sl_flow_backend(data)));
	if (!flow)
		fail(race, "entry %016llx %016llx is of no flow", (unsigned long long)check,
		     (unsigned long long)data);
	else if (flow->slot != sl_flow_slot(data) || sl_flow_backend(data) > BACKENDS)
		fail(race, "an entry names slot %u and backend %u, but its flow's slot is %u",
		     sl_flow_slot(data), sl_flow_backend(data), flow->slot);
	return true;
}

static void change_table(struct race *race, uint64_t *random)
{
	uint16_t table[SLOTS];
	uint32_t base = rig_first_slot(&race->rig, RIG_TCP);

	for (int i = 0; i < SLOTS; i++)
		table[i] = below(random, 3) ? 1 + below(random, BACKENDS)
					    : dataplane_hot(race->rig.view, base + i) & SL_HOT_NOW;
	track_want(race->track, base, table, true);
}

static void run_round(struct race *race)
{
	const struct track_step *step;
	enum track_kind kind;
	int err;

	for (race->rounds++; (step = track_next(race->track, atomic_load(&race->tick)));) {
		kind = step->kind;
		err = track_execute(step, race->rig.ops, race->rig.dp);
		track_done(race->track, err, atomic_load(&race->tick));
		if (kind == TRACK_SCAN)
			race->deleted += track_scans(race->track).deleted;
		if (err)
			fail(race, "a step of the agent failed: %s", strerror(-err));
	}
}

static void *be_the_agent(void *arg)
{
	struct race *race = arg;
	uint64_t random = 99;

	while (!atomic_load(&race->over)) {
		/* Often back and forth at once, sometimes long enough for a rebase. */
		if (below(&random, 4) == 0)
			change_table(race, &random);
		run_round(race);
		for (int i = 0; i < 20000; i++)
			look_at(race, rig_entry(&race->rig, below(&random, ENTRIES)));
	}
	return NULL;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Turns the clock: a tick is a millisecond. */
static void keep_time(struct race *race, double seconds)
{
	struct timespec pause = {.tv_nsec = 300000};
	double start = now_s();

	while (now_s() - start < seconds && !atomic_load(&race->failed)) {
		uint32_t tick = 65000 + (uint32_t)((now_s() - start) * 1000);

		/* What packets read is never ahead of what they are judged by. */
		rig_set_tick(&race->rig, tick);
		atomic_store(&race->tick, tick);
		nanosleep(&pause, NULL);
	}
	atomic_store(&race->over, true);
}

/* ---- afterwards ----------------------------------------------------------------------------------------- */

static void add_up(struct race *race)
{
	uint64_t inserted = rig_event(&race->rig, SL_EVENT_inserted), left = 0;
	uint64_t counts[SL_COUNTERS_PER_LINE], sent;

	for (int b = 1; b <= BACKENDS; b++) {
		sent = race->senders[0].sent[b] + race->senders[1].sent[b];
		dataplane_count(race->rig.view, sl_counter_backends(&race->rig.view->limits) + b,
				counts);
		if (counts[SL_BACKEND_packets] != sent)
			fail(race, "backend %d got %llu packets, and %llu are counted", b,
			     (unsigned long long)sent,
			     (unsigned long long)counts[SL_BACKEND_packets]);
	}
	for (int e = 0; e < ENTRIES; e++)
		left += look_at(race, rig_entry(&race->rig, e));
	if (inserted - race->deleted != left)
		fail(race, "%llu entries were inserted, %llu deleted, %llu are left",
		     (unsigned long long)inserted, (unsigned long long)race->deleted,
		     (unsigned long long)left);
}

/* What must have happened in a run of 20 s. */
static void expect_progress(struct race *race, double seconds)
{
	struct track_scans scans = track_scans(race->track);
	const struct {
		const char *words;
		uint64_t count, least;
	} progress[] = {
		{"packets held", race->senders[0].held + race->senders[1].held, 200000},
		{"entries inserted", rig_event(&race->rig, SL_EVENT_inserted), 200},
		{"entries to the base evicted", rig_event(&race->rig, SL_EVENT_evicted_base), 1000},
		{"SYN-only entries evicted", rig_event(&race->rig, SL_EVENT_evicted_syn_only), 0},
		{"no room", rig_event(&race->rig, SL_EVENT_no_room), 0},
		{"entries deleted by scans", race->deleted, 100},
		{"scans", scans.count, 100},
		{"rebases", scans.rebases, 20},
		{"crowded windows", scans.crowded, 100},
		{"whole entries looked at", race->looks, 100000},
	};

	for (size_t i = 0; i < ARRAY_SIZE(progress); i++) {
		printf("  %12llu  %s\n", (unsigned long long)progress[i].count, progress[i].words);
		if (progress[i].count < progress[i].least * seconds / 20)
			fail(race, "vacuous: too few: %s", progress[i].words);
	}
}

static int open_race(struct race *race, const void *object, size_t size)
{
	struct rig_options options = {.flows = ENTRIES,
				      .slots = SLOTS,
				      .backends = BACKENDS,
				      .syn_ticks = SYN_TICKS,
				      .closing_ticks = CLOSING,
				      .object = object,
				      .object_size = size};
	uint32_t base;
	int err = rig_open(&race->rig, &options);

	if (err)
		return err;
	base = rig_first_slot(&race->rig, RIG_TCP);
	for (uint32_t i = 0; i < SLOTS; i++) {
		rig_set_cold(&race->rig, base + i, 1 + i);
		rig_set_hot(&race->rig, base + i, 1 + i);
	}
	atomic_store(&race->tick, 65000);
	rig_set_tick(&race->rig, 65000);
	race->track = track_new(race->rig.view, (struct track_times){.hold = 10, .scan = 20});
	track_adopt(race->track,
		    &(struct track_region){
			    .record = RIG_TCP, .base = base, .slots = SLOTS, .idle_ticks = IDLE});
	run_round(race);
	for (int cpu = 0; cpu < PACKET_CPUS; cpu++)
		make_flows(race, cpu);
	return 0;
}

int threads_run(double seconds, const void *object, size_t size)
{
	static struct race race;
	pthread_t threads[PACKET_CPUS + 1];

	if (open_race(&race, object, size))
		return 1;
	for (int cpu = 0; cpu < PACKET_CPUS; cpu++)
		pthread_create(&threads[cpu], NULL, send_all, &race.senders[cpu]);
	pthread_create(&threads[PACKET_CPUS], NULL, be_the_agent, &race);
	keep_time(&race, seconds);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	if (!atomic_load(&race.failed))
		add_up(&race);
	if (!atomic_load(&race.failed))
		expect_progress(&race, seconds);
	track_free(race.track);
	rig_close(&race.rig);
	return atomic_load(&race.failed);
}
