/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IP addresses and prefixes of both families, as one type each. */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <stdbool.h>
#include <stdint.h>

/* An address. Bytes are in wire order; IPv4 fills the first four and leaves the others zero. */
struct addr {
	uint8_t family; /* 4, 6; 0: none */
	uint8_t bytes[16];
};

struct prefix {
	struct addr addr; /* host bits are zero */
	uint8_t length;	  /* bits: 0-32 or 0-128 */
};

#define ADDR_TEXT_SIZE	 46 /* INET6_ADDRSTRLEN */
#define PREFIX_TEXT_SIZE (ADDR_TEXT_SIZE + 4)

/* Reads "192.0.2.1" or "2001:db8::1" (no zone, no prefix length). Returns 0 or -EINVAL; *out only then. */
int addr_parse(const char *text, struct addr *out);

/* Writes the canonical text (RFC 5952) and returns `text`. */
const char *addr_format(const struct addr *addr, char text[ADDR_TEXT_SIZE]);

/* Orders by family, then by bytes: <0, 0, >0. The order that Maglev tables are filled in. */
int addr_compare(const struct addr *a, const struct addr *b);
bool addr_equal(const struct addr *a, const struct addr *b);
bool addr_is_none(const struct addr *addr);

/* True for addresses that no service or backend can have: unspecified, loopback, multicast, broadcast,
 * IPv6 link-local and IPv4-mapped. */
bool addr_is_unusable(const struct addr *addr);

/* Bytes in an address of this family: 4 or 16. */
unsigned int addr_size(uint8_t family);

/* AF_INET or AF_INET6. */
int addr_af(const struct addr *addr);

/* Reads an address, or an address with "/length". Host bits must be zero: -EDOM if not, -EINVAL otherwise. */
int prefix_parse(const char *text, struct prefix *out);
const char *prefix_format(const struct prefix *prefix, char text[PREFIX_TEXT_SIZE]);
/* The prefix of this length that an address is in. */
struct prefix prefix_of(const struct addr *addr, uint8_t length);
bool prefix_contains(const struct prefix *prefix, const struct addr *addr);
/* True within ::ffff:0:0/96, IPv4 addresses in IPv6's notation, which no packet has. */
bool prefix_is_mapped(const struct prefix *prefix);
bool prefix_is_host(const struct prefix *prefix); /* length 32 or 128 */

#endif
