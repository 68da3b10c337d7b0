/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `backend check`: asked for, promised, and answered when the results are there. */
#include <string.h>

#include "base/mem.h"
#include "unit/support/asked_api.h"
#include "unit/unit.h"

static void start(void)
{
	asked_start();
	ask_apply(API_TEXT);
}

START_TEST(results_come_as_one_document)
{
	struct api_probed results[] = {
		{true, fake_address("203.0.113.10"), 443, false, 1000123, "no answer"},
		{false, fake_address("10.0.1.11"), 0, true, 850, "204"},
	};
	const struct wire_backend_check *check;
	struct wire_reply reply;

	start();
	ask_for_later(WIRE_COMMAND_backend_check, backend_of("web", "10.0.1.11"));
	asked.agent.probed(asked.agent.probed_arg, results, 2, NULL);
	reply = asked_later();
	expect_kind(&reply, WIRE_KIND_backend_check);
	check = reply.backend_check;
	ck_assert_str_eq(check->service, "web");
	ck_assert_str_eq(check->address, "10.0.1.11");
	ck_assert(!check->ok);
	ck_assert_uint_eq(check->probes.count, 2);
	ck_assert_str_eq(check->probes.list[0].via, "tunnel");
	ck_assert_str_eq(check->probes.list[0].target, "203.0.113.10:443");
	ck_assert_str_eq(check->probes.list[0].what, "no answer");
	ck_assert_uint_eq(check->probes.list[0].latency_us, 1000123);
	ck_assert(!check->probes.list[0].ok);
	ck_assert_str_eq(check->probes.list[1].via, "direct");
	ck_assert_str_eq(check->probes.list[1].target, "10.0.1.11");
	ck_assert(check->probes.list[1].ok);
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(all_that_succeed_make_it_ok)
{
	struct api_probed results[] = {
		{true, fake_address("2001:db8::10"), 443, true, 1200, "connected"},
	};
	struct wire_reply reply;

	start();
	ask_for_later(WIRE_COMMAND_backend_check, backend_of("web", "10.0.1.12"));
	asked.agent.probed(asked.agent.probed_arg, results, 1, NULL);
	reply = asked_later();
	ck_assert(reply.backend_check->ok);
	ck_assert_str_eq(reply.backend_check->probes.list[0].target, "[2001:db8::10]:443");
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

/* The configuration may have changed meanwhile, and the prober may have died. */
START_TEST(a_check_that_comes_to_nothing_says_why)
{
	start();
	ask_for_later(WIRE_COMMAND_backend_check, backend_of("web", "10.0.1.11"));
	ask_apply(FAKE_HEAD "services: [{name: dns, address: 203.0.113.53, port: 53, "
			    "protocol: udp, table-size: 251, backends: [{address: 10.0.1.21}]}]\n");
	asked.agent.probed(asked.agent.probed_arg, NULL, 0, "the prober has ended");
	expect_error(asked_later(), WIRE_FAILED,
		     "backend check '10.0.1.11': cannot be probed: the prober has ended");
	asked_stop();
}
END_TEST

START_TEST(what_cannot_be_probed_is_refused_at_once)
{
	start();
	expect_error(ask(WIRE_COMMAND_backend_check, backend_of("wed", "10.0.1.11")), WIRE_FAILED,
		     "did you mean 'web'");
	expect_error(ask(WIRE_COMMAND_backend_check, backend_of("web", "10.0.1.99")), WIRE_FAILED,
		     "is none of service web");
	asked.agent.fails = true;
	expect_error(ask(WIRE_COMMAND_backend_check, backend_of("web", "10.0.1.11")), WIRE_FAILED,
		     "has no health");
	asked_stop();
}
END_TEST

RUN_TESTS("api_probe", results_come_as_one_document, all_that_succeed_make_it_ok,
	  a_check_that_comes_to_nothing_says_why, what_cannot_be_probed_is_refused_at_once)
