/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets of probes: marked, bound to a device and a source address, non-blocking. */
#ifndef PROBER_SOCK_H
#define PROBER_SOCK_H

#include <stddef.h>

struct spec_target;

#define SOCK_WHY_SIZE 128

/*
 * Opens a socket of the target's family, not yet connected. Returns it or a negative errno, and says
 * in `why` which step failed, for what, and for which reason.
 *
 * A TCP socket is closed by a reset, at whatever stage: a probe through the tunnel has one
 * destination for all backends, where a minute of TIME_WAIT for each would use up the ports.
 */
int sock_open(const struct spec_target *target, int type, int protocol, char why[SOCK_WHY_SIZE]);

/* strerror() as the end of a sentence: "connection refused". */
const char *sock_reason(int error, char reason[SOCK_WHY_SIZE]);

#endif
