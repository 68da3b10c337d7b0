/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests over the real engine, with the maps in plain memory: what each command answers, changes and refuses. */
#include <errno.h>
#include <string.h>

#include "api/requests.h"
#include "base/mem.h"
#include "base/text.h"
#include "unit/support/fake_host.h"
#include "unit/unit.h"

#define TEXT                                                                                   \
	FAKE_HEAD "services:\n"                                                                \
		  " - name: web\n   address: [203.0.113.10, '2001:db8::10']\n   port: 443\n"   \
		  "   table-size: 251\n   backends: [{address: 10.0.1.11}, {address: "         \
		  "10.0.1.12}, {address: 10.0.1.13, state: drain}]\n"                          \
		  " - name: dns\n   address: 203.0.113.53\n   port: 53\n   protocol: udp\n   " \
		  "table-size: 251\n"                                                          \
		  "   backends: [{address: 10.0.1.21}]\n"

static struct fake_host host;
static struct api api;

/* What the agent says and is told. */
static struct {
	struct api_interface interfaces[2];
	size_t interface_count;
	bool fails;
	unsigned int downs;
	char *logged;
} agent;

static const struct api_client root = {.uid = 0, .may_change = true};
static const struct api_client reader = {.uid = 1000, .may_change = false};

static uint64_t agent_now(void *self)
{
	(void)self;
	return 65000;
}

static size_t agent_interfaces(void *self, struct api_interface *out, size_t max)
{
	(void)self;
	ck_assert_uint_le(agent.interface_count, max);
	memcpy(out, agent.interfaces, agent.interface_count * sizeof(*out));
	return agent.interface_count;
}

static int agent_apply(void *self, struct config *config, bool force, struct engine_forecast *out,
		       struct problems *p)
{
	(void)self;
	return engine_apply(host.engine, config, force, 65000, out, p);
}

static int agent_down(void *self, struct problems *p)
{
	(void)self;
	agent.downs++;
	return agent.fails ? problems_add(p, -EIO, "eth0", NULL, "cannot be detached") : 0;
}

static void agent_log(void *self, const char *sentence)
{
	(void)self;
	free(agent.logged);
	agent.logged = mem_string(sentence);
}

static void start(void)
{
	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	api = (struct api){
		.engine = host.engine,
		.host = {NULL, agent_now, agent_interfaces, agent_apply, agent_down, agent_log},
		.started_at_ms = 5000,
	};
}

static void stop(void)
{
	fake_host_free(&host);
	free(agent.logged);
}

/* ---- asking ---------------------------------------------------------------------------------------------- */

static struct wire_reply ask_line(const struct api_client *client, const char *line)
{
	char *answer = api_answer(&api, client, line, strlen(line));
	struct wire_reply reply = {};
	struct problems p = {};

	ck_assert_msg(!wire_decode_reply(answer, strlen(answer), &reply, &p), "%s", answer);
	free(answer);
	return reply;
}

static struct wire_reply ask_as(const struct api_client *client, enum wire_command command,
				struct wire_arguments arguments)
{
	char *line = wire_encode_request(command, &arguments);
	struct wire_reply reply = ask_line(client, line);

	free(line);
	return reply;
}

static struct wire_reply ask(enum wire_command command, struct wire_arguments arguments)
{
	return ask_as(&root, command, arguments);
}

#define NOTHING ((struct wire_arguments){})

static struct wire_arguments file_of(const char *text)
{
	return (struct wire_arguments){
		.file = "a.yaml", .text = text, .given = WIRE_BIT(file) | WIRE_BIT(text)};
}

static struct wire_arguments backend_of(const char *service, const char *address)
{
	return (struct wire_arguments){
		.service = service,
		.address = address,
		.given = WIRE_BIT(service) | WIRE_BIT(address),
	};
}

static void expect_kind(const struct wire_reply *reply, enum wire_kind kind)
{
	ck_assert_msg(reply->kind == kind, "got %s: %s", wire_kind_name(reply->kind),
		      reply->errors.count ? reply->errors.list[0].expected : "");
}

/* That the first error is this one, and its code; and frees the reply. */
static void expect_error(struct wire_reply reply, enum wire_code code, const char *complaint)
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

static void apply(const char *text)
{
	struct wire_reply reply = ask(WIRE_COMMAND_apply, file_of(text));

	expect_kind(&reply, WIRE_KIND_plan);
	ck_assert(reply.plan->applied);
	wire_reply_free(&reply);
}

/* Counts at a line of CPU 1. */
static void count(uint32_t line, unsigned int counter, uint64_t packets)
{
	host.fake->counters[sl_counter_lines(&fake_limits) + line].count[counter] = packets;
}

static struct engine_backend_place place_of(const char *service, const char *address)
{
	struct engine_backend_place place;
	struct addr parsed = fake_address(address);

	ck_assert(engine_backend_place(host.engine, service, &parsed, &place));
	return place;
}

/* ---- looking ------------------------------------------------------------------------------------------------ */

START_TEST(an_agent_without_a_configuration_says_so_first)
{
	struct wire_reply reply;

	start();
	reply = ask(WIRE_COMMAND_status, NOTHING);
	expect_kind(&reply, WIRE_KIND_status);
	ck_assert_uint_eq(reply.status->revision, 0);
	ck_assert_uint_eq(reply.status->uptime_s, 60);
	ck_assert_ptr_null(reply.status->file);
	ck_assert_uint_eq(reply.status->findings.count, 1);
	ck_assert_str_eq(reply.status->findings.list[0].level, "error");
	ck_assert_str_eq(reply.status->findings.list[0].about, "configuration");
	wire_reply_free(&reply);
	reply = ask(WIRE_COMMAND_service_list, NOTHING);
	ck_assert_uint_eq(reply.services->services.count, 0);
	wire_reply_free(&reply);
	reply = ask(WIRE_COMMAND_counters, NOTHING);
	expect_kind(&reply, WIRE_KIND_counters);
	wire_reply_free(&reply);
	stop();
}
END_TEST

START_TEST(status_tells_what_is_wrong_worst_first)
{
	static const char *const expected[][2] = {
		{"error", "interface eth1"},
		{"error", "service dns"},
		{"error", "data path"},
		{"warning", "interface eth0"},
		{"warning", "backend dns 10.0.1.21"},
		{"note", "backend web 10.0.1.11"},
	};
	struct wire_arguments weight = backend_of("web", "10.0.1.11");
	struct wire_reply reply;

	start();
	host.way[21] = NET_WAY_FAILED;
	apply(TEXT);
	weight.weight = 3;
	weight.given |= WIRE_BIT(weight);
	reply = ask(WIRE_COMMAND_backend_weight, weight);
	wire_reply_free(&reply);
	agent.interfaces[0] = (struct api_interface){"eth0", CONFIG_MODE_AUTO, true,
						     DATAPLANE_GENERIC, "generic mode is slow"};
	agent.interfaces[1] =
		(struct api_interface){.device = "eth1", .wanted = CONFIG_MODE_NATIVE};
	agent.interface_count = 2;
	count(SL_DROP_internal / SL_COUNTERS_PER_LINE, SL_DROP_internal % SL_COUNTERS_PER_LINE, 1);
	reply = ask(WIRE_COMMAND_status, NOTHING);
	expect_kind(&reply, WIRE_KIND_status);
	ck_assert_uint_eq(reply.status->findings.count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		ck_assert_str_eq(reply.status->findings.list[i].level, expected[i][0]);
		ck_assert_str_eq(reply.status->findings.list[i].about, expected[i][1]);
	}
	ck_assert_str_eq(reply.status->file, "a.yaml");
	ck_assert_uint_eq(reply.status->revision, 1);
	ck_assert_uint_eq(reply.status->services, 2);
	ck_assert_uint_eq(reply.status->services_ready, 1);
	ck_assert_uint_eq(reply.status->backends, 4);
	ck_assert_uint_eq(reply.status->backends_ready, 2);
	ck_assert_uint_eq(reply.status->overrides, 1);
	ck_assert_uint_eq(reply.status->interfaces.count, 2);
	ck_assert_str_eq(reply.status->interfaces.list[0].mode, "generic");
	ck_assert_str_eq(reply.status->interfaces.list[1].mode, "detached");
	ck_assert_str_eq(reply.status->usage.list[1].name, "listeners");
	ck_assert_uint_eq(reply.status->usage.list[1].used, 3);
	ck_assert_uint_eq(reply.status->usage.list[1].limit, 64);
	wire_reply_free(&reply);
	stop();
}
END_TEST

START_TEST(services_and_backends_are_shown_with_counters_and_reasons)
{
	struct wire_arguments web = {.service = "web", .given = WIRE_BIT(service)};
	struct engine_service_place place;
	struct wire_reply reply;

	start();
	host.way[12] = NET_WAY_NO_ROUTE;
	apply(TEXT);
	ck_assert(engine_service_place(host.engine, "web", &place));
	count(place.counters_line, SL_SERVICE_dropped, 5);
	count(place_of("web", "10.0.1.11").counters_line, SL_BACKEND_packets, 7);
	count(place_of("web", "10.0.1.11").counters_line, SL_BACKEND_opened, 2);
	reply = ask_as(&reader, WIRE_COMMAND_service_list, NOTHING);
	expect_kind(&reply, WIRE_KIND_services);
	ck_assert_uint_eq(reply.services->services.count, 2);
	ck_assert_str_eq(reply.services->services.list[0].name, "dns");
	ck_assert_str_eq(reply.services->services.list[0].listeners.list[0], "203.0.113.53:53/udp");
	ck_assert_uint_eq(reply.services->services.list[1].backends, 3);
	ck_assert_uint_eq(reply.services->services.list[1].backends_ready, 1);
	wire_reply_free(&reply);
	reply = ask_as(&reader, WIRE_COMMAND_service_show, web);
	expect_kind(&reply, WIRE_KIND_service);
	ck_assert_uint_eq(reply.service->listeners.count, 2);
	ck_assert_str_eq(reply.service->listeners.list[1], "[2001:db8::10]:443/tcp");
	ck_assert_uint_eq(reply.service->dropped, 5);
	ck_assert_uint_eq(reply.service->packets, 7);
	ck_assert_uint_eq(reply.service->backends.count, 3);
	ck_assert(reply.service->backends.list[0].takes_flows);
	ck_assert_ptr_null(reply.service->backends.list[0].reason);
	ck_assert_str_eq(reply.service->backends.list[0].device, "eth0");
	ck_assert_uint_eq(reply.service->backends.list[0].slots, 251);
	ck_assert_uint_eq(reply.service->backends.list[0].packets, 7);
	ck_assert_uint_eq(reply.service->backends.list[0].opened, 2);
	ck_assert(!reply.service->backends.list[1].takes_flows);
	ck_assert_ptr_nonnull(strstr(reply.service->backends.list[1].reason, "no route"));
	ck_assert_ptr_null(reply.service->backends.list[1].device);
	ck_assert_str_eq(reply.service->backends.list[2].state, "drain");
	ck_assert(!reply.service->backends.list[2].state_overridden);
	wire_reply_free(&reply);
	reply = ask_as(&reader, WIRE_COMMAND_backend_list, web);
	ck_assert_uint_eq(reply.backends->backends.count, 3);
	wire_reply_free(&reply);
	reply = ask_as(&reader, WIRE_COMMAND_backend_list, NOTHING);
	ck_assert_uint_eq(reply.backends->backends.count, 4);
	ck_assert_str_eq(reply.backends->backends.list[0].service, "dns");
	wire_reply_free(&reply);
	stop();
}
END_TEST

START_TEST(every_verdict_service_and_backend_is_counted)
{
	static const uint32_t verdict = SL_DROP_no_backend;
	struct wire_reply reply;
	size_t i = 0;

	start();
	apply(TEXT);
	count(verdict / SL_COUNTERS_PER_LINE, verdict % SL_COUNTERS_PER_LINE, 9);
	count(place_of("dns", "10.0.1.21").counters_line, SL_BACKEND_bytes, 100);
	reply = ask_as(&reader, WIRE_COMMAND_counters, NOTHING);
	expect_kind(&reply, WIRE_KIND_counters);
	ck_assert_uint_eq(reply.counters->at_ms, 65000);
	ck_assert_uint_eq(reply.counters->verdicts.count, SL_VERDICTS - 1);
	while (strcmp(reply.counters->verdicts.list[i].verdict, "no_backend"))
		ck_assert_uint_eq(reply.counters->verdicts.list[i++].packets, 0);
	ck_assert_uint_eq(reply.counters->verdicts.list[i].packets, 9);
	ck_assert_str_eq(reply.counters->verdicts.list[i].action, "drop");
	ck_assert_uint_eq(reply.counters->services.count, 2);
	ck_assert_uint_eq(reply.counters->services.list[0].bytes, 100);
	ck_assert_uint_eq(reply.counters->backends.count, 4);
	ck_assert_uint_eq(reply.counters->backends.list[0].bytes, 100);
	wire_reply_free(&reply);
	stop();
}
END_TEST

static struct wire_arguments flow_of(const char *protocol, const char *source,
				     const char *destination)
{
	return (struct wire_arguments){
		.protocol = protocol,
		.source = source,
		.destination = destination,
		.given = WIRE_BIT(protocol) | WIRE_BIT(source) | WIRE_BIT(destination),
	};
}

START_TEST(a_flow_s_backend_is_named_with_its_reason)
{
	struct wire_reply reply;

	start();
	apply(TEXT);
	reply = ask_as(&reader, WIRE_COMMAND_flow_lookup,
		       flow_of("tcp", "[2001:0db8::1]:40000", "[2001:db8::10]:443"));
	expect_kind(&reply, WIRE_KIND_flow);
	ck_assert_str_eq(reply.flow->source, "[2001:db8::1]:40000");
	ck_assert_str_eq(reply.flow->service, "web");
	ck_assert_ptr_nonnull(reply.flow->backend);
	ck_assert_uint_eq(strlen(reply.flow->hash), 16);
	ck_assert_str_eq(reply.flow->device, "eth0");
	ck_assert_ptr_nonnull(strstr(reply.flow->why, "of 251"));
	wire_reply_free(&reply);
	reply = ask(WIRE_COMMAND_flow_lookup, flow_of("udp", "192.0.2.1:1", "203.0.113.10:443"));
	expect_kind(&reply, WIRE_KIND_flow);
	ck_assert_ptr_null(reply.flow->service);
	ck_assert_ptr_null(reply.flow->backend);
	ck_assert_ptr_null(reply.flow->hash);
	wire_reply_free(&reply);
	stop();
}
END_TEST

START_TEST(a_flow_that_cannot_be_is_refused_by_what_is_wrong)
{
	static const struct {
		const char *protocol, *source, *destination, *complaint;
	} cases[] = {
		{"icmp", "192.0.2.1:1", "203.0.113.10:443", "protocol 'icmp': expected tcp or udp"},
		{"tcp", "192.0.2.1", "203.0.113.10:443",
		 "source '192.0.2.1': expected ADDRESS:PORT"},
		{"tcp", "192.0.2.1:0", "203.0.113.10:443", "source '192.0.2.1:0'"},
		{"tcp", "192.0.2.1:65536", "203.0.113.10:443", "source '192.0.2.1:65536'"},
		{"tcp", "192.0.2.1:", "203.0.113.10:443", "source '192.0.2.1:'"},
		{"tcp", ":1", "203.0.113.10:443", "source ':1'"},
		{"tcp", "", "203.0.113.10:443", "source ''"},
		{"tcp", "2001:db8::1:1", "203.0.113.10:443", "source '2001:db8::1:1'"},
		{"tcp", "[192.0.2.1]:1", "203.0.113.10:443", "source '[192.0.2.1]:1'"},
		{"tcp", "[2001:db8::1:1", "203.0.113.10:443", "source '[2001:db8::1:1'"},
		{"tcp", "[:1", "203.0.113.10:443", "source '[:1'"},
		{"tcp", "[]:1", "203.0.113.10:443", "source '[]:1'"},
		{"tcp", "192.0.2.1:1", "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]:1",
		 "destination '[1111"},
		{"tcp", "192.0.2.1:1", "[2001:db8::10]:443", "expected an address of the source's"},
	};

	start();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_error(ask(WIRE_COMMAND_flow_lookup,
				 flow_of(cases[i].protocol, cases[i].source, cases[i].destination)),
			     WIRE_USAGE, cases[i].complaint);
	stop();
}
END_TEST

START_TEST(names_that_are_not_configured_are_refused_with_the_nearest)
{
	struct wire_arguments service = {.service = "wbe", .given = WIRE_BIT(service)};

	start();
	apply(TEXT);
	expect_error(ask(WIRE_COMMAND_service_show, service), WIRE_FAILED,
		     "service 'wbe': is not configured; did you mean 'web'?");
	expect_error(ask(WIRE_COMMAND_backend_list, service), WIRE_FAILED, "service 'wbe'");
	expect_error(ask(WIRE_COMMAND_backend_drain, backend_of("web", "10.0.1.99")), WIRE_FAILED,
		     "backend '10.0.1.99': is none of service web");
	expect_error(ask(WIRE_COMMAND_backend_drain, backend_of("web", "ten")), WIRE_FAILED,
		     "address 'ten': expected an IPv4 or IPv6 address");
	stop();
}
END_TEST

/* ---- changing ------------------------------------------------------------------------------------------------ */

static struct wire_reply override(enum wire_command command, const char *address)
{
	struct wire_reply reply = ask(command, backend_of("web", address));

	expect_kind(&reply, WIRE_KIND_backend);
	return reply;
}

START_TEST(overrides_come_and_go_and_the_configured_state_ends_one)
{
	struct wire_arguments weight = backend_of("web", "10.0.1.12");
	struct wire_reply reply;

	start();
	apply(TEXT);
	reply = override(WIRE_COMMAND_backend_drain, "10.0.1.12");
	ck_assert_str_eq(reply.backend->state, "drain");
	ck_assert(reply.backend->state_overridden);
	ck_assert_uint_eq(reply.backend->slots, 0);
	ck_assert_str_eq(agent.logged, "backend web 10.0.1.12 by uid 0: state drain, weight 1");
	wire_reply_free(&reply);
	weight.weight = 20;
	weight.given |= WIRE_BIT(weight);
	reply = ask(WIRE_COMMAND_backend_weight, weight);
	ck_assert_str_eq(reply.backend->state, "drain");
	ck_assert_uint_eq(reply.backend->weight, 20);
	ck_assert(reply.backend->weight_overridden);
	wire_reply_free(&reply);
	reply = override(WIRE_COMMAND_backend_enable, "10.0.1.12");
	ck_assert_str_eq(reply.backend->state, "up");
	ck_assert(!reply.backend->state_overridden);
	ck_assert(reply.backend->weight_overridden);
	ck_assert_uint_gt(reply.backend->slots, 200);
	wire_reply_free(&reply);
	weight.weight = 1;
	reply = ask(WIRE_COMMAND_backend_weight, weight);
	ck_assert(!reply.backend->weight_overridden);
	ck_assert_uint_eq(engine_overrides(host.engine)->count, 0);
	wire_reply_free(&reply);
	/* It is configured as drained: enabling it is an override. */
	reply = override(WIRE_COMMAND_backend_enable, "10.0.1.13");
	ck_assert(reply.backend->state_overridden);
	wire_reply_free(&reply);
	reply = override(WIRE_COMMAND_backend_disable, "10.0.1.13");
	ck_assert_str_eq(reply.backend->state, "down");
	wire_reply_free(&reply);
	reply = override(WIRE_COMMAND_backend_drain, "10.0.1.13");
	ck_assert(!reply.backend->state_overridden);
	wire_reply_free(&reply);
	weight.weight = 1001;
	expect_error(ask(WIRE_COMMAND_backend_weight, weight), WIRE_USAGE, "expected 0 to 1000");
	stop();
}
END_TEST

START_TEST(the_last_backend_of_a_service_goes_only_by_force)
{
	struct wire_arguments dns = backend_of("dns", "10.0.1.21");
	struct wire_reply reply;

	start();
	apply(TEXT);
	expect_error(ask(WIRE_COMMAND_backend_drain, dns), WIRE_REFUSED, "dns");
	ck_assert_uint_eq(engine_overrides(host.engine)->count, 0);
	dns.force = true;
	dns.given |= WIRE_BIT(force);
	reply = ask(WIRE_COMMAND_backend_drain, dns);
	expect_kind(&reply, WIRE_KIND_backend);
	ck_assert_uint_eq(reply.backend->slots, 0);
	wire_reply_free(&reply);
	stop();
}
END_TEST

static char *without_dns(void)
{
	return mem_format("%.*s", (int)(strstr(TEXT, " - name: dns") - TEXT), TEXT);
}

START_TEST(diff_and_dry_run_change_nothing_and_readers_may_ask)
{
	char *shorter = without_dns();
	struct wire_arguments dry = file_of(shorter);
	struct wire_reply reply;

	start();
	apply(TEXT);
	reply = override(WIRE_COMMAND_backend_drain, "10.0.1.12");
	wire_reply_free(&reply);
	reply = ask_as(&reader, WIRE_COMMAND_diff, file_of(TEXT));
	expect_kind(&reply, WIRE_KIND_plan);
	ck_assert_uint_eq(reply.plan->changes.count, 0);
	wire_reply_free(&reply);
	dry.dry_run = true;
	dry.given |= WIRE_BIT(dry_run);
	for (int i = 0; i < 2; i++) {
		reply = i ? ask_as(&reader, WIRE_COMMAND_apply, dry)
			  : ask_as(&reader, WIRE_COMMAND_diff, file_of(shorter));
		expect_kind(&reply, WIRE_KIND_plan);
		ck_assert(!reply.plan->applied);
		ck_assert_uint_ge(reply.plan->changes.count, 1);
		for (size_t j = 0; j < reply.plan->changes.count; j++)
			ck_assert_str_eq(reply.plan->changes.list[j].kind, "removed");
		ck_assert_uint_eq(reply.plan->services_removed, 1);
		ck_assert_uint_gt(reply.plan->operations.count, 0);
		ck_assert_uint_eq(reply.plan->overrides.count, 1);
		ck_assert_str_eq(reply.plan->overrides.list[0].state, "drain");
		ck_assert_ptr_null(reply.plan->overrides.list[0].weight);
		wire_reply_free(&reply);
	}
	ck_assert_uint_eq(engine_revision(host.engine), 1);
	stop();
	free(shorter);
}
END_TEST

START_TEST(apply_is_all_or_nothing_and_says_what_it_did)
{
	char *shorter = without_dns();
	struct wire_reply reply;

	start();
	apply(TEXT);
	ck_assert_str_eq(agent.logged, "apply a.yaml by uid 0: revision 1");
	apply(TEXT);
	ck_assert_str_eq(agent.logged, "apply a.yaml by uid 0: nothing differs");
	host.fail_store = host.stores + 1;
	expect_error(ask(WIRE_COMMAND_apply, file_of(shorter)), WIRE_FAILED, "disk is full");
	ck_assert_str_eq(agent.logged, "apply a.yaml by uid 0: refused");
	reply = ask(WIRE_COMMAND_apply, file_of(shorter));
	expect_kind(&reply, WIRE_KIND_plan);
	ck_assert(reply.plan->applied);
	ck_assert_uint_eq(reply.plan->revision, 2);
	ck_assert_uint_eq(reply.plan->services_removed, 1);
	ck_assert_uint_eq(engine_model(host.engine)->service_count, 1);
	wire_reply_free(&reply);
	stop();
	free(shorter);
}
END_TEST

START_TEST(an_unsafe_apply_is_refused_told_by_a_dry_run_and_forced)
{
	char *text = mem_string(TEXT);
	struct wire_arguments arguments = file_of(text);
	struct wire_reply reply;

	memcpy(strstr(text, "251"), "509", 3);
	start();
	apply(TEXT);
	expect_error(ask(WIRE_COMMAND_apply, arguments), WIRE_REFUSED, "table-size");
	arguments.dry_run = true;
	arguments.given |= WIRE_BIT(dry_run);
	reply = ask(WIRE_COMMAND_apply, arguments);
	expect_kind(&reply, WIRE_KIND_plan);
	ck_assert_ptr_nonnull(strstr(reply.plan->unsafe, "table-size"));
	wire_reply_free(&reply);
	arguments.dry_run = false;
	arguments.force = true;
	arguments.given ^= WIRE_BIT(dry_run) | WIRE_BIT(force);
	reply = ask(WIRE_COMMAND_apply, arguments);
	expect_kind(&reply, WIRE_KIND_plan);
	ck_assert(reply.plan->applied);
	wire_reply_free(&reply);
	stop();
	free(text);
}
END_TEST

START_TEST(an_invalid_configuration_is_refused_with_every_place)
{
	static const enum wire_command commands[] = {WIRE_COMMAND_check, WIRE_COMMAND_diff,
						     WIRE_COMMAND_apply};
	static const char text[] =
		"version: 1\ncolour: red\ninterfaces: [{device: eth0}]\nservices: 7\n";

	start();
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		struct wire_reply reply = ask(commands[i], file_of(text));

		expect_kind(&reply, WIRE_KIND_error);
		ck_assert_int_eq(reply.code, WIRE_INVALID);
		ck_assert_uint_ge(reply.errors.count, 2);
		ck_assert_str_eq(reply.errors.list[0].file, "a.yaml");
		ck_assert_uint_eq(reply.errors.list[0].line, 2);
		ck_assert_uint_eq(reply.errors.list[0].column, 1);
		wire_reply_free(&reply);
	}
	ck_assert_ptr_null(engine_config(host.engine));
	stop();
}
END_TEST

START_TEST(check_counts_slots_and_warns_of_other_limits)
{
	char *text = mem_string(TEXT);
	struct wire_reply reply;

	start();
	apply(TEXT);
	reply = ask_as(&reader, WIRE_COMMAND_check, file_of(text));
	expect_kind(&reply, WIRE_KIND_check);
	ck_assert_uint_eq(reply.check->interfaces, 2);
	ck_assert_uint_eq(reply.check->services, 2);
	ck_assert_uint_eq(reply.check->backends, 4);
	ck_assert_uint_eq(reply.check->slots_available, 4096);
	ck_assert_uint_ge(reply.check->slots_needed, 502);
	ck_assert_uint_gt(reply.check->largest_table_size, 251);
	for (size_t i = 0; i < reply.check->warnings.count; i++)
		ck_assert_str_ne(reply.check->warnings.list[i].field, "limits");
	wire_reply_free(&reply);
	memcpy(strstr(text, "services: 8"), "services: 9", 11);
	reply = ask(WIRE_COMMAND_check, file_of(text));
	expect_kind(&reply, WIRE_KIND_check);
	ck_assert_uint_gt(reply.check->warnings.count, 0);
	ck_assert_str_eq(reply.check->warnings.list[reply.check->warnings.count - 1].field,
			 "limits");
	wire_reply_free(&reply);
	expect_error(ask(WIRE_COMMAND_apply, file_of(text)), WIRE_FAILED, "limits.services '9'");
	stop();
	free(text);
}
END_TEST

START_TEST(who_may_only_read_can_change_nothing)
{
	static const enum wire_command commands[] = {WIRE_COMMAND_backend_drain,
						     WIRE_COMMAND_backend_enable,
						     WIRE_COMMAND_backend_disable};

	start();
	apply(TEXT);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		expect_error(ask_as(&reader, commands[i], backend_of("web", "10.0.1.11")),
			     WIRE_FAILED, "needs root or the agent's user; uid 1000 may only read");
	expect_error(ask_as(&reader, WIRE_COMMAND_apply, file_of(TEXT)), WIRE_FAILED,
		     "apply: needs");
	expect_error(ask_as(&reader, WIRE_COMMAND_down, NOTHING), WIRE_FAILED, "down: needs");
	ck_assert_uint_eq(agent.downs, 0);
	ck_assert_uint_eq(engine_overrides(host.engine)->count, 0);
	stop();
}
END_TEST

START_TEST(down_is_the_agent_s_and_its_failure_is_told)
{
	struct wire_reply reply;

	start();
	agent.fails = true;
	expect_error(ask(WIRE_COMMAND_down, NOTHING), WIRE_FAILED, "eth0: cannot be detached");
	agent.fails = false;
	reply = ask(WIRE_COMMAND_down, NOTHING);
	expect_kind(&reply, WIRE_KIND_down);
	ck_assert_uint_eq(agent.downs, 2);
	ck_assert_str_eq(agent.logged, "down by uid 0: done");
	wire_reply_free(&reply);
	stop();
}
END_TEST

START_TEST(what_is_no_request_is_refused_as_usage)
{
	struct wire_reply reply;

	start();
	expect_error(ask_line(&root, "hello"), WIRE_USAGE, "request: is not a JSON document");
	expect_error(ask_line(&root, "{\"version\":1,\"command\":\"statsu\"}"), WIRE_USAGE,
		     "command 'statsu': is not known; did you mean 'status'?");
	expect_error(
		ask_line(&root, "{\"version\":1,\"command\":\"status\",\"arguments\":{\"x\":1}}"),
		WIRE_USAGE, "arguments.x: is no argument of 'status'");
	reply = ask_line(&root, "{\"version\":1,\"command\":\"version\"}");
	expect_kind(&reply, WIRE_KIND_version);
	ck_assert_str_eq(reply.version->version, SLUICE_VERSION);
	ck_assert_uint_eq(reply.version->layout, SL_LAYOUT_VERSION);
	wire_reply_free(&reply);
	stop();
}
END_TEST

RUN_TESTS("api_requests", an_agent_without_a_configuration_says_so_first,
	  status_tells_what_is_wrong_worst_first,
	  services_and_backends_are_shown_with_counters_and_reasons,
	  every_verdict_service_and_backend_is_counted, a_flow_s_backend_is_named_with_its_reason,
	  a_flow_that_cannot_be_is_refused_by_what_is_wrong,
	  names_that_are_not_configured_are_refused_with_the_nearest,
	  overrides_come_and_go_and_the_configured_state_ends_one,
	  the_last_backend_of_a_service_goes_only_by_force,
	  diff_and_dry_run_change_nothing_and_readers_may_ask,
	  apply_is_all_or_nothing_and_says_what_it_did,
	  an_unsafe_apply_is_refused_told_by_a_dry_run_and_forced,
	  an_invalid_configuration_is_refused_with_every_place,
	  check_counts_slots_and_warns_of_other_limits, who_may_only_read_can_change_nothing,
	  down_is_the_agent_s_and_its_failure_is_told, what_is_no_request_is_refused_as_usage)
