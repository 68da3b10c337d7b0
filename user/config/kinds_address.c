/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kinds of scalars that hold an address: alone, with a length, or with a port. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "config/kinds.h"

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

const char *kind_parse_address(const struct field *field, const char *text, struct value *value)
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

const char *kind_parse_prefix(const struct field *field, const char *text, struct value *value)
{
	struct prefix prefix;
	int err = prefix_parse(text, &prefix);

	if (err == -EDOM)
		return "has bits set beyond its length";
	if (err)
		return "";
	if (field->lo && prefix.addr.family != field->lo)
		return "is of the other family";
	if (prefix_is_mapped(&prefix))
		return "is IPv4-mapped, and no packet has such an address: write it as IPv4";
	value->prefix = prefix;
	return NULL;
}

const char *kind_parse_vip(const struct field *field, const char *text, struct value *value)
{
	char address[ADDR_TEXT_SIZE];
	struct value prefix = {};
	const char *wrong;

	if (!strchr(text, '/'))
		return kind_parse_address(field, text, value);
	wrong = kind_parse_prefix(field, text, &prefix);
	if (wrong)
		return wrong;
	if (prefix_is_host(&prefix.prefix))
		return kind_parse_address(field, addr_format(&prefix.prefix.addr, address), value);
	if (prefix.prefix.length < (prefix.prefix.addr.family == 4 ? 8 : 16))
		return "is too much of the Internet: a service's prefix has at least 8 bits "
		       "(IPv4) or 16 (IPv6)";
	if (addr_is_unusable(&prefix.prefix.addr))
		return "begins with an address that no host has (unspecified, loopback, "
		       "multicast, link-local or IPv4-mapped)";
	value->prefix = prefix.prefix;
	return NULL;
}

/* Of 192.0.2.1:7946 or [2001:db8::1]:7946 makes a prefix and a number. */
const char *kind_parse_endpoint(const struct field *field, const char *text, struct value *value)
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
	wrong = kind_parse_address(&(const struct field){}, address, &endpoint);
	if (wrong)
		return wrong;
	if ((endpoint.prefix.addr.family == 6) != (*end == ']'))
		return "";
	value->prefix = endpoint.prefix;
	value->number = endpoint.number;
	return NULL;
}

void kind_expect_address(const struct field *field, struct text *out)
{
	static const char *const families[] = {[0] = "IPv4 or IPv6", [4] = "IPv4", [6] = "IPv6"};

	text_add(out, "an %s address", families[field->lo]);
}

void kind_expect_vip(const struct field *field, struct text *out)
{
	kind_expect_address(field, out);
	text_add(out, " or prefix");
}

void kind_expect_prefix(const struct field *field, struct text *out)
{
	text_add(out, "a prefix such as %s",
		 field->lo == 6 ? "2001:db8:e::/64" : "198.51.100.0/24");
}

void kind_expect_endpoint(const struct field *field, struct text *out)
{
	(void)field;
	text_add(out, "address:port or [address]:port");
}

void kind_format_address(const struct value *value, struct text *out)
{
	char text[ADDR_TEXT_SIZE];

	text_add(out, "%s", addr_format(&value->prefix.addr, text));
}

void kind_format_vip(const struct value *value, struct text *out)
{
	if (prefix_is_host(&value->prefix))
		kind_format_address(value, out);
	else
		kind_format_prefix(value, out);
}

void kind_format_prefix(const struct value *value, struct text *out)
{
	char text[PREFIX_TEXT_SIZE];

	text_add(out, "%s", prefix_format(&value->prefix, text));
}

void kind_format_endpoint(const struct value *value, struct text *out)
{
	bool six = value->prefix.addr.family == 6;

	text_add(out, "%s", six ? "[" : "");
	kind_format_address(value, out);
	text_add(out, "%s:%llu", six ? "]" : "", (unsigned long long)value->number);
}
