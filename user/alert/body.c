/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Alerts as the document that a sink gets. */
#include "alert/sink.h"
#include "base/mem.h"

static const char *const state_names[] = {
	[ALERT_FIRING] = "firing",
	[ALERT_RESOLVED] = "resolved",
	[ALERT_NOTICE] = "notice",
};

/* The fields that alert and alert_more have in common (WIRE_ALERT). */
#define DESCRIBE(queued, shown)                                                       \
	.state = state_names[(queued)->state], .id = (queued)->id,                    \
	.alert = event_kind_name((queued)->alert), .repeats = (queued)->repeats,      \
	.lasted_ms = (queued)->lasted_ms, .seq = (shown).seq, .time = (shown).time,   \
	.level = (shown).level, .event = (shown).event, .service = (shown).service,   \
	.backend = (shown).backend, .device = (shown).device, .check = (shown).check, \
	.attributes = {(shown).attributes.list, (shown).attributes.count}

char *body_make(const char *host, const struct queued *list, size_t count)
{
	struct arena *arena = arena_new();
	struct wire_alert_more *more = arena_alloc(arena, count * sizeof(*more));
	const struct queued *queued = list->next;
	struct wire_event shown;
	struct wire_alert out;
	char *body;

	event_document(list->event, arena, &shown);
	out = (struct wire_alert){
		.host = host,
		DESCRIBE(list, shown),
		.text = shown.text,
		.more = {more, count - 1},
	};
	/* For who shows nothing but the text. */
	if (count > 1)
		out.text = arena_format(arena, "%s (and %zu alerts more)", shown.text, count - 1);
	for (size_t i = 0; i < count - 1; i++, queued = queued->next) {
		event_document(queued->event, arena, &shown);
		more[i] = (struct wire_alert_more){DESCRIBE(queued, shown), .text = shown.text};
	}
	body = wire_encode_reply(WIRE_KIND_alert, &out);
	arena_free(arena);
	return body;
}
