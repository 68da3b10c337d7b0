/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BPF object: opened, given its limits, its maps, its constants and its knobs, and loaded.
 *
 * Constants are found by the object's own type information and not by the skeleton's struct, so that an object
 * of another compiler loads the same way. Knobs are numbers in the instructions (immediates.h); the constant of that name
 * is read by no program: it has the values for who looks at the map, and its type in the object says what knobs the marks mean.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/problem.h"
#include "dataplane/capture.h"
#include "dataplane/immediates.h"
#include "dataplane/internal.h"
#include "dataplane/xdp.h"
#include "probe.skel.h"
#include "sluice.skel.h"

#define CLOCK	     "clock"
#define SAME_SOURCES "build the program and its BPF object from the same sources"

/* A map of maps.def in the object: by its name, or the data section of an SL_GLOBAL. */
static struct bpf_map *object_map(const struct bpf_object *object, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);
	char section[SL_NAME_SIZE];

	snprintf(section, sizeof(section), ".data.%s", name);
	return map ? map : bpf_object__find_map_by_name(object, section);
}

static int compare_map(const struct bpf_object *object, const struct map_shape *shape,
		       struct problems *p)
{
	const struct bpf_map *map = object_map(object, shape->name);

	if (map && bpf_map__type(map) == shape->type && bpf_map__key_size(map) == shape->key_size &&
	    bpf_map__value_size(map) == shape->value_size)
		return 0;
	return problems_add(p, -EINVAL, "BPF object", shape->name, "%s; " SAME_SOURCES,
			    map ? "this map has another shape" : "it has no such map");
}

/* ---- knobs in the instructions -------------------------------------------------------------------- */

/* Of the programs that are being loaded, one object at a time: the callback is given nothing of its caller's. */
static struct {
	const struct sl_knobs *knobs;
	int err; /* what was wrong with a mark */
} loading;

/*
 * By now a program's instructions have those of all functions that it calls, and libbpf lets them be changed only here, by
 * who handles the program's section.
 */
static int prepare(struct bpf_program *program, struct bpf_prog_load_opts *opts, long cookie)
{
	size_t count = bpf_program__insn_cnt(program);
	struct bpf_insn *insns = mem_array(count, sizeof(*insns));
	int err;

	(void)opts;
	(void)cookie;
	memcpy(insns, bpf_program__insns(program), count * sizeof(*insns));
	err = loading.err = immediates_set(insns, count, loading.knobs);
	if (!err)
		err = bpf_program__set_insns(program, insns, count);
	free(insns);
	return err;
}

/* The sections of the balancer and of the probes' program: once for the process, before an object is opened. */
static int handle_sections(struct problems *p)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .prog_prepare_load_fn = prepare);
	static bool is_done;
	int id = 0;

	if (!is_done)
		id = libbpf_register_prog_handler("sluice/xdp", BPF_PROG_TYPE_XDP, 0, &opts);
	if (!is_done && id >= 0)
		id = libbpf_register_prog_handler("sluice/tc", BPF_PROG_TYPE_SCHED_CLS, 0, &opts);
	if (id < 0)
		return problems_add(p, id, "BPF object", NULL,
				    "libbpf does not let its programs be changed: %s",
				    strerror(-id));
	is_done = true;
	return 0;
}

/* Of an object that is loaded: a program in another section is not given to us, and would have marks for its knobs' values. */
static int check_marks(const struct bpf_object *object, struct problems *p)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object)
	{
		if (immediates_any(bpf_program__insns(program), bpf_program__insn_cnt(program)))
			return problems_add(
				p, -EINVAL, "BPF object", bpf_program__name(program),
				"its section is %s, where its knobs are not set; " SAME_SOURCES,
				bpf_program__section_name(program));
	}
	return 0;
}

/* ---- opening -------------------------------------------------------------------------------------- */

/* Opens an object, and compares its maps with maps.def. */
static int open_bytes(const char *name, const void *bytes, size_t size,
		      const struct sl_limits *limits, struct bpf_object **out, struct problems *p)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = name);
	struct map_shape shapes[MAPS];
	struct bpf_object *object;
	int err = handle_sections(p);

	if (err)
		return err;
	capture_start();
	object = bpf_object__open_mem(bytes, size, &opts);
	if (!object)
		return problems_add(p, capture_errno(-errno), "BPF object", NULL,
				    "cannot be read: %s", capture_text());
	map_shapes(limits, shapes);
	for (int i = 0; !err && i < MAPS; i++)
		err = compare_map(object, &shapes[i], p);
	if (err)
		bpf_object__close(object);
	else
		*out = object;
	return err;
}

int load_open(const struct dataplane_options *options, struct bpf_object **out, struct problems *p)
{
	const void *bytes = options->object;
	size_t size = options->object_size;

	if (!bytes)
		bytes = sluice_bpf__elf_bytes(&size);
	return open_bytes("sluice", bytes, size, &options->limits, out, p);
}

/* ---- constants ------------------------------------------------------------------------------------ */

static struct bpf_map *find_rodata(const struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		const char *name = strrchr(bpf_map__name(map), '.');

		if (name && strcmp(name, ".rodata") == 0)
			return map;
	}
	return NULL;
}

/* Where a constant lies within .rodata, or -ENOENT. */
static ssize_t find_constant(const struct bpf_object *object, const char *name, size_t size)
{
	const struct btf *btf = bpf_object__btf(object);
	int id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -ENOENT;
	const struct btf_type *section = id > 0 ? btf__type_by_id(btf, id) : NULL;

	for (int i = 0; section && i < btf_vlen(section); i++) {
		const struct btf_var_secinfo *info = btf_var_secinfos(section) + i;
		const struct btf_type *var = btf__type_by_id(btf, info->type);

		if (strcmp(btf__name_by_offset(btf, var->name_off), name) == 0 &&
		    info->size == size)
			return info->offset;
	}
	return -ENOENT;
}

/*
 * Whether the object's knobs are those of knobs.def and lie where they do. Their size alone says little: one of a byte more, or two
 * that change places, are of the same.
 */
static int compare_knobs(const struct bpf_object *object, struct problems *p)
{
	static const struct {
		const char *name;
		size_t at;
	} knobs[] = {
#define SL_KNOB(type, name, off, on, help) {#name, offsetof(struct sl_knobs, name)},
#include <sluice/knobs.def>
	};
	const struct btf *btf = bpf_object__btf(object);
	int id = btf ? btf__find_by_name_kind(btf, "sl_knobs", BTF_KIND_STRUCT) : -ENOENT;
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, id) : NULL;
	size_t count = type ? btf_vlen(type) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(knobs); i++) {
		const struct btf_member *member = i < count ? btf_members(type) + i : NULL;

		if (!member || member->offset != knobs[i].at * 8 ||
		    strcmp(btf__name_by_offset(btf, member->name_off), knobs[i].name) != 0)
			return problems_add(
				p, -EINVAL, "BPF object", knobs[i].name,
				"it does not have this knob in its place; " SAME_SOURCES);
	}
	if (count == ARRAY_SIZE(knobs))
		return 0;
	return problems_add(p, -EINVAL, "BPF object", "knobs",
			    "it has %zu of them instead of %zu; " SAME_SOURCES, count,
			    ARRAY_SIZE(knobs));
}

static int set_constants(struct bpf_object *object, const struct load_constants *from,
			 struct problems *p)
{
	const struct {
		const char *name;
		const void *value;
		size_t size;
	} constants[] = {
		{"knobs", from->knobs, sizeof(*from->knobs)},
		{"hash_key", from->key, sizeof(*from->key)},
		{"vlans", from->vlans, sizeof(*from->vlans)},
	};
	struct bpf_map *rodata = find_rodata(object);
	size_t room = 0;
	const void *initial = rodata ? bpf_map__initial_value(rodata, &room) : NULL;
	char *values = mem_alloc(room + 1);
	int err = 0;

	if (initial)
		memcpy(values, initial, room);
	for (size_t i = 0; !err && i < ARRAY_SIZE(constants); i++) {
		size_t size = constants[i].size;
		ssize_t at;

		if (!constants[i].value)
			continue;
		at = find_constant(object, constants[i].name, size);
		if (at < 0 || at + size > room)
			err = problems_add(p, -EINVAL, "BPF object", constants[i].name,
					   "it has no such constant of %zu bytes; " SAME_SOURCES,
					   size);
		else
			memcpy(values + at, constants[i].value, size);
	}
	if (!err)
		err = bpf_map__set_initial_value(rodata, values, room);
	free(values);
	return err;
}

/* ---- loading -------------------------------------------------------------------------------------- */

/*
 * Gives the object its maps. An array of maps gets its element's shape from the object; libbpf 1.1 cannot
 * change that (nor is there a need to).
 */
static int set_maps(struct bpf_object *object, const struct map_set *maps)
{
	struct map_shape shapes[MAPS];
	int err = 0;

	map_shapes(&maps->limits, shapes);
	for (int i = 0; !err && i < MAPS; i++) {
		struct bpf_map *map = object_map(object, shapes[i].name);

		err = maps->fd[i] >= 0 ? bpf_map__reuse_fd(map, maps->fd[i])
				       : bpf_map__set_max_entries(map, shapes[i].entries);
	}
	return err;
}

/* Descriptors of our own: the object's die with it. */
static int take_maps(const struct bpf_object *object, struct map_set *maps)
{
	struct map_shape shapes[MAPS];

	map_shapes(&maps->limits, shapes);
	for (int i = 0; i < MAPS; i++) {
		const struct bpf_map *map = object_map(object, shapes[i].name);

		if (maps->fd[i] < 0)
			maps->fd[i] = fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 0);
		if (maps->fd[i] < 0)
			return -errno;
	}
	return 0;
}

static int find_program(const struct bpf_object *object, const char *name, struct bpf_program **out,
			struct problems *p)
{
	*out = bpf_object__find_program_by_name(object, name);
	return *out ? 0 : problems_add(p, -EINVAL, "BPF object", name, "it has no such program");
}

/* Sets constants and maps, and loads; `name` of its program for problems. */
static int load_object(struct bpf_object *object, const char *name,
		       const struct load_constants *constants, const struct map_set *maps,
		       struct problems *p)
{
	int err = compare_knobs(object, p);

	if (!err)
		err = set_constants(object, constants, p);
	if (err)
		return err;
	capture_start();
	err = set_maps(object, maps);
	loading.knobs = constants->knobs;
	loading.err = 0;
	if (!err)
		err = bpf_object__load(object);
	loading.knobs = NULL;
	if (loading.err)
		return problems_add(p, loading.err, "BPF object", name,
				    "it wants a knob that is not in this program; " SAME_SOURCES);
	return err ? xdp_load_refused(err, name, p) : check_marks(object, p);
}

int load_run(struct bpf_object *object, const struct load_constants *constants,
	     struct map_set *maps, struct load_programs *out, struct problems *p)
{
	struct bpf_program *program, *clock;
	int err;

	err = find_program(object, DATAPLANE_PROGRAM, &program, p);
	if (!err)
		err = find_program(object, CLOCK, &clock, p);
	/* As a program that replaces a function has it: one map leads from that to this (beside.h, Linux 6.18). */
	if (!err)
		bpf_program__set_expected_attach_type(program, 0);
	/* By this a driver knows that it may give the program frames in several buffers. */
	if (!err && constants->knobs->multi_buffer)
		bpf_program__set_flags(program, bpf_program__flags(program) | BPF_F_XDP_HAS_FRAGS);
	if (!err)
		err = load_object(object, DATAPLANE_PROGRAM, constants, maps, p);
	if (err)
		return err;
	err = take_maps(object, maps);
	if (err)
		return problems_add(p, err, "BPF", DATAPLANE_PROGRAM,
				    "no file descriptor is left: %s", strerror(-err));
	*out = (struct load_programs){bpf_program__fd(program), bpf_program__fd(clock)};
	return 0;
}

int load_probe(const struct dataplane_options *options, const struct map_set *maps,
	       struct bpf_object **out, int *fd, struct problems *p)
{
	/* Of what it shares with the balancer: all that a path may need. It is not in anybody's hot path. */
	const struct sl_knobs knobs = {.encaps = 1, .entropy = 1, .vlans = 1};
	const struct load_constants constants = {.knobs = &knobs, .key = &options->key};
	struct bpf_program *program;
	const void *bytes = options->probe_object;
	size_t size = options->probe_object_size;
	struct bpf_object *object;
	int err;

	if (!bytes)
		bytes = probe_bpf__elf_bytes(&size);
	err = open_bytes("sluice_probe", bytes, size, &maps->limits, &object, p);
	if (err)
		return err;
	err = find_program(object, DATAPLANE_PROBE, &program, p);
	if (!err)
		err = load_object(object, DATAPLANE_PROBE, &constants, maps, p);
	if (err) {
		bpf_object__close(object);
		return err;
	}
	*out = object;
	*fd = bpf_program__fd(program);
	return 0;
}
