/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DNS questions and answers, ICMP echo: what is sent, and what is taken for an answer. */
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "prober/dns.h"
#include "prober/echo.h"
#include "random.h"
#include "unit/unit.h"

/* ---- dns ------------------------------------------------------------------------------------- */

START_TEST(a_question_is_written_as_rfc_1035_says)
{
	static const uint8_t expected[] = {0x12, 0x34, 1,   0,	 0,   1,   0,	0,   0,	  0,   0,
					   0,	 3,    'w', 'w', 'w', 7,   'e', 'x', 'a', 'm', 'p',
					   'l',	 'e',  3,   'o', 'r', 'g', 0,	0,   28,  0,   1};
	uint8_t query[DNS_QUERY_MAX];

	ck_assert_uint_eq(dns_query(0x1234, "www.example.org", 28, query), sizeof(expected));
	ck_assert_mem_eq(query, expected, sizeof(expected));
	ck_assert_uint_eq(dns_query(0x1234, "www.example.org.", 28, query), sizeof(expected));
	ck_assert_mem_eq(query, expected, sizeof(expected));
	ck_assert_uint_eq(dns_query(1, ".", 2, query), 12 + 1 + 4);
}
END_TEST

START_TEST(what_is_no_domain_name_makes_no_question)
{
	char label64[65], name256[300] = "", name254[300] = "";
	uint8_t query[DNS_QUERY_MAX];

	memset(label64, 'a', 64);
	label64[64] = '\0';
	ck_assert_uint_eq(dns_query(1, "", 1, query), 0);
	ck_assert_uint_eq(dns_query(1, "a..b", 1, query), 0);
	ck_assert_uint_eq(dns_query(1, ".a", 1, query), 0);
	ck_assert_uint_eq(dns_query(1, label64, 1, query), 0);
	ck_assert_uint_gt(dns_query(1, label64 + 1, 1, query), 0);
	for (int i = 0; i < 128; i++)
		strcat(name256, "a.");
	for (int i = 0; i < 127; i++)
		strcat(name254, "a.");
	ck_assert_uint_eq(dns_query(1, name256, 1, query), 0);
	ck_assert_uint_eq(dns_query(1, name254, 1, query), 12 + 255 + 4);
}
END_TEST

struct answer {
	uint8_t bytes[512];
	size_t length;
};

/* The question with flags and one record. */
static struct answer answer_to(const uint8_t *query, size_t length)
{
	static const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1};
	struct answer answer;

	memcpy(answer.bytes, query, length);
	answer.bytes[2] = 0x84;
	answer.bytes[3] = 0x80;
	answer.bytes[7] = 1;
	memcpy(answer.bytes + length, record, sizeof(record));
	memcpy(answer.bytes + length + 2, query + length - 4, 2); /* the type asked for */
	answer.length = length + sizeof(record);
	return answer;
}

static const struct {
	const char *name;
	size_t at; /* the byte that is changed, and to what */
	uint8_t value;
	enum judge judge;
	const char *why;
} answers[] = {
	{"as it should be", 7, 1, JUDGE_GOOD, ""},
	{"another id", 0, 0xff, JUDGE_NOT_OURS, ""},
	{"a question", 2, 0x04, JUDGE_NOT_OURS, ""},
	{"another opcode", 2, 0x90, JUDGE_NOT_OURS, ""},
	{"SERVFAIL", 3, 2, JUDGE_BAD, "answer: rcode 2 (SERVFAIL), expected 0"},
	{"NXDOMAIN", 3, 3, JUDGE_BAD, "answer: rcode 3 (NXDOMAIN), expected 0"},
	{"an rcode without a name", 3, 15, JUDGE_BAD, "answer: rcode 15 (unknown), expected 0"},
	{"no record", 7, 0, JUDGE_BAD, "answer: holds no record, expected at least one"},
	{"no question", 5, 0, JUDGE_BAD, "answer: does not repeat the question"},
	{"another name", 13, 'x', JUDGE_NOT_OURS, ""},
	{"the name in capitals", 13, 'W', JUDGE_GOOD, ""},
	{"another type", 30, 1, JUDGE_NOT_OURS, ""},
};

START_TEST(an_answer_counts_only_for_its_question_and_with_a_record)
{
	uint8_t query[DNS_QUERY_MAX];
	size_t length = dns_query(0x1234, "www.example.org", 28, query);

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct answer answer = answer_to(query, length);
		char why[JUDGE_WHY_SIZE] = "";

		answer.bytes[answers[i].at] = answers[i].value;
		ck_assert_msg(dns_judge(query, length, answer.bytes, answer.length, why) ==
				      answers[i].judge,
			      "%s", answers[i].name);
		ck_assert_str_eq(why, answers[i].why);
	}
}
END_TEST

START_TEST(a_truncated_answer_without_records_says_so)
{
	uint8_t query[DNS_QUERY_MAX];
	size_t length = dns_query(7, "a", 1, query);
	struct answer answer = answer_to(query, length);
	char why[JUDGE_WHY_SIZE] = "";

	answer.bytes[2] |= 2;
	answer.bytes[7] = 0;
	ck_assert_int_eq(dns_judge(query, length, answer.bytes, length, why), JUDGE_BAD);
	ck_assert_str_eq(why, "answer: is truncated and holds no record");
}
END_TEST

/* An answer made of parts: the question, then records with a name as given and as much data. */
struct record {
	const char *name; /* bytes; "\xc0\x0c" is the name asked for */
	size_t name_length;
	uint16_t type, class;
	const char *data;
	size_t data_length;
};
#define BYTES(text) (text), sizeof(text) - 1
#define ASKED	    BYTES("\xc0\x0c") /* where the question's name lies */
#define FOUR	    BYTES("\xc0\x00\x02\x01")

static struct answer answer_of(const uint8_t *query, size_t length, const struct record *records,
			       size_t count)
{
	struct answer answer = answer_to(query, length);
	uint8_t *at = answer.bytes + length;

	answer.bytes[7] = (uint8_t)count;
	for (size_t i = 0; i < count; i++) {
		const struct record *r = &records[i];
		const uint8_t fixed[] = {r->type >> 8, r->type, r->class >> 8, r->class, 0, 0, 0,
					 60,	       0,	r->data_length};

		memcpy(at, r->name, r->name_length);
		memcpy(at += r->name_length, fixed, sizeof(fixed));
		memcpy(at += sizeof(fixed), r->data, r->data_length);
		at += r->data_length;
	}
	answer.length = at - answer.bytes;
	return answer;
}

/* Asked: type A of "a.b", whose name lies at 12 and ends at 17; the first record begins at 21. */
static const struct {
	const char *name;
	struct record records[3];
	size_t count;
	enum judge judge;
	const char *why;
} records[] = {
	{"its own name", {{BYTES("\1A\1b\0"), 1, 1, FOUR}}, 1, JUDGE_GOOD, ""},
	{"half of it by a pointer", {{BYTES("\1a\xc0\x0e"), 1, 1, FOUR}}, 1, JUDGE_GOOD, ""},
	{"another name",
	 {{BYTES("\1x\xc0\x0e"), 1, 1, FOUR}},
	 1,
	 JUDGE_BAD,
	 "answer: no record of the name and type asked for, but 1 others"},
	{"another type",
	 {{ASKED, 16, 1, FOUR}},
	 1,
	 JUDGE_BAD,
	 "answer: no record of the name and type asked for, but 1 others"},
	{"another class",
	 {{ASKED, 1, 3, FOUR}},
	 1,
	 JUDGE_BAD,
	 "answer: no record of the name and type asked for, but 1 others"},
	{"the second one fits", {{ASKED, 46, 1, FOUR}, {ASKED, 1, 1, FOUR}}, 2, JUDGE_GOOD, ""},
	{"an alias and what it stands for",
	 {{ASKED, 5, 1, BYTES("\1x\xc0\x0e")}, {BYTES("\xc0\x21"), 1, 1, FOUR}},
	 2,
	 JUDGE_GOOD,
	 ""},
	{"in the other order",
	 {{BYTES("\1x\1b\0"), 1, 1, FOUR}, {ASKED, 5, 1, BYTES("\1X\xc0\x0e")}},
	 2,
	 JUDGE_GOOD,
	 ""},
	{"an alias alone",
	 {{ASKED, 5, 1, BYTES("\1x\xc0\x0e")}},
	 1,
	 JUDGE_BAD,
	 "answer: an alias (CNAME), but no record of the type asked for of what it stands for"},
	{"an alias of itself",
	 {{ASKED, 5, 1, BYTES("\xc0\x0c")}},
	 1,
	 JUDGE_BAD,
	 "answer: more than 16 aliases (CNAME) of the name"},
	{"aliases in a circle",
	 {{ASKED, 5, 1, BYTES("\1x\1b\0")}, {BYTES("\1x\1b\0"), 5, 1, BYTES("\xc0\x0c")}},
	 2,
	 JUDGE_BAD,
	 "answer: more than 16 aliases (CNAME) of the name"},
	{"an alias with bytes behind its name",
	 {{ASKED, 5, 1, BYTES("\xc0\x0c\0")}},
	 1,
	 JUDGE_BAD,
	 "answer: record 1 of 1 is damaged or cut off"},
	{"a pointer to itself",
	 {{BYTES("\xc0\x15"), 1, 1, FOUR}},
	 1,
	 JUDGE_BAD,
	 "answer: record 1 of 1 is damaged or cut off"},
	{"a pointer to the label before it",
	 {{BYTES("\1a\xc0\x15"), 1, 1, FOUR}},
	 1,
	 JUDGE_BAD,
	 "answer: record 1 of 1 is damaged or cut off"},
	{"a pointer forwards",
	 {{BYTES("\xc0\x20"), 1, 1, FOUR}},
	 1,
	 JUDGE_BAD,
	 "answer: record 1 of 1 is damaged or cut off"},
	{"a label of a kind that there is not",
	 {{BYTES("\x41\1a\0"), 1, 1, FOUR}},
	 1,
	 JUDGE_BAD,
	 "answer: record 1 of 1 is damaged or cut off"},
};

START_TEST(an_answer_must_hold_a_record_of_the_name_and_type)
{
	uint8_t query[DNS_QUERY_MAX];
	size_t length = dns_query(7, "a.b", 1, query);

	for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
		struct answer answer =
			answer_of(query, length, records[i].records, records[i].count);
		char why[JUDGE_WHY_SIZE] = "";

		ck_assert_msg(dns_judge(query, length, answer.bytes, answer.length, why) ==
				      records[i].judge,
			      "%s: %s", records[i].name, why);
		ck_assert_str_eq(why, records[i].why);
		/* Cut anywhere it is no good answer, and read no further. */
		for (size_t cut = 0; cut < answer.length; cut++) {
			uint8_t *bytes = mem_alloc(cut ? cut : 1);

			memcpy(bytes, answer.bytes, cut);
			ck_assert_msg(dns_judge(query, length, bytes, cut, why) != JUDGE_GOOD,
				      "%s, cut to %zu", records[i].name, cut);
			free(bytes);
		}
	}
	/* Any type will do. */
	length = dns_query(7, "a.b", 255, query);
	for (size_t i = 3; i < 5; i++) {
		struct answer answer = answer_of(query, length, records[i].records, 1);
		char why[JUDGE_WHY_SIZE] = "";

		ck_assert_int_eq(dns_judge(query, length, answer.bytes, answer.length, why),
				 i == 3 ? JUDGE_GOOD : JUDGE_BAD);
	}
}
END_TEST

START_TEST(a_name_of_nothing_but_pointers_costs_a_bounded_time)
{
	static uint8_t bytes[65535];
	uint8_t query[DNS_QUERY_MAX];
	size_t length = dns_query(7, "a.b", 1, query), at = length;
	struct answer answer = answer_to(query, length);
	char why[JUDGE_WHY_SIZE] = "";

	memcpy(bytes, answer.bytes, length);
	/* A record of text that is one long chain, and one whose name is its end. */
	memcpy(bytes + at, "\xc0\x0c\0\x10\0\1\0\0\0\0\x40\0", 12);
	at += 12;
	for (size_t i = 0; i < 0x2000; i++, at += 2) {
		size_t to = i ? at - 2 : 12;

		bytes[at] = 0xc0 | to >> 8;
		bytes[at + 1] = (uint8_t)to;
	}
	bytes[7] = 2;
	bytes[at] = 0xc0 | 0x3f;
	bytes[at + 1] = 0xf1;
	memcpy(bytes + at + 2, "\0\1\0\1\0\0\0\0\0\4\0\0\0\0", 14);
	at += 16;
	ck_assert_int_eq(dns_judge(query, length, bytes, at, why), JUDGE_BAD);
	ck_assert_str_eq(why, "answer: record 2 of 2 is damaged or cut off");
}
END_TEST

START_TEST(random_bytes_and_cut_answers_are_never_good_and_never_read_too_far)
{
	uint8_t query[DNS_QUERY_MAX];
	size_t length = dns_query(0x1234, "www.example.org", 28, query);
	struct answer whole = answer_to(query, length);
	char why[JUDGE_WHY_SIZE];

	for (size_t cut = 0; cut <= length; cut++) {
		uint8_t *bytes = mem_alloc(cut ? cut : 1); /* of its very size, for ASan */

		memcpy(bytes, whole.bytes, cut);
		ck_assert_int_ne(dns_judge(query, length, bytes, cut, why), JUDGE_GOOD);
		free(bytes);
	}
	for (int round = 0; round < 100000; round++) {
		uint8_t bytes[64];
		size_t size = random_below(sizeof(bytes) + 1);

		for (size_t i = 0; i < size; i++)
			bytes[i] = (uint8_t)random_next();
		if (size > 1)
			memcpy(bytes, query, 2);
		ck_assert_int_ne(dns_judge(query, length, bytes, size, why), JUDGE_GOOD);
		echo_judge(round % 2 ? AF_INET : AF_INET6, 7, bytes, size);
	}
}
END_TEST

/* ---- icmp ------------------------------------------------------------------------------------ */

static size_t reply_to(int family, uint64_t token, uint8_t out[60 + ECHO_SIZE])
{
	size_t header = family == AF_INET ? 24 : 0; /* with an option */

	memset(out, 0, 60 + ECHO_SIZE);
	echo_request(family, token, out + header);
	out[header] = family == AF_INET ? 0 : 129;
	if (header)
		out[0] = 0x46;
	return header + ECHO_SIZE;
}

START_TEST(an_echo_request_has_the_checksum_of_rfc_1071)
{
	uint8_t request[ECHO_SIZE];
	uint32_t sum = 0;

	for (int round = 0; round < 1000; round++) {
		ck_assert_uint_eq(echo_request(AF_INET, random_next(), request), ECHO_SIZE);
		ck_assert_uint_eq(request[0], 8);
		sum = 0;
		for (size_t i = 0; i < ECHO_SIZE; i += 2)
			sum += (uint32_t)(request[i] << 8 | request[i + 1]);
		while (sum >> 16)
			sum = (sum & 0xffff) + (sum >> 16);
		ck_assert_uint_eq(sum, 0xffff);
	}
	echo_request(AF_INET6, 7, request);
	ck_assert_uint_eq(request[0], 128);
}
END_TEST

START_TEST(an_echo_reply_counts_only_with_every_byte_of_its_token)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		uint8_t packet[60 + ECHO_SIZE];
		uint64_t token = random_next();
		size_t length = reply_to(families[i], token, packet);
		size_t icmp = length - ECHO_SIZE;

		ck_assert_int_eq(echo_judge(families[i], token, packet, length), JUDGE_GOOD);
		for (size_t at = icmp; at < length; at++) {
			if (at == icmp + 2 || at == icmp + 3)
				continue; /* the checksum is the kernel's business */
			packet[at] ^= 0x10;
			ck_assert_int_eq(echo_judge(families[i], token, packet, length),
					 JUDGE_NOT_OURS);
			packet[at] ^= 0x10;
		}
		for (size_t cut = 0; cut < length; cut++)
			ck_assert_int_eq(echo_judge(families[i], token, packet, cut),
					 JUDGE_NOT_OURS);
	}
}
END_TEST

RUN_TESTS("prober_packets", a_question_is_written_as_rfc_1035_says,
	  what_is_no_domain_name_makes_no_question,
	  an_answer_counts_only_for_its_question_and_with_a_record,
	  a_truncated_answer_without_records_says_so,
	  an_answer_must_hold_a_record_of_the_name_and_type,
	  a_name_of_nothing_but_pointers_costs_a_bounded_time,
	  random_bytes_and_cut_answers_are_never_good_and_never_read_too_far,
	  an_echo_request_has_the_checksum_of_rfc_1071,
	  an_echo_reply_counts_only_with_every_byte_of_its_token)
