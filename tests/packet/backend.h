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
struct decap_state backend_read(const char *device);

/* The frame in which a balancer sends a packet. */
void backend_frame(struct frame *frame, const struct packet *packet, const char *source,
		   const char *destination);
/* Runs a frame through the program on sl-a. Returns the action. */
int backend_run(const struct frame *in, struct frame *out);

void backend_detach_all(void); /* whatever is pinned */

#endif
