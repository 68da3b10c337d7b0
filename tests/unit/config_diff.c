/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between two configurations, as a person reads it. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "config/config.h"
#include "unit/read_config.h"
#include "unit/unit.h"

#define HEAD "version: 1\ninterfaces: [{device: eth0}]\n"
#define WEB(more)                                                                               \
	"services:\n- {name: web, address: 203.0.113.1, port: [80, 443], backends: [{address: " \
	"10.0.0.1}, {address: 10.0.0.2, weight: 5}]" more "}\n"

/* "+path after", "-path before", "~path before -> after", one a line. */
static void expect_diff(const char *old_text, const char *new_text, const char *expected)
{
	struct config *old = old_text ? read_config(old_text) : NULL, *new = read_config(new_text);
	struct config_changes changes;
	struct text got = {};

	text_add_bytes(&got, "", 0);
	config_diff(old, new, &changes);
	for (size_t i = 0; i < changes.count; i++) {
		const struct config_change *change = &changes.list[i];

		text_add(&got, "%c%s%s%s%s%s%s\n", "+-~"[change->kind], change -> path,
			 change -> before ? " " : "", change->before ? change->before : "",
			 change->kind == CONFIG_CHANGED ? " ->" : "", change->after ? " " : "",
			 change->after ? change->after : "");
	}
	ck_assert_str_eq(got.data, expected);
	text_free(&got);
	config_changes_free(&changes);
	ck_assert_uint_eq(changes.count, 0);
	config_free(old);
	config_free(new);
}

START_TEST(equal_configurations_do_not_differ_whatever_their_text_and_order)
{
	expect_diff(HEAD WEB(""), HEAD WEB(""), "");
	expect_diff("version: 1\ninterfaces: [{device: eth1}, {device: eth0}]\n" WEB(
			    ", table-size: 16381"),
		    "# other text\ninterfaces: [{device: eth0, mode: auto}, {device: "
		    "eth1}]\nversion: 1\n"
		    "services:\n"
		    "- name: web\n"
		    "  backends: [{address: 10.0.0.2, weight: 5}, {address: 10.0.0.1, weight: 1}]\n"
		    "  port: [443, 80]\n"
		    "  address: [203.0.113.1/32]\n",
		    "");
}
END_TEST

START_TEST(every_kind_of_field_is_told_with_its_values)
{
	expect_diff(
		HEAD WEB(""),
		"version: 1\n"
		"interfaces: [{device: eth0, mode: generic}]\n"
		"tunnel: {source: 192.0.2.10, mtu: 9000}\n"
		"limits: {flows: 2M}\n"
		"cluster: {name: edge1, key-file: /etc/key}\n"
		"log-level: debug\n" WEB(", tracking: never, table-size: 1021, idle-timeout: 7m, "
					 "drain-timeout: 90m, drain-end: move, dead-after: 0s") "",
		"~interfaces[eth0].mode auto -> generic\n"
		"+tunnel.source 192.0.2.10\n"
		"~tunnel.mtu auto -> 9000\n"
		"~limits.flows 1048576 -> 2097152\n"
		"+cluster.name edge1\n"
		"+cluster.key-file /etc/key\n"
		"~services[web].tracking changes -> never\n"
		"~services[web].table-size 16381 -> 1021\n"
		"~services[web].idle-timeout 6m -> 7m\n"
		"~services[web].drain-timeout 1h -> 90m\n"
		"~services[web].drain-end keep -> move\n"
		"~services[web].dead-after 30s -> 0s\n"
		"~log-level info -> debug\n");
}
END_TEST

START_TEST(lists_are_told_by_identity_and_in_order)
{
	expect_diff(HEAD
		    "services:\n"
		    "- {name: b, address: 203.0.113.2, port: 80, backends: [{address: 10.0.0.1}]}\n"
		    "- {name: c, address: 203.0.113.3, port: 80, backends: [{address: 10.0.0.9, "
		    "weight: 3}, "
		    "{address: 10.0.0.1}, {address: 10.0.0.2, weight: 2}]}\n",
		    HEAD "services:\n"
			 "- {name: c, address: '2001:db8::3', port: any, protocol: udp, "
			 "idle-timeout: 6m, backends: "
			 "[{address: 10.0.0.2, state: drain}, {address: '2001:db8::1'}, {address: "
			 "10.0.0.1}]}\n"
			 "- {name: a, address: 203.0.113.1, port: 80, table-size: 1021, backends: "
			 "[{address: "
			 "10.0.0.1, weight: 7, state: down}]}\n",
		    "+services[a] table-size: 1021\n"
		    "+services[a].listeners[203.0.113.1:80/tcp]\n"
		    "+services[a].backends[10.0.0.1] weight: 7, state: down\n"
		    "-services[b]\n"
		    "-services[b].listeners[203.0.113.2:80/tcp]\n"
		    "-services[b].backends[10.0.0.1]\n"
		    "-services[c].listeners[203.0.113.3:80/tcp]\n"
		    "+services[c].listeners[[2001:db8::3]:any/udp]\n"
		    "~services[c].backends[10.0.0.2].weight 2 -> 1\n"
		    "~services[c].backends[10.0.0.2].state up -> drain\n"
		    "-services[c].backends[10.0.0.9] weight: 3\n"
		    "+services[c].backends[2001:db8::1]\n");
}
END_TEST

START_TEST(against_nothing_all_that_is_not_a_default_is_new)
{
	expect_diff(NULL, HEAD "tunnel: {mtu: 1500}\n" WEB(""),
		    "+interfaces[eth0]\n"
		    "+tunnel.mtu 1500\n"
		    "+services[web]\n"
		    "+services[web].listeners[203.0.113.1:80/tcp]\n"
		    "+services[web].listeners[203.0.113.1:443/tcp]\n"
		    "+services[web].backends[10.0.0.1]\n"
		    "+services[web].backends[10.0.0.2] weight: 5\n");
}
END_TEST

START_TEST(a_number_that_must_be_there_is_told_also_where_it_is_0)
{
	static const char one[] =
		HEAD "services:\n- {name: q, address: 203.0.113.1, port: 443, protocol: udp, "
		     "affinity: quic, "
		     "quic: {rotation: 0, server-id-length: 2, nonce-length: 6}, backends: []}\n";
	static const char two[] =
		HEAD "services:\n- {name: q, address: 203.0.113.1, port: 443, protocol: udp, "
		     "affinity: quic, "
		     "quic: [{rotation: 0, server-id-length: 2, nonce-length: 7}, "
		     "{rotation: 3, server-id-length: 4, nonce-length: 9}], backends: []}\n";

	expect_diff(one, two,
		    "~services[q].quic[0].nonce-length 6 -> 7\n"
		    "+services[q].quic[3] server-id-length: 4, nonce-length: 9\n");
	expect_diff(two, HEAD "services: []\n",
		    "-services[q] affinity: quic, idle-timeout: 1m\n"
		    "-services[q].listeners[203.0.113.1:443/udp]\n"
		    "-services[q].quic[0] server-id-length: 2, nonce-length: 7\n"
		    "-services[q].quic[3] server-id-length: 4, nonce-length: 9\n");
}
END_TEST

START_TEST(what_is_taken_away_is_told)
{
	expect_diff(HEAD
		    "tunnel: {source6: '2001:db8::1'}\ncluster: {name: c, key-file: /k}\n" WEB(""),
		    HEAD "services: []\n",
		    "-tunnel.source6 2001:db8::1\n"
		    "-cluster.name c\n"
		    "-cluster.key-file /k\n"
		    "-services[web]\n"
		    "-services[web].listeners[203.0.113.1:80/tcp]\n"
		    "-services[web].listeners[203.0.113.1:443/tcp]\n"
		    "-services[web].backends[10.0.0.1]\n"
		    "-services[web].backends[10.0.0.2] weight: 5\n");
}
END_TEST

START_TEST(health_that_comes_or_goes_is_one_difference_and_its_fields_are_told_by_themselves)
{
	expect_diff(HEAD WEB(""), HEAD WEB(", health: {}, panic: 50, damping: on"),
		    "+services[web].health address: 203.0.113.1, port: 80, retry: 500ms\n"
		    "~services[web].panic 0 -> 50\n"
		    "~services[web].damping off -> on\n");
	expect_diff(HEAD WEB(", health: {kind: http, status: [302, 200], via: [direct, tunnel]}"),
		    HEAD WEB(", health: {kind: none}, max-ejected: 9, slow-start: 1m"),
		    "-services[web].health kind: http, via: tunnel,direct, address: 203.0.113.1, "
		    "port: 80, retry: 500ms, status: 200,302\n"
		    "~services[web].max-ejected 100 -> 9\n"
		    "~services[web].slow-start 0s -> 1m\n");
	expect_diff(HEAD WEB(", health: {kind: http, via: [direct, tunnel], host: a}"),
		    HEAD WEB(", health: {kind: http, via: direct, match: x, status: [200, 204], "
			     "interval: 3s, initial: up}"),
		    "~services[web].health.via tunnel,direct -> direct\n"
		    "-services[web].health.address 203.0.113.1\n"
		    "~services[web].health.interval 2s -> 3s\n"
		    "~services[web].health.retry 500ms -> 750ms\n"
		    "~services[web].health.initial down -> up\n"
		    "-services[web].health.host a\n"
		    "~services[web].health.status 200-399 -> 200,204\n"
		    "+services[web].health.match x\n");
	expect_diff(HEAD WEB(", health: {kind: http, via: [direct, tunnel], status: [200, 404]}"),
		    HEAD WEB(", health: {status: [404, 200], via: [tunnel, direct], kind: http}"),
		    "");
}
END_TEST

START_TEST(alerts_are_told_by_where_they_go)
{
	expect_diff(
		HEAD "alerts: [{exec: /b}, {webhook: 'https://a'}, {exec: /c}]\nservices: []\n",
		HEAD
		"alerts: [{webhook: 'https://a', level: info}, {exec: /a, hold: 0s}, {exec: /b}]\n"
		"services: []\n",
		"+alerts[/a] hold: 0s\n"
		"-alerts[/c]\n"
		"~alerts[https://a].level warning -> info\n");
}
END_TEST

RUN_TESTS("config_diff",
	  health_that_comes_or_goes_is_one_difference_and_its_fields_are_told_by_themselves,
	  alerts_are_told_by_where_they_go,
	  equal_configurations_do_not_differ_whatever_their_text_and_order,
	  every_kind_of_field_is_told_with_its_values, lists_are_told_by_identity_and_in_order,
	  against_nothing_all_that_is_not_a_default_is_new, what_is_taken_away_is_told,
	  a_number_that_must_be_there_is_told_also_where_it_is_0)
