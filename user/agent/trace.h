/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traces for `sluicectl trace`: each in a process of its own, a fork of the agent that has its rights and its knowledge,
 * but none of its sockets. It makes maps that no packet reads, and answers the requests of one client by a pair of
 * sockets, a line each, until the last one. So the agent goes on meanwhile, and nothing that a trace does can touch what
 * runs. One at a time; it ends with its client, or when nothing comes from either side for a while.
 */
#ifndef AGENT_TRACE_H
#define AGENT_TRACE_H

#include "api/api.h"

struct agent;
struct trace;
struct uv_loop_s;

struct trace *trace_open(struct agent *agent, struct uv_loop_s *loop);
/* As struct api_host has them. */
int trace_ask(struct trace *trace, const struct api_client *client,
	      const struct wire_arguments *arguments, struct api_promise *promise,
	      struct problems *p);
void trace_gone(struct trace *trace, const struct api_client *client);
/* Ends what is under way. The loop must run until it has nothing left to do; then it is freed. */
void trace_close(struct trace *trace);

/* The child's whole life, with its end of the pair (trace_child.c). */
_Noreturn void trace_child(struct agent *agent, int channel);

#endif
