/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Counters: this CPU's row of lines (abi.h). */
#ifndef BPF_COUNT_H
#define BPF_COUNT_H

#include "maps.h"

static __always_inline __u32 counter_row(void)
{
	return bpf_get_smp_processor_id() * KNOB(counter_lines);
}

static __always_inline struct sl_counter_line *counter_line(__u32 row, __u32 line)
{
	__u32 i = row + line;

	return bpf_map_lookup_elem(&counters, &i);
}

static __always_inline void count_event(enum sl_event event)
{
	struct sl_counter_line *line =
		counter_line(counter_row(), SL_VERDICT_LINES + event / SL_COUNTERS_PER_LINE);

	if (line)
		line->count[event % SL_COUNTERS_PER_LINE]++;
}

#endif
