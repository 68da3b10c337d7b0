/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "alert/event.h"
#include "base/mem.h"

_Static_assert(EVENT_KINDS <= 64, "kinds are bits of a word");

static const struct {
	const char *name;
	enum event_level level;
	uint64_t ends;
} kinds[EVENT_KINDS] = {
#define EVENT_KIND(id, level, ends, help) [EVENT_##id] = {#id, EVENT_##level, ends},
#include "alert/kinds.def"
};

static const char *const levels[] = {
	[EVENT_ERROR] = "error",
	[EVENT_WARNING] = "warning",
	[EVENT_INFO] = "info",
};

const char *event_kind_name(enum event_kind kind)
{
	return kinds[kind].name;
}

enum event_level event_level(enum event_kind kind)
{
	return kinds[kind].level;
}

const char *event_level_name(enum event_level level)
{
	return levels[level];
}

uint64_t event_ends(enum event_kind kind)
{
	return kinds[kind].ends;
}

bool event_is_condition(enum event_kind kind)
{
	for (size_t i = 0; i < EVENT_KINDS; i++)
		if (kinds[i].ends & UINT64_C(1) << kind)
			return true;
	return false;
}

struct event *event_copy(const struct event *event)
{
	struct event *copy = mem_alloc(sizeof(*copy));

	*copy = *event;
	copy->service = mem_string(event->service);
	copy->backend = mem_string(event->backend);
	copy->device = mem_string(event->device);
	copy->check = mem_string(event->check);
	copy->text = mem_string(event->text);
	for (size_t i = 0; i < EVENT_ATTRIBUTES_MAX; i++) {
		copy->attributes[i].name = mem_string(event->attributes[i].name);
		copy->attributes[i].value = mem_string(event->attributes[i].value);
	}
	return copy;
}

void event_free(struct event *event)
{
	if (!event)
		return;
	free((char *)event->service);
	free((char *)event->backend);
	free((char *)event->device);
	free((char *)event->check);
	free((char *)event->text);
	for (size_t i = 0; i < EVENT_ATTRIBUTES_MAX; i++) {
		free((char *)event->attributes[i].name);
		free((char *)event->attributes[i].value);
	}
	free(event);
}

const char *event_time_text(uint64_t wall_ms, char out[EVENT_TIME_SIZE])
{
	time_t seconds = wall_ms / 1000;
	struct tm utc;
	size_t length;

	gmtime_r(&seconds, &utc);
	length = strftime(out, EVENT_TIME_SIZE, "%FT%T", &utc);
	snprintf(out + length, EVENT_TIME_SIZE - length, ".%03uZ", (unsigned int)(wall_ms % 1000));
	return out;
}

void event_document(const struct event *event, struct arena *arena, struct wire_event *out)
{
	char time[EVENT_TIME_SIZE];
	struct wire_attribute *list = arena_alloc(arena, sizeof(*list) * EVENT_ATTRIBUTES_MAX);
	size_t count = 0;

	for (; count < EVENT_ATTRIBUTES_MAX && event->attributes[count].name; count++)
		list[count] = (struct wire_attribute){
			.name = event->attributes[count].name,
			.value = event->attributes[count].value,
		};
	*out = (struct wire_event){
		.seq = event->seq,
		.time = arena_string(arena, event_time_text(event->wall_ms, time)),
		.level = event_level_name(event_level(event->kind)),
		.event = event_kind_name(event->kind),
		.service = event->service,
		.backend = event->backend,
		.device = event->device,
		.check = event->check,
		.text = event->text,
		.attributes = {list, count},
	};
}
