/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The map of programs that members go on by, and its pins, one for each interface. None of this needs libxdp. */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/problem.h"
#include "dataplane/beside.h"
#include "dataplane/pins.h"
#include "dataplane/xdp.h"

#define KIND "beside"

static void ask(const struct pins *pins, const struct beside_by *by, enum beside_what what,
		const char *device, enum dataplane_mode mode, struct beside_answer *out)
{
	struct beside_request request = {
		.what = what,
		.ifindex = if_nametoindex(device),
		.mode = mode,
	};

	*out = (struct beside_answer){};
	snprintf(request.device, sizeof(request.device), "%s", device);
	/* What was on a device that has gone went with it. */
	if (!request.ifindex)
		return;
	if (by->ask)
		by->ask(by->arg, &request, out);
	else
		beside_ask(pins->dir, &request, out);
}

/* ---- the map ---------------------------------------------------------------------------------------- */

static int open_pin(const struct pins *pins, const char *pin)
{
	char *path = pins_at(pins, KIND, pin);
	int fd = bpf_obj_get(path);

	free(path);
	return fd < 0 ? -errno : fd;
}

static int open_first(void *arg, const char *pin)
{
	int fd = open_pin(arg, pin);

	return fd < 0 ? 0 : fd;
}

int beside_open(const struct pins *pins)
{
	int fd = pins->dir ? pins_each(pins, KIND, open_first, (void *)pins) : 0;

	return fd > 0 ? fd : -1;
}

int beside_switch(int map_fd, int program_fd, struct problems *p)
{
	const uint32_t first = 0;

	if (map_fd < 0 || !bpf_map_update_elem(map_fd, &first, &program_fd, BPF_ANY))
		return 0;
	return problems_add(p, -errno, "map", KIND,
			    "does not take the new program, which is to run beside others "
			    "(`attach: dispatcher`): %s",
			    errno == EINVAL ? "one that takes frames in several buffers (a large "
					      "MTU) cannot run there"
					    : strerror(errno));
}

uint32_t beside_program(const struct pins *pins, const char *pin)
{
	const uint32_t first = 0;
	uint32_t id = 0;
	int fd = open_pin(pins, pin);

	if (fd < 0)
		return 0;
	if (bpf_map_lookup_elem(fd, &first, &id))
		id = 0;
	close(fd);
	return id;
}

static int make_map(int *map_fd, struct problems *p)
{
	if (*map_fd >= 0)
		return 0;
	*map_fd = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "balancer", sizeof(uint32_t),
				 sizeof(uint32_t), 1, NULL);
	return *map_fd < 0
		       ? problems_add(p, -errno, "map", KIND, "cannot be made: %s", strerror(errno))
		       : 0;
}

/* ---- interfaces ------------------------------------------------------------------------------------- */

bool beside_has(const struct pins *pins, const char *device)
{
	char pin[IFNAMSIZ];

	pins_from_device(device, pin);
	return pins->dir && pins_has(pins, KIND, pin);
}

int beside_attach(const struct xdp_attach *a, int *map_fd, const struct beside_by *by,
		  struct dataplane_link *out, struct problems *warnings, struct problems *p)
{
	bool was_there = beside_has(a->pins, a->device);
	struct beside_answer answer;
	char pin[IFNAMSIZ];
	int err = make_map(map_fd, p);

	pins_from_device(a->device, pin);
	if (!err)
		err = beside_switch(*map_fd, a->program_fd, p);
	if (!err)
		err = pins_replace(a->pins, *map_fd, KIND, pin, p);
	if (err)
		return err;
	ask(a->pins, by, BESIDE_ATTACH, a->device, a->mode, &answer);
	if (!answer.error && !answer.is_member) {
		answer.error = -ENODEV;
		snprintf(answer.text, sizeof(answer.text), "has gone");
	}
	if (answer.error) {
		if (!was_there)
			pins_remove(a->pins, KIND, pin);
		return xdp_fail(p, answer.error, a->device, "%s", answer.text);
	}
	if (answer.warning[0])
		xdp_fail(warnings, 0, a->device, "%s", answer.warning);
	*out = (struct dataplane_link){
		.ifindex = a->ifindex,
		.mode = answer.mode,
		.program_id = beside_program(a->pins, pin),
		.is_beside = true,
		.others = answer.others,
	};
	snprintf(out->device, sizeof(out->device), "%s", a->device);
	return 0;
}

int beside_detach(struct pins *pins, const struct beside_by *by, const char *device,
		  struct problems *p)
{
	struct beside_answer answer;
	char pin[IFNAMSIZ];
	int err;

	if (!beside_has(pins, device))
		return xdp_fail(p, -ENOENT, device, "has no program of ours beside others");
	ask(pins, by, BESIDE_DETACH, device, DATAPLANE_AUTO, &answer);
	if (answer.error)
		return xdp_fail(p, answer.error, device, "%s", answer.text);
	pins_from_device(device, pin);
	err = pins_remove(pins, KIND, pin);
	return err ? xdp_fail(p, err, device, "its pin below `beside` cannot be removed") : 0;
}

int beside_leave(struct pins *pins, const struct beside_by *by, const char *device,
		 struct problems *p)
{
	struct beside_answer answer;

	ask(pins, by, BESIDE_LOOK, device, DATAPLANE_AUTO, &answer);
	if (answer.error)
		return xdp_fail(p, answer.error, device, "%s", answer.text);
	if (!answer.others)
		return beside_detach(pins, by, device, p);
	return xdp_fail(
		p, -EBUSY, device,
		"runs beside %u other XDP program%s on libxdp's dispatcher; detach %s first, or "
		"keep `attach: dispatcher`",
		answer.others, answer.others == 1 ? "" : "s", answer.others == 1 ? "it" : "them");
}

/* ---- all of them ------------------------------------------------------------------------------------ */

struct listing {
	const struct pins *pins;
	const struct beside_by *by;
	struct dataplane_link *out;
	size_t max, count;
};

static int list_one(void *arg, const char *pin)
{
	struct listing *l = arg;
	struct dataplane_link *link = &l->out[l->count];
	struct beside_answer answer;

	*link = (struct dataplane_link){.is_beside = true};
	pins_to_device(pin, link->device);
	link->ifindex = if_nametoindex(link->device);
	ask(l->pins, l->by, BESIDE_LOOK, link->device, DATAPLANE_AUTO, &answer);
	if (!answer.error) {
		link->mode = answer.mode;
		link->others = answer.others;
		link->program_id = answer.is_member ? beside_program(l->pins, pin) : 0;
	}
	return ++l->count == l->max;
}

size_t beside_links(const struct pins *pins, const struct beside_by *by, struct dataplane_link *out,
		    size_t max)
{
	struct listing l = {.pins = pins, .by = by, .out = out, .max = max};

	if (max)
		pins_each(pins, KIND, list_one, &l);
	return l.count;
}

struct detaching {
	struct pins *pins;
	const struct beside_by *by;
	struct problems *p;
	int err;
};

static int detach_one(void *arg, const char *pin)
{
	struct detaching *d = arg;
	char device[IFNAMSIZ];

	pins_to_device(pin, device);
	d->err = beside_detach(d->pins, d->by, device, d->p) ?: d->err;
	return 0;
}

int beside_detach_all(struct pins *pins, const struct beside_by *by, struct problems *p)
{
	struct detaching d = {.pins = pins, .by = by, .p = p};

	pins_each(pins, KIND, detach_one, &d);
	return d.err;
}
