/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the socket changes, plans and refuses. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "unit/support/asked_api.h"
#include "unit/unit.h"

static struct wire_reply override(enum wire_command command, const char *address)
{
	struct wire_reply reply = ask(command, backend_of("web", address));

	expect_kind(&reply, WIRE_KIND_backend);
	return reply;
}

START_TEST(overrides_come_and_go_and_the_configured_state_ends_one)
{
	struct wire_arguments weight = backend_of("web", "10.0.1.12");
	struct wire_reply reply;

	asked_start();
	ask_apply(API_TEXT);
	reply = override(WIRE_COMMAND_backend_drain, "10.0.1.12");
	ck_assert_str_eq(reply.backend->state, "drain");
	ck_assert(reply.backend->state_overridden);
	ck_assert_uint_eq(reply.backend->slots, 0);
	ck_assert_str_eq(asked.agent.logged,
			 "backend web 10.0.1.12 by uid 0: state drain, weight 1");
	wire_reply_free(&reply);
	weight.weight = 20;
	weight.given |= WIRE_BIT(weight);
	reply = ask(WIRE_COMMAND_backend_weight, weight);
	ck_assert_str_eq(reply.backend->state, "drain");
	ck_assert_uint_eq(reply.backend->weight, 20);
	ck_assert(reply.backend->weight_overridden);
	wire_reply_free(&reply);
	reply = override(WIRE_COMMAND_backend_enable, "10.0.1.12");
	ck_assert_str_eq(reply.backend->state, "up");
	ck_assert(!reply.backend->state_overridden);
	ck_assert(reply.backend->weight_overridden);
	ck_assert_uint_gt(reply.backend->slots, 200);
	wire_reply_free(&reply);
	weight.weight = 1;
	reply = ask(WIRE_COMMAND_backend_weight, weight);
	ck_assert(!reply.backend->weight_overridden);
	ck_assert_uint_eq(engine_overrides(asked.host.engine)->count, 0);
	wire_reply_free(&reply);
	/* It is configured as drained: enabling it is an override. */
	reply = override(WIRE_COMMAND_backend_enable, "10.0.1.13");
	ck_assert(reply.backend->state_overridden);
	wire_reply_free(&reply);
	reply = override(WIRE_COMMAND_backend_disable, "10.0.1.13");
	ck_assert_str_eq(reply.backend->state, "down");
	wire_reply_free(&reply);
	reply = override(WIRE_COMMAND_backend_drain, "10.0.1.13");
	ck_assert(!reply.backend->state_overridden);
	wire_reply_free(&reply);
	weight.weight = 65537;
	expect_error(ask(WIRE_COMMAND_backend_weight, weight), WIRE_USAGE,
		     "weight '65537': expected 0 to 1000");
	asked_stop();
}
END_TEST

START_TEST(the_last_backend_of_a_service_goes_only_by_force)
{
	struct wire_arguments dns = backend_of("dns", "10.0.1.21");
	struct wire_reply reply;

	asked_start();
	ask_apply(API_TEXT);
	expect_error(ask(WIRE_COMMAND_backend_drain, dns), WIRE_REFUSED, "dns");
	ck_assert_uint_eq(engine_overrides(asked.host.engine)->count, 0);
	dns.force = true;
	dns.given |= WIRE_BIT(force);
	reply = ask(WIRE_COMMAND_backend_drain, dns);
	expect_kind(&reply, WIRE_KIND_backend);
	ck_assert_uint_eq(reply.backend->slots, 0);
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

static char *without_dns(void)
{
	return mem_format("%.*s", (int)(strstr(API_TEXT, " - name: dns") - API_TEXT), API_TEXT);
}

START_TEST(diff_and_dry_run_change_nothing_and_readers_may_ask)
{
	char *shorter = without_dns();
	struct wire_arguments dry = file_of(shorter);
	struct wire_reply reply;

	asked_start();
	ask_apply(API_TEXT);
	reply = override(WIRE_COMMAND_backend_drain, "10.0.1.12");
	wire_reply_free(&reply);
	reply = ask_as(&asked_reader, WIRE_COMMAND_diff, file_of(API_TEXT));
	expect_kind(&reply, WIRE_KIND_plan);
	ck_assert_uint_eq(reply.plan->changes.count, 0);
	wire_reply_free(&reply);
	dry.dry_run = true;
	dry.given |= WIRE_BIT(dry_run);
	for (int i = 0; i < 2; i++) {
		reply = i ? ask_as(&asked_reader, WIRE_COMMAND_apply, dry)
			  : ask_as(&asked_reader, WIRE_COMMAND_diff, file_of(shorter));
		expect_kind(&reply, WIRE_KIND_plan);
		ck_assert(!reply.plan->applied);
		ck_assert_uint_ge(reply.plan->changes.count, 1);
		for (size_t j = 0; j < reply.plan->changes.count; j++)
			ck_assert_str_eq(reply.plan->changes.list[j].kind, "removed");
		ck_assert_uint_eq(reply.plan->services_removed, 1);
		ck_assert_uint_gt(reply.plan->operations.count, 0);
		ck_assert_uint_eq(reply.plan->overrides.count, 1);
		ck_assert_str_eq(reply.plan->overrides.list[0].state, "drain");
		ck_assert_ptr_null(reply.plan->overrides.list[0].weight);
		wire_reply_free(&reply);
	}
	ck_assert_uint_eq(engine_revision(asked.host.engine), 1);
	asked_stop();
	free(shorter);
}
END_TEST

START_TEST(diff_and_dry_run_name_an_interface_that_is_absent)
{
	static const char *const text = "version: 1\ninterfaces: [{device: " ABSENT_DEVICE
					"}]\n" FAKE_LIMITS "services: []\n";
	struct wire_arguments dry = file_of(text);
	struct wire_reply reply;

	asked_start();
	ask_apply(API_TEXT);
	dry.dry_run = true;
	dry.given |= WIRE_BIT(dry_run);
	for (int i = 0; i < 2; i++) {
		reply = i ? ask(WIRE_COMMAND_apply, dry) : ask(WIRE_COMMAND_diff, file_of(text));
		expect_error(reply, WIRE_FAILED, "interfaces.device 'eth9'");
	}
	asked_stop();
}
END_TEST

START_TEST(apply_is_all_or_nothing_and_says_what_it_did)
{
	char *shorter = without_dns();
	struct wire_reply reply;

	asked_start();
	ask_apply(API_TEXT);
	ck_assert_str_eq(asked.agent.logged, "apply a.yaml by uid 0: revision 1");
	ask_apply(API_TEXT);
	ck_assert_str_eq(asked.agent.logged, "apply a.yaml by uid 0: nothing differs");
	asked.host.fail_store = asked.host.stores + 1;
	expect_error(ask(WIRE_COMMAND_apply, file_of(shorter)), WIRE_FAILED, "disk is full");
	ck_assert_str_eq(asked.agent.logged,
			 "apply a.yaml by uid 0: refused: state-dir '/state': the disk is full");
	reply = ask(WIRE_COMMAND_apply, file_of(shorter));
	expect_kind(&reply, WIRE_KIND_plan);
	ck_assert(reply.plan->applied);
	ck_assert_uint_eq(reply.plan->revision, 2);
	ck_assert_uint_eq(reply.plan->services_removed, 1);
	ck_assert_uint_eq(engine_model(asked.host.engine)->service_count, 1);
	wire_reply_free(&reply);
	asked_stop();
	free(shorter);
}
END_TEST

START_TEST(an_unsafe_apply_is_refused_told_by_a_dry_run_and_forced)
{
	char *text = mem_string(API_TEXT);
	struct wire_arguments arguments = file_of(text);
	struct wire_reply reply;

	memcpy(strstr(text, "251"), "509", 3);
	asked_start();
	ask_apply(API_TEXT);
	expect_error(ask(WIRE_COMMAND_apply, arguments), WIRE_REFUSED, "table-size");
	arguments.dry_run = true;
	arguments.given |= WIRE_BIT(dry_run);
	reply = ask(WIRE_COMMAND_apply, arguments);
	expect_kind(&reply, WIRE_KIND_plan);
	ck_assert_ptr_nonnull(strstr(reply.plan->unsafe, "table-size"));
	wire_reply_free(&reply);
	arguments.dry_run = false;
	arguments.force = true;
	arguments.given ^= WIRE_BIT(dry_run) | WIRE_BIT(force);
	reply = ask(WIRE_COMMAND_apply, arguments);
	expect_kind(&reply, WIRE_KIND_plan);
	ck_assert(reply.plan->applied);
	wire_reply_free(&reply);
	asked_stop();
	free(text);
}
END_TEST

START_TEST(an_invalid_configuration_is_refused_with_every_place)
{
	static const enum wire_command commands[] = {WIRE_COMMAND_check, WIRE_COMMAND_diff,
						     WIRE_COMMAND_apply};
	static const char text[] =
		"version: 1\ncolour: red\ninterfaces: [{device: eth0}]\nservices: 7\n";

	asked_start();
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		struct wire_reply reply = ask(commands[i], file_of(text));

		expect_kind(&reply, WIRE_KIND_error);
		ck_assert_int_eq(reply.code, WIRE_INVALID);
		ck_assert_uint_ge(reply.errors.count, 2);
		ck_assert_str_eq(reply.errors.list[0].file, "a.yaml");
		ck_assert_uint_eq(reply.errors.list[0].line, 2);
		ck_assert_uint_eq(reply.errors.list[0].column, 1);
		wire_reply_free(&reply);
	}
	ck_assert_ptr_null(engine_config(asked.host.engine));
	asked_stop();
}
END_TEST

START_TEST(check_counts_slots_and_warns_of_other_limits)
{
	char *text = mem_string(API_TEXT);
	const struct wire_problem *last;
	struct wire_reply reply;

	asked_start();
	ask_apply(API_TEXT);
	reply = ask_as(&asked_reader, WIRE_COMMAND_check, file_of(text));
	expect_kind(&reply, WIRE_KIND_check);
	ck_assert_uint_eq(reply.check->interfaces, 2);
	ck_assert_uint_eq(reply.check->services, 2);
	ck_assert_uint_eq(reply.check->backends, 4);
	ck_assert_uint_eq(reply.check->slots_available, 4096);
	ck_assert_uint_ge(reply.check->slots_needed, 502);
	ck_assert_uint_gt(reply.check->largest_table_size, 251);
	for (size_t i = 0; i < reply.check->warnings.count; i++)
		ck_assert(!strstr(reply.check->warnings.list[i].field, "limits"));
	wire_reply_free(&reply);
	memcpy(strstr(text, "services: 8"), "services: 9", 11);
	reply = ask(WIRE_COMMAND_check, file_of(text));
	expect_kind(&reply, WIRE_KIND_check);
	ck_assert_uint_gt(reply.check->warnings.count, 0);
	last = &reply.check->warnings.list[reply.check->warnings.count - 1];
	ck_assert_str_eq(last->field, "limits.services");
	ck_assert_str_eq(last->value, "9");
	ck_assert(strstr(last->expected, "made for 8, so 'apply' will refuse it"));
	wire_reply_free(&reply);
	expect_error(ask(WIRE_COMMAND_apply, file_of(text)), WIRE_FAILED, "limits.services '9'");
	asked_stop();
	free(text);
}
END_TEST

static void expect_warning(const struct wire_problem *list, size_t count, const char *value,
			   const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].value && !strcmp(list[i].value, value)) {
			ck_assert_str_eq(list[i].expected, text);
			return;
		}
	ck_abort_msg("there is no warning of %s", value);
}

START_TEST(what_this_host_lacks_is_warned_of_and_check_warns_of_what_apply_refuses)
{
	char *text = mem_format("%s# on another host\n", API_TEXT), *eth1;
	struct wire_reply reply;

	asked_start();
	reply = ask(WIRE_COMMAND_diff, file_of(text));
	expect_kind(&reply, WIRE_KIND_plan);
	expect_warning(reply.plan->warnings.list, reply.plan->warnings.count, "/gone",
		       "is not there");
	wire_reply_free(&reply);
	reply = ask(WIRE_COMMAND_apply, file_of(text));
	expect_kind(&reply, WIRE_KIND_plan);
	expect_warning(reply.plan->warnings.list, reply.plan->warnings.count, "/gone",
		       "is not there");
	wire_reply_free(&reply);
	eth1 = strstr(text, "eth1");
	memcpy(eth1, ABSENT_DEVICE, 4);
	reply = ask(WIRE_COMMAND_check, file_of(text));
	expect_kind(&reply, WIRE_KIND_check);
	expect_warning(reply.check->warnings.list, reply.check->warnings.count, "/gone",
		       "is not there");
	expect_warning(reply.check->warnings.list, reply.check->warnings.count, ABSENT_DEVICE,
		       "there is no such interface; 'apply' would refuse it on this host");
	wire_reply_free(&reply);
	asked_stop();
	free(text);
}
END_TEST

START_TEST(who_may_only_read_can_change_nothing)
{
	static const enum wire_command commands[] = {WIRE_COMMAND_backend_drain,
						     WIRE_COMMAND_backend_enable,
						     WIRE_COMMAND_backend_disable};

	asked_start();
	ask_apply(API_TEXT);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		expect_error(ask_as(&asked_reader, commands[i], backend_of("web", "10.0.1.11")),
			     WIRE_FAILED, "needs root or the agent's user; uid 1000 may only read");
	expect_error(ask_as(&asked_reader, WIRE_COMMAND_apply, file_of(API_TEXT)), WIRE_FAILED,
		     "apply: needs");
	expect_error(ask_as(&asked_reader, WIRE_COMMAND_down, NOTHING), WIRE_FAILED, "down: needs");
	ck_assert_uint_eq(asked.agent.downs, 0);
	ck_assert_uint_eq(engine_overrides(asked.host.engine)->count, 0);
	asked_stop();
}
END_TEST

START_TEST(down_is_the_agent_s_and_its_failure_is_told)
{
	struct wire_reply reply;

	asked_start();
	asked.agent.fails = true;
	expect_error(ask(WIRE_COMMAND_down, NOTHING), WIRE_FAILED, "eth0: cannot be detached");
	asked.agent.fails = false;
	reply = ask(WIRE_COMMAND_down, NOTHING);
	expect_kind(&reply, WIRE_KIND_down);
	ck_assert_uint_eq(asked.agent.downs, 2);
	ck_assert_str_eq(asked.agent.logged, "down by uid 0: done");
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(what_comes_behind_down_changes_nothing)
{
	struct wire_reply reply;

	asked_start();
	ask_apply(API_TEXT);
	asked.api.is_ending = true;
	expect_error(ask(WIRE_COMMAND_apply, file_of(API_TEXT)), WIRE_FAILED,
		     "apply: comes too late: sluice is being taken down");
	expect_error(ask(WIRE_COMMAND_backend_drain, backend_of("web", "10.0.1.11")), WIRE_FAILED,
		     "backend drain: comes too late");
	ck_assert_uint_eq(engine_overrides(asked.host.engine)->count, 0);
	reply = ask(WIRE_COMMAND_status, NOTHING);
	expect_kind(&reply, WIRE_KIND_status);
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(what_is_no_request_is_refused_as_usage)
{
	struct wire_reply reply;

	asked_start();
	expect_error(ask_line(&asked_root, "hello"), WIRE_USAGE, "request: is not a JSON document");
	expect_error(ask_line(&asked_root, "{\"version\":1,\"command\":\"statsu\"}"), WIRE_USAGE,
		     "command 'statsu': is not known; did you mean 'status'?");
	expect_error(ask_line(&asked_root,
			      "{\"version\":1,\"command\":\"status\",\"arguments\":{\"x\":1}}"),
		     WIRE_USAGE, "arguments.x: is no argument of 'status'");
	reply = ask_line(&asked_root, "{\"version\":1,\"command\":\"version\"}");
	expect_kind(&reply, WIRE_KIND_version);
	ck_assert_str_eq(reply.version->version, SLUICE_VERSION);
	ck_assert_uint_eq(reply.version->layout, SL_LAYOUT_VERSION);
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

RUN_TESTS("api_change", overrides_come_and_go_and_the_configured_state_ends_one,
	  the_last_backend_of_a_service_goes_only_by_force,
	  diff_and_dry_run_change_nothing_and_readers_may_ask,
	  diff_and_dry_run_name_an_interface_that_is_absent,
	  apply_is_all_or_nothing_and_says_what_it_did,
	  an_unsafe_apply_is_refused_told_by_a_dry_run_and_forced,
	  an_invalid_configuration_is_refused_with_every_place,
	  check_counts_slots_and_warns_of_other_limits, who_may_only_read_can_change_nothing,
	  what_this_host_lacks_is_warned_of_and_check_warns_of_what_apply_refuses,
	  down_is_the_agent_s_and_its_failure_is_told, what_comes_behind_down_changes_nothing,
	  what_is_no_request_is_refused_as_usage)
