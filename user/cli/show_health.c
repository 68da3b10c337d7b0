/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What probes say of backends, for people. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"

void show_backend_check(const struct wire_backend_check *check, struct text *out)
{
	for (size_t i = 0; i < check->probes.count; i++) {
		const struct wire_probed *probed = &check->probes.list[i];
		bool is_tunnel = strcmp(probed->via, "tunnel") == 0;

		text_add(out, "%s %s: %s after %.1f ms, %s %s%s%s\n", check->service,
			 check->address, probed->ok ? "ok" : "failed", probed->latency_us / 1000.0,
			 is_tunnel ? "through the tunnel to" : "directly to", probed->target,
			 *probed->what ? ": " : "", probed->what);
	}
}

/* "ok, 12 in a row: 200", "failed, 3 in a row: connect: connection refused" */
static void add_result(const struct wire_backend *backend, struct table_rows *rows)
{
	const char *what = backend->probe_what ? backend->probe_what : "";

	if (backend->probe)
		rows_add(rows, "%s, %" PRIu64 " in a row%s%s", backend->probe,
			 backend->probes_in_row, *what ? ": " : "", what);
	else
		rows_add(rows, "no result yet");
}

/* What comes next, and what is known besides; parts with semicolons. */
static void add_notes(const struct wire_backend *backend, struct table_rows *rows)
{
	struct text text = {};
	char left[UNIT_TEXT_SIZE];

	text_add(&text, "%s", backend->diagnosis ? backend->diagnosis : "");
	if (backend->direct)
		text_add(&text, "%sdirectly: %s%s%s", text.length ? "; " : "", backend->direct,
			 backend->direct_what ? ", " : "",
			 backend->direct_what ? backend->direct_what : "");
	if (backend->damped_left_ms)
		text_add(&text, "%sit flaps, and stays out for %s", text.length ? "; " : "",
			 text_format_time(backend->damped_left_ms, left));
	if (backend->slow_start_left_ms && backend->takes_flows)
		text_add(&text, "%sslow start: weight %" PRIu64 " of %" PRIu64 ", %s left",
			 text.length ? "; " : "", backend->effective_weight, backend->weight,
			 text_format_time(backend->slow_start_left_ms, left));
	if (backend->dead && strcmp(backend->dead, "dead") == 0)
		text_add(&text, "%sits flows were let go", text.length ? "; " : "");
	else if (backend->dead)
		text_add(&text, "%sits flows are let go in %s%s", text.length ? "; " : "",
			 text_format_time(backend->dead_left_ms, left),
			 strcmp(backend->dead, "paused") ? "" : " (paused)");
	rows_add(rows, "%s", text.length ? text.data : "-");
	text_free(&text);
}

void show_health(const struct wire_backend *list, size_t count, struct text *out)
{
	static const char *const heads[] = {"ADDRESS",	  "HEALTH", ">PROBED", ">TOOK",
					    "LAST PROBE", "NOTES",  NULL};
	struct table_rows *rows = rows_new(heads);
	char text[UNIT_TEXT_SIZE];
	bool is_any = false;

	for (size_t i = 0; i < count; i++) {
		const struct wire_backend *backend = &list[i];

		if (!backend->health)
			continue;
		if (!is_any)
			text_add(out, "\n");
		is_any = true;
		rows_add(rows, "%s", backend->address);
		rows_add(rows, "%s %s", backend->health,
			 text_format_time(backend->health_for_ms, text));
		if (backend->probe) {
			rows_add(rows, "%.1f s ago", backend->probe_ago_ms / 1000.0);
			rows_add(rows, "%.1f ms", backend->probe_latency_us / 1000.0);
		} else {
			rows_add(rows, "-");
			rows_add(rows, "-");
		}
		add_result(backend, rows);
		add_notes(backend, rows);
	}
	rows_print(rows, out);
}
