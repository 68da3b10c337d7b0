/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What net.c gives to the other files of net/; nobody else includes it. */
#ifndef NET_INTERNAL_H
#define NET_INTERNAL_H

struct net;
struct net_socket;

/* The socket that asks. */
struct net_socket *net_asking(struct net *net);

#endif
