/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The limits that maps are made for, and the numbers of elements that follow from them (maps.def). */
#ifndef DATAPLANE_LIMITS_H
#define DATAPLANE_LIMITS_H

#include <stdint.h>

#include <sluice/abi.h>

struct sl_limits {
	uint32_t cpus; /* possible CPUs: rows of counters; 0 in dataplane_options: all there are */
	uint32_t services;
	uint32_t listeners; /* of each family */
	uint32_t backends;  /* (service, backend) pairs, at most SL_BACKEND_MAX */
	uint32_t flows;	    /* entries; a power of two */
	uint32_t slots;	    /* a multiple of SL_HOT_PER_LINE, at most SL_SLOTS_MAX */
	uint32_t deny;	    /* prefixes of sources, of both families together */
	uint32_t fragments; /* packets whose first one is remembered; a power of two, 0: none */
};

static inline uint32_t sl_fragment_buckets(const struct sl_limits *l)
{
	return l->fragments ? l->fragments / SL_FLOWS_PER_BUCKET : 1;
}

static inline uint32_t sl_power_of_two(uint32_t at_least)
{
	return at_least <= 2 ? 2 : 1u << (32 - __builtin_clz(at_least - 1));
}

/*
 * The most buckets of one listener table. With each listener come at most two keys (its own and its
 * address's), so IPv4 buckets of 6 ways hold half a key on average and IPv6 buckets of 3 ways an eighth:
 * a multiplier without an overflow is found in a few tries.
 */
static inline uint32_t sl_listener_buckets4(const struct sl_limits *l)
{
	return sl_power_of_two(4 * l->listeners);
}

static inline uint32_t sl_listener_buckets6(const struct sl_limits *l)
{
	return sl_power_of_two(16 * l->listeners);
}

/* A changed service takes a new record while the old one is in force; record 0 is never used. */
static inline uint32_t sl_service_records(const struct sl_limits *l)
{
	return 2 * l->services + 1;
}

/* A new list is in before what only the old one had is out; a map has room for something. */
static inline uint32_t sl_denied_entries(const struct sl_limits *l)
{
	return 2 * l->deny + 1;
}

/* First line of the services, of the backends, and all lines in a CPU's row of counters. */
static inline uint32_t sl_counter_services(const struct sl_limits *l)
{
	(void)l;
	return SL_VERDICT_LINES + SL_EVENT_LINES;
}

static inline uint32_t sl_counter_backends(const struct sl_limits *l)
{
	return sl_counter_services(l) + l->services;
}

static inline uint32_t sl_counter_lines(const struct sl_limits *l)
{
	return sl_counter_backends(l) + l->backends + 1;
}

#endif
