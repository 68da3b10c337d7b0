/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replies for people: one function for each kind. */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli.h"

/* ---- status ---------------------------------------------------------------------------------- */

/* Select graphic rendition, ECMA-48 section 8.3.117. */
static const struct {
	const char *level, *paint;
} paints[] = {
	{"error", "\x1b[1;31m"},
	{"warning", "\x1b[33m"},
};

void show_level(const struct cli *cli, const char *level, int width, struct text *out)
{
	for (size_t i = 0; cli->color && i < ARRAY_SIZE(paints); i++) {
		if (strcmp(paints[i].level, level))
			continue;
		text_add(out, "%s%-*s\x1b[0m", paints[i].paint, width, level);
		return;
	}
	text_add(out, "%-*s", width, level);
}

static void add_level(const struct cli *cli, const char *level, struct text *out)
{
	show_level(cli, level, 0, out);
	text_add(out, ":");
}

/*
 * Enough to see what is wrong, and no more than a screen: the same cause often hits many backends.
 */
#define FINDINGS_MAX 20

/* Sorted by level; of each at most FINDINGS_MAX. */
static void show_findings(const struct cli *cli, const struct wire_status *status, struct text *out)
{
	const struct wire_finding *list = status->findings.list;
	size_t count = status->findings.count, of_level = 0;

	for (size_t i = 0; i < count; i++) {
		bool last = i + 1 == count || strcmp(list[i + 1].level, list[i].level);

		if (++of_level <= FINDINGS_MAX) {
			add_level(cli, list[i].level, out);
			text_add(out, " %s: %s\n", list[i].about, list[i].what);
		}
		if (!last)
			continue;
		if (of_level > FINDINGS_MAX) {
			add_level(cli, list[i].level, out);
			text_add(out, " and %zu more; all are in 'sluicectl -j status'\n",
				 of_level - FINDINGS_MAX);
		}
		of_level = 0;
	}
	if (count)
		text_add(out, "\n");
}

static void show_usage(const struct wire_status *status, struct text *out)
{
	static const char *const heads[] = {"LIMIT", ">USED", ">OF", ">SHARE", NULL};
	struct table_rows *rows = rows_new(heads);
	char share[UNIT_TEXT_SIZE];

	if (status->usage.count)
		text_add(out, "\n");
	for (size_t i = 0; i < status->usage.count; i++) {
		const struct wire_usage *usage = &status->usage.list[i];

		rows_add(rows, "%s", usage->name);
		rows_add(rows, "%" PRIu64, usage->used);
		rows_add(rows, "%" PRIu64, usage->limit);
		rows_add(rows, "%s", unit_share(usage->used, usage->limit, share));
	}
	rows_print(rows, out);
}

/* Nothing of an interface where services listen to untagged frames alone. */
static void add_vlans(const struct wire_interface *interface, struct text *out)
{
	if (interface->vlans.count == 1 && !strcmp(interface->vlans.list[0], "untagged"))
		return;
	for (size_t i = 0; i < interface->vlans.count; i++)
		text_add(out, "%s%s", i ? ", " : ", VLANs ", interface->vlans.list[i]);
}

static void show_status(const struct cli *cli, const struct wire_status *status, struct text *out)
{
	char text[UNIT_TEXT_SIZE];

	show_findings(cli, status, out);
	text_add(out, "sluiced %s, up %s", status->version,
		 text_format_time(status->uptime_s * 1000, text));
	if (status->revision)
		text_add(out, ", revision %" PRIu64 " from %s\n", status->revision,
			 status->file ? status->file : "the socket");
	else
		text_add(out, ", no configuration yet\n");
	text_add(
		out,
		"services %" PRIu64 " ready of %" PRIu64 ", backends %" PRIu64 " ready of %" PRIu64,
		status->services_ready, status->services, status->backends_ready, status->backends);
	if (status->overrides)
		text_add(out, ", %" PRIu64 " changed at run time", status->overrides);
	text_add(out, "\n");
	for (size_t i = 0; i < status->interfaces.count; i++) {
		const struct wire_interface *interface = &status->interfaces.list[i];

		text_add(out, "interface %s: %s", interface->device, interface->mode);
		if (strcmp(interface->mode, interface->wanted))
			text_add(out, " (configured: %s)", interface->wanted);
		if (interface->attach)
			text_add(out, ", by libxdp's %s beside %" PRIu64 " other program%s",
				 interface->attach, interface->others,
				 interface->others == 1 ? "" : "s");
		add_vlans(interface, out);
		text_add(out, "\n");
	}
	show_usage(status, out);
}

/* ---- doctor ---------------------------------------------------------------------------------- */

static void show_doctor(const struct cli *cli, const struct wire_doctor *doctor, struct text *out)
{
	for (size_t i = 0; i < doctor->checks.count; i++) {
		const struct wire_doctor_check *check = &doctor->checks.list[i];

		add_level(cli, check->level, out);
		text_add(out, " %s%s%s: %s\n", check->name, check->about ? " " : "",
			 check->about ? check->about : "", check->evidence);
		if (check->advice)
			text_add(out, "    %s\n", check->advice);
	}
	text_add(out, "\nchecks: %zu, errors: %" PRIu64 ", warnings: %" PRIu64 "\n",
		 doctor->checks.count, doctor->errors, doctor->warnings);
}

/* ---- check, diff, apply ---------------------------------------------------------------------- */

static void show_change(const struct wire_change *change, struct text *out)
{
	text_add(out, "%-8s %s", change->kind, change->path);
	if (change->before && change->after)
		text_add(out, ": %s -> %s", change->before, change->after);
	else if (change->before || change->after)
		text_add(out, ": %s", change->before ? change->before : change->after);
	text_add(out, "\n");
}

static void show_override(const struct wire_override *override, struct text *out)
{
	text_add(out, "override services[%s].backends[%s]:", override->service, override->address);
	if (override->state)
		text_add(out, " state %s", override->state);
	if (override->weight)
		text_add(out, "%s weight %s", override->state ? "," : "", override->weight);
	text_add(out, " (set at run time, stays)\n");
}

static void show_forecast(const struct wire_plan *plan, struct text *out)
{
	char share[UNIT_TEXT_SIZE];

	if (plan->operations.count && !plan->applied)
		text_add(out, "plan:\n");
	for (size_t i = 0; i < plan->operations.count && !plan->applied; i++)
		text_add(out, "  %zu. %s\n", i + 1, plan->operations.list[i]);
	text_add(out,
		 "services: %" PRIu64 " added, %" PRIu64 " removed, %" PRIu64
		 " changed; backends: %" PRIu64 " added, %" PRIu64 " removed\n",
		 plan->services_added, plan->services_removed, plan->services_changed,
		 plan->backends_added, plan->backends_removed);
	text_add(out, "slots moved: %" PRIu64 " of %" PRIu64 " (%s)", plan->slots_moved,
		 plan->slots_total, unit_share(plan->slots_moved, plan->slots_total, share));
	if (plan->slots_later)
		text_add(out, ", %" PRIu64 " of them when new backends are reached and healthy",
			 plan->slots_later);
	text_add(out, "\n");
	if (plan->slots_tracked)
		text_add(out,
			 "live flows of %" PRIu64 " slots stay where they are, about %" PRIu64
			 " of them by entries (estimated from SYNs and FINs; UDP is not counted)\n",
			 plan->slots_tracked, plan->flows_kept);
	if (plan->slots_cut || plan->flows_cut)
		text_add(out,
			 "live flows of backends that are taken down end: those of %" PRIu64
			 " slots, about %" PRIu64
			 " (estimated from SYNs and FINs; UDP is not counted)\n",
			 plan->slots_cut, plan->flows_cut);
	if (plan->slots_moved > plan->slots_tracked + plan->slots_cut)
		text_add(out,
			 "live flows of %" PRIu64 " slots change their backend, about %" PRIu64
			 " of them (tracking is never, or the service gets a new table)\n",
			 plan->slots_moved - plan->slots_tracked - plan->slots_cut,
			 plan->flows_moved);
	if (plan->services_removed)
		text_add(out,
			 "live flows of the services removed end, about %" PRIu64
			 " (estimated from SYNs and FINs; UDP is not counted)\n",
			 plan->flows_ended);
}

static void show_plan(const struct wire_plan *plan, struct text *out)
{
	for (size_t i = 0; i < plan->changes.count; i++)
		show_change(&plan->changes.list[i], out);
	for (size_t i = 0; i < plan->overrides.count; i++)
		show_override(&plan->overrides.list[i], out);
	if (plan->changes.count)
		show_forecast(plan, out);
	if (plan->unsafe && !plan->applied)
		text_add(out, "needs --force: %s\n", plan->unsafe);
	if (!plan->changes.count)
		text_add(out, "no difference: revision %" PRIu64 " is in force\n", plan->revision);
	else if (plan->applied)
		text_add(out, "in force as revision %" PRIu64 "\n", plan->revision);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void show_flow(const struct wire_flow *flow, struct text *out)
{
	text_add(out, "%s %s -> %s\n", flow->protocol, flow->source, flow->destination);
	text_add(out, "service   %s\n", flow->service ? flow->service : "none");
	text_add(out, "backend   %s\n", flow->backend ? flow->backend : "none");
	if (flow->device)
		text_add(out, "next hop  %s on %s\n", flow->gateway ? flow->gateway : "unknown",
			 flow->device);
	if (flow->by)
		text_add(out, "by        %s\n", flow->by);
	text_add(out, "why       %s\n", flow->why);
	if (flow->hash)
		text_add(out, "hash      %s\n", flow->hash);
}

static void show_deny_list(const struct wire_deny_list *list, struct text *out)
{
	static const char *const heads[] = {"SOURCE", "BY", "SINCE", NULL};
	struct table_rows *rows = rows_new(heads);

	for (size_t i = 0; i < list->prefixes.count; i++) {
		const struct wire_denied *denied = &list->prefixes.list[i];

		rows_add(rows, "%s", denied->prefix);
		rows_add(rows, "%s",
			 !denied->since	      ? "configuration"
			 : denied->configured ? "both"
					      : "run time");
		rows_add(rows, "%s", denied->since ? denied->since : "-");
	}
	rows_print(rows, out);
	text_add(out, "%zu of %" PRIu64 " prefixes denied\n", list->prefixes.count, list->limit);
}

static void show_deny_change(const struct wire_deny_change *change, struct text *out)
{
	text_add(out, "%" PRIu64 " added, %" PRIu64 " removed, %" PRIu64 " as before\n",
		 change->added, change->removed, change->unchanged);
	text_add(out,
		 "denied: %" PRIu64 " at run time, %" PRIu64 " by the configuration; room for "
		 "%" PRIu64 "\n",
		 change->at_run_time, change->configured, change->limit);
}

static void show_version(const struct wire_version *version, struct text *out)
{
	text_add(out, "sluiced %s (layout %" PRIu64 " of the maps)\n", version->version,
		 version->layout);
}

void show_reply(const struct cli *cli, const struct wire_reply *reply, struct text *out)
{
	switch (reply->kind) {
	case WIRE_KIND_status:
		show_status(cli, reply->status, out);
		break;
	case WIRE_KIND_services:
		show_services(reply->services, out);
		break;
	case WIRE_KIND_service:
		show_service(reply->service, out);
		break;
	case WIRE_KIND_backends:
		show_backends(reply->backends, out);
		break;
	case WIRE_KIND_backend:
		show_backend(reply->backend, out);
		break;
	case WIRE_KIND_backend_check:
		show_backend_check(reply->backend_check, out);
		break;
	case WIRE_KIND_flow:
		show_flow(reply->flow, out);
		break;
	case WIRE_KIND_flow_stats:
		show_flow_stats(reply->flow_stats, out);
		break;
	case WIRE_KIND_trace:
		show_trace(reply->trace, out);
		break;
	case WIRE_KIND_deny_list:
		show_deny_list(reply->deny_list, out);
		break;
	case WIRE_KIND_deny_change:
		show_deny_change(reply->deny_change, out);
		break;
	case WIRE_KIND_counters:
		show_counters(reply->counters, out);
		break;
	case WIRE_KIND_plan:
		show_plan(reply->plan, out);
		break;
	case WIRE_KIND_check:
		wire_check_text(reply->check, out);
		break;
	case WIRE_KIND_doctor:
		show_doctor(cli, reply->doctor, out);
		break;
	case WIRE_KIND_events:
		show_events(cli, reply->events, out);
		break;
	case WIRE_KIND_version:
		show_version(reply->version, out);
		break;
	case WIRE_KIND_key:
		text_add(out, "hash %s\naead 1 %s\n", reply->key->hash, reply->key->aead);
		break;
	case WIRE_KIND_down:
		text_add(out, "%s\n", reply->down->what);
		break;
	default:
		break;
	}
}
