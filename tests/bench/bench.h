/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bench: what the data path costs, in nanoseconds and as a multiple of what no such program can do
 * without (docs/bench.md tells the method).
 *
 * Story: worlds are balancers loaded at the default limits and filled with services (world.c). Cases are
 * rows of one table (cases.c). Those of tables under a change find slots and flow table made anew before every
 * run (change.c). A case is first checked: one packet's verdict and every byte that leaves
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

#define BACKENDS     100   /* of each service, in its Maglev table */
#define NEWCOMERS    100   /* beside these, for changes: one for each of them */
#define TABLE_SIZE   65537 /* slots of each service */
#define LISTENERS    1000  /* beside these, so that the listener table is not a toy */
#define IN_IFINDEX   1	   /* frames of BPF_PROG_TEST_RUN come in by the loopback device */
#define TUNNEL_FROM  "192.0.2.10"
#define TUNNEL_FROM6 "2001:db8::10"

/* The values of knobs that a case may choose. */
enum bench_knobs {
	KNOBS_DEFAULT, /* the default limits, too */
	KNOBS_REDIRECT,
	KNOBS_FLOWS, /* a flow table of 4 M entries */
	KNOBS_GUE,   /* all services by this encapsulation, likewise */
	KNOBS_L2,
	KNOBS_ENTROPY,
	KNOBS_DENY, /* of 10,000 prefixes of each family */
	KNOBS_QUIC, /* connection ids name the backends of SERVICE_UDP; zeros are the first one's */
	KNOBS
};

/* A balancer with all services in its maps. */
struct world {
	enum bench_knobs knobs;
	struct dataplane *dp;
	const struct dataplane_view *view;
	struct sl_flow *flows; /* the flow table, writable */
	uint16_t *backends
		[SERVICES]; /* [TABLE_SIZE]: the indices in the Maglev tables; NULL: there are none */
};

struct addr world_vip(enum bench_service service);
uint8_t world_protocol(enum bench_service service);
/* i < BACKENDS + NEWCOMERS */
struct addr world_backend(enum bench_service service, unsigned int i);
uint32_t world_backend_index(enum bench_service service, unsigned int i);
uint32_t world_slots_base(enum bench_service service);
/* Bytes that a way to a backend of a family adds before an IP packet. */
size_t world_overhead(enum bench_knobs knobs, uint8_t family);
uint8_t world_outer_family(enum bench_service service);
/* `object`: another BPF object than the built-in one, or NULL. Ends the program when it cannot. */
void world_open(struct world *world, enum bench_knobs knobs, const char *object);
void world_close(struct world *world);
uint64_t world_count(const struct world *world, enum sl_verdict verdict);
uint64_t world_count_event(const struct world *world, enum sl_event event);
/* Packets sent to the newcomers of a service. */
uint64_t world_count_newcomers(const struct world *world, enum bench_service service);
/* Ends the program when an operation of the dataplane has failed. */
void world_check(int err, const char *what);

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

/* The state of all slots of a case's service (docs/tracking.md). */
enum bench_slots {
	SLOTS_STABLE,	/* as world_open() has left them */
	SLOTS_MOVING,	/* new flows go to the newcomers, others belong to the backends of before */
	SLOTS_SETTLING, /* flows without an entry go to the backends; entries are of newcomers */
};

/* What the flow table holds before each run, where slots are not stable. */
enum bench_table {
	TABLE_EMPTY,
	TABLE_FLOWS,	   /* the case's flows */
	TABLE_FLOWS_FLOOD, /* the same, and the rest full as a flood leaves it */
	TABLE_FLOOD, /* full as a flood of SYNs leaves it: every slot is crowded, half the entries at base */
	TABLE_TRIED, /* full of handshakes that did not go on */
	TABLE_LIVE,  /* full of live flows, none of which gives way */
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

	/* Tables under a change. Each run is checked by what the flow table did and where packets went. */
	enum bench_slots slots;
	enum bench_table table;
	enum sl_event event;  /* what the flow table does: for so many per cent of the packets, */
	unsigned int happens; /* and for the others nothing */
	bool to_newcomers;    /* else to the backends of the Maglev table */
	bool flood;	      /* every other packet is a new flow */
	uint64_t most;	      /* packets of a run; 0: as many as in other cases */
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

/* ---- tables under a change ------------------------------------------------------------------------- */

struct bench;

/* Puts slots and flow table into the state that the case wants; not for cases of stable slots. */
void change_prepare(struct bench *bench, const struct bench_case *c);

/* What the flow table has done so far, and where packets went. */
struct change_counts {
	uint64_t events[SL_EVENTS];
	uint64_t newcomers;
};

void change_count(const struct world *world, const struct bench_case *c, struct change_counts *out);
/* Ends the bench when `packets` packets since `before` did not do what the case says. */
void change_check(const struct world *world, const struct bench_case *c,
		  const struct change_counts *before, uint64_t packets);

/* The shares of a table's entries that are in use when new flows begin to find no free one. */
struct change_loads {
	double first;  /* of all flows the first one that does not */
	double rarely; /* one in a thousand does not */
};

void change_fill(struct bench *bench, struct change_loads *out);

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
