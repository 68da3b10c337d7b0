/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From root to what a running agent needs: CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON (attach, reload),
 * as user `sluice` where there is one. Everything that the agent writes later is given to that user
 * before.
 */
#ifndef AGENT_PRIVILEGES_H
#define AGENT_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#define PRIVILEGES_USER "sluice"

struct problems;

struct privileges {
	uid_t uid;
	gid_t gid;
	bool is_user; /* false: there is no user `sluice`; uid and gid are root's */
};

/* Fails with one sentence when this process may not load BPF programs. */
int privileges_check(struct problems *p);

void privileges_find(struct privileges *out);
/*
 * Gives a directory and all below it to the user. Symbolic links are not followed, nor mounts
 * entered; a file of somebody else with a second name is refused.
 */
int privileges_give(const struct privileges *to, const char *path, struct problems *p);
/* Drops everything else, for good. */
int privileges_drop(const struct privileges *to, struct problems *p);

#endif
