/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The deny list: packets to services from its sources are dropped and counted, all others go where they would go without
 * it. What is in the maps is what was written, and changes leave out nobody in between.
 */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/problem.h"
#include "packet/world.h"

static struct world w;

static void write_list(const struct prefix *list, size_t count)
{
	struct problems p = {0};

	ck_assert_int_eq(dataplane_write_denied(w.dp, list, count, &p), 0);
	problems_free(&p);
}

/* In order. */
static void deny_examples(void)
{
	static const char *const list[] = {"192.0.2.0/25", "198.51.100.0/24", "203.0.113.77",
					   "2001:db8:c::/48", "2001:db8:d::7"};

	world_deny(&w, list, 5);
}

static void open_world(bool knob)
{
	world_open_way(&w, &(struct world_way){.features.deny = knob});
	deny_examples();
}

static int send_from(const char *source, const char *destination, uint16_t port, uint8_t protocol)
{
	struct packet packet = {.source = source,
				.destination = destination,
				.source_port = 40000,
				.destination_port = port,
				.protocol = protocol,
				.tcp_flags = 0x02};
	struct frame in, out;

	frame_build(&in, &packet);
	return world_run(&w, &in, &out, 1);
}

static const struct {
	const char *source;
	bool is_denied;
} sources[] = {
	{"192.0.2.0", true},	      {"192.0.2.127", true},	{"192.0.2.128", false},
	{"198.51.99.255", false},     {"198.51.100.0", true},	{"198.51.100.255", true},
	{"198.51.101.0", false},      {"203.0.113.77", true},	{"203.0.113.76", false},
	{"2001:db8:b:ffff::", false}, {"2001:db8:c::", true},	{"2001:db8:c:ffff::1", true},
	{"2001:db8:d::7", true},      {"2001:db8:d::6", false}, {"2001:db8:d::17", false},
	{"::203.0.113.77", false},    {"cb00:714d::", false},
};

#define SOURCES (int)(sizeof(sources) / sizeof(sources[0]))

static void check_sources(bool knob)
{
	struct world_counts before, after;

	open_world(knob);
	for (int i = 0; i < SOURCES; i++) {
		bool v6 = strchr(sources[i].source, ':') != NULL;
		bool denied = knob && sources[i].is_denied;
		struct prefix by;
		struct addr source;

		ck_assert_int_eq(addr_parse(sources[i].source, &source), 0);
		ck_assert(dataplane_denies(w.dp, &source, &by) == sources[i].is_denied);
		ck_assert(!sources[i].is_denied || prefix_contains(&by, &source));
		for (int udp = 0; udp < 2; udp++) {
			world_count(&w, &before);
			ck_assert_msg(send_from(sources[i].source,
						v6 ? "2001:db8:f::10" : "203.0.113.10", 443,
						udp ? IPPROTO_UDP : IPPROTO_TCP) ==
					      (denied ? XDP_DROP : XDP_TX),
				      "%s", sources[i].source);
			world_count(&w, &after);
			ck_assert_uint_eq(after.verdict[SL_DROP_denied],
					  before.verdict[SL_DROP_denied] + denied);
			ck_assert_uint_eq(after.service[1][SL_SERVICE_dropped],
					  before.service[1][SL_SERVICE_dropped] + denied);
		}
	}
	world_close(&w);
}

START_TEST(sources_of_the_list_are_dropped_and_counted_and_all_others_are_sent)
{
	check_sources(true);
}
END_TEST

START_TEST(nobody_is_dropped_while_the_knob_is_off)
{
	check_sources(false);
}
END_TEST

START_TEST(only_packets_to_services_are_judged)
{
	open_world(true);
	ck_assert_int_eq(send_from("198.51.100.7", "203.0.113.99", 443, IPPROTO_TCP), XDP_PASS);
	ck_assert_int_eq(send_from("198.51.100.7", "203.0.113.10", 22, IPPROTO_TCP), XDP_PASS);
	ck_assert_int_eq(send_from("2001:db8:c::7", "2001:db8:f::99", 443, IPPROTO_UDP), XDP_PASS);
	world_close(&w);
}
END_TEST

/* An error that a denied router sends about a flow of a service; to any other address it is none of ours. */
START_TEST(errors_from_denied_sources_are_dropped)
{
	static const char *const from[2][2] = {{"198.51.100.7", "192.0.2.200"},
					       {"2001:db8:c::7", "2001:db8:d::6"}};
	struct packet sent = {
		.source_port = 443, .destination_port = 40000, .protocol = IPPROTO_TCP};
	const struct icmp icmp = {.type = 3, .code = 4, .rest = 1400};
	const struct icmp icmp6 = {.type = 2, .rest = 1400};
	struct frame quoted, in, out;

	open_world(true);
	for (int v6 = 0; v6 < 2; v6++)
		for (int i = 0; i < 2; i++) {
			struct packet error = {.source = from[v6][i],
					       .destination =
						       v6 ? "2001:db8:f::10" : "203.0.113.10"};

			sent.source = error.destination;
			sent.destination = v6 ? "2001:db8:a::9" : "192.0.2.222";
			frame_build(&quoted, &sent);
			frame_build_icmp(&in, &error, v6 ? &icmp6 : &icmp, &quoted);
			ck_assert_int_eq(world_run(&w, &in, &out, 1), (i ? XDP_TX : XDP_DROP));
		}
	world_close(&w);
}
END_TEST

START_TEST(the_longest_prefix_is_named)
{
	static const char *const list[] = {"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16"};
	char text[PREFIX_TEXT_SIZE];
	struct addr source;
	struct prefix by;

	open_world(true);
	world_deny(&w, list, 3);
	addr_parse("10.1.2.3", &source);
	ck_assert(dataplane_denies(w.dp, &source, &by));
	ck_assert_str_eq(prefix_format(&by, text), "10.1.0.0/16");
	addr_parse("192.0.2.1", &source);
	ck_assert(dataplane_denies(w.dp, &source, &by));
	ck_assert_str_eq(prefix_format(&by, text), "0.0.0.0/0");
	/* All of IPv4 is none of IPv6. */
	ck_assert_int_eq(send_from("192.0.2.1", "203.0.113.10", 443, IPPROTO_TCP), XDP_DROP);
	ck_assert_int_eq(send_from("2001:db8:d::7", "2001:db8:f::10", 443, IPPROTO_TCP), XDP_TX);
	world_deny(&w, NULL, 0);
	ck_assert(!dataplane_denies(w.dp, &source, &by));
	ck_assert_int_eq(send_from("192.0.2.1", "203.0.113.10", 443, IPPROTO_TCP), XDP_TX);
	world_close(&w);
}
END_TEST

START_TEST(more_than_the_limit_is_refused_with_the_numbers_and_the_old_list_stays)
{
	static struct prefix list[129];
	struct problems p = {0};

	open_world(true);
	ck_assert_uint_eq(w.view->limits.deny, 128);
	for (int i = 0; i < 129; i++) {
		ck_assert_int_eq(prefix_parse("10.0.0.0", &list[i]), 0);
		list[i].addr.bytes[3] = i;
	}
	ck_assert_int_eq(dataplane_write_denied(w.dp, list, 129, &p), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(problem_text(&p.list[0]), "128"));
	ck_assert_ptr_nonnull(strstr(problem_text(&p.list[0]), "129"));
	problems_free(&p);
	ck_assert_int_eq(send_from("198.51.100.7", "203.0.113.10", 443, IPPROTO_TCP), XDP_DROP);
	/* As many as the limit take the place of as many others. */
	write_list(list, 128);
	write_list(list + 1, 128);
	ck_assert_int_eq(send_from("10.0.0.0", "203.0.113.10", 443, IPPROTO_TCP), XDP_TX);
	ck_assert_int_eq(send_from("10.0.0.128", "203.0.113.10", 443, IPPROTO_TCP), XDP_DROP);
	world_close(&w);
}
END_TEST

Suite *balancer_deny_suite(void)
{
	Suite *suite = suite_create("balancer deny");
	TCase *tcase = tcase_create("deny");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, sources_of_the_list_are_dropped_and_counted_and_all_others_are_sent);
	tcase_add_test(tcase, nobody_is_dropped_while_the_knob_is_off);
	tcase_add_test(tcase, only_packets_to_services_are_judged);
	tcase_add_test(tcase, errors_from_denied_sources_are_dropped);
	tcase_add_test(tcase, the_longest_prefix_is_named);
	tcase_add_test(tcase,
		       more_than_the_limit_is_refused_with_the_numbers_and_the_old_list_stays);
	suite_add_tcase(suite, tcase);
	return suite;
}
