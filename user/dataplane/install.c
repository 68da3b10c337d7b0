/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Putting maps and programs in force: what is new is pinned aside, and each link switched by one call. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/problem.h"
#include "dataplane/internal.h"

static int pin_maps(struct dataplane *dp, struct problems *p)
{
	struct map_shape shapes[MAPS];
	int err = pins_stage(&dp->pins, p);

	map_shapes(&dp->maps.limits, shapes);
	for (int i = 0; !err && i < MAPS; i++)
		err = pins_stage_map(&dp->pins, dp->maps.fd[i], shapes[i].name, p);
	return err;
}

struct switching {
	struct pins *pins;
	int program_fd;
	struct problems *p;
};

static int switch_link(void *arg, const char *name)
{
	const struct switching *s = arg;
	char *path = pins_path(s->pins, "links", name), *at = pins_at(s->pins, "links", name);
	int fd = bpf_obj_get(at), err = 0;

	/* ENOLINK: the device is gone, dataplane_attach() will replace the link. */
	if (fd < 0 || (bpf_link_update(fd, s->program_fd, NULL) && errno != ENOLINK))
		err = problems_add(s->p, -errno, "link", path, "does not take the new program: %s",
				   strerror(errno));
	if (fd >= 0)
		close(fd);
	free(at);
	free(path);
	return err;
}

static int switch_links(struct dataplane *dp, int program_fd, struct problems *p)
{
	struct switching s = {.pins = &dp->pins, .program_fd = program_fd, .p = p};

	return pins_each(&dp->pins, "links", switch_link, &s)
		       ?: beside_switch(dp->beside_fd, program_fd, p);
}

/* Undoes install_all() as far as it came. */
static void uninstall(struct dataplane *dp, int old_program_fd)
{
	char *path = pins_at(&dp->pins, "progs", DATAPLANE_PROGRAM);

	if (old_program_fd >= 0) {
		switch_links(dp, old_program_fd, NULL);
		pins_replace(&dp->pins, old_program_fd, "progs", DATAPLANE_PROGRAM, NULL);
	} else {
		unlink(path);
	}
	free(path);
}

int install_all(struct dataplane *dp, enum adopt_how how, struct problems *p)
{
	char *path = pins_path(&dp->pins, "progs", DATAPLANE_PROGRAM);
	int old_program_fd = bpf_obj_get(path), err = 0;

	free(path);
	if (how != ADOPT_ALL)
		err = pin_maps(dp, p);
	if (err)
		goto out;
	err = pins_replace(&dp->pins, dp->programs.balancer, "progs", DATAPLANE_PROGRAM, p);
	if (!err && how == ADOPT_COPY)
		err = switch_links(dp, dp->programs.balancer, p);
	if (!err && how != ADOPT_ALL)
		err = pins_commit_maps(&dp->pins, p);
	if (err)
		uninstall(dp, old_program_fd);
out:
	if (old_program_fd >= 0)
		close(old_program_fd);
	return err;
}

int install_program(struct dataplane *dp, int program_fd, struct problems *p)
{
	int err = 0;

	if (dp->pins.dir) {
		err = pins_replace(&dp->pins, program_fd, "progs", DATAPLANE_PROGRAM, p);
		if (!err)
			err = switch_links(dp, program_fd, p);
		if (err)
			uninstall(dp, dp->programs.balancer);
	}
	for (size_t i = 0; !err && i < dp->links_count; i++)
		if (bpf_link_update(dp->links[i].fd, program_fd, NULL))
			err = problems_add(p, -errno, "link", dp->links[i].link.device,
					   "does not take the new program: %s", strerror(errno));
	return err;
}
