/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bench: what the data path costs, in nanoseconds and as a multiple of what no such program can do
 * without (docs/bench.md tells the method).
 *
 * Story: worlds are balancers loaded for one thing each (worlds.c), at the default limits, and filled with services
 * (world.c). Cases are rows of one table in three parts: with every knob off (cases.c), with one on (cases_knobs.c), and of
 * tables under a change (cases_change.c), for which slots and flow table are made anew before every run (change.c). A case
 * is first checked: one packet's verdict and every byte that leaves (check.c). Then rounds of all cases are run, each beside
 * the null program and the floor `full` (rounds.c), through a driver that makes each packet (bench.bpf.c; frame.c and run.c
 * tell it which); every run must have counted as many packets of the right verdict as it was given. Facts need no clock or
 * another one (facts.c), as do the costs to the agent (agent.c), and the same programs run between real interfaces (live.c).
 * report.c prints what came out.
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

/* The balancers that cases choose from: what each is loaded for is a row of worlds.c. */
enum bench_world {
	WORLD_DEFAULT,	/* every feature off; the default limits, as in all others */
	WORLD_FLOWS,	/* the same, but with a flow table of 4 M entries */
	WORLD_REDIRECT, /* the backends of SERVICE_UDP are reached by another interface */
	WORLD_SOURCE,	/* `affinity: source`, but of SERVICE_UDP */
	WORLD_GUE,	/* all services by this encapsulation, but SERVICE_UDP */
	WORLD_L2,	/* likewise */
	WORLD_ENTROPY,
	WORLD_CLAMP, /* SYNs offer CLAMP_TO at most */
	WORLD_VLANS, /* packets keep their tags, but those to SERVICE_UDP leave with one */
	WORLD_QUIC, /* connection ids name the backends of SERVICE_UDP; zeros are the first one's */
	WORLD_DENY, /* of 10,000 prefixes of each family */
	WORLD_MULTI_BUFFER,
	WORLD_TOO_BIG,	/* no packet fits the ways to the backends; the clock stands still */
	WORLD_PREFIX,	/* SERVICE_4IN4 and SERVICE_6IN6 listen on prefixes */
	WORLD_ANY_PORT, /* the same services listen on any port */
	WORLD_ECHO,
	WORLD_FRAGMENTS,
	WORLD_ALL, /* every feature on; no case runs there */
	WORLDS
};

struct bench_world_kind {
	struct dataplane_features features;
	uint64_t flows;	   /* 0: the default */
	bool manual_clock; /* else answers would come back with each tick */
	uint32_t answers;  /* to packets too big, a tick and CPU; 0: the default */
};

extern const struct bench_world_kind world_kinds[WORLDS];

/* What costs a packet something only where it is configured: the knobs, and what needs none. */
enum bench_knob {
	KNOB_NONE,
#define SL_KNOB(type, name, off, on, help) KNOB_##name,
#include <sluice/knobs.def>
	KNOB_prefix, /* a field of the listener table's word */
	KNOB_any_port,
	BENCH_KNOBS
};

const char *knob_name(enum bench_knob knob);
/* Why a knob has no case: what it costs a packet, in words (costless.def). NULL: it is to have one. */
const char *knob_costless(enum bench_knob knob);

/* A balancer with all services in its maps. */
struct world {
	enum bench_world kind;
	struct dataplane *dp; /* NULL: nobody has asked for it yet */
	uint32_t away;	      /* an interface that is not the way in */
	const struct dataplane_view *view;
	struct sl_flow *flows;	    /* the flow table, writable */
	struct sl_answers *answers; /* [limits.cpus], writable */
	/* [TABLE_SIZE] each: the indices in the Maglev tables; NULL: there are none */
	uint16_t *backends[SERVICES];
};

struct addr world_vip(enum bench_service service);
uint8_t world_protocol(enum bench_service service);
/* i < BACKENDS + NEWCOMERS */
struct addr world_backend(enum bench_service service, unsigned int i);
uint32_t world_backend_index(enum bench_service service, unsigned int i);
uint32_t world_slots_base(enum bench_service service);
enum sl_encapsulation world_encapsulation(enum bench_world kind, enum bench_service service);
/* Bytes that the way to a service's backends adds before an IP packet, without VLAN tags. */
size_t world_overhead(enum bench_world kind, enum bench_service service);
/* Bytes of VLAN tags that a packet with so many leaves with. */
size_t world_tags(enum bench_world kind, enum bench_service service, size_t tags);
uint8_t world_outer_family(enum bench_service service);
/* `object`: another BPF object than the built-in one, or NULL; `away`: another interface. Ends the program when it cannot. */
void world_open(struct world *world, enum bench_world kind, const char *object, uint32_t away);
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
	uint8_t tags;	   /* VLAN tags */
	bool mss;	   /* the TCP header has this option */
	bool echo;	   /* an echo request: ICMP of the family, no ports */
	uint16_t fragment; /* IPv4's word of flags and offset; 0: DF alone */
	uint16_t size;	   /* bytes; 0: FRAME_SIZE */
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
	enum bench_world world;
	struct bench_frame frame;
	uint64_t flows;		 /* a power of two; 0: every packet is a new flow */
	enum sl_verdict verdict; /* of the balancer */
	double limit;		 /* the multiple of `full` that is aimed at; 0: none */
	bool quick;		 /* part of a quick run too */
	bool after_first;	 /* a fragment, before which its packet's first one comes */
	uint64_t most;		 /* packets of a run; 0: as many as in other cases */

	/*
	 * A case of a knob: each of its rounds has a run with the knob off, too, by off_case(). `off_limit` is the multiple
	 * of that run which is aimed at; 0: none.
	 */
	enum bench_knob knob;
	double off_limit;

	/* Tables under a change. Each run is checked by what the flow table did and where packets went. */
	enum bench_slots slots;
	enum bench_table table;
	enum sl_event event;  /* what the flow table does: for so many per cent of the packets, */
	unsigned int happens; /* and for the others nothing */
	bool to_newcomers;    /* else to the backends of the Maglev table */
	bool flood;	      /* every other packet is a new flow */
};

struct bench_cases {
	const struct bench_case *rows;
	size_t count;
};

extern const struct bench_cases cases_knobs, cases_change; /* parts of all cases */
size_t case_count(void);
const struct bench_case *case_at(size_t i);
/* The same packet while the knob is off. */
struct bench_case off_case(const struct bench_case *c);
extern const struct bench_case reference_case; /* what the floor `full` is measured with */

const char *verdict_name(enum sl_verdict verdict);
unsigned int verdict_action(enum sl_verdict verdict); /* enum xdp_action */

#define FRAME_MAX 1536 /* bytes */
#define VLAN_IN	  10   /* of the outermost tag */
#define VLAN_OUT  30   /* of a tag that the way has */
#define MSS	  1460 /* that SYNs offer */
#define CLAMP_TO  1300

size_t frame_size(const struct bench_frame *frame);
/* Writes the frame and what the driver makes of it. */
void frame_build(const struct bench_frame *frame, uint8_t data[FRAME_MAX]);
void frame_plan(const struct bench_case *c, const uint8_t data[FRAME_MAX], struct bench_plan *plan);
/* What is quoted of an IP packet in an answer to its sender, and how long that answer is, bytes. */
size_t frame_quoted(uint8_t family);
size_t frame_answer(uint8_t family);

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
	struct bench_bpf *bpf[2]; /* the second one's programs take frames of several buffers */
	struct world worlds[WORLDS];
	const char *object; /* of the balancers; NULL: built in */
	uint32_t away;	    /* an interface that is not the way in */
	int holds[2];	    /* links of the drivers (live.c) */
	int cpu;
	bool quick;
	const char *only; /* part of the names of the cases to run; NULL: all */
	uint64_t packets; /* a run */
	unsigned int rounds;
	uint64_t new_flows; /* the first flow that no packet has had yet, for cases of new flows */
	double deadline_s;  /* seconds from the first round after which no round is run again */
};

bool bench_has(const struct bench *bench, const struct bench_case *c);
/* Opened when it is first asked for. */
struct world *bench_world(struct bench *bench, enum bench_world kind);
/* The bench's own programs that can call a world's balancer. */
struct bench_bpf *bench_programs(const struct bench *bench, enum bench_world kind);
int program_fd(struct bench *bench, enum bench_program program, enum bench_world kind);

/* Ends the bench when one packet does not do what the case says. */
void check_case(struct bench *bench, const struct bench_case *c);

struct result {
	double ns, low, high; /* net: median, quartiles */
	double multiple; /* of `full` in the same rounds: the median of the rounds' multiples */
	unsigned int clean, disturbed; /* rounds that count; rounds that were run again */

	/* Of a knob's case, medians again: with the knob off, and what it adds. */
	double off_ns, adds_ns;
	double adds_multiple; /* of `full` */
	double off_multiple;  /* of the run with the knob off */
};

struct results {
	struct result *cases;		/* [case_count()] */
	double null_ns, full_ns;	/* medians over all rounds */
	unsigned int disturbed, rounds; /* over all cases */
};

void rounds_run(struct bench *bench, struct results *out);

/* Sorts `values` and returns the value below which `share` of them lie. */
double rounds_quantile(double *values, size_t count, double share);

/* Prints one line to standard error and exits with 1. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
