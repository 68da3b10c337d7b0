/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the socket shows: status, services, backends, flows, counters. */
#include <string.h>

#include "base/mem.h"
#include "unit/support/asked_api.h"
#include "unit/unit.h"

/* Counts at a line of CPU 1. */
static void count(uint32_t line, unsigned int counter, uint64_t packets)
{
	asked.host.fake->counters[sl_counter_lines(&fake_limits) + line].count[counter] = packets;
}

START_TEST(an_agent_without_a_configuration_says_so_first)
{
	struct wire_reply reply;

	asked_start();
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
	asked_stop();
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

	asked_start();
	asked.host.way[21] = NET_WAY_FAILED;
	ask_apply(API_TEXT);
	weight.weight = 3;
	weight.given |= WIRE_BIT(weight);
	reply = ask(WIRE_COMMAND_backend_weight, weight);
	wire_reply_free(&reply);
	asked.agent.interfaces[0] = (struct api_interface){
		.device = "eth0",
		.attach = CONFIG_ATTACH_DISPATCHER,
		.attached = true,
		.mode = DATAPLANE_GENERIC,
		.others = 2,
		.problem = "generic mode is slow",
	};
	asked.agent.interfaces[1] =
		(struct api_interface){.device = "eth1", .wanted = CONFIG_MODE_NATIVE};
	asked.agent.interface_count = 2;
	count(SL_DROP_internal / SL_COUNTERS_PER_LINE, SL_DROP_internal % SL_COUNTERS_PER_LINE, 1);
	reply = ask(WIRE_COMMAND_status, NOTHING);
	expect_kind(&reply, WIRE_KIND_status);
	ck_assert_uint_eq(reply.status->findings.count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		ck_assert_str_eq(reply.status->findings.list[i].level, expected[i][0]);
		ck_assert_str_eq(reply.status->findings.list[i].about, expected[i][1]);
	}
	ck_assert_str_eq(reply.status->findings.list[5].what,
			 "changed at run time: weight 3 (configured: 1)");
	ck_assert_str_eq(reply.status->file, "a.yaml");
	ck_assert_uint_eq(reply.status->revision, 1);
	ck_assert_uint_eq(reply.status->services, 2);
	ck_assert_uint_eq(reply.status->services_ready, 1);
	ck_assert_uint_eq(reply.status->backends, 4);
	ck_assert_uint_eq(reply.status->backends_ready, 2);
	ck_assert_uint_eq(reply.status->overrides, 1);
	ck_assert_uint_eq(reply.status->interfaces.count, 2);
	ck_assert_str_eq(reply.status->interfaces.list[0].mode, "generic");
	ck_assert_str_eq(reply.status->interfaces.list[0].attach, "dispatcher");
	ck_assert_uint_eq(reply.status->interfaces.list[0].others, 2);
	ck_assert_str_eq(reply.status->interfaces.list[1].mode, "detached");
	ck_assert_ptr_null(reply.status->interfaces.list[1].attach);
	ck_assert_str_eq(reply.status->usage.list[1].name, "listeners");
	ck_assert_uint_eq(reply.status->usage.list[1].used, 3);
	ck_assert_uint_eq(reply.status->usage.list[1].limit, 64);
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(status_lists_the_vlans_of_an_interface)
{
	struct wire_reply reply;

	asked_start();
	ask_apply(
		"version: 1\n"
		"interfaces: [{device: eth0, vlans: [10, untagged]}, {device: eth1}]\n" FAKE_LIMITS
		"services: []\n");
	asked.agent.interfaces[0] = (struct api_interface){.device = "eth0", .attached = true};
	asked.agent.interfaces[1] = (struct api_interface){.device = "eth1", .attached = true};
	asked.agent.interface_count = 2;
	reply = ask(WIRE_COMMAND_status, NOTHING);
	expect_kind(&reply, WIRE_KIND_status);
	ck_assert_uint_eq(reply.status->interfaces.list[0].vlans.count, 2);
	ck_assert_str_eq(reply.status->interfaces.list[0].vlans.list[0], "10");
	ck_assert_str_eq(reply.status->interfaces.list[0].vlans.list[1], "untagged");
	ck_assert_uint_eq(reply.status->interfaces.list[1].vlans.count, 1);
	ck_assert_str_eq(reply.status->interfaces.list[1].vlans.list[0], "untagged");
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(a_fallback_that_stands_by_counts_towards_the_limit_and_not_as_one_that_is_missing)
{
	struct wire_reply reply;

	asked_start();
	ask_apply(FAKE_HEAD
		  "services:\n"
		  " - {name: web, address: 203.0.113.10, port: 443, table-size: 251,\n"
		  "    backends: [{address: 10.0.1.11}, {address: 10.0.1.12, state: drain}],\n"
		  "    fallback: [{address: 10.0.1.13}]}\n");
	reply = ask(WIRE_COMMAND_status, NOTHING);
	expect_kind(&reply, WIRE_KIND_status);
	ck_assert_uint_eq(reply.status->backends, 2);
	ck_assert_str_eq(reply.status->usage.list[2].name, "backends");
	ck_assert_uint_eq(reply.status->usage.list[2].used, 3);
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(a_list_of_services_says_which_run_on_their_fallbacks_and_which_are_in_panic)
{
	struct wire_reply reply;
	const struct wire_service_line *list;

	asked_start();
	asked.host.health[12] = FAKE_FAILS;
	ask_apply(
		FAKE_HEAD
		"services:\n"
		" - {name: dns, address: 203.0.113.53, port: 53, table-size: 251, health: {}, "
		"panic: "
		"60,\n"
		"    backends: [{address: 10.0.1.11}, {address: 10.0.1.12}]}\n"
		" - {name: mail, address: 203.0.113.25, port: 25, table-size: 251, health: {},\n"
		"    backends: [{address: 10.0.1.11}, {address: 10.0.1.12}], fallback: [{address: "
		"10.0.1.13}]}\n"
		" - {name: web, address: 203.0.113.10, port: 443, table-size: 251, health: {},\n"
		"    backends: [{address: 10.0.1.12}], fallback: [{address: 10.0.1.13}]}\n");
	reply = ask(WIRE_COMMAND_service_list, NOTHING);
	expect_kind(&reply, WIRE_KIND_services);
	list = reply.services->services.list;
	ck_assert_str_eq(list[0].panic,
			 "1 of 2 backends is healthy, fewer than 60 %: health is ignored");
	ck_assert_ptr_null(list[0].fallback);
	ck_assert_ptr_null(list[1].panic);
	ck_assert_ptr_null(list[1].fallback);
	ck_assert_uint_eq(list[1].backends, 2); /* it stands by */
	ck_assert_uint_eq(list[1].backends_ready, 1);
	ck_assert_ptr_null(list[2].panic);
	ck_assert_uint_eq(list[2].backends, 2);
	ck_assert_uint_eq(list[2].backends_ready, 1);
	ck_assert_str_eq(list[2].fallback,
			 "no other backend may take flows: fallbacks take the new ones");
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(services_and_backends_are_shown_with_counters_and_reasons)
{
	struct wire_arguments web = {.service = "web", .given = WIRE_BIT(service)};
	struct engine_service_place place;
	struct wire_reply reply;

	asked_start();
	asked.host.way[12] = NET_WAY_NO_ROUTE;
	ask_apply(API_TEXT);
	ck_assert(engine_service_place(asked.host.engine, "web", &place));
	count(place.counters_line, SL_SERVICE_dropped, 5);
	count(fake_place(&asked.host, "web", "10.0.1.11").counters_line, SL_BACKEND_packets, 7);
	count(fake_place(&asked.host, "web", "10.0.1.11").counters_line, SL_BACKEND_opened, 2);
	reply = ask_as(&asked_reader, WIRE_COMMAND_service_list, NOTHING);
	expect_kind(&reply, WIRE_KIND_services);
	ck_assert_uint_eq(reply.services->services.count, 2);
	ck_assert_str_eq(reply.services->services.list[0].name, "dns");
	ck_assert_str_eq(reply.services->services.list[0].listeners.list[0], "203.0.113.53:53/udp");
	ck_assert_uint_eq(reply.services->services.list[1].backends, 3);
	ck_assert_uint_eq(reply.services->services.list[1].backends_ready, 1);
	wire_reply_free(&reply);
	reply = ask_as(&asked_reader, WIRE_COMMAND_service_show, web);
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
	reply = ask_as(&asked_reader, WIRE_COMMAND_backend_list, web);
	ck_assert_uint_eq(reply.backends->backends.count, 3);
	wire_reply_free(&reply);
	reply = ask_as(&asked_reader, WIRE_COMMAND_backend_list, NOTHING);
	ck_assert_uint_eq(reply.backends->backends.count, 4);
	ck_assert_str_eq(reply.backends->backends.list[0].service, "dns");
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(every_verdict_service_and_backend_is_counted)
{
	static const uint32_t verdict = SL_DROP_no_backend;
	struct wire_reply reply;
	size_t i = 0;

	asked_start();
	ask_apply(API_TEXT);
	count(verdict / SL_COUNTERS_PER_LINE, verdict % SL_COUNTERS_PER_LINE, 9);
	count(fake_place(&asked.host, "dns", "10.0.1.21").counters_line, SL_BACKEND_bytes, 100);
	reply = ask_as(&asked_reader, WIRE_COMMAND_counters, NOTHING);
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
	asked_stop();
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

	asked_start();
	ask_apply(API_TEXT);
	reply = ask_as(&asked_reader, WIRE_COMMAND_flow_lookup,
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
	asked_stop();
}
END_TEST

START_TEST(of_connection_ids_a_flow_s_reason_says_what_was_left_open_or_out)
{
	static const char hint[] = "(--connection-id)", unread[] = "no connection id is read";
	static const struct {
		const char *protocol, *id, *says, *says_not;
	} cases[] = {
		{"udp", NULL, hint, unread},
		{"udp", "000a01313233343536", "its server id is 0a01", hint},
		{"tcp", NULL, "names it", unread},
		{"tcp", "000a01313233343536", unread, hint},
	};

	asked_start();
	ask_apply(API_TEXT " - {name: h3, address: 203.0.113.10, port: 443, protocol: udp, "
			   "affinity: quic, table-size: 251, quic: {rotation: 0, "
			   "server-id-length: 2, nonce-length: 6}, "
			   "backends: [{address: 10.0.1.11, server-id: 0a01}]}\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wire_arguments arguments =
			flow_of(cases[i].protocol, "192.0.2.1:1", "203.0.113.10:443");
		struct wire_reply reply;

		arguments.connection_id = cases[i].id;
		arguments.given |= cases[i].id ? WIRE_BIT(connection_id) : 0;
		reply = ask(WIRE_COMMAND_flow_lookup, arguments);
		expect_kind(&reply, WIRE_KIND_flow);
		ck_assert_ptr_nonnull(strstr(reply.flow->why, cases[i].says));
		ck_assert_ptr_null(strstr(reply.flow->why, cases[i].says_not));
		wire_reply_free(&reply);
	}
	asked_stop();
}
END_TEST

START_TEST(a_flow_that_cannot_be_is_refused_by_what_is_wrong)
{
	static const char *const ids[] = {"", "0", "0g", "0a0",
					  "000102030405060708090a0b0c0d0e0f1011121314"};
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

	asked_start();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_error(ask(WIRE_COMMAND_flow_lookup,
				 flow_of(cases[i].protocol, cases[i].source, cases[i].destination)),
			     WIRE_USAGE, cases[i].complaint);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		struct wire_arguments arguments = flow_of("udp", "192.0.2.1:1", "203.0.113.10:443");

		arguments.connection_id = ids[i];
		arguments.given |= WIRE_BIT(connection_id);
		expect_error(ask(WIRE_COMMAND_flow_lookup, arguments), WIRE_USAGE,
			     "expected 1 to 20 bytes in hex digits");
	}
	asked_stop();
}
END_TEST

START_TEST(names_that_are_not_configured_are_refused_with_the_nearest)
{
	struct wire_arguments service = {.service = "wbe", .given = WIRE_BIT(service)};

	asked_start();
	ask_apply(API_TEXT);
	expect_error(ask(WIRE_COMMAND_service_show, service), WIRE_FAILED,
		     "service 'wbe': is not configured; did you mean 'web'?");
	expect_error(ask(WIRE_COMMAND_backend_list, service), WIRE_FAILED, "service 'wbe'");
	expect_error(ask(WIRE_COMMAND_backend_drain, backend_of("web", "10.0.1.99")), WIRE_FAILED,
		     "backend '10.0.1.99': is none of service web");
	expect_error(ask(WIRE_COMMAND_backend_drain, backend_of("web", "ten")), WIRE_FAILED,
		     "address 'ten': expected an IPv4 or IPv6 address");
	asked_stop();
}
END_TEST

RUN_TESTS("api_look", status_lists_the_vlans_of_an_interface,
	  an_agent_without_a_configuration_says_so_first, status_tells_what_is_wrong_worst_first,
	  a_fallback_that_stands_by_counts_towards_the_limit_and_not_as_one_that_is_missing,
	  a_list_of_services_says_which_run_on_their_fallbacks_and_which_are_in_panic,
	  services_and_backends_are_shown_with_counters_and_reasons,
	  every_verdict_service_and_backend_is_counted, a_flow_s_backend_is_named_with_its_reason,
	  a_flow_that_cannot_be_is_refused_by_what_is_wrong,
	  of_connection_ids_a_flow_s_reason_says_what_was_left_open_or_out,
	  names_that_are_not_configured_are_refused_with_the_nearest)
