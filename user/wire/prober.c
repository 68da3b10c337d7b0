/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Orders and reports of the prober's channel. */
#include <errno.h>
#include <stddef.h>

#include "base/mem.h"
#include "base/problem.h"
#include "wire/prober.h"
#include "wire/record.h"

#include "wire/as_tables.def"
#include "wire/prober.def"

/* A document is an object of lists of objects. */
static const struct wire_bounds order_bounds = {WIRE_ORDER_MAX, 256 << 10, 4};
static const struct wire_bounds report_bounds = {WIRE_REPORT_MAX, 1 << 20, 4};

bool wire_probe_equal(const struct wire_probe *a, const struct wire_probe *b)
{
	return wire_equal_scalars(&wire_probe_record, a, b);
}

char *wire_encode_order(const struct wire_order *order)
{
	return wire_dump(wire_encode_record(&wire_order_record, order));
}

char *wire_encode_report(const struct wire_report *report)
{
	return wire_dump(wire_encode_record(&wire_report_record, report));
}

/* `out` is filled only when all is well. */
static int decode(const struct wire_record *record, const struct wire_bounds *bounds,
		  const char *line, size_t length, struct arena *arena, void **out,
		  struct problems *p)
{
	json_t *json = wire_parse(record->name, line, length, bounds, p);
	struct wire_path path = {.name = record->name};
	int err;

	if (!json)
		return -EINVAL;
	*out = arena_alloc(arena, record->size);
	err = wire_decode_record(record, json, &path, arena, *out, p);
	json_decref(json);
	return err;
}

int wire_decode_order(const char *line, size_t length, struct arena *arena, struct wire_order *out,
		      struct problems *p)
{
	void *order = NULL;
	int err = decode(&wire_order_record, &order_bounds, line, length, arena, &order, p);

	if (!err)
		*out = *(struct wire_order *)order;
	return err;
}

int wire_decode_report(const char *line, size_t length, struct arena *arena,
		       struct wire_report *out, struct problems *p)
{
	void *report = NULL;
	int err = decode(&wire_report_record, &report_bounds, line, length, arena, &report, p);

	if (!err)
		*out = *(struct wire_report *)report;
	return err;
}
