/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replies: every kind goes out and comes back the same, and no text that a stranger writes does
 * harm.
 */
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "unit/support/random_record.h"
#include "unit/support/refused.h"
#include "unit/unit.h"
#include "wire/record.h"

/* ---- random documents, from the same tables as the encoder ----------------------------------- */

static char *draw_reply(enum wire_kind kind)
{
	struct arena *arena = arena_new();
	const struct wire_record *record = wire_kind_records[kind];
	void *data = arena_alloc(arena, record->size);
	char *line;

	random_record(arena, record, data);
	line = wire_encode_reply(kind, data);
	arena_free(arena);
	return line;
}

START_TEST(every_kind_comes_back_as_it_went_out)
{
	for (size_t item = 1; item < WIRE_KINDS; item++) {
		for (int round = 0; round < 200; round++) {
			struct wire_reply reply = {};
			struct problems p = {};
			char *line = draw_reply(item), *again;

			ck_assert_ptr_null(strchr(line, '\n'));
			ck_assert_int_eq(wire_decode_reply(line, strlen(line), &reply, &p), 0);
			ck_assert_int_eq(reply.kind, item);
			ck_assert_int_eq(reply.code, WIRE_OK);
			again = wire_encode_reply(reply.kind, reply.data);
			ck_assert_str_eq(again, line);
			wire_reply_free(&reply);
			free(again);
			free(line);
		}
	}
}
END_TEST

START_TEST(a_document_that_is_cut_short_is_refused)
{
	for (size_t item = 1; item < WIRE_KINDS; item++) {
		char *line = draw_reply(item);

		for (size_t length = 0; length < strlen(line); length++) {
			struct wire_reply reply = {};
			struct problems p = {};

			ck_assert_int_lt(wire_decode_reply(line, length, &reply, &p), 0);
			ck_assert_ptr_null(reply.arena);
			ck_assert_uint_gt(p.count, 0);
			problems_free(&p);
		}
		free(line);
	}
}
END_TEST

/* Overwrites, removes and doubles bytes; most are refused, none may crash (ASan watches). */
START_TEST(documents_with_random_damage_do_no_harm)
{
	for (size_t item = 1; item < WIRE_KINDS; item++) {
		int accepted = 0;

		for (int round = 0; round < 3000; round++) {
			struct wire_reply reply = {};
			struct problems p = {};
			char *line = draw_reply(item);
			size_t length = random_damage(line, strlen(line));

			if (wire_decode_reply(line, length, &reply, &p) == 0)
				accepted++;
			else
				ck_assert_uint_eq(p.count, 1);
			wire_reply_free(&reply);
			problems_free(&p);
			free(line);
		}
		ck_assert_int_lt(accepted, 3000);
	}
}
END_TEST

/* ---- what is refused, and how ---------------------------------------------------------------- */

static const struct refused refused[] = {
	{"", "reply: is not a JSON document"},
	{"[]", "kind: expected the name of a document"},
	{"7", "reply: is not a JSON document"},
	{"{\"version\":1,\"kind\":\"status\",\"data\":{}} x", "reply: is not a JSON document"},
	{"{\"version\":1,\"kind\":\"down\",\"data\":{\"what\":\"a\",\"what\":\"b\"}}", "duplicate"},
	{"{\"version\":2,\"kind\":\"down\",\"data\":{\"what\":\"\"}}", "expected \"version\": 1"},
	{"{\"kind\":\"down\",\"data\":{\"what\":\"\"}}", "expected \"version\": 1"},
	{"{\"version\":1,\"kind\":\"doom\",\"data\":{}}", "kind: expected the name of a document"},
	{"{\"version\":1,\"kind\":\"down\"}", "data: expected an object"},
	{"{\"version\":1,\"kind\":\"down\",\"data\":{}}", "data.what: is missing"},
	{"{\"version\":1,\"kind\":\"down\",\"data\":{\"what\":1}}", "data.what: expected a string"},
	{"{\"version\":1,\"kind\":\"down\",\"data\":{\"what\":\"\",\"x\":1}}",
	 "data.x: is no field of down"},
	{"{\"version\":1,\"kind\":\"down\",\"data\":{\"what\":\"\"},\"y\":1}",
	 "reply 'y': is no field of a reply"},
	{"{\"version\":1,\"kind\":\"down\",\"data\":{\"what\":\"\\u0000\"}}", "NUL"},
	{"{\"version\":1,\"kind\":\"down\",\"data\":{\"what\":\"\xff\"}}",
	 "unable to decode byte 0xff"},
	{"{\"version\":1,\"kind\":\"version\",\"data\":{\"version\":\"1\",\"layout\":-1}}",
	 "data.layout: expected an integer of at least 0"},
	{"{\"version\":1,\"kind\":\"version\",\"data\":{\"version\":\"1\",\"layout\":1.5}}",
	 "data.layout: expected an integer of at least 0"},
	{"{\"version\":1,\"kind\":\"version\",\"data\":{\"version\":\"1\",\"layout\":"
	 "99999999999999999999}}",
	 "too big integer"},
	{"{\"version\":1,\"kind\":\"backends\",\"data\":{\"backends\":[{\"service\":\"a\"}]}}",
	 "data.backends[0].address: is missing"},
	{"{\"version\":1,\"kind\":\"backends\",\"data\":{\"backends\":{}}}",
	 "data.backends: expected a list"},
	{"{\"version\":1,\"kind\":\"backends\",\"data\":{\"backends\":[[[[[[[[[]]]]]]]]]}}",
	 "is nested deeper than 8"},
	{"{\"version\":1,\"kind\":\"error\",\"code\":0,\"errors\":[{\"expected\":\"\"}]}",
	 "code: expected an exit code"},
	{"{\"version\":1,\"kind\":\"error\",\"code\":1,\"errors\":[]}", "at least one error"},
	{"{\"version\":1,\"kind\":\"error\",\"code\":1,\"errors\":[{\"line\":1}]}",
	 "errors[0].expected: is missing"},
	{"{\"version\":1,\"kind\":\"error\",\"code\":1,\"errors\":[{\"expected\":\"\"}],\"data\":{}"
	 "}",
	 "reply 'data': is no field"},
};

static int decode(const char *line, size_t length, struct problems *p)
{
	struct wire_reply reply = {};

	return wire_decode_reply(line, length, &reply, p);
}

START_TEST(a_wrong_reply_is_refused_by_the_name_of_what_is_wrong)
{
	check_refused(refused, ARRAY_SIZE(refused), decode);
}
END_TEST

START_TEST(errors_come_back_with_every_place_and_value)
{
	struct problems p = {}, back = {}, none = {};
	struct wire_reply reply = {};
	char *line, *before, *after;

	problems_add_at(&p, "a.yaml", 3, 7, "services[0].port", "http", "expected a port");
	problems_add(&p, -1, NULL, NULL, "%s", "something else");
	line = wire_encode_error(WIRE_INVALID, &p);
	ck_assert_str_eq(line, "{\"version\":1,\"kind\":\"error\",\"code\":3,\"errors\":["
			       "{\"file\":\"a.yaml\",\"line\":3,\"column\":7,"
			       "\"field\":\"services[0].port\",\"value\":\"http\","
			       "\"expected\":\"expected a port\"},"
			       "{\"expected\":\"something else\"}]}");
	ck_assert_int_eq(wire_decode_reply(line, strlen(line), &reply, &none), 0);
	ck_assert_int_eq(reply.kind, WIRE_KIND_error);
	ck_assert_int_eq(reply.code, WIRE_INVALID);
	wire_problems_to(reply.errors.list, reply.errors.count, &back);
	ck_assert_uint_eq(back.count, p.count);
	for (size_t i = 0; i < p.count; i++) {
		before = problem_text(&p.list[i]);
		after = problem_text(&back.list[i]);
		ck_assert_str_eq(before, after);
		free(before);
		free(after);
	}
	wire_reply_free(&reply);
	problems_free(&p);
	problems_free(&back);
	free(line);
}
END_TEST

/* ---- text ------------------------------------------------------------------------------------ */

static const struct {
	const char *text;
	size_t valid;
	const char *written;
} texts[] = {
	{"plain", 5, "plain"},
	{"\xc3\xbc", 2, "\u00fc"},
	{"a\xff"
	 "b",
	 1,
	 "a\ufffd"
	 "b"},
	{"\xc3", 0, "\ufffd"},				     /* ends within a sequence */
	{"\xc0\x80", 0, "\ufffd\ufffd"},		     /* overlong NUL */
	{"\xed\xa0\x80", 0, "\ufffd\ufffd\ufffd"},	     /* a surrogate */
	{"\xf4\x90\x80\x80", 0, "\ufffd\ufffd\ufffd\ufffd"}, /* above U+10FFFF */
	{"\xf0\x9f\x90\x8e", 4, "\U0001f40e"},
};

START_TEST(text_that_is_not_utf8_is_found_and_written_with_replacements)
{
	for (size_t item = 0; item < ARRAY_SIZE(texts); item++) {
		struct wire_down down = {.what = texts[item].text};
		struct wire_reply reply = {};
		struct problems p = {};
		char *line = wire_encode_reply(WIRE_KIND_down, &down);

		ck_assert_uint_eq(wire_utf8_length(texts[item].text, strlen(texts[item].text)),
				  texts[item].valid);
		ck_assert_int_eq(wire_decode_reply(line, strlen(line), &reply, &p), 0);
		ck_assert_str_eq(reply.down->what, texts[item].written);
		wire_reply_free(&reply);
		free(line);
	}
}
END_TEST

START_TEST(an_integer_beyond_json_s_is_written_as_the_largest)
{
	struct wire_version version = {.version = "1", .layout = UINT64_MAX};
	char *line = wire_encode_reply(WIRE_KIND_version, &version);

	ck_assert_ptr_nonnull(strstr(line, "9223372036854775807"));
	free(line);
}
END_TEST

RUN_TESTS("wire_documents", every_kind_comes_back_as_it_went_out,
	  a_document_that_is_cut_short_is_refused, documents_with_random_damage_do_no_harm,
	  a_wrong_reply_is_refused_by_the_name_of_what_is_wrong,
	  errors_come_back_with_every_place_and_value,
	  text_that_is_not_utf8_is_found_and_written_with_replacements,
	  an_integer_beyond_json_s_is_written_as_the_largest)
