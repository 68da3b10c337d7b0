/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "agent/probing_say.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

/* The sentence without its subject; the caller frees it. */
static char *sentence_of(const struct health_change *change)
{
	const char *colon = *change->text ? ": " : "";
	char time[24];

	text_format_duration(change->ms - change->ms % 100, time);
	switch (change->kind) {
	case HEALTH_UP:
		return mem_format("is healthy after %s%s%s", time, colon, change->text);
	case HEALTH_DOWN:
		return mem_format("is down%s%s", colon, change->text);
	case HEALTH_DAMPED:
		return mem_format("answers again, but flaps: it stays out for %s at most", time);
	case HEALTH_STEP:
		return mem_format("has %u per mille of its weight", change->share);
	case HEALTH_TUNNEL_BROKEN:
		return mem_format("answers directly, but not through the tunnel: look at its "
				  "decapsulation");
	case HEALTH_TUNNEL_MENDED:
		return mem_format("is no longer one that answers directly alone");
	case HEALTH_GONE:
		return mem_format("is no longer probed");
	case HEALTH_CHANGES:
		break;
	}
	return NULL;
}

void probing_say_change(const struct agent *agent, const struct health_change *change)
{
	char *sentence = sentence_of(change), address[ADDR_TEXT_SIZE];

	(void)agent;
	log_info("backend %s %s %s", change->service, addr_format(&change->backend, address),
		 sentence);
	free(sentence);
}

void probing_say_prober(const struct agent *agent, enum prober_news news, const char *sentence)
{
	(void)agent;
	(void)news;
	log_info("%s", sentence);
}
