/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launcher: a small process, forked from sluiced while that is still root, which starts
 * sluice-prober as a user of its own whenever sluiced asks, and ends it for certain.
 *
 * Story: sluiced drops its privileges for good, but a prober that died must be started again, as
 * another user and with CAP_NET_RAW, which sluiced does not have. So the launcher stays behind with
 * CAP_SETUID, CAP_SETGID, CAP_NET_RAW and CAP_KILL. It reads one-byte requests from a
 * socket that only sluiced holds, takes no argument from it (program and user were fixed before),
 * and when that socket is closed, it kills the prober and all that the prober has left behind (it is
 * their subreaper), and ends. Where sluiced was not root, it starts the prober with what it has.
 */
#ifndef AGENT_LAUNCHER_H
#define AGENT_LAUNCHER_H

#include <sys/types.h>

#define LAUNCHER_USER  "sluice-prober"
#define LAUNCHER_OTHER "nobody" /* where there is no such user */

struct launcher;
struct problems;

/*
 * Forks the launcher; call it before privileges are dropped and before there are threads. The
 * prober's user is `sluice-prober`, else `nobody`. Returns 0 and *out, or a negative errno,
 * explained in `p`. A program that cannot be executed is found out here, too; the file is opened, so
 * an upgrade that replaces it takes effect with the next agent.
 */
int launcher_start(struct launcher **out, const char *prober_path, struct problems *p);

/* What is to be said of the user that the prober will have: a warning, or NULL. Lives with `launcher`. */
const char *launcher_warning(const struct launcher *launcher);

/*
 * Starts a prober; one that runs is killed before. Returns 0, the agent's end of the channel (a
 * non-blocking stream socket, close-on-exec, the caller's to close) and the prober's process, or a
 * negative errno, explained in `p` (-EPIPE: the launcher itself is gone). Blocks for as long as that
 * takes: milliseconds.
 */
int launcher_spawn(struct launcher *launcher, int *fd, pid_t *pid, struct problems *p);

/*
 * Kills the prober and every process below it, and waits for that. Returns how it had ended (as
 * waitpid() says it: its own exit or signal, or SIGKILL), 0 if none had run, or a negative errno
 * (-EPIPE: the launcher itself is gone; -ETIMEDOUT: something does not die).
 */
int launcher_kill(struct launcher *launcher);

/* launcher_kill(), and the launcher ends; NULL is fine. */
void launcher_stop(struct launcher *launcher);

#endif
