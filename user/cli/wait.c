/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `backend drain --wait`: looks at the backend each second, and says so whenever what it holds has changed. The drain
 * itself is the agent's, and goes on when the wait is cut off; the wait goes on when the agent is restarted.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/problem.h"
#include "base/text.h"
#include "cli/cli.h"

#define LOOK_S 1

static const struct wire_backend *find(const struct wire_backends *backends, const char *address)
{
	for (size_t i = 0; i < backends->backends.count; i++)
		if (strcmp(backends->backends.list[i].address, address) == 0)
			return &backends->backends.list[i];
	return NULL;
}

/* What a line of progress is about; the time left is not. */
struct progress {
	bool is_told;
	uint64_t slots, slots_leaving, entries, entries_live;
};

static void tell_progress(const struct cli *cli, const char *line,
			  const struct wire_backend *backend, struct progress *told)
{
	struct progress now = {true, backend->slots, backend->slots_leaving, backend->entries,
			       backend->entries_live};
	struct text text = {};

	if (told->is_told && backend->holds && now.slots == told->slots &&
	    now.slots_leaving == told->slots_leaving && now.entries == told->entries &&
	    now.entries_live == told->entries_live)
		return;
	*told = now;
	text_add(&text, "%s: ", backend->address);
	show_holding(backend, &text);
	puts(cli->json ? line : text.data);
	fflush(stdout);
	text_free(&text);
}

/* Whether the wait is over, and how. */
static bool is_over(const struct wire_backend *backend, enum wire_code *code, struct problems *p)
{
	*code = WIRE_OK;
	if (!backend->holds)
		return true;
	*code = WIRE_FAILED;
	if (backend->takes_flows) {
		problems_add(p, -ECANCELED, "backend", backend->address,
			     "takes new flows again; the drain is over");
		return true;
	}
	if (!backend->drains || backend->drain_left_ms)
		return false;
	if (drain_lets_go(backend))
		problems_add(
			p, -ETIMEDOUT, "backend", backend->address,
			"its drain-timeout is over, and the flows that it still had are let go "
			"(drain-end: move)");
	else
		problems_add(
			p, -ETIMEDOUT, "backend", backend->address,
			"its drain-timeout is over, and it still has flows; 'sluicectl backend "
			"disable %s %s' lets them go",
			backend->service, backend->address);
	return true;
}

void wait_tell_away(uint64_t seconds, const struct problems *why)
{
	for (size_t i = 0; i < why->count; i++) {
		char *line = problem_text(&why->list[i]);

		fprintf(stderr, "sluicectl: warning: %s; asking again for %" PRIu64 " s\n", line,
			seconds);
		free(line);
	}
}

/* One look. *over: the wait is, with the code that is returned. */
static enum wire_code look(const struct cli *cli, struct client *client, const char *address,
			   struct progress *told, bool *over, struct problems *p)
{
	const struct wire_arguments of = {.service = cli->arguments.service,
					  .given = WIRE_BIT(service)};
	const struct wire_backend gone = {.address = address}, *backend;
	struct wire_reply reply = {};
	const char *line;
	enum wire_code code = client_ask_until_back(client, WIRE_COMMAND_backend_list, &of, &line,
						    &reply, wait_tell_away, p);

	*over = true;
	if (code)
		return code;
	code = reply.code;
	if (reply.kind == WIRE_KIND_backends) {
		backend = find(reply.backends, address);
		/* One that was removed meanwhile goes from the list when it is empty. */
		if (!backend)
			backend = &gone;
		tell_progress(cli, line, backend, told);
		*over = is_over(backend, &code, p);
	} else if (code) {
		wire_problems_to(reply.errors.list, reply.errors.count, p);
	} else {
		code = WIRE_FAILED;
		problems_add(p, -EPROTO, "agent at", cli->socket,
			     "gave an answer of another kind, '%s'", wire_kind_name(reply.kind));
	}
	wire_reply_free(&reply);
	return code;
}

enum wire_code wait_until_empty(const struct cli *cli, struct client *client,
				const struct wire_backend *backend, struct problems *p)
{
	struct progress told = {};
	enum wire_code code;
	bool over;

	for (;;) {
		code = look(cli, client, backend->address, &told, &over, p);
		if (over || ferror(stdout))
			return code;
		sleep(LOOK_S);
	}
}
