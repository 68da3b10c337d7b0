/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What sinks know and wait for, as lines of text. Fields stand between tabs; a text has "=" before it, none is "-".
 *
 *	sink KIND TARGET
 *	open ID TOLD AGE REPEATS EVENT		conditions that last, of the sink above
 *	queued ID STATE ALERT REPEATS LASTED EVENT	what it is still to be sent, in its order
 *
 * EVENT: KIND SEQ WALL SERVICE BACKEND DEVICE CHECK TEXT, and NAME VALUE of each attribute. What has happened and is over
 * is not kept once it is sent: it may be told once more if it happens again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "alert/sink.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/table.h"
#include "base/text.h"

static const char *const kind_names[] = {[ALERT_EXEC] = "exec", [ALERT_WEBHOOK] = "webhook"};
static const char *const state_names[] = {
	[ALERT_FIRING] = "firing",
	[ALERT_RESOLVED] = "resolved",
	[ALERT_NOTICE] = "notice",
};

/* ---- writing --------------------------------------------------------------------------------- */

static void add_text(struct text *out, const char *text)
{
	if (!text) {
		text_add(out, "\t-");
		return;
	}
	text_add(out, "\t=");
	while (*text) {
		size_t plain = strcspn(text, "\t\n\\");

		text_add_bytes(out, text, plain);
		text += plain;
		if (!*text)
			break;
		text_add(out, "\\%c", *text == '\t' ? 't' : *text == '\n' ? 'n' : '\\');
		text++;
	}
}

static void add_number(struct text *out, uint64_t number)
{
	text_add(out, "\t%llu", (unsigned long long)number);
}

static void add_event(struct text *out, const struct event *event)
{
	text_add(out, "\t%s", event_kind_name(event->kind));
	add_number(out, event->seq);
	add_number(out, event->wall_ms);
	add_text(out, event->service);
	add_text(out, event->backend);
	add_text(out, event->device);
	add_text(out, event->check);
	add_text(out, event->text);
	for (size_t i = 0; i < EVENT_ATTRIBUTES_MAX && event->attributes[i].name; i++) {
		add_text(out, event->attributes[i].name);
		add_text(out, event->attributes[i].value);
	}
	text_add(out, "\n");
}

static void store_sink(const struct sink *sink, uint64_t now_ms, struct text *out)
{
	text_add(out, "sink\t%s", kind_names[sink->config.kind]);
	add_text(out, sink->config.target);
	text_add(out, "\n");
	for (const struct open *open = sink->opens; open; open = open->next) {
		if (!open->lasts)
			continue;
		text_add(out, "open");
		add_text(out, open->id);
		add_number(out, open->is_told);
		add_number(out, now_ms - open->since_ms);
		add_number(out, open->repeats);
		add_event(out, open->event);
	}
	for (const struct queued *queued = sink->queue; queued; queued = queued->next) {
		text_add(out, "queued");
		add_text(out, queued->id);
		text_add(out, "\t%s\t%s", state_names[queued->state],
			 event_kind_name(queued->alert));
		add_number(out, queued->repeats);
		add_number(out, queued->lasted_ms);
		add_event(out, queued->event);
	}
}

void alerts_store(struct alerts *alerts, uint64_t now_ms, struct text *out)
{
	for (size_t i = 0; i < alerts->count; i++) {
		store_sink(alerts->sinks[i], now_ms, out);
		alerts->sinks[i]->has_changed = false;
	}
	alerts->has_changed = false;
}

bool alerts_have_changed(const struct alerts *alerts)
{
	for (size_t i = 0; i < alerts->count; i++)
		if (alerts->sinks[i]->has_changed)
			return true;
	return alerts->has_changed;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Undoes add_text() in place. */
static bool take_text(char **rest, const char **out)
{
	char *word = strsep(rest, "\t"), *to;

	if (!word || (word[0] != '=' && strcmp(word, "-")))
		return false;
	*out = word[0] == '=' ? word + 1 : NULL;
	for (to = word; *word; word++) {
		if (*word == '\\') {
			word++;
			if (*word != 't' && *word != 'n' && *word != '\\')
				return false;
			*to++ = *word == 't' ? '\t' : *word == 'n' ? '\n' : '\\';
		} else {
			*to++ = *word;
		}
	}
	*to = '\0';
	return true;
}

static bool take_number(char **rest, uint64_t max, uint64_t *out)
{
	const char *word = strsep(rest, "\t");

	return word && !text_parse_uint(word, max, out);
}

static bool take_kind(char **rest, enum event_kind *out)
{
	const char *word = strsep(rest, "\t");

	for (*out = 0; word && *out < EVENT_KINDS; ++*out)
		if (!strcmp(word, event_kind_name(*out)))
			return true;
	return false;
}

static bool take_word(char **rest, const char *const *words, size_t count, size_t *out)
{
	const char *word = strsep(rest, "\t");

	for (*out = 0; word && *out < count; ++*out)
		if (!strcmp(word, words[*out]))
			return true;
	return false;
}

/* Its texts lie in the line. */
static bool take_event(char **rest, struct event *out)
{
	*out = (struct event){};
	if (!take_kind(rest, &out->kind) || !take_number(rest, UINT64_MAX, &out->seq) ||
	    !take_number(rest, UINT64_MAX, &out->wall_ms) || !take_text(rest, &out->service) ||
	    !take_text(rest, &out->backend) || !take_text(rest, &out->device) ||
	    !take_text(rest, &out->check) || !take_text(rest, &out->text) || !out->text)
		return false;
	for (size_t i = 0; *rest; i++)
		if (i == EVENT_ATTRIBUTES_MAX || !take_text(rest, &out->attributes[i].name) ||
		    !take_text(rest, &out->attributes[i].value) || !out->attributes[i].name ||
		    !out->attributes[i].value)
			return false;
	return true;
}

/* What lines are taken into. */
struct taking {
	struct alerts *alerts;
	struct sink *sink; /* of the lines; NULL: it is not configured any more */
	bool *is_taken;	   /* of each sink: it has had its lines */
	uint64_t now_ms, away_ms;
	bool is_trial; /* nothing is taken: do they make sense? */
};

static bool take_sink(struct taking *t, char *rest)
{
	const char *target;
	size_t kind;

	if (!take_word(&rest, kind_names, ARRAY_SIZE(kind_names), &kind) ||
	    !take_text(&rest, &target) || !target || rest)
		return false;
	t->sink = NULL;
	for (size_t i = 0; i < t->alerts->count && !t->sink; i++) {
		struct sink *sink = t->alerts->sinks[i];

		if (t->is_taken[i] || sink->config.kind != kind ||
		    strcmp(sink->config.target, target))
			continue;
		t->sink = sink;
		t->is_taken[i] = true;
	}
	return true;
}

static bool take_open(struct taking *t, char *rest)
{
	uint64_t told, age_ms, repeats;
	struct event event;
	const char *id;

	if (!take_text(&rest, &id) || !id || !take_number(&rest, 1, &told) ||
	    !take_number(&rest, UINT64_MAX, &age_ms) || !take_number(&rest, UINT64_MAX, &repeats) ||
	    !take_event(&rest, &event) || !event_is_condition(event.kind))
		return false;
	age_ms += t->away_ms;
	if (!t->is_trial && t->sink)
		sink_reopen(t->sink, &event, id, told, age_ms < t->now_ms ? t->now_ms - age_ms : 0,
			    repeats);
	return true;
}

static bool take_queued(struct taking *t, char *rest)
{
	struct queued *queued, read = {};
	struct event event;
	const char *id;
	size_t state;

	if (!take_text(&rest, &id) || !id ||
	    !take_word(&rest, state_names, ARRAY_SIZE(state_names), &state) ||
	    !take_kind(&rest, &read.alert) || !take_number(&rest, UINT64_MAX, &read.repeats) ||
	    !take_number(&rest, UINT64_MAX, &read.lasted_ms) || !take_event(&rest, &event))
		return false;
	if (t->is_trial || !t->sink)
		return true;
	queued = mem_alloc(sizeof(*queued));
	*queued = read;
	queued->state = state;
	queued->id = mem_string(id);
	queued->event = event_copy(&event);
	queue_add(t->sink, queued);
	return true;
}

static bool take_line(struct taking *t, char *line)
{
	const char *word = strsep(&line, "\t");

	if (!line)
		return false;
	if (!strcmp(word, "sink"))
		return take_sink(t, line);
	if (!strcmp(word, "open"))
		return take_open(t, line);
	return !strcmp(word, "queued") && take_queued(t, line);
}

/* Returns 0 or the number of the line that makes no sense. */
static size_t take_lines(struct taking *t, const char *text, size_t length)
{
	char *copy = mem_format("%.*s", (int)length, text), *rest = copy, *line;
	size_t count = 0, bad = 0;

	t->is_taken = mem_array(t->alerts->count + 1, sizeof(*t->is_taken));
	t->sink = NULL;
	while (!bad && (line = strsep(&rest, "\n")) && (*line || rest)) {
		count++;
		bad = take_line(t, line) ? 0 : count;
	}
	free(t->is_taken);
	free(copy);
	return bad;
}

int alerts_restore(struct alerts *alerts, const char *text, size_t length, uint64_t now_ms,
		   uint64_t away_ms, struct problems *p)
{
	struct taking t = {
		.alerts = alerts, .now_ms = now_ms, .away_ms = away_ms, .is_trial = true};
	size_t bad = take_lines(&t, text, length);

	if (bad)
		return problems_add(p, -EINVAL, "health", NULL,
				    "line %zu of the stored alerts makes no sense; they are done "
				    "without, and what lasts is alerted once more",
				    bad);
	t.is_trial = false;
	take_lines(&t, text, length);
	return 0;
}

/* ---- doubts ---------------------------------------------------------------------------------- */

struct event **alerts_doubts(const struct alerts *alerts, size_t *count)
{
	struct table *seen = table_new();
	struct event **list = NULL;

	*count = 0;
	for (size_t i = 0; i < alerts->count; i++)
		for (const struct open *open = alerts->sinks[i]->opens; open; open = open->next) {
			if (!open->is_doubtful ||
			    table_set(seen, open->key, open->key_length, alerts->sinks[i]))
				continue;
			list = mem_grow(list, *count, sizeof(struct event *));
			list[(*count)++] = event_copy(open->event);
		}
	table_free(seen);
	return list;
}

void alerts_believe(struct alerts *alerts, const struct event *event)
{
	for (size_t i = 0; i < alerts->count; i++) {
		struct open *open = sink_find(alerts->sinks[i], event->kind, event);

		if (open)
			open->is_doubtful = false;
	}
}
