/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"
#include "prober/watch.h"

#define BATCH 256

struct watcher {
	uv_poll_t poll;
	int fd;
	/* Those that are being handed out: the watch of one may be gone when its turn comes. */
	struct epoll_event events[BATCH];
	int count, at;
};

static void on_events(uv_poll_t *poll, int status, int events)
{
	struct watcher *watcher = poll->data;

	(void)events;
	if (status)
		return;
	watcher->count = epoll_wait(watcher->fd, watcher->events, BATCH, 0);
	for (watcher->at = 0; watcher->at < watcher->count; watcher->at++) {
		const struct epoll_event *event = &watcher->events[watcher->at];
		struct watch *watch = event->data.ptr;

		if (watch)
			watch->on_ready(watch, event->events);
	}
	watcher->count = 0;
}

int watcher_open(uv_loop_t *loop, struct watcher **out)
{
	struct watcher *watcher = mem_alloc(sizeof(*watcher));
	int err;

	watcher->fd = epoll_create1(EPOLL_CLOEXEC);
	if (watcher->fd < 0) {
		err = -errno;
		free(watcher);
		return err;
	}
	err = uv_poll_init(loop, &watcher->poll, watcher->fd);
	if (err) {
		close(watcher->fd);
		free(watcher);
		return err;
	}
	watcher->poll.data = watcher;
	uv_poll_start(&watcher->poll, UV_READABLE, on_events);
	*out = watcher;
	return 0;
}

static int control(struct watcher *watcher, int operation, struct watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	return epoll_ctl(watcher->fd, operation, watch->fd, &event) ? -errno : 0;
}

int watch_add(struct watcher *watcher, struct watch *watch, int fd, uint32_t events)
{
	int err;

	watch->fd = fd;
	err = control(watcher, EPOLL_CTL_ADD, watch, events);
	if (err)
		watch->fd = -1;
	return err;
}

int watch_change(struct watcher *watcher, struct watch *watch, uint32_t events)
{
	return control(watcher, EPOLL_CTL_MOD, watch, events);
}

void watch_remove(struct watcher *watcher, struct watch *watch)
{
	if (watch->fd < 0)
		return;
	control(watcher, EPOLL_CTL_DEL, watch, 0);
	watch->fd = -1;
	for (int i = watcher->at + 1; i < watcher->count; i++)
		if (watcher->events[i].data.ptr == watch)
			watcher->events[i].data.ptr = NULL;
}
