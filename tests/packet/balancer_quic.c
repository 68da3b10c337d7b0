/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `affinity: quic`: which backend a connection id names, long and short headers, every reason why it names none, and
 * that the flow's hash decides then; every byte that is sent, with the knob on and off. Packets of real libraries are in
 * balancer_quic_real.c.
 */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "packet/quic.h"
#include "packet/world.h"

#define RECORD 1 /* all of its slots name V4 */

static struct world w;

/* What an id says, and where that leads. `id`: the first octet, server id, and what of the nonce matters. */
static const struct id_case {
	const char *name;
	uint8_t id[20];
	uint8_t length; /* as a long header says it */
	enum world_backend short_to, long_to;
	enum sl_event short_event, long_event;
} cases[] = {
#define BOTH(backend, event) backend, backend, SL_EVENT_##event, SL_EVENT_##event
	{"2 bytes", {0x00, 0x0a, 0x0b, 1}, 9, BOTH(WORLD_V6, quic_named)},
	{"2 bytes, other bits", {0x1f, 0x0a, 0x0b, 0xff}, 9, BOTH(WORLD_V6, quic_named)},
	{"2 bytes of another", {0x00, 0x0a, 0x0c}, 9, BOTH(WORLD_V4B, quic_named)},
	{"1 byte", {0x25, 0x0a}, 6, BOTH(WORLD_V6, quic_named)},
	{"7 bytes", {0x40, 1, 2, 3, 4, 5, 6, 7, 9}, 12, BOTH(WORLD_V4B, quic_named)},
	{"8 bytes", {0x60, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 13, BOTH(WORLD_V6, quic_named)},
	{"15 bytes",
	 {0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	 20,
	 BOTH(WORLD_V4B, quic_named)},
	{"nobody's", {0x00, 0x0a, 0x0d}, 9, BOTH(WORLD_V4, quic_unknown)},
	{"the other way round", {0x00, 0x0b, 0x0a}, 9, BOTH(WORLD_V4, quic_unknown)},
	{"zero", {0x00, 0, 0}, 9, BOTH(WORLD_V4, quic_unknown)},
	{"of another service", {0x00, 0x0e, 0x0e}, 9, BOTH(WORLD_V4, quic_unknown)},
	{"15 bytes, the last one wrong",
	 {0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16},
	 20,
	 BOTH(WORLD_V4, quic_unknown)},
	{"7 bytes with another's beginning",
	 {0x40, 0x0a, 0x0b, 0, 0, 0, 0, 0},
	 12,
	 BOTH(WORLD_V4, quic_unknown)},
	{"no such configuration", {0xa0, 0x0a, 0x0b}, 9, BOTH(WORLD_V4, quic_unroutable)},
	{"unroutable", {0xe0, 0x0a, 0x0b}, 9, BOTH(WORLD_V4, quic_unroutable)},
	{"says another length than its configuration",
	 {0x24, 0x0a},
	 6,
	 BOTH(WORLD_V4, quic_malformed)},
	/* A short header has no length that could be wrong. */
	{"of a client that chose 8 bytes",
	 {0x00, 0x0a, 0x0b},
	 8,
	 WORLD_V6,
	 WORLD_V4,
	 SL_EVENT_quic_named,
	 SL_EVENT_quic_malformed},
	{"longer",
	 {0x00, 0x0a, 0x0b},
	 10,
	 WORLD_V6,
	 WORLD_V4,
	 SL_EVENT_quic_named,
	 SL_EVENT_quic_malformed},
	{"empty",
	 {0x00, 0x0a, 0x0b},
	 0,
	 WORLD_V6,
	 WORLD_V4,
	 SL_EVENT_quic_named,
	 SL_EVENT_quic_malformed},
	{"drained",
	 {0x00, 0x0f, 0x01},
	 9,
	 WORLD_V6,
	 WORLD_V4,
	 SL_EVENT_quic_named,
	 SL_EVENT_quic_closed},
};

static const struct quic_id ids[] = {
	{2, {0x0a, 0x0b}, WORLD_V6},
	{2, {0x0a, 0x0c}, WORLD_V4B},
	{2, {0x0f, 0x01}, WORLD_V6 | SL_SERVER_ID_CLOSED},
	{1, {0x0a}, WORLD_V6},
	{7, {1, 2, 3, 4, 5, 6, 7}, WORLD_V4B},
	{8, {1, 2, 3, 4, 5, 6, 7, 8}, WORLD_V6},
	{15, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, WORLD_V4B},
};
static const struct quic_id others[] = {{2, {0x0e, 0x0e}, WORLD_V4B}};

static const uint16_t configs[SL_QUIC_CONFIGS] = {
	QUIC_CONFIG(2, 6), QUIC_CONFIG(1, 4) | SL_QUIC_ENCODES_LENGTH, QUIC_CONFIG(7, 4),
	QUIC_CONFIG(8, 4), QUIC_CONFIG(15, 4)};

static void open_world_way(bool service, const struct world_way *way)
{
	world_open_way(&w, way);
	quic_service(&w, RECORD, service ? configs : NULL);
	quic_write_ids(&w, RECORD, ids, sizeof(ids) / sizeof(ids[0]), true);
	quic_write_ids(&w, RECORD + 1, others, 1, false);
}

static void open_world(bool service, bool knob)
{
	open_world_way(service, &(struct world_way){.features.quic = knob});
}

/* A packet from one of two clients, IPv4 and IPv6, of which `payload` bytes are there. */
static void build(struct frame *out, const uint8_t *data, size_t payload, bool v6)
{
	const struct packet packet = {.source = v6 ? "2001:db8:c::1" : "198.51.100.1",
				      .destination = v6 ? "2001:db8:f::10" : "203.0.113.10",
				      .source_port = 40000,
				      .destination_port = 443,
				      .protocol = IPPROTO_UDP,
				      .data = data,
				      .payload = payload};

	frame_build(out, &packet);
}

static size_t put_header(uint8_t *data, const struct id_case *c, bool is_long)
{
	size_t at = 0;

	memset(data, 0x5a, 64);
	data[at++] = is_long ? 0xc3 : 0x43;
	if (is_long) {
		memcpy(data + at, (uint8_t[]){0x1a, 0x2a, 0x3a, 0x4a},
		       4); /* of no version that there is */
		at += 4;
		data[at++] = c->length;
	}
	memcpy(data + at, c->id, sizeof(c->id));
	return 64;
}

static void expect_at(const struct frame *in, enum world_backend backend, enum sl_event event,
		      const char *name)
{
	struct frame out, expected;
	uint64_t before[SL_EVENTS], after[SL_EVENTS];
	struct outer outer;

	world_outer(&w, backend, in, &outer);
	frame_encapsulate(&expected, in, &outer);
	quic_events(&w, before);
	ck_assert_msg(world_run(&w, in, &out, 1) == XDP_TX, "%s: is not sent", name);
	quic_events(&w, after);
	ck_assert_msg(out.length == expected.length && !memcmp(out.data, expected.data, out.length),
		      "%s: not at backend %d", name, backend);
	for (int e = SL_EVENT_quic_named; e <= SL_EVENT_quic_dead; e++)
		ck_assert_msg(after[e] - before[e] == (e == (int)event), "%s: event %d", name, e);
}

START_TEST(an_id_names_its_backend_and_what_names_none_goes_by_the_flow)
{
	uint8_t data[64];
	struct frame in;

	open_world(true, true);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int is_long = 0; is_long < 2; is_long++) {
			const struct id_case *c = &cases[i];

			build(&in, data, put_header(data, c, is_long), _i);
			expect_at(&in, is_long ? c->long_to : c->short_to,
				  is_long ? c->long_event : c->short_event, c->name);
		}
	world_close(&w);
}
END_TEST

/* _i: 0 the knob is off, 1 the service does not want it. */
START_TEST(nothing_is_read_where_the_knob_is_off_or_the_service_does_not_want_it)
{
	uint8_t data[64];
	struct frame in;

	open_world(_i == 0, _i == 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int is_long = 0; is_long < 2; is_long++) {
			build(&in, data, put_header(data, &cases[i], is_long), i % 2);
			expect_at(&in, WORLD_V4, SL_EVENT_NONE, cases[i].name);
		}
	world_close(&w);
}
END_TEST

START_TEST(what_is_cut_short_at_any_byte_goes_by_the_flow)
{
	uint8_t data[64];
	struct frame in;

	open_world(true, true);
	for (int is_long = 0; is_long < 2; is_long++)
		for (size_t length = 0; length <= 40; length++) {
			size_t least = (is_long ? 6 : 1) + 16;

			put_header(data, &cases[0], is_long);
			build(&in, data, length, _i);
			if (length < least)
				expect_at(&in, WORLD_V4, SL_EVENT_quic_malformed, "short");
			else
				expect_at(&in, WORLD_V6, SL_EVENT_quic_named, "long enough");
		}
	/* 15 bytes of server id and 4 of nonce: 20 with the first octet, more than the 16 that are loaded. */
	for (size_t length = 17; length <= 22; length++) {
		put_header(data, &cases[6], false);
		build(&in, data, length, _i);
		if (length < 21)
			expect_at(&in, WORLD_V4, SL_EVENT_quic_malformed, "short");
		else
			expect_at(&in, WORLD_V4B, SL_EVENT_quic_named, "long enough");
	}
	world_close(&w);
}
END_TEST

/* Bytes of the frame that are not of the datagram are not read. */
START_TEST(what_lies_behind_the_datagram_is_not_read)
{
	const struct packet packet = {.source = "198.51.100.1",
				      .destination = "203.0.113.10",
				      .source_port = 40000,
				      .destination_port = 443,
				      .protocol = IPPROTO_UDP,
				      .data = (const uint8_t[]){0x43, 0x00, 0x0a, 0x0b},
				      .payload = 4,
				      .padding = 60};
	struct frame in;

	open_world(true, true);
	frame_build(&in, &packet);
	expect_at(&in, WORLD_V4, SL_EVENT_quic_malformed, "padded");
	world_close(&w);
}
END_TEST

/* Only what may begin a connection is kept from a backend that is down; one that is dead gets nothing. */
START_TEST(connections_stay_at_a_backend_that_is_down_and_leave_one_that_is_dead)
{
	struct frame begins, goes_on;
	uint8_t data[64];

	open_world(true, true);
	build(&begins, data, put_header(data, &cases[0], true), _i);
	build(&goes_on, data, put_header(data, &cases[0], false), _i);
	ck_assert_int_eq(w.ops->write_flags(w.dp, WORLD_V6, SL_BACKEND_DOWN), 0);
	expect_at(&begins, WORLD_V4, SL_EVENT_quic_closed, "down, long");
	expect_at(&goes_on, WORLD_V6, SL_EVENT_quic_named, "down, short");
	ck_assert_int_eq(w.ops->write_flags(w.dp, WORLD_V6, SL_BACKEND_DOWN | SL_BACKEND_DEAD), 0);
	expect_at(&begins, WORLD_V4, SL_EVENT_quic_dead, "dead, long");
	expect_at(&goes_on, WORLD_V4, SL_EVENT_quic_dead, "dead, short");
	ck_assert_int_eq(w.ops->write_flags(w.dp, WORLD_V6, 0), 0);
	expect_at(&begins, WORLD_V6, SL_EVENT_quic_named, "well, long");
	world_close(&w);
}
END_TEST

/* In a slot that moves, the flow's own rules hold for it, and an id's packet writes nothing. */
START_TEST(what_an_id_names_has_no_entry_and_what_it_does_not_has_one)
{
	uint64_t before[SL_EVENTS], after[SL_EVENTS];
	uint8_t data[64];
	struct dataplane_store store;
	struct sl_service record;
	struct frame in;

	open_world(true, true);
	record = w.view->services[RECORD];
	record.idle_ticks = 100;
	ck_assert_int_eq(w.ops->write_service(w.dp, RECORD, &record), 0);
	ck_assert_int_eq(w.ops->write_longest(w.dp, 200), 0);
	build(&in, data, put_header(data, &cases[0], false), _i);
	store = (struct dataplane_store){record.slots_base +
						 sl_hash_slot(world_hash(&w, &in), WORLD_SLOTS),
					 WORLD_V4B | SL_HOT_LOOK};
	ck_assert_int_eq(w.ops->store_hot(w.dp, &store, 1), 0);
	quic_events(&w, before);
	expect_at(&in, WORLD_V6, SL_EVENT_quic_named, "named");
	quic_events(&w, after);
	ck_assert_uint_eq(after[SL_EVENT_inserted], before[SL_EVENT_inserted]);
	/* Its unknown twin of the same flow is new, and goes where the change sends new flows. */
	build(&in, data, put_header(data, &cases[7], false), _i);
	expect_at(&in, WORLD_V4B, SL_EVENT_quic_unknown, "unknown");
	quic_events(&w, after);
	ck_assert_uint_eq(after[SL_EVENT_inserted], before[SL_EVENT_inserted] + 1);
	world_close(&w);
}
END_TEST

START_TEST(a_client_s_address_and_port_do_not_matter_to_an_id)
{
	uint8_t data[64];
	struct frame in;

	open_world(true, true);
	put_header(data, &cases[2], false);
	for (int n = 0; n < 300; n++) {
		char source[40];
		const struct packet packet = {.source = source,
					      .destination = _i ? "2001:db8:f::10" : "203.0.113.10",
					      .source_port = 1024 + n * 199,
					      .destination_port = 443,
					      .protocol = IPPROTO_UDP,
					      .data = data,
					      .payload = 30 + n % 7};

		snprintf(source, sizeof(source), _i ? "2001:db8:c::%x" : "198.51.100.%d", n % 256);
		frame_build(&in, &packet);
		expect_at(&in, WORLD_V4B, SL_EVENT_quic_named, source);
	}
	world_close(&w);
}
END_TEST

/* The words of its configurations change one by one in a record in force. */
START_TEST(another_configuration_is_in_force_at_once)
{
	uint16_t words[SL_QUIC_CONFIGS] = {0};
	uint8_t data[64];
	struct frame in;

	open_world(true, true);
	build(&in, data, put_header(data, &cases[0], false), false);
	ck_assert_int_eq(w.ops->write_quic(w.dp, RECORD, words), 0);
	expect_at(&in, WORLD_V4, SL_EVENT_quic_unroutable, "no configuration");
	words[0] = QUIC_CONFIG(2, 4);
	ck_assert_int_eq(w.ops->write_quic(w.dp, RECORD, words), 0);
	expect_at(&in, WORLD_V6, SL_EVENT_quic_named, "another nonce");
	ck_assert_int_eq(w.ops->write_quic(w.dp, 0, words), -ERANGE);
	ck_assert_int_eq(w.ops->write_quic(w.dp, sl_service_records(&w.view->limits), words),
			 -ERANGE);
	world_close(&w);
}
END_TEST

/* The id's backend is the one that the table in force at the packet's look-up says. */
START_TEST(an_id_that_is_taken_away_or_given_to_another_leads_nowhere_else)
{
	const struct quic_id moved = {2, {0x0a, 0x0b}, WORLD_V4B};
	uint8_t data[64];
	struct frame in;

	open_world(true, true);
	build(&in, data, put_header(data, &cases[0], false), _i);
	quic_write_ids(&w, RECORD, &moved, 1, true);
	expect_at(&in, WORLD_V4B, SL_EVENT_quic_named, "another's");
	quic_write_ids(&w, RECORD, NULL, 0, true);
	expect_at(&in, WORLD_V4, SL_EVENT_quic_unknown, "nobody's");
	world_close(&w);
}
END_TEST

/* By its verdict, and by no event: the deny list is asked first. */
START_TEST(of_a_denied_source_no_connection_id_is_read)
{
	static const char *const denied[] = {"198.51.100.0/24", "2001:db8:c::/48"};
	struct world_counts before, after;
	uint64_t events[SL_EVENTS], later[SL_EVENTS];
	uint8_t data[64];
	struct frame in, out;

	open_world_way(true, &(struct world_way){.features = {.quic = true, .deny = true}});
	build(&in, data, put_header(data, &cases[0], false), _i);
	expect_at(&in, WORLD_V6, SL_EVENT_quic_named, "not denied");
	world_deny(&w, &denied[_i], 1);
	quic_events(&w, events);
	world_count(&w, &before);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int is_long = 0; is_long < 2; is_long++) {
			build(&in, data, put_header(data, &cases[i], is_long), _i);
			ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_DROP);
		}
	world_count(&w, &after);
	quic_events(&w, later);
	ck_assert_uint_eq(after.verdict[SL_DROP_denied] - before.verdict[SL_DROP_denied],
			  2 * sizeof(cases) / sizeof(cases[0]));
	ck_assert_mem_eq(events, later, sizeof(events));
	/* What is malformed is dropped for that, whoever sent it. */
	in.data[_i ? 58 : 38] = 0; /* the length in UDP's header */
	in.data[_i ? 59 : 39] = 7;
	ck_assert_int_eq(world_run(&w, &in, &out, 1), XDP_DROP);
	world_count(&w, &before);
	ck_assert_uint_eq(before.verdict[SL_DROP_bad_udp] - after.verdict[SL_DROP_bad_udp], 1);
	world_close(&w);
}
END_TEST

Suite *balancer_quic_suite(void)
{
	Suite *suite = suite_create("balancer QUIC");
	TCase *tcase = tcase_create("quic");

	tcase_set_timeout(tcase, 60);
	/* IPv4, IPv6 */
	tcase_add_loop_test(tcase, an_id_names_its_backend_and_what_names_none_goes_by_the_flow, 0,
			    2);
	tcase_add_loop_test(
		tcase, nothing_is_read_where_the_knob_is_off_or_the_service_does_not_want_it, 0, 2);
	tcase_add_loop_test(tcase, what_is_cut_short_at_any_byte_goes_by_the_flow, 0, 2);
	tcase_add_test(tcase, what_lies_behind_the_datagram_is_not_read);
	tcase_add_loop_test(
		tcase, connections_stay_at_a_backend_that_is_down_and_leave_one_that_is_dead, 0, 2);
	tcase_add_loop_test(tcase, what_an_id_names_has_no_entry_and_what_it_does_not_has_one, 0,
			    2);
	tcase_add_loop_test(tcase, a_client_s_address_and_port_do_not_matter_to_an_id, 0, 2);
	tcase_add_test(tcase, another_configuration_is_in_force_at_once);
	tcase_add_loop_test(tcase, an_id_that_is_taken_away_or_given_to_another_leads_nowhere_else,
			    0, 2);
	tcase_add_loop_test(tcase, of_a_denied_source_no_connection_id_is_read, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite;
}
