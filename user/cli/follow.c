/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `events`: a line for each, and --follow: asks for what comes after the last one, again and again. The agent answers when
 * there is something, or after a moment; one that is restarted has other events, which are all told.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/problem.h"
#include "base/text.h"
#include "cli/cli.h"

static const char *subject_of(const struct wire_event *event, struct text *out)
{
	text_add(out, "%s%s%s", event->service ? event->service : "",
		 event->service && event->backend ? " " : "", event->backend ? event->backend : "");
	if (!out->length)
		text_add(out, "%s",
			 event->device	? event->device
			 : event->check ? event->check
					: "-");
	return out->data;
}

/* Columns as wide as most need, since events to come are not known; wider for what is there. */
struct widths {
	int kind, subject;
};

static struct widths widths_of(const struct wire_events *events)
{
	struct widths widths = {16, 16};

	for (size_t i = 0; i < events->events.count; i++) {
		const struct wire_event *event = &events->events.list[i];
		struct text subject = {};
		int kind = strlen(event->event), length = strlen(subject_of(event, &subject));

		widths.kind = kind > widths.kind ? kind : widths.kind;
		widths.subject = length > widths.subject ? length : widths.subject;
		text_free(&subject);
	}
	return widths;
}

static void show_event(const struct cli *cli, const struct wire_event *event, struct widths widths,
		       struct text *out)
{
	struct text subject = {};

	text_add(out, "%s ", event->time);
	show_level(cli, event->level, 7, out);
	text_add(out, " %-*s %-*s  %s\n", widths.kind, event->event, widths.subject,
		 subject_of(event, &subject), event->text);
	text_free(&subject);
}

void show_events(const struct cli *cli, const struct wire_events *events, struct text *out)
{
	struct widths widths = widths_of(events);

	for (size_t i = 0; i < events->events.count; i++)
		show_event(cli, &events->events.list[i], widths, out);
}

static void print(const struct cli *cli, const struct wire_event *event, struct widths widths)
{
	struct text text = {};
	char *line;

	if (cli->json) {
		line = wire_encode_reply(WIRE_KIND_event, event);
		puts(line);
		free(line);
	} else {
		show_event(cli, event, widths, &text);
		fwrite(text.data, 1, text.length, stdout);
		text_free(&text);
	}
}

/* What is not in the stream, and whoever reads it should know. */
static void note_gaps(const struct wire_arguments *asked, const struct wire_events *events)
{
	bool has_run = asked->given & WIRE_BIT(run);

	if (has_run && asked->run != events->run)
		fputs("sluicectl: warning: the agent was started anew; its events begin at 1\n",
		      stderr);
	else if (has_run && events->first > asked->since + 1)
		fprintf(stderr,
			"sluicectl: warning: events %" PRIu64 " to %" PRIu64
			" came too fast, and the agent has forgotten them\n",
			asked->since + 1, events->first - 1);
}

static void take(const struct cli *cli, struct wire_arguments *asked,
		 const struct wire_events *events)
{
	struct widths widths = widths_of(events);

	note_gaps(asked, events);
	for (size_t i = 0; i < events->events.count; i++)
		print(cli, &events->events.list[i], widths);
	fflush(stdout);
	asked->since = events->last;
	asked->run = events->run;
	asked->given |= WIRE_BIT(since) | WIRE_BIT(run);
	asked->given &= ~WIRE_BIT(from_ms); /* the number is exacter */
}

/* It is how one ends, and no failure; all that was told is written. */
static void on_interrupt(int number)
{
	(void)number;
	_exit(WIRE_OK);
}

enum wire_code follow_events(const struct cli *cli, struct client *client, struct problems *p)
{
	struct sigaction action = {.sa_handler = on_interrupt};
	struct wire_arguments asked = cli->arguments;
	enum wire_code code = WIRE_OK;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	while (!code && !ferror(stdout)) {
		struct wire_reply reply = {};
		const char *line;

		code = client_ask_until_back(client, WIRE_COMMAND_events, &asked, &line, &reply,
					     wait_tell_away, p);
		if (code)
			return code;
		code = reply.code;
		if (reply.kind == WIRE_KIND_events) {
			take(cli, &asked, reply.events);
		} else if (code) {
			wire_problems_to(reply.errors.list, reply.errors.count, p);
		} else {
			code = WIRE_FAILED;
			problems_add(p, -EPROTO, "agent at", cli->socket,
				     "gave an answer of another kind, '%s'",
				     wire_kind_name(reply.kind));
		}
		wire_reply_free(&reply);
	}
	return code;
}
