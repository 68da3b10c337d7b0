/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The channel between agent and prober, both ways, and what the prober makes of an order's probes and alerts. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "prober/spec.h"
#include "require.h"
#include "wire/prober.h"

static void try_specs(const struct wire_order *order)
{
	struct problems p = {0};
	struct spec *spec;

	for (size_t i = 0; i < order->set.count; i++)
		if (!spec_from_probe(&order->set.list[i], &spec, &p))
			spec_drop(spec);
	for (size_t i = 0; i < order->alerts.count; i++)
		if (!spec_from_alert(&order->alerts.list[i], &spec, &p))
			spec_drop(spec);
	problems_free(&p);
}

static void try_order(const char *line, size_t length, struct arena *arena)
{
	struct wire_order order, again;
	struct problems p = {0};
	char *written;

	if (wire_decode_order(line, length, arena, &order, &p) == 0) {
		written = wire_encode_order(&order);
		REQUIRE(wire_decode_order(written, strlen(written), arena, &again, &p) == 0);
		REQUIRE(again.set.count == order.set.count);
		for (size_t i = 0; i < order.set.count; i++)
			REQUIRE(wire_probe_equal(&order.set.list[i], &again.set.list[i]));
		try_specs(&order);
		free(written);
	}
	problems_free(&p);
}

static void try_report(const char *line, size_t length, struct arena *arena)
{
	struct wire_report report, again;
	struct problems p = {0};
	char *written;

	if (wire_decode_report(line, length, arena, &report, &p) == 0) {
		written = wire_encode_report(&report);
		REQUIRE(wire_decode_report(written, strlen(written), arena, &again, &p) == 0);
		REQUIRE(again.results.count == report.results.count);
		free(written);
	}
	problems_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();

	try_order((const char *)data, size, arena);
	try_report((const char *)data, size, arena);
	arena_free(arena);
	return 0;
}
