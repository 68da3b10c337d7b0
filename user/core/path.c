/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>

#include "core/path.h"

#define TTL 64

/* Ethernet's and the outer header's sizes are whole 16-bit words. */
struct frame4 {
	struct ethhdr ethernet;
	struct iphdr ip;
} __attribute__((packed));

struct frame6 {
	struct ethhdr ethernet;
	struct ip6_hdr ip;
} __attribute__((packed));

_Static_assert(sizeof(struct frame4) == 34 && sizeof(struct frame6) == 54, "as abi.h says");

/* The ones' complement sum of 16-bit words as loaded from memory, folded (RFC 1071). */
static uint16_t sum_words(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i += 2) {
		uint16_t word;

		memcpy(&word, bytes + i, sizeof(word));
		sum += word;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* Protocol, lengths, tos, id and DF follow the inner packet: the data path fills them in. */
static void write_ipv4(const struct addr *source, const struct addr *backend, struct sl_path *path)
{
	struct iphdr ip = {.version = 4, .ihl = sizeof(ip) / 4, .ttl = TTL};

	memcpy(&ip.saddr, source->bytes, sizeof(ip.saddr));
	memcpy(&ip.daddr, backend->bytes, sizeof(ip.daddr));
	memcpy(path->header + sizeof(struct ethhdr), &ip, sizeof(ip));
	path->checksum4 = sum_words(&ip, sizeof(ip));
	path->header_len = sizeof(struct frame4);
}

static void write_ipv6(const struct addr *source, const struct addr *backend, struct sl_path *path)
{
	struct ip6_hdr ip = {.ip6_flow = htonl(6u << 28), .ip6_hlim = TTL};

	memcpy(&ip.ip6_src, source->bytes, sizeof(ip.ip6_src));
	memcpy(&ip.ip6_dst, backend->bytes, sizeof(ip.ip6_dst));
	memcpy(path->header + sizeof(struct ethhdr), &ip, sizeof(ip));
	path->header_len = sizeof(struct frame6);
}

int path_build(const struct net_nexthop *way, const struct addr *source, const struct addr *backend,
	       enum sl_encapsulation encapsulation, uint32_t mtu, struct sl_path *out)
{
	uint32_t outer = backend->family == 4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr);
	uint32_t longest = mtu && mtu < way->mtu ? mtu : way->mtu;
	struct ethhdr ethernet = {
		.h_proto = htons(backend->family == 4 ? ETH_P_IP : ETH_P_IPV6),
	};

	memset(out, 0, sizeof(*out));
	if (encapsulation != SL_ENCAP_IPIP)
		return -EOPNOTSUPP;
	if (addr_is_none(source))
		source = &way->source;
	if (source->family != backend->family)
		return -EADDRNOTAVAIL;
	if (longest > UINT16_MAX) /* an IPv4 packet is no longer */
		longest = UINT16_MAX;
	if (longest <= outer)
		return -EMSGSIZE;
	memcpy(ethernet.h_dest, way->neighbour_mac, sizeof(ethernet.h_dest));
	memcpy(ethernet.h_source, way->device_mac, sizeof(ethernet.h_source));
	memcpy(out->header, &ethernet, sizeof(ethernet));
	out->ifindex = way->ifindex;
	out->inner_max = longest - outer;
	out->family = backend->family;
	out->encapsulation = encapsulation;
	if (backend->family == 4)
		write_ipv4(source, backend, out);
	else
		write_ipv6(source, backend, out);
	return 0;
}
