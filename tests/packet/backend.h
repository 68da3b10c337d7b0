/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of sluice-decap: a backend's device sl-a, in a test's own namespace, and what is attached to it. */
#ifndef PACKET_BACKEND_H
#define PACKET_BACKEND_H

#include "dataplane/decap.h"
#include "packet/frame.h"
#include "packet/pinned.h"

/* A balancer that the backend takes from, and the backend's own address. */
#define BALANCER4 "192.0.2.10"
#define BALANCER6 "2001:db8::10"
#define SELF4	  "10.0.1.11"
#define SELF6	  "2001:db8:1::11"

void backend_make_device(void);

/* For sl-a: from the balancers and two prefixes, to the backend's addresses. */
struct decap_options backend_options(void);

/* Fails the test on any problem or warning. */
struct dataplane_link backend_attach(const struct decap_options *options);
/* The same with the program of one compiler, from 0; the caller frees what is returned when the test is over. */
#define BACKEND_OBJECTS 2
char *backend_attach_object(int which);
struct decap_state backend_read(const char *device);

/* The frame in which a balancer sends a packet: IP in IP; `kind`: or in GUE. */
void backend_frame_of(struct frame *frame, enum outer_kind kind, const struct packet *packet,
		      const char *source, const char *destination);
void backend_frame(struct frame *frame, const struct packet *packet, const char *source,
		   const char *destination);
/* How a frame differs from what a balancer sends; all zero: not at all. Offsets are from the frame's start. */
struct backend_damage {
	uint16_t at, and_at; /* bytes put in; at 0: none */
	uint8_t value, and_value;
	bool keep_checksum;
	uint16_t cut; /* the frame ends after so many bytes; 0: as it is */
};

void backend_spoil(struct frame *frame, const struct backend_damage *damage);

/* A packet in a tunnel that the backend takes. */
struct backend_taken {
	const char *name, *source, *destination;
	struct packet packet;
	enum sl_decap_verdict verdict;
};

/* One, spoilt, that it does not take. */
struct backend_left {
	const char *name, *source, *destination;
	struct packet packet;
	struct backend_damage damage;
	int action;
	enum sl_decap_verdict verdict;
};

/* Runs all of a list: inner packets come out byte for byte; frames that are not taken are as they were. */
void backend_expect_taken(enum outer_kind kind, const struct backend_taken *list, size_t count);
void backend_expect_left(enum outer_kind kind, const struct backend_left *list, size_t count);

/* For tables of cases: how a frame is spoilt, and what is to become of it. */
#define PASS(verdict)	  XDP_PASS, SL_DECAP_PASS_##verdict
#define DROP(verdict)	  XDP_DROP, SL_DECAP_DROP_##verdict
#define BYTE(at_, value_) .at = at_, .value = value_
#define AND(at_, value_)  .and_at = at_, .and_value = value_
#define PACKET4(...)                                                                            \
	{                                                                                       \
		.source = "203.0.113.200", .destination = "203.0.113.10", .source_port = 40000, \
		.destination_port = 443, __VA_ARGS__                                            \
	}
#define PACKET6(...)                                                                              \
	{                                                                                         \
		.source = "2001:db8:c::7", .destination = "2001:db8:f::10", .source_port = 40000, \
		.destination_port = 443, __VA_ARGS__                                              \
	}
#define TCP .protocol = IPPROTO_TCP
#define UDP .protocol = IPPROTO_UDP

/* A frame's inner packet, taken out by the outer headers' own fields. */
void backend_inner(const struct frame *in, struct frame *out);
/* Runs a frame, and expects this action and this one counter to move. */
void backend_expect(const char *name, const struct frame *in, struct frame *out, int action,
		    enum sl_decap_verdict verdict);
void backend_expect_same(const char *name, const struct frame *got, const struct frame *expected);
/* Runs a frame through the program on sl-a. Returns the action. */
int backend_run(const struct frame *in, struct frame *out);

void backend_detach_all(void); /* whatever is pinned */

#endif
