/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What net.c gives to the other files of net/; nobody else includes it. */
#ifndef NET_INTERNAL_H
#define NET_INTERNAL_H

struct net;
struct net_socket;

/* The socket that asks. */
struct net_socket *net_asking(struct net *net);

/* An ethtool command about a device, by ioctl; `command` begins with its number. Not 0: errno says why not. */
int net_ask_ethtool(const struct net *net, const char *name, void *command);

#endif
