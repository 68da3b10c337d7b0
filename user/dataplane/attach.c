/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The balancer's own links: pinned ones by xdp.c, members of dispatchers by beside_pins.c, those that a test holds itself. */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/problem.h"
#include "dataplane/internal.h"
#include "dataplane/xdp.h"

static struct xdp_attach attach_to(struct dataplane *dp, const char *device, uint32_t ifindex,
				   enum dataplane_mode mode)
{
	return (struct xdp_attach){
		.pins = dp->pins.dir ? &dp->pins : NULL,
		.program_fd = dp->programs.balancer,
		.device = device,
		.ifindex = ifindex,
		.mode = mode,
	};
}

static int attach_link(struct dataplane *dp, const struct xdp_attach *a, struct dataplane_link *out,
		       struct problems *warnings, struct problems *p)
{
	int fd = -1, err = xdp_attach(a, out, &fd, warnings, p);

	if (fd >= 0) {
		dp->links = mem_grow(dp->links, dp->links_count, sizeof(*dp->links));
		dp->links[dp->links_count++] = (struct held_link){.link = *out, .fd = fd};
	}
	return err;
}

/* One that is attached in the other way comes off first, and is put back when the new way fails. */
int dataplane_attach(struct dataplane *dp, const char *device, uint32_t ifindex,
		     enum dataplane_mode mode, struct dataplane_link *out,
		     struct problems *warnings, struct problems *p)
{
	const struct xdp_attach a = attach_to(dp, device, ifindex, mode);
	const struct xdp_attach back = attach_to(dp, device, ifindex, DATAPLANE_AUTO);
	bool was_beside = beside_has(&dp->pins, device);
	struct dataplane_link ignored;
	int err = was_beside ? beside_leave(&dp->pins, &dp->beside_by, device, p) : 0;

	if (err)
		return err;
	err = attach_link(dp, &a, out, warnings, p);
	if (err && was_beside)
		beside_attach(&back, &dp->beside_fd, &dp->beside_by, &ignored, NULL, p);
	return err;
}

static int refuse_beside(struct problems *p, int err, const char *device, const char *why)
{
	return xdp_fail(p, err, device, "cannot be attached to beside other programs: %s", why);
}

int dataplane_attach_beside(struct dataplane *dp, const char *device, uint32_t ifindex,
			    enum dataplane_mode mode, struct dataplane_link *out,
			    struct problems *warnings, struct problems *p)
{
	const struct xdp_attach a = attach_to(dp, device, ifindex, mode);
	const struct xdp_attach back = attach_to(dp, device, ifindex, DATAPLANE_AUTO);
	struct dataplane_link ignored;
	bool was_link;
	uint32_t id;
	int err;

	if (!a.pins)
		return refuse_beside(p, -EINVAL, device, "nothing is pinned");
	/* The kernel keeps such programs and others apart. */
	if (dp->options.features.multi_buffer)
		return refuse_beside(
			p, -EINVAL, device,
			"the program in force takes frames in several buffers, because some "
			"interface has or had a large MTU; lower that and restart sluiced, or use "
			"`attach: link`");
	if (!dp->beside_by.ask && bpf_prog_get_next_id(0, &id))
		return refuse_beside(
			p, -EACCES, device,
			"that needs CAP_SYS_ADMIN, which sluiced has as root at its start, and "
			"keeps "
			"in a process of its own where an interface is attached so then; restart "
			"sluiced");
	was_link = xdp_detach(a.pins, device, NULL) == 0;
	err = beside_attach(&a, &dp->beside_fd, &dp->beside_by, out, warnings, p);
	if (err && was_link)
		attach_link(dp, &back, &ignored, NULL, p);
	return err;
}

void dataplane_ask_beside_by(struct dataplane *dp, const struct beside_by *by)
{
	dp->beside_by = *by;
}

uint32_t dataplane_program_id(const struct dataplane *dp)
{
	return xdp_program_id(dp->programs.balancer);
}

int dataplane_detach(struct dataplane *dp, const char *device, struct problems *p)
{
	if (beside_has(&dp->pins, device))
		return beside_detach(&dp->pins, &dp->beside_by, device, p);
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

	if (dp->pins.dir) {
		count = xdp_links(&dp->pins, out, max);
		return count + beside_links(&dp->pins, &dp->beside_by, out + count, max - count);
	}
	while (count < dp->links_count && count < max) {
		out[count] = dp->links[count].link;
		count++;
	}
	return count;
}
