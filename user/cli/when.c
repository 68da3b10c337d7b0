/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `events --since WHEN`, as people say it: an event's number, a duration, or a time. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "cli/when.h"

#define DAY_S 86400

/* In UTC, as events have them; those without a date are of the last 24 hours. */
static const struct {
	const char *format;
	bool has_date;
} times[] = {
	{"%Y-%m-%dT%H:%M:%S", true},
	{"%Y-%m-%d %H:%M:%S", true},
	{"%Y-%m-%dT%H:%M", true},
	{"%Y-%m-%d %H:%M", true},
	{"%Y-%m-%d", true},
	{"%H:%M:%S", false},
	{"%H:%M", false},
};

/* What an event's time may end with, beside its seconds: ".041Z", ".041", "Z" or nothing. The fraction is left out. */
static bool is_end(const char *rest)
{
	if (*rest == '.') {
		size_t digits = strspn(rest + 1, "0123456789");

		if (!digits)
			return false;
		rest += 1 + digits;
	}
	return !*rest || strcmp(rest, "Z") == 0;
}

/* False: there is no such day, as the 30th of February. */
static bool seconds_of(struct tm *time, int64_t *seconds)
{
	int day = time->tm_mday;

	*seconds = timegm(time);
	return time->tm_mday == day && *seconds >= 0;
}

static bool parse_time(const char *text, uint64_t now_ms, uint64_t *ms)
{
	const int64_t now_s = now_ms / 1000;

	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		time_t today = now_s - now_s % DAY_S;
		struct tm time = {};
		const char *rest;
		int64_t seconds;

		gmtime_r(&today, &time);
		rest = strptime(text, times[i].format, &time);
		if (!rest || !is_end(rest))
			continue;
		if (!seconds_of(&time, &seconds))
			return false;
		if (!times[i].has_date && seconds > now_s)
			seconds -= DAY_S;
		*ms = seconds * 1000;
		return true;
	}
	return false;
}

int when_parse(const char *text, uint64_t now_ms, struct when *out, struct problems *p)
{
	uint64_t value;

	if (!text_parse_uint(text, INT32_MAX, &value))
		*out = (struct when){.is_number = true, .number = value};
	else if (!text_parse_duration(text, &value))
		*out = (struct when){.from_ms = value < now_ms ? now_ms - value : 0};
	else if (parse_time(text, now_ms, &value))
		*out = (struct when){.from_ms = value};
	else
		return problems_add(p, -EINVAL, "--since", text,
				    "expected the number of an event (42), for how long (10m), or "
				    "a time in UTC "
				    "(02:13, 2026-11-25T02:13:51)");
	return 0;
}
