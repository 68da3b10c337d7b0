/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packet that a case repeats, and the driver's plan for it. */
#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#include "bench/bench.h"

#define PORT   443
#define CLIENT "198.51.100.1"

static void build_transport(const struct bench_frame *frame, uint8_t *to, size_t room)
{
	struct tcphdr *tcp = (struct tcphdr *)to;
	struct udphdr *udp = (struct udphdr *)to;

	if (frame->echo) {
		to[0] = frame->family == 4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
		return;
	}
	if (world_protocol(frame->to) == IPPROTO_UDP) {
		udp->dest = htons(PORT);
		udp->len = htons(room);
		return;
	}
	tcp->dest = htons(PORT);
	tcp->doff = frame->mss ? 6 : 5;
	to[13] = frame->tcp_flags ? frame->tcp_flags : TH_ACK;
	if (frame->mss)
		memcpy(to + 20, (uint8_t[]){TCPOPT_MAXSEG, TCPOLEN_MAXSEG, MSS >> 8, MSS & 255}, 4);
}

/* Client addresses are the driver's; here they are 0. */
static void build_ip4(const struct bench_frame *frame, uint8_t *to, size_t room)
{
	size_t headers = 20 + frame->options * 4;
	struct addr vip = world_vip(frame->to);
	struct iphdr *ip = (struct iphdr *)to;

	ip->version = 4;
	ip->ihl = headers / 4;
	ip->tot_len = htons(room);
	ip->frag_off = htons(frame->fragment ? frame->fragment : IP_DF);
	ip->ttl = 60;
	ip->protocol = frame->echo ? IPPROTO_ICMP : world_protocol(frame->to);
	memcpy(&ip->daddr, vip.bytes, 4);
	memset(to + 20, 1, frame->options * 4); /* no operation, RFC 791 section 3.1 */
	build_transport(frame, to + headers, room - headers);
}

static void build_ip6(const struct bench_frame *frame, uint8_t *to, size_t room)
{
	struct addr vip = world_vip(frame->to);
	struct ip6_hdr *ip = (struct ip6_hdr *)to;

	ip->ip6_flow = htonl(6 << 28);
	ip->ip6_plen = htons(room - sizeof(*ip));
	ip->ip6_nxt = frame->echo ? IPPROTO_ICMPV6 : world_protocol(frame->to);
	ip->ip6_hlim = 60;
	memcpy(&ip->ip6_src, (uint8_t[]){0x20, 0x01, 0x0d, 0xb8, 0, 0x51}, 6);
	memcpy(&ip->ip6_dst, vip.bytes, 16);
	build_transport(frame, to + sizeof(*ip), room - sizeof(*ip));
}

size_t frame_size(const struct bench_frame *frame)
{
	return frame->size ? frame->size : FRAME_SIZE;
}

/* RFC 792 and 1812, RFC 4443: with the answer's own headers 576 and 1280 bytes. */
size_t frame_answer(uint8_t family)
{
	return family == 4 ? 576 : 1280;
}

size_t frame_quoted(uint8_t family)
{
	return family == 4 ? 576 - 20 - 8 : 1280 - 40 - 8;
}

/* One tag is a customer's, two are a provider's and a customer's (IEEE 802.1Q). */
static void build_tags(const struct bench_frame *frame, uint8_t *to)
{
	static const uint8_t outer[] = {0x88, 0xa8, 0, VLAN_IN}, inner[] = {0x81, 0, 0, 20},
			     only[] = {0x81, 0, 0, VLAN_IN};

	memcpy(to, frame->tags == 2 ? outer : only, frame->tags ? 4 : 0);
	memcpy(to + 4, inner, frame->tags == 2 ? 4 : 0);
}

void frame_build(const struct bench_frame *frame, uint8_t data[FRAME_MAX])
{
	uint16_t type = htons(frame->family == 4   ? ETH_P_IP
			      : frame->family == 6 ? ETH_P_IPV6
						   : ETH_P_ARP);
	size_t header = ETH_HLEN + frame->tags * 4, room = frame_size(frame) - header;

	memset(data, 0, FRAME_MAX);
	memcpy(data, (uint8_t[]){2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 3}, 12);
	build_tags(frame, data + 12);
	memcpy(data + header - sizeof(type), &type, sizeof(type));
	if (frame->family == 4)
		build_ip4(frame, data + header, room);
	else if (frame->family == 6)
		build_ip6(frame, data + header, room);
}

static uint64_t word(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

void frame_plan(const struct bench_case *c, const uint8_t data[FRAME_MAX], struct bench_plan *plan)
{
	unsigned int tags = c->frame.tags * 4, is_v6 = c->frame.family == 6;

	*plan = (struct bench_plan){
		.mask = c->flows - 1,
		.ethernet = {word(data), word(data + 6)},
		.family = c->frame.family,
		.flood = c->flood,
		.transport_at = tags + (is_v6 ? 54 : 34 + c->frame.options * 4),
		.tag = {word(data + 12), word(data + 14)},
		.ports = c->frame.echo ? 0 : 0xffff,
		.tagged = c->world == WORLD_VLANS,
		.tags = tags,
		.optioned = c->frame.mss,
		.size = frame_size(&c->frame),
	};
	for (unsigned int i = 0; i < 4; i++)
		plan->address[i] = word(data + tags + (is_v6 ? 22 : 26) + i * 8);
	plan->transport = word(data + plan->transport_at);
	plan->option = word(data + plan->transport_at + 16);
	if (c->verdict == SL_SEND_too_big_told)
		plan->cut = plan->size - tags - ETH_HLEN - frame_quoted(c->frame.family);
}
