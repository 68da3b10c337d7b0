/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happened. Who follows is not polled for: a request for what comes after the last event is promised an answer,
 * and has it with the next event, or without any after a while, so that neither side waits for one that has gone.
 */
#include <errno.h>
#include <stdlib.h>

#include "alert/history.h"
#include "api/requests.h"
#include "base/mem.h"

#define FOLLOW_MS     2000 /* until a follower has its answer, at the latest */
#define FOLLOWERS_MAX 16   /* each takes a client's place, and others must be able to ask */

struct follower {
	struct follower *next;
	struct api_promise *promise;
	uint64_t since, from_ms; /* the number that it knows; when it asked */
};

struct api_followers {
	struct follower *list;
	size_t count;
};

struct api_followers *api_followers_new(void)
{
	return mem_alloc(sizeof(struct api_followers));
}

/* Gives the follower at *at what there is, and takes it off the list. */
static void answer_follower(const struct api *api, struct follower **at)
{
	struct follower *follower = *at;
	struct arena *arena = arena_new();
	struct wire_events out;

	*at = follower->next;
	api->followers->count--;
	history_document(api->history, follower->since, 0, arena, &out);
	follower->promise->keep(follower->promise, wire_encode_reply(WIRE_KIND_events, &out));
	arena_free(arena);
	free(follower);
}

void api_followers_answer(const struct api *api, uint64_t now_ms)
{
	struct follower **at = &api->followers->list;

	while (*at) {
		bool is_news = (*at)->since != history_last(api->history);

		if (is_news || now_ms - (*at)->from_ms >= FOLLOW_MS)
			answer_follower(api, at);
		else
			at = &(*at)->next;
	}
}

void api_followers_end(const struct api *api)
{
	if (!api->followers)
		return;
	while (api->followers->list)
		answer_follower(api, &api->followers->list);
	free(api->followers);
}

static enum wire_code follow(struct request *request)
{
	const struct api *api = request->api;
	struct follower *follower;

	if (api->followers->count == FOLLOWERS_MAX) {
		problems_add(&request->errors, -EBUSY, "events", NULL,
			     "%d clients follow them already; end one, or ask without --follow",
			     FOLLOWERS_MAX);
		return WIRE_FAILED;
	}
	follower = mem_alloc(sizeof(*follower));
	*follower = (struct follower){
		.next = api->followers->list,
		.promise = request->promise,
		.since = request->arguments->since,
		.from_ms = api->host.now_ms(api->host.self),
	};
	api->followers->list = follower;
	api->followers->count++;
	request->is_promised = true;
	return WIRE_OK;
}

enum wire_code answer_events(struct request *request)
{
	const struct wire_arguments *arguments = request->arguments;
	const struct history *history = request->api->history;
	bool is_other_run =
		arguments->given & WIRE_BIT(run) && arguments->run != history_run(history);
	struct wire_events *out = arena_alloc(request->arena, sizeof(*out));

	/* A number beyond the last one is answered, too: whoever asks must learn that. */
	if (arguments->follow && !is_other_run && arguments->since == history_last(history))
		return follow(request);
	history_document(history, is_other_run ? 0 : arguments->since, arguments->from_ms,
			 request->arena, out);
	return answer_with(request, WIRE_KIND_events, out);
}
