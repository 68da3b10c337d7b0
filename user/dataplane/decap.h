/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The backend's program (bpf/decap.bpf.c) on devices: for sluice-decap alone.
 *
 * Each device has a pin directory of its own, <pin-dir>/<device>, laid out as pins.h says. Attaching again
 * makes new maps and puts the new program into the link by one call, so that no packet sees half of a change; the
 * counters go on.
 */
#ifndef DATAPLANE_DECAP_H
#define DATAPLANE_DECAP_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/decap.h>

#include "base/addr.h"
#include "dataplane/dataplane.h"

struct decap_options {
	const char *pin_dir;
	const char *device;
	uint32_t ifindex;
	enum dataplane_mode mode;
	const struct prefix *from; /* the balancers */
	size_t from_count;
	const struct addr *own; /* this host's addresses */
	size_t own_count;
	/* Another BPF object than the built-in one (tests, other clang); NULL: built in. */
	const void *object;
	size_t object_size;
};

/* Errors as those of dataplane_open() and dataplane_attach(). On failure all is as it was. */
int decap_attach(const struct decap_options *options, struct dataplane_link *out,
		 struct problems *warnings, struct problems *p);

/* -ENOENT: it is not attached there. */
int decap_detach(const char *pin_dir, const char *device, struct problems *p);

/* What is attached to a device, and what it has counted. */
struct decap_state {
	struct dataplane_link link;
	uint64_t count[SL_DECAP_VERDICTS];
};

int decap_read(const char *pin_dir, const char *device, struct decap_state *out,
	       struct problems *p);

/* The names of the devices in the pin directory, sorted; none if it is not there. The caller frees list and names. */
int decap_devices(const char *pin_dir, char ***names, size_t *count, struct problems *p);

#endif
