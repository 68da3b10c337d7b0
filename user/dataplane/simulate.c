/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets on trial: a copy of the maps, and single frames through the program (BPF_PROG_TEST_RUN).
 *
 * The program says how a packet ended by its counters alone, and on a copy nobody else counts. So they are zero before a
 * frame, and what is not zero after it is the outcome.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "dataplane/audit.h"
#include "dataplane/deny.h"
#include "dataplane/flows.h"
#include "dataplane/internal.h"

#define COPY_TRIES 8 /* each is only for a change that came during the one before */

/* ---- the copy -------------------------------------------------------------------------------------- */

/* What packets only read; counters, the limit of answers and the meta record are the copy's own. */
static void copy_arrays(const struct map_set *from, struct map_set *to)
{
	struct map_shape shapes[MAPS];

	map_shapes(&from->limits, shapes);
#define SL_ARRAY(name_, value, entries_)                                                          \
	if (MAP_##name_ != MAP_counters && MAP_##name_ != MAP_meta && MAP_##name_ != MAP_flows && \
	    MAP_##name_ != MAP_answers && MAP_##name_ != MAP_fragments)                           \
		memcpy(to->name_, from->name_, shapes[MAP_##name_].entries * sizeof(value));
#include <sluice/maps.def>
	to->meta->revision = from->meta->revision;
}

/* Maps that are not memory, entry by entry; no more than there may be, since a walk begins anew where its key goes away. */
static int copy_entries(int from, int to, struct problems *p)
{
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info);
	unsigned char *key, *value, *last = NULL;
	int err = bpf_obj_get_info_by_fd(from, &info, &length);

	key = mem_alloc(info.key_size + 1);
	value = mem_alloc(info.value_size + 1);
	for (uint32_t i = 0; !err && i < info.max_entries; i++) {
		if (bpf_map_get_next_key(from, last, key))
			break;
		last = key;
		/* One that has gone meanwhile is not there to be copied. */
		if (bpf_map_lookup_elem(from, key, value) == 0)
			err = bpf_map_update_elem(to, key, value, BPF_ANY);
	}
	if (err)
		err = problems_add(p, -errno, "map", info.name, "cannot be copied: %s",
				   strerror(errno));
	free(key);
	free(value);
	return err;
}

static int copy_others(const struct map_set *from, const struct map_set *to, struct problems *p)
{
	struct map_shape shapes[MAPS];
	int err = 0;

	map_shapes(&from->limits, shapes);
	for (int i = 0; !err && i < MAPS; i++)
		if (shapes[i].type != BPF_MAP_TYPE_ARRAY &&
		    shapes[i].type != BPF_MAP_TYPE_ARRAY_OF_MAPS)
			err = copy_entries(from->fd[i], to->fd[i], p);
	return err;
}

static uint64_t listeners_in_force(const struct dataplane *dp)
{
	return __atomic_load_n(&dp->maps.control->listeners, __ATOMIC_ACQUIRE);
}

int dataplane_copy(const struct dataplane *running, struct dataplane **out, struct problems *p)
{
	struct dataplane_options options = running->options;
	struct dataplane *dp;
	uint64_t word;
	int tries = 0, err;

	options.limits = running->maps.limits;
	options.host_key = running->host_key;
	/* A frame on trial may be of any length, by whatever interface it came in when it was captured. */
	options.features.multi_buffer = true;
	err = dataplane_open(&options, &dp, p);
	if (err)
		return err;
	do {
		word = listeners_in_force(running);
		copy_arrays(&running->maps, &dp->maps);
	} while (word != listeners_in_force(running) && ++tries < COPY_TRIES);
	if (tries == COPY_TRIES)
		err = problems_add(p, -EAGAIN, "maps", NULL,
				   "change too fast to be copied; try again");
	if (!err) {
		flows_copy_same(running->maps.flows, options.limits.flows, dp->maps.flows);
		flows_copy_same(running->maps.fragments, options.limits.fragments,
				dp->maps.fragments);
		err = copy_others(&running->maps, &dp->maps, p);
		deny_read(dp->maps.fd[MAP_denied], audit_denied(dp->audit));
	}
	if (err)
		dataplane_close(dp);
	else
		*out = dp;
	return err;
}

/* ---- one frame ------------------------------------------------------------------------------------- */

/* Runs the program once, on the CPU *cpu. */
static int run(const struct dataplane *dp, const void *frame, size_t length, uint32_t ifindex,
	       int *cpu, uint32_t *action)
{
	struct xdp_md context = {.data_end = length, .ingress_ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = length,
		    .repeat = 1);
	cpu_set_t before, here;
	int err;

	if (ifindex) {
		options.ctx_in = &context;
		options.ctx_size_in = sizeof(context);
	}
	CPU_ZERO(&here);
	*cpu = sched_getcpu();
	if (*cpu < 0 || sched_getaffinity(0, sizeof(before), &before))
		return -errno;
	CPU_SET(*cpu, &here);
	if (sched_setaffinity(0, sizeof(here), &here))
		return -errno;
	err = bpf_prog_test_run_opts(dp->programs.balancer, &options) ? -errno : 0;
	sched_setaffinity(0, sizeof(before), &before);
	*action = options.retval;
	return err;
}

/* The first counter from line `first` to before `end` that is not zero: *at its number from there. All become zero. */
static bool take_counter(struct sl_counter_line *row, uint32_t first, uint32_t end, uint32_t *at)
{
	static const struct sl_counter_line none;
	bool found = false;

	for (uint32_t line = first; line < end; line++) {
		if (memcmp(&row[line], &none, sizeof(none)) == 0)
			continue;
		for (uint32_t i = 0; i < SL_COUNTERS_PER_LINE && !found; i++)
			if (row[line].count[i]) {
				*at = (line - first) * SL_COUNTERS_PER_LINE + i;
				found = true;
			}
		row[line] = none;
	}
	return found;
}

static enum sl_event connection_id(const struct sl_counter_line *row)
{
	const struct sl_counter_line *events = row + SL_VERDICT_LINES;

	for (uint32_t i = SL_EVENT_quic_named; i <= SL_EVENT_quic_dead; i++)
		if (events[i / SL_COUNTERS_PER_LINE].count[i % SL_COUNTERS_PER_LINE])
			return i;
	return SL_EVENT_NONE;
}

int dataplane_try(struct dataplane *dp, const void *frame, size_t length, uint32_t ifindex,
		  struct dataplane_outcome *out)
{
	const struct sl_limits *l = &dp->maps.limits;
	struct dataplane_outcome outcome = {.verdict = SL_DROP_internal};
	struct sl_counter_line *row;
	uint32_t action, at;
	int cpu, err;

	if (length < ETH_HLEN)
		return -EINVAL;
	err = run(dp, frame, length, ifindex, &cpu, &action);
	/* test_run.c says so where a frame is longer than a page has room for. */
	if ((err == -EINVAL || err == -ENOMEM || err == -E2BIG) && length > 1500)
		return -EMSGSIZE;
	if (err)
		return err;
	row = dp->maps.counters + (size_t)cpu * sl_counter_lines(l);
	if (take_counter(row, sl_counter_backends(l), sl_counter_lines(l), &at)) {
		outcome.backend = at / SL_COUNTERS_PER_LINE;
		outcome.service = dp->maps.backends[outcome.backend].service;
		outcome.verdict = SL_SEND_tx; /* which nobody counts (counters.def) */
	}
	if (take_counter(row, 0, SL_VERDICT_LINES, &at))
		outcome.verdict = at;
	outcome.connection_id = connection_id(row);
	take_counter(row, SL_VERDICT_LINES, SL_VERDICT_LINES + SL_EVENT_LINES, &at);
	if (take_counter(row, sl_counter_services(l), sl_counter_backends(l), &at))
		outcome.service = sl_counter_services(l) + at / SL_COUNTERS_PER_LINE;
	*out = outcome;
	return 0;
}
