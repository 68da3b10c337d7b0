/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ICMP and ICMPv6 errors about packets that servers have sent: they go to the backend that has the flow, with every
 * byte as it came, and leave no trace in the flow table. What is not surely about a service's flow passes.
 */
#include <check.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet/rig.h"
#include "packet/world.h"

#define VIP	"203.0.113.10"
#define VIP6	"2001:db8:f::10"
#define CLIENT	"198.51.100.7"
#define CLIENT6 "2001:db8:c::7"

/* From a router on the way of the answers, to the service's address. */
#define ERROR4(vip, ...)                                                \
	{                                                               \
		.source = "192.0.2.77", .destination = vip, __VA_ARGS__ \
	}
#define ERROR6(vip, ...)                                                    \
	{                                                                   \
		.source = "2001:db8:77::1", .destination = vip, __VA_ARGS__ \
	}
/* What a server sent: from the service's address and port. */
#define SENT4(vip, ...)                                                   \
	{                                                                 \
		.source = vip, .destination = CLIENT, .source_port = 443, \
		.destination_port = 40000, __VA_ARGS__                    \
	}
#define SENT6(vip, ...)                                                    \
	{                                                                  \
		.source = vip, .destination = CLIENT6, .source_port = 443, \
		.destination_port = 40000, __VA_ARGS__                     \
	}
#define TCP  .protocol = IPPROTO_TCP
#define UDP  .protocol = IPPROTO_UDP
#define MIN4 .quoted = 28 /* the IP header and 8 bytes */
#define MIN6 .quoted = 48
#define NEEDED(...)                                             \
	{                                                       \
		.type = 3, .code = 4, .rest = 1400, __VA_ARGS__ \
	}
#define TOO_BIG(...)                                            \
	{                                                       \
		.type = 2, .code = 0, .rest = 1400, __VA_ARGS__ \
	}

static const uint8_t extensions[] = {IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, 255};
static const uint8_t options[] = {IPPROTO_HOPOPTS, 255};
static const uint8_t seven[] = {0, 60, 43, 60, 60, 60, 60, 255};

static const struct {
	const char *name;
	struct packet error;
	struct icmp icmp;
	struct packet sent;
	enum world_backend backend;
} cases[] = {
	{"fragmentation needed, tcp", ERROR4(VIP), NEEDED(), SENT4(VIP, TCP, .payload = 1000),
	 WORLD_V4},
	{"8 bytes quoted, tcp", ERROR4(VIP), NEEDED(MIN4), SENT4(VIP, TCP), WORLD_V4},
	{"8 bytes quoted, udp", ERROR4(VIP), NEEDED(MIN4), SENT4(VIP, UDP), WORLD_V4},
	{"port unreachable", ERROR4(VIP), {.type = 3, .code = 3}, SENT4(VIP, UDP), WORLD_V4},
	{"host unreachable", ERROR4(VIP), {.type = 3, .code = 1}, SENT4(VIP, TCP), WORLD_V4},
	{"time exceeded", ERROR4(VIP), {.type = 11}, SENT4(VIP, TCP), WORLD_V4},
	{"parameter problem", ERROR4(VIP), {.type = 12}, SENT4(VIP, TCP), WORLD_V4},
	{"out by IPv6", ERROR4("203.0.113.11"), NEEDED(MIN4), SENT4("203.0.113.11", TCP), WORLD_V6},
	{"any port",
	 ERROR4("203.0.113.12"),
	 NEEDED(MIN4),
	 {.source = "203.0.113.12",
	  .destination = CLIENT,
	  .source_port = 99,
	  .destination_port = 40000,
	  TCP},
	 WORLD_V4},
	{"options in the error", ERROR4(VIP, .options = 8), NEEDED(MIN4), SENT4(VIP, TCP),
	 WORLD_V4},
	{"options in the quote", ERROR4(VIP), NEEDED(.quoted = 68), SENT4(VIP, TCP, .options = 40),
	 WORLD_V4},
	{"a first fragment quoted", ERROR4(VIP), NEEDED(MIN4),
	 SENT4(VIP, UDP, .clear_df = true, .fragment = 0x2000), WORLD_V4},
	{"dscp, padding", ERROR4(VIP, .tos = 0xc0, .padding = 7), NEEDED(), SENT4(VIP, TCP),
	 WORLD_V4},
	{"df clear", ERROR4(VIP, .clear_df = true, .id = 0x1234), NEEDED(), SENT4(VIP, TCP),
	 WORLD_V4},
	{"the quote's length is more than is quoted", ERROR4(VIP), NEEDED(MIN4),
	 SENT4(VIP, TCP, .lie_ip_length = 30000), WORLD_V4},

	{"packet too big, tcp", ERROR6(VIP6), TOO_BIG(), SENT6(VIP6, TCP, .payload = 1001),
	 WORLD_V4},
	{"8 bytes quoted, tcp v6", ERROR6(VIP6), TOO_BIG(MIN6), SENT6(VIP6, TCP), WORLD_V4},
	{"8 bytes quoted, udp v6", ERROR6(VIP6), TOO_BIG(MIN6), SENT6(VIP6, UDP), WORLD_V4},
	{"unreachable v6", ERROR6(VIP6), {.type = 1, .code = 4}, SENT6(VIP6, UDP), WORLD_V4},
	{"time exceeded v6", ERROR6(VIP6), {.type = 3}, SENT6(VIP6, TCP), WORLD_V4},
	{"parameter problem v6", ERROR6(VIP6), {.type = 4}, SENT6(VIP6, TCP), WORLD_V4},
	{"out by IPv6 v6", ERROR6("2001:db8:f::11"), TOO_BIG(MIN6), SENT6("2001:db8:f::11", TCP),
	 WORLD_V6},
	{"extension headers of both", ERROR6(VIP6, .extensions = options), TOO_BIG(),
	 SENT6(VIP6, UDP, .extensions = extensions), WORLD_V4},
	{"a first fragment quoted v6", ERROR6(VIP6), TOO_BIG(),
	 SENT6(VIP6, UDP, .extensions = extensions, .fragment = 1), WORLD_V4},
};

#define CASES (int)(sizeof(cases) / sizeof(cases[0]))

/* The packet by which the flow came to the server: its hash is the flow's. */
static void build_flow(struct frame *out, const struct packet *sent)
{
	struct packet p = {.source = sent->destination,
			   .destination = sent->source,
			   .source_port = sent->destination_port,
			   .destination_port = sent->source_port,
			   .protocol = sent->protocol};

	frame_build(out, &p);
}

static void build_error(struct frame *out, const struct packet *error, const struct icmp *icmp,
			const struct packet *sent)
{
	struct frame quoted;

	frame_build(&quoted, sent);
	frame_build_icmp(out, error, icmp, &quoted);
}

static void expect(const struct world *w, int i, const struct frame *in, struct frame *out)
{
	struct frame flow;
	struct outer outer;

	build_flow(&flow, &cases[i].sent);
	memcpy(flow.data + 18, in->data + 18, 2); /* the id that the outer one is made of */
	world_outer(w, cases[i].backend, &flow, &outer);
	outer.no_checksum = true; /* of GUE: what an error sums up to is not known */
	frame_encapsulate(out, in, &outer);
}

static void check_sent(struct world *w, int i, int action)
{
	struct frame in, expected;
	struct world_ran ran;

	build_error(&in, &cases[i].error, &cases[i].icmp, &cases[i].sent);
	expect(w, i, &in, &expected);
	world_run_counted(w, cases[i].name, &in, SL_SEND_icmp_error, &ran);
	ck_assert_msg(ran.action == action, "%s: not sent", cases[i].name);
	world_expect_frame(cases[i].name, &ran.out, &expected);
	ck_assert_mem_eq(ran.before.service, ran.after.service, sizeof(ran.before.service));
	ck_assert_mem_eq(ran.before.backend, ran.after.backend, sizeof(ran.before.backend));
}

static const struct world_way ways[] = {
	{.encapsulation = SL_ENCAP_IPIP},
	{.encapsulation = SL_ENCAP_IPIP, .features.redirect = true},
	{.encapsulation = SL_ENCAP_IPIP, .entropy = true},
	{.encapsulation = SL_ENCAP_GUE},
	{.encapsulation = SL_ENCAP_GUE, .all_features = true},
	{.encapsulation = SL_ENCAP_L2},
};

#define WAYS (int)(sizeof(ways) / sizeof(ways[0]))

START_TEST(an_error_goes_to_the_flows_backend_as_it_came_and_counts_as_no_packet_of_it)
{
	struct world w;

	world_open_way(&w, &ways[_i]);
	for (int i = 0; i < CASES; i++)
		check_sent(&w, i, XDP_TX);
	world_close(&w);
}
END_TEST

START_TEST(an_error_leaves_by_the_backends_interface)
{
	struct world w;
	uint32_t other;

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ck_assert_int_eq(system("ip link add sl-a type veth peer name sl-b"), 0);
	other = if_nametoindex("sl-a");
	world_open(&w, true);
	world_set_ifindex(&w, other);
	ck_assert_int_eq(w.ops->open_way(w.dp, other), 0);
	for (int i = 0; i < CASES; i++)
		check_sent(&w, i, XDP_REDIRECT);
	world_close(&w);
}
END_TEST

START_TEST(an_error_follows_its_flow_through_any_table)
{
	struct packet sent = SENT4("203.0.113.22", TCP), sent6 = SENT6("2001:db8:f::22", TCP);
	struct packet error = ERROR4("203.0.113.22"), error6 = ERROR6("2001:db8:f::22");
	struct icmp needed = NEEDED(MIN4), too_big = TOO_BIG(MIN6);
	struct frame in, flow, by_flow, by_error;
	struct world w;

	world_open(&w, false);
	for (int n = 0; n < 1000; n++) {
		bool v6 = n % 2;

		sent.destination_port = sent6.destination_port = 1024 + n;
		build_flow(&flow, v6 ? &sent6 : &sent);
		ck_assert_int_eq(world_run(&w, &flow, &by_flow, 1), XDP_TX);
		build_error(&in, v6 ? &error6 : &error, v6 ? &too_big : &needed,
			    v6 ? &sent6 : &sent);
		ck_assert_int_eq(world_run(&w, &in, &by_error, 1), XDP_TX);
		ck_assert_mem_eq(by_flow.data, by_error.data, 14); /* each backend has its MAC */
	}
	world_close(&w);
}
END_TEST

/* ---- what is not sent ------------------------------------------------------------------------- */

static const struct {
	const char *name;
	struct packet error;
	struct icmp icmp;
	struct packet sent;
	enum sl_verdict verdict;
	bool of_service;
} refused[] = {
	{"redirect", ERROR4(VIP), {.type = 5}, SENT4(VIP, TCP), SL_PASS_other_protocol, false},
	{"source quench", ERROR4(VIP), {.type = 4}, SENT4(VIP, TCP), SL_PASS_other_protocol, false},
	{"echo reply", ERROR4(VIP), {.type = 0}, SENT4(VIP, TCP), SL_PASS_other_protocol, false},
	{"type 0 v6", ERROR6(VIP6), {.type = 0}, SENT6(VIP6, TCP), SL_PASS_other_protocol, false},
	{"type 5 v6", ERROR6(VIP6), {.type = 5}, SENT6(VIP6, TCP), SL_PASS_other_protocol, false},
	{"neighbour solicitation",
	 ERROR6(VIP6),
	 {.type = 135},
	 SENT6(VIP6, TCP),
	 SL_PASS_other_protocol,
	 false},
	{"IPv6 in icmp", ERROR4(VIP), NEEDED(), SENT6(VIP6, TCP), SL_PASS_unreadable, false},
	{"IPv4 in icmpv6", ERROR6(VIP6), TOO_BIG(), SENT4(VIP, TCP), SL_PASS_unreadable, false},
	{"to another address than the quote is from", ERROR4("203.0.113.99"), NEEDED(),
	 SENT4(VIP, TCP), SL_PASS_other_protocol, false},
	{"the same between VIPs", ERROR4("203.0.113.11"), NEEDED(), SENT4(VIP, TCP),
	 SL_PASS_other_protocol, false},
	{"the same v6, by the last half", ERROR6("2001:db8:f::99"), TOO_BIG(), SENT6(VIP6, TCP),
	 SL_PASS_other_protocol, false},
	{"the same v6, by the first half", ERROR6("2001:db8:e::10"), TOO_BIG(), SENT6(VIP6, TCP),
	 SL_PASS_other_protocol, false},
	{"another host's", ERROR4("203.0.113.99"), NEEDED(), SENT4("203.0.113.99", TCP),
	 SL_PASS_no_listener, false},
	{"another port of the VIP",
	 ERROR4(VIP),
	 NEEDED(),
	 {.source = VIP, .destination = CLIENT, .source_port = 22, .destination_port = 40000, TCP},
	 SL_PASS_no_listener,
	 false},
	{"a protocol without listener", ERROR4("203.0.113.22"), NEEDED(),
	 SENT4("203.0.113.22", UDP), SL_PASS_no_listener, false},
	{"the flow is not swapped twice: a packet to the VIP, quoted",
	 ERROR4(CLIENT),
	 NEEDED(),
	 {.source = CLIENT, .destination = VIP, .source_port = 40000, .destination_port = 443, TCP},
	 SL_PASS_no_listener,
	 false},
	{"a quoted echo", ERROR4(VIP), NEEDED(), SENT4(VIP, .protocol = IPPROTO_ICMP),
	 SL_PASS_other_protocol, false},
	{"a later fragment quoted", ERROR4(VIP), NEEDED(), SENT4(VIP, UDP, .fragment = 0x00b9),
	 SL_PASS_other_protocol, false},
	{"a later fragment quoted v6", ERROR6(VIP6), TOO_BIG(),
	 SENT6(VIP6, UDP, .extensions = extensions, .fragment = 0x0588), SL_PASS_other_protocol,
	 false},
	{"more extension headers quoted than are read", ERROR6(VIP6), TOO_BIG(),
	 SENT6(VIP6, UDP, .extensions = seven), SL_PASS_other_protocol, false},
	{"a fragment of an error", ERROR4(VIP, .fragment = 0x2000), NEEDED(), SENT4(VIP, TCP),
	 SL_PASS_other_protocol, false},
	{"7 bytes quoted", ERROR4(VIP), NEEDED(.quoted = 27), SENT4(VIP, TCP), SL_PASS_unreadable,
	 false},
	{"7 bytes quoted v6", ERROR6(VIP6), TOO_BIG(.quoted = 47), SENT6(VIP6, TCP),
	 SL_PASS_unreadable, false},
	{"cut within the quoted header", ERROR4(VIP), NEEDED(.quoted = 19), SENT4(VIP, TCP),
	 SL_PASS_unreadable, false},
	{"quoted header length 4", ERROR4(VIP), NEEDED(), SENT4(VIP, TCP, .ihl = 4),
	 SL_PASS_unreadable, false},
	{"cut within the ICMP header", ERROR4(VIP, .cut = 21), NEEDED(.quoted = 20),
	 SENT4(VIP, TCP), SL_PASS_unreadable, false},

	{"IP length beyond the frame", ERROR4(VIP, .lie_ip_length = 1), NEEDED(), SENT4(VIP, TCP),
	 SL_DROP_bad_length, true},
	{"IP length before the end of the 8 bytes", ERROR4(VIP, .lie_ip_length = -1), NEEDED(MIN4),
	 SENT4(VIP, TCP), SL_DROP_bad_length, true},
	{"IP length before the end of the 8 bytes v6", ERROR6(VIP6, .lie_ip_length = -1),
	 TOO_BIG(MIN6), SENT6(VIP6, TCP), SL_DROP_bad_length, true},
	{"no backend", ERROR4("203.0.113.20"), NEEDED(), SENT4("203.0.113.20", TCP),
	 SL_DROP_no_backend, true},
	{"no next hop", ERROR4("203.0.113.21"), NEEDED(), SENT4("203.0.113.21", TCP),
	 SL_DROP_no_nexthop, true},
	{"an error that does not fit the tunnel", ERROR4(VIP), NEEDED(),
	 SENT4(VIP, TCP, .payload = 1440), SL_DROP_too_big, true},
};

#define REFUSED (int)(sizeof(refused) / sizeof(refused[0]))

static void check_refused(struct world *w, int i)
{
	struct world_ran ran;
	struct frame in;

	build_error(&in, &refused[i].error, &refused[i].icmp, &refused[i].sent);
	world_run_counted(w, refused[i].name, &in, refused[i].verdict, &ran);
	ck_assert_msg(ran.action == (refused[i].of_service ? XDP_DROP : XDP_PASS), "%s: action %d",
		      refused[i].name, ran.action);
	world_expect_frame(refused[i].name, &ran.out, &in);
	ck_assert_msg(world_dropped(&ran.after) - world_dropped(&ran.before) ==
			      refused[i].of_service,
		      "%s: the service's count", refused[i].name);
}

START_TEST(what_is_not_surely_about_a_service_passes_untouched)
{
	struct world w;

	world_open(&w, _i);
	for (int i = 0; i < REFUSED; i++)
		check_refused(&w, i);
	world_close(&w);
}
END_TEST

/* ---- tracking ----------------------------------------------------------------------------------- */

enum { OLD = 1, NEW, BACKENDS };

/* The error about what the flow's server has sent, with as few bytes as routers may quote. */
static void rig_error(const struct rig *rig, const struct rig_flow *flow, struct rig_frame *out)
{
	size_t ip = flow->v6 ? 40 : 20, size = flow->v6 ? 16 : 4;
	size_t addresses = 14 + (flow->v6 ? 8 : 12);
	struct rig_frame packet;
	uint8_t *quote, *end;

	rig_build(rig, flow, &packet);
	*out = packet;
	out->flags_at = 0; /* nothing is patched */
	quote = out->bytes + 14 + ip + 8;
	out->length = 14 + ip + 8 + ip + 8;
	memcpy(quote, packet.bytes + 14, ip + 8);
	end = quote + addresses - 14;
	memcpy(end, packet.bytes + addresses + size, size);
	memcpy(end + size, packet.bytes + addresses, size);
	memcpy(quote + ip, packet.bytes + 14 + ip + 2, 2);
	memcpy(quote + ip + 2, packet.bytes + 14 + ip, 2);
	memset(out->bytes + 14 + ip, 0, 8);
	out->bytes[14 + ip] = flow->v6 ? 2 : 3;
	out->bytes[14 + ip + 1] = flow->v6 ? 0 : 4;
	if (flow->v6) {
		out->bytes[18] = 0;
		out->bytes[19] = ip + 16;
		out->bytes[20] = IPPROTO_ICMPV6;
	} else {
		out->bytes[16] = 0;
		out->bytes[17] = 2 * ip + 16;
		out->bytes[23] = IPPROTO_ICMP;
	}
}

static void open_moving(struct rig *rig, bool order_loads)
{
	struct rig_options small = {.flows = 64,
				    .slots = 1,
				    .backends = BACKENDS,
				    .syn_ticks = 3,
				    .closing_ticks = 60,
				    .order_loads = order_loads};

	ck_assert_int_eq(rig_open(rig, &small), 0);
	rig_set_tick(rig, 1000);
	rig_set_idle(rig, RIG_BOTH, 100);
	rig_set_longest(rig, 100);
	rig_set_cold(rig, rig_first_slot(rig, RIG_BOTH), OLD);
	rig_set_hot(rig, rig_first_slot(rig, RIG_BOTH), SL_HOT_LOOK | NEW);
}

static void copy_entries(const struct rig *rig, struct sl_flow out[64])
{
	for (int i = 0; i < 64; i++)
		out[i] = *rig_entry(rig, i);
}

static uint64_t all_events(const struct rig *rig)
{
	uint64_t sum = 0;

	for (int e = 1; e < SL_EVENTS; e++)
		sum += rig_event(rig, e);
	return sum;
}

START_TEST(while_a_slot_moves_an_error_follows_entry_or_base_and_writes_nothing)
{
	struct sl_flow before[64], after[64];
	struct rig_frame frame;
	struct rig rig;
	uint64_t events;

	open_moving(&rig, _i & 4);
	for (int other = 0; other < 2; other++) {
		struct rig_flow flow = {.service = RIG_BOTH,
					.v6 = _i & 1,
					.udp = _i & 2,
					.client = 77,
					.port = 1000 + other};

		if (!other) { /* a new flow: it is written down at the newcomer */
			rig_build(&rig, &flow, &frame);
			ck_assert_int_eq(rig_send(&rig, &frame, RIG_SYN), NEW);
			rig_set_tick(&rig, 1050);
		}
		copy_entries(&rig, before);
		events = all_events(&rig);
		rig_error(&rig, &flow, &frame);
		ck_assert_int_eq(rig_send(&rig, &frame, 0), other ? OLD : NEW);
		copy_entries(&rig, after);
		ck_assert_mem_eq(before, after, sizeof(before));
		ck_assert_uint_eq(all_events(&rig), events);
		ck_assert_uint_eq(
			rig.dp->maps.cold[rig_first_slot(&rig, RIG_BOTH) / SL_COLD_PER_LINE]
				.word[rig_first_slot(&rig, RIG_BOTH) % SL_COLD_PER_LINE],
			OLD);
	}
	rig_close(&rig);
}
END_TEST

START_TEST(an_error_about_a_flow_that_is_over_goes_to_the_base)
{
	struct rig_flow flow = {.service = RIG_BOTH, .v6 = _i, .client = 77, .port = 1000};
	struct rig_frame frame;
	struct rig rig;

	open_moving(&rig, false);
	rig_build(&rig, &flow, &frame);
	ck_assert_int_eq(rig_send(&rig, &frame, RIG_SYN), NEW);
	rig_set_tick(&rig, 1100);
	rig_error(&rig, &flow, &frame);
	ck_assert_int_eq(rig_send(&rig, &frame, 0), NEW);
	rig_set_tick(&rig,
		     1101); /* longer silent than idle_ticks; the error has not refreshed it */
	ck_assert_int_eq(rig_send(&rig, &frame, 0), OLD);
	rig_set_cold(&rig, rig_first_slot(&rig, RIG_BOTH), SL_NOBODY);
	ck_assert_int_eq(rig_send(&rig, &frame, 0), SL_NOBODY);
	rig_close(&rig);
}
END_TEST

Suite *balancer_icmp_suite(void)
{
	Suite *suite = suite_create("balancer icmp");
	TCase *tcase = tcase_create("errors");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(
		tcase, an_error_goes_to_the_flows_backend_as_it_came_and_counts_as_no_packet_of_it,
		0, WAYS);
	tcase_add_test(tcase, an_error_leaves_by_the_backends_interface);
	tcase_add_test(tcase, an_error_follows_its_flow_through_any_table);
	tcase_add_loop_test(tcase, what_is_not_surely_about_a_service_passes_untouched, 0, 2);
	tcase_add_loop_test(
		tcase, while_a_slot_moves_an_error_follows_entry_or_base_and_writes_nothing, 0, 8);
	tcase_add_loop_test(tcase, an_error_about_a_flow_that_is_over_goes_to_the_base, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite;
}
