/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <string.h>

#include <proto/gue.h>

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

static uint32_t fold(uint32_t sum)
{
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
	path->checksum = sum_words(&ip, sizeof(ip));
	path->header_len = sizeof(struct frame4);
}

static void write_ipv6(const struct addr *source, const struct addr *backend, struct sl_path *path)
{
	struct ip6_hdr ip = {.ip6_flow = htonl(6u << 28), .ip6_hlim = TTL};

	memcpy(&ip.ip6_src, source->bytes, sizeof(ip.ip6_src));
	memcpy(&ip.ip6_dst, backend->bytes, sizeof(ip.ip6_dst));
	memcpy(path->header + sizeof(struct ethhdr), &ip, sizeof(ip));
	path->header_len = sizeof(struct frame6);
	/* The pseudo-header's constant part (RFC 8200 section 8.1) and the port. */
	if (path->encapsulation == SL_ENCAP_GUE)
		path->checksum = fold(sum_words(&ip.ip6_src, 2 * sizeof(ip.ip6_src)) +
				      htons(IPPROTO_UDP) + GUE_PORT);
}

/* The last 32 bits at most, of which those beyond the prefix. */
static uint32_t entropy_bits(const struct prefix *prefix)
{
	unsigned int bits = 8 * addr_size(prefix->addr.family) - prefix->length;

	return htonl(bits < 32 ? (1u << bits) - 1 : UINT32_MAX);
}

uint32_t path_overhead(enum sl_encapsulation encapsulation, uint8_t family)
{
	uint32_t ip = family == 4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr);

	if (encapsulation == SL_ENCAP_L2)
		return 0;
	if (encapsulation == SL_ENCAP_GUE)
		return ip + sizeof(struct udphdr) + sizeof(struct gue_header);
	return ip;
}

static void write_ethernet(const struct net_nexthop *way, uint16_t type, struct sl_path *path)
{
	struct ethhdr ethernet = {.h_proto = htons(type)};

	memcpy(ethernet.h_dest, way->neighbour_mac, sizeof(ethernet.h_dest));
	memcpy(ethernet.h_source, way->device_mac, sizeof(ethernet.h_source));
	memcpy(path->header, &ethernet, sizeof(ethernet));
	path->header_len = sizeof(ethernet);
}

/* The kernel knows which VLAN the next hop is on; where it knows of none at all, packets stay on theirs. */
static void write_tags(const struct net_nexthop *way, struct sl_path *path)
{
	path->tags = way->tag_count * SL_TAG;
	for (size_t i = 0; i < way->tag_count; i++) {
		path->tag[2 * i] = htons(way->tags[i].protocol);
		path->tag[2 * i + 1] = htons(way->tags[i].id);
	}
	if (!way->tag_count && !way->carries_vlans)
		path->tags = SL_TAGS_KEEP;
}

static void write_outer(const struct net_nexthop *way, const struct addr *source,
			const struct addr *backend, struct sl_path *path)
{
	write_ethernet(way, backend->family == 4 ? ETH_P_IP : ETH_P_IPV6, path);
	if (backend->family == 4)
		write_ipv4(source, backend, path);
	else
		write_ipv6(source, backend, path);
}

int path_build(const struct net_nexthop *way, const struct addr *backend,
	       const struct path_options *options, struct sl_path *out)
{
	bool l2 = options->encapsulation == SL_ENCAP_L2;
	bool varies = options->encapsulation == SL_ENCAP_IPIP &&
		      options->entropy.addr.family == backend->family;
	const struct addr *source = varies			     ? &options->entropy.addr
				    : addr_is_none(&options->source) ? &way->source
								     : &options->source;
	uint32_t outer = path_overhead(options->encapsulation, backend->family);
	uint32_t longest = options->mtu && options->mtu < way->mtu ? options->mtu : way->mtu;

	memset(out, 0, sizeof(*out));
	if (l2 && !addr_equal(&way->gateway, backend))
		return -EHOSTUNREACH;
	if (!l2 && source->family != backend->family)
		return -EADDRNOTAVAIL;
	if (longest > UINT16_MAX) /* an IPv4 packet is no longer */
		longest = UINT16_MAX;
	if (longest <= outer)
		return -EMSGSIZE;
	out->ifindex = way->parent_ifindex ? way->parent_ifindex : way->ifindex;
	out->inner_max = longest - outer;
	out->family = backend->family;
	out->encapsulation = options->encapsulation;
	out->entropy = varies ? entropy_bits(&options->entropy) : 0;
	write_tags(way, out);
	if (l2)
		write_ethernet(way, 0, out);
	else
		write_outer(way, source, backend, out);
	return 0;
}
