/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * XDP programs on devices, by pinned links: what the balancer and sluice-decap have in common. Pins and modes
 * behave as dataplane_attach() says.
 */
#ifndef DATAPLANE_XDP_H
#define DATAPLANE_XDP_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/dataplane.h"

struct pins;
struct problems;

struct xdp_attach {
	struct pins *pins; /* NULL: the link lives as long as *link_fd */
	int program_fd;
	const char *device;
	uint32_t ifindex;
	enum dataplane_mode mode;
};

/* *link_fd is set without pins only. */
int xdp_attach(const struct xdp_attach *a, struct dataplane_link *out, int *link_fd,
	       struct problems *warnings, struct problems *p);

/* Detaches the pinned link of a device. -ENOENT: there is none. */
int xdp_detach(struct pins *pins, const char *device, struct problems *p);

/* The pinned links; returns their number, at most `max`. */
size_t xdp_links(const struct pins *pins, struct dataplane_link *out, size_t max);

/* Explains in `p` what is wrong with a device, in a sentence without its name; returns `err`. */
int xdp_fail(struct problems *p, int err, const char *device, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The id of a program of any type; 0: the descriptor is none of a program. */
uint32_t xdp_program_id(int program_fd);
/* Whether a program uses the map with this id. */
bool xdp_uses_map(int program_fd, uint32_t map_id);

/* ---- xdp_report.c ------------------------------------------------------------------------------- */

/*
 * Names the XDP program that holds a device, with the members of a libxdp dispatcher: "name (id 7, native)".
 * NULL: none does. The caller frees it.
 */
char *xdp_holder(uint32_t ifindex);

/*
 * Why the driver refuses the program in a mode, in its own words: a link gets an errno only, but the netlink
 * attach gets the kernel's message too, so it is tried for that. NULL: it has none. The caller frees it.
 */
char *xdp_refusal(int program_fd, uint32_t ifindex, enum dataplane_mode mode);

/*
 * Explains a failed bpf_object__load() of an object with this program, from its errno and from what was printed
 * since capture_start(), and returns the error: -EPERM, -EOPNOTSUPP where the kernel lacks something, or `err`.
 */
int xdp_load_refused(int err, const char *program, struct problems *p);

#endif
