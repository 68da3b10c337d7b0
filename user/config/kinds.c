/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a scalar can be: for each kind how it is read, what a message says it should be, how it is
 * written back, and its JSON Schema. The table at the end is all that the rest of this folder sees.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "config/kinds.h"

/* ---- numbers ----------------------------------------------------------------------------- */

static const char *in_range(const struct field *field, int err, uint64_t number,
			    struct value *value)
{
	if (err == -EINVAL)
		return "";
	if (err || number < field->lo || number > field->hi)
		return "is out of range";
	value->number = number;
	return NULL;
}

static const char *parse_word(const struct field *field, const char *text, struct value *value)
{
	(void)field;
	(void)text;
	(void)value;
	return ""; /* kind_parse() has been through the names already */
}

static const char *parse_number(const struct field *field, const char *text, struct value *value)
{
	uint64_t number = 0;
	int err = text_parse_uint(text, UINT64_MAX, &number);

	return in_range(field, err, number, value);
}

static const char *parse_prime(const struct field *field, const char *text, struct value *value)
{
	struct value number = {};
	const char *wrong = parse_number(field, text, &number);

	if (wrong)
		return wrong;
	if (prime_at_least(number.number) != number.number)
		return "is not a prime";
	value->number = number.number;
	return NULL;
}

static const char *parse_count(const struct field *field, const char *text, struct value *value)
{
	uint64_t number = 0;
	int err = text_parse_count(text, &number);

	return in_range(field, err, number, value);
}

static const char *parse_duration(const struct field *field, const char *text, struct value *value)
{
	uint64_t ms = 0;
	int err = text_parse_duration(text, &ms);

	if (err == -EINVAL && *text && text[strspn(text, "0123456789")] == '\0')
		return "has no unit (ms, s, m or h)";
	return in_range(field, err, ms, value);
}

static void expect_number(const struct field *field, struct text *out)
{
	if (field->lo == field->hi)
		text_add(out, "%llu", (unsigned long long)field->lo);
	else
		text_add(out, "a number from %llu to %llu", (unsigned long long)field->lo,
			 (unsigned long long)field->hi);
}

static void expect_prime(const struct field *field, struct text *out)
{
	text_add(out, "a prime number from %llu to %llu", (unsigned long long)field->lo,
		 (unsigned long long)field->hi);
}

static void suggest_prime(const struct field *field, const char *wrong, struct text *out)
{
	uint64_t number;

	if (!text_parse_uint(wrong, field->hi, &number) && number >= field->lo)
		text_add(out, ", such as %u or %u", prime_at_most(number), prime_at_least(number));
}

static void expect_count(const struct field *field, struct text *out)
{
	text_add(out, "a number from %llu to %llu, k for 1024 and M for 1048576 allowed",
		 (unsigned long long)field->lo, (unsigned long long)field->hi);
}

static void expect_duration(const struct field *field, struct text *out)
{
	char lo[24], hi[24];

	text_add(out, "a duration from %s to %s, such as 90s", text_format_duration(field->lo, lo),
		 text_format_duration(field->hi, hi));
}

static void format_number(const struct value *value, struct text *out)
{
	text_add(out, "%llu", (unsigned long long)value->number);
}

static void format_duration(const struct value *value, struct text *out)
{
	char text[24];

	text_add(out, "%s", text_format_duration(value->number, text));
}

static void json_number(const struct field *field, struct text *out)
{
	text_add(out, "\"type\": \"integer\", \"minimum\": %llu, \"maximum\": %llu",
		 (unsigned long long)field->lo, (unsigned long long)field->hi);
}

static void json_count(const struct field *field, struct text *out)
{
	text_add(out, "\"anyOf\": [{");
	json_number(field, out);
	text_add(out, "}, {\"type\": \"string\", \"pattern\": \"^(0|[1-9][0-9]*)[kM]?$\"}]");
}

static void json_duration(const struct field *field, struct text *out)
{
	(void)field;
	text_add(out, "\"type\": \"string\", \"pattern\": \"^(0|[1-9][0-9]*)(ms|s|m|h)$\"");
}

static void json_text(const struct field *field, struct text *out)
{
	(void)field;
	text_add(out, "\"type\": \"string\"");
}

static void json_status(const struct field *field, struct text *out)
{
	text_add(out, "\"anyOf\": [{");
	json_number(field, out);
	text_add(out,
		 "}, {\"type\": \"string\", \"pattern\": \"^[1-5][0-9]{2}(-[1-5][0-9]{2})?$\"}]");
}

static void json_vlan(const struct field *field, struct text *out)
{
	text_add(out, "\"anyOf\": [{\"enum\": [\"untagged\", \"any\"]}, {");
	json_number(field, out);
	text_add(out, "}]");
}

/* ---- the table --------------------------------------------------------------------------- */

static void expect_word(const struct field *field, struct text *out)
{
	const struct config_name *names = field->names;

	if (names && names[0].name && names[1].name)
		text_add(out, "one of ");
}

static const struct kind {
	parse_function *parse;
	write_function *expect, *json;
	format_function *format;
	void (*suggest)(const struct field *field, const char *wrong, struct text *out);
} kinds[FIELD_KINDS] = {
	[KIND_WORD] = {parse_word, expect_word},
	[KIND_NUMBER] = {parse_number, expect_number, json_number, format_number},
	[KIND_PRIME] = {parse_prime, expect_prime, json_number, format_number, suggest_prime},
	[KIND_COUNT] = {parse_count, expect_count, json_count, format_number},
	[KIND_DURATION] = {parse_duration, expect_duration, json_duration, format_duration},
	[KIND_ADDRESS] = {kind_parse_address, kind_expect_address, json_text, kind_format_address},
	[KIND_VIP] = {kind_parse_vip, kind_expect_vip, json_text, kind_format_vip},
	[KIND_PREFIX] = {kind_parse_prefix, kind_expect_prefix, json_text, kind_format_prefix},
	[KIND_ENDPOINT] = {kind_parse_endpoint, kind_expect_endpoint, json_text,
			   kind_format_endpoint},
	[KIND_NAME] = {kind_parse_name, kind_expect_name, json_text, kind_format_text},
	[KIND_DEVICE] = {kind_parse_device, kind_expect_device, json_text, kind_format_text},
	[KIND_PATH] = {kind_parse_path, kind_expect_path, json_text, kind_format_text},
	[KIND_HEX] = {kind_parse_hex, kind_expect_hex, json_text, kind_format_text},
	[KIND_STATUS] = {kind_parse_status, kind_expect_status, json_status, kind_format_text},
	[KIND_VLAN] = {kind_parse_vlan, kind_expect_vlan, json_vlan, kind_format_text},
	[KIND_BYTES] = {kind_parse_bytes, kind_expect_bytes, json_text, kind_format_text},
	[KIND_URL] = {kind_parse_url, kind_expect_url, json_text, kind_format_text},
	[KIND_TEXT] = {kind_parse_text, kind_expect_text, json_text, kind_format_text},
};

const char *kind_parse(const struct field *field, const char *text, struct value *value)
{
	struct value parsed = {.node = value->node};
	const char *wrong;

	for (const struct config_name *name = field->names; name && name->name; name++) {
		if (strcmp(name->name, text))
			continue;
		parsed.number = name->value;
		parsed.set = true;
		*value = parsed;
		return NULL;
	}
	wrong = kinds[field->kind].parse(field, text, &parsed);
	if (wrong)
		return wrong;
	parsed.set = true;
	*value = parsed;
	return NULL;
}

static void add_names(const struct config_name *names, const char *before, struct text *out)
{
	for (; names && names->name; names++, before = ", ")
		text_add(out, "%s%s", before, names->name);
}

void kind_expect(const struct field *field, struct text *out)
{
	kinds[field->kind].expect(field, out);
	add_names(field->names, field->kind == KIND_WORD ? "" : ", or ", out);
}

void kind_explain(const struct field *field, const char *text, const char *wrong, struct text *out)
{
	text_add(out, "%s%sexpected ", wrong, *wrong ? "; " : "");
	kind_expect(field, out);
	if (kinds[field->kind].suggest)
		kinds[field->kind].suggest(field, text, out);
}

/* A mask of the words of a list. */
static void format_words(const struct config_name *names, uint64_t mask, struct text *out)
{
	const char *separator = "";

	for (; names->name; names++) {
		if (!(names->value & mask))
			continue;
		text_add(out, "%s%s", separator, names->name);
		separator = ",";
	}
}

void kind_format(const struct field *field, const struct value *value, struct text *out)
{
	const char *name = field->flags & LIST && field->kind == KIND_WORD
				   ? NULL
				   : names_find(field->names, value->number);
	bool is_word = name && (field->kind != KIND_PREFIX || addr_is_none(&value->prefix.addr));

	if (is_word)
		text_add(out, "%s", name);
	else if (field->kind == KIND_WORD)
		format_words(field->names, value->number, out);
	else
		kinds[field->kind].format(value, out);
}

void kind_json(const struct field *field, struct text *out)
{
	const char *separator = "";

	if (!field->names) {
		kinds[field->kind].json(field, out);
		return;
	}
	text_add(out, "\"anyOf\": [{\"enum\": [");
	for (const struct config_name *name = field->names; name->name; name++) {
		bool is_bool = !strcmp(name->name, "true") || !strcmp(name->name, "false");

		text_add(out, is_bool ? "%s%s" : "%s\"%s\"", separator, name->name);
		separator = ", ";
	}
	text_add(out, "]}");
	if (kinds[field->kind].json) {
		text_add(out, ", {");
		kinds[field->kind].json(field, out);
		text_add(out, "}");
	}
	text_add(out, "]");
}

int kind_compare(const struct field *field, const struct value *a, const struct value *b)
{
	int order = 0;

	if (field->kind >= KIND_NAME && field->kind <= KIND_TEXT)
		order = strcmp(a->text, b->text);
	else if (field->kind >= KIND_ADDRESS && field->kind <= KIND_ENDPOINT)
		order = memcmp(&a->prefix, &b->prefix, sizeof(a->prefix));
	if (order)
		return order;
	return a->number < b->number ? -1 : a->number > b->number;
}
