/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tells the service manager how the agent is: the protocol of sd_notify(3), without libsystemd. */
#ifndef AGENT_NOTIFY_H
#define AGENT_NOTIFY_H

/*
 * Sends one message ("READY=1\nSTATUS=...") to the socket that $NOTIFY_SOCKET names, a path or "@"
 * and an abstract name. Returns 0, also when there is none, or a negative errno.
 */
int notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* RELOADING=1 with the time that Type=notify-reload asks for. */
int notify_reloading(void);

#endif
