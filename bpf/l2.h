/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* L2 forwarding: the frame goes to the backend's MAC address, and of its IP packet nothing changes, not even the TTL. */
#ifndef BPF_L2_H
#define BPF_L2_H

#include <stdbool.h>

#include <linux/if_ether.h>

#include "nexthop.h"
#include "pkt.h"

/* The path's two addresses over the packet's. Returns whether there is a frame to write to. */
static __always_inline bool write_l2(const struct pkt *p, void *data, void *end)
{
	if (data + sizeof(struct ethhdr) > end)
		return false;
	path_write_macs(p, data);
	return true;
}

#endif
