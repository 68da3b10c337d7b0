/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the prober gives up before it reads its first order, whoever has started it. */
#ifndef PROBER_CONFINE_H
#define PROBER_CONFINE_H

struct problems;

/*
 * No new privileges, no capability but CAP_NET_RAW (SO_MARK from Linux 5.17 on, SO_BINDTODEVICE, raw
 * sockets), and that not for programs it runs; no core file. Raises the limit of open files as far as
 * it may, and returns in *sockets_max how many sockets at once that leaves room for. Returns 0 or a
 * negative errno, explained in `p`.
 */
int confine(unsigned int *sockets_max, struct problems *p);

#endif
