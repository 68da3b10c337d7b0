/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The knobs by name, and why some of them have no case. */
#include "bench/bench.h"

static const char *const names[BENCH_KNOBS] = {
#define SL_KNOB(type, name, off, on, help) [KNOB_##name] = #name,
#include <sluice/knobs.def>
	[KNOB_prefix] = "prefix",
	[KNOB_any_port] = "any port",
};

static const char *const costless[BENCH_KNOBS] = {
#define BENCH_COSTLESS(name, why) [KNOB_##name] = (why),
#include "bench/costless.def"
};

const char *knob_name(enum bench_knob knob)
{
	return names[knob];
}

const char *knob_costless(enum bench_knob knob)
{
	return costless[knob];
}
