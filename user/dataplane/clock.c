/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clock that packets read: jiffies64, shifted so that a tick is about a second. Userspace cannot read it, so
 * a program does (`clock` in bpf/sluice.bpf.c), which needs no privilege once it is loaded.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/problem.h"
#include "dataplane/internal.h"

#define SECOND_NS 1000000000

/*
 * Ticks of a second are in the middle: as much longer or shorter, by ratio. Entries hold 16 bits of tick, and the agent's
 * clock has 32 of jiffies, so the shift is at most 16: a jiffy is longer than 20 us.
 */
int clock_shift(uint8_t *shift, uint64_t *tick_ns, struct problems *p)
{
	struct timespec jiffy; /* the resolution of the coarse clocks: 1 / CONFIG_HZ */

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &jiffy))
		return problems_add(p, -errno, "kernel", NULL, "does not tell its CONFIG_HZ: %s",
				    strerror(errno));
	*tick_ns = jiffy.tv_sec * SECOND_NS + jiffy.tv_nsec;
	for (*shift = 0; 2 * *tick_ns * *tick_ns <= (uint64_t)SECOND_NS * SECOND_NS; ++*shift)
		*tick_ns *= 2;
	return 0;
}

int clock_read(const struct dataplane *dp, uint32_t *now)
{
	uint8_t frame[14] = {0}; /* the least that an XDP program can be run over */
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame));

	if (bpf_prog_test_run_opts(dp->programs.clock, &run))
		return -errno;
	*now = run.retval;
	return 0;
}
