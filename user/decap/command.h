/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of sluice-decap. */
#ifndef DECAP_COMMAND_H
#define DECAP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/addr.h"
#include "dataplane/dataplane.h"

struct problems;

enum command_verb { COMMAND_ATTACH, COMMAND_DETACH, COMMAND_STATS, COMMAND_HELP, COMMAND_VERSION };

struct command {
	enum command_verb verb;
	const char *device; /* NULL: all (stats) */
	const char *pin_dir;
	enum dataplane_mode mode;
	struct prefix *from;
	size_t from_count;
	bool json;
};

/* Returns 0 or -EINVAL. Either way the caller calls command_free(). */
int command_parse(int argc, char **argv, struct command *out, struct problems *p);
void command_free(struct command *command);
void command_help(FILE *to);

#endif
