/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/keys.h"
#include "agent/privileges.h"
#include "agent/start.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "config/config.h"
#include "net/net.h"

#define SETTLE_MS 1000 /* three times what a neighbour in the same rack needs, and one ARP retry */

/* ---- what the engine asks of us ------------------------------------------------------------------- */

static void host_nexthop(void *self, const struct addr *address, struct net_nexthop *out)
{
	struct agent *agent = self;

	/* A look-up that fails is no way, and is tried again with the next change or tick. */
	if (net_nexthop(agent->net, address, out))
		*out = (struct net_nexthop){.way = NET_WAY_NO_ROUTE, .gateway = *address};
}

static int host_store(void *self, const struct config *config, const struct overrides *overrides,
		      uint64_t revision, struct problems *p)
{
	struct agent *agent = self;
	struct state next = {
		.revision = revision,
		.name = mem_string(config->file),
		.text = mem_alloc(config->text_length + 1),
		.text_length = config->text_length,
		.has_loaded = agent->loading || agent->state.has_loaded,
	};
	int err;

	memcpy(next.text, config->text, config->text_length);
	memcpy(next.loaded, agent->loading ? agent->loading : agent->state.loaded,
	       sizeof(next.loaded));
	overrides_copy(overrides, &next.overrides);
	err = state_store(agent->options.state_dir, &next, p);
	if (err) {
		state_free(&next);
		return problems_add(p, err, "state-dir", agent->options.state_dir,
				    "cannot keep the change, so it is refused");
	}
	state_free(&agent->state);
	agent->state = next;
	return 0;
}

/* ---- changes ---------------------------------------------------------------------------------------- */

static void log_and_free(enum log_level level, struct problems *p)
{
	log_problems(level, p);
	problems_free(p);
}

/* The key cannot change under flows that are hashed by it. */
static int check_same_key(struct agent *agent, const struct config *config, struct problems *p)
{
	const struct config *old = engine_config(agent->engine);
	char *before, *after;
	struct key key;
	int err = 0;

	if (!old)
		return 0;
	before = keys_path(old, agent->options.state_dir);
	after = keys_path(config, agent->options.state_dir);
	if (strcmp(before, after)) {
		err = keys_load(config, agent->options.state_dir, &key, NULL, p);
		if (!err && memcmp(key.id, agent->key.id, sizeof(key.id)))
			err = problems_add(
				p, -EBUSY, "cluster.key-file", after,
				"holds another hash key than the one in force, and every flow "
				"would move; to change it: sluiced --down, then start again");
	}
	free(before);
	free(after);
	return err;
}

/* The engine's part, between the interfaces that come and those that go. */
static int apply_between(struct agent *agent, struct config *config, bool force,
			 struct engine_forecast *out, struct problems *p)
{
	struct problems warnings = {}, undone = {};
	struct interfaces next;
	bool several = config->interface_count > 1;
	int err = several ? dataplane_set_redirect(agent->dp, true, p) : 0;

	if (!err)
		err = interfaces_open(agent->dp, agent->net, config, &agent->interfaces, &next,
				      &warnings, p);
	if (err) {
		config_free(config);
		problems_free(&warnings);
		return err;
	}
	err = engine_apply(agent->engine, config, force, ways_now_ms(), out, p);
	if (err)
		interfaces_abort(agent->dp, &next, &undone);
	else
		interfaces_commit(agent->dp, &agent->interfaces, &next, &undone);
	/* One interface needs no redirection, and is faster without. */
	dataplane_set_redirect(agent->dp, agent->interfaces.count > 1, &undone);
	log_and_free(LOG_LEVEL_WARNING, &warnings);
	log_and_free(LOG_LEVEL_ERROR, &undone);
	return err;
}

int agent_apply(struct agent *agent, struct config *config, bool force, struct engine_forecast *out,
		struct problems *p)
{
	uint64_t before = engine_revision(agent->engine);
	int err = check_same_key(agent, config, p);

	if (err) {
		config_free(config);
		return err;
	}
	err = apply_between(agent, config, force, out, p);
	if (err)
		return err;
	config = NULL;
	log_set_level(engine_config(agent->engine)->log_level);
	if (engine_revision(agent->engine) != before)
		log_problems(LOG_LEVEL_WARNING, engine_config(agent->engine)->warnings);
	/* Nothing differed but the file's bytes, so the engine had nothing to store. */
	if (agent->loading && memcmp(agent->loading, agent->state.loaded, STATE_HASH_SIZE))
		err = host_store(agent, engine_config(agent->engine),
				 engine_overrides(agent->engine), engine_revision(agent->engine),
				 p);
	ways_say(&agent->ways, engine_model(agent->engine));
	return err;
}

int agent_reload(struct agent *agent, struct problems *p)
{
	const char *file = agent->options.config;
	uint64_t before = engine_revision(agent->engine);
	uint8_t hash[STATE_HASH_SIZE];
	struct config *config;
	char *text;
	size_t length;
	int err = file_read(file, AGENT_CONFIG_MAX, &text, &length, p);

	if (err)
		return err;
	state_hash(text, length, hash);
	err = config_read(file, text, length, &config, p);
	free(text);
	if (err)
		return err;
	agent->loading = hash;
	err = agent_apply(agent, config, false, NULL, p);
	agent->loading = NULL;
	if (err == -EPERM)
		problems_add(
			p, err, "reload", file,
			"is refused for safety; `sluicectl apply --force %s` does it nevertheless",
			file);
	if (!err && engine_revision(agent->engine) == before)
		log_info("reloaded %s: nothing differs from revision %llu", file,
			 (unsigned long long)before);
	else if (!err)
		log_info("reloaded %s: revision %llu is in force", file,
			 (unsigned long long)engine_revision(agent->engine));
	return err;
}

int agent_net_input(struct agent *agent, struct problems *p)
{
	struct problems warnings = {}, lost = {};
	int changed = net_input(agent->net, p);

	if (changed > 0)
		interfaces_follow(&agent->interfaces, agent->dp, agent->net, &warnings, &lost);
	log_and_free(LOG_LEVEL_WARNING, &warnings);
	log_and_free(LOG_LEVEL_ERROR, &lost);
	return changed;
}

int agent_refresh_ways(struct agent *agent, struct problems *p)
{
	int err = engine_refresh_ways(agent->engine, ways_now_ms(), p);

	ways_say(&agent->ways, engine_model(agent->engine));
	return err;
}

char *agent_summary(const struct agent *agent)
{
	struct text summary = {};

	interfaces_summary(&agent->interfaces, &summary);
	text_add(&summary, "; ");
	ways_summary(engine_model(agent->engine), &summary);
	return summary.data;
}

/* ---- start and end ----------------------------------------------------------------------------------- */

/* Reads the configuration to start with; *hash is the file's if it was taken from there. */
static int choose_config(struct agent *agent, struct config **out, bool *from_file,
			 uint8_t hash[STATE_HASH_SIZE], struct problems *p)
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
	*from_file = start_takes_file(reason);
	if (*from_file) {
		state_hash(text, length, hash);
		err = config_read(file, text, length, out, p);
	} else {
		err = config_read(agent->state.name, agent->state.text, agent->state.text_length,
				  out, p);
	}
	agent->is_config_refused = err != 0;
	if (err && !*from_file)
		problems_add(
			p, err, "state-dir", agent->options.state_dir,
			"holds this configuration (%s); change %s to have that one taken instead",
			agent->source, file);
	free(text);
	return err;
}

static int open_dataplane(struct agent *agent, const struct config *config, struct problems *p)
{
	struct dataplane_options options = {
		.pin_dir = agent->options.pin_dir,
		.limits =
			{
				.services = config->limits.services,
				.listeners = config->limits.listeners,
				.backends = config->limits.backends,
				.flows = config->limits.flows,
				.slots = config->limits.slots,
			},
		.key = agent->key.hash,
		.redirect = config->interface_count > 1,
	};

	memcpy(options.key_id, agent->key.id, sizeof(options.key_id));
	return dataplane_open(&options, &agent->dp, p);
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
	log_and_free(LOG_LEVEL_DEBUG, &p);
	return config;
}

static int open_engine(struct agent *agent, struct problems *p)
{
	struct engine_options options = {
		.config = read_last(agent),
		.ops = dataplane_operations(),
		.dataplane = agent->dp,
		.view = dataplane_view(agent->dp),
		.key = &agent->key,
		.host = {agent, host_nexthop, host_store},
		.revision = agent->state.revision,
		.overrides = &agent->state.overrides,
		.now_ms = ways_now_ms(),
	};

	return engine_new(&options, &agent->engine, p);
}

/* Fills the maps, then attaches. A start is forced: what it finds in force has no operator who could ask. */
static int enforce(struct agent *agent, struct config *config, struct problems *p)
{
	struct problems warnings = {}, undone = {};
	struct interfaces next;
	int err = engine_apply(agent->engine, config, true, ways_now_ms(), NULL, p);

	if (err)
		return err;
	err = interfaces_open(agent->dp, agent->net, engine_config(agent->engine),
			      &agent->interfaces, &next, &warnings, p);
	if (!err)
		interfaces_commit(agent->dp, &agent->interfaces, &next, &undone);
	log_and_free(LOG_LEVEL_WARNING, &warnings);
	log_and_free(LOG_LEVEL_ERROR, &undone);
	return err;
}

/* From the configuration on; takes it over. */
static int start_with(struct agent *agent, struct config *config, struct problems *p)
{
	struct problems warnings = {};
	int err;

	log_set_level(config->log_level);
	log_problems(LOG_LEVEL_WARNING, config->warnings);
	err = keys_load(config, agent->options.state_dir, &agent->key, &warnings, p);
	log_and_free(LOG_LEVEL_WARNING, &warnings);
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
	if (err) {
		config_free(config);
		return err;
	}
	return enforce(agent, config, p);
}

/* Said only now, so that a start that fails says nothing but why. */
static void log_started(struct agent *agent)
{
	log_info("sluiced %s: %s", SLUICE_VERSION, agent->source);
	log_info("%s the maps and links in %s", dataplane_adopted(agent->dp) ? "adopted" : "made",
		 agent->options.pin_dir);
	ways_say(&agent->ways, engine_model(agent->engine));
}

int agent_start(struct agent *agent, const struct options *options, struct problems *p)
{
	uint8_t hash[STATE_HASH_SIZE];
	struct config *config;
	bool from_file;
	int err;

	*agent = (struct agent){.options = *options, .state_fd = -1};
	err = privileges_check(p);
	if (err)
		return err;
	agent->state_fd = state_open_dir(options->state_dir, p);
	if (agent->state_fd < 0)
		return agent->state_fd;
	err = state_load(options->state_dir, &agent->state, p);
	if (!err)
		err = choose_config(agent, &config, &from_file, hash, p);
	if (!err) {
		agent->loading = from_file ? hash : NULL;
		err = start_with(agent, config, p);
		agent->loading = NULL;
	}
	if (err)
		agent_abandon(agent, p);
	else
		log_started(agent);
	return err;
}

void agent_close(struct agent *agent)
{
	engine_free(agent->engine);
	interfaces_free(&agent->interfaces);
	ways_free(&agent->ways);
	if (agent->dp)
		dataplane_close(agent->dp);
	net_close(agent->net);
	state_free(&agent->state);
	free(agent->source);
	if (agent->state_fd >= 0)
		close(agent->state_fd);
	*agent = (struct agent){
		.options = agent->options,
		.state_fd = -1,
		.is_config_refused = agent->is_config_refused,
	};
}

/* Fresh maps that no interface uses are worth nothing; adopted ones forward. */
void agent_abandon(struct agent *agent, struct problems *p)
{
	if (agent->dp && !dataplane_adopted(agent->dp))
		agent_down(agent, p);
	else
		agent_close(agent);
}

int agent_detach(struct agent *agent, struct problems *p)
{
	int err = 0;

	for (size_t i = 0; i < agent->interfaces.count; i++) {
		const struct interface *interface = &agent->interfaces.list[i];

		if (interface->attached)
			err = dataplane_detach(agent->dp, interface->link.device, p) ?: err;
	}
	interfaces_free(&agent->interfaces);
	return err;
}

int agent_down(struct agent *agent, struct problems *p)
{
	int err;

	engine_free(agent->engine);
	agent->engine = NULL;
	err = dataplane_destroy(agent->dp, p);
	agent->dp = NULL;
	agent_close(agent);
	return err;
}
