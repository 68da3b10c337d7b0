/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes through the tunnel: a program on the way out of a device (tc, clsact) that sends each packet with a backend's
 * mark to this backend, with the header that the balancer gives to traffic. It reads the balancer's own maps, so what
 * is in force for traffic is in force for probes.
 *
 * The program is pinned as progs/probe. It stands under a priority and handle of its own, so that the next agent
 * replaces it in place. Which devices have it is pinned, too: probes/<device>, and clsact/<device> where the qdisc
 * that holds it was made for it. So dataplane_destroy() and dataplane_down() take all of it away.
 */
#ifndef DATAPLANE_PROBE_H
#define DATAPLANE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/abi.h>

struct dataplane;
struct problems;

/* Before others' filters, which may end a packet's classification. */
#define DATAPLANE_PROBE_PRIORITY 1
#define DATAPLANE_PROBE_HANDLE	 0x5175
#define DATAPLANE_PROBE_DEVICES	 256 /* at most */

/* SO_MARK of a socket whose packets are for the backend of this index (1 to SL_BACKEND_MAX). */
static inline uint32_t dataplane_probe_mark(uint32_t backend)
{
	return SL_PROBE_MARK | backend;
}

/*
 * Puts the program on the way out of a device, or this agent's in the place of an older one, by one change that no
 * packet sees half of; idempotent. The program is loaded and pinned by the first call. Needs pins.
 *
 * -ENODEV: the device has gone; -EPERM: no CAP_NET_ADMIN; -EBUSY: another program has our priority and handle there, and
 * is named.
 */
int dataplane_probe_attach(struct dataplane *dp, const char *device, uint32_t ifindex,
			   struct problems *p);
/* Idempotent; a device that has gone is forgotten. The qdisc goes if we made it and nobody else uses it. */
int dataplane_probe_detach(struct dataplane *dp, const char *device, struct problems *p);

/* Whether this agent's program is on the device at the moment: others may have taken it away. */
bool dataplane_probe_attached(const struct dataplane *dp, uint32_t ifindex);

/* The devices that are to have it, by their pins; returns their number, at most `max`. */
size_t dataplane_probe_devices(const struct dataplane *dp, char (*out)[16], size_t max);

#endif
