/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the prober is told of a probe: all that it needs, and what the kind has no use for is absent. */
#include <string.h>

#include "agent/probe_record.h"
#include "base/mem.h"
#include "dataplane/probe.h"
#include "unit/support/fake_host.h"
#include "unit/unit.h"

static struct config_health how;
static struct health_probe probe;

static void start(enum config_health_kind kind)
{
	how = (struct config_health){
		.kind = kind, .interval_ms = 2000, .timeout_ms = 1000, .retry_ms = 500};
	probe = (struct health_probe){
		.id = 4711,
		.service = "web",
		.backend = fake_address("10.0.1.11"),
		.via = CONFIG_VIA_TUNNEL,
		.how = &how,
		.address = fake_address("2001:db8::10"),
		.port = 443,
	};
}

START_TEST(a_probe_through_the_tunnel_has_a_mark_a_device_and_a_source)
{
	const struct probe_way way = {77, "eth1", fake_address("2001:db8::1")};
	struct arena *arena = arena_new();
	struct wire_probe out;

	start(CONFIG_HEALTH_TCP);
	probe_record(&probe, &way, arena, &out);
	ck_assert_uint_eq(out.id, 4711);
	ck_assert_str_eq(out.kind, "tcp");
	ck_assert_str_eq(out.service, "web");
	ck_assert_str_eq(out.backend, "10.0.1.11");
	ck_assert_str_eq(out.address, "2001:db8::10");
	ck_assert_uint_eq(out.port, 443);
	ck_assert_uint_eq(out.mark, dataplane_probe_mark(77));
	ck_assert_str_eq(out.device, "eth1");
	ck_assert_str_eq(out.source, "2001:db8::1");
	ck_assert_uint_eq(out.interval_ms, 2000);
	ck_assert_uint_eq(out.timeout_ms, 1000);
	ck_assert_uint_eq(out.retry_ms, 500);
	ck_assert_ptr_null(out.path);
	ck_assert_ptr_null(out.send);
	arena_free(arena);
}
END_TEST

START_TEST(nothing_in_it_is_the_configurations)
{
	char service[] = "web", path[] = "/health", method[] = "GET", status[] = "200";
	struct arena *arena = arena_new();
	struct wire_probe out;

	start(CONFIG_HEALTH_HTTP);
	probe.service = service;
	how.path = path;
	how.method = method;
	how.status = status;
	probe_record(&probe, NULL, arena, &out);
	service[0] = path[0] = method[0] = status[0] = '?';
	ck_assert_str_eq(out.service, "web");
	ck_assert_str_eq(out.path, "/health");
	ck_assert_str_eq(out.method, "GET");
	ck_assert_str_eq(out.status, "200");
	arena_free(arena);
}
END_TEST

START_TEST(where_no_source_is_known_the_kernel_chooses)
{
	const struct probe_way way = {.index = 1, .device = "eth1"};
	struct arena *arena = arena_new();
	struct wire_probe out;

	start(CONFIG_HEALTH_TCP);
	probe_record(&probe, &way, arena, &out);
	ck_assert_ptr_null(out.source);
	arena_free(arena);
}
END_TEST

START_TEST(a_direct_probe_has_none_of_these)
{
	struct arena *arena = arena_new();
	struct wire_probe out;

	start(CONFIG_HEALTH_ICMP);
	probe.via = CONFIG_VIA_DIRECT;
	probe.address = probe.backend;
	probe.port = 0;
	probe_record(&probe, NULL, arena, &out);
	ck_assert_str_eq(out.kind, "icmp");
	ck_assert_str_eq(out.address, "10.0.1.11");
	ck_assert_uint_eq(out.port, 0);
	ck_assert_uint_eq(out.mark, 0);
	ck_assert_ptr_null(out.device);
	ck_assert_ptr_null(out.source);
	arena_free(arena);
}
END_TEST

START_TEST(what_a_kind_needs_is_handed_on)
{
	struct arena *arena = arena_new();
	struct wire_probe out;

	start(CONFIG_HEALTH_HTTPS);
	how.path = "/healthz";
	how.host = "www.example.org";
	how.method = "HEAD";
	how.match = "fine";
	how.status = "200,300-399";
	how.verify = true;
	how.ca_file = "/etc/ca.pem";
	how.server_name = "example.org";
	probe_record(&probe, NULL, arena, &out);
	ck_assert_str_eq(out.path, "/healthz");
	ck_assert_str_eq(out.host, "www.example.org");
	ck_assert_str_eq(out.method, "HEAD");
	ck_assert_str_eq(out.match, "fine");
	ck_assert_str_eq(out.status, "200,300-399");
	ck_assert(out.verify);
	ck_assert_str_eq(out.ca_file, "/etc/ca.pem");
	ck_assert_str_eq(out.server_name, "example.org");
	start(CONFIG_HEALTH_DNS);
	how.query_name = "example.org";
	how.query_type = 28;
	probe_record(&probe, NULL, arena, &out);
	ck_assert_str_eq(out.query_name, "example.org");
	ck_assert_uint_eq(out.query_type, 28);
	start(CONFIG_HEALTH_EXEC);
	how.command = "/usr/lib/check";
	probe_record(&probe, NULL, arena, &out);
	ck_assert_str_eq(out.command, "/usr/lib/check");
	arena_free(arena);
}
END_TEST

START_TEST(bytes_to_send_and_to_expect_are_hexadecimal)
{
	struct arena *arena = arena_new();
	struct wire_probe out;

	start(CONFIG_HEALTH_UDP);
	how.send = "\\x00\\xffping\\n";
	how.expect = "pong";
	probe_record(&probe, NULL, arena, &out);
	ck_assert_str_eq(out.send, "00ff70696e670a");
	ck_assert_str_eq(out.expect, "706f6e67");
	how.send = "";
	how.expect = NULL;
	probe_record(&probe, NULL, arena, &out);
	ck_assert_str_eq(out.send, "");
	ck_assert_ptr_null(out.expect);
	arena_free(arena);
}
END_TEST

RUN_TESTS("agent_probe_record", a_probe_through_the_tunnel_has_a_mark_a_device_and_a_source,
	  nothing_in_it_is_the_configurations, where_no_source_is_known_the_kernel_chooses,
	  a_direct_probe_has_none_of_these, what_a_kind_needs_is_handed_on,
	  bytes_to_send_and_to_expect_are_hexadecimal)
