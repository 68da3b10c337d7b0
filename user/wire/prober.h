/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The channel between sluiced and its child sluice-prober: a stream socket, file descriptor 3 of the
 * prober, with one JSON document a line in each direction.
 *
 *	order	{"remove":[],"set":[{"id":7,"kind":"tcp",...}],"check":[],"alerts":[],"ping":3}
 *	report	{"results":[{"id":7,"ok":true,"once":false,"latency_us":412,"what":""}],"alerts":[],"pong":3}
 *
 * Story: the agent says which probes there are, and later what differs; the prober runs each at its
 * interval and reports every result. It decides nothing, keeps nothing, and ends when the socket is
 * closed. An order that it cannot read is left out, said on its standard error, and the next is
 * read. Both programs are of one release: records are strict, and no field is negotiated.
 */
#ifndef WIRE_PROBER_H
#define WIRE_PROBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct problems;

#define WIRE_ORDER_PROBES 256	    /* that an agent puts into one order */
#define WIRE_ORDER_MAX	  (8 << 20) /* bytes of an order's line */
#define WIRE_REPORT_MAX	  (8 << 20) /* bytes of a report's line */

#define WIRE_PROBER_FD 3

#include "wire/as_structs.def"
#include "wire/prober.def"

/* Whether nothing in them differs. */
bool wire_probe_equal(const struct wire_probe *a, const struct wire_probe *b);

/* One line without its newline; the caller frees it. Text that is not UTF-8 is written with U+FFFD. */
char *wire_encode_order(const struct wire_order *order);
char *wire_encode_report(const struct wire_report *report);

/*
 * Returns 0 and fills *out, all of which lies in `arena`; or -EINVAL, explained in `p`, and *out is
 * untouched. The records' own rules (a known kind, an address that can be read) are the prober's to
 * check.
 */
int wire_decode_order(const char *line, size_t length, struct arena *arena, struct wire_order *out,
		      struct problems *p);
int wire_decode_report(const char *line, size_t length, struct arena *arena,
		       struct wire_report *out, struct problems *p);

#endif
