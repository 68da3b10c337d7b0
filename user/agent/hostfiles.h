/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files that a configuration names and that are used long after it is in force: programs of probes and alerts,
 * certificates, secrets. What is wrong with them is a warning and no refusal: another user than the agent's uses most of them,
 * they are opened anew each time, and forwarding needs none of them.
 */
#ifndef AGENT_HOSTFILES_H
#define AGENT_HOSTFILES_H

#include <stdbool.h>
#include <sys/types.h>

struct config;
struct problems;

struct hostfiles_user {
	uid_t uid;
	gid_t gid;
	const char *name; /* a literal */
};

/* Who uses them: secrets the agent, all others the prober. */
struct hostfiles_users {
	struct hostfiles_user agent, prober;
};

/* `is_root`: the agent starts as root, and finds its users by name; else all of it is this process's user. */
void hostfiles_find_users(bool is_root, struct hostfiles_users *out);

/*
 * Adds a warning for each file that is not there, is no regular file, is empty, or whose mode or folders keep its user out;
 * each file once for each use. What cannot be looked at from here is passed over.
 */
void hostfiles_check(const struct config *config, const struct hostfiles_users *users,
		     struct problems *warnings);

#endif
