/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes of the maps: stores into mmapped arrays.
 *
 * Whatever a packet reads whole (a path, a listener table) has two versions. The spare is written, then one
 * release store switches to it. A packet that began before the switch still reads the version that went out of
 * force, so that one becomes writable only after a grace period: each spare remembers the number of grace
 * periods at which it was left.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "dataplane/audit.h"
#include "dataplane/flows.h"
#include "dataplane/internal.h"

static int grace(void *self)
{
	struct dataplane *dp = self;

	/* Returns after synchronize_rcu(): maybe_wait_bpf_programs() in kernel/bpf/syscall.c. */
	if (bpf_map_update_elem(dp->maps.fd[MAP_grace], &(__u32){0}, &dp->grace_inner_fd, BPF_ANY))
		return -errno;
	dp->graces++;
	return 0;
}

/* Waits if a packet may still read the spare that was left at grace period number `left`. */
static int free_spare(struct dataplane *dp, uint64_t left)
{
	return left == dp->graces ? grace(dp) : 0;
}

static bool has_record(const struct dataplane *dp, uint32_t record)
{
	return record != 0 && record < sl_service_records(&dp->maps.limits);
}

static bool has_index(const struct dataplane *dp, uint32_t index)
{
	return index != SL_NOBODY && index <= dp->maps.limits.backends;
}

static int write_service(void *self, uint32_t record, const struct sl_service *value)
{
	struct dataplane *dp = self;

	if (!has_record(dp, record))
		return -ERANGE;
	dp->maps.services[record] = *value;
	audit_note(dp->audit, &dp->maps.services[record], sizeof(*value));
	return 0;
}

/* What an index has counted so far goes over to its service's line (counters.def). */
static void retire_counters(struct dataplane *dp, uint32_t index)
{
	const struct sl_limits *l = &dp->maps.limits;
	uint32_t service = dp->maps.backends[index].service;
	uint64_t lines = sl_counter_lines(l), total[SL_COUNTERS_PER_LINE];
	__u64 *kept;

	if (service < sl_counter_services(l) || service >= sl_counter_backends(l))
		return;
	dataplane_count(dataplane_view(dp), sl_counter_backends(l) + index, total);
	kept = dp->maps.counters[service].count; /* the first CPU's row will do */
	__atomic_store_n(&kept[SL_SERVICE_packets],
			 kept[SL_SERVICE_packets] + total[SL_BACKEND_packets], __ATOMIC_RELAXED);
	__atomic_store_n(&kept[SL_SERVICE_bytes], kept[SL_SERVICE_bytes] + total[SL_BACKEND_bytes],
			 __ATOMIC_RELAXED);
	for (uint64_t cpu = 0; cpu < l->cpus; cpu++)
		memset(&dp->maps.counters[cpu * lines + sl_counter_backends(l) + index], 0,
		       sizeof(struct sl_counter_line));
}

static int write_backend(void *self, uint32_t index, const struct sl_backend *value)
{
	struct dataplane *dp = self;
	struct sl_backend *backend;
	uint8_t generation;

	if (!has_index(dp, index))
		return -ERANGE;
	backend = &dp->maps.backends[index];
	if (backend->family)
		retire_counters(dp, index);
	generation = backend->generation + 1;
	*backend = *value;
	backend->generation = generation;
	__atomic_store_n(&backend->active, 0, __ATOMIC_RELEASE);
	audit_note(dp->audit, backend, sizeof(*backend));
	return 0;
}

static int write_path(void *self, uint32_t index, const struct sl_path *path)
{
	struct dataplane *dp = self;
	struct sl_backend *backend;
	uint64_t spare;
	int err;

	if (!has_index(dp, index))
		return -ERANGE;
	err = free_spare(dp, dp->path_left[index]);
	if (err)
		return err;
	backend = &dp->maps.backends[index];
	spare = !(backend->active & 1);
	backend->path[spare] = *path;
	__atomic_store_n(&backend->active, spare, __ATOMIC_RELEASE);
	dp->path_left[index] = dp->graces;
	audit_note(dp->audit, &backend->path[spare], sizeof(*path));
	audit_note(dp->audit, &backend->active, sizeof(backend->active));
	return 0;
}

static int write_flags(void *self, uint32_t index, uint32_t flags)
{
	struct dataplane *dp = self;

	if (!has_index(dp, index))
		return -ERANGE;
	__atomic_store_n(&dp->maps.backends[index].flags, flags, __ATOMIC_RELEASE);
	audit_note(dp->audit, &dp->maps.backends[index].flags, sizeof(flags));
	return 0;
}

static int clear_counters(void *self, uint32_t line)
{
	struct dataplane *dp = self;
	uint64_t lines = sl_counter_lines(&dp->maps.limits), gone[SL_COUNTERS_PER_LINE];

	if (line >= lines)
		return -ERANGE;
	if (line >= sl_counter_services(&dp->maps.limits) &&
	    line < sl_counter_backends(&dp->maps.limits)) {
		__u64 *tx = &dp->maps.counters[SL_SEND_tx / SL_COUNTERS_PER_LINE]
				     .count[SL_SEND_tx % SL_COUNTERS_PER_LINE];

		/* The service is gone, what it sent was sent (counters.def). */
		dataplane_count(dataplane_view(dp), line, gone);
		__atomic_store_n(tx, *tx + gone[SL_SERVICE_packets], __ATOMIC_RELAXED);
	}
	for (uint64_t cpu = 0; cpu < dp->maps.limits.cpus; cpu++) {
		struct sl_counter_line *l = &dp->maps.counters[cpu * lines + line];

		for (unsigned int i = 0; i < SL_COUNTERS_PER_LINE; i++)
			__atomic_store_n(&l->count[i], 0, __ATOMIC_RELAXED);
	}
	return 0;
}

static int write_listeners(void *self, const struct dataplane_listener *list, size_t count)
{
	struct dataplane *dp = self;
	struct sl_control *control = dp->maps.control;
	uint32_t max4 = sl_listener_buckets4(&dp->maps.limits);
	uint32_t max6 = sl_listener_buckets6(&dp->maps.limits);
	uint64_t spare = ~control->listeners & SL_LISTENERS_HALF, word;
	int err;

	err = free_spare(dp, dp->listeners_left);
	if (err)
		return err;
	err = listeners_build(list, count, dp->maps.listeners4 + spare * max4, max4,
			      dp->maps.listeners6 + spare * max6, max6, &word);
	if (err)
		return err;
	__atomic_store_n(&control->listeners, word | spare, __ATOMIC_RELEASE);
	dp->listeners_left = dp->graces;
	audit_note(dp->audit, dp->maps.listeners4 + spare * max4,
		   max4 * sizeof(struct sl_listeners4));
	audit_note(dp->audit, dp->maps.listeners6 + spare * max6,
		   max6 * sizeof(struct sl_listeners6));
	audit_note(dp->audit, &control->listeners, sizeof(control->listeners));
	return 0;
}

static int check_slots(const struct dataplane *dp, const struct dataplane_store *stores,
		       size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (stores[i].slot >= dp->maps.limits.slots)
			return -ERANGE;
	return 0;
}

static int store_cold(void *self, const struct dataplane_store *stores, size_t count)
{
	struct dataplane *dp = self;
	int err = check_slots(dp, stores, count);

	for (size_t i = 0; !err && i < count; i++) {
		struct sl_cold_line *line = &dp->maps.cold[stores[i].slot / SL_COLD_PER_LINE];

		__atomic_store_n(&line->word[stores[i].slot % SL_COLD_PER_LINE], stores[i].word,
				 __ATOMIC_RELEASE);
	}
	return err;
}

static int store_hot(void *self, const struct dataplane_store *stores, size_t count)
{
	struct dataplane *dp = self;
	int err = check_slots(dp, stores, count);

	for (size_t i = 0; !err && i < count; i++) {
		struct sl_hot_line *line = &dp->maps.hot[stores[i].slot / SL_HOT_PER_LINE];

		__atomic_store_n(&line->word[stores[i].slot % SL_HOT_PER_LINE],
				 (__u16)stores[i].word, __ATOMIC_RELEASE);
	}
	return err;
}

static int swap_cold(void *self, struct dataplane_swap *swaps, size_t count)
{
	struct dataplane *dp = self;

	for (size_t i = 0; i < count; i++)
		if (swaps[i].slot >= dp->maps.limits.slots)
			return -ERANGE;
	for (size_t i = 0; i < count; i++) {
		struct sl_cold_line *line = &dp->maps.cold[swaps[i].slot / SL_COLD_PER_LINE];
		__u32 seen = swaps[i].from;

		swaps[i].done = __atomic_compare_exchange_n(
			&line->word[swaps[i].slot % SL_COLD_PER_LINE], &seen, swaps[i].to, false,
			__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	}
	return 0;
}

static int write_idle(void *self, uint32_t record, uint32_t ticks)
{
	struct dataplane *dp = self;

	if (!has_record(dp, record) || ticks > UINT16_MAX)
		return -ERANGE;
	__atomic_store_n(&dp->maps.services[record].idle_ticks, (__u16)ticks, __ATOMIC_RELEASE);
	audit_note(dp->audit, &dp->maps.services[record].idle_ticks, sizeof(__u16));
	return 0;
}

static int write_mss(void *self, uint32_t record, uint16_t mss)
{
	struct dataplane *dp = self;

	if (!has_record(dp, record))
		return -ERANGE;
	__atomic_store_n(&dp->maps.services[record].mss, mss, __ATOMIC_RELEASE);
	audit_note(dp->audit, &dp->maps.services[record].mss, sizeof(mss));
	return 0;
}

static int write_quic(void *self, uint32_t record, const uint16_t quic[SL_QUIC_CONFIGS])
{
	struct dataplane *dp = self;
	__u16 *words;

	if (!has_record(dp, record))
		return -ERANGE;
	words = dp->maps.services[record].quic;
	for (int i = 0; i < SL_QUIC_CONFIGS; i++)
		__atomic_store_n(&words[i], quic[i], __ATOMIC_RELEASE);
	audit_note(dp->audit, words, SL_QUIC_CONFIGS * sizeof(*words));
	return 0;
}

static int write_longest(void *self, uint16_t ticks)
{
	struct dataplane *dp = self;

	__atomic_store_n(&dp->maps.control->longest_ticks, ticks, __ATOMIC_RELEASE);
	audit_note(dp->audit, &dp->maps.control->longest_ticks, sizeof(ticks));
	return 0;
}

static int scan_flows(void *self, const struct dataplane_visitor *visitor)
{
	struct dataplane *dp = self;

	flows_scan(dp->maps.flows, dp->maps.limits.flows, visitor);
	return 0;
}

static int read_clock(void *self, uint32_t *now)
{
	return clock_read(self, now);
}

static int open_way(void *self, uint32_t ifindex)
{
	struct dataplane *dp = self;
	struct bpf_devmap_val way = {.ifindex = ifindex};

	if (bpf_map_update_elem(dp->maps.fd[MAP_egress], &ifindex, &way, BPF_ANY))
		return -errno;
	audit_note_way(dp->audit, ifindex);
	return 0;
}

static void set_revision(void *self, uint64_t revision)
{
	struct dataplane *dp = self;

	__atomic_store_n(&dp->maps.meta->revision, revision, __ATOMIC_RELEASE);
	audit_note(dp->audit, &dp->maps.meta->revision, sizeof(revision));
}

const struct dataplane_ops *dataplane_operations(void)
{
	static const struct dataplane_ops ops = {
#define DATAPLANE_OPERATION(name, function) .name = function,
#include "dataplane/operations.def"
	};

	return &ops;
}
