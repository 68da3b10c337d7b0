/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The deny list in force: what the configuration has (`security.deny`) and what was added at run time (denyfile.h).
 *
 * The program looks sources up as soon as there is one to deny (the feature `deny`). The last one to go does not switch
 * that off: a list that comes and goes would load a program each time. The next change of the configuration or a way does.
 */
#ifndef AGENT_DENY_H
#define AGENT_DENY_H

#include <stdbool.h>
#include <stddef.h>

struct agent;
struct config;
struct dataplane;
struct prefix;
struct problems;

/* Whether `config` and the list of the run time fit limits.deny together. -ENOSPC. */
int deny_check(const struct agent *agent, const struct config *config, struct problems *p);
/* Puts both in force. */
int deny_write(const struct agent *agent, const struct config *config, struct dataplane *dp,
	       struct problems *p);
/*
 * Adds sources at run time, or takes them back; those that are denied already do not count. All of them or none; it is on
 * the disk before it is in force. *changed: how many. Errors, each explained in `p`: -ENOSPC, -ENOENT (not denied),
 * -EBUSY (the configuration denies it), others of the disk and the kernel.
 */
int deny_add(struct agent *agent, const struct prefix *list, size_t count, size_t *changed,
	     struct problems *p);
int deny_remove(struct agent *agent, const struct prefix *list, size_t count, size_t *changed,
		struct problems *p);

#endif
