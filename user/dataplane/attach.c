/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The balancer's own links: pinned ones by xdp.c, and those that a test holds itself. */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/problem.h"
#include "dataplane/internal.h"
#include "dataplane/xdp.h"

int dataplane_attach(struct dataplane *dp, const char *device, uint32_t ifindex,
		     enum dataplane_mode mode, struct dataplane_link *out,
		     struct problems *warnings, struct problems *p)
{
	const struct xdp_attach a = {
		.pins = dp->pins.dir ? &dp->pins : NULL,
		.program_fd = dp->programs.balancer,
		.device = device,
		.ifindex = ifindex,
		.mode = mode,
	};
	int fd = -1, err = xdp_attach(&a, out, &fd, warnings, p);

	if (fd >= 0) {
		dp->links = mem_grow(dp->links, dp->links_count, sizeof(*dp->links));
		dp->links[dp->links_count++] = (struct held_link){.link = *out, .fd = fd};
	}
	return err;
}

uint32_t dataplane_program_id(const struct dataplane *dp)
{
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);

	return bpf_obj_get_info_by_fd(dp->programs.balancer, &info, &length) ? 0 : info.id;
}

int dataplane_detach(struct dataplane *dp, const char *device, struct problems *p)
{
	if (dp->pins.dir)
		return xdp_detach(&dp->pins, device, p);
	for (size_t i = 0; i < dp->links_count; i++) {
		if (strcmp(dp->links[i].link.device, device))
			continue;
		close(dp->links[i].fd);
		dp->links[i] = dp->links[--dp->links_count];
		return 0;
	}
	return problems_add(p, -ENOENT, "interface", device, "has no program of ours");
}

size_t dataplane_links(struct dataplane *dp, struct dataplane_link *out, size_t max)
{
	size_t count = 0;

	if (dp->pins.dir)
		return xdp_links(&dp->pins, out, max);
	while (count < dp->links_count && count < max) {
		out[count] = dp->links[count].link;
		count++;
	}
	return count;
}
