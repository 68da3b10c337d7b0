/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many processes a program may make, so that one that forks without end harms neither the host nor other programs.
 *
 * The kernel bounds processes and threads (RLIMIT_NPROC) of a user, not of a program, and the user may be `nobody`, who
 * others are, too. So each program is started with a bound of its own: what its user has at this moment, and
 * QUOTA_EACH more. Programs that are started while one forks without end find room behind it.
 */
#ifndef PROBER_QUOTA_H
#define PROBER_QUOTA_H

#include <stdint.h>
#include <sys/types.h>

#define QUOTA_EACH 128	/* processes and threads */
#define QUOTA_ALL  1024 /* of all programs together, and of the prober */

/* Zero it. */
struct quota {
	uint64_t others; /* of this user, and not below this process; counted now and then */
	uint64_t counted_ms;
};

/* To be called right before a program is started, and after it with its process (0: it was not). */
void quota_begin(struct quota *quota, uint64_t now_ms);
void quota_end(pid_t pid);

#endif
