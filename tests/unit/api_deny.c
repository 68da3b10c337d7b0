/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `deny add`, `del` and `list`: what is read of the request, what is refused, and what is told. */
#include <string.h>

#include "base/mem.h"
#include "unit/support/asked_api.h"
#include "unit/unit.h"

#define DENYING API_TEXT "security: {deny: ['2001:db8:c::/48', 192.0.2.0/24, 10.0.0.7]}\n"

static struct wire_arguments sources(const char *text)
{
	return (struct wire_arguments){.prefixes = text, .given = WIRE_BIT(prefixes)};
}

START_TEST(words_commas_lines_and_comments_are_read)
{
	static const char *const wanted[] = {"198.51.100.0/24", "203.0.113.7/32", "2001:db8::/32",
					     "192.0.2.1/32"};
	struct wire_reply reply;
	char text[PREFIX_TEXT_SIZE];

	asked_start();
	reply = ask(WIRE_COMMAND_deny_add, sources("# a list\n198.51.100.0/24,203.0.113.7 ; two\n\n"
						   "\t2001:db8::/32#one\r\n192.0.2.1"));
	expect_kind(&reply, WIRE_KIND_deny_change);
	ck_assert_uint_eq(reply.deny_change->added, 4);
	ck_assert_uint_eq(reply.deny_change->removed, 0);
	ck_assert_uint_eq(reply.deny_change->limit, fake_limits.deny);
	ck_assert_uint_eq(asked.agent.denied_count, 4);
	for (int i = 0; i < 4; i++)
		ck_assert_str_eq(prefix_format(&asked.agent.denied[i].prefix, text), wanted[i]);
	ck_assert_str_eq(asked.agent.logged, "deny add of 4 prefixes by uid 0");
	wire_reply_free(&reply);
	reply = ask(WIRE_COMMAND_deny_del, sources("198.51.100.0/24"));
	ck_assert_uint_eq(reply.deny_change->removed, 1);
	ck_assert_str_eq(asked.agent.logged, "deny del 198.51.100.0/24 by uid 0");
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

static const struct {
	const char *text;
	size_t errors;
	const char *words;
} refused[] = {
	{"", 1, "is missing"},
	{" # nothing\n", 1, "is missing"},
	{"10.0.0.1/8", 1, "host bits must be zero"},
	{"::ffff:192.0.2.1", 1, "is IPv4-mapped"},
	{"10.0.0.0/33", 1, "expected an address or a prefix"},
	{"192.0.2.1 example.org 10.0.0.0/8 2001:db8::1/64", 2, "expected an address or a prefix"},
};

START_TEST(what_is_no_prefix_is_refused_and_nothing_is_done)
{
	struct wire_reply reply;

	asked_start();
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		reply = ask(WIRE_COMMAND_deny_add, sources(refused[i].text));
		expect_kind(&reply, WIRE_KIND_error);
		ck_assert_int_eq(reply.code, WIRE_USAGE);
		ck_assert_uint_eq(reply.errors.count, refused[i].errors);
		ck_assert_ptr_nonnull(strstr(reply.errors.list[0].expected, refused[i].words));
		ck_assert_uint_eq(asked.agent.denied_count, 0);
		wire_reply_free(&reply);
	}
	asked_stop();
}
END_TEST

START_TEST(everybody_is_denied_only_by_force)
{
	struct wire_arguments all = sources("192.0.2.1 0.0.0.0/0 ::/0");
	struct wire_reply reply;

	asked_start();
	reply = ask(WIRE_COMMAND_deny_add, all);
	expect_kind(&reply, WIRE_KIND_error);
	ck_assert_int_eq(reply.code, WIRE_REFUSED);
	ck_assert_uint_eq(reply.errors.count, 2);
	ck_assert_str_eq(reply.errors.list[0].value, "0.0.0.0/0");
	ck_assert_ptr_nonnull(strstr(reply.errors.list[0].expected, "every source of IPv4"));
	ck_assert_ptr_nonnull(strstr(reply.errors.list[1].expected, "every source of IPv6"));
	ck_assert_uint_eq(asked.agent.denied_count, 0);
	wire_reply_free(&reply);
	all.force = true;
	all.given |= WIRE_BIT(force);
	reply = ask(WIRE_COMMAND_deny_add, all);
	expect_kind(&reply, WIRE_KIND_deny_change);
	ck_assert_uint_eq(reply.deny_change->added, 3);
	wire_reply_free(&reply);
	/* To let everybody in again needs none. */
	reply = ask(WIRE_COMMAND_deny_del, sources("0.0.0.0/0 ::/0"));
	expect_kind(&reply, WIRE_KIND_deny_change);
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(what_the_agent_refuses_is_told_and_no_event)
{
	struct wire_reply reply;

	asked_start();
	asked.agent.fails = true;
	reply = ask(WIRE_COMMAND_deny_del, sources("192.0.2.9"));
	expect_kind(&reply, WIRE_KIND_error);
	ck_assert_int_eq(reply.code, WIRE_FAILED);
	ck_assert_str_eq(reply.errors.list[0].value, "192.0.2.9/32");
	ck_assert_ptr_null(asked.agent.logged);
	wire_reply_free(&reply);
	reply = ask_as(&asked_reader, WIRE_COMMAND_deny_add, sources("192.0.2.9"));
	expect_kind(&reply, WIRE_KIND_error);
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(the_list_tells_who_denies_and_since_when)
{
	const struct wire_deny_list *list;
	struct wire_reply reply;

	asked_start();
	ask_apply(DENYING);
	reply = ask(WIRE_COMMAND_deny_add, sources("10.0.0.7 192.0.2.0/25 2001:db8:d::/48"));
	wire_reply_free(&reply);
	reply = ask_as(&asked_reader, WIRE_COMMAND_deny_list, NOTHING);
	expect_kind(&reply, WIRE_KIND_deny_list);
	list = reply.deny_list;
	ck_assert_uint_eq(list->prefixes.count, 5);
	ck_assert_str_eq(list->prefixes.list[0].prefix, "10.0.0.7/32");
	ck_assert(list->prefixes.list[0].configured);
	ck_assert_str_eq(list->prefixes.list[0].since, "2023-11-14T22:13:20.000Z");
	ck_assert_str_eq(list->prefixes.list[1].prefix, "192.0.2.0/24");
	ck_assert_ptr_null(list->prefixes.list[1].since);
	ck_assert_str_eq(list->prefixes.list[2].prefix, "192.0.2.0/25");
	ck_assert(!list->prefixes.list[2].configured);
	ck_assert_str_eq(list->prefixes.list[3].prefix, "2001:db8:c::/48");
	ck_assert_str_eq(list->prefixes.list[4].prefix, "2001:db8:d::/48");
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(flow_lookup_tells_a_denied_source)
{
	struct wire_arguments flow = {.protocol = "tcp",
				      .source = "192.0.2.7:1234",
				      .destination = "203.0.113.10:443",
				      .given = WIRE_BIT(protocol) | WIRE_BIT(source) |
					       WIRE_BIT(destination)};
	struct wire_reply reply;

	asked_start();
	ask_apply(API_TEXT);
	reply = ask(WIRE_COMMAND_deny_add, sources("192.0.2.0/24"));
	wire_reply_free(&reply);
	reply = ask(WIRE_COMMAND_flow_lookup, flow);
	ck_assert_str_eq(reply.flow->service, "web");
	ck_assert_ptr_null(reply.flow->backend);
	ck_assert_str_eq(reply.flow->why,
			 "its source is denied (sluicectl deny list), by 192.0.2.0/24");
	wire_reply_free(&reply);
	/* What is no service's is nobody's to drop. */
	flow.destination = "203.0.113.10:22";
	reply = ask(WIRE_COMMAND_flow_lookup, flow);
	ck_assert_ptr_null(strstr(reply.flow->why, "denied"));
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

RUN_TESTS("api_deny", words_commas_lines_and_comments_are_read,
	  what_is_no_prefix_is_refused_and_nothing_is_done, everybody_is_denied_only_by_force,
	  what_the_agent_refuses_is_told_and_no_event, the_list_tells_who_denies_and_since_when,
	  flow_lookup_tells_a_denied_source)
