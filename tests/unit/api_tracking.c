/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the socket shows of services that track their flows, while their tables change. */
#include <netinet/in.h>
#include <string.h>

#include <sluice/flow.h>

#include "base/mem.h"
#include "unit/support/asked_api.h"
#include "unit/unit.h"

#define SERVICE(backends)                                                                        \
	FAKE_HEAD "services:\n"                                                                  \
		  " - {name: web, address: 203.0.113.10, port: 443, table-size: 251, tracking: " \
		  "changes, idle-timeout: 60s, drain-timeout: 2m, backends: [" backends "]}\n"
#define A "{address: 10.0.1.11}"
#define B "{address: 10.0.1.12}"

static void start(void)
{
	asked_start();
	asked.host.fake->now = 1000;
	ask_apply(SERVICE(A "," B));
}

/* Lets seconds go by, with the ticks of the agent. */
static void pass(unsigned int seconds)
{
	while (seconds--) {
		asked.host.fake->now++;
		asked.agent.now_ms += 1000;
		engine_tick(asked.host.engine, asked.agent.now_ms);
	}
}

static void drain(void)
{
	struct wire_reply reply = ask(WIRE_COMMAND_backend_drain, backend_of("web", "10.0.1.12"));

	expect_kind(&reply, WIRE_KIND_backend);
	ck_assert(reply.backend->holds);
	wire_reply_free(&reply);
}

/* The first slot that is on its way. */
static uint32_t slot_under_way(void)
{
	uint32_t slot = 0;

	while (!(dataplane_hot(&asked.host.fake->view, slot) & SL_HOT_LOOK))
		slot++;
	return slot;
}

static void insert(void)
{
	fake_insert(asked.host.fake, 5, slot_under_way(),
		    fake_place(&asked.host, "web", "10.0.1.12").index, asked.host.fake->now + 50);
}

static const struct wire_arguments web = {.service = "web", .given = WIRE_BIT(service)};

static struct wire_reply show(void)
{
	struct wire_reply reply = ask_as(&asked_reader, WIRE_COMMAND_service_show, web);

	expect_kind(&reply, WIRE_KIND_service);
	return reply;
}

START_TEST(a_service_says_how_its_slots_are_since_when_and_until_when)
{
	struct wire_reply reply;

	start();
	reply = show();
	ck_assert_str_eq(reply.service->tracking, "changes");
	ck_assert_str_eq(reply.service->drain_end, "keep");
	ck_assert_uint_eq(reply.service->dead_after_ms, 30000);
	ck_assert_uint_eq(reply.service->slots_stable, 251);
	ck_assert_uint_eq(reply.service->slots_moving, 0);
	ck_assert_ptr_null(reply.service->held_open);
	wire_reply_free(&reply);
	drain();
	pass(11);
	reply = show();
	ck_assert_uint_eq(reply.service->slots_stable, 126);
	ck_assert_uint_eq(reply.service->slots_moving, 125);
	ck_assert_uint_eq(reply.service->moving_for_ms, 10000);
	ck_assert_uint_eq(reply.service->moving_left_ms, 52000);
	ck_assert_uint_eq(reply.service->changing_for_ms, 10000);
	ck_assert_ptr_null(reply.service->held_open);
	wire_reply_free(&reply);
	reply = ask_as(&asked_reader, WIRE_COMMAND_service_list, NOTHING);
	ck_assert_uint_eq(reply.services->services.list[0].slots_moving, 125);
	ck_assert_uint_eq(reply.services->services.list[0].moving_left_ms, 52000);
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(what_holds_a_change_open_is_said_by_service_and_status)
{
	struct wire_reply reply;
	uint32_t slot;

	start();
	drain();
	pass(5);
	slot = slot_under_way();
	asked.host.fake->cold[slot / SL_COLD_PER_LINE].word[slot % SL_COLD_PER_LINE] |=
		SL_COLD_CROWDED;
	reply = show();
	ck_assert_uint_eq(reply.service->slots_crowded, 1);
	ck_assert_ptr_nonnull(strstr(reply.service->held_open, "1 slot moves again"));
	wire_reply_free(&reply);
	reply = ask(WIRE_COMMAND_status, NOTHING);
	ck_assert_ptr_nonnull(
		strstr(reply.status->findings.list[0].what, "held open: 1 slot moves"));
	wire_reply_free(&reply);
	/* What fails is more than what is crowded. */
	asked.host.fake->fail_at = asked.host.fake->calls + 1;
	for (int i = 0; i < 80 && !engine_track_error(asked.host.engine); i++)
		pass(1);
	reply = show();
	ck_assert_ptr_nonnull(reply.service->held_open);
	ck_assert_ptr_nonnull(strstr(reply.service->held_open, "Input/output error"));
	wire_reply_free(&reply);
	reply = ask(WIRE_COMMAND_status, NOTHING);
	ck_assert_str_eq(reply.status->findings.list[0].level, "error");
	ck_assert_str_eq(reply.status->findings.list[0].about, "changes");
	ck_assert_str_eq(reply.status->findings.list[0].what,
			 "slots do not go on, and their flows stay where they are, since a change "
			 "of the maps fails (Input/output error); it is tried again each second");
	for (size_t i = 1; i < reply.status->findings.count; i++)
		ck_assert_ptr_null(strstr(reply.status->findings.list[i].what, "held open"));
	wire_reply_free(&reply);
	pass(1);
	reply = ask(WIRE_COMMAND_status, NOTHING);
	for (size_t i = 0; i < reply.status->findings.count; i++)
		ck_assert_str_ne(reply.status->findings.list[i].about, "changes");
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(a_backend_says_what_it_holds_until_it_is_empty)
{
	struct wire_reply reply;
	const struct wire_backend *b;

	start();
	drain();
	pass(1);
	reply = show();
	b = &reply.service->backends.list[1];
	ck_assert_uint_eq(b->slots, 0);
	ck_assert_uint_eq(b->slots_leaving, 125);
	ck_assert(b->holds && b->drains);
	ck_assert_uint_eq(b->drain_left_ms, 119000);
	wire_reply_free(&reply);
	insert();
	pass(80);
	reply = ask(WIRE_COMMAND_backend_list, web);
	b = &reply.backends->backends.list[1];
	ck_assert_uint_eq(b->slots_leaving, 0);
	ck_assert_uint_eq(b->entries, 1);
	ck_assert_uint_eq(b->entries_live, 1);
	ck_assert(b->holds);
	ck_assert(reply.backends->backends.list[0].holds);
	wire_reply_free(&reply);
	pass(90);
	reply = ask(WIRE_COMMAND_backend_list, web);
	b = &reply.backends->backends.list[1];
	ck_assert_uint_eq(b->entries, 0);
	ck_assert(!b->holds && b->drains);
	ck_assert_uint_eq(b->drain_left_ms, 0);
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(a_removed_backend_is_listed_until_it_is_empty)
{
	struct wire_reply reply;

	start();
	ask_apply(SERVICE(A));
	pass(2);
	reply = show();
	ck_assert_uint_eq(reply.service->backends.count, 2);
	ck_assert_str_eq(reply.service->backends.list[1].address, "10.0.1.12");
	ck_assert_str_eq(reply.service->backends.list[1].state, "removed");
	ck_assert_str_eq(reply.service->backends.list[1].reason, "no longer configured");
	ck_assert_uint_eq(reply.service->backends.list[1].slots_leaving, 125);
	wire_reply_free(&reply);
	reply = ask(WIRE_COMMAND_backend_list, NOTHING);
	ck_assert_uint_eq(reply.backends->backends.count, 2);
	wire_reply_free(&reply);
	expect_error(ask(WIRE_COMMAND_backend_drain, backend_of("web", "10.0.1.12")), WIRE_FAILED,
		     "backend '10.0.1.12': is no longer configured for service web, and drains; "
		     "an apply with it brings it back");
	pass(100);
	expect_error(ask(WIRE_COMMAND_backend_drain, backend_of("web", "10.0.1.12")), WIRE_FAILED,
		     "backend '10.0.1.12': is none of service web");
	reply = show();
	ck_assert_uint_eq(reply.service->backends.count, 1);
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

static struct wire_reply look_up(void)
{
	struct wire_reply reply =
		ask(WIRE_COMMAND_flow_lookup,
		    (struct wire_arguments){
			    .protocol = "tcp",
			    .source = "192.0.2.1:40000",
			    .destination = "203.0.113.10:443",
			    .given = WIRE_BIT(protocol) | WIRE_BIT(source) | WIRE_BIT(destination),
		    });

	expect_kind(&reply, WIRE_KIND_flow);
	return reply;
}

START_TEST(a_flow_is_looked_up_by_table_then_base_then_entry)
{
	struct wire_arguments backend = {.given = WIRE_BIT(service) | WIRE_BIT(address)};
	struct wire_reply reply;
	uint64_t hash;

	start();
	reply = look_up();
	ck_assert_str_eq(reply.flow->by, "table");
	hash = strtoull(reply.flow->hash, NULL, 16);
	backend.service = "web";
	backend.address = mem_string(reply.flow->backend);
	wire_reply_free(&reply);
	reply = ask(WIRE_COMMAND_backend_drain, backend);
	wire_reply_free(&reply);
	pass(1);
	reply = look_up();
	ck_assert_str_eq(reply.flow->by, "base");
	ck_assert_str_eq(reply.flow->backend, backend.address);
	fake_insert(asked.host.fake, hash, reply.flow->slot,
		    fake_place(&asked.host, "web", backend.address).index, asked.host.fake->now);
	wire_reply_free(&reply);
	reply = look_up();
	ck_assert_str_eq(reply.flow->by, "entry");
	ck_assert_str_eq(reply.flow->backend, backend.address);
	wire_reply_free(&reply);
	free((char *)backend.address);
	asked_stop();
}
END_TEST

START_TEST(flow_stats_count_entries_scans_events_and_slots)
{
	uint32_t row = sl_counter_lines(&fake_limits);
	struct wire_reply reply;

	start();
	reply = ask_as(&asked_reader, WIRE_COMMAND_flow_stats, NOTHING);
	expect_kind(&reply, WIRE_KIND_flow_stats);
	ck_assert_uint_eq(reply.flow_stats->size, 4096);
	ck_assert_uint_eq(reply.flow_stats->scans, 0);
	ck_assert_uint_eq(reply.flow_stats->slots_stable, 251);
	ck_assert_uint_eq(reply.flow_stats->fragments, 0);
	ck_assert_uint_eq(reply.flow_stats->fragments_size, 64 << 10);
	wire_reply_free(&reply);
	drain();
	pass(1);
	insert();
	for (uint32_t event = 1; event < SL_EVENTS; event++)
		asked.host.fake
			->counters[event % 2 * row + SL_VERDICT_LINES +
				   event / SL_COUNTERS_PER_LINE]
			.count[event % SL_COUNTERS_PER_LINE] = 100 + event;
	pass(80);
	for (uint32_t age = 29; age < 33; age++)
		asked.host.fake->fragments[age].entry[age % 4].data =
			sl_flow_data(0, 0, 1, asked.host.fake->now - age);
	reply = ask_as(&asked_reader, WIRE_COMMAND_flow_stats, NOTHING);
	ck_assert_uint_eq(reply.flow_stats->fragments, 2); /* 30 s, in ticks of a second */
	ck_assert_uint_eq(reply.flow_stats->entries, 1);
	ck_assert_uint_ge(reply.flow_stats->scans, 7);
	ck_assert_uint_lt(reply.flow_stats->scanned_ms, 11000);
	ck_assert_uint_eq(reply.flow_stats->rebases, 125);
	ck_assert_uint_eq(reply.flow_stats->slots_settling, 1);
	ck_assert_uint_eq(reply.flow_stats->slots_stable, 250);
#define SL_EVENT(name, help) ck_assert_uint_eq(reply.flow_stats->name, 100 + SL_EVENT_##name);
#include <sluice/events.def>
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(a_plan_says_how_many_flows_are_kept_and_warns_of_a_small_table)
{
	struct wire_reply reply;
	uint32_t line;

	start();
	line = fake_place(&asked.host, "web", "10.0.1.12").counters_line;
	asked.host.fake->counters[line].count[SL_BACKEND_opened] = 1000;
	asked.host.fake->counters[line].count[SL_BACKEND_closed] = 498;
	reply = ask_as(&asked_reader, WIRE_COMMAND_diff, file_of(SERVICE(A)));
	expect_kind(&reply, WIRE_KIND_plan);
	ck_assert_uint_eq(reply.plan->slots_moved, 125);
	ck_assert_uint_eq(reply.plan->slots_tracked, 125);
	ck_assert_uint_eq(reply.plan->flows_kept, 250);
	ck_assert_uint_eq(reply.plan->warnings.count, 0);
	wire_reply_free(&reply);
	asked.host.fake->counters[line].count[SL_BACKEND_opened] = 10000;
	reply = ask(WIRE_COMMAND_apply, file_of(SERVICE(A)));
	ck_assert(reply.plan->applied);
	ck_assert_uint_eq(reply.plan->warnings.count, 1);
	ck_assert_str_eq(reply.plan->warnings.list[0].field, "limits.flows");
	ck_assert_ptr_nonnull(strstr(reply.plan->warnings.list[0].expected, "is 4096"));
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

RUN_TESTS("api_tracking", a_service_says_how_its_slots_are_since_when_and_until_when,
	  what_holds_a_change_open_is_said_by_service_and_status,
	  a_backend_says_what_it_holds_until_it_is_empty,
	  a_removed_backend_is_listed_until_it_is_empty,
	  a_flow_is_looked_up_by_table_then_base_then_entry,
	  flow_stats_count_entries_scans_events_and_slots,
	  a_plan_says_how_many_flows_are_kept_and_warns_of_a_small_table)
