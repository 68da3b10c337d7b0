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

void dataplane_count_verdicts(const struct dataplane_view *v, uint64_t out[SL_VERDICTS])
{
	const struct sl_limits *l = &v->limits;
	uint64_t line[SL_COUNTERS_PER_LINE];

	for (uint32_t verdict = 0; verdict < SL_VERDICTS; verdict++) {
		if (verdict % SL_COUNTERS_PER_LINE == 0)
			dataplane_count(v, verdict / SL_COUNTERS_PER_LINE, line);
		out[verdict] = line[verdict % SL_COUNTERS_PER_LINE];
	}
	/* The line itself holds what services had sent whose line is free again. */
	for (uint32_t i = 0; i < l->services; i++) {
		dataplane_count(v, sl_counter_services(l) + i, line);
		out[SL_SEND_tx] += line[SL_SERVICE_packets];
	}
	for (uint32_t i = 1; i <= l->backends; i++) {
		dataplane_count(v, sl_counter_backends(l) + i, line);
		out[SL_SEND_tx] += line[SL_BACKEND_packets];
	}
	out[SL_SEND_tx] -= out[SL_SEND_redirect];
}

void dataplane_count_service(const struct dataplane_view *v, uint32_t line,
			     uint64_t out[SL_COUNTERS_PER_LINE])
{
	uint64_t backend[SL_COUNTERS_PER_LINE];

	dataplane_count(v, line, out);
	for (uint32_t i = 1; i <= v->limits.backends; i++) {
		if (v->backends[i].family == 0 || v->backends[i].service != line)
			continue;
		dataplane_count(v, sl_counter_backends(&v->limits) + i, backend);
		out[SL_SERVICE_packets] += backend[SL_BACKEND_packets];
		out[SL_SERVICE_bytes] += backend[SL_BACKEND_bytes];
	}
}
