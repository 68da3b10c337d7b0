/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this host was changed by so that probes go through the tunnel, to be taken back: the devices that have a way out
 * for marked packets, and those whose accept_local was set.
 *
 *	sluice-tunnel 1 CHECKSUM	(sealed.h)
 *	boot ID				all of it ends with the boot that it was made in
 *	device NAME
 *	accept_local NAME		it was 0 before
 */
#ifndef AGENT_TUNNELFILE_H
#define AGENT_TUNNELFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "net/net.h"

struct problems;
struct text;

#define TUNNELFILE_NAME "tunnel"

struct tunnelfile_device {
	char name[NET_NAME_SIZE];
	bool accept_local; /* was set by us */
};

/* Zero it: nothing was changed. */
struct tunnelfile {
	struct tunnelfile_device *list;
	size_t count;
};

void tunnelfile_free(struct tunnelfile *file); /* and leaves it empty */
/* NULL: it is not there. */
struct tunnelfile_device *tunnelfile_find(const struct tunnelfile *file, const char *name);
struct tunnelfile_device *tunnelfile_add(struct tunnelfile *file, const char *name);
void tunnelfile_remove(struct tunnelfile *file, struct tunnelfile_device *device);

void tunnelfile_encode(const struct tunnelfile *file, const char *boot, struct text *out);
/* Of another boot it is empty. `name` names it in problems. Returns 0 or -EBADMSG; *out only then. */
int tunnelfile_decode(const char *name, const char *boot, const char *data, size_t length,
		      struct tunnelfile *out, struct problems *p);

/* Reads DIR/tunnel; one that is not there is empty. Returns 0 or a negative errno, and then *out is empty, too. */
int tunnelfile_load(const char *dir, struct tunnelfile *out, struct problems *p);
/* Replaces it, or removes it where nothing is changed; it is on the disk before this returns. */
int tunnelfile_store(const char *dir, const struct tunnelfile *file, struct problems *p);

#endif
