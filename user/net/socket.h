/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two rtnetlink sockets with libmnl. The kernel answers a request within the call that sends it,
 * so the exchanges below never wait; the socket that listens is read without blocking.
 */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mnl_socket;
struct nlmsghdr;

/*
 * Called for each message; `size` is the bytes there are at `message`. Not 0 ends the exchange
 * with that.
 */
typedef int socket_take(const struct nlmsghdr *message, size_t size, void *context);

struct net_socket {
	struct mnl_socket *mnl;
	uint32_t sequence;
};

/*
 * Opens a socket in the caller's network namespace. With groups (RTNLGRP_*, ended by 0) it listens
 * and does not block. Returns 0 or a negative errno.
 */
int socket_open(struct net_socket *sock, const int *groups);
void socket_close(struct net_socket *sock);

/*
 * Sends a request and hands over its answers until the last. Returns 0, the kernel's negative
 * errno, the first result of `take` that is not 0, -EBADMSG, or -EINTR (a dump during which the
 * list changed: ask again).
 */
int socket_ask(struct net_socket *sock, struct nlmsghdr *request, socket_take *take, void *context);

/*
 * Hands over what one datagram holds. Returns 1 (there may be more), 0 (nothing there), -ENOBUFS
 * (messages were lost), -EBADMSG, or another negative errno. Results of `take` below 0 end it.
 */
int socket_listen(struct net_socket *sock, socket_take *take, void *context);

#endif
