/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's one thread: signals, netlink, the socket and the clock, on libuv.
 *
 * Netlink's news are answered together, some milliseconds after the first: a link that goes down
 * brings a message for each of its routes and neighbours, and one change of the tables is enough.
 */
#ifndef AGENT_LOOP_H
#define AGENT_LOOP_H

#include <stdbool.h>

struct agent;
struct loop;
struct problems;

/* Listens on the socket and watches signals and netlink; `agent` must outlive the loop. */
int loop_open(struct agent *agent, struct loop **out, struct problems *p);

/* Runs until a signal or a client ends it. Returns whether forwarding is to end, too. */
bool loop_run(struct loop *loop);

/* Ends what is open, clients' last replies included, and frees it. NULL is fine. */
void loop_close(struct loop *loop);

#endif
