/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/mem.h"
#include "prober/watch.h"
#include "prober/web.h"

struct web {
	CURLM *multi;
	struct watcher *watcher;
	uv_timer_t timer;
	void (*on_end)(void *self, CURLcode code);
};

/* A socket of a transfer. */
struct web_socket {
	struct watch watch; /* first: its events give it back */
	struct web *web;
};

/* Transfers that are over: each is removed before it is told, for the teller may free it. */
static void collect(struct web *web)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(web->multi, &left))) {
		CURL *easy = message->easy_handle;
		CURLcode code = message->data.result;
		void *self = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &self);
		curl_multi_remove_handle(web->multi, easy);
		web->on_end(self, code);
	}
}

static void on_ready(struct watch *watch, uint32_t events)
{
	struct web_socket *socket = (struct web_socket *)watch;
	struct web *web = socket->web;
	int what = 0, running;

	what |= events & EPOLLIN ? CURL_CSELECT_IN : 0;
	what |= events & EPOLLOUT ? CURL_CSELECT_OUT : 0;
	what |= events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0;
	curl_multi_socket_action(web->multi, watch->fd, what, &running);
	collect(web);
}

static void on_time(uv_timer_t *timer)
{
	struct web *web = timer->data;
	int running;

	curl_multi_socket_action(web->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(web);
}

/* ---- what curl asks for ---------------------------------------------------------------------- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *self, void *old)
{
	struct web *web = self;
	struct web_socket *socket = old;
	uint32_t events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (socket)
			watch_remove(web->watcher, &socket->watch);
		free(socket);
		curl_multi_assign(web->multi, fd, NULL);
		return 0;
	}
	events |= what & CURL_POLL_IN ? EPOLLIN : 0;
	events |= what & CURL_POLL_OUT ? EPOLLOUT : 0;
	if (socket)
		return watch_change(web->watcher, &socket->watch, events) ? -1 : 0;
	socket = mem_alloc(sizeof(*socket));
	socket->web = web;
	socket->watch.on_ready = on_ready;
	if (watch_add(web->watcher, &socket->watch, fd, events)) {
		free(socket);
		return -1;
	}
	curl_multi_assign(web->multi, fd, socket);
	return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *self)
{
	struct web *web = self;

	(void)multi;
	if (timeout_ms < 0)
		uv_timer_stop(&web->timer);
	else
		uv_timer_start(&web->timer, on_time, (uint64_t)timeout_ms, 0);
	return 0;
}

/* ---- the interface --------------------------------------------------------------------------- */

int web_open(uv_loop_t *loop, struct watcher *watcher, struct web **out)
{
	struct web *web = mem_alloc(sizeof(*web));

	web->watcher = watcher;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) || !(web->multi = curl_multi_init())) {
		free(web);
		return -ENOMEM;
	}
	uv_timer_init(loop, &web->timer);
	web->timer.data = web;
	curl_multi_setopt(web->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(web->multi, CURLMOPT_SOCKETDATA, web);
	curl_multi_setopt(web->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(web->multi, CURLMOPT_TIMERDATA, web);
	*out = web;
	return 0;
}

int web_add(struct web *web, CURL *easy, void (*on_end)(void *self, CURLcode code))
{
	web->on_end = on_end;
	return curl_multi_add_handle(web->multi, easy) ? -ENOMEM : 0;
}

void web_remove(struct web *web, CURL *easy)
{
	curl_multi_remove_handle(web->multi, easy);
}
