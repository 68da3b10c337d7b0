/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters: one row of lines for each CPU, summed when somebody asks. Pure. */
#include <string.h>

#include "dataplane/dataplane.h"

void dataplane_count(const struct dataplane_view *v, uint32_t line,
		     uint64_t out[SL_COUNTERS_PER_LINE])
{
	memset(out, 0, SL_COUNTERS_PER_LINE * sizeof(*out));
	for (uint64_t cpu = 0; cpu < v->limits.cpus; cpu++) {
		const struct sl_counter_line *l =
			&v->counters[cpu * sl_counter_lines(&v->limits) + line];

		for (unsigned int i = 0; i < SL_COUNTERS_PER_LINE; i++)
			out[i] += __atomic_load_n(&l->count[i], __ATOMIC_RELAXED);
	}
}
