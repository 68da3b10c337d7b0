/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <time.h>

#include "bench/run.h"
#include "bench.skel.h" /* needs plan.h */

struct world *bench_world(struct bench *bench, enum bench_world kind)
{
	struct world *world = &bench->worlds[kind];

	if (!world->dp)
		world_open(world, kind, bench->object, bench->away);
	return world;
}

struct bench_bpf *bench_programs(const struct bench *bench, enum bench_world kind)
{
	return bench->bpf[world_kinds[kind].features.multi_buffer];
}

int run_driver_fd(const struct bench *bench, const struct bench_case *c)
{
	return bpf_program__fd(bench_programs(bench, c->world)->progs.driver);
}

int program_fd(struct bench *bench, enum bench_program program, enum bench_world kind)
{
	const struct bench_bpf *bpf = bench_programs(bench, kind);
	const struct bpf_program *const floors[PROGRAMS] = {
		[PROGRAM_NULL] = bpf->progs.null,
		[PROGRAM_FLOOR20] = bpf->progs.floor20,
		[PROGRAM_PARSE] = bpf->progs.parse,
		[PROGRAM_FULL] = bpf->progs.full,
	};

	return program == PROGRAM_BALANCER ? dataplane_program_fd(bench_world(bench, kind)->dp)
					   : bpf_program__fd(floors[program]);
}

unsigned int run_action(const struct bench_case *c, enum bench_program program)
{
	if (program == PROGRAM_BALANCER)
		return verdict_action(c->verdict);
	return program == PROGRAM_PARSE ? XDP_PASS : XDP_TX;
}

/* Each CPU may give as many answers as ever, or none, as the case says. */
static void allow_answers(struct bench *bench, const struct bench_case *c)
{
	const struct world *world = bench_world(bench, c->world);
	uint32_t count = c->verdict == SL_SEND_too_big_told ? 0 : UINT32_MAX;

	for (uint32_t cpu = 0; cpu < world->view->limits.cpus; cpu++)
		world->answers[cpu] =
			(struct sl_answers){.tick = world->view->control->tick, .count = count};
}

void run_prepare(struct bench *bench, const struct bench_case *c, enum bench_program program,
		 uint64_t first, uint8_t frame[FRAME_MAX])
{
	struct bench_bpf *bpf = bench_programs(bench, c->world);
	struct bench_plan *plan = &bpf->bss->plan;
	uint32_t zero = 0, fd = program_fd(bench, program, c->world);

	if (bpf_map__update_elem(bpf->maps.target, &zero, sizeof(zero), &fd, sizeof(fd), 0))
		fail("%s: the driver cannot call the program: %s", c->name, strerror(errno));
	frame_build(&c->frame, frame);
	frame_plan(c, frame, plan);
	plan->next = first;
	if (world_kinds[c->world].answers)
		allow_answers(bench, c);
}

static double thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

double run_from(struct bench *bench, const struct bench_case *c, enum bench_program program,
		uint64_t first, uint64_t packets)
{
	const struct bench_plan *plan = &bench_programs(bench, c->world)->bss->plan;
	const struct world *world = bench_world(bench, c->world);
	uint64_t counted = world_count(world, c->verdict), sent;
	uint8_t frame[FRAME_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame,
		    .data_size_in = frame_size(&c->frame), .repeat = packets);
	double begin, ns;

	run_prepare(bench, c, program, first, frame);
	begin = thread_ns();
	if (bpf_prog_test_run_opts(run_driver_fd(bench, c), &options))
		fail("%s: BPF_PROG_TEST_RUN: %s", c->name, strerror(errno));
	ns = (thread_ns() - begin) / packets;
	sent = plan->next - first;
	counted = world_count(world, c->verdict) - counted;
	if (sent != packets || options.retval != run_action(c, program))
		fail("%s: the driver sent %lu of %lu packets, the last one's XDP action was %u",
		     c->name, sent, packets, options.retval);
	if (program == PROGRAM_BALANCER && counted != packets)
		fail("%s: %lu of %lu packets got the verdict '%s'", c->name, counted, packets,
		     verdict_name(c->verdict));
	return ns;
}

void run_first(struct bench *bench, const struct bench_case *c)
{
	struct bench_case first = *c;

	if (!c->after_first || c->program != PROGRAM_BALANCER)
		return;
	first.frame.fragment = 0x2000; /* more fragments */
	run_from(bench, &first, PROGRAM_BALANCER, 0, 1);
}

double run_packets(struct bench *bench, const struct bench_case *c, enum bench_program program)
{
	const struct world *world = bench_world(bench, c->world);
	bool is_tracked = program == PROGRAM_BALANCER && c->slots != SLOTS_STABLE;
	uint64_t packets = c->most && c->most < bench->packets ? c->most : bench->packets;
	uint64_t first = c->flows && !c->flood ? 0 : bench->new_flows;
	struct change_counts before;
	double ns;

	if (program == PROGRAM_BALANCER)
		run_first(bench, c);
	if (is_tracked) {
		change_prepare(bench, c);
		change_count(world, c, &before);
	}
	ns = run_from(bench, c, program, first, packets);
	bench->new_flows += first ? packets : 0;
	if (is_tracked)
		change_check(world, c, &before, packets);
	return ns;
}
