/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the socket asks of the agent: the functions of struct api_host. */
#include "agent/agent.h"
#include "agent/deny.h"
#include "agent/doctor.h"
#include "agent/loop_state.h"
#include "agent/probing.h"
#include "agent/trace.h"

#define REPLY_MS 50 /* from `down` to the end: its reply goes out */

static uint64_t host_now_ms(void *self)
{
	(void)self;
	return ways_now_ms();
}

static size_t host_interfaces(void *self, struct api_interface *out, size_t max)
{
	const struct loop *loop = self;
	struct interfaces *is = &loop->agent->interfaces;
	size_t i;

	interfaces_look(is, loop->agent->dp, loop->agent->net);
	for (i = 0; i < is->count && i < max; i++)
		out[i] = (struct api_interface){
			.device = is->list[i].link.device,
			.wanted = is->list[i].wanted,
			.attach = is->list[i].wanted_attach,
			.attached = is->list[i].seen.attached,
			.mode = is->list[i].seen.mode,
			.others = is->list[i].seen.others,
			.problem = is->list[i].seen.problem,
		};
	return i;
}

static size_t host_conditions(void *self, bool quick, struct arena *arena,
			      struct api_condition **out)
{
	const struct loop *loop = self;

	return doctor_look(loop->agent, quick, arena, out);
}

static int host_apply(void *self, struct config *config, bool force, struct engine_forecast *out,
		      struct problems *p)
{
	struct loop *loop = self;
	int err;

	err = agent_apply(loop->agent, config, force, out, p);
	probing_follow(loop->agent->probing);
	return err;
}

static int host_find(void *self, const struct config *config, struct problems *p)
{
	const struct loop *loop = self;

	return agent_check_host(loop->agent, config, p);
}

static void host_warn(void *self, struct config *config)
{
	const struct loop *loop = self;

	hostfiles_check(config, &loop->agent->users, config->warnings);
}

/* From here on nothing may put back what `down` takes away: no repair, no news of netlink, no reload, no client. */
static void stop_mending(struct loop *loop)
{
	uv_timer_stop(&loop->probe);
	uv_timer_stop(&loop->gather);
	uv_poll_stop(&loop->net);
	uv_signal_stop(&loop->reload);
	loop->api.is_ending = true;
}

static void on_replied(uv_timer_t *timer)
{
	struct loop *loop = timer->data;

	uv_stop(&loop->uv);
	loop->is_ending = true;
}

/* Ends forwarding now, so that the reply can say how it went; the rest goes with the agent. */
static int host_down(void *self, struct problems *p)
{
	struct loop *loop = self;
	int err = agent_detach(loop->agent, p);

	if (err)
		return err;
	loop->is_down = true;
	stop_mending(loop);
	uv_timer_start(&loop->end, on_replied, REPLY_MS, 0);
	return 0;
}

static void host_post(void *self, const struct event *event)
{
	const struct loop *loop = self;
	struct agent *agent = loop->agent;

	event_post(agent->events, event);
	/* The engine has made the change, and what follows for its backend is news, too. */
	if (event->kind == EVENT_override)
		ways_say(&agent->ways, engine_model(agent->engine), agent->events);
}

static int host_check(void *self, const char *service, const struct addr *backend,
		      api_probed_function *done, void *arg, struct problems *p)
{
	const struct loop *loop = self;

	return probing_check(loop->agent->probing, service, backend, done, arg, p);
}

static const char *host_unprobed(void *self, const char *service)
{
	const struct loop *loop = self;

	return probing_stopped(loop->agent->probing, service);
}

static int host_trace(void *self, const struct api_client *client,
		      const struct wire_arguments *arguments, struct api_promise *promise,
		      struct problems *p)
{
	const struct loop *loop = self;

	return trace_ask(loop->trace, client, arguments, promise, p);
}

static size_t host_denied(void *self, const struct api_denied **out)
{
	const struct loop *loop = self;

	*out = loop->agent->denied.list;
	return loop->agent->denied.count;
}

static int host_deny(void *self, bool adds, const struct prefix *list, size_t count,
		     size_t *changed, struct problems *p)
{
	const struct loop *loop = self;

	return (adds ? deny_add : deny_remove)(loop->agent, list, count, changed, p);
}

static bool host_denies(void *self, const struct addr *source, struct prefix *by)
{
	const struct loop *loop = self;

	return dataplane_denies(loop->agent->dp, source, by);
}

static void host_gone(void *self, const struct api_client *client)
{
	const struct loop *loop = self;

	if (loop->trace)
		trace_gone(loop->trace, client);
}

struct api_host loop_host(struct loop *loop)
{
	return (struct api_host){
		.self = loop,
		.now_ms = host_now_ms,
		.interfaces = host_interfaces,
		.conditions = host_conditions,
		.apply = host_apply,
		.find = host_find,
		.warn = host_warn,
		.down = host_down,
		.post = host_post,
		.check = host_check,
		.unprobed = host_unprobed,
		.trace = host_trace,
		.gone = host_gone,
		.denied = host_denied,
		.deny = host_deny,
		.denies = host_denies,
	};
}
