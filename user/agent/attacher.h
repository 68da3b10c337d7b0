/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The attacher: a small process, forked from sluiced while that is still root, which asks libxdp on its behalf
 * (dataplane/beside.h).
 *
 * Story: the kernel lets nobody without CAP_SYS_ADMIN open a program that is attached, and libxdp must open all of a
 * dispatcher to change it. sluiced drops that right for good, but has to attach again what others have detached, and to
 * detach at the end. So this process stays behind with it, only where an interface has `attach: dispatcher`. It takes
 * requests from a socket that only sluiced holds, of a device and three verbs, and ends when that socket is closed.
 */
#ifndef AGENT_ATTACHER_H
#define AGENT_ATTACHER_H

struct attacher;
struct beside_answer;
struct beside_request;
struct problems;

/* Forks it; call it before privileges are dropped. Returns 0 and *out, or a negative errno, explained in `p`. */
int attacher_start(struct attacher **out, const char *pin_dir, struct problems *p);

/* Asks, and waits for the answer: milliseconds, at most some seconds. `arg` is the struct attacher. */
void attacher_ask(void *arg, const struct beside_request *request, struct beside_answer *out);

void attacher_stop(struct attacher *attacher); /* NULL is fine */

#endif
