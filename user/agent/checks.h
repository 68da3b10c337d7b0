/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes on demand that somebody waits for: which results are his, and until when they may come. Pure, but for the
 * answers that it gives (api_probed_function).
 */
#ifndef AGENT_CHECKS_H
#define AGENT_CHECKS_H

#include "api/api.h"
#include "health/health.h"

struct check;

/* Zero it before use. */
struct checks {
	struct check *list; /* those that are waited for, the latest first */
};

/* Somebody waits for `count` (one or two) probes until `until_ms`. */
void checks_add(struct checks *checks, const struct health_probe *const *probes, size_t count,
		uint64_t until_ms, api_probed_function *done, void *arg);
/* A probe on demand is over: all who wait for its last result are answered. */
void checks_result(struct checks *checks, uint32_t id, bool ok, uint32_t latency_us,
		   const char *what);
/* Those whose time is over are answered that there is no result. */
void checks_expire(struct checks *checks, uint64_t now_ms);
/* All are answered that there will be none: `why`. */
void checks_fail(struct checks *checks, const char *why);
/* Milliseconds until checks_expire() is due; UINT32_MAX: nobody waits. */
uint32_t checks_wait_ms(const struct checks *checks, uint64_t now_ms);

#endif
