/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Services that listen on prefixes: which listener a packet meets, every byte that is sent, what packets without ports
 * meet, and that a change of the listeners is one switch.
 */
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "packet/world.h"

/* Records of world.c, by the backend that they lead to. */
#define TO_V4 1
#define TO_V6 2

static const struct {
	const char *v4, *v6;
	uint16_t port;
	uint8_t protocol, service;
} listeners[] = {
	{"203.0.113.10", "2001:db8:f::10", 443, IPPROTO_TCP, TO_V4},
	{"203.0.113.0/24", "2001:db8:f::/64", 0, IPPROTO_TCP, TO_V6},
	{"203.0.113.8/29", "2001:db8:f::/121", 80, IPPROTO_TCP, TO_V4},
	{"203.0.113.8/29", "2001:db8:f::/121", 53, IPPROTO_UDP, TO_V6},
	{"203.0.112.0/22", "2001:db8:f::/48", 22, IPPROTO_TCP, TO_V4},
	{"203.0.113.10/31", "2001:db8:f::10/127", 81, IPPROTO_TCP, TO_V4},
};

static const struct {
	const char *v4, *v6;
	uint16_t port;
	uint8_t protocol;
	enum world_backend backend; /* NOBODY: passes */
} cases[] = {
	{"203.0.113.10", "2001:db8:f::10", 443, IPPROTO_TCP, WORLD_V4},
	{"203.0.113.10", "2001:db8:f::10", 80, IPPROTO_TCP,
	 WORLD_V4}, /* a port miss of the address */
	{"203.0.113.10", "2001:db8:f::10", 81, IPPROTO_TCP, WORLD_V4},
	{"203.0.113.10", "2001:db8:f::10", 444, IPPROTO_TCP, WORLD_V6}, /* ... of longer prefixes */
	{"203.0.113.10", "2001:db8:f::10", 22, IPPROTO_TCP, WORLD_V6},	/* any before shorter */
	{"203.0.113.11", "2001:db8:f::11", 81, IPPROTO_TCP, WORLD_V4},
	{"203.0.113.12", "2001:db8:f::12", 81, IPPROTO_TCP, WORLD_V6},
	{"203.0.113.15", "2001:db8:f::7f", 53, IPPROTO_UDP, WORLD_V6},
	{"203.0.113.16", "2001:db8:f::80", 53, IPPROTO_UDP, WORLD_NOBODY},
	{"203.0.113.255", "2001:db8:f::ffff:ffff:ffff:ffff", 80, IPPROTO_TCP, WORLD_V6},
	{"203.0.115.255", "2001:db8:f:ffff::1", 22, IPPROTO_TCP, WORLD_V4},
	{"203.0.115.255", "2001:db8:f:ffff::1", 23, IPPROTO_TCP, WORLD_NOBODY},
	{"203.0.116.0", "2001:db8:10::", 22, IPPROTO_TCP, WORLD_NOBODY},
	{"203.0.111.255", "2001:db8:e:ffff::", 22, IPPROTO_TCP, WORLD_NOBODY},
};

static struct world w;

static void listen_on(size_t count)
{
	struct dataplane_listener list[2 * sizeof(listeners) / sizeof(listeners[0])] = {};

	for (size_t i = 0; i < 2 * count; i++)
		list[i] = world_listener(i % 2 ? listeners[i / 2].v6 : listeners[i / 2].v4,
					 listeners[i / 2].port, listeners[i / 2].protocol,
					 listeners[i / 2].service);
	ck_assert_int_eq(w.ops->write_listeners(w.dp, list, 2 * count), 0);
}

static void open_world(bool redirect)
{
	world_open(&w, redirect);
	listen_on(sizeof(listeners) / sizeof(listeners[0]));
}

static struct packet packet_to(const char *destination, uint16_t port, uint8_t protocol)
{
	return (struct packet){.source =
				       strchr(destination, ':') ? "2001:db8:c::7" : "198.51.100.7",
			       .destination = destination,
			       .source_port = 40000,
			       .destination_port = port,
			       .protocol = protocol,
			       .payload = 20};
}

static void expect(const struct packet *packet, enum world_backend backend)
{
	struct frame in, out, expected;
	struct outer outer;
	int action;

	frame_build(&in, packet);
	expected = in;
	if (backend) {
		world_outer(&w, backend, &in, &outer);
		frame_encapsulate(&expected, &in, &outer);
	}
	action = world_run(&w, &in, &out, 1);
	ck_assert_msg(action == (backend ? XDP_TX : XDP_PASS), "to %s port %u: action %d",
		      packet->destination, packet->destination_port, action);
	ck_assert_uint_eq(out.length, expected.length);
	ck_assert_mem_eq(out.data, expected.data, expected.length);
}

START_TEST(address_then_port_then_any_then_shorter_prefixes)
{
	open_world(_i);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int v6 = 0; v6 < 2; v6++) {
			struct packet packet = packet_to(v6 ? cases[i].v6 : cases[i].v4,
							 cases[i].port, cases[i].protocol);
			struct addr to;

			expect(&packet, cases[i].backend);
			/* The agent's look-up says the same. */
			ck_assert_int_eq(addr_parse(packet.destination, &to), 0);
			ck_assert_uint_eq(dataplane_find_listener(w.view, &to, cases[i].port,
								  cases[i].protocol),
					  cases[i].backend == WORLD_V4	 ? TO_V4
					  : cases[i].backend == WORLD_V6 ? TO_V6
									 : 0);
		}
	world_close(&w);
}
END_TEST

/* Later fragments and packets with too many headers show no port: what the address and its prefixes have decides. */
START_TEST(packets_without_ports_are_dropped_where_a_prefix_of_their_protocol_covers_them)
{
	static const struct {
		const char *v4, *v6;
		uint8_t protocol;
		bool dropped;
	} fragments[] = {
		{"203.0.113.16", "2001:db8:f::80", IPPROTO_TCP, true},
		{"203.0.113.16", "2001:db8:f::80", IPPROTO_UDP, false},
		{"203.0.113.10", "2001:db8:f::10", IPPROTO_UDP, true}, /* by the prefix alone */
		{"203.0.113.15", "2001:db8:f::7f", IPPROTO_UDP, true},
		{"203.0.115.1", "2001:db8:f:1::", IPPROTO_TCP, true},
		{"203.0.116.1", "2001:db8:10::", IPPROTO_TCP, false},
	};
	static const uint8_t fragment[] = {IPPROTO_FRAGMENT, 255};
	struct frame in, out;

	open_world(false);
	for (size_t i = 0; i < sizeof(fragments) / sizeof(fragments[0]); i++)
		for (int v6 = 0; v6 < 2; v6++) {
			struct packet packet = packet_to(v6 ? fragments[i].v6 : fragments[i].v4, 80,
							 fragments[i].protocol);

			packet.fragment = v6 ? 23 << 3 : 23; /* RFC 8200, RFC 791 */
			packet.extensions = v6 ? fragment : NULL;
			frame_build(&in, &packet);
			ck_assert_msg(world_run(&w, &in, &out, 1) ==
					      (fragments[i].dropped ? XDP_DROP : XDP_PASS),
				      "case %zu, v6 %d", i, v6);
		}
	world_close(&w);
}
END_TEST

START_TEST(prefixes_come_and_go_with_one_switch)
{
	struct packet to_prefix = packet_to("203.0.113.77", 9, IPPROTO_TCP);
	struct packet to_address = packet_to("203.0.113.10", 443, IPPROTO_TCP);
	struct packet six = packet_to("2001:db8:f:0:1::", 9, IPPROTO_TCP);

	open_world(false);
	for (int n = 0; n < 4; n++) {
		listen_on(1);
		ck_assert_uint_eq(w.view->control->listeners & SL_LISTENERS_PREFIX, 0);
		expect(&to_prefix, WORLD_NOBODY);
		expect(&six, WORLD_NOBODY);
		expect(&to_address, WORLD_V4);
		listen_on(2 + n);
		expect(&to_prefix, WORLD_V6);
		expect(&six, WORLD_V6);
		expect(&to_address, WORLD_V4);
	}
	world_close(&w);
}
END_TEST

Suite *balancer_prefix_suite(void)
{
	Suite *suite = suite_create("balancer prefixes");
	TCase *tcase = tcase_create("prefixes");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, address_then_port_then_any_then_shorter_prefixes, 0, 2);
	tcase_add_test(
		tcase,
		packets_without_ports_are_dropped_where_a_prefix_of_their_protocol_covers_them);
	tcase_add_test(tcase, prefixes_come_and_go_with_one_switch);
	suite_add_tcase(suite, tcase);
	return suite;
}
