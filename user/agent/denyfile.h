/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sources that were denied at run time, on top of the configuration's `security.deny`, and the file that keeps them:
 *
 *	sluice-deny 1 CHECKSUM	(sealed.h)
 *	PREFIX SINCE		seconds since 1970
 *
 * A file that does not read back exactly is refused, never taken for an empty one.
 */
#ifndef AGENT_DENYFILE_H
#define AGENT_DENYFILE_H

#include <stddef.h>
#include <stdint.h>

#include "api/api.h"
#include "base/addr.h"

struct problems;
struct text;

#define DENYFILE_NAME "deny"

/* Zero it: none. */
struct denyfile {
	struct api_denied *list; /* in the order of memcmp() of the prefixes, no two alike */
	size_t count;
};

void denyfile_free(struct denyfile *file); /* and leaves it empty */
const struct api_denied *denyfile_find(const struct denyfile *file, const struct prefix *prefix);
/* One with `list` besides, which need not be in order, without those of the old one; or one without `list`. */
void denyfile_with(const struct denyfile *file, const struct prefix *list, size_t count,
		   uint64_t now_s, struct denyfile *out);
void denyfile_without(const struct denyfile *file, const struct prefix *list, size_t count,
		      struct denyfile *out);

void denyfile_encode(const struct denyfile *file, struct text *out);
/* `name` names it in problems. Returns 0 or -EBADMSG; *out only then. */
int denyfile_decode(const char *name, const char *data, size_t length, struct denyfile *out,
		    struct problems *p);

/* Reads DIR/deny; one that is not there is empty. Returns 0 or a negative errno. */
int denyfile_load(const char *dir, struct denyfile *out, struct problems *p);
/* Returns 0, and then it is on the disk, or a negative errno, and then the old one is. */
int denyfile_store(const char *dir, const struct denyfile *file, struct problems *p);

#endif
