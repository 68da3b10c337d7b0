/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/problem.h"
#include "dataplane/capture.h"
#include "dataplane/decap.h"
#include "dataplane/pins.h"
#include "dataplane/xdp.h"
#include "decap.skel.h"

#define PROGRAM "decap"

static const char *const map_names[] = {"from", "own", "verdicts"};

static char *device_dir(const char *pin_dir, const char *device)
{
	char name[16];

	pins_from_device(device, name);
	return mem_format("%s/%s", pin_dir, name);
}

/* ---- the object ------------------------------------------------------------------------------------- */

static int open_object(const struct decap_options *options, struct bpf_object **out,
		       struct problems *p)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "sluice_decap");
	const void *bytes = options->object;
	size_t size = options->object_size;

	if (!bytes)
		bytes = decap_bpf__elf_bytes(&size);
	capture_start();
	*out = bpf_object__open_mem(bytes, size, &opts);
	if (!*out)
		return problems_add(p, capture_errno(-errno), "BPF object", NULL,
				    "cannot be read: %s", capture_text());
	for (size_t i = 0; i < ARRAY_SIZE(map_names); i++)
		if (!bpf_object__find_map_by_name(*out, map_names[i]))
			return problems_add(
				p, -EINVAL, "BPF object", map_names[i],
				"it has no such map; build the program and its BPF object from "
				"the same sources");
	return 0;
}

static int map_fd(const struct bpf_object *object, const char *name)
{
	return bpf_map__fd(bpf_object__find_map_by_name(object, name));
}

/* Counters that are pinned already go on, if they are of this version's verdicts. */
static void keep_counters(const struct pins *pins, struct bpf_object *object)
{
	char *path = pins_path(pins, "maps", "verdicts");
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info);
	int fd = bpf_obj_get(path);

	free(path);
	if (fd < 0)
		return;
	if (bpf_obj_get_info_by_fd(fd, &info, &length) == 0 &&
	    info.max_entries == SL_DECAP_VERDICTS)
		bpf_map__reuse_fd(bpf_object__find_map_by_name(object, "verdicts"), fd);
	close(fd);
}

static struct sl_decap_address make_address(const struct addr *addr)
{
	struct sl_decap_address address = {.family = addr->family};

	memcpy(address.bytes, addr->bytes, sizeof(address.bytes));
	return address;
}

static int fill(const struct bpf_object *object, const struct decap_options *options,
		struct problems *p)
{
	int from = map_fd(object, "from"), own = map_fd(object, "own");
	const uint32_t there = 1;
	int err = 0;

	for (size_t i = 0; !err && i < options->from_count; i++) {
		struct sl_decap_prefix key = {.bits = 8 + options->from[i].length,
					      .address = make_address(&options->from[i].addr)};

		err = bpf_map_update_elem(from, &key, &there, BPF_ANY);
	}
	for (size_t i = 0; !err && i < options->own_count; i++) {
		struct sl_decap_address key = make_address(&options->own[i]);

		err = bpf_map_update_elem(own, &key, &there, BPF_ANY);
	}
	if (err)
		return problems_add(p, -errno, "interface", options->device,
				    "the addresses could not be put into the maps: %s",
				    strerror(errno));
	return 0;
}

static int load(const struct pins *pins, const struct decap_options *options,
		struct bpf_object **object, struct problems *p)
{
	int err = open_object(options, object, p);

	if (err)
		return err;
	bpf_map__set_max_entries(bpf_object__find_map_by_name(*object, "from"),
				 options->from_count ? options->from_count : 1);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(*object, "own"),
				 options->own_count ? options->own_count : 1);
	keep_counters(pins, *object);
	capture_start();
	err = bpf_object__load(*object);
	if (err)
		return xdp_load_refused(err, PROGRAM, p);
	return fill(*object, options, p);
}

/* ---- attaching -------------------------------------------------------------------------------------- */

static int pin_maps(struct pins *pins, const struct bpf_object *object, struct problems *p)
{
	int err = pins_stage(pins, p);

	for (size_t i = 0; !err && i < ARRAY_SIZE(map_names); i++)
		err = pins_stage_map(pins, map_fd(object, map_names[i]), map_names[i], p);
	return err;
}

int decap_attach(const struct decap_options *options, struct dataplane_link *out,
		 struct problems *warnings, struct problems *p)
{
	char *dir = device_dir(options->pin_dir, options->device);
	struct pins pins = {0};
	struct bpf_object *object = NULL;
	struct xdp_attach attach = {
		.pins = &pins,
		.device = options->device,
		.ifindex = options->ifindex,
		.mode = options->mode,
	};
	int err = pins_open(&pins, dir, p);

	free(dir);
	if (!err)
		err = load(&pins, options, &object, p);
	if (!err)
		err = pin_maps(&pins, object, p);
	if (!err) {
		attach.program_fd =
			bpf_program__fd(bpf_object__find_program_by_name(object, PROGRAM));
		err = xdp_attach(&attach, out, NULL, warnings, p);
	}
	/* From here on it is in force; what may fail below only leaves old counters to be seen. */
	if (!err)
		err = pins_commit_maps(&pins, p);
	pins_tidy(&pins);
	if (pins.dir)
		rmdir(options->pin_dir); /* unless a device is in it */
	pins_close(&pins);
	bpf_object__close(object);
	return err;
}

static int not_attached(const char *pin_dir, const char *device, struct problems *p)
{
	return problems_add(p, -ENOENT, "interface", device,
			    "sluice-decap is not attached there (nothing is pinned in %s)",
			    pin_dir);
}

int decap_detach(const char *pin_dir, const char *device, struct problems *p)
{
	char *dir = device_dir(pin_dir, device);
	struct pins pins = {0};
	int err = pins_open_existing(&pins, dir, p);

	free(dir);
	if (err == -ENOENT)
		return not_attached(pin_dir, device, p);
	if (!err)
		err = pins_remove_all(&pins, p);
	if (!err)
		rmdir(pin_dir); /* unless a device is in it */
	pins_close(&pins);
	return err;
}

/* ---- reading ---------------------------------------------------------------------------------------- */

static int sum_counters(int fd, uint64_t count[SL_DECAP_VERDICTS])
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values;

	if (cpus < 0)
		return cpus;
	values = mem_array(cpus, sizeof(*values));
	for (uint32_t i = 0; i < SL_DECAP_VERDICTS; i++) {
		count[i] = 0;
		if (bpf_map_lookup_elem(fd, &i, values)) {
			int err = -errno;

			free(values);
			return err;
		}
		for (int cpu = 0; cpu < cpus; cpu++)
			count[i] += values[cpu];
	}
	free(values);
	return 0;
}

int decap_read(const char *pin_dir, const char *device, struct decap_state *out, struct problems *p)
{
	char *dir = device_dir(pin_dir, device), *path = mem_format("%s/maps/verdicts", dir);
	/* Reading takes no lock: what is read is replaced by one rename. */
	struct pins pins = {.dir = dir, .fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	struct decap_state state = {0};
	int fd = bpf_obj_get(path), err = fd < 0 ? -errno : sum_counters(fd, state.count);

	if (fd >= 0)
		close(fd);
	if (!err && xdp_links(&pins, &state.link, 1) == 0)
		err = -ENOENT;
	if (!err)
		*out = state;
	else if (err == -ENOENT)
		err = not_attached(pin_dir, device, p);
	else
		problems_add(p, err, "interface", device, "%s cannot be read: %s%s", path,
			     strerror(-err),
			     err == -EPERM || err == -EACCES ? "; run this as root" : "");
	if (pins.fd >= 0)
		close(pins.fd);
	free(path);
	free(dir);
	return err;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int decap_devices(const char *pin_dir, char ***names, size_t *count, struct problems *p)
{
	DIR *dir = opendir(pin_dir);
	struct dirent *entry;
	char device[16];

	*names = NULL;
	*count = 0;
	if (!dir && errno == ENOENT)
		return 0;
	if (!dir)
		return problems_add(p, -errno, "pin directory", pin_dir, "cannot be read: %s%s",
				    strerror(errno), errno == EACCES ? "; run this as root" : "");
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		pins_to_device(entry->d_name, device);
		*names = mem_grow(*names, *count, sizeof(**names));
		(*names)[(*count)++] = mem_string(device);
	}
	closedir(dir);
	if (*count)
		qsort(*names, *count, sizeof(**names), compare_names);
	return 0;
}
