/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The start, in two parts: everything that may fail before a packet sees anything, and the change
 * itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/deny.h"
#include "agent/healthfile.h"
#include "agent/keys.h"
#include "agent/privileges.h"
#include "agent/start.h"
#include "base/file.h"
#include "base/log.h"
#include "base/problem.h"
#include "config/config.h"
#include "health/health.h"
#include "net/net.h"

#define SETTLE_MS 1000 /* far more than a neighbour in the same rack needs */

/* Reads the configuration to start with. */
static int choose_config(struct agent *agent, struct problems *p)
{
	const char *file = agent->options.config;
	enum start_reason reason;
	char *text = NULL;
	size_t length = 0;
	int err = 0;

	if (access(file, F_OK) == 0 || errno != ENOENT || !agent->state.text)
		err = file_read(file, AGENT_CONFIG_MAX, &text, &length, p);
	if (!err)
		err = start_choose(text, length, &agent->state, &reason);
	if (err)
		return err;
	agent->source = start_sentence(reason, file, &agent->state);
	agent->first_is_file = start_takes_file(reason);
	if (agent->first_is_file) {
		state_hash(text, length, agent->first_hash);
		err = config_read(file, text, length, &agent->first, p);
	} else {
		err = config_read(agent->state.name, agent->state.text, agent->state.text_length,
				  &agent->first, p);
	}
	agent->is_config_refused = err != 0;
	if (err && !agent->first_is_file)
		problems_add(
			p, err, "state-dir", agent->options.state_dir,
			"holds this configuration (%s); change %s to have that one taken instead",
			agent->source, file);
	free(text);
	return err;
}

static int open_dataplane(struct agent *agent, const struct config *config, struct problems *p)
{
	struct program *program = program_wanted(config, &agent->denied, agent->net, NULL);
	struct dataplane_options options = agent_dataplane_options(agent, config, program);
	int err;

	options.pin_dir = agent->options.pin_dir;
	err = dataplane_open(&options, &agent->dp, p);
	free(program);
	return err;
}

/* What was applied last, so that the engine knows a change from a repetition. */
static struct config *read_last(const struct agent *agent)
{
	const struct state *state = &agent->state;
	struct config *config = NULL;
	struct problems p = {};

	if (state->text && config_read(state->name, state->text, state->text_length, &config, &p))
		log_warning("the configuration applied last cannot be read by this version, so the "
			    "present "
			    "one counts as changed");
	log_and_free_problems(LOG_LEVEL_DEBUG, &p);
	return config;
}

static void say_lost(struct agent *agent, struct problems *p)
{
	for (size_t i = 0; i < p->count; i++) {
		char *text = problem_text(&p->list[i]);

		event_post(agent->events, &(struct event){.kind = EVENT_health_lost, .text = text});
		free(text);
	}
	problems_free(p);
}

/*
 * What the agent before knew of health is worth something only where its maps are still at work: then nothing changes until
 * probes say so. What sinks were told is told in any case. `last` NULL: what is in force is not known, and what follows counts as that.
 */
static void open_health(struct agent *agent, const struct config *last, struct healthfile *kept)
{
	bool adopted = dataplane_adopted(agent->dp);
	uint64_t now = ways_now_ms();
	struct problems p = {};

	agent->health = health_new();
	if (last || adopted)
		health_configure(agent->health, last ? last : agent->first, adopted, now);
	healthfile_load(agent->options.state_dir, kept, &p);
	if (adopted && kept->boot_ms)
		health_restore(agent->health, kept->health.data, kept->health.length, now,
			       healthfile_away_ms(kept), &p);
	say_lost(agent, &p);
}

static int open_engine(struct agent *agent, struct problems *p)
{
	struct healthfile kept = {};
	struct problems unread = {};
	struct engine_options options = {
		.config = read_last(agent),
		.ops = dataplane_operations(),
		.dataplane = agent->dp,
		.view = dataplane_view(agent->dp),
		.key = &agent->key,
		.host = agent_engine_host(agent),
		.revision = agent->state.revision,
		.overrides = &agent->state.overrides,
		.now_ms = ways_now_ms(),
	};
	int err;

	open_health(agent, options.config, &kept);
	err = engine_new(&options, &agent->engine, p);
	if (!err && kept.boot_ms && dataplane_adopted(agent->dp))
		engine_clocks_restore(agent->engine, kept.clocks.data, kept.clocks.length,
				      ways_now_ms(), healthfile_away_ms(&kept), &unread);
	say_lost(agent, &unread);
	agent->doubts =
		(struct doubts){.kept = kept.alerts, .kept_away_ms = healthfile_away_ms(&kept)};
	kept.alerts = (struct text){};
	healthfile_free(&kept);
	return err;
}

/* From the configuration on. */
static int open_all(struct agent *agent, struct problems *p)
{
	const struct config *config = agent->first;
	struct problems warnings = {};
	int err;

	log_set_level(config->log_level);
	hostfiles_check(config, &agent->users, config->warnings);
	log_problems(LOG_LEVEL_WARNING, config->warnings);
	err = keys_load(config, agent->options.state_dir, &agent->key, &warnings, p);
	log_and_free_problems(LOG_LEVEL_WARNING, &warnings);
	if (!err)
		err = net_open(&agent->net, p);
	if (!err)
		err = interfaces_find(agent->net, config, p);
	if (!err)
		err = ways_settle(agent->net, config, SETTLE_MS, p);
	if (!err)
		err = open_dataplane(agent, config, p);
	if (!err)
		err = open_engine(agent, p);
	return err;
}

int agent_open(struct agent *agent, const struct options *options, struct problems *p)
{
	int err;

	*agent = (struct agent){.options = *options, .state_fd = -1, .events = events_new()};
	hostfiles_find_users(geteuid() == 0, &agent->users);
	err = privileges_check(p);
	if (err)
		return err;
	agent->state_fd = state_open_dir(options->state_dir, p);
	if (agent->state_fd < 0)
		return agent->state_fd;
	err = state_load(options->state_dir, &agent->state, p);
	if (!err)
		err = denyfile_load(options->state_dir, &agent->denied, p);
	if (!err)
		err = choose_config(agent, p);
	if (!err)
		err = open_all(agent, p);
	if (err)
		agent_abandon(agent, p);
	return err;
}

/*
 * Maps that nobody uses yet are filled before an interface is attached, so that the first packet
 * meets all of it.
 */
static int fill_and_attach(struct agent *agent, struct config *config, struct problems *p)
{
	struct problems warnings = {}, undone = {};
	struct interfaces next;
	int err = deny_check(agent, config, p);

	if (err) {
		config_free(config);
		return err;
	}
	err = engine_apply(agent->engine, config, true, ways_now_ms(), NULL, p);
	if (!err)
		err = deny_write(agent, engine_config(agent->engine), agent->dp, p);
	if (err)
		return err;
	err = interfaces_open(agent->dp, agent->net, engine_config(agent->engine),
			      &agent->interfaces, &next, &warnings, p);
	if (!err)
		interfaces_commit(agent->dp, &agent->interfaces, &next, &undone);
	log_and_free_problems(LOG_LEVEL_WARNING, &warnings);
	log_and_free_problems(LOG_LEVEL_ERROR, &undone);
	return err;
}

/* Both are forced: a start has no operator who could be asked. */
int agent_enforce(struct agent *agent, struct problems *p)
{
	bool adopted = dataplane_adopted(agent->dp);
	struct config *config = agent->first;
	int err;

	agent->first = NULL;
	agent->loading = agent->first_is_file ? agent->first_hash : NULL;
	err = adopted ? agent_apply_between(agent, config, true, NULL, p)
		      : fill_and_attach(agent, config, p);
	if (!err)
		err = agent_store_loaded(agent, p);
	agent->loading = NULL;
	if (err)
		return err;
	event_say(
		agent->events,
		(struct event){.kind = EVENT_started, .attributes = {{"version", SLUICE_VERSION}}},
		"sluiced %s: %s", SLUICE_VERSION, agent->source);
	log_info("%s the maps and links in %s", adopted ? "adopted" : "made",
		 agent->options.pin_dir);
	events_configure(agent->events, engine_config(agent->engine));
	doubts_begin(agent);
	ways_say(&agent->ways, engine_model(agent->engine), agent->events);
	agent->tunnel = (struct tunnel){
		.dp = agent->dp,
		.net = agent->net,
		.state_dir = agent->options.state_dir,
	};
	agent_say_tunnel(agent);
	return 0;
}
