/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine: changes that are refused, that take force, or that fail, and what is in force after them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "core/engine.h"
#include "unit/support/fake_host.h"
#include "unit/unit.h"

static struct fake_host host;

START_TEST(overrides_of_the_unknown_are_refused)
{
	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	ck_assert_int_eq(fake_override_state(&host, "web", "10.0.1.11", CONFIG_DOWN, false),
			 -ENOENT);
	fake_apply(&host, FAKE_WEB, false, 0);
	ck_assert_int_eq(fake_override_state(&host, "mail", "10.0.1.11", CONFIG_DOWN, false),
			 -ENOENT);
	ck_assert_int_eq(fake_override_state(&host, "web", "10.0.1.99", CONFIG_DOWN, false),
			 -ENOENT);
	ck_assert_uint_eq(host.stores, 1);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_weight_out_of_range_is_refused)
{
	struct override override = {.has_weight = true, .weight = 1001};
	struct addr address = fake_address("10.0.1.11");
	struct problems p = {};

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_DNS, false, 0);
	ck_assert_int_eq(engine_override(host.engine, "dns", &address, &override, true, 0, &p),
			 -EINVAL);
	ck_assert_str_eq(p.list[0].value, "1001");
	problems_free(&p);
	override.weight = 1000;
	ck_assert_int_eq(engine_override(host.engine, "dns", &address, &override, true, 0, &p), 0);
	ck_assert_uint_eq(fake_place(&host, "dns", "10.0.1.11").slots, 257);
	fake_host_free(&host);
}
END_TEST

START_TEST(emptying_a_live_service_takes_force)
{
	struct engine_forecast forecast;
	struct config *config;
	char *before, *after;

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_DNS, false, 0);
	ck_assert_int_eq(fake_override_state(&host, "dns", "10.0.1.11", CONFIG_DRAIN, false), 0);
	before = fake_host_image(&host);
	ck_assert_int_eq(fake_override_state(&host, "dns", "10.0.1.12", CONFIG_DRAIN, false),
			 -EPERM);
	/*
	 * Now 10.0.1.12 alone takes flows, and a configuration without it would empty the service.
	 */
	fake_apply(&host,
		   " - {name: dns, address: '2001:db8:53::1', port: 53, protocol: [tcp, udp], "
		   "table-size: 257,\n"
		   "    backends: [{address: 10.0.1.11}]}\n",
		   false, -EPERM);
	after = fake_host_image(&host);
	fake_compare(before, after);
	ck_assert_uint_eq(host.stores, 2);
	config = fake_config(" - {name: dns, address: '2001:db8:53::1', port: 53, protocol: [tcp, "
			     "udp], table-size: 257,\n"
			     "    backends: [{address: 10.0.1.11}]}\n");
	ck_assert_int_eq(engine_plan(host.engine, config, &forecast, NULL), 0);
	ck_assert(forecast.force_needed);
	ck_assert_ptr_nonnull(strstr(forecast.unsafe, "dns"));
	engine_forecast_free(&forecast);
	config_free(config);
	ck_assert_int_eq(fake_override_state(&host, "dns", "10.0.1.12", CONFIG_DRAIN, true), 0);
	ck_assert_uint_eq(fake_place(&host, "dns", "10.0.1.12").slots, 0);
	/* There is nothing left to be emptied. */
	ck_assert_int_eq(fake_override_state(&host, "dns", "10.0.1.12", CONFIG_DOWN, false), 0);
	free(before);
	free(after);
	fake_host_free(&host);
}
END_TEST

#define SIZED                                                                                    \
	" - {name: dns, address: '2001:db8:53::1', port: 53, protocol: [tcp, udp], table-size: " \
	"509,\n"                                                                                 \
	"    backends: [{address: 10.0.1.11}, {address: 10.0.1.12}]}\n"

START_TEST(another_table_size_takes_force_and_keeps_counters_and_indices)
{
	struct engine_service_place before, after;
	struct engine_forecast forecast;
	uint32_t index;
	__u64 *line;

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_DNS, false, 0);
	ck_assert(engine_service_place(host.engine, "dns", &before));
	index = fake_place(&host, "dns", "10.0.1.11").index;
	/* By SYNs, and FINs and RSTs. */
	line = host.fake->counters[fake_place(&host, "dns", "10.0.1.11").counters_line].count;
	line[SL_BACKEND_opened] = 3000;
	line[SL_BACKEND_closed] = 1000;
	fake_apply(&host, SIZED, false, -EPERM);
	ck_assert_int_eq(engine_apply(host.engine, fake_config(SIZED), true, 0, &forecast, NULL),
			 0);
	ck_assert(forecast.force_needed);
	ck_assert_ptr_nonnull(strstr(forecast.unsafe, "257"));
	ck_assert_uint_eq(forecast.services_changed, 1);
	ck_assert_uint_eq(forecast.services_added + forecast.services_removed, 0);
	ck_assert_uint_gt(forecast.slots_moved, 0);
	ck_assert_uint_lt(forecast.slots_moved, 509);
	ck_assert_uint_eq(forecast.slots_tracked, 0);
	ck_assert_uint_eq(forecast.flows_kept, 0);
	ck_assert_uint_eq(forecast.flows_moved, 2000 * forecast.slots_moved / 509);
	engine_forecast_free(&forecast);
	ck_assert(engine_service_place(host.engine, "dns", &after));
	ck_assert_uint_eq(after.slots, 509);
	ck_assert_uint_ne(after.record, before.record);
	ck_assert_uint_eq(after.counters_line, before.counters_line);
	ck_assert_uint_eq(fake_place(&host, "dns", "10.0.1.11").index, index);
	ck_assert_str_eq(host.fake->services[before.record].name, "");
	fake_host_free(&host);
}
END_TEST

START_TEST(another_tracking_of_a_live_service_takes_force)
{
	static const char changes[] =
		" - {name: dns, address: '2001:db8:53::1', port: 53, protocol: [tcp, udp], "
		"table-size: 257,\n"
		"    tracking: changes, backends: [{address: 10.0.1.11}, {address: 10.0.1.12}]}\n";

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_DNS, false, 0);
	fake_apply(&host, changes, false, -EPERM);
	fake_apply(&host, changes, true, 0);
	ck_assert_int_eq(engine_config(host.engine)->services[0].tracking, CONFIG_TRACKING_CHANGES);
	ck_assert_uint_eq(engine_revision(host.engine), 2);
	fake_host_free(&host);
}
END_TEST

START_TEST(another_affinity_of_a_live_service_takes_force_and_a_new_table)
{
	static const char by_source[] =
		" - {name: dns, address: '2001:db8:53::1', port: 53, protocol: [tcp, udp], "
		"table-size: 257,\n"
		"    affinity: source, backends: [{address: 10.0.1.11}, {address: 10.0.1.12}]}\n";
	struct engine_service_place before = {}, after = {};
	struct engine_forecast forecast;
	struct config *config;

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_DNS, false, 0);
	ck_assert(engine_service_place(host.engine, "dns", &before));
	fake_apply(&host, by_source, false, -EPERM);
	config = fake_config(by_source);
	ck_assert_int_eq(engine_plan(host.engine, config, &forecast, NULL), 0);
	ck_assert_uint_eq(forecast.slots_moved, 257); /* every flow may go elsewhere */
	engine_forecast_free(&forecast);
	config_free(config);
	fake_apply(&host, by_source, true, 0);
	ck_assert(engine_service_place(host.engine, "dns", &after));
	ck_assert_uint_ne(after.record, before.record);
	ck_assert_uint_ne(after.slots_base, before.slots_base);
	ck_assert_uint_eq(host.fake->services[after.record].flags, SL_SERVICE_BY_SOURCE);
	fake_apply(&host, FAKE_DNS, true, 0);
	ck_assert(engine_service_place(host.engine, "dns", &after));
	ck_assert_uint_eq(host.fake->services[after.record].flags, 0);
	fake_host_free(&host);
}
END_TEST

START_TEST(another_mss_is_one_store_and_takes_no_force)
{
	struct engine_service_place before = {}, after = {};

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_DNS "   mss-clamp: 1400\n", false, 0);
	ck_assert(engine_service_place(host.engine, "dns", &before));
	ck_assert_uint_eq(host.fake->services[before.record].mss, 1400);
	fake_apply(&host, FAKE_DNS "   mss-clamp: 1300\n", false, 0);
	ck_assert(engine_service_place(host.engine, "dns", &after));
	ck_assert_uint_eq(after.record, before.record);
	ck_assert_uint_eq(host.fake->services[after.record].mss, 1300);
	fake_apply(&host, FAKE_DNS, false, 0);
	ck_assert_uint_eq(host.fake->services[after.record].mss, 0);
	fake_host_free(&host);
}
END_TEST

/* Whether the table in force lets the address of a listener answer echo requests. */
static bool answers(uint16_t port)
{
	struct dataplane_listener list[8];
	size_t count = dataplane_listeners(&host.fake->view, list, ARRAY_SIZE(list));

	for (size_t i = 0; i < count && i < ARRAY_SIZE(list); i++)
		if (list[i].port == port)
			return list[i].echo;
	ck_abort_msg("nothing listens on port %u", port);
}

#define NO_ECHO "   echo: false\n"
#define SAME_ADDRESS                                                \
	" - name: web\n   address: '2001:db8:53::1'\n   port: 80\n" \
	"   table-size: 251\n   backends: [{address: 10.0.1.11}]\n"

START_TEST(another_echo_is_a_table_of_listeners_and_takes_no_force)
{
	struct engine_service_place before = {}, after = {};

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_DNS, false, 0);
	ck_assert(answers(53));
	ck_assert(engine_service_place(host.engine, "dns", &before));
	fake_apply(&host, FAKE_DNS NO_ECHO, false, 0);
	ck_assert(!answers(53));
	ck_assert(engine_service_place(host.engine, "dns", &after));
	ck_assert_uint_eq(after.record, before.record);
	/* Another service of the same address that allows it is enough. */
	fake_apply(&host, FAKE_DNS NO_ECHO SAME_ADDRESS, false, 0);
	ck_assert(answers(53));
	ck_assert(answers(80));
	fake_apply(&host, FAKE_DNS NO_ECHO SAME_ADDRESS NO_ECHO, false, 0);
	ck_assert(!answers(53));
	ck_assert(!answers(80));
	fake_host_free(&host);
}
END_TEST

START_TEST(other_limits_are_refused_by_name)
{
	static const char text[] = "version: 1\ninterfaces: [{device: eth0}]\n"
				   "limits: {services: 9, listeners: 64, backends: 40, flows: 8k, "
				   "maglev-slots: 4096, fragments: 8k}\n"
				   "services:\n" FAKE_DNS;
	struct engine_forecast forecast;
	struct config *config;
	struct problems p = {};
	char *said;

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	ck_assert_int_eq(engine_apply(host.engine, fake_config_text(text), true, 0, NULL, &p),
			 -EBUSY);
	ck_assert_uint_eq(p.count, 3);
	said = problem_text(&p.list[0]);
	ck_assert_ptr_nonnull(strstr(said, "limits.services '9'"));
	ck_assert_ptr_nonnull(strstr(said, "made for 8"));
	ck_assert_ptr_nonnull(strstr(said, "restart"));
	free(said);
	ck_assert_str_eq(p.list[1].field, "limits.flows");
	ck_assert_str_eq(p.list[2].field, "limits.fragments");
	problems_free(&p);
	config = fake_config_text(text);
	ck_assert_int_eq(engine_plan(host.engine, config, &forecast, &p), -EBUSY);
	ck_assert_uint_eq(p.count, 3);
	problems_free(&p);
	config_free(config);
	ck_assert_uint_eq(host.stores + host.fake->calls, 0);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_change_that_cannot_be_stored_is_not_made)
{
	char *before, *after;

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_WEB, false, 0);
	before = fake_host_image(&host);
	host.fail_store = 2;
	fake_apply(&host, FAKE_WEB FAKE_DNS, false, -ENOSPC);
	host.fail_store = 3;
	ck_assert_int_eq(fake_override_state(&host, "web", "10.0.1.11", CONFIG_DOWN, false),
			 -ENOSPC);
	after = fake_host_image(&host);
	fake_compare(before, after);
	ck_assert_uint_eq(engine_revision(host.engine), 1);
	ck_assert_uint_eq(engine_overrides(host.engine)->count, 0);
	free(before);
	free(after);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_change_that_fails_is_taken_back_and_the_former_state_stored_again)
{
	char *before, *after;

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_WEB, false, 0);
	before = fake_host_image(&host);
	for (unsigned int fail = 1;; fail++) {
		struct problems p = {};
		int err;

		host.fake->fail_at = host.fake->calls + fail;
		err = engine_apply(host.engine, fake_config(FAKE_DNS), false, 0, NULL, &p);
		host.fake->fail_at = 0;
		problems_free(&p);
		if (!err)
			break;
		ck_assert_int_eq(err, -EIO);
		after = fake_host_image(&host);
		fake_compare(before, after);
		free(after);
		ck_assert_ptr_nonnull(strstr(host.stored_text, "name: web"));
		ck_assert_uint_eq(host.stored_revision, 1);
		ck_assert_uint_eq(engine_revision(host.engine), 1);
		ck_assert_uint_gt(fail, 0);
	}
	ck_assert_ptr_nonnull(strstr(host.stored_text, "name: dns"));
	ck_assert_uint_eq(engine_revision(host.engine), 2);
	free(before);
	fake_host_free(&host);
}
END_TEST

START_TEST(a_way_that_could_not_be_put_in_force_is_tried_again_by_the_tick)
{
	struct problems p = {};

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_DNS, false, 0);
	host.way[11] = NET_WAY_FAILED;
	host.fake->fail_at = host.fake->calls + 1;
	ck_assert_int_eq(engine_refresh(host.engine, 0, &p), -EIO);
	ck_assert_uint_gt(p.count, 0);
	problems_free(&p);
	ck_assert_uint_ne(fake_place(&host, "dns", "10.0.1.11").slots, 0);
	ck_assert_uint_le(engine_tick(host.engine, 1000), 1000);
	ck_assert_uint_eq(fake_place(&host, "dns", "10.0.1.11").slots, 0);
	fake_host_free(&host);
}
END_TEST

START_TEST(what_has_no_room_is_refused_with_what_is_free)
{
	static const char large[] = " - {name: a, address: 203.0.113.1, port: 1, table-size: 2039, "
				    "backends: [{address: 10.0.1.1}]}\n"
				    " - {name: b, address: 203.0.113.2, port: 1, table-size: 1021, "
				    "backends: [{address: 10.0.1.1}]}\n";
	static const char larger[] = " - {name: a, address: 203.0.113.1, port: 1, table-size: "
				     "2039, backends: [{address: 10.0.1.1}]}\n"
				     " - {name: c, address: 203.0.113.3, port: 1, table-size: "
				     "2017, backends: [{address: 10.0.1.1}]}\n";
	struct problems p = {};
	char *said;

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, large, false, 0);
	ck_assert_int_eq(engine_apply(host.engine, fake_config(larger), false, 0, NULL, &p),
			 -ENOSPC);
	said = problem_text(&p.list[0]);
	ck_assert_ptr_nonnull(strstr(said, "limits.maglev-slots '4096'"));
	ck_assert_ptr_nonnull(strstr(said, "2017 slots of service c"));
	ck_assert_ptr_nonnull(
		strstr(said, "1024 are free, the largest hole has 1024, and 1024 become free"));
	free(said);
	problems_free(&p);
	ck_assert_uint_eq(host.stores, 1);
	fake_host_free(&host);
}
END_TEST

/* Services s<from> to s<to>, each with one backend or, in the last one, with several. */
static char *many(unsigned int from, unsigned int to, unsigned int first, unsigned int backends)
{
	struct text text = {};

	for (unsigned int i = from; i <= to; i++) {
		text_add(&text,
			 " - {name: s%u, address: 203.0.113.%u, port: 1, table-size: 251, "
			 "backends: [",
			 i, i);
		for (unsigned int b = 0; b < (i == to ? backends : 1); b++)
			text_add(&text, "%s{address: 10.0.1.%u}", b ? ", " : "", first + b);
		text_add(&text, "]}\n");
	}
	return text.data;
}

START_TEST(services_and_backends_without_room_are_refused_with_what_becomes_free)
{
	static const struct {
		unsigned int from, to, first, backends;
		const char *field, *said;
	} changed[] = {
		{2, 9, 1, 1, "limits.services", "none is left for service s9; 1 become free"},
		{1, 8, 41, 33, "limits.backends", "none is left for backend 10.0.1.41"},
	};
	char *full = many(1, 8, 1, 33), *before, *after;

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, full, false, 0); /* 8 services, 40 backends */
	before = fake_host_image(&host);
	for (size_t i = 0; i < ARRAY_SIZE(changed); i++) {
		char *services =
			many(changed[i].from, changed[i].to, changed[i].first, changed[i].backends);
		struct problems p = {};

		ck_assert_int_eq(
			engine_apply(host.engine, fake_config(services), true, 0, NULL, &p),
			-ENOSPC);
		ck_assert_uint_eq(p.count, 1);
		ck_assert_str_eq(p.list[0].field, changed[i].field);
		ck_assert_msg(strstr(p.list[0].expected, changed[i].said), "%s",
			      p.list[0].expected);
		problems_free(&p);
		free(services);
	}
	after = fake_host_image(&host);
	fake_compare(before, after);
	/* As the message says: remove first, then add. */
	free(full);
	full = many(2, 8, 1, 1);
	fake_apply(&host, full, false, 0);
	free(full);
	full = many(2, 9, 1, 33);
	fake_apply(&host, full, false, 0);
	free(full);
	free(before);
	free(after);
	fake_host_free(&host);
}
END_TEST

START_TEST(maps_that_contradict_themselves_are_not_taken_over)
{
	struct engine_options options;
	struct engine *engine = NULL;
	struct problems p = {};

	fake_host_init(&host, &fake_limits);
	fake_host_start(&host);
	fake_apply(&host, FAKE_WEB FAKE_DNS, false, 0);
	options = fake_host_options(&host);
	for (uint32_t i = 0; i < sl_service_records(&fake_limits); i++)
		host.fake->services[i].counters = sl_counter_backends(&fake_limits);
	ck_assert_int_eq(engine_new(&options, &engine, &p), -EPROTO);
	ck_assert_ptr_null(engine);
	ck_assert_uint_eq(p.count, 1);
	ck_assert_ptr_nonnull(strstr(p.list[0].expected, "counters line is none of a service"));
	problems_free(&p);
	fake_host_free(&host);
}
END_TEST

RUN_TESTS("core_refusals", maps_that_contradict_themselves_are_not_taken_over,
	  overrides_of_the_unknown_are_refused, a_weight_out_of_range_is_refused,
	  emptying_a_live_service_takes_force,
	  another_table_size_takes_force_and_keeps_counters_and_indices,
	  another_tracking_of_a_live_service_takes_force,
	  another_affinity_of_a_live_service_takes_force_and_a_new_table,
	  another_mss_is_one_store_and_takes_no_force,
	  another_echo_is_a_table_of_listeners_and_takes_no_force, other_limits_are_refused_by_name,
	  a_change_that_cannot_be_stored_is_not_made,
	  a_change_that_fails_is_taken_back_and_the_former_state_stored_again,
	  a_way_that_could_not_be_put_in_force_is_tried_again_by_the_tick,
	  what_has_no_room_is_refused_with_what_is_free,
	  services_and_backends_without_room_are_refused_with_what_becomes_free)
