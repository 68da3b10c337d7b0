/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libcurl's multi interface in the loop: transfers that are over call back. */
#ifndef PROBER_WEB_H
#define PROBER_WEB_H

#include <uv.h>

#include <curl/curl.h>

struct watcher;
struct web;

/* Returns 0 or a negative errno. */
int web_open(uv_loop_t *loop, struct watcher *watcher, struct web **out);

/*
 * Starts a transfer; its CURLOPT_PRIVATE is `self`. on_end comes later, never from within this call,
 * unless web_remove() was called before.
 */
int web_add(struct web *web, CURL *easy, void (*on_end)(void *self, CURLcode code));
void web_remove(struct web *web, CURL *easy);

#endif
