/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the balancer is loaded for: what the configuration, and the host's VLAN devices, need of it. A change is made in two
 * steps, around that of the maps: first what is there before and after, then what is there after alone.
 */
#ifndef AGENT_PROGRAM_H
#define AGENT_PROGRAM_H

#include "dataplane/dataplane.h"

struct config;
struct denyfile;
struct interfaces;
struct model;
struct net;
struct net_device;
struct problems;

struct program {
	struct dataplane_features features;
	struct sl_vlans vlans; /* 130 KB: not for the stack */
};

/* `denied`: at run time. `model`: the ways in force, of which each is still to work; NULL: none. The caller frees it. */
struct program *program_wanted(const struct config *config, const struct denyfile *denied,
			       struct net *net, const struct model *model);

/* What is in force; interfaces that are in no table listen to untagged frames, and get that. The caller frees it. */
struct program *program_present(const struct dataplane *dp, const struct interfaces *is);

/* Both together; where VLANs have no room for that, `next` alone decides on them. The caller frees it. */
struct program *program_both(const struct program *present, const struct program *next);

/* Whether frames of a device may come in several buffers, and the largest MTU with which they do not. */
bool program_needs_buffers(const struct net_device *device);
long program_buffer_mtu(void);

/* Puts it in force, losing no packet; on failure what was in force stays. */
int program_set(struct dataplane *dp, const struct program *program, struct problems *p);

#endif
