/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Health as lines of text, one a backend that is probed and has been judged:
 *
 *	SERVICE ADDRESS STATE AGE PENALTY AGE SUPPRESSED SHARE AGE TUNNEL DIRECT WORDS
 *
 * The ages are those of the state, of the penalty and of the slow start. TUNNEL and DIRECT are the
 * verdicts by their numbers; WORDS are the deciding path's last ones, to the end of the line. Counts
 * of results begin anew.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "health/state.h"

struct line {
	struct health_backend *backend; /* NULL: of one that is not configured, or not probed */
	enum health_state state;
	uint64_t age_ms, penalty_age_ms, slow_age_ms;
	uint32_t penalty;
	bool is_suppressed;
	uint16_t share;
	enum health_verdict verdicts[PATHS];
	const char *words;
};

/* ---- writing --------------------------------------------------------------------------------- */

static void store_backend(const struct health_backend *backend, uint64_t now_ms, struct text *out)
{
	const struct health_path *paths = backend->paths;
	char address[ADDR_TEXT_SIZE];

	if (backend->state == HEALTH_STATE_UNPROBED)
		return;
	text_add(out, "%s %s %s %llu %u %llu %u %u %llu %u %u %s\n", backend->service->name,
		 addr_format(&backend->address, address), health_state_name(backend->state),
		 (unsigned long long)(now_ms - backend->since_ms), backend->penalty,
		 (unsigned long long)(now_ms - backend->penalty_ms), backend->is_suppressed,
		 backend->share,
		 backend->share == 1000 ? 0ULL : (unsigned long long)(now_ms - backend->slow_ms),
		 paths[TUNNEL].verdict, paths[DIRECT].verdict,
		 paths[health_deciding(&backend->service->how)].what);
}

void health_store(const struct health *health, uint64_t now_ms, struct text *out)
{
	for (size_t i = 0; i < health->backend_count; i++)
		store_backend(health->backends[i], now_ms, out);
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool take_number(char **rest, uint64_t max, uint64_t *out)
{
	const char *word = strsep(rest, " ");

	return word && !text_parse_uint(word, max, out);
}

static bool take_state(char **rest, enum health_state *out)
{
	const char *word = strsep(rest, " ");

	for (*out = HEALTH_STATE_NEW; word && *out < HEALTH_STATES; (*out)++)
		if (!strcmp(word, health_state_name(*out)))
			return true;
	return false;
}

static bool take_line(const struct health *health, char *text, struct line *out)
{
	const char *service = strsep(&text, " "), *address = strsep(&text, " ");
	uint64_t penalty, suppressed, share, tunnel, direct;
	struct addr addr;

	if (!address || addr_parse(address, &addr) || !take_state(&text, &out->state) ||
	    !take_number(&text, UINT64_MAX, &out->age_ms) ||
	    !take_number(&text, HEALTH_PENALTY_MAX, &penalty) ||
	    !take_number(&text, UINT64_MAX, &out->penalty_age_ms) ||
	    !take_number(&text, 1, &suppressed) || !take_number(&text, 1000, &share) ||
	    !take_number(&text, UINT64_MAX, &out->slow_age_ms) ||
	    !take_number(&text, HEALTH_BAD, &tunnel) || !take_number(&text, HEALTH_BAD, &direct) ||
	    !text || !share)
		return false;
	out->backend = health_find(health, service, &addr);
	if (out->backend && out->backend->state == HEALTH_STATE_UNPROBED)
		out->backend = NULL;
	out->penalty = penalty;
	out->is_suppressed = suppressed;
	out->share = share;
	out->verdicts[TUNNEL] = tunnel;
	out->verdicts[DIRECT] = direct;
	out->words = text;
	return true;
}

static uint64_t ago(uint64_t now_ms, uint64_t age_ms)
{
	return age_ms < now_ms ? now_ms - age_ms : 0;
}

/* A verdict that the state does not bear out is one of another `via`: the state is what counts. */
static enum health_verdict verdict_of(enum health_state state)
{
	return state == HEALTH_STATE_NEW    ? HEALTH_UNJUDGED
	       : state == HEALTH_STATE_DOWN ? HEALTH_BAD
					    : HEALTH_GOOD;
}

static void restore(struct health *health, const struct line *line, uint64_t now_ms,
		    uint64_t away_ms)
{
	struct health_backend *backend = line->backend;
	enum health_path_index deciding;
	struct health_path *path;

	if (!backend)
		return;
	deciding = health_deciding(&backend->service->how);
	backend->state = line->state;
	backend->since_ms = ago(now_ms, line->age_ms + away_ms);
	backend->penalty = line->penalty;
	/* Only how long ago these two are matters, so they may lie before the clock began. */
	backend->penalty_ms = now_ms - line->penalty_age_ms - away_ms;
	backend->is_suppressed = line->is_suppressed;
	backend->share = line->share;
	backend->slow_ms = now_ms - line->slow_age_ms - away_ms;
	for (int i = 0; i < PATHS; i++)
		if (backend->paths[i].id)
			backend->paths[i].verdict = line->verdicts[i];
	path = &backend->paths[deciding];
	path->verdict = verdict_of(line->state);
	snprintf(path->what, sizeof(path->what), "%s", line->words);
	backend->is_tunnel_broken = deciding == TUNNEL && line->state == HEALTH_STATE_DOWN &&
				    backend->paths[DIRECT].verdict == HEALTH_GOOD;
	backend->share = health_share(backend, now_ms);
	health_decide(health, backend, now_ms);
}

int health_restore(struct health *health, const char *text, size_t length, uint64_t now_ms,
		   uint64_t away_ms, struct problems *p)
{
	char *copy = mem_format("%.*s", (int)length, text), *rest = copy, *next;
	struct line *lines = NULL;
	size_t count = 0;
	int err = 0;

	while (!err && (next = strsep(&rest, "\n")) && (*next || rest)) {
		lines = mem_grow(lines, count, sizeof(*lines));
		if (take_line(health, next, &lines[count]))
			count++;
		else
			err = problems_add(p, -EINVAL, "health", NULL,
					   "line %zu of the stored health makes no sense; it is "
					   "done without, and health begins anew",
					   count + 1);
	}
	for (size_t i = 0; !err && i < count; i++)
		restore(health, &lines[i], now_ms, away_ms);
	free(lines);
	free(copy);
	return err;
}
