/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Server ids in the maps: whom they name while services, backends and tables come and go, and that none ever names an
 * index that is another's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/ids.h"
#include "unit/support/tracked_web.h"
#include "unit/unit.h"

#define QUIC_OF(size, more, backends)                                                             \
	" - {name: web, address: 203.0.113.10, port: 443, protocol: udp, affinity: quic, "        \
	"table-size: " size ", tracking: changes, idle-timeout: 60s, drain-timeout: 2m, "         \
	"quic: {rotation: 0, server-id-length: 2, nonce-length: 6" more "}, backends: [" backends \
	"]}\n"
#define QUIC(more, backends) QUIC_OF("251", more, backends)
#define SERVICE_OF(backends) QUIC("", backends)
#define QA		     "{address: 10.0.1.11, server-id: 0a01}"
#define QB		     "{address: 10.0.1.12, server-id: 0a02}"
#define QB_OTHER	     "{address: 10.0.1.12, server-id: 0b02}"
#define QC		     "{address: 10.0.1.13, server-id: 0a02}"

/* With backends QA and QB; returns the index of QB. */
static uint32_t start_two(void)
{
	start(SERVICE_OF(QA "," QB));
	return index_of("10.0.1.12");
}

/* The value of an id of two bytes. */
static uint16_t named(uint16_t id)
{
	return fake_named(&host, "web", id);
}

static size_t count_ids(void)
{
	size_t listeners = dataplane_listeners(&host.fake->view, NULL, 0), count = 0;
	struct dataplane_listener *list = calloc(listeners + 1, sizeof(*list));

	dataplane_listeners(&host.fake->view, list, listeners);
	for (size_t i = 0; i < listeners; i++)
		count += dataplane_is_server_id(&list[i]);
	free(list);
	return count;
}

START_TEST(ids_name_their_backends_and_follow_the_configuration)
{
	struct engine_service_place place;

	start_two();
	ck_assert_uint_eq(named(0x0a01), index_of("10.0.1.11"));
	ck_assert_uint_eq(named(0x0a02), index_of("10.0.1.12"));
	ck_assert_uint_eq(count_ids(), 2);
	place = fake_service_place(&host, "web");
	ck_assert_uint_eq(host.fake->services[place.record].flags,
			  SL_SERVICE_TRACKS | SL_SERVICE_QUIC);
	ck_assert_uint_eq(host.fake->services[place.record].quic[0], 2 | 6 << SL_QUIC_NONCE_SHIFT);
	apply(SERVICE_OF(QA "," QB_OTHER));
	ck_assert_uint_eq(named(0x0a02), 0);
	ck_assert_uint_eq(named(0x0b02), index_of("10.0.1.12"));
	fake_host_free(&host);
}
END_TEST

START_TEST(other_configurations_are_stored_in_the_record_in_force)
{
	struct engine_service_place before, after;

	start_two();
	before = fake_service_place(&host, "web");
	apply(QUIC(", encodes-length: true", QA "," QB));
	after = fake_service_place(&host, "web");
	ck_assert_uint_eq(after.record, before.record);
	ck_assert_uint_eq(host.fake->services[after.record].quic[0],
			  2 | 6 << SL_QUIC_NONCE_SHIFT | SL_QUIC_ENCODES_LENGTH);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_backend_that_takes_no_new_flows_is_closed_to_what_may_begin)
{
	uint32_t b = start_two();

	override_state("10.0.1.12", CONFIG_DRAIN);
	ck_assert_uint_eq(named(0x0a02), b | SL_SERVER_ID_CLOSED);
	ck_assert(holding("10.0.1.12").holds); /* its connections have neither slots nor entries */
	pass(100);
	ck_assert(holding("10.0.1.12").holds);
	override_state("10.0.1.12", CONFIG_UP);
	ck_assert_uint_eq(named(0x0a02), b);
	/* One that is down is told by its flags. */
	override_state("10.0.1.12", CONFIG_DOWN);
	ck_assert_uint_eq(named(0x0a02), b);
	ck_assert_uint_eq(host.fake->backends[b].flags, SL_BACKEND_DOWN | SL_BACKEND_DEAD);
	fake_host_free(&host);
}
END_TEST

/* It may have connections, whatever the slots and entries say. */
START_TEST(a_removed_backend_is_named_until_its_drain_is_over_and_its_index_is_nobody_s_before)
{
	uint32_t b = start_two();

	apply(SERVICE_OF(QA));
	ck_assert_uint_eq(named(0x0a02), b | SL_SERVER_ID_CLOSED);
	pass(118);
	ck_assert_uint_eq(named(0x0a02), b | SL_SERVER_ID_CLOSED);
	ck_assert_uint_eq(host.fake->backends[b].flags, 0);
	ck_assert_uint_eq(host.fake->backends[b].family, 4);
	pass(120);
	ck_assert_uint_eq(host.fake->backends[b].family, 0);
	ck_assert_uint_eq(named(0x0a02), 0);
	ck_assert_uint_eq(count_ids(), 1);
	fake_host_free(&host);
}
END_TEST

START_TEST(an_id_goes_to_the_backend_that_has_it_now)
{
	start_two();
	apply(SERVICE_OF(QA "," QC));
	ck_assert_uint_eq(named(0x0a02), index_of("10.0.1.13"));
	ck_assert_uint_eq(count_ids(), 2);
	pass(300);
	ck_assert_uint_eq(named(0x0a02), index_of("10.0.1.13"));
	fake_host_free(&host);
}
END_TEST

START_TEST(another_table_keeps_ids_of_backends_that_leave)
{
	uint32_t b = start_two();

	apply(SERVICE_OF(QA));
	fake_apply(&host, QUIC_OF("257", "", QA), true, 0);
	ck_assert_uint_eq(named(0x0a02), b | SL_SERVER_ID_CLOSED);
	ck_assert_uint_eq(named(0x0a01), index_of("10.0.1.11"));
	fake_host_free(&host);
}
END_TEST

START_TEST(ids_go_with_the_affinity_and_with_the_service)
{
	start_two();
	fake_apply(&host, WEB(A "," B), true, 0);
	ck_assert_uint_eq(count_ids(), 0);
	fake_apply(&host, SERVICE_OF(QA "," QB), true, 0);
	ck_assert_uint_eq(count_ids(), 2);
	fake_apply(&host, FAKE_DNS, true, 0);
	ck_assert_uint_eq(count_ids(), 0);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_change_that_fails_leaves_the_ids_as_they_were)
{
	for (unsigned int at = 1;; at++) {
		uint32_t b = start_two();
		struct problems p = {};
		int err;

		host.fake->fail_at = host.fake->calls + at;
		err = engine_apply(host.engine,
				   fake_config(QUIC(", encodes-length: true", QA "," QC)), false,
				   now_ms, NULL, &p);
		host.fake->fail_at = 0;
		problems_free(&p);
		if (err) {
			ck_assert_uint_eq(named(0x0a02), b);
			ck_assert_uint_eq(count_ids(), 2);
		}
		fake_host_free(&host);
		if (!err)
			break;
		ck_assert_uint_lt(at, 50);
	}
}
END_TEST

START_TEST(a_restarted_agent_knows_the_ids_of_what_leaves)
{
	uint32_t b = start_two();

	apply(SERVICE_OF(QA));
	fake_host_start(&host);
	fake_apply(&host, SERVICE_OF(QA), false, 0);
	ck_assert_uint_eq(named(0x0a02), b | SL_SERVER_ID_CLOSED);
	fake_host_free(&host);
}
END_TEST

/* What flow lookup says of a packet to web that has this connection id. */
static const char *look(const uint8_t *id, size_t length, struct engine_flow_answer *out)
{
	const struct engine_flow flow = {
		.source = fake_address("192.0.2.1"),
		.destination = fake_address("203.0.113.10"),
		.source_port = 40000,
		.destination_port = 443,
		.protocol = 17,
		.connection_id = id,
		.connection_id_length = length,
	};

	ck_assert_int_eq(engine_flow_lookup(host.engine, &flow, out), 0);
	ck_assert(out->has_backend);
	return out->why;
}

START_TEST(flow_lookup_says_where_a_connection_id_leads_and_why_not)
{
	static const struct {
		uint8_t id[9];
		size_t length;
		const char *says;
	} others[] = {
		{{0}, 0, "of 251 names it"},
		{{0xe0, 0x0a, 2}, 9, "the connection id is of no configuration"},
		{{0x20, 0x0a, 2}, 9, "the connection id is of no configuration"},
		{{0x00, 0x0a, 2}, 8, "the connection id is not as long as its configuration says"},
		{{0x00, 0x0a, 3}, 9, "the connection id has a server id that is no backend's"},
	};
	struct engine_flow_answer answer;

	start_two();
	for (uint8_t low = 1; low <= 2; low++) {
		const struct addr b = fake_address(low == 1 ? "10.0.1.11" : "10.0.1.12");

		ck_assert_str_eq(look((uint8_t[9]){0x1f, 0x0a, low}, 9, &answer),
				 low == 1 ? "the connection id names it, whatever the flow's slot "
					    "says; its server id is 0a01"
					  : "the connection id names it, whatever the flow's slot "
					    "says; its server id is 0a02");
		ck_assert_int_eq(answer.from, ENGINE_FLOW_ID);
		ck_assert(addr_equal(&answer.backend, &b));
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		ck_assert_msg(strstr(look(others[i].id, others[i].length, &answer), others[i].says),
			      "%s", answer.why);
		ck_assert_int_eq(answer.from, ENGINE_FLOW_TABLE);
	}
	override_state("10.0.1.12", CONFIG_DOWN);
	ck_assert_ptr_nonnull(strstr(look((uint8_t[9]){0x00, 0x0a, 2}, 9, &answer),
				     "the connection id names a backend that is dead"));
	fake_host_free(&host);
}
END_TEST

/* As nobody but damage writes them. */
START_TEST(an_id_that_names_no_backend_of_its_service_is_refused)
{
	struct problems p = {};
	struct ids ids;

	start_two();
	host.fake->backends[index_of("10.0.1.12")].service++;
	ck_assert_int_eq(ids_read(&host.fake->view, &ids, &p), -EPROTO);
	ck_assert_str_eq(p.list[0].expected,
			 "a server id of it names no backend of it; the pinned maps are damaged; "
			 "take them away by: sluiced --down");
	problems_free(&p);
	host.fake->backends[index_of("10.0.1.12")].service--;
	fake_host_free(&host);
}
END_TEST

RUN_TESTS("core_quic", ids_name_their_backends_and_follow_the_configuration,
	  other_configurations_are_stored_in_the_record_in_force,
	  a_backend_that_takes_no_new_flows_is_closed_to_what_may_begin,
	  a_removed_backend_is_named_until_its_drain_is_over_and_its_index_is_nobody_s_before,
	  an_id_goes_to_the_backend_that_has_it_now, another_table_keeps_ids_of_backends_that_leave,
	  ids_go_with_the_affinity_and_with_the_service,
	  a_change_that_fails_leaves_the_ids_as_they_were,
	  a_restarted_agent_knows_the_ids_of_what_leaves,
	  flow_lookup_says_where_a_connection_id_leads_and_why_not,
	  an_id_that_names_no_backend_of_its_service_is_refused)
