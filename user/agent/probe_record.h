/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A probe as health has it, and the way to its backend, become what the prober is told. Pure. */
#ifndef AGENT_PROBE_RECORD_H
#define AGENT_PROBE_RECORD_H

#include "health/health.h"
#include "wire/prober.h"

struct arena;

/* Where the packets of a probe through the tunnel go out. */
struct probe_way {
	uint32_t index; /* the backend's in the maps */
	const char *device;
	struct addr source; /* family 0: the kernel's choice */
};

/* Strings lie in `arena`: the record outlives the configuration. `way` NULL: of a direct probe. */
void probe_record(const struct health_probe *probe, const struct probe_way *way,
		  struct arena *arena, struct wire_probe *out);

#endif
