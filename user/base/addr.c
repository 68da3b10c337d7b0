/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses and prefixes. The C library reads and writes the text; glibc's inet_ntop() keeps to RFC 5952
 * (lower case, the longest run of zeros shortened, the first of equals, never a single one).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/mem.h"
#include "base/text.h"

int addr_parse(const char *text, struct addr *out)
{
	struct addr addr = {};

	if (inet_pton(AF_INET, text, addr.bytes) == 1)
		addr.family = 4;
	else if (inet_pton(AF_INET6, text, addr.bytes) == 1)
		addr.family = 6;
	else
		return -EINVAL;
	*out = addr;
	return 0;
}

const char *addr_format(const struct addr *addr, char text[ADDR_TEXT_SIZE])
{
	if (addr_is_none(addr) || !inet_ntop(addr_af(addr), addr->bytes, text, ADDR_TEXT_SIZE))
		strcpy(text, "none");
	return text;
}

int addr_compare(const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return addr_compare(a, b) == 0;
}

bool addr_is_none(const struct addr *addr)
{
	return addr->family == 0;
}

static const struct prefix mapped = {{6, {[10] = 0xff, [11] = 0xff}}, 96}; /* RFC 4291 */

bool prefix_is_mapped(const struct prefix *prefix)
{
	return prefix->length >= mapped.length && prefix_contains(&mapped, &prefix->addr);
}

bool addr_is_unusable(const struct addr *addr)
{
	static const struct prefix unusable[] = {
		{{4, {0}}, 8},			 /* unspecified, RFC 791 */
		{{4, {127}}, 8},		 /* loopback */
		{{4, {224}}, 4},		 /* multicast */
		{{4, {255, 255, 255, 255}}, 32}, /* broadcast */
		{{6, {0}}, 128},		 /* unspecified, RFC 4291 */
		{{6, {[15] = 1}}, 128},		 /* loopback */
		{{6, {0xfe, 0x80}}, 10},	 /* link-local */
		{{6, {0xff}}, 8},		 /* multicast */
	};

	if (addr_is_none(addr) || prefix_contains(&mapped, addr))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(unusable); i++)
		if (prefix_contains(&unusable[i], addr))
			return true;
	return false;
}

unsigned int addr_size(uint8_t family)
{
	return family == 4 ? 4 : 16;
}

int addr_af(const struct addr *addr)
{
	return addr->family == 4 ? AF_INET : AF_INET6;
}

/* True when the first `bits` bits agree. */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	unsigned int whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole))
		return false;
	return !rest || !((a[whole] ^ b[whole]) >> (8 - rest));
}

static bool host_bits_are_zero(const struct prefix *prefix)
{
	for (unsigned int bit = prefix->length; bit < addr_size(prefix->addr.family) * 8; bit++)
		if (prefix->addr.bytes[bit / 8] & (0x80 >> bit % 8))
			return false;
	return true;
}

int prefix_parse(const char *text, struct prefix *out)
{
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	char address[ADDR_TEXT_SIZE];
	struct prefix prefix = {};
	uint64_t bits;

	if (length >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, length);
	address[length] = '\0';
	if (addr_parse(address, &prefix.addr))
		return -EINVAL;
	bits = addr_size(prefix.addr.family) * 8;
	if (slash && text_parse_uint(slash + 1, bits, &bits))
		return -EINVAL;
	prefix.length = bits;
	if (!host_bits_are_zero(&prefix))
		return -EDOM;
	*out = prefix;
	return 0;
}

const char *prefix_format(const struct prefix *prefix, char text[PREFIX_TEXT_SIZE])
{
	char address[ADDR_TEXT_SIZE];

	snprintf(text, PREFIX_TEXT_SIZE, "%s/%u", addr_format(&prefix->addr, address),
		 prefix->length);
	return text;
}

struct prefix prefix_of(const struct addr *addr, uint8_t length)
{
	struct prefix prefix = {*addr, length};
	unsigned int whole = length / 8;

	if (whole < sizeof(prefix.addr.bytes)) {
		prefix.addr.bytes[whole] &= 0xff00 >> length % 8;
		memset(prefix.addr.bytes + whole + 1, 0, sizeof(prefix.addr.bytes) - whole - 1);
	}
	return prefix;
}

bool prefix_contains(const struct prefix *prefix, const struct addr *addr)
{
	return prefix->addr.family == addr->family &&
	       same_bits(prefix->addr.bytes, addr->bytes, prefix->length);
}

bool prefix_is_host(const struct prefix *prefix)
{
	return prefix->length == addr_size(prefix->addr.family) * 8;
}
