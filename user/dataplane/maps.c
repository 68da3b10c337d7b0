/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/problem.h"
#include "dataplane/internal.h"

void map_shapes(const struct sl_limits *l, struct map_shape out[MAPS])
{
	const struct map_shape shapes[MAPS] = {
#define SL_ARRAY(name, value, entries) \
	[MAP_##name] = {#name, BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(value), entries},
#define SL_DEVMAP(name, entries)                                        \
	[MAP_##name] = {#name, BPF_MAP_TYPE_DEVMAP_HASH, sizeof(__u32), \
			sizeof(struct bpf_devmap_val), entries},
#define SL_LPM(name, key, value, entries) \
	[MAP_##name] = {#name, BPF_MAP_TYPE_LPM_TRIE, sizeof(key), sizeof(value), entries},
#define SL_GRACE(name) \
	[MAP_##name] = {#name, BPF_MAP_TYPE_ARRAY_OF_MAPS, sizeof(__u32), sizeof(__u32), 1},
#include <sluice/maps.def>
	};

	memcpy(out, shapes, sizeof(shapes));
}

void map_set_init(struct map_set *set, const struct sl_limits *limits)
{
	*set = (struct map_set){.limits = *limits};
	for (int i = 0; i < MAPS; i++)
		set->fd[i] = -1;
}

/* The kernel maps whole pages (array_map_mmap() in kernel/bpf/arraymap.c). */
static size_t mapped_size(const struct map_shape *shape)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return ((size_t)shape->value_size * shape->entries + page - 1) / page * page;
}

static int map_memory(int fd, const struct map_shape *shape, void **out, struct problems *p)
{
	void *memory = mmap(NULL, mapped_size(shape), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return problems_add(p, -errno, "map", shape->name,
				    "cannot be mapped into memory: %s", strerror(errno));
	*out = memory;
	return 0;
}

int map_set_mmap(struct map_set *set, struct problems *p)
{
	struct map_shape shapes[MAPS];
	void *memory;
	int err = 0;

	map_shapes(&set->limits, shapes);
#define SL_ARRAY(name_, value, entries)                                                   \
	if (!err) {                                                                       \
		err = map_memory(set->fd[MAP_##name_], &shapes[MAP_##name_], &memory, p); \
		if (!err)                                                                 \
			set->name_ = memory;                                              \
	}
#include <sluice/maps.def>
	return err;
}

void map_set_close(struct map_set *set)
{
	struct map_shape shapes[MAPS];

	map_shapes(&set->limits, shapes);
#define SL_ARRAY(name_, value, entries) \
	if (set->name_)                 \
		munmap(set->name_, mapped_size(&shapes[MAP_##name_]));
#include <sluice/maps.def>
	for (int i = 0; i < MAPS; i++)
		if (set->fd[i] >= 0)
			close(set->fd[i]);
	map_set_init(set, &set->limits);
}
