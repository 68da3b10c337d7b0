/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The prober: the probes that the agent has ordered, their schedule, and what runs.
 *
 * Story: an order adds, replaces or removes probes (channel.h, spec.h). The schedule says what starts
 * and what is given up (schedule.h). A run does the work by its kind (run.h) and reports one result.
 * All of it happens in one loop with one timer.
 */
#ifndef PROBER_PROBER_H
#define PROBER_PROBER_H

#include <uv.h>

struct prober;
struct problems;

/* What of an order cannot be done is handed to `on_wrong`, and the rest is done. */
struct prober_options {
	int fd;			  /* the channel */
	unsigned int sockets_max; /* at once */
	uint64_t seed;
	void (*on_wrong)(const struct problems *p);
};

/* Returns 0 or a negative errno, explained in `p`. */
int prober_open(uv_loop_t *loop, const struct prober_options *options, struct prober **out,
		struct problems *p);

/* Until the agent closes the channel. Then all that was started is killed. */
void prober_run(struct prober *prober);

#endif
