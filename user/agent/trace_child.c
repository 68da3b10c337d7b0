/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process of a trace. All that the agent knows it knows, as of the fork; it only looks at that. Its worlds are
 * made with the first request: a copy of the running maps, or fresh maps filled by a plan as after a start. It answers
 * with errors as well as with documents, and ends after one of the former.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/deny.h"
#include "agent/trace.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "config/config.h"
#include "dataplane/dataplane.h"
#include "health/health.h"
#include "net/net.h"
#include "wire/wire.h"

#define WORLDS	  2
#define MAPS_MAX  64
#define SETTLE_MS 1000 /* as a start waits for neighbours */
#define NICENESS  10
#define READ_STEP (64 << 10)

struct world {
	struct dataplane *dp;
	struct engine *engine;
	uint32_t ifindex; /* that packets come in by */
};

struct child {
	struct agent *agent;
	struct net *net; /* its own; NULL: not needed yet */
	struct world worlds[WORLDS];
	struct tracer *tracer;
};

/* ---- what an engine asks ----------------------------------------------------------------------- */

/* As the agent sees it, where it knows that backend; else as the kernel says. */
static void host_nexthop(void *self, const struct addr *address, struct net_nexthop *out)
{
	const struct child *child = self;
	const struct model *model = engine_model(child->agent->engine);

	for (size_t s = 0; s < model->service_count; s++) {
		const struct model_backend *known =
			model_find_backend(&model->services[s], address);

		if (known) {
			*out = known->way;
			return;
		}
	}
	net_nexthop(child->net, address, out);
}

/* Nobody has probed a backend that is not configured: it counts as healthy, or no trace could show what it would get. */
static void host_health(void *self, const char *service, const struct addr *backend,
			struct model_probe *out)
{
	const struct child *child = self;

	health_of(child->agent->health, service, backend, out);
	if (!out->is_known)
		*out = (struct model_probe){.is_known = true, .is_up = true, .share = 1000};
}

static int host_store(void *self, const struct config *config, const struct overrides *overrides,
		      uint64_t revision, struct problems *p)
{
	(void)self, (void)config, (void)overrides, (void)revision, (void)p;
	return 0;
}

/* ---- worlds ------------------------------------------------------------------------------------ */

static int try_frame(void *self, const void *frame, size_t length, struct dataplane_outcome *out)
{
	const struct world *world = self;

	return dataplane_try(world->dp, frame, length, world->ifindex, out);
}

static bool denies(void *self, const struct addr *source, struct prefix *by)
{
	const struct world *world = self;

	return dataplane_denies(world->dp, source, by);
}

static int open_engine(struct child *child, struct world *world, struct problems *p)
{
	const struct engine_options options = {
		.ops = dataplane_operations(),
		.dataplane = world->dp,
		.view = dataplane_view(world->dp),
		.key = &child->agent->key,
		.host = {.self = child,
			 .nexthop = host_nexthop,
			 .health = host_health,
			 .store = host_store},
		.overrides = engine_overrides(child->agent->engine),
		.now_ms = ways_now_ms(),
	};

	return engine_new(&options, &world->engine, p);
}

/* The first interface of a configuration that there is. */
static uint32_t way_in(struct child *child, const struct config *config)
{
	const struct interfaces *is = &child->agent->interfaces;

	for (size_t c = 0; config && c < config->interface_count; c++)
		for (size_t i = 0; i < is->count; i++)
			if (is->list[i].attached &&
			    strcmp(is->list[i].link.device, config->interfaces[c].device) == 0)
				return is->list[i].link.ifindex;
	return 0;
}

/* What runs, as it is. */
static int open_running(struct child *child, struct world *world, struct problems *p)
{
	int err = dataplane_copy(child->agent->dp, &world->dp, p);

	world->ifindex = way_in(child, engine_config(child->agent->engine));
	return err ? err : open_engine(child, world, p);
}

static int open_dataplane(struct child *child, const struct config *config, struct world *world,
			  struct problems *p)
{
	struct program *program = program_wanted(config, &child->agent->denied, child->net, NULL);
	const struct dataplane_options options =
		agent_dataplane_options(child->agent, config, program);
	int err = dataplane_open(&options, &world->dp, p);

	free(program);
	return err;
}

/* As if `config` (which is taken over) had been in force from the start. */
static int fill(struct child *child, struct config *config, struct world *world, struct problems *p)
{
	int err = child->net ? 0 : net_open(&child->net, p);

	if (!err)
		err = ways_settle(child->net, config, SETTLE_MS, p);
	if (!err)
		err = open_dataplane(child, config, world, p);
	if (!err)
		err = open_engine(child, world, p);
	if (err) {
		config_free(config);
		return err;
	}
	world->ifindex = way_in(child, config);
	err = engine_apply(world->engine, config, true, ways_now_ms(), NULL, p);
	return err ? err : deny_write(child->agent, engine_config(world->engine), world->dp, p);
}

/* *code: what a failure is to the client. */
static int open_world(struct child *child, const char *file, const char *text, struct world *world,
		      enum wire_code *code, struct problems *p)
{
	struct config *config;
	int err;

	*code = WIRE_FAILED;
	if (!text)
		return open_running(child, world, p);
	err = config_read(file, text, strlen(text), &config, p);
	if (!err)
		return fill(child, config, world, p);
	*code = err == -EINVAL ? WIRE_INVALID : WIRE_FAILED;
	return err;
}

static enum wire_code open_worlds(struct child *child, const struct wire_arguments *a,
				  struct problems *p)
{
	struct tracer_world worlds[WORLDS];
	size_t count = a->diff_text ? 2 : 1;
	enum wire_code code;
	int err = open_world(child, a->config, a->config_text, &child->worlds[0], &code, p);

	if (!err && count > 1)
		err = open_world(child, a->diff, a->diff_text, &child->worlds[1], &code, p);
	if (err)
		return code;
	for (size_t i = 0; i < count; i++)
		worlds[i] = (struct tracer_world){
			.engine = child->worlds[i].engine,
			.try = try_frame,
			.denies = denies,
			.self = &child->worlds[i],
		};
	child->tracer = tracer_new(worlds, count);
	return WIRE_OK;
}

/* ---- requests ---------------------------------------------------------------------------------- */

static char *answer(struct child *child, const char *line, size_t length, enum wire_code *code)
{
	struct wire_request request = {};
	struct problems p = {};
	char *reply;

	*code = wire_decode_request(line, length, &request, &p) ? WIRE_USAGE : WIRE_OK;
	if (!*code && !child->tracer)
		*code = open_worlds(child, &request.arguments, &p);
	reply = *code ? wire_encode_error(*code, &p)
		      : tracer_answer(child->tracer, &request.arguments, code);
	wire_request_free(&request);
	problems_free(&p);
	return reply;
}

static bool write_all(int fd, const char *text, size_t length)
{
	while (length) {
		ssize_t done = write(fd, text, length);

		if (done <= 0)
			return false;
		text += done;
		length -= done;
	}
	return true;
}

/* The agent has sent nothing more before it has the answer. */
static void serve(struct child *child, int channel)
{
	struct text received = {};
	char *step = mem_alloc(READ_STEP);
	enum wire_code code = WIRE_OK;

	while (!code) {
		ssize_t got = read(channel, step, READ_STEP);
		char *reply;
		size_t length;

		if (got <= 0)
			break;
		text_add_bytes(&received, step, got);
		if (received.data[received.length - 1] != '\n')
			continue;
		reply = answer(child, received.data, received.length - 1, &code);
		text_free(&received);
		length = strlen(reply);
		reply[length] = '\n'; /* in the NUL's place */
		if (!write_all(channel, reply, length + 1))
			break;
		free(reply);
	}
}

/* ---- the process ------------------------------------------------------------------------------- */

/*
 * All but the running maps and the channel: clients must see that the agent hangs up, its locks are its own, and what it
 * says to the kernel is its affair.
 */
static void close_others(const struct agent *agent, int channel)
{
	int keep[MAPS_MAX + 1];
	size_t count = dataplane_map_fds(agent->dp, keep, MAPS_MAX);

	keep[count++] = channel;
	file_close_others(keep, count);
}

static void reset_signals(void)
{
	const struct sigaction by_default = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		sigaction(number, &by_default, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void trace_child(struct agent *agent, int channel)
{
	struct child child = {.agent = agent};

	close_others(agent, channel);
	reset_signals();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpriority(PRIO_PROCESS, 0, NICENESS);
	serve(&child, channel);
	_exit(0);
}
