/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What loop.c and loop_host.c share; nobody else includes it. */
#ifndef AGENT_LOOP_STATE_H
#define AGENT_LOOP_STATE_H

#include <stdbool.h>
#include <uv.h>

#include "api/api.h"

struct agent;
struct trace;

struct loop {
	uv_loop_t uv;
	struct agent *agent;
	uv_signal_t reload, terminate, interrupt;
	uv_poll_t net;
	uv_prepare_t sleep;
	uv_timer_t gather, tick, probe, end, posted;
	struct api api;
	struct api_server *server;
	struct trace *trace;
	unsigned int gather_ms; /* at present */
	bool is_net_behind;	/* reading netlink failed: it is tried again without news */
	bool is_ending;
	bool is_down; /* a client has ended forwarding */
};

/* What the socket asks of the agent (loop_host.c). */
struct api_host loop_host(struct loop *loop);

#endif
