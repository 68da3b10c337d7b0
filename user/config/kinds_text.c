/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kinds of scalars that are texts. */
#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "config/kinds.h"

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

const char *kind_parse_text(const struct field *field, const char *text, struct value *value)
{
	const char *wrong = length_in_range(field, text);

	if (wrong)
		return wrong;
	return has_control(text) ? "has control characters" : keep_text(text, value);
}

const char *kind_parse_name(const struct field *field, const char *text, struct value *value)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	const char *wrong = length_in_range(field, text);

	if (wrong)
		return wrong;
	return text[strspn(text, allowed)] ? "has other characters" : keep_text(text, value);
}

/* What the kernel takes for the name of an interface: dev_valid_name(), net/core/dev.c. */
const char *kind_parse_device(const struct field *field, const char *text, struct value *value)
{
	(void)field;
	if (!*text || strlen(text) > 15 || !strcmp(text, ".") || !strcmp(text, "..") ||
	    strpbrk(text, "/: \t\n\v\f\r") || has_control(text))
		return "";
	return keep_text(text, value);
}

const char *kind_parse_path(const struct field *field, const char *text, struct value *value)
{
	(void)field;
	if (*text != '/')
		return "does not begin with /";
	if (strlen(text) > 4095 || has_control(text))
		return "";
	return keep_text(text, value);
}

const char *kind_parse_hex(const struct field *field, const char *text, struct value *value)
{
	size_t length = strlen(text);

	if (text[strspn(text, "0123456789abcdefABCDEF")] || length % 2)
		return "";
	return length / 2 < field->lo || length / 2 > field->hi ? "" : keep_text(text, value);
}

/* 200, or 300-399: the same digits mean the same. */
const char *kind_parse_status(const struct field *field, const char *text, struct value *value)
{
	char first[4] = "", last[4] = "";
	uint64_t lo, hi;

	if (strlen(text) != 3 && (strlen(text) != 7 || text[3] != '-'))
		return "";
	memcpy(first, text, 3);
	memcpy(last, text + strlen(text) - 3, 3);
	if (text_parse_uint(first, UINT64_MAX, &lo) || text_parse_uint(last, UINT64_MAX, &hi))
		return "";
	if (lo < field->lo || hi > field->hi)
		return "is out of range";
	return lo > hi ? "begins above its end" : keep_text(text, value);
}

const char *kind_parse_vlan(const struct field *field, const char *text, struct value *value)
{
	uint64_t number;

	if (!strcmp(text, CONFIG_VLAN_UNTAGGED) || !strcmp(text, CONFIG_VLAN_ANY))
		return keep_text(text, value);
	if (!*text || text[strspn(text, "0123456789")] || (*text == '0' && text[1]))
		return ""; /* two texts for one number would be two items of a list */
	if (text_parse_uint(text, field->hi, &number) || number < field->lo)
		return "is out of range";
	return keep_text(text, value);
}

/* Takes the next byte off; -1: an escape that is none. */
static int next_byte(const char **text)
{
	static const char letters[] = "nrt0\\", bytes[] = "\n\r\t\0\\";
	const char *at = *text, *letter;
	char hex[3] = "";
	uint8_t byte;

	*text = at + 1;
	if (*at != '\\')
		return (uint8_t)*at;
	letter = at[1] ? strchr(letters, at[1]) : NULL;
	*text = at + 2;
	if (letter)
		return bytes[letter - letters];
	if (at[1] != 'x')
		return -1;
	strncpy(hex, at + 2, 2);
	*text = at + 4;
	return text_parse_hex(hex, &byte, 1) ? -1 : byte;
}

const char *kind_parse_bytes(const struct field *field, const char *text, struct value *value)
{
	const char *wrong = kind_parse_text(field, text, value);

	if (wrong)
		return wrong;
	for (const char *at = text; *at;)
		if (next_byte(&at) < 0)
			return "has an unknown escape";
	return NULL;
}

size_t config_unescape(const char *text, uint8_t *bytes)
{
	size_t count = 0;

	while (*text)
		bytes[count++] = next_byte(&text);
	return count;
}

const char *kind_parse_url(const struct field *field, const char *text, struct value *value)
{
	static const char *const schemes[] = {"https://", "http://"};
	const char *wrong = length_in_range(field, text);

	if (wrong)
		return wrong;
	if (has_control(text) || strchr(text, ' '))
		return "has spaces or control characters";
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		const char *host = text + strlen(schemes[i]);

		if (!strncmp(text, schemes[i], strlen(schemes[i])) && *host && *host != '/')
			return keep_text(text, value);
	}
	return "";
}

void kind_expect_name(const struct field *field, struct text *out)
{
	text_add(out, "%llu to %llu of the characters A-Z a-z 0-9 . _ -",
		 (unsigned long long)field->lo, (unsigned long long)field->hi);
}

void kind_expect_device(const struct field *field, struct text *out)
{
	(void)field;
	text_add(out, "the name of a network interface (1 to 15 characters)");
}

void kind_expect_path(const struct field *field, struct text *out)
{
	(void)field;
	text_add(out, "a path that begins with /");
}

void kind_expect_hex(const struct field *field, struct text *out)
{
	text_add(out, "%llu to %llu bytes in hex digits", (unsigned long long)field->lo,
		 (unsigned long long)field->hi);
}

void kind_expect_text(const struct field *field, struct text *out)
{
	text_add(out, "a text of %llu to %llu bytes", (unsigned long long)field->lo,
		 (unsigned long long)field->hi);
}

void kind_format_text(const struct value *value, struct text *out)
{
	text_add(out, "%s", value->text);
}

void kind_expect_status(const struct field *field, struct text *out)
{
	text_add(out, "a status from %llu to %llu, or a range such as 300-399",
		 (unsigned long long)field->lo, (unsigned long long)field->hi);
}

void kind_expect_vlan(const struct field *field, struct text *out)
{
	text_add(out, "a VLAN's number from %llu to %llu, or %s, or %s",
		 (unsigned long long)field->lo, (unsigned long long)field->hi, CONFIG_VLAN_UNTAGGED,
		 CONFIG_VLAN_ANY);
}

void kind_expect_bytes(const struct field *field, struct text *out)
{
	kind_expect_text(field, out);
	text_add(out, ", in which \\xHH, \\n, \\r, \\t, \\0 and \\\\ stand for one byte each");
}

void kind_expect_url(const struct field *field, struct text *out)
{
	(void)field;
	text_add(out, "a URL that begins with https:// or http://");
}
