/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the balancer of each world is loaded for; pure, so that a test can ask. */
#include "bench/bench.h"

const struct bench_world_kind world_kinds[WORLDS] = {
	[WORLD_DEFAULT] = {.flows = 0},
	[WORLD_FLOWS] = {.flows = 4 << 20},
	[WORLD_REDIRECT] = {.features.redirect = true},
	[WORLD_SOURCE] = {.features.affinity = true},
	[WORLD_GUE] = {.features.encaps = true},
	[WORLD_L2] = {.features.encaps = true},
	[WORLD_ENTROPY] = {.features.entropy = true},
	[WORLD_CLAMP] = {.features.mss_clamp = true},
	[WORLD_VLANS] = {.features.vlans = true},
	[WORLD_QUIC] = {.features.quic = true},
	[WORLD_DENY] = {.features.deny = true},
	[WORLD_MULTI_BUFFER] = {.features.multi_buffer = true},
	[WORLD_TOO_BIG] = {.manual_clock = true, .answers = UINT32_MAX},
	[WORLD_PREFIX] = {.flows = 0},
	[WORLD_ANY_PORT] = {.flows = 0},
	[WORLD_ECHO] = {.features.echo = true},
	[WORLD_FRAGMENTS] = {.features.fragments = true},
	[WORLD_ALL] = {.features =
			       {
#define DATAPLANE_FEATURE(name, help) .name = true,
#include "dataplane/features.def"
			       }},
};
