/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/deny.h"
#include "agent/keys.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "config/config.h"
#include "health/health.h"
#include "net/net.h"

/* ---- what the engine asks of us -------------------------------------------------------------- */

static void host_nexthop(void *self, const struct addr *address, struct net_nexthop *out)
{
	struct agent *agent = self;

	net_nexthop(agent->net, address, out);
}

static void host_health(void *self, const char *service, const struct addr *backend,
			struct model_probe *out)
{
	const struct agent *agent = self;

	health_of(agent->health, service, backend, out);
}

static void host_took(void *self, const struct config *config)
{
	const struct agent *agent = self;

	health_configure(agent->health, config, false, ways_now_ms());
}

int agent_kept(const struct agent *agent, int err, struct problems *p)
{
	if (!err)
		return 0;
	return problems_add(p, err, "state-dir", agent->options.state_dir,
			    "cannot keep the change, so it is refused, and nothing has changed; "
			    "make it writable, with room for more");
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
	err = agent_kept(agent, state_store(agent->options.state_dir, &next, p), p);
	if (err) {
		state_free(&next);
		return err;
	}
	state_free(&agent->state);
	agent->state = next;
	return 0;
}

static void host_tell(void *self, enum engine_news news, const char *service,
		      const struct addr *backend, const char *sentence)
{
	static const enum event_kind kinds[] = {
		[ENGINE_DEAD] = EVENT_backend_dead,
		[ENGINE_DRAIN_OVER] = EVENT_drain_over,
		[ENGINE_HELD_OPEN] = EVENT_change_held_open,
		[ENGINE_STUCK] = EVENT_tracking_stuck,
		[ENGINE_GOES_ON] = EVENT_tracking_goes_on,
		[ENGINE_DAMAGE] = EVENT_damage_mended,
		[ENGINE_CROWDED] = EVENT_crowded,
		[ENGINE_UNCROWDED] = EVENT_uncrowded,
	};
	const struct agent *agent = self;
	char address[ADDR_TEXT_SIZE];

	event_post(agent->events, &(struct event){
					  .kind = kinds[news],
					  .service = service,
					  .backend = backend ? addr_format(backend, address) : NULL,
					  .text = sentence,
				  });
}

struct engine_host agent_engine_host(struct agent *agent)
{
	return (struct engine_host){
		.self = agent,
		.nexthop = host_nexthop,
		.health = host_health,
		.took = host_took,
		.store = host_store,
		.tell = host_tell,
	};
}

/* ---- changes --------------------------------------------------------------------------------- */

/*
 * The key cannot change under flows that are hashed by it. Where it was it may not be readable any more,
 * to user sluice say, and is then not asked for.
 */
static int check_same_key(struct agent *agent, const struct config *config, struct problems *p)
{
	const struct config *old = engine_config(agent->engine);
	struct problems unread = {};
	struct key key = agent->key;
	char *before, *after;
	bool is_moved;
	int err = 0;

	if (!old)
		return 0;
	before = keys_path(old, agent->options.state_dir);
	after = keys_path(config, agent->options.state_dir);
	is_moved = strcmp(before, after) != 0;
	if (is_moved)
		err = keys_load(config, agent->options.state_dir, &key, NULL, p);
	else if (config->cluster_key_file)
		keys_load(config, agent->options.state_dir, &key, NULL, &unread);
	if (!err && memcmp(key.id, agent->key.id, sizeof(key.id)))
		err = problems_add(p, -EBUSY, "cluster.key-file", after,
				   "holds another hash key than the one in force, and every flow "
				   "would move; to change it: sluiced --down, then start again");
	problems_free(&unread);
	free(before);
	free(after);
	return err;
}

int agent_check_host(struct agent *agent, const struct config *config, struct problems *p)
{
	int err = interfaces_find(agent->net, config, p);

	err = tunnel_check(agent->net, config, p) ?: err;
	return check_same_key(agent, config, p) ?: err;
}

int agent_set_tunnel(struct agent *agent, struct problems *p)
{
	return tunnel_configure(&agent->tunnel, engine_config(agent->engine),
				engine_model(agent->engine), p);
}

void agent_say_tunnel(struct agent *agent)
{
	struct problems failed = {}, findings = {};

	agent_set_tunnel(agent, &failed);
	tunnel_findings(&agent->tunnel, engine_config(agent->engine), engine_model(agent->engine),
			&findings);
	log_and_free_problems(LOG_LEVEL_ERROR, &failed);
	log_and_free_problems(LOG_LEVEL_WARNING, &findings);
}

int agent_set_program(struct agent *agent, struct problems *p)
{
	struct program *wanted = program_wanted(engine_config(agent->engine), &agent->denied,
						agent->net, engine_model(agent->engine));
	int err;

	/* It costs short frames nothing, and a driver may still need it: a veth goes by its peer's MTU. */
	wanted->features.multi_buffer |= dataplane_features(agent->dp).multi_buffer;
	err = program_set(agent->dp, wanted, p);
	free(wanted);
	return err;
}

/* Before devices that have come are attached, and ways over them taken. What has gone is still served. */
static void prepare_program(struct agent *agent, struct problems *p)
{
	struct program *before = program_present(agent->dp, &agent->interfaces);
	struct program *wanted =
		program_wanted(engine_config(agent->engine), &agent->denied, agent->net, NULL);
	struct program *both = program_both(before, wanted);

	program_set(agent->dp, both, p);
	free(before);
	free(wanted);
	free(both);
}

struct dataplane_options agent_dataplane_options(const struct agent *agent,
						 const struct config *config,
						 const struct program *program)
{
	struct dataplane_options options = {
		.limits =
			{
				.services = config->limits.services,
				.listeners = config->limits.listeners,
				.backends = config->limits.backends,
				.flows = config->limits.flows,
				.slots = config->limits.slots,
				.fragments = config->limits.fragments,
				.deny = config->limits.deny,
			},
		.key = agent->key.hash,
		.features = program->features,
		.vlans = &program->vlans,
	};

	memcpy(options.key_id, agent->key.id, sizeof(options.key_id));
	return options;
}

int agent_apply_between(struct agent *agent, struct config *config, bool force,
			struct engine_forecast *out, struct problems *p)
{
	struct problems warnings = {}, undone = {};
	struct interfaces next;
	struct program *before = program_present(agent->dp, &agent->interfaces);
	struct program *wanted = program_wanted(config, &agent->denied, agent->net, NULL);
	struct program *both = program_both(before, wanted);
	int err = deny_check(agent, config, p);

	if (!err)
		err = program_set(agent->dp, both, p);
	if (!err)
		err = interfaces_open(agent->dp, agent->net, config, &agent->interfaces, &next,
				      &warnings, p);
	if (err) {
		config_free(config);
	} else {
		err = engine_apply(agent->engine, config, force, ways_now_ms(), out, p);
		if (err)
			interfaces_abort(agent->dp, &next, &undone);
		else
			interfaces_commit(agent->dp, &agent->interfaces, &next, &undone);
	}
	/* What is not needed any more costs packets time. */
	if (err)
		program_set(agent->dp, before, &undone);
	else
		agent_set_program(agent, &undone);
	if (!err)
		err = deny_write(agent, engine_config(agent->engine), agent->dp, p);
	log_and_free_problems(LOG_LEVEL_WARNING, &warnings);
	log_and_free_problems(LOG_LEVEL_ERROR, &undone);
	free(before);
	free(wanted);
	free(both);
	return err;
}

int agent_store_loaded(struct agent *agent, struct problems *p)
{
	if (!agent->loading || memcmp(agent->loading, agent->state.loaded, STATE_HASH_SIZE) == 0)
		return 0;
	return host_store(agent, engine_config(agent->engine), engine_overrides(agent->engine),
			  engine_revision(agent->engine), p);
}

int agent_apply(struct agent *agent, struct config *config, bool force, struct engine_forecast *out,
		struct problems *p)
{
	uint64_t before = engine_revision(agent->engine);
	int err = check_same_key(agent, config, p);

	if (!err)
		err = tunnel_check(agent->net, config, p);
	if (err) {
		config_free(config);
		return err;
	}
	err = agent_apply_between(agent, config, force, out, p);
	if (err)
		return err;
	config = NULL;
	repair_reset(&agent->repair);
	log_set_level(engine_config(agent->engine)->log_level);
	if (engine_revision(agent->engine) != before)
		log_problems(LOG_LEVEL_WARNING, engine_config(agent->engine)->warnings);
	err = agent_store_loaded(agent, p);
	ways_say(&agent->ways, engine_model(agent->engine), agent->events);
	events_configure(agent->events, engine_config(agent->engine));
	agent_say_tunnel(agent);
	return err;
}

static void say_reloaded(struct agent *agent, uint64_t before)
{
	uint64_t now = engine_revision(agent->engine);
	char revision[24];
	const struct event event = {
		.kind = EVENT_reload,
		.attributes = {{"file", agent->options.config}, {"revision", revision}},
	};

	snprintf(revision, sizeof(revision), "%" PRIu64, now);
	event_say(agent->events, event,
		  now == before ? "reloaded %s: nothing differs from revision %s"
				: "reloaded %s: revision %s is in force",
		  agent->options.config, revision);
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
	hostfiles_check(config, &agent->users, config->warnings);
	agent->loading = hash;
	err = agent_apply(agent, config, false, NULL, p);
	agent->loading = NULL;
	if (err == -EPERM)
		problems_add(
			p, err, "reload", file,
			"is refused for safety; `sluicectl apply --force %s` does it nevertheless",
			file);
	if (!err)
		say_reloaded(agent, before);
	return err;
}

/* One event a problem, whose value is the device. */
static void post_interfaces(struct agent *agent, enum event_kind kind, struct problems *p)
{
	for (size_t i = 0; i < p->count; i++) {
		char *text = problem_text(&p->list[i]);

		event_post(agent->events,
			   &(struct event){.kind = kind, .device = p->list[i].value, .text = text});
		free(text);
	}
	problems_free(p);
}

int agent_net_input(struct agent *agent, struct problems *p)
{
	struct problems warnings = {}, found = {}, lost = {};
	int changed = net_input(agent->net, p);

	if (changed > 0) {
		prepare_program(agent, &warnings);
		interfaces_follow(&agent->interfaces, agent->dp, agent->net, &warnings, &found,
				  &lost);
	}
	log_and_free_problems(LOG_LEVEL_WARNING, &warnings);
	post_interfaces(agent, EVENT_interface_lost, &lost);
	post_interfaces(agent, EVENT_interface_found, &found);
	return changed;
}

int agent_refresh(struct agent *agent, struct problems *p)
{
	int err = engine_refresh(agent->engine, ways_now_ms(), p);

	err = agent_set_program(agent, p) ?: err;
	ways_say(&agent->ways, engine_model(agent->engine), agent->events);
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

/* ---- the end --------------------------------------------------------------------------------- */

void agent_close(struct agent *agent)
{
	health_free(agent->health);
	engine_free(agent->engine);
	interfaces_free(&agent->interfaces);
	ways_free(&agent->ways);
	repair_free(&agent->repair);
	text_free(&agent->doubts.kept);
	tunnel_free(&agent->tunnel);
	if (agent->dp)
		dataplane_close(agent->dp);
	net_close(agent->net);
	events_free(agent->events);
	denyfile_free(&agent->denied);
	state_free(&agent->state);
	free(agent->source);
	config_free(agent->first);
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
	agent_close(agent);
}

int agent_detach(struct agent *agent, struct problems *p)
{
	return interfaces_close(&agent->interfaces, agent->dp, p);
}

int agent_down(struct agent *agent, struct problems *p)
{
	int err;

	engine_free(agent->engine);
	agent->engine = NULL;
	err = dataplane_destroy(agent->dp, p);
	agent->dp = NULL;
	return tunnel_down(agent->options.state_dir, p) ?: err;
}
