/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The prober's end of wire/prober.h: orders in, reports out. Results are gathered, since a line and a
 * write for each of thousands would cost more than the probes.
 */
#ifndef PROBER_CHANNEL_H
#define PROBER_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct channel;
struct problems;
struct wire_order;

struct channel_events {
	void (*on_order)(void *self, const struct wire_order *order);
	/* An order that cannot be read; it is left out. */
	void (*on_wrong)(void *self, const struct problems *p);
	/* The agent has closed its end, or is gone. */
	void (*on_closed)(void *self);
	void *self;
};

/* Takes `fd` over and says hello. Returns 0 or a negative errno. */
int channel_open(uv_loop_t *loop, int fd, const struct channel_events *events,
		 struct channel **out);

void channel_result(struct channel *channel, uint32_t id, bool ok, bool once, uint64_t latency_us,
		    const char *what, uint64_t now_ms);
void channel_alert(struct channel *channel, uint32_t id, bool ok, const char *what,
		   uint64_t now_ms);
void channel_pong(struct channel *channel, uint64_t number);

/* Sends what has waited long enough. Returns how long the rest may wait; UINT64_MAX: there is none. */
uint64_t channel_flush(struct channel *channel, uint64_t now_ms);

/* The agent does not read: more results would only be older ones. */
bool channel_is_behind(const struct channel *channel);

#endif
