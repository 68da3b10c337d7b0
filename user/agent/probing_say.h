/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said of backends' health and of the prober, as events. */
#ifndef AGENT_PROBING_SAY_H
#define AGENT_PROBING_SAY_H

#include "agent/prober.h"
#include "health/health.h"

struct agent;
struct problem;

/* `is_quiet`: there is so much of it that the log is spared. */
void probing_say_change(const struct agent *agent, const struct health_change *change,
			bool is_quiet);
void probing_say_prober(const struct agent *agent, enum prober_news news, const char *sentence);
/* What is known of health cannot be kept, or, with NULL, is kept again. */
void probing_say_store(const struct agent *agent, const struct problem *problem);

#endif
