/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a scalar can be: for each kind how it is read, what a message says it should be, how it is
 * written back, and its JSON Schema. The table at the end is all that the rest of this folder sees.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "config/schema.h"

typedef const char *parse_function(const struct field *field, const char *text,
				   struct value *value);
typedef void write_function(const struct field *field, struct text *out);

#define NOT_SUPPORTED_YET "is not supported yet"

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

/* ---- addresses --------------------------------------------------------------------------- */

/* Why a text that is no address was probably written. */
static const char *guess_mistake(const char *text)
{
	const char *colon = strchr(text, ':');
	struct prefix prefix;
	struct addr addr;
	bool letters = false;

	if (prefix_parse(text, &prefix) != -EINVAL)
		return "has a prefix length";
	if (*text == '[' || (colon && colon == strrchr(text, ':') && strchr(text, '.')))
		return "has a port or brackets";
	if (strchr(text, '%') && strchr(text, ':'))
		return "has a zone";
	for (const char *c = text; *c; c++) {
		if (!isalnum((unsigned char)*c) && *c != '.' && *c != '-' && *c != '_')
			return "";
		letters |= !!isalpha((unsigned char)*c);
	}
	if (letters && addr_parse(text, &addr))
		return "is a host name, which sluice does not look up (a name's address changes "
		       "under you)";
	return "";
}

static const char *parse_address(const struct field *field, const char *text, struct value *value)
{
	struct prefix prefix = {};

	if (addr_parse(text, &prefix.addr))
		return guess_mistake(text);
	if (field->lo && prefix.addr.family != field->lo)
		return "is of the other family";
	if (addr_is_unusable(&prefix.addr))
		return "is an address that no host has (unspecified, loopback, multicast, "
		       "broadcast, link-local or "
		       "IPv4-mapped)";
	prefix.length = addr_size(prefix.addr.family) * 8;
	value->prefix = prefix;
	return NULL;
}

static const char *parse_prefix(const struct field *field, const char *text, struct value *value)
{
	struct prefix prefix;
	int err = prefix_parse(text, &prefix);

	(void)field;
	if (err == -EDOM)
		return "has bits set beyond its length";
	if (err)
		return "";
	value->prefix = prefix;
	return NULL;
}

static const char *parse_vip(const struct field *field, const char *text, struct value *value)
{
	char address[ADDR_TEXT_SIZE];
	struct value prefix = {};
	const char *wrong;

	if (!strchr(text, '/'))
		return parse_address(field, text, value);
	wrong = parse_prefix(field, text, &prefix);
	if (wrong)
		return wrong;
	if (!prefix_is_host(&prefix.prefix))
		return "is a prefix, which is not supported yet";
	return parse_address(field, addr_format(&prefix.prefix.addr, address), value);
}

/* Of 192.0.2.1:7946 or [2001:db8::1]:7946 makes a prefix and a number. */
static const char *parse_endpoint(const struct field *field, const char *text, struct value *value)
{
	const char *colon = strrchr(text, ':'), *end = colon;
	char address[ADDR_TEXT_SIZE];
	struct value endpoint = {};
	const char *wrong;

	(void)field;
	if (!colon || text_parse_uint(colon + 1, 65535, &endpoint.number) || !endpoint.number)
		return "";
	if (*text == '[' && colon[-1] == ']') {
		text++;
		end--;
	}
	if (end < text || (size_t)(end - text) >= sizeof(address))
		return "";
	memcpy(address, text, end - text);
	address[end - text] = '\0';
	wrong = parse_address(&(const struct field){}, address, &endpoint);
	if (wrong)
		return wrong;
	if ((endpoint.prefix.addr.family == 6) != (*end == ']'))
		return "";
	value->prefix = endpoint.prefix;
	value->number = endpoint.number;
	return NULL;
}

static void expect_address(const struct field *field, struct text *out)
{
	static const char *const families[] = {[0] = "IPv4 or IPv6", [4] = "IPv4", [6] = "IPv6"};

	text_add(out, "an %s address", families[field->lo]);
}

static void expect_prefix(const struct field *field, struct text *out)
{
	(void)field;
	text_add(out, "a prefix such as 198.51.100.0/24");
}

static void expect_endpoint(const struct field *field, struct text *out)
{
	(void)field;
	text_add(out, "address:port or [address]:port");
}

static void format_address(const struct value *value, struct text *out)
{
	char text[ADDR_TEXT_SIZE];

	text_add(out, "%s", addr_format(&value->prefix.addr, text));
}

static void format_prefix(const struct value *value, struct text *out)
{
	char text[PREFIX_TEXT_SIZE];

	text_add(out, "%s", prefix_format(&value->prefix, text));
}

static void format_endpoint(const struct value *value, struct text *out)
{
	bool six = value->prefix.addr.family == 6;

	text_add(out, "%s", six ? "[" : "");
	format_address(value, out);
	text_add(out, "%s:%llu", six ? "]" : "", (unsigned long long)value->number);
}

/* ---- texts ------------------------------------------------------------------------------- */

static const char *length_in_range(const struct field *field, const char *text)
{
	size_t length = strlen(text);

	return length < field->lo ? "is too short" : length > field->hi ? "is too long" : NULL;
}

static const char *keep_text(const char *text, struct value *value)
{
	value->text = text;
	return NULL;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

static const char *parse_text(const struct field *field, const char *text, struct value *value)
{
	const char *wrong = length_in_range(field, text);

	if (wrong)
		return wrong;
	return has_control(text) ? "has control characters" : keep_text(text, value);
}

static const char *parse_name(const struct field *field, const char *text, struct value *value)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	const char *wrong = length_in_range(field, text);

	if (wrong)
		return wrong;
	return text[strspn(text, allowed)] ? "has other characters" : keep_text(text, value);
}

/* What the kernel takes for the name of an interface: dev_valid_name(), net/core/dev.c. */
static const char *parse_device(const struct field *field, const char *text, struct value *value)
{
	(void)field;
	if (!*text || strlen(text) > 15 || !strcmp(text, ".") || !strcmp(text, "..") ||
	    strpbrk(text, "/: \t\n\v\f\r") || has_control(text))
		return "";
	return keep_text(text, value);
}

static const char *parse_path(const struct field *field, const char *text, struct value *value)
{
	(void)field;
	if (*text != '/')
		return "does not begin with /";
	if (strlen(text) > 4095 || has_control(text))
		return "";
	return keep_text(text, value);
}

static const char *parse_hex(const struct field *field, const char *text, struct value *value)
{
	size_t length = strlen(text);

	if (text[strspn(text, "0123456789abcdefABCDEF")] || length % 2)
		return "";
	return length / 2 < field->lo || length / 2 > field->hi ? "" : keep_text(text, value);
}

static void expect_name(const struct field *field, struct text *out)
{
	text_add(out, "%llu to %llu of the characters A-Z a-z 0-9 . _ -",
		 (unsigned long long)field->lo, (unsigned long long)field->hi);
}

static void expect_device(const struct field *field, struct text *out)
{
	(void)field;
	text_add(out, "the name of a network interface (1 to 15 characters)");
}

static void expect_path(const struct field *field, struct text *out)
{
	(void)field;
	text_add(out, "a path that begins with /");
}

static void expect_hex(const struct field *field, struct text *out)
{
	text_add(out, "%llu to %llu bytes in hex digits", (unsigned long long)field->lo,
		 (unsigned long long)field->hi);
}

static void expect_text(const struct field *field, struct text *out)
{
	text_add(out, "a text of %llu to %llu bytes", (unsigned long long)field->lo,
		 (unsigned long long)field->hi);
}

static void format_text(const struct value *value, struct text *out)
{
	text_add(out, "%s", value->text);
}

static void json_text(const struct field *field, struct text *out)
{
	(void)field;
	text_add(out, "\"type\": \"string\"");
}

/* ---- the table --------------------------------------------------------------------------- */

static void expect_word(const struct field *field, struct text *out)
{
	unsigned int now = 0;

	for (const struct config_name *name = field->names; name && name->name; name++)
		now += !name->later;
	if (now > 1)
		text_add(out, "one of ");
}

static const struct kind {
	parse_function *parse;
	write_function *expect, *json;
	void (*format)(const struct value *value, struct text *out);
	void (*suggest)(const struct field *field, const char *wrong, struct text *out);
} kinds[FIELD_KINDS] = {
	[KIND_WORD] = {parse_word, expect_word, NULL, format_number},
	[KIND_NUMBER] = {parse_number, expect_number, json_number, format_number},
	[KIND_PRIME] = {parse_prime, expect_prime, json_number, format_number, suggest_prime},
	[KIND_COUNT] = {parse_count, expect_count, json_count, format_number},
	[KIND_DURATION] = {parse_duration, expect_duration, json_duration, format_duration},
	[KIND_ADDRESS] = {parse_address, expect_address, json_text, format_address},
	[KIND_VIP] = {parse_vip, expect_address, json_text, format_address},
	[KIND_PREFIX] = {parse_prefix, expect_prefix, json_text, format_prefix},
	[KIND_ENDPOINT] = {parse_endpoint, expect_endpoint, json_text, format_endpoint},
	[KIND_NAME] = {parse_name, expect_name, json_text, format_text},
	[KIND_DEVICE] = {parse_device, expect_device, json_text, format_text},
	[KIND_PATH] = {parse_path, expect_path, json_text, format_text},
	[KIND_HEX] = {parse_hex, expect_hex, json_text, format_text},
	[KIND_TEXT] = {parse_text, expect_text, json_text, format_text},
};

const char *kind_parse(const struct field *field, const char *text, struct value *value)
{
	struct value parsed = {.node = value->node};
	const char *wrong;

	for (const struct config_name *name = field->names; name && name->name; name++) {
		if (strcmp(name->name, text))
			continue;
		if (name->later)
			return NOT_SUPPORTED_YET;
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

/* Returns how many names there are. */
static unsigned int add_names(const struct config_name *names, bool later, const char *before,
			      struct text *out)
{
	unsigned int count = 0;

	for (; names && names->name; names++) {
		if (names->later != later)
			continue;
		text_add(out, "%s%s", count++ ? ", " : before, names->name);
	}
	return count;
}

void kind_expect(const struct field *field, struct text *out)
{
	kinds[field->kind].expect(field, out);
	add_names(field->names, false, field->kind == KIND_WORD ? "" : ", or ", out);
	if (add_names(field->names, true, " (not supported yet: ", out))
		text_add(out, ")");
}

void kind_explain(const struct field *field, const char *text, const char *wrong, struct text *out)
{
	text_add(out, "%s%sexpected ", wrong, *wrong ? "; " : "");
	kind_expect(field, out);
	if (kinds[field->kind].suggest)
		kinds[field->kind].suggest(field, text, out);
}

void kind_format(const struct field *field, const struct value *value, struct text *out)
{
	const char *name = names_find(field->names, value->number);
	bool is_word = name && (field->kind != KIND_PREFIX || addr_is_none(&value->prefix.addr));

	if (is_word)
		text_add(out, "%s", name);
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
