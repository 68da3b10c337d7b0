/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "prober/dns.h"

#define HEADER	  12
#define NAME_MAX_ 255 /* RFC 1035, section 2.3.4, length bytes included */
#define LABEL_MAX 63
#define CLASS_IN  1

/* Second pair of bytes of the header. */
#define QR	0x8000
#define OPCODES 0x7800
#define TC	0x0200
#define RD	0x0100
#define RCODES	0x000f

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint8_t *put16(uint8_t *at, uint16_t value)
{
	*at++ = value >> 8;
	*at++ = (uint8_t)value;
	return at;
}

/* Writes the name; NULL: it is none. */
static uint8_t *put_name(uint8_t *at, const char *name)
{
	const uint8_t *start = at;

	if (strcmp(name, ".") == 0)
		name = "";
	else if (!name[0])
		return NULL;
	while (*name) {
		size_t length = strcspn(name, ".");

		if (!length || length > LABEL_MAX || at - start + length + 2 > NAME_MAX_)
			return NULL;
		*at++ = (uint8_t)length;
		memcpy(at, name, length);
		at += length;
		name += length;
		name += *name == '.';
	}
	*at++ = 0;
	return at;
}

size_t dns_query(uint16_t id, const char *name, uint16_t type, uint8_t out[DNS_QUERY_MAX])
{
	uint8_t *at = out;

	at = put16(at, id);
	at = put16(at, RD);
	at = put16(at, 1); /* questions; no answer, authority, additional record */
	memset(at, 0, 6);
	at = put_name(at + 6, name);
	if (!at)
		return 0;
	at = put16(at, type);
	at = put16(at, CLASS_IN);
	return at - out;
}

/* Names are compared without case, which a server may change (RFC 4343). */
static int same_question(const uint8_t *a, const uint8_t *b, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (tolower(a[i]) != tolower(b[i]))
			return 0;
	return 1;
}

static const char *rcode_name(unsigned int rcode)
{
	static const char *const names[] = {
		[1] = "FORMERR", [2] = "SERVFAIL", [3] = "NXDOMAIN", [4] = "NOTIMP",
		[5] = "REFUSED", [6] = "YXDOMAIN", [7] = "YXRRSET",  [8] = "NXRRSET",
		[9] = "NOTAUTH", [10] = "NOTZONE"};

	return rcode < ARRAY_SIZE(names) && names[rcode] ? names[rcode] : "unknown";
}

static enum judge bad(char why[JUDGE_WHY_SIZE], const char *what)
{
	snprintf(why, JUDGE_WHY_SIZE, "answer: %s", what);
	return JUDGE_BAD;
}

enum judge dns_judge(const uint8_t *query, size_t query_length, const uint8_t *answer,
		     size_t length, char why[JUDGE_WHY_SIZE])
{
	uint16_t flags, questions, answers;
	unsigned int rcode;

	if (length < HEADER || get16(answer) != get16(query))
		return JUDGE_NOT_OURS;
	flags = get16(answer + 2);
	questions = get16(answer + 4);
	answers = get16(answer + 6);
	if (!(flags & QR) || flags & OPCODES)
		return JUDGE_NOT_OURS;
	rcode = flags & RCODES;
	/* A server that could not read the question leaves it out. */
	if (questions != 1 && !rcode)
		return bad(why, "does not repeat the question");
	if (questions == 1 &&
	    (length < query_length ||
	     !same_question(query + HEADER, answer + HEADER, query_length - HEADER)))
		return JUDGE_NOT_OURS;
	if (rcode) {
		snprintf(why, JUDGE_WHY_SIZE, "answer: rcode %u (%s), expected 0", rcode,
			 rcode_name(rcode));
		return JUDGE_BAD;
	}
	if (!answers || length == query_length)
		return bad(why, flags & TC ? "is truncated and holds no record"
					   : "holds no record, expected at least one");
	return JUDGE_GOOD;
}
