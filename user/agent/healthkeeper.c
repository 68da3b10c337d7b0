/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent.h"
#include "agent/events.h"
#include "agent/healthfile.h"
#include "agent/healthkeeper.h"
#include "agent/probing_say.h"
#include "base/problem.h"
#include "health/health.h"

#define CLOCK_MS 10000 /* between two files while clocks run */

void healthkeeper_store(struct healthkeeper *keeper)
{
	struct agent *agent = keeper->agent;
	struct healthfile file = {.boot_ms = healthfile_boot_ms()};
	uint64_t now = ways_now_ms();
	struct problems p = {};
	bool is_broken;

	health_store(agent->health, now, &file.health);
	engine_clocks_store(agent->engine, now, &file.clocks);
	doubts_store(agent, now, &file.alerts);
	is_broken = healthfile_store(agent->options.state_dir, &file, &p) != 0;
	if (is_broken != keeper->is_broken)
		probing_say_store(agent, is_broken ? &p.list[0] : NULL);
	keeper->is_broken = is_broken;
	keeper->has_changed = is_broken; /* it is tried again */
	keeper->stored_ms = now;
	problems_free(&p);
	healthfile_free(&file);
}

/* A clock that runs is worth a file now and then, also if nothing changes. */
static bool has_clocks(const struct healthkeeper *keeper)
{
	struct text clocks = {};
	bool has;

	engine_clocks_store(keeper->agent->engine, ways_now_ms(), &clocks);
	has = clocks.length > 0;
	text_free(&clocks);
	return has;
}

void healthkeeper_look(struct healthkeeper *keeper)
{
	uint64_t age_ms = ways_now_ms() - keeper->stored_ms;

	if (keeper->has_changed || alerts_have_changed(events_alerts(keeper->agent->events)) ||
	    (age_ms >= CLOCK_MS && has_clocks(keeper)))
		healthkeeper_store(keeper);
}
