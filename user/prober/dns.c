/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "prober/dns.h"

#define HEADER	  12
#define NAME_MAX_ 255 /* RFC 1035, section 2.3.4, length bytes included */
#define LABEL_MAX 63
#define CLASS_IN  1
#define RECORD	  10 /* type, class, time to live, length of the data (section 4.1.3) */
#define POINTER	  0xc0
#define POINTERS  127 /* in a name, which has no more labels */
#define ALIASES	  16  /* of a name; more are a circle, or nobody's friend */

enum { TYPE_CNAME = 5, TYPE_ANY = 255 };

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

/* ---- the records of an answer ---------------------------------------------------------------- */

struct name {
	uint8_t bytes[NAME_MAX_]; /* labels with their lengths, in small letters */
	size_t length;
};

struct message {
	const uint8_t *bytes;
	size_t length;
	size_t at; /* what is read next */
};

/*
 * Reads a name, which may end by a pointer to an earlier one (section 4.1.4). Each pointer must lead to before where the
 * labels that it ends began, so there is no circle, and there is a bound on what a name costs.
 */
static bool take_name(struct message *m, struct name *out)
{
	size_t at = m->at, began = at;
	unsigned int pointers = 0;

	out->length = 0;
	while (at < m->length) {
		uint8_t length = m->bytes[at];

		if ((length & POINTER) == POINTER) {
			if (at + 2 > m->length || pointers == POINTERS)
				return false;
			if (!pointers++)
				m->at = at + 2;
			at = get16(m->bytes + at) & 0x3fff;
			if (at >= began)
				return false;
			began = at;
			continue;
		}
		if (length > LABEL_MAX || at + 1 + length > m->length ||
		    out->length + 1 + length > NAME_MAX_)
			return false;
		for (size_t i = 0; i <= length; i++)
			out->bytes[out->length++] = (uint8_t)tolower(m->bytes[at++]);
		if (length)
			continue;
		if (!pointers)
			m->at = at;
		return true;
	}
	return false;
}

static bool same_name(const struct name *a, const struct name *b)
{
	return a->length == b->length && !memcmp(a->bytes, b->bytes, a->length);
}

/* Reads a record; of an alias *target is the name that it stands for. */
static bool take_record(struct message *m, struct name *owner, uint16_t *type, struct name *target)
{
	struct message data;
	uint16_t class, length;

	if (!take_name(m, owner) || m->at + RECORD > m->length)
		return false;
	*type = get16(m->bytes + m->at);
	class = get16(m->bytes + m->at + 2);
	length = get16(m->bytes + m->at + 8);
	m->at += RECORD;
	if (m->at + length > m->length)
		return false;
	data = (struct message){m->bytes, m->at + length, m->at};
	m->at += length;
	if (class != CLASS_IN)
		*type = 0; /* which is no type */
	return *type != TYPE_CNAME || (take_name(&data, target) && data.at == data.length);
}

/* What one walk over the records has come to. */
enum found { FOUND, FOUND_ALIAS, FOUND_NOTHING, FOUND_DAMAGE };

/* Looks for a record of this name and type; an alias is followed by the caller: it may stand before what it stands for. */
static enum found find_record(struct message m, unsigned int count, struct name *name,
			      uint16_t wanted, unsigned int *at)
{
	struct name owner, target, alias = {};
	bool is_there = false;
	uint16_t type;

	for (*at = 1; *at <= count; ++*at) {
		if (!take_record(&m, &owner, &type, &target))
			return FOUND_DAMAGE;
		if (!same_name(&owner, name))
			continue;
		is_there |= type && (type == wanted || wanted == TYPE_ANY);
		if (type == TYPE_CNAME)
			alias = target;
	}
	if (is_there)
		return FOUND;
	if (!alias.length)
		return FOUND_NOTHING;
	*name = alias;
	return FOUND_ALIAS;
}

/* `m` is at the first record. */
static enum judge judge_records(struct message m, unsigned int count, struct name name,
				uint16_t wanted, char why[JUDGE_WHY_SIZE])
{
	enum found found = FOUND_ALIAS;
	unsigned int at = 0, aliases;

	for (aliases = 0; found == FOUND_ALIAS && aliases <= ALIASES; aliases++)
		found = find_record(m, count, &name, wanted, &at);
	if (found == FOUND)
		return JUDGE_GOOD;
	if (found == FOUND_DAMAGE)
		snprintf(why, JUDGE_WHY_SIZE, "answer: record %u of %u is damaged or cut off", at,
			 count);
	else if (found == FOUND_ALIAS)
		snprintf(why, JUDGE_WHY_SIZE, "answer: more than %d aliases (CNAME) of the name",
			 ALIASES);
	else if (aliases > 1)
		snprintf(why, JUDGE_WHY_SIZE,
			 "answer: an alias (CNAME), but no record of the type asked for of what it "
			 "stands for");
	else
		snprintf(why, JUDGE_WHY_SIZE,
			 "answer: no record of the name and type asked for, but %u others", count);
	return JUDGE_BAD;
}

/* ---- the whole of it ------------------------------------------------------------------------- */

enum judge dns_judge(const uint8_t *query, size_t query_length, const uint8_t *answer,
		     size_t length, char why[JUDGE_WHY_SIZE])
{
	uint16_t flags, questions, answers;
	struct message question;
	unsigned int rcode;
	struct name name;

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
	if (!answers)
		return bad(why, flags & TC ? "is truncated and holds no record"
					   : "holds no record, expected at least one");
	question = (struct message){query, query_length, HEADER};
	take_name(&question, &name);
	return judge_records((struct message){answer, length, query_length}, answers, name,
			     get16(query + query_length - 4), why);
}
