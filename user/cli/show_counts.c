/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Services, backends and what was counted, as tables for people. */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli.h"

/* ---- services and backends ------------------------------------------------------------------- */

/* WIRE_SLOTS() of any document. */
struct slots {
	uint64_t stable, moving, settling, changing_ms, for_ms, left_ms;
	const char *held_open;
};

#define SLOTS_OF(document)                                                                      \
	(struct slots)                                                                          \
	{                                                                                       \
		(document)->slots_stable, (document)->slots_moving, (document)->slots_settling, \
			(document)->changing_for_ms, (document)->moving_for_ms,                 \
			(document)->moving_left_ms, (document)->held_open                       \
	}

/* "stable", or "1201 moving for 2m 10s, 4m 2s left at least; 30 settling until their flows end; 15150 stable; changing for 9m 1s; held open: ..." */
static void add_slots(const struct slots *slots, struct text *out)
{
	char since[UNIT_TEXT_SIZE], left[UNIT_TEXT_SIZE];

	if (!slots->moving && !slots->settling) {
		text_add(out, "stable");
		return;
	}
	if (slots->moving)
		text_add(out, "%" PRIu64 " moving for %s, %s left at least; ", slots->moving,
			 text_format_time(slots->for_ms, since),
			 text_format_time(slots->left_ms, left));
	if (slots->settling)
		text_add(out, "%" PRIu64 " settling until their flows end; ", slots->settling);
	text_add(out, "%" PRIu64 " stable", slots->stable);
	if (slots->changing_ms)
		text_add(out, "; changing for %s", text_format_time(slots->changing_ms, since));
	if (slots->held_open)
		text_add(out, "; held open: %s", slots->held_open);
}

void show_services(const struct wire_services *services, struct text *out)
{
	static const char *const heads[] = {"SERVICE", "LISTENERS", "READY", ">PACKETS",
					    ">BYTES",  ">DROPPED",  "SLOTS", NULL};
	struct table_rows *rows = rows_new(heads);
	char bytes[UNIT_TEXT_SIZE];

	for (size_t i = 0; i < services->services.count; i++) {
		const struct wire_service_line *service = &services->services.list[i];
		size_t more = service->listeners.count - 1;
		struct text slots = {};

		rows_add(rows, "%s", service->name);
		if (service->listeners.count == 0)
			rows_add(rows, "none");
		else if (more)
			rows_add(rows, "%s and %zu more", service->listeners.list[0], more);
		else
			rows_add(rows, "%s", service->listeners.list[0]);
		rows_add(rows, "%" PRIu64 "/%" PRIu64 "%s", service->backends_ready,
			 service->backends,
			 service->fallback ? ", on its fallback"
			 : service->panic  ? ", in panic"
					   : "");
		rows_add(rows, "%" PRIu64, service->packets);
		rows_add(rows, "%s", unit_bytes(service->bytes, bytes));
		rows_add(rows, "%" PRIu64, service->dropped);
		add_slots(&SLOTS_OF(service), &slots);
		rows_add(rows, "%s", slots.data);
		text_free(&slots);
	}
	if (!services->services.count)
		text_add(out, "no services\n");
	rows_print(rows, out);
}

/* One more of a list with commas that began at `start`. */
static void add_part(struct text *out, size_t start, uint64_t count, const char *one,
		     const char *many)
{
	if (count)
		text_add(out, "%s%" PRIu64 " %s", out->length > start ? ", " : "", count,
			 count == 1 ? one : many);
}

bool drain_lets_go(const struct wire_backend *backend)
{
	return backend->drain_end && strcmp(backend->drain_end, "move") == 0;
}

void show_holding(const struct wire_backend *backend, struct text *out)
{
	size_t start = out->length;
	const char *end = drain_lets_go(backend) ? "let go" : "kept";
	char left[UNIT_TEXT_SIZE];

	if (!backend->holds) {
		text_add(out, "empty");
		return;
	}
	add_part(out, start, backend->slots, "slot still names it", "slots still name it");
	add_part(out, start, backend->slots_leaving, "slot moves away", "slots move away");
	add_part(out, start, backend->entries, "entry of a flow", "entries of flows");
	if (backend->entries)
		text_add(out, " (%" PRIu64 " live)", backend->entries_live);
	if (out->length == start)
		text_add(out, "the next scan tells what is left");
	if (backend->drain_left_ms)
		text_add(out, ", %s left, then %s", text_format_time(backend->drain_left_ms, left),
			 end);
	else if (backend->drains)
		text_add(out, ", past its drain-timeout: %s", end);
}

static void add_new_flows(const struct wire_backend *backend, struct table_rows *rows)
{
	struct text text = {};

	if (backend->takes_flows) {
		rows_add(rows, backend->kept ? "yes, kept in: %s" : "yes", backend->kept);
		return;
	}
	text_add(&text, "no: %s; ", backend->reason ? backend->reason : "unknown");
	show_holding(backend, &text);
	rows_add(rows, "%s", text.data);
	text_free(&text);
}

/* One table for the backends of one service (`slots` of its table) or of several (0). */
static void add_backends(const struct wire_backend *list, size_t count, uint64_t slots,
			 struct text *out)
{
	static const char *const heads_all[] = {"SERVICE", "ADDRESS",  "STATE",	    ">WEIGHT",
						">SLOTS",  ">PACKETS", ">BYTES",    ">OPENED",
						">CLOSED", "HEALTH",   "NEW FLOWS", NULL};
	static const char *const heads_one[] = {"ADDRESS", "STATE",    ">WEIGHT",   ">SLOTS",
						">SHARE",  ">PACKETS", ">BYTES",    ">OPENED",
						">CLOSED", "HEALTH",   "NEW FLOWS", NULL};
	struct table_rows *rows = rows_new(slots ? heads_one : heads_all);
	bool overridden = false;
	char number[UNIT_TEXT_SIZE];

	for (size_t i = 0; i < count; i++) {
		const struct wire_backend *backend = &list[i];

		if (!slots)
			rows_add(rows, "%s", backend->service);
		rows_add(rows, "%s", backend->address);
		rows_add(rows, "%s%s", backend->state, backend->state_overridden ? "*" : "");
		rows_add(rows, "%" PRIu64 "%s", backend->weight,
			 backend->weight_overridden ? "*" : "");
		rows_add(rows, "%" PRIu64, backend->slots);
		if (slots)
			rows_add(rows, "%s", unit_share(backend->slots, slots, number));
		rows_add(rows, "%" PRIu64, backend->packets);
		rows_add(rows, "%s", unit_bytes(backend->bytes, number));
		rows_add(rows, "%" PRIu64, backend->opened);
		rows_add(rows, "%" PRIu64, backend->closed);
		rows_add(rows, "%s", backend->health ? backend->health : "-");
		add_new_flows(backend, rows);
		overridden |= backend->state_overridden || backend->weight_overridden;
	}
	rows_print(rows, out);
	if (overridden)
		text_add(out, "* changed at run time\n");
}

void show_backends(const struct wire_backends *backends, struct text *out)
{
	if (!backends->backends.count)
		text_add(out, "no backends\n");
	add_backends(backends->backends.list, backends->backends.count, 0, out);
}

void show_backend(const struct wire_backend *backend, struct text *out)
{
	add_backends(backend, 1, 0, out);
}

void show_service(const struct wire_service *service, struct text *out)
{
	char text[UNIT_TEXT_SIZE];

	text_add(out, "%s: %" PRIu64 " of %zu backends ready\n", service->name,
		 service->backends_ready, service->backends.count);
	for (size_t i = 0; i < service->listeners.count; i++)
		text_add(out, "%-14s %s\n", i ? "" : "listeners", service->listeners.list[i]);
	text_add(out, "encapsulation  %s\naffinity       %s%s%s\ntracking       %s\n",
		 service->encapsulation, service->affinity, service->quic ? ", " : "",
		 service->quic ? service->quic : "", service->tracking);
	text_add(out, "table          %" PRIu64 " slots: ", service->table_size);
	add_slots(&SLOTS_OF(service), out);
	text_add(out, "\n");
	text_add(out, "idle-timeout   %s\n", text_format_duration(service->idle_timeout_ms, text));
	text_add(out, "drain-timeout  %s, then %s\n",
		 text_format_duration(service->drain_timeout_ms, text), service->drain_end);
	text_add(out, "dead-after     %s\n", text_format_duration(service->dead_after_ms, text));
	text_add(out, "echo           %s\n", service->echo ? "true" : "false");
	if (service->mss_clamp)
		text_add(out, "mss-clamp      %" PRIu64 "\n", service->mss_clamp);
	if (service->health)
		text_add(out, "health         %s\n", service->health);
	if (service->fallback)
		text_add(out, "fallback       %s\n", service->fallback);
	if (service->unprobed)
		text_add(out, "unprobed       %s\n", service->unprobed);
	if (service->panic)
		text_add(out, "panic          %s\n", service->panic);
	text_add(out, "sent           %" PRIu64 " packets, %s\n", service->packets,
		 unit_bytes(service->bytes, text));
	text_add(out, "dropped        %" PRIu64 " packets\n\n", service->dropped);
	add_backends(service->backends.list, service->backends.count, service->table_size, out);
	show_health(service->backends.list, service->backends.count, out);
}

/* ---- the flow table -------------------------------------------------------------------------- */

void show_flow_stats(const struct wire_flow_stats *stats, struct text *out)
{
	const struct {
		const char *name, *help;
		uint64_t count;
	} events[] = {
#define SL_EVENT(name, help) {#name, help, stats->name},
#include <sluice/events.def>
	};
	static const char *const heads[] = {"EVENT", ">COUNT", "WHAT HAPPENED", NULL};
	struct table_rows *rows = rows_new(heads);
	char text[UNIT_TEXT_SIZE];

	text_add(out, "entries   %" PRIu64 " of %" PRIu64 " in use (%s)", stats->entries,
		 stats->size, unit_share(stats->entries, stats->size, text));
	if (stats->scans)
		text_add(out, ", as of a scan %s ago that deleted %" PRIu64 "\n",
			 text_format_time(stats->scanned_ms, text), stats->deleted);
	else
		text_add(out, "; not scanned yet\n");
	text_add(out, "scans     %" PRIu64 " since the agent started", stats->scans);
	if (stats->repaired)
		text_add(out, "; %" PRIu64 " damaged entries were deleted", stats->repaired);
	text_add(out, "\nslots     ");
	add_slots(&SLOTS_OF(stats), out);
	text_add(out,
		 "\nso far    %" PRIu64 " rebased, %" PRIu64
		 " moved once more since the table was full (crowded)\n",
		 stats->rebases, stats->crowded);
	if (stats->fragments_size)
		text_add(out, "fragments %" PRIu64 " of %" PRIu64 " packets remembered (%s)\n\n",
			 stats->fragments, stats->fragments_size,
			 unit_share(stats->fragments, stats->fragments_size, text));
	else
		text_add(out, "fragments dropped, since limits.fragments is 0\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		rows_add(rows, "%s", events[i].name);
		rows_add(rows, "%" PRIu64, events[i].count);
		rows_add(rows, "%s", events[i].help);
	}
	rows_print(rows, out);
}

/* ---- counters -------------------------------------------------------------------------------- */

/*
 * One way to print what was counted, and the rates between two readings: `before` is what to take
 * away (NULL: nothing), `seconds` what to divide by (0: print counts as they are).
 */
struct reading {
	const struct wire_counters *before, *after;
	double seconds;
};

static void add_count(struct table_rows *rows, const struct reading *reading, uint64_t before,
		      uint64_t after)
{
	char rate[UNIT_TEXT_SIZE];
	/* A service that went and came back begins at zero. */
	uint64_t count = after > before ? after - before : 0;

	if (reading->seconds > 0)
		rows_add(rows, "%s", unit_rate(count / reading->seconds, "", rate));
	else
		rows_add(rows, "%" PRIu64, count);
}

/* Bytes: as rates they are bits, as links are measured. */
static void add_bytes(struct table_rows *rows, const struct reading *reading, uint64_t before,
		      uint64_t after)
{
	char text[UNIT_TEXT_SIZE];
	uint64_t count = after > before ? after - before : 0;

	if (reading->seconds > 0)
		rows_add(rows, "%s", unit_rate(count * 8 / reading->seconds, "bit", text));
	else
		rows_add(rows, "%s", unit_bytes(count, text));
}

static uint64_t verdict_before(const struct reading *reading, const char *verdict)
{
	const struct wire_counters *before = reading->before;

	for (size_t i = 0; before && i < before->verdicts.count; i++)
		if (strcmp(before->verdicts.list[i].verdict, verdict) == 0)
			return before->verdicts.list[i].packets;
	return 0;
}

static void add_verdicts(const struct reading *reading, struct text *out)
{
	static const char *const counts[] = {"VERDICT", "ACTION", ">PACKETS", NULL};
	static const char *const rates[] = {"VERDICT", "ACTION", ">PACKETS/S", NULL};
	struct table_rows *rows = rows_new(reading->seconds > 0 ? rates : counts);
	size_t silent = 0;

	for (size_t i = 0; i < reading->after->verdicts.count; i++) {
		const struct wire_verdict_counters *verdict = &reading->after->verdicts.list[i];
		uint64_t before = verdict_before(reading, verdict->verdict);

		if (verdict->packets <= before) {
			silent++;
			continue;
		}
		rows_add(rows, "%s", verdict->verdict);
		rows_add(rows, "%s", verdict->action);
		add_count(rows, reading, before, verdict->packets);
	}
	rows_print(rows, out);
	text_add(out, "(%zu verdict%s without packets)\n", silent, silent == 1 ? "" : "s");
}

static void add_services(const struct reading *reading, struct text *out)
{
	static const char *const counts[] = {"SERVICE", ">PACKETS", ">BYTES", ">DROPPED", NULL};
	static const char *const rates[] = {"SERVICE", ">PACKETS/S", ">BITS/S", ">DROPPED/S", NULL};
	static const struct wire_service_counters none;
	struct table_rows *rows = rows_new(reading->seconds > 0 ? rates : counts);
	const struct wire_counters *old = reading->before;
	size_t j = 0;

	for (size_t i = 0; i < reading->after->services.count; i++) {
		const struct wire_service_counters *after = &reading->after->services.list[i];
		const struct wire_service_counters *before = &none;

		/* Both lists are sorted by name. */
		while (old && j < old->services.count &&
		       strcmp(old->services.list[j].service, after->service) < 0)
			j++;
		if (old && j < old->services.count &&
		    strcmp(old->services.list[j].service, after->service) == 0)
			before = &old->services.list[j];
		rows_add(rows, "%s", after->service);
		add_count(rows, reading, before->packets, after->packets);
		add_bytes(rows, reading, before->bytes, after->bytes);
		add_count(rows, reading, before->dropped, after->dropped);
	}
	if (reading->after->services.count)
		text_add(out, "\n");
	rows_print(rows, out);
}

static bool is_same(const struct wire_backend_counters *a, const struct wire_backend_counters *b)
{
	return strcmp(a->service, b->service) == 0 && strcmp(a->address, b->address) == 0;
}

/* The same backend in the earlier reading: most often at the same place, where `*from` points. */
static const struct wire_backend_counters *
backend_before(const struct wire_counters *before, const struct wire_backend_counters *backend,
	       size_t *from)
{
	static const struct wire_backend_counters none;
	size_t count = before ? before->backends.count : 0;

	for (size_t i = 0; i < count; i++) {
		size_t at = (*from + i) % count;

		if (!is_same(&before->backends.list[at], backend))
			continue;
		*from = at + 1;
		return &before->backends.list[at];
	}
	return &none;
}

static void add_backend_counters(const struct reading *reading, struct text *out)
{
	static const char *const counts[] = {"SERVICE", "BACKEND", ">PACKETS", ">BYTES",
					     ">OPENED", ">CLOSED", NULL};
	static const char *const rates[] = {"SERVICE",	 "BACKEND",   ">PACKETS/S", ">BITS/S",
					    ">OPENED/S", ">CLOSED/S", NULL};
	struct table_rows *rows = rows_new(reading->seconds > 0 ? rates : counts);
	size_t from = 0;

	for (size_t i = 0; i < reading->after->backends.count; i++) {
		const struct wire_backend_counters *after = &reading->after->backends.list[i];
		const struct wire_backend_counters *before =
			backend_before(reading->before, after, &from);

		rows_add(rows, "%s", after->service);
		rows_add(rows, "%s", after->address);
		add_count(rows, reading, before->packets, after->packets);
		add_bytes(rows, reading, before->bytes, after->bytes);
		add_count(rows, reading, before->opened, after->opened);
		add_count(rows, reading, before->closed, after->closed);
	}
	if (reading->after->backends.count)
		text_add(out, "\n");
	rows_print(rows, out);
}

static void show_reading(const struct reading *reading, struct text *out)
{
	add_verdicts(reading, out);
	add_services(reading, out);
	add_backend_counters(reading, out);
}

void show_counters(const struct wire_counters *counters, struct text *out)
{
	show_reading(&(struct reading){.after = counters}, out);
}

void show_rates(const struct wire_counters *before, const struct wire_counters *after,
		struct text *out)
{
	struct reading reading = {before, after, (after->at_ms - before->at_ms) / 1000.0};

	if (after->at_ms <= before->at_ms)
		return;
	show_reading(&reading, out);
	text_add(out, "\n");
}
