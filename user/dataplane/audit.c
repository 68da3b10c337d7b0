/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A record that was written over is put right the way it was written at first: a path and a listener table by their
 * spare and one store, all else in place. What packets saw in between was wrong anyhow; none sees a mixture of two
 * right ones.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/problem.h"
#include "dataplane/audit.h"
#include "dataplane/deny.h"
#include "dataplane/internal.h"

/* A copy of a map, as large as the map. */
struct audit_region {
	const void *live;
	void *copy;
	size_t size; /* bytes */
};

enum region {
	REGION_META,
	REGION_CONTROL,
	REGION_LISTENERS4,
	REGION_LISTENERS6,
	REGION_SERVICES,
	REGION_BACKENDS,
	REGIONS
};

struct audit {
	struct audit_region regions[REGIONS];
	uint32_t *ways; /* that packets may be redirected out by */
	size_t way_count;
	struct deny_list denied;
};

/* ---- the copy -------------------------------------------------------------------------------------- */

static void copy_region(struct audit_region *region, const void *live, size_t size)
{
	*region = (struct audit_region){live, mem_alloc(size), size};
	memcpy(region->copy, live, size);
}

static void note_ways(struct audit *audit, int map_fd)
{
	uint32_t key, *last = NULL;

	while (!bpf_map_get_next_key(map_fd, last, &key)) {
		audit_note_way(audit, key);
		last = &key;
	}
}

struct audit *audit_new(const struct dataplane *dp)
{
	const struct map_set *maps = &dp->maps;
	const struct sl_limits *l = &maps->limits;
	struct audit *audit = mem_alloc(sizeof(*audit));

	copy_region(&audit->regions[REGION_META], maps->meta, sizeof(*maps->meta));
	copy_region(&audit->regions[REGION_CONTROL], maps->control, sizeof(*maps->control));
	copy_region(&audit->regions[REGION_LISTENERS4], maps->listeners4,
		    2 * sizeof(*maps->listeners4) * sl_listener_buckets4(l));
	copy_region(&audit->regions[REGION_LISTENERS6], maps->listeners6,
		    2 * sizeof(*maps->listeners6) * sl_listener_buckets6(l));
	copy_region(&audit->regions[REGION_SERVICES], maps->services,
		    sizeof(*maps->services) * sl_service_records(l));
	copy_region(&audit->regions[REGION_BACKENDS], maps->backends,
		    sizeof(*maps->backends) * (l->backends + 1));
	note_ways(audit, maps->fd[MAP_egress]);
	deny_read(maps->fd[MAP_denied], &audit->denied);
	return audit;
}

void audit_free(struct audit *audit)
{
	if (!audit)
		return;
	for (int i = 0; i < REGIONS; i++)
		free(audit->regions[i].copy);
	free(audit->ways);
	free(audit->denied.list);
	free(audit);
}

void audit_note(struct audit *audit, const void *at, size_t size)
{
	for (int i = 0; audit && i < REGIONS; i++) {
		struct audit_region *region = &audit->regions[i];
		size_t offset = (const char *)at - (const char *)region->live;

		if (offset < region->size)
			memcpy((char *)region->copy + offset, at, size);
	}
}

struct deny_list *audit_denied(struct audit *audit)
{
	return &audit->denied;
}

void audit_note_way(struct audit *audit, uint32_t ifindex)
{
	for (size_t i = 0; i < audit->way_count; i++)
		if (audit->ways[i] == ifindex)
			return;
	audit->ways = mem_grow(audit->ways, audit->way_count, sizeof(*audit->ways));
	audit->ways[audit->way_count++] = ifindex;
}

/* ---- what differs ---------------------------------------------------------------------------------- */

static bool is_record_damaged(const struct audit *audit, enum region r, size_t index, size_t size)
{
	const struct audit_region *region = &audit->regions[r];

	return memcmp((const char *)region->live + index * size,
		      (const char *)region->copy + index * size, size) != 0;
}

/* Most often nothing differs, and one comparison says so. */
static uint32_t count_records(const struct audit *audit, enum region r, size_t size)
{
	const struct audit_region *region = &audit->regions[r];
	uint32_t damaged = 0;

	if (!memcmp(region->live, region->copy, region->size))
		return 0;
	for (size_t i = 0; i < region->size / size; i++)
		damaged += is_record_damaged(audit, r, i, size);
	return damaged;
}

/* The half that is in force by our copy; nobody reads the other one. */
static bool is_half_damaged(const struct audit *audit, enum region r, uint64_t half)
{
	const struct audit_region *region = &audit->regions[r];
	size_t size = region->size / 2;

	return memcmp((const char *)region->live + half * size,
		      (const char *)region->copy + half * size, size) != 0;
}

static const struct sl_control *right_control(const struct audit *audit)
{
	return audit->regions[REGION_CONTROL].copy;
}

static bool are_listeners_damaged(const struct dataplane *dp)
{
	uint64_t word = right_control(dp->audit)->listeners;

	return dp->maps.control->listeners != word ||
	       is_half_damaged(dp->audit, REGION_LISTENERS4, word & SL_LISTENERS_HALF) ||
	       is_half_damaged(dp->audit, REGION_LISTENERS6, word & SL_LISTENERS_HALF);
}

/* The way out by a device that is there no more went with it: the kernel shuts it (kernel/bpf/devmap.c). */
static bool is_way_lost(const struct dataplane *dp, uint32_t ifindex)
{
	struct bpf_devmap_val way;
	char device[IF_NAMESIZE];

	if (!if_indextoname(ifindex, device) && errno == ENXIO)
		return false;
	return bpf_map_lookup_elem(dp->maps.fd[MAP_egress], &ifindex, &way) ||
	       way.ifindex != ifindex;
}

/* Whether what is pinned as <kind>/<name> is this object of ours. */
static bool is_pinned(const struct dataplane *dp, const char *kind, const char *name, int fd)
{
	/* Both infos begin with type and id (linux/bpf.h). */
	struct bpf_map_info ours = {0}, theirs = {0};
	uint32_t our_size = sizeof(ours), their_size = sizeof(theirs);
	char *path = pins_at(&dp->pins, kind, name);
	int pinned = bpf_obj_get(path);
	bool is_same = pinned >= 0 && !bpf_obj_get_info_by_fd(fd, &ours, &our_size) &&
		       !bpf_obj_get_info_by_fd(pinned, &theirs, &their_size) &&
		       ours.type == theirs.type && ours.id == theirs.id;

	if (pinned >= 0)
		close(pinned);
	free(path);
	return is_same;
}

/* Calls `each` with every map and program that should be pinned; returns how often it said true. */
static uint32_t each_pin(const struct dataplane *dp,
			 bool (*each)(const struct dataplane *dp, const char *kind,
				      const char *name, int fd))
{
	struct map_shape shapes[MAPS];
	uint32_t count = 0;

	if (!dp->pins.dir)
		return 0;
	map_shapes(&dp->maps.limits, shapes);
	for (int i = 0; i < MAPS; i++)
		count += each(dp, "maps", shapes[i].name, dp->maps.fd[i]);
	return count + each(dp, "progs", DATAPLANE_PROGRAM, dp->programs.balancer);
}

static bool is_unpinned(const struct dataplane *dp, const char *kind, const char *name, int fd)
{
	return !is_pinned(dp, kind, name, fd);
}

bool dataplane_audit(const struct dataplane *dp, struct dataplane_damage *out)
{
	const struct audit *audit = dp->audit;

	*out = (struct dataplane_damage){
		.services = count_records(audit, REGION_SERVICES, sizeof(struct sl_service)),
		.backends = count_records(audit, REGION_BACKENDS, sizeof(struct sl_backend)),
		.listeners = are_listeners_damaged(dp),
		.meta = is_record_damaged(audit, REGION_META, 0, sizeof(struct sl_meta)) ||
			dp->maps.control->longest_ticks != right_control(audit)->longest_ticks,
		.pins = each_pin(dp, is_unpinned),
	};
	for (size_t i = 0; i < audit->way_count; i++)
		out->ways += is_way_lost(dp, audit->ways[i]);
	out->denied = deny_look(dp->maps.fd[MAP_denied], &dp->audit->denied);
	return out->services || out->backends || out->listeners || out->meta || out->ways ||
	       out->denied || out->pins;
}

/* ---- putting it right ------------------------------------------------------------------------------ */

static void restore_half(const struct audit *audit, enum region r, uint64_t from, uint64_t to)
{
	const struct audit_region *region = &audit->regions[r];
	size_t size = region->size / 2;

	memcpy((char *)region->live + to * size, (const char *)region->copy + from * size, size);
}

/* Our copy of the half in force goes into the spare, and is switched to. */
static int mend_listeners(struct dataplane *dp)
{
	struct sl_control *control = dp->maps.control;
	uint64_t word = right_control(dp->audit)->listeners, half = word & SL_LISTENERS_HALF;
	int err;

	if (!are_listeners_damaged(dp))
		return 0;
	/* The word is not to be trusted, nor is it known which half packets read. */
	err = dataplane_operations()->grace(dp);
	if (err)
		return err;
	restore_half(dp->audit, REGION_LISTENERS4, half, !half);
	restore_half(dp->audit, REGION_LISTENERS6, half, !half);
	__atomic_store_n(&control->listeners, word ^ SL_LISTENERS_HALF, __ATOMIC_RELEASE);
	dp->listeners_left = dp->graces;
	for (int r = REGION_LISTENERS4; r <= REGION_LISTENERS6; r++)
		audit_note(dp->audit, dp->audit->regions[r].live, dp->audit->regions[r].size);
	audit_note(dp->audit, &control->listeners, sizeof(control->listeners));
	return 0;
}

static int mend_services(struct dataplane *dp)
{
	const struct sl_service *right = dp->audit->regions[REGION_SERVICES].copy;

	for (uint32_t i = 0; i < sl_service_records(&dp->maps.limits); i++)
		if (is_record_damaged(dp->audit, REGION_SERVICES, i, sizeof(*right)))
			dp->maps.services[i] = right[i];
	return 0;
}

static int mend_meta(struct dataplane *dp)
{
	*dp->maps.meta = *(const struct sl_meta *)dp->audit->regions[REGION_META].copy;
	__atomic_store_n(&dp->maps.control->longest_ticks, right_control(dp->audit)->longest_ticks,
			 __ATOMIC_RELEASE);
	return 0;
}

/* Where the active path is wrong, or is not the active one any more. */
static bool is_path_damaged(const struct sl_backend *live, const struct sl_backend *right)
{
	return live->active != right->active ||
	       memcmp(&live->path[right->active], &right->path[right->active],
		      sizeof(live->path[0])) != 0;
}

/* All but the path in force, which packets read, and which is right by now. */
static void mend_rest(struct sl_backend *live, const struct sl_backend *right)
{
	struct sl_backend next = *right;

	__atomic_store_n(&live->flags, right->flags, __ATOMIC_RELEASE);
	live->service = next.service;
	live->family = next.family;
	memcpy(live->address, next.address, sizeof(live->address));
	live->generation = next.generation;
	memcpy(live->pad1, next.pad1, sizeof(live->pad1));
	memcpy(live->pad2, next.pad2, sizeof(live->pad2));
	live->path[!next.active] = next.path[!next.active];
}

static int mend_backends(struct dataplane *dp)
{
	const struct sl_backend *right = dp->audit->regions[REGION_BACKENDS].copy;
	const struct dataplane_ops *ops = dataplane_operations();
	uint32_t last = dp->maps.limits.backends;
	bool is_switched = false;
	int err = 0;

	for (uint32_t i = 1; !err && i <= last; i++) {
		struct sl_path path = right[i].path[right[i].active];

		if (!right[i].family || !is_path_damaged(&dp->maps.backends[i], &right[i]))
			continue;
		err = ops->write_path(dp, i, &path);
		is_switched = true;
	}
	if (!err && is_switched)
		err = ops->grace(dp);
	for (uint32_t i = 0; !err && i <= last; i++) {
		if (!is_record_damaged(dp->audit, REGION_BACKENDS, i, sizeof(*right)))
			continue;
		if (right[i].family)
			mend_rest(&dp->maps.backends[i], &right[i]);
		else
			dp->maps.backends[i] = right[i];
	}
	return err;
}

static int mend_denied(struct dataplane *dp)
{
	return deny_mend(dp->maps.fd[MAP_denied], &dp->audit->denied);
}

static int mend_ways(struct dataplane *dp)
{
	const struct dataplane_ops *ops = dataplane_operations();
	int err = 0;

	for (size_t i = 0; !err && i < dp->audit->way_count; i++)
		if (is_way_lost(dp, dp->audit->ways[i]))
			err = ops->open_way(dp, dp->audit->ways[i]);
	return err;
}

static bool pin_again(const struct dataplane *dp, const char *kind, const char *name, int fd)
{
	return !is_pinned(dp, kind, name, fd) && pins_replace(&dp->pins, fd, kind, name, NULL);
}

static int mend_pins(struct dataplane *dp)
{
	return each_pin(dp, pin_again) ? -EIO : 0;
}

static int fail(struct problems *p, int err, const char *what)
{
	return problems_add(p, err, "maps", NULL, "%s cannot be put right: %s", what,
			    strerror(-err));
}

int dataplane_mend(struct dataplane *dp, struct problems *p)
{
	static const struct {
		const char *what;
		int (*mend)(struct dataplane *dp);
	} parts[] = {
		{"backends", mend_backends},   {"ways out", mend_ways}, {"services", mend_services},
		{"listeners", mend_listeners}, {"meta", mend_meta},	{"deny list", mend_denied},
		{"pins", mend_pins},
	};
	int err = 0, failed;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		failed = parts[i].mend(dp);
		if (failed)
			err = fail(p, failed, parts[i].what);
	}
	return err;
}
