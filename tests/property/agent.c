/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent: its real slot logic, which is killed now and then, between any two of its operations or within a list
 * of stores. The next one is told what the configuration and the probes say, as any agent that starts.
 */
#include <errno.h>
#include <string.h>

#include "property/world.h"

/* Nothing runs while the agent does, so every grace period is over at once. */
static int no_grace(void *self)
{
	(void)self;
	return 0;
}

static void adopt(struct world *w)
{
	for (int s = RIG_TCP; s < RIG_SERVICES; s++) {
		const struct world_service *service = &w->service[s];
		struct track_region region = {.record = service->record,
					      .base = service->base,
					      .slots = service->slots,
					      .idle_ticks = w->idle[s]};

		if (service->is_present && service->tracks)
			track_adopt(w->track, &region);
	}
}

void agent_start(struct world *w)
{
	if (w->track)
		w->progress[WORLD_scans] += track_scans(w->track).count;
	track_free(w->track);
	w->ops = *w->rig->ops;
	w->ops.grace = no_grace;
	w->track = track_new(w->rig->view,
			     (struct track_times){.hold = WORLD_HOLD, .scan = WORLD_SCAN});
	w->round = false;
	w->step = NULL;
	adopt(w);
	for (int b = 1; b <= WORLD_BACKENDS; b++) {
		track_backend(w->track, b, w->backend[b].health);
		if (w->backend[b].leaves)
			track_leave(w->track, b, true);
	}
	w->want_changed = w->urgent = true;
	agent_want(w);
}

void agent_health(struct world *w, uint16_t b, enum track_health health)
{
	w->backend[b].health = health;
	w->backend[b].dead_since = w->now;
	if (health == TRACK_DEAD)
		oracle_let_go(&w->oracle, b);
	oracle_set_down(&w->oracle, b, health == TRACK_DOWN);
	w->urgent |= track_backend(w->track, b, health);
	w->want_changed = true;
	world_tell(w, "backend %u is %s", b, (const char *const[]){"up", "down", "dead"}[health]);
}

void agent_want(struct world *w)
{
	if (w->want_changed) {
		quic_publish(w);
		adopt(w);
		for (int s = RIG_TCP; s < RIG_SERVICES; s++) {
			const struct world_service *service = &w->service[s];
			uint16_t table[WORLD_SLOTS_MOST];

			if (!service->is_present)
				continue;
			if (!service->tracks) {
				regions_store(w, s);
				continue;
			}
			events_fill(w, s, table);
			track_want(w->track, service->base, table, w->urgent);
		}
		w->want_changed = w->urgent = false;
	}
	if (track_is_gathering(w->track) && world_chance(w, .7))
		track_release(w->track);
}

static bool is_list(const struct track_step *step)
{
	return step->kind != TRACK_WRITE_LONGEST && step->kind != TRACK_SCAN &&
	       step->kind != TRACK_GRACE;
}

static const char *const step_names[] = {
	[TRACK_STORE_COLD] = "store cold",
	[TRACK_STORE_HOT] = "store hot",
	[TRACK_SWAP_COLD] = "swap cold",
	[TRACK_WRITE_FLAGS] = "write flags",
	[TRACK_WRITE_IDLE] = "write T",
	[TRACK_WRITE_LONGEST] = "write the longest T",
	[TRACK_SCAN] = "scan",
	[TRACK_GRACE] = "grace period",
};

/* A part of a list of any kind, from `first` on. */
static struct track_step part_of(const struct track_step *step, size_t first, size_t count)
{
	struct track_step part = *step;

	part.count = count;
	if (step->kind == TRACK_SWAP_COLD)
		part.swaps += first;
	else if (step->kind == TRACK_STORE_COLD || step->kind == TRACK_STORE_HOT)
		part.stores += first;
	else
		part.numbers += first;
	return part;
}

/* Does a part of the step that was worked out a while ago, or all of it. */
static void work(struct world *w)
{
	const struct track_step *step = w->step;
	struct track_step part = *step;
	int err;

	if (is_list(step)) {
		size_t left = step->count - w->step_done;

		part = part_of(step, w->step_done,
			       world_chance(w, .4) ? left : 1 + world_below(w, left));
		w->step_done += part.count;
	}
	err = track_execute(&part, &w->ops, w->rig->dp);
	world_look(w);
	if (err)
		world_break(w, 0, "tick %lld: the agent's step \"%s\" failed: %s",
			    (long long)w->now, step_names[step->kind], strerror(-err));
	if (world_has_changed(w))
		world_tell(w, "agent: %s", step_names[step->kind]);
	if (is_list(step) && w->step_done < step->count)
		return;
	w->step = NULL;
	track_done(w->track, err, w->first_tick + w->now);
}

/* The kernel refuses a step, or the rest of a list: the round is over, and the next one makes good. */
static void refuse(struct world *w)
{
	w->progress[WORLD_refused]++;
	world_tell(w, "agent: %s fails", step_names[w->step->kind]);
	w->step = NULL;
	w->round = false;
	track_done(w->track, -EIO, w->first_tick + w->now);
}

/* The agent dies: within a list, or between a step and what it has learnt of it. */
static void crash(struct world *w)
{
	if (w->step && !is_list(w->step) && world_chance(w, .5))
		track_execute(w->step, &w->ops, w->rig->dp);
	w->progress[WORLD_torn] += w->step && w->step_done > 0;
	w->progress[WORLD_restarts]++;
	agent_start(w);
	regions_restart(w);
	world_look(w);
	world_tell(w, "the agent was killed and starts anew");
}

/* At the end there comes a time without: an agent that is killed within each window never comes to an end of one. */
static bool may_crash(const struct world *w)
{
	return w->now < WORLD_TICKS + WORLD_WHEEL / 4;
}

/* Packets run between the working out of a step and its parts. */
void agent_step(struct world *w)
{
	if (may_crash(w) && world_chance(w, w->change.is_on ? .03 : .002)) {
		crash(w);
	} else if (w->change.is_on) {
		regions_step(w);
	} else if (w->step && world_chance(w, .002)) {
		refuse(w);
	} else if (w->step) {
		work(w);
	} else {
		w->step = track_next(w->track, w->first_tick + w->now);
		w->step_done = 0;
		w->round = w->step != NULL;
	}
}

void agent_finish_round(struct world *w)
{
	/* Bounded, so that an agent that never comes to an end is seen. */
	for (int n = 0; n < 2000; n++) {
		agent_step(w);
		if (!w->round)
			return;
	}
	world_break(w, 0, "tick %lld: the agent's round does not end", (long long)w->now);
}
