/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The alerts that a sink is to be sent, in their order, and the tries at the first of them. */
#include <stdlib.h>

#include "alert/sink.h"
#include "base/mem.h"

static void remove_at(struct sink *sink, struct queued **at)
{
	struct queued *gone = *at;

	*at = gone->next;
	if (!gone->next)
		sink->queue_end = at;
	sink->queued--;
	free(gone->body);
	free(gone);
}

static void lose(struct sink *sink, enum loss loss)
{
	sink->losses[loss]++;
	sink->lost++;
}

void queue_add(struct sink *sink, char *body, uint64_t now_ms)
{
	struct queued *queued = mem_alloc(sizeof(*queued));

	if (sink->queued == ALERT_QUEUE_MAX) {
		/* The first one may be at the sink already. */
		remove_at(sink, sink->under_way ? &sink->queue->next : &sink->queue);
		lose(sink, LOSS_QUEUE);
	}
	*queued = (struct queued){.body = body, .due_ms = now_ms};
	*sink->queue_end = queued;
	sink->queue_end = &queued->next;
	sink->queued++;
}

void queue_free(struct sink *sink)
{
	while (sink->queue)
		remove_at(sink, &sink->queue);
	sink->under_way = 0;
}

uint64_t queue_due_ms(const struct sink *sink)
{
	return sink->queue && !sink->under_way ? sink->queue->due_ms : UINT64_MAX;
}

const char *queue_due(const struct sink *sink, uint64_t now_ms)
{
	return queue_due_ms(sink) <= now_ms ? sink->queue->body : NULL;
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
	struct queued *first = sink->queue;

	sink->under_way = 0;
	free(sink->failure);
	sink->failure = ok ? NULL : mem_string(what);
	if (ok) {
		sink->sent++;
		remove_at(sink, &sink->queue);
		return;
	}
	sink->failed++;
	if (++first->tries == ALERT_TRIES) {
		remove_at(sink, &sink->queue);
		lose(sink, LOSS_TRIES);
	} else {
		first->due_ms = now_ms + pause_ms(first->tries, chance);
	}
}
