/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "dataplane/xdp.h"
#include "decap/stats.h"

#define DOCUMENT_VERSION 1

static const struct {
	const char *name, *action, *help;
} verdicts[SL_DECAP_VERDICTS] = {
#define SL_DECAP_VERDICT(name, action, help) [SL_DECAP_##action##_##name] = {#name, #action, help},
#include <sluice/decap.def>
};

void stats_show(const struct decap_state *states, size_t count, struct text *out)
{
	for (size_t i = 0; i < count; i++) {
		const struct dataplane_link *link = &states[i].link;

		if (link->ifindex)
			text_add(out, "%s (%s)\n", link->device, dataplane_mode_name(link->mode));
		else
			text_add(out, "%s (the device is gone; `detach` removes what is left)\n",
				 link->device);
		for (int v = SL_DECAP_GO_ON + 1; v < SL_DECAP_VERDICTS; v++)
			text_add(out, "  %-4s  %-12s  %12" PRIu64 "  %s\n", verdicts[v].action,
				 verdicts[v].name, states[i].count[v], verdicts[v].help);
	}
}

/* A member of an object, after `separator`; none where there is no value. */
static void add_member(struct text *out, const char *separator, const char *name, const char *value)
{
	if (!value)
		return;
	text_add(out, "%s\"%s\": ", separator, name);
	text_add_json(out, value);
}

void stats_json(const struct decap_state *states, size_t count, struct text *out)
{
	text_add(out, "{\"version\": %d, \"kind\": \"decap\", \"data\": {\"devices\": [",
		 DOCUMENT_VERSION);
	for (size_t i = 0; i < count; i++) {
		const struct dataplane_link *link = &states[i].link;

		add_member(out, i ? ", {" : "{", "device", link->device);
		add_member(out, ", ", "mode",
			   link->ifindex ? dataplane_mode_name(link->mode) : NULL);
		text_add(out, ", \"verdicts\": {");
		for (int v = SL_DECAP_GO_ON + 1; v < SL_DECAP_VERDICTS; v++)
			text_add(out, "%s\"%s\": %" PRIu64, v > SL_DECAP_GO_ON + 1 ? ", " : "",
				 verdicts[v].name, states[i].count[v]);
		text_add(out, "}}");
	}
	text_add(out, "]}}\n");
}

void stats_json_errors(int code, const struct problems *p, struct text *out)
{
	text_add(out, "{\"version\": %d, \"kind\": \"error\", \"code\": %d, \"errors\": [",
		 DOCUMENT_VERSION, code);
	for (size_t i = 0; i < p->count; i++) {
		add_member(out, i ? ", {" : "{", "field", p->list[i].field);
		add_member(out, ", ", "value", p->list[i].value);
		add_member(out, ", ", "expected", p->list[i].expected);
		text_add(out, "}");
	}
	text_add(out, "]}\n");
}
