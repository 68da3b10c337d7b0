/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where probes through the tunnel go out, and what is refused, by a real kernel. tests/e2e/probe-tunnel has the rest. */
#include <stdlib.h>

#include "agent/tunnel.h"
#include "config/config.h"
#include "unit/read_config.h"
#include "unit/support/near_far.h"

static const char probed[] =
	"version: 1\n"
	"interfaces: [{device: near}]\n"
	"services:\n"
	"  - {name: a, address: 203.0.113.1, port: 80, health: {}, backends: [{address: "
	"10.9.0.2}]}\n"
	"  - {name: b, address: 203.0.113.2, port: 80, health: {via: direct}, backends: [{address: "
	"10.9.0.2}]}\n"
	"  - {name: c, address: 203.0.113.3, port: 80, backends: [{address: 10.9.0.2}]}\n"
	"  - {name: d, address: \"2001:db8:f::1\", port: 80, health: {}, backends: [{address: "
	"\"2001:db8:9::2\"}]}\n";

static struct addr address(const char *text)
{
	struct addr addr;

	ck_assert_int_eq(addr_parse(text, &addr), 0);
	return addr;
}

START_TEST(only_what_is_probed_through_the_tunnel_counts)
{
	struct config *config = read_config(probed);
	static const bool expected[] = {true, false, false, true};

	start();
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		ck_assert_int_eq(tunnel_probes(&config->services[i]), expected[i]);
	config_free(config);
	stop();
}
END_TEST

START_TEST(a_vip_on_the_way_out_is_refused_at_its_place)
{
	struct config *config = read_config(probed);
	struct problems p = {};
	char *text;

	start();
	ck_assert_int_eq(tunnel_check(net, config, &p), 0);
	/* On another device, or of a service that is not probed that way: nothing is against it. */
	ip("addr add 203.0.113.1/32 dev lo");
	ip("addr add 203.0.113.2/32 dev near");
	ip("addr add 203.0.113.3/32 dev near");
	changes_within(300);
	ck_assert_int_eq(tunnel_check(net, config, &p), 0);
	ip("addr add 203.0.113.1/32 dev near");
	ip("addr add 2001:db8:f::1/128 dev near nodad");
	changes_within(300);
	ck_assert_int_eq(tunnel_check(net, config, &p), -EADDRINUSE);
	ck_assert_uint_eq(p.count, 2);
	text = problem_text(&p.list[0]);
	ck_assert_ptr_nonnull(strstr(text, "test:4:"));
	ck_assert_ptr_nonnull(strstr(
		text, "services[a].health.address '203.0.113.1': is an address of near, by which "
		      "the backend 10.9.0.2 is reached"));
	free(text);
	problems_free(&p);
	config_free(config);
	stop();
}
END_TEST

START_TEST(a_probe_goes_out_by_the_backends_device_from_an_address_of_the_vips_family)
{
	struct config *config = read_config(probed);
	struct addr vip = address("203.0.113.1"), vip6 = address("2001:db8:f::1");
	struct net_nexthop way, way6, nowhere;
	struct probe_way out = {};
	char why[160];

	start();
	way = way_to("10.9.0.2");
	way6 = way_to("2001:db8:9::2");
	nowhere = way_to("10.77.0.1");
	ck_assert_int_eq(tunnel_way(net, config, &vip, 7, &way, &out, why), 0);
	ck_assert_uint_eq(out.index, 7);
	ck_assert_str_eq(out.device, "near");
	ck_assert_str_eq(addr_format(&out.source, (char[ADDR_TEXT_SIZE]){0}), "10.9.0.1");
	/* The VIP in one family, the backend in the other. */
	ck_assert_int_eq(tunnel_way(net, config, &vip6, 8, &way, &out, why), 0);
	ck_assert_str_eq(addr_format(&out.source, (char[ADDR_TEXT_SIZE]){0}), "2001:db8:9::1");
	ck_assert_int_eq(tunnel_way(net, config, &vip, 9, &way6, &out, why), 0);
	ck_assert_str_eq(addr_format(&out.source, (char[ADDR_TEXT_SIZE]){0}), "10.9.0.1");
	config->source = address("192.0.2.1");
	ck_assert_int_eq(tunnel_way(net, config, &vip, 7, &way, &out, why), 0);
	ck_assert_str_eq(addr_format(&out.source, (char[ADDR_TEXT_SIZE]){0}), "192.0.2.1");

	ck_assert_int_eq(tunnel_way(net, config, &vip, 7, &nowhere, &out, why), -EHOSTUNREACH);
	ck_assert_str_eq(why, "no device leads to the backend");
	ip("addr del 2001:db8:9::1/64 dev near");
	ip("addr add 203.0.113.1/32 dev near");
	changes_within(300);
	ck_assert_int_eq(tunnel_way(net, config, &vip6, 7, &way, &out, why), -EADDRNOTAVAIL);
	ck_assert_str_eq(why, "near has no IPv6 address to probe from; set tunnel.source6");
	ck_assert_int_eq(tunnel_way(net, config, &vip, 7, &way, &out, why), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(why, "203.0.113.1 is an address of near"));
	config_free(config);
	stop();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		only_what_is_probed_through_the_tunnel_counts,
		a_vip_on_the_way_out_is_refused_at_its_place,
		a_probe_goes_out_by_the_backends_device_from_an_address_of_the_vips_family,
	};

	return near_far_run("agent_tunnel", tests, ARRAY_SIZE(tests));
}
