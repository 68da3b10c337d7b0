/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The alerts that a sink is to be sent, in their order, and the tries at the first of them. */
#include <stdlib.h>
#include <string.h>

#include "alert/sink.h"
#include "base/mem.h"

static void remove_at(struct sink *sink, struct queued **at)
{
	struct queued *gone = *at;

	*at = gone->next;
	if (!gone->next)
		sink->queue_end = at;
	sink->queued--;
	sink->has_changed = true;
	event_free(gone->event);
	free(gone->id);
	free(gone);
}

static void lose(struct sink *sink, enum loss loss, uint64_t count)
{
	sink->losses[loss] += count;
	sink->lost += count;
}

/* What is made up for a sink stays. */
static void drop_oldest(struct sink *sink)
{
	struct queued **at = &sink->queue;

	for (size_t i = 0; i < sink->together; i++)
		at = &(*at)->next;
	remove_at(sink, at);
	lose(sink, LOSS_QUEUE, 1);
}

void queue_add(struct sink *sink, struct queued *queued)
{
	if (sink->queued == ALERT_QUEUE_MAX)
		drop_oldest(sink);
	*sink->queue_end = queued;
	sink->queue_end = &queued->next;
	sink->queued++;
	sink->has_changed = true;
}

/* The first ones are over; the next are due. */
static void remove_together(struct sink *sink)
{
	for (; sink->together; sink->together--)
		remove_at(sink, &sink->queue);
	free(sink->body);
	sink->body = NULL;
	sink->tries = 0;
	sink->again_ms = 0;
}

void queue_free(struct sink *sink)
{
	remove_together(sink);
	while (sink->queue)
		remove_at(sink, &sink->queue);
	sink->under_way = 0;
}

uint64_t queue_due_ms(const struct sink *sink)
{
	return sink->queue && !sink->under_way ? sink->again_ms : UINT64_MAX;
}

static const char cut_mark[] = " ... (cut)";

/* A character that is cut in two becomes U+FFFD in the document. */
static void cut(const char *text)
{
	if (text && strlen(text) >= ALERT_TEXT_MAX + sizeof(cut_mark))
		memcpy((char *)text + ALERT_TEXT_MAX, cut_mark, sizeof(cut_mark));
}

/* The event is the queue's own. */
static void cut_texts(struct event *event)
{
	cut(event->text);
	for (size_t i = 0; i < EVENT_ATTRIBUTES_MAX; i++)
		cut(event->attributes[i].value);
}

static void make_up(struct sink *sink, const char *host)
{
	size_t count = sink->queued > ALERT_ALONE_MAX ? sink->queued : 1;

	sink->together = count < ALERT_TOGETHER_MAX ? count : ALERT_TOGETHER_MAX;
	sink->body = body_make(host, sink->queue, sink->together);
	while (strlen(sink->body) > ALERT_BODY_MAX && sink->together > 1) {
		free(sink->body);
		sink->together /= 2;
		sink->body = body_make(host, sink->queue, sink->together);
	}
	if (strlen(sink->body) > ALERT_BODY_MAX) {
		cut_texts(sink->queue->event);
		free(sink->body);
		sink->body = body_make(host, sink->queue, sink->together);
	}
}

const char *queue_due(struct sink *sink, const char *host, uint64_t now_ms)
{
	if (queue_due_ms(sink) > now_ms)
		return NULL;
	if (!sink->together)
		make_up(sink, host);
	return sink->body;
}

/* They must not all come back at the same moment. */
static uint64_t pause_ms(unsigned int tries, uint64_t chance)
{
	uint64_t pause = (uint64_t)ALERT_PAUSE_MS << (tries - 1);

	if (pause > ALERT_PAUSE_MAX_MS)
		pause = ALERT_PAUSE_MAX_MS;
	return pause - chance % (pause / 4);
}

void queue_result(struct sink *sink, bool ok, const char *what, uint64_t chance, uint64_t now_ms)
{
	sink->under_way = 0;
	free(sink->failure);
	sink->failure = ok ? NULL : mem_string(what);
	if (ok) {
		sink->sent += sink->together;
		remove_together(sink);
		return;
	}
	sink->failed++;
	if (++sink->tries == ALERT_TRIES) {
		lose(sink, LOSS_TRIES, sink->together);
		remove_together(sink);
	} else {
		sink->again_ms = now_ms + pause_ms(sink->tries, chance);
	}
}
