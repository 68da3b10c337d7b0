/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The balancer on a bench of its own, for tests of tracking: a clock that the test turns, a flow table as small as
 * two buckets, services of a few slots, and a backend for each index, told apart by the MAC address that a packet
 * leaves to. Packets are patched copies of templates, so that one costs little more than its run.
 */
#ifndef PACKET_RIG_H
#define PACKET_RIG_H

#include <bpf/libbpf.h>

#include "dataplane/dataplane.h"
#include "dataplane/internal.h"

/* Each has IPv4 and IPv6 listeners on one port. */
enum rig_service { RIG_TCP = 1, RIG_UDP, RIG_BOTH, RIG_SERVICES };

#define RIG_SYN	      0x02
#define RIG_ACK	      0x10
#define RIG_FIN	      0x11 /* with ACK */
#define RIG_RST	      0x04
#define RIG_FRAME_MAX 128
#define RIG_IDS	      32

struct rig_options {
	uint32_t flows;	   /* entries; a power of two, at least 8 */
	uint32_t slots;	   /* of each service */
	uint32_t backends; /* indexes 1 to this */
	uint8_t syn_ticks, closing_ticks;
	bool order_loads;
	bool quic;
	uint64_t place_xor, place_factor; /* flow.h; factor 0: none of both */
	const void *object;		  /* another BPF object than the built-in one */
	size_t object_size;
};

struct rig {
	struct dataplane *dp;
	const struct dataplane_ops *ops;
	const struct dataplane_view *view;
	struct bpf_object *object; /* the program with the knobs of the test */
	int program_fd;
	struct sl_knobs knobs;
	struct sl_hash_key key;
	uint32_t slots;
	struct {
		uint8_t bytes[RIG_FRAME_MAX];
		size_t length;
	} templates[RIG_SERVICES][2][2];	/* by service, IPv6, UDP */
	struct dataplane_listener ids[RIG_IDS]; /* server ids that rig_listen() writes, too */
	size_t id_count;
};

/* A client's end of a flow. */
struct rig_flow {
	enum rig_service service;
	bool v6, udp;
	uint32_t client; /* the lower 32 bits of its address, any */
	uint16_t port;
};

/* A frame ready to be sent; the checksums of its IP packet are those of the template, nobody looks at them. */
struct rig_frame {
	uint8_t bytes[RIG_FRAME_MAX];
	size_t length;
	size_t flags_at; /* of the byte with TCP's flags */
};

/* -EINVAL and the like with the problems printed to standard error. */
int rig_open(struct rig *rig, const struct rig_options *options);
void rig_close(struct rig *rig);

void rig_set_tick(struct rig *rig, uint16_t tick);
/* T of a service; also the longest of all, to which `margin` is added (flow.h). */
void rig_set_idle(struct rig *rig, enum rig_service service, uint16_t ticks);
void rig_set_longest(struct rig *rig, uint16_t ticks);

/* Switches to a listener table in which each service's listeners name that record; 0: it has none. */
int rig_listen(struct rig *rig, const uint32_t records[RIG_SERVICES]);

uint32_t rig_first_slot(const struct rig *rig, enum rig_service service);
uint64_t rig_hash(const struct rig *rig, const struct rig_flow *flow);
uint32_t rig_slot(const struct rig *rig, const struct rig_flow *flow);
void rig_build(const struct rig *rig, const struct rig_flow *flow, struct rig_frame *out);

/* What a UDP packet carries, at most 60 bytes. */
void rig_set_payload(struct rig_frame *frame, const struct rig_flow *flow, const uint8_t *bytes,
		     size_t length);

/* Runs one packet. Returns the index of the backend that it was sent to, 0: dropped as no_backend; negative: neither. */
int rig_send(const struct rig *rig, struct rig_frame *frame, uint8_t tcp_flags);

/* Words of the maps. */
void rig_set_hot(struct rig *rig, uint32_t slot, uint16_t word);
void rig_set_cold(struct rig *rig, uint32_t slot, uint32_t word);
struct sl_flow *rig_entry(const struct rig *rig, uint32_t index);
uint64_t rig_event(const struct rig *rig, enum sl_event event);
uint64_t rig_verdict(const struct rig *rig, enum sl_verdict verdict);

#endif
