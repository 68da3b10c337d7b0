/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host needs so that probes go through the tunnel: on each device by which probed backends are reached, the
 * program that encapsulates (dataplane/probe.h) and a way out for marked packets (net/marked.h); and where a VIP is the
 * host's own address, answers from it accepted (accept_local).
 *
 * Story: tunnel_configure() makes all of it true to the configuration in force and the ways of the moment; call it at
 * the start once the configuration is in force, after each apply, and when netlink tells of a change. It is
 * idempotent, and cheap where nothing differs. tunnel_look() says what others have taken away since; then
 * tunnel_configure() puts it back. When nothing is probed through the tunnel any more, tunnel_configure() takes all of
 * it away. tunnel_down() does so for `down`, with or without an agent; the programs go with the pins.
 *
 * What was set is remembered in the state directory before it is set, so that a killed agent's settings are taken back
 * by the next one or by `down`. A device keeps what it has while probes come and go, and gives it up when it leaves
 * `interfaces`.
 */
#ifndef AGENT_TUNNEL_H
#define AGENT_TUNNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/probe_record.h"
#include "agent/tunnelfile.h"
#include "base/addr.h"
#include "net/net.h"

struct config;
struct config_service;
struct dataplane;
struct model;
struct problems;

/* A device that probes leave by. */
struct tunnel_device {
	char name[NET_NAME_SIZE];
	uint32_t ifindex; /* 0: it is not there at the moment */
	/* A VIP of each family, IPv4 and IPv6, that is probed by way of it; none: none is. */
	struct addr vip[2];
	bool is_local; /* some IPv4 VIP of these is an address of this host */
	uint32_t mtu;  /* of the way out that it has; 0: none yet */
};

/* Set the first three, zero the rest. */
struct tunnel {
	struct dataplane *dp;
	struct net *net;
	const char *state_dir;
	struct tunnel_device *list;
	size_t count;
	struct tunnelfile done; /* what the host was changed by */
	bool is_loaded;		/* `done`, from what an earlier agent has left */
};

/* Whether a service's backends are probed through the tunnel. */
bool tunnel_probes(const struct config_service *service);

/*
 * Whether the host can probe what `config` wants probed through the tunnel; to be asked before it is put in force, and by
 * `check`. A VIP on the very device by which a backend is reached is refused, at the service's place: the host would answer
 * itself. Returns 0 or -EADDRINUSE.
 */
int tunnel_check(struct net *net, const struct config *config, struct problems *p);

/* See above. `model` is the engine's, made of `config`. What can be made is made; returns 0 or the last error. */
int tunnel_configure(struct tunnel *tunnel, const struct config *config, const struct model *model,
		     struct problems *p);

/* What is missing, as a sentence for the caller to free; NULL: nothing. */
char *tunnel_look(const struct tunnel *tunnel);

/* What keeps answers to probes out, or probes in; one problem for each, by device and VIP: rp_filter, a VIP that has moved. */
void tunnel_findings(const struct tunnel *tunnel, const struct config *config,
		     const struct model *model, struct problems *findings);

void tunnel_free(struct tunnel *tunnel); /* everything stays in force */

/* Takes back what is remembered in the state directory: ways, settings. Idempotent. */
int tunnel_down(const char *state_dir, struct problems *p);

/*
 * Where a probe to `vip` (the health's address) goes out: through the tunnel of the backend `index`, whose way is `way`
 * (struct model_backend), which must outlive *out. Returns 0, or in `why` a phrase for people: -EHOSTUNREACH: no device
 * leads to it; -EADDRNOTAVAIL: no source address of the VIP's family; -EADDRINUSE: the VIP is on that device. Such a
 * probe is not to be sent, and has failed.
 */
int tunnel_way(struct net *net, const struct config *config, const struct addr *vip, uint32_t index,
	       const struct net_nexthop *way, struct probe_way *out, char why[160]);

#endif
