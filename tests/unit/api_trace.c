/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `trace`: what a request may say, and what is told of packets that a scripted program judges. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "unit/support/asked_api.h"
#include "unit/unit.h"

#define MACS	 "020000000002020000000001"
#define ETHERNET MACS "0800"
/* 192.0.2.1:40000 to 203.0.113.10:443, and to 203.0.113.99 */
#define WEB    "450000280001400040060000c0000201cb00710a9c4001bb00000001000000005002ffff00000000"
#define TO_WEB ETHERNET WEB
#define ELSEWHERE                                                                                  \
	ETHERNET "450000280001400040060000c0000201cb0071639c4001bb00000001000000005002ffff0000000" \
		 "0"
#define FRAGMENT                                                                                   \
	ETHERNET "450000280001000540060000c0000201cb00710a9c4001bb00000001000000005002ffff0000000" \
		 "0"
#define LINE(frame) "1764041000.123456789 54 " frame "\n"

/* The program: says for each frame the next outcome of a list, or an error. */
struct script {
	struct dataplane_outcome outcomes[4];
	int errors[4];
	size_t next;
	uint8_t last[256]; /* the last frame */
	size_t length;
};

static int play(void *self, const void *frame, size_t length, struct dataplane_outcome *out)
{
	struct script *script = self;
	size_t i = script->next++;

	ck_assert_uint_lt(i, ARRAY_SIZE(script->outcomes));
	ck_assert_uint_le(length, sizeof(script->last));
	memcpy(script->last, frame, length);
	script->length = length;
	*out = script->outcomes[i];
	return script->errors[i];
}

static bool denies(void *self, const struct addr *source, struct prefix *by)
{
	(void)self;
	*by = prefix_of(source, 24);
	return true;
}

static struct tracer *open_tracer(struct script *scripts, size_t count)
{
	struct tracer_world worlds[2];

	for (size_t i = 0; i < count; i++)
		worlds[i] = (struct tracer_world){asked.host.engine, play, denies, &scripts[i]};
	return tracer_new(worlds, count);
}

static struct wire_reply send_packets(struct tracer *tracer, uint64_t first, bool last,
				      const char *packets)
{
	const struct wire_arguments arguments = {.first = first, .last = last, .packets = packets};
	struct wire_reply reply = {};
	struct problems p = {};
	enum wire_code code;
	char *line = tracer_answer(tracer, &arguments, &code);

	ck_assert_msg(!wire_decode_reply(line, strlen(line), &reply, &p), "%s", line);
	ck_assert_int_eq(reply.code, code);
	free(line);
	return reply;
}

/* Sent to a backend of a service, as the program counts it. */
static struct dataplane_outcome sent_to(const char *service, const char *backend)
{
	struct addr address = fake_address(backend);
	uint32_t index = engine_backend_index(asked.host.engine, service, &address);

	ck_assert_uint_ne(index, 0);
	return (struct dataplane_outcome){
		.verdict = SL_SEND_tx,
		.service = engine_view(asked.host.engine)->backends[index].service,
		.backend = index,
	};
}

/* Where flow lookup says that the flow of TO_WEB goes. */
static const char *web_backend(void)
{
	const struct engine_flow flow = {
		.source = fake_address("192.0.2.1"),
		.destination = fake_address("203.0.113.10"),
		.source_port = 40000,
		.destination_port = 443,
		.protocol = 6,
	};
	static char text[ADDR_TEXT_SIZE];
	struct engine_flow_answer answer;

	ck_assert_int_eq(engine_flow_lookup(asked.host.engine, &flow, &answer), 0);
	ck_assert(answer.has_backend);
	return addr_format(&answer.backend, text);
}

static const char *other_backend(void)
{
	return strcmp(web_backend(), "10.0.1.11") ? "10.0.1.11" : "10.0.1.12";
}

static void start(void)
{
	asked_start();
	ask_apply(API_TEXT);
}

START_TEST(each_packet_is_told_with_verdict_backend_and_why)
{
	struct script script = {};
	struct wire_reply reply;
	struct tracer *tracer;
	const struct wire_trace_packet *list;

	start();
	script.outcomes[0] = sent_to("web", web_backend());
	script.outcomes[1] = (struct dataplane_outcome){.verdict = SL_PASS_no_listener};
	script.outcomes[2] = sent_to("web", other_backend());
	tracer = open_tracer(&script, 1);
	reply = send_packets(tracer, 1, true, LINE(TO_WEB) LINE(ELSEWHERE) LINE(FRAGMENT));
	expect_kind(&reply, WIRE_KIND_trace);
	ck_assert_uint_eq(reply.trace->packets.count, 3);
	list = reply.trace->packets.list;
	ck_assert_str_eq(list[0].time, "2025-11-25T03:23:20.123456Z");
	ck_assert_str_eq(list[0].protocol, "tcp");
	ck_assert_str_eq(list[0].source, "192.0.2.1:40000");
	ck_assert_str_eq(list[0].destination, "203.0.113.10:443");
	ck_assert_str_eq(list[0].verdict, "tx");
	ck_assert_str_eq(list[0].action, "send");
	ck_assert_str_eq(list[0].service, "web");
	ck_assert_str_eq(list[0].backend, web_backend());
	ck_assert_str_eq(list[0].by, "table");
	ck_assert_ptr_nonnull(strstr(list[0].why, " of 251 names it"));
	ck_assert_str_eq(list[1].verdict, "no_listener");
	ck_assert_str_eq(list[1].action, "pass");
	ck_assert_ptr_null(list[1].service);
	ck_assert_str_eq(list[1].why, "no service listens there");
	/* It has no ports, so no slot has sent it there. */
	ck_assert_str_eq(list[2].source, "192.0.2.1");
	ck_assert_str_eq(list[2].backend, other_backend());
	ck_assert_str_eq(list[2].by, "first fragment");
	ck_assert_ptr_nonnull(strstr(list[2].why, "the first fragment"));
	ck_assert_uint_eq(reply.trace->total, 3);
	ck_assert_uint_eq(reply.trace->verdicts.count, 2);
	ck_assert_str_eq(reply.trace->verdicts.list[0].verdict, "tx");
	ck_assert_uint_eq(reply.trace->verdicts.list[0].packets, 2);
	ck_assert_uint_eq(reply.trace->backends.count, 2);
	ck_assert_str_eq(reply.trace->backends.list[0].backend, "10.0.1.11");
	wire_reply_free(&reply);
	tracer_free(tracer);
	asked_stop();
}
END_TEST

START_TEST(a_packet_that_was_cut_is_tried_with_zeros)
{
	struct script script = {.outcomes = {{.verdict = SL_DROP_bad_length}}};
	struct wire_reply reply;
	struct tracer *tracer;

	start();
	tracer = open_tracer(&script, 1);
	reply = send_packets(tracer, 1, false, "1.000000000 100 " TO_WEB "\n");
	expect_kind(&reply, WIRE_KIND_trace);
	ck_assert_uint_eq(script.length, 100);
	ck_assert_int_eq(script.last[54], 0);
	ck_assert(reply.trace->packets.list[0].cut);
	/* Sums come with the last packets alone. */
	ck_assert_uint_eq(reply.trace->verdicts.count, 0);
	wire_reply_free(&reply);
	tracer_free(tracer);
	asked_stop();
}
END_TEST

START_TEST(what_cannot_be_tried_is_no_failure_of_the_trace)
{
	struct script script = {.errors = {-EMSGSIZE, -EINVAL, -EIO}};
	static const char *const why[] = {"longer than the kernel can try",
					  "shorter than an Ethernet header",
					  "the kernel could not try it: Input/output error"};
	struct wire_reply reply;
	struct tracer *tracer;

	start();
	tracer = open_tracer(&script, 1);
	reply = send_packets(tracer, 1, true, LINE(TO_WEB) LINE(TO_WEB) LINE(TO_WEB));
	expect_kind(&reply, WIRE_KIND_trace);
	for (size_t i = 0; i < ARRAY_SIZE(why); i++) {
		ck_assert_str_eq(reply.trace->packets.list[i].verdict, "not_run");
		ck_assert_ptr_nonnull(strstr(reply.trace->packets.list[i].why, why[i]));
	}
	ck_assert_str_eq(reply.trace->verdicts.list[0].verdict, "not_run");
	ck_assert_uint_eq(reply.trace->verdicts.list[0].packets, 3);
	wire_reply_free(&reply);
	tracer_free(tracer);
	asked_stop();
}
END_TEST

START_TEST(a_comparison_lists_only_what_differs)
{
	struct script scripts[2] = {};
	struct wire_reply reply;
	struct tracer *tracer;

	start();
	scripts[0].outcomes[0] = scripts[1].outcomes[0] = sent_to("web", web_backend());
	scripts[0].outcomes[1] = sent_to("web", web_backend());
	scripts[1].outcomes[1] = sent_to("web", other_backend());
	scripts[0].outcomes[2] = sent_to("web", web_backend());
	scripts[1].outcomes[2] = (struct dataplane_outcome){.verdict = SL_PASS_no_listener};
	tracer = open_tracer(scripts, 2);
	reply = send_packets(tracer, 1, false, LINE(TO_WEB));
	ck_assert(reply.trace->compares);
	ck_assert_uint_eq(reply.trace->packets.count, 0);
	wire_reply_free(&reply);
	reply = send_packets(tracer, 2, true, LINE(TO_WEB) LINE(TO_WEB));
	ck_assert_uint_eq(reply.trace->packets.count, 2);
	ck_assert_uint_eq(reply.trace->packets.list[0].number, 2);
	ck_assert_str_eq(reply.trace->packets.list[0].backend, web_backend());
	ck_assert_str_eq(reply.trace->packets.list[0].then_backend, other_backend());
	ck_assert_str_eq(reply.trace->packets.list[1].then_verdict, "no_listener");
	ck_assert_ptr_null(reply.trace->packets.list[1].then_backend);
	ck_assert_uint_eq(reply.trace->total, 3);
	ck_assert_uint_eq(reply.trace->differ, 2);
	ck_assert_uint_eq(reply.trace->verdicts.list[0].packets, 3);
	ck_assert_uint_eq(reply.trace->verdicts.list[0].then_packets, 2);
	wire_reply_free(&reply);
	tracer_free(tracer);
	asked_stop();
}
END_TEST

static void refuses(uint64_t first, const char *packets, const char *complaint)
{
	struct script script = {};
	struct tracer *tracer = open_tracer(&script, 1);

	expect_error(send_packets(tracer, first, true, packets), WIRE_USAGE, complaint);
	tracer_free(tracer);
}

START_TEST(packets_that_are_none_are_refused)
{
	static const char *const lines[] = {
		"nonsense\n",
		"\n",
		"1.000000000 54\n",
		"1.00000000 54 " TO_WEB "\n",
		"1.00000000x 54 " TO_WEB "\n",
		"x.000000000 54 " TO_WEB "\n",
		"4294967296.000000000 54 " TO_WEB "\n",
		"1.000000000 53 " TO_WEB "\n", /* more bytes than its length */
		"1.000000000 54 " TO_WEB,      /* no newline */
		"1.000000000 54 0\n",
		"1.000000000 54 xx\n",
		"1.000000000 262145 00\n",
	};
	struct text many = {};

	start();
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		refuses(1, lines[i],
			"arguments.packets: line 1: expected SECONDS.NANOSECONDS LENGTH "
			"HEXADECIMAL and a newline, at most 262144 bytes");
	refuses(2, LINE(TO_WEB), "arguments.first: expected 1, the number of the next packet");
	for (int i = 0; i < 4097; i++)
		text_add(&many, "1.000000000 0 \n");
	refuses(1, many.data, "arguments.packets: expected at most 4096 in a request");
	text_free(&many);
	asked_stop();
}
END_TEST

static struct wire_arguments trace_from(uint64_t first, uint32_t more)
{
	return (struct wire_arguments){
		.first = first,
		.packets = LINE(TO_WEB),
		.config = "a.yaml",
		.config_text = "version: 1\n",
		.given = WIRE_BIT(first) | WIRE_BIT(packets) | more,
	};
}

START_TEST(a_request_goes_on_to_the_agent_if_it_is_coherent)
{
	uint32_t both = WIRE_BIT(config) | WIRE_BIT(config_text);
	static const char *const complaint = "arguments: expected `first`, and with 1 alone a "
					     "configuration, by name and text";

	start();
	ask_for_later(WIRE_COMMAND_trace, trace_from(1, 0));
	ck_assert_uint_eq(asked.agent.traced, 1);
	ask_for_later(WIRE_COMMAND_trace, trace_from(1, both));
	ask_for_later(WIRE_COMMAND_trace, trace_from(7, 0));
	ck_assert_uint_eq(asked.agent.traced, 7);
	expect_error(ask(WIRE_COMMAND_trace, trace_from(0, 0)), WIRE_USAGE, complaint);
	expect_error(ask(WIRE_COMMAND_trace, trace_from(2, both)), WIRE_USAGE, complaint);
	expect_error(ask(WIRE_COMMAND_trace, trace_from(1, WIRE_BIT(config))), WIRE_USAGE,
		     complaint);
	asked.agent.fails = true;
	expect_error(ask(WIRE_COMMAND_trace, trace_from(1, 0)), WIRE_FAILED,
		     "trace: another client's is under way");
	asked_stop();
}
END_TEST

START_TEST(a_packet_that_its_connection_id_led_is_told_so_and_why_it_did_not)
{
	struct script script = {};
	struct wire_reply reply;
	struct tracer *tracer;
	const struct wire_trace_packet *list;

	start();
	script.outcomes[0] = sent_to("web", other_backend());
	script.outcomes[0].connection_id = SL_EVENT_quic_named;
	script.outcomes[1] = sent_to("web", web_backend());
	script.outcomes[1].connection_id = SL_EVENT_quic_unknown;
	tracer = open_tracer(&script, 1);
	reply = send_packets(tracer, 1, true, LINE(TO_WEB) LINE(TO_WEB));
	expect_kind(&reply, WIRE_KIND_trace);
	list = reply.trace->packets.list;
	ck_assert_str_eq(list[0].by, "connection id");
	ck_assert_str_eq(list[0].backend, other_backend());
	ck_assert_str_eq(list[0].why, "its connection id names it, whatever the flow's slot says");
	ck_assert_str_eq(list[1].by, "table");
	ck_assert_ptr_nonnull(strstr(
		list[1].why, "names it; the connection id has a server id that is no backend's"));
	wire_reply_free(&reply);
	tracer_free(tracer);
	asked_stop();
}
END_TEST

/* Whose they are is the program's word, which reads two tags at most; what they carry is told of all. */
START_TEST(packets_with_one_or_two_tags_are_told_as_without)
{
	struct script script = {};
	struct wire_reply reply;
	struct tracer *tracer;

	start();
	script.outcomes[0] = script.outcomes[1] = sent_to("web", web_backend());
	script.outcomes[2] = script.outcomes[3] =
		(struct dataplane_outcome){.verdict = SL_PASS_tagged};
	tracer = open_tracer(&script, 1);
	reply = send_packets(tracer, 1, true,
			     "1.000000000 58 " MACS "81000065"
			     "0800" WEB "\n"
			     "1.000000000 62 " MACS "88a80064"
			     "81000065"
			     "0800" WEB "\n"
			     "1.000000000 58 " MACS "810003e7"
			     "0800" WEB "\n"
			     "1.000000000 66 " MACS "88a80064"
			     "81000065"
			     "81000066"
			     "0800" WEB "\n");
	expect_kind(&reply, WIRE_KIND_trace);
	ck_assert_uint_eq(script.length, 66);
	ck_assert_uint_eq(reply.trace->packets.count, 4);
	for (size_t i = 0; i < 4; i++) {
		const struct wire_trace_packet *packet = &reply.trace->packets.list[i];

		ck_assert_str_eq(packet->protocol, "tcp");
		ck_assert_str_eq(packet->source, "192.0.2.1:40000");
		ck_assert_str_eq(packet->destination, "203.0.113.10:443");
		if (i < 2) {
			ck_assert_str_eq(packet->backend, web_backend());
			ck_assert_str_eq(packet->by, "table");
			ck_assert_ptr_nonnull(strstr(packet->why, " of 251 names it"));
		} else {
			ck_assert_str_eq(packet->verdict, "tagged");
			ck_assert_ptr_null(packet->by);
		}
	}
	wire_reply_free(&reply);
	tracer_free(tracer);
	asked_stop();
}
END_TEST

START_TEST(a_denied_packet_is_told_with_the_prefix_that_denies_it)
{
	struct script script = {.outcomes = {{.verdict = SL_DROP_denied}}};
	struct wire_reply reply;
	struct tracer *tracer;

	start();
	tracer = open_tracer(&script, 1);
	reply = send_packets(tracer, 1, true, LINE(TO_WEB));
	expect_kind(&reply, WIRE_KIND_trace);
	ck_assert_str_eq(reply.trace->packets.list[0].verdict, "denied");
	ck_assert_str_eq(reply.trace->packets.list[0].action, "drop");
	ck_assert_str_eq(reply.trace->packets.list[0].why, DENIED_BY "192.0.2.0/24");
	ck_assert_ptr_null(reply.trace->packets.list[0].by);
	wire_reply_free(&reply);
	tracer_free(tracer);
	asked_stop();
}
END_TEST

RUN_TESTS("api_trace", packets_with_one_or_two_tags_are_told_as_without,
	  a_denied_packet_is_told_with_the_prefix_that_denies_it,
	  a_packet_that_its_connection_id_led_is_told_so_and_why_it_did_not,
	  each_packet_is_told_with_verdict_backend_and_why,
	  a_packet_that_was_cut_is_tried_with_zeros,
	  what_cannot_be_tried_is_no_failure_of_the_trace, a_comparison_lists_only_what_differs,
	  packets_that_are_none_are_refused, a_request_goes_on_to_the_agent_if_it_is_coherent)
