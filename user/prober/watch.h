/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many short-lived sockets in one epoll instance, which the loop sees as one handle: a socket costs
 * one epoll_ctl() in its life and leaves when it is closed.
 */
#ifndef PROBER_WATCH_H
#define PROBER_WATCH_H

#include <stdint.h>
#include <uv.h>

struct watcher;

struct watch {
	int fd; /* -1: not watched */
	/* EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP. It may remove any watch and free its own. */
	void (*on_ready)(struct watch *watch, uint32_t events);
};

/* Returns 0 or a negative errno. */
int watcher_open(uv_loop_t *loop, struct watcher **out);

/* Fill on_ready in before. Returns 0 or a negative errno. */
int watch_add(struct watcher *watcher, struct watch *watch, int fd, uint32_t events);
int watch_change(struct watcher *watcher, struct watch *watch, uint32_t events);
/* Before the descriptor is closed. No event comes after it. */
void watch_remove(struct watcher *watcher, struct watch *watch);

#endif
