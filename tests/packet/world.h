/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A loaded balancer with services in its maps, for the packet tests: every VIP has TCP and UDP port 443.
 *
 *	203.0.113.10, 2001:db8:f::10	-> 10.0.1.11, out by IPv4
 *	203.0.113.11, 2001:db8:f::11	-> 2001:db8:1::12, out by IPv6
 *	203.0.113.12, 2001:db8:f::12	any port of TCP -> 10.0.1.11
 *	203.0.113.20, 2001:db8:f::20	no backend
 *	203.0.113.21			its backend has no next hop
 *	203.0.113.22			TCP only; its slots name all of the backends in turn
 */
#ifndef PACKET_WORLD_H
#define PACKET_WORLD_H

#include <linux/bpf.h>

#include "dataplane/dataplane.h"
#include "packet/frame.h"

#define WORLD_SLOTS 251
#define WORLD_MTU   1500

enum world_backend { WORLD_NOBODY, WORLD_V4, WORLD_V6, WORLD_NO_WAY, WORLD_V4B, WORLD_BACKENDS };

/* How packets travel to the backends, and what the program is loaded for besides what that needs. */
struct world_way {
	enum sl_encapsulation encapsulation;
	bool entropy; /* ipip's outer source varies: in 198.18.0.0/15, and in the last 32 bits of 100:: */
	const struct tagging *tags; /* of the paths; NULL: none */
	bool keep_tags;
	uint32_t mtu;		      /* of the way to the backends; 0: WORLD_MTU */
	const struct sl_vlans *vlans; /* where services listen; NULL: untagged */
	struct dataplane_features features;
	bool all_features;
	bool manual_clock; /* world_set_tick() */
};

struct world {
	struct world_way way;
	struct dataplane *dp;
	const struct dataplane_ops *ops;
	const struct dataplane_view *view;
	struct sl_hash_key key;
	void *object; /* that the program is loaded from, also anew; NULL: the built-in one */
};

/* Loads and fills; `redirect` is the knob. Fails the test when it cannot. */
void world_open(struct world *world, bool redirect);
void world_open_way(struct world *world, const struct world_way *way);
void world_close(struct world *world);

/* A listener on an address or a prefix. */
struct dataplane_listener world_listener(const char *on, uint16_t port, uint8_t protocol,
					 uint16_t service);
/* These alone are denied from now on; in order, and at most 8. */
void world_deny(struct world *world, const char *const *sources, size_t count);

/* The outer header of a backend's path, for frame_encapsulate(); `in` is for the hash. */
void world_outer(const struct world *world, enum world_backend backend, const struct frame *in,
		 struct outer *out);
/* The same with another hash than the flow's. */
void world_outer_of(const struct world *world, enum world_backend backend, const struct frame *in,
		    uint64_t hash, struct outer *out);

/* Makes one backend's way another one, out by `ifindex`. */
void world_set_way(struct world *world, enum world_backend backend, const struct world_way *way,
		   uint32_t ifindex);
/* Bytes that the way to a backend adds before an IP packet. */
size_t world_overhead(const struct world *world, enum world_backend backend);

/* The clock of a world with `manual_clock`. */
void world_set_tick(struct world *world, uint16_t tick);

/* Sends the ways out of all backends to this interface. */
void world_set_ifindex(struct world *world, uint32_t ifindex);

/* Runs one packet as if it had come in by `ifindex`; returns the XDP action. */
int world_run(struct world *world, const struct frame *in, struct frame *out, uint32_t ifindex);

/* Fails the test at the first byte that differs; `name` is the case's. */
void world_expect_frame(const char *name, const struct frame *got, const struct frame *expected);

/* The keyed hash of the flow in a frame that has ports. */
uint64_t world_hash(const struct world *world, const struct frame *in);

/* All counters at one moment, summed over CPUs. */
struct world_counts {
	uint64_t verdict[SL_VERDICTS];
	uint64_t service[16][SL_COUNTERS_PER_LINE];
	uint64_t backend[WORLD_BACKENDS][SL_COUNTERS_PER_LINE];
};
void world_count(const struct world *world, struct world_counts *out);

const char *world_verdict_name(enum sl_verdict verdict);
enum xdp_action world_verdict_action(enum sl_verdict verdict); /* of what is sent: XDP_TX */
/* Fails the test unless one packet was counted meanwhile, by this verdict and no other; `name` is the case's. */
void world_expect_verdict(const char *name, const struct world_counts *before,
			  const struct world_counts *after, enum sl_verdict verdict);
/* Packets that all services together have dropped. */
uint64_t world_dropped(const struct world_counts *counts);

/* A frame's run: what came of it, and the counters before and after. */
struct world_ran {
	int action;
	struct frame out;
	struct world_counts before, after;
};

/* Runs a frame as of interface 1; fails the test unless it is counted by this verdict and no other. */
void world_run_counted(struct world *world, const char *name, const struct frame *in,
		       enum sl_verdict verdict, struct world_ran *out);

#endif
