/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An address and a port in one text; IPv6 addresses in brackets (RFC 3986, section 3.2.2). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/requests.h"
#include "base/text.h"

static const char *join(bool is_bare, const char *address, uint16_t port, char *out)
{
	char number[8] = "any";

	if (port)
		snprintf(number, sizeof(number), "%u", port);
	snprintf(out, ENDPOINT_TEXT_SIZE, "%s%s%s:%s", is_bare ? "" : "[", address,
		 is_bare ? "" : "]", number);
	return out;
}

const char *endpoint_format(const struct addr *address, uint16_t port, char out[ENDPOINT_TEXT_SIZE])
{
	char text[ADDR_TEXT_SIZE];

	return join(address->family != 6, addr_format(address, text), port, out);
}

const char *endpoint_format_prefix(const struct prefix *prefix, uint16_t port,
				   char out[ENDPOINT_TEXT_SIZE])
{
	char text[PREFIX_TEXT_SIZE];

	return join(prefix->addr.family != 6, prefix_format(prefix, text), port, out);
}

int endpoint_parse(const char *text, struct addr *address, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	bool bracketed = text[0] == '[';
	char host[ADDR_TEXT_SIZE];
	struct addr parsed;
	uint64_t number;
	size_t length;

	if (!colon || text_parse_uint(colon + 1, UINT16_MAX, &number) || number == 0)
		return -EINVAL;
	length = colon - text;
	if (bracketed && (length < 2 || text[length - 1] != ']'))
		return -EINVAL;
	text += bracketed;
	length -= 2 * bracketed;
	if (length >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, length);
	host[length] = '\0';
	if (addr_parse(host, &parsed) || (parsed.family == 6) != bracketed)
		return -EINVAL;
	*address = parsed;
	*port = number;
	return 0;
}
