/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "unit/support/asked_api.h"

struct asked_api asked;

const struct api_client asked_root = {.uid = 0, .may_change = true};
const struct api_client asked_reader = {.uid = 1000, .may_change = false};

static uint64_t agent_now(void *self)
{
	(void)self;
	return asked.agent.now_ms;
}

static size_t agent_interfaces(void *self, struct api_interface *out, size_t max)
{
	(void)self;
	ck_assert_uint_le(asked.agent.interface_count, max);
	memcpy(out, asked.agent.interfaces, asked.agent.interface_count * sizeof(*out));
	return asked.agent.interface_count;
}

static size_t agent_conditions(void *self, bool quick, struct arena *arena,
			       struct api_condition **out)
{
	(void)self;
	(void)arena;
	*out = asked.agent.checks;
	return quick ? asked.agent.quick_count : asked.agent.check_count;
}

static int agent_apply(void *self, struct config *config, bool force, struct engine_forecast *out,
		       struct problems *p)
{
	(void)self;
	return engine_apply(asked.host.engine, config, force, asked.agent.now_ms, out, p);
}

static int agent_find(void *self, const struct config *config, struct problems *p)
{
	(void)self;
	for (size_t i = 0; i < config->interface_count; i++)
		if (strcmp(config->interfaces[i].device, ABSENT_DEVICE) == 0)
			return problems_add(p, -ENODEV, "interfaces.device", ABSENT_DEVICE,
					    "there is no such interface");
	return 0;
}

static void agent_warn(void *self, struct config *config)
{
	(void)self;
	if (strstr(config->text, "# on another host"))
		problems_add(config->warnings, 0, "alerts.exec", "/gone", "is not there");
}

static const char *agent_unprobed(void *self, const char *service)
{
	(void)self;
	return strcmp(service, "web") ? NULL : asked.agent.unprobed;
}

static int agent_down(void *self, struct problems *p)
{
	(void)self;
	asked.agent.downs++;
	return asked.agent.fails ? problems_add(p, -EIO, "eth0", NULL, "cannot be detached") : 0;
}

static void agent_post(void *self, const struct event *event)
{
	(void)self;
	free(asked.agent.logged);
	asked.agent.logged = mem_string(event->text);
	history_add(asked.history, event, asked.agent.now_ms);
}

static int agent_check(void *self, const char *service, const struct addr *backend,
		       api_probed_function *done, void *arg, struct problems *p)
{
	(void)self;
	(void)backend;
	if (asked.agent.fails)
		return problems_add(p, -ENOENT, "service", service, "has no health");
	asked.agent.probed = done;
	asked.agent.probed_arg = arg;
	return 0;
}

static int agent_trace(void *self, const struct api_client *client,
		       const struct wire_arguments *arguments, struct api_promise *given,
		       struct problems *p)
{
	(void)self;
	(void)client;
	(void)given;
	if (asked.agent.fails)
		return problems_add(p, -EBUSY, "trace", NULL, "another client's is under way");
	asked.agent.traced = arguments->first;
	return 0;
}

static size_t agent_denied(void *self, const struct api_denied **out)
{
	(void)self;
	*out = asked.agent.denied;
	return asked.agent.denied_count;
}

static int agent_deny(void *self, bool adds, const struct prefix *list, size_t count,
		      size_t *changed, struct problems *p)
{
	char text[PREFIX_TEXT_SIZE];

	(void)self;
	if (asked.agent.fails)
		return problems_add(p, -ENOENT, "prefix", prefix_format(&list[0], text),
				    "is not in the deny list");
	asked.agent.denied_count = 0;
	for (size_t i = 0; adds && i < count; i++)
		asked.agent.denied[asked.agent.denied_count++] =
			(struct api_denied){list[i], 1700000000};
	*changed = count;
	return 0;
}

static bool agent_denies(void *self, const struct addr *source, struct prefix *by)
{
	(void)self;
	for (size_t i = 0; i < asked.agent.denied_count; i++)
		if (prefix_contains(&asked.agent.denied[i].prefix, source)) {
			*by = asked.agent.denied[i].prefix;
			return true;
		}
	return false;
}

/* A promise that tests keep: the reply is noted. */
static void keep(struct api_promise *promise, char *reply)
{
	(void)promise;
	if (asked.agent.drops_replies) {
		free(reply);
		return;
	}
	ck_assert_ptr_null(asked.agent.kept);
	asked.agent.kept = reply;
}

static struct api_promise promise = {keep};

void asked_start(void)
{
	fake_host_init(&asked.host, &fake_limits);
	fake_host_start(&asked.host);
	asked.agent.now_ms = 65000;
	asked.health = health_new();
	asked.history = history_new(ASKED_RUN);
	asked.api = (struct api){
		.engine = asked.host.engine,
		.health = asked.health,
		.host = {NULL, agent_now, agent_interfaces, agent_conditions, agent_apply,
			 agent_find, agent_warn, agent_down, agent_post, agent_check,
			 agent_unprobed, agent_trace, .denied = agent_denied, .deny = agent_deny,
			 .denies = agent_denies},
		.started_at_ms = 5000,
		.history = asked.history,
		.followers = api_followers_new(),
	};
}

void asked_stop(void)
{
	health_free(asked.health);
	api_followers_end(&asked.api);
	history_free(asked.history);
	fake_host_free(&asked.host);
	free(asked.agent.logged);
	free(asked.agent.kept);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static struct wire_reply decode(char *answer)
{
	struct wire_reply reply = {};
	struct problems p = {};

	ck_assert_ptr_nonnull(answer);
	ck_assert_msg(!wire_decode_reply(answer, strlen(answer), &reply, &p), "%s", answer);
	free(answer);
	return reply;
}

struct wire_reply ask_line(const struct api_client *client, const char *line)
{
	return decode(api_answer(&asked.api, client, &promise, line, strlen(line)));
}

void ask_for_later(enum wire_command command, struct wire_arguments arguments)
{
	char *line = wire_encode_request(command, &arguments);

	ck_assert_ptr_null(api_answer(&asked.api, &asked_reader, &promise, line, strlen(line)));
	ck_assert_ptr_null(asked.agent.kept);
	free(line);
}

struct wire_reply asked_later(void)
{
	char *kept = asked.agent.kept;

	asked.agent.kept = NULL;
	return decode(kept);
}

struct wire_reply ask_as(const struct api_client *client, enum wire_command command,
			 struct wire_arguments arguments)
{
	char *line = wire_encode_request(command, &arguments);
	struct wire_reply reply = ask_line(client, line);

	free(line);
	return reply;
}

struct wire_reply ask(enum wire_command command, struct wire_arguments arguments)
{
	return ask_as(&asked_root, command, arguments);
}

struct wire_arguments file_of(const char *text)
{
	return (struct wire_arguments){
		.file = "a.yaml", .text = text, .given = WIRE_BIT(file) | WIRE_BIT(text)};
}

struct wire_arguments backend_of(const char *service, const char *address)
{
	return (struct wire_arguments){
		.service = service,
		.address = address,
		.given = WIRE_BIT(service) | WIRE_BIT(address),
	};
}

void expect_kind(const struct wire_reply *reply, enum wire_kind kind)
{
	ck_assert_msg(reply->kind == kind, "got %s: %s", wire_kind_name(reply->kind),
		      reply->errors.count ? reply->errors.list[0].expected : "");
}

void expect_error(struct wire_reply reply, enum wire_code code, const char *complaint)
{
	struct problems p = {};
	char *text;

	expect_kind(&reply, WIRE_KIND_error);
	wire_problems_to(reply.errors.list, reply.errors.count, &p);
	text = problem_text(&p.list[0]);
	ck_assert_msg(strstr(text, complaint), "%s", text);
	ck_assert_msg(reply.code == code, "code %d: %s", reply.code, text);
	free(text);
	problems_free(&p);
	wire_reply_free(&reply);
}

void ask_apply(const char *text)
{
	struct wire_reply reply = ask(WIRE_COMMAND_apply, file_of(text));

	expect_kind(&reply, WIRE_KIND_plan);
	ck_assert(reply.plan->applied);
	wire_reply_free(&reply);
}
