/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bench: what the data path costs, in nanoseconds and as a multiple of what no such program can do
 * without (docs/bench.md tells the method).
 *
 * Story: worlds are balancers loaded at the default limits and filled with services (world.c). Cases are
 * rows of one table (cases.c). A case is first checked: one packet's verdict and every byte that leaves
 * (check.c). Then rounds of all cases are run, each beside the null program and the floors (rounds.c); every run
 * must have counted as many packets of the right verdict as it was given. Facts need no clock or another
 * one (facts.c), and the same programs run between real interfaces (live.c). report.c prints what came out.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/abi.h>

#include "bench/plan.h"
#include "dataplane/dataplane.h"

struct bench_bpf;

/* ---- worlds ---------------------------------------------------------------------------------------- */

/* Where a case's packets go; all to port 443. */
enum bench_service {
	SERVICE_NONE, /* an address that is no VIP */
	SERVICE_4IN4,
	SERVICE_UDP,
	SERVICE_6IN6,
	SERVICE_6IN4,
	SERVICE_4IN6,
	SERVICE_EMPTY, /* no backend */
	SERVICES
};

#define BACKENDS     100   /* of each service */
#define TABLE_SIZE   65537 /* slots of each service */
#define LISTENERS    1000  /* beside these, so that the listener table is not a toy */
#define IN_IFINDEX   1	   /* frames of BPF_PROG_TEST_RUN come in by the loopback device */
#define TUNNEL_FROM  "192.0.2.10"
#define TUNNEL_FROM6 "2001:db8::10"

/* A balancer at the default limits with all services in its maps. */
struct world {
	struct dataplane *dp;
	const struct dataplane_view *view;
};

/* The values of knobs that a case may choose. */
enum bench_knobs { KNOBS_DEFAULT, KNOBS_REDIRECT, KNOBS };

struct addr world_vip(enum bench_service service);
uint8_t world_protocol(enum bench_service service);
struct addr world_backend(enum bench_service service, unsigned int i); /* i < BACKENDS */
uint8_t world_outer_family(enum bench_service service);
/* `object`: another BPF object than the built-in one, or NULL. Ends the program when it cannot. */
void world_open(struct world *world, enum bench_knobs knobs, const char *object);
void world_close(struct world *world);
uint64_t world_count(const struct world *world, enum sl_verdict verdict);

/* ---- cases ----------------------------------------------------------------------------------------- */

enum bench_program {
	PROGRAM_BALANCER,
	PROGRAM_NULL,
	PROGRAM_FLOOR20,
	PROGRAM_PARSE,
	PROGRAM_FULL,
	PROGRAMS
};

/* The packet that a case repeats. */
struct bench_frame {
	uint8_t family; /* 4, 6; 0: ARP */
	enum bench_service to;
	uint8_t tcp_flags; /* of byte 13; 0: ACK */
	uint8_t options;   /* 32-bit words of IPv4 options */
};

struct bench_case {
	const char *name, *help;
	enum bench_program program;
	enum bench_knobs knobs;
	struct bench_frame frame;
	uint64_t flows;		 /* a power of two; 0: every packet is a new flow */
	enum sl_verdict verdict; /* of the balancer */
	double limit;		 /* the multiple of `full` that is aimed at; 0: none */
	bool quick;		 /* part of a quick run too */
};

extern const struct bench_case cases[];
extern const size_t case_count;
extern const struct bench_case reference_case; /* what the floor `full` is measured with */

const char *verdict_name(enum sl_verdict verdict);
unsigned int verdict_action(enum sl_verdict verdict); /* enum xdp_action */

/* Writes the frame of FRAME_SIZE bytes and what the driver makes of it. */
void frame_build(const struct bench_frame *frame, uint8_t data[FRAME_SIZE]);
void frame_plan(const struct bench_case *c, const uint8_t data[FRAME_SIZE],
		struct bench_plan *plan);

/* ---- running --------------------------------------------------------------------------------------- */

struct bench {
	struct bench_bpf *bpf;
	struct world worlds[KNOBS];
	int cpu;
	bool quick;
	const char *only; /* part of the names of the cases to run; NULL: all */
	uint64_t packets; /* a run */
	unsigned int rounds;
	uint64_t
		new_flows; /* flows that no packet has had yet begin here, for cases of new flows */
	double deadline_s; /* seconds from the first round after which no round is run again */
};

bool bench_has(const struct bench *bench, const struct bench_case *c);
int program_fd(const struct bench *bench, enum bench_program program, enum bench_knobs knobs);

/* Ends the bench when one packet does not do what the case says. */
void check_case(struct bench *bench, const struct bench_case *c);

struct result {
	double ns, low, high; /* net: median, quartiles */
	double multiple; /* of `full` in the same rounds: the median of the rounds' multiples */
	unsigned int clean, disturbed; /* rounds that count; rounds that were run again */
};

struct results {
	struct result *cases;		/* [case_count] */
	double null_ns, full_ns;	/* medians over all rounds */
	unsigned int disturbed, rounds; /* over all cases */
};

void rounds_run(struct bench *bench, struct results *out);

/* Sorts `values` and returns the value below which `share` of them lie. */
double rounds_quantile(double *values, size_t count, double share);

/* Prints one line to standard error and exits with 1. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
