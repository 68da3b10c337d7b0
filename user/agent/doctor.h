/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything that can go wrong outside the configuration, looked at on demand: what the agent puts right by itself, the
 * interfaces, the ways to the backends, the host's settings, limits and privileges. Each check says what was seen, and
 * where something is to be done, what.
 */
#ifndef AGENT_DOCTOR_H
#define AGENT_DOCTOR_H

#include <stddef.h>

#include "api/api.h"

struct agent;
struct arena;

/* As api_host.conditions. */
size_t doctor_look(struct agent *agent, bool quick, struct arena *arena,
		   struct api_condition **out);

/* ---- shared with doctor_host.c --------------------------------------------------------------- */

/* The checks so far. */
struct doctor {
	struct agent *agent;
	struct arena *arena;
	struct api_condition *list;
	size_t count;
};

/* Adds a check; `about` and `advice` may be NULL, and are copied. */
void doctor_add(struct doctor *doctor, const char *name, enum api_level level, const char *about,
		const char *advice, const char *evidence, ...)
	__attribute__((format(printf, 6, 7)));

void doctor_look_at_host(struct doctor *doctor);
void doctor_look_at_state(struct doctor *doctor, bool quick); /* where changes are kept */
void doctor_look_at_queues(struct doctor *doctor, const char *device);

#endif
