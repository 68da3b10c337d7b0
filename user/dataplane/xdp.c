/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attaching. A pinned link to the same device is given the new program, which loses no packet; it keeps its
 * mode unless another one is asked for by name. All else is a new link, tried in the modes that the wish allows.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/problem.h"
#include "dataplane/capture.h"
#include "dataplane/pins.h"
#include "dataplane/xdp.h"

int xdp_fail(struct problems *p, int err, const char *device, const char *format, ...)
{
	char *field = mem_format("interface %s", device), *text;
	va_list args;

	va_start(args, format);
	text = mem_vformat(format, args);
	va_end(args);
	problems_add(p, err, field, NULL, "%s", text);
	free(text);
	free(field);
	return err;
}

uint32_t xdp_program_id(int program_fd)
{
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);

	return program_fd < 0 || bpf_obj_get_info_by_fd(program_fd, &info, &length) ? 0 : info.id;
}

bool xdp_uses_map(int program_fd, uint32_t map_id)
{
	uint32_t ids[64];
	struct bpf_prog_info info = {.nr_map_ids = ARRAY_SIZE(ids), .map_ids = (uintptr_t)ids};
	uint32_t length = sizeof(info);

	if (bpf_obj_get_info_by_fd(program_fd, &info, &length))
		return false;
	for (uint32_t i = 0; i < info.nr_map_ids && i < ARRAY_SIZE(ids); i++)
		if (ids[i] == map_id)
			return true;
	return false;
}

/* The mode and id of the program on a device of our network namespace; false: there is none. */
static bool query_device(uint32_t ifindex, enum dataplane_mode *mode, uint32_t *id)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	capture_start();
	if (bpf_xdp_query(ifindex, 0, &query) || query.attach_mode == XDP_ATTACHED_NONE)
		return false;
	*mode = query.attach_mode == XDP_ATTACHED_SKB ? DATAPLANE_GENERIC : DATAPLANE_NATIVE;
	*id = query.prog_id;
	return true;
}

/* The device of an XDP link (0: it is gone) and the program in it. */
static uint32_t link_ifindex(int fd, uint32_t *program_id)
{
	struct bpf_link_info info = {0};
	uint32_t length = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &length) || info.type != BPF_LINK_TYPE_XDP)
		return 0;
	*program_id = info.prog_id;
	return info.xdp.ifindex;
}

/* A link says its device's index but not its namespace; so the device must have the link's program, too. */
static bool link_is_on(int fd, uint32_t ifindex, enum dataplane_mode *mode)
{
	uint32_t linked = 0, on_device = 0;

	return link_ifindex(fd, &linked) == ifindex && query_device(ifindex, mode, &on_device) &&
	       linked == on_device;
}

static int create_link(const struct xdp_attach *a, enum dataplane_mode mode)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = mode == DATAPLANE_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	int fd = bpf_link_create(a->program_fd, a->ifindex, BPF_XDP, &opts);

	return fd < 0 ? -errno : fd;
}

/* What the kernel says about a refusal, by the driver's message or else by the errno. */
static char *reason(const struct xdp_attach *a, enum dataplane_mode mode, int err)
{
	char *said = xdp_refusal(a->program_fd, a->ifindex, mode);
	char *text =
		said ? mem_format("%s (%s)", said, strerror(-err)) : mem_string(strerror(-err));

	free(said);
	return text;
}

static int explain(const struct xdp_attach *a, enum dataplane_mode mode, int err,
		   struct problems *p)
{
	char *why;

	if (err == -EPERM)
		return xdp_fail(p, err, a->device,
				"no permission to attach an XDP program; run this as root");
	if (err == -ENODEV || err == -EINVAL) {
		char name[IF_NAMESIZE];

		if (!if_indextoname(a->ifindex, name))
			return xdp_fail(p, -ENODEV, a->device, "has gone");
	}
	why = reason(a, mode, err);
	xdp_fail(p, err, a->device, "cannot be attached to in %s mode: %s%s",
		 dataplane_mode_name(mode), why,
		 mode == DATAPLANE_NATIVE ? "; choose `auto` or `generic`, which is slower" : "");
	free(why);
	return err;
}

/* A new link in the first mode that works. Returns its descriptor. */
static int make_link(const struct xdp_attach *a, enum dataplane_mode wish,
		     struct problems *warnings, struct problems *p)
{
	enum dataplane_mode mode = wish == DATAPLANE_AUTO ? DATAPLANE_NATIVE : wish;
	char *holder = xdp_holder(a->ifindex), *why;
	int fd;

	if (holder) {
		xdp_fail(p, -EBUSY, a->device,
			 "has the XDP program %s, which is not ours; it is left alone, detach it "
			 "first (ip link set dev %s xdp off, or by the tool that attached it)",
			 holder, a->device);
		free(holder);
		return -EBUSY;
	}
	fd = create_link(a, mode);
	if (fd >= 0)
		return fd;
	if (wish != DATAPLANE_AUTO || fd == -EPERM || fd == -ENODEV)
		return explain(a, mode, fd, p);

	why = reason(a, DATAPLANE_NATIVE, fd);
	fd = create_link(a, DATAPLANE_GENERIC);
	if (fd < 0)
		fd = explain(a, DATAPLANE_GENERIC, fd, p);
	else
		xdp_fail(warnings, 0, a->device,
			 "native mode does not work: %s; attached in generic mode, which is slower",
			 why);
	free(why);
	return fd;
}

/* ---- links that are pinned ------------------------------------------------------------------------ */

/* The descriptor of a pinned link; *path is its name for people, which the caller frees. */
static int open_link(const struct pins *pins, const char *device, char **path)
{
	char name[IFNAMSIZ], *at;
	int fd;

	pins_from_device(device, name);
	*path = pins_path(pins, "links", name);
	at = pins_at(pins, "links", name);
	fd = bpf_obj_get(at);
	free(at);
	return fd < 0 ? -errno : fd;
}

/* Makes a link and pins it in the place of what is there. */
static int attach_new(const struct xdp_attach *a, enum dataplane_mode wish,
		      struct problems *warnings, struct problems *p)
{
	char name[IFNAMSIZ];
	int fd = make_link(a, wish, warnings, p), err;

	if (fd < 0)
		return fd;
	pins_from_device(a->device, name);
	err = pins_replace(a->pins, fd, "links", name, p);
	close(fd);
	return err;
}

/* Detaches, since a device has one mode at a time, and attaches again; the former mode if the new one fails. */
static int change_mode(const struct xdp_attach *a, int link_fd, enum dataplane_mode was,
		       struct problems *p)
{
	int err = bpf_link_detach(link_fd) ? -errno : 0;

	if (err)
		return xdp_fail(p, err, a->device, "its link does not come off: %s",
				strerror(-err));
	err = attach_new(a, a->mode, NULL, p);
	if (err)
		attach_new(a, was, NULL, p);
	return err;
}

static int attach_pinned(const struct xdp_attach *a, struct problems *warnings, struct problems *p)
{
	enum dataplane_mode mode;
	char *path;
	int fd = open_link(a->pins, a->device, &path), err;

	if (fd < 0 || !link_is_on(fd, a->ifindex, &mode)) {
		err = attach_new(a, a->mode, warnings, p);
	} else if (a->mode != DATAPLANE_AUTO && a->mode != mode) {
		err = change_mode(a, fd, mode, p);
	} else {
		err = bpf_link_update(fd, a->program_fd, NULL) ? -errno : 0;
		if (err)
			xdp_fail(p, err, a->device, "its link %s does not take the new program: %s",
				 path, strerror(-err));
	}
	if (fd >= 0)
		close(fd);
	free(path);
	return err;
}

int xdp_attach(const struct xdp_attach *a, struct dataplane_link *out, int *link_fd,
	       struct problems *warnings, struct problems *p)
{
	struct dataplane_link link = {.ifindex = a->ifindex};
	int fd = -1, err;

	snprintf(link.device, sizeof(link.device), "%s", a->device);
	capture_start();
	if (a->pins) {
		err = attach_pinned(a, warnings, p);
	} else {
		fd = make_link(a, a->mode, warnings, p);
		err = fd < 0 ? fd : 0;
	}
	if (err)
		return err;
	if (!query_device(a->ifindex, &link.mode, &link.program_id)) {
		if (fd >= 0)
			close(fd);
		return xdp_fail(p, -ENODEV, a->device,
				"has gone, or somebody has just detached the program");
	}
	*out = link;
	if (!a->pins)
		*link_fd = fd;
	return 0;
}

int xdp_detach(struct pins *pins, const char *device, struct problems *p)
{
	char *path, name[IFNAMSIZ], *at;
	int fd = open_link(pins, device, &path), err = fd < 0 ? fd : 0;

	if (fd >= 0) {
		/* Unpinning detaches too, unless some process holds the link. */
		bpf_link_detach(fd);
		close(fd);
		pins_from_device(device, name);
		at = pins_at(pins, "links", name);
		if (unlink(at))
			err = -errno;
		free(at);
	}
	if (err == -ENOENT)
		xdp_fail(p, err, device, "has no program of ours (%s)", path);
	else if (err)
		xdp_fail(p, err, device, "%s cannot be removed: %s%s", path, strerror(-err),
			 err == -EPERM || err == -EACCES ? "; run this as root" : "");
	free(path);
	return err;
}

struct listing {
	const struct pins *pins;
	struct dataplane_link *out;
	size_t max, count;
};

static int list_link(void *arg, const char *name)
{
	struct listing *l = arg;
	struct dataplane_link *link = &l->out[l->count];
	char *path = pins_at(l->pins, "links", name);
	int fd = bpf_obj_get(path);
	uint32_t id;

	free(path);
	if (fd < 0)
		return 0;
	*link = (struct dataplane_link){.ifindex = link_ifindex(fd, &id)};
	pins_to_device(name, link->device);
	if (link->ifindex)
		query_device(link->ifindex, &link->mode, &link->program_id);
	close(fd);
	return ++l->count == l->max;
}

size_t xdp_links(const struct pins *pins, struct dataplane_link *out, size_t max)
{
	struct listing l = {.pins = pins, .out = out, .max = max};

	if (max)
		pins_each(pins, "links", list_link, &l);
	return l.count;
}
