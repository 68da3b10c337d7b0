/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "agent/checks.h"
#include "base/mem.h"

#define PROBES_MAX 2 /* a backend's: one a way */

struct check {
	struct check *next;
	struct {
		uint32_t id; /* 0: it has its result */
		struct api_probed probed;
		char *what;
	} probes[PROBES_MAX];
	size_t count, awaited;
	uint64_t until_ms;
	api_probed_function *done;
	void *arg;
};

void checks_add(struct checks *checks, const struct health_probe *const *probes, size_t count,
		uint64_t until_ms, api_probed_function *done, void *arg)
{
	struct check *check = mem_alloc(sizeof(*check));

	check->next = checks->list;
	check->count = check->awaited = count;
	check->until_ms = until_ms;
	check->done = done;
	check->arg = arg;
	for (size_t i = 0; i < count; i++) {
		check->probes[i].id = probes[i]->id;
		check->probes[i].probed = (struct api_probed){
			.is_tunnel = probes[i]->via == CONFIG_VIA_TUNNEL,
			.address = probes[i]->address,
			.port = probes[i]->port,
		};
	}
	checks->list = check;
}

/* Takes out and answers. `why` NULL: with the results. */
static void answer(struct check **at, const char *why)
{
	struct check *check = *at;
	struct api_probed results[PROBES_MAX];

	*at = check->next;
	for (size_t i = 0; i < check->count; i++) {
		results[i] = check->probes[i].probed;
		results[i].what = check->probes[i].what;
	}
	check->done(check->arg, results, why ? 0 : check->count, why);
	for (size_t i = 0; i < check->count; i++)
		free(check->probes[i].what);
	free(check);
}

static void note(struct check *check, uint32_t id, bool ok, uint32_t latency_us, const char *what)
{
	for (size_t i = 0; i < check->count; i++) {
		/* What has its result has the id 0, which a prober that lies may give. */
		if (!id || check->probes[i].id != id)
			continue;
		check->probes[i].id = 0;
		check->probes[i].probed.ok = ok;
		check->probes[i].probed.latency_us = latency_us;
		check->probes[i].what = mem_string(what);
		check->awaited--;
	}
}

void checks_result(struct checks *checks, uint32_t id, bool ok, uint32_t latency_us,
		   const char *what)
{
	struct check **at = &checks->list;

	while (*at) {
		note(*at, id, ok, latency_us, what);
		if ((*at)->awaited)
			at = &(*at)->next;
		else
			answer(at, NULL);
	}
}

void checks_expire(struct checks *checks, uint64_t now_ms)
{
	struct check **at = &checks->list;

	while (*at) {
		if (now_ms < (*at)->until_ms)
			at = &(*at)->next;
		else
			answer(at, "the prober gave no result in time; its probe may have changed, "
				   "or it hangs");
	}
}

void checks_fail(struct checks *checks, const char *why)
{
	while (checks->list)
		answer(&checks->list, why);
}

uint32_t checks_wait_ms(const struct checks *checks, uint64_t now_ms)
{
	uint64_t least = UINT32_MAX;

	for (const struct check *check = checks->list; check; check = check->next) {
		uint64_t left = now_ms < check->until_ms ? check->until_ms - now_ms : 0;

		if (left < least)
			least = left;
	}
	return least;
}
