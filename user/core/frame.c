/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/frame.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define TAGS_MAX       4
#define EXTENSIONS_MAX 16 /* IPv6 headers before the transport's */

/* The frame from here on. */
struct rest {
	const uint8_t *bytes;
	size_t length;
};

static uint16_t be16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

static bool skip(struct rest *rest, size_t length)
{
	if (rest->length < length)
		return false;
	rest->bytes += length;
	rest->length -= length;
	return true;
}

/* Behind the link's header, VLAN tags (IEEE 802.1Q) included. */
static bool read_ethernet(struct rest *rest, struct frame *out)
{
	if (rest->length < ETH_HLEN)
		return false;
	out->ethertype = be16(rest->bytes + 12);
	skip(rest, ETH_HLEN);
	for (int i = 0; i < TAGS_MAX; i++) {
		if (out->ethertype != ETH_P_8021Q && out->ethertype != ETH_P_8021AD)
			break;
		if (rest->length < 4)
			return false;
		out->ethertype = be16(rest->bytes + 2);
		skip(rest, 4);
	}
	return true;
}

static void read_ports(const struct rest *rest, struct frame *out)
{
	if ((out->protocol != IPPROTO_TCP && out->protocol != IPPROTO_UDP) || rest->length < 4)
		return;
	out->has_ports = true;
	out->source_port = be16(rest->bytes);
	out->destination_port = be16(rest->bytes + 2);
}

/* RFC 791, section 3.1 */
static void read_ipv4(struct rest *rest, struct frame *out)
{
	const uint8_t *header = rest->bytes;
	size_t length = rest->length ? (header[0] & 15) * 4 : 0;
	uint16_t fragment;

	if (rest->length < 20 || header[0] >> 4 != 4)
		return;
	fragment = be16(header + 6);
	out->protocol = header[9];
	out->source.family = out->destination.family = 4;
	memcpy(out->source.bytes, header + 12, 4);
	memcpy(out->destination.bytes, header + 16, 4);
	out->is_fragment = fragment & 0x3fff;
	if (length >= 20 && skip(rest, length) && !(fragment & 0x1fff))
		read_ports(rest, out);
}

static bool is_extension(uint8_t protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_AH;
}

/* Bytes of one that is no fragment header; those of an AH count otherwise (RFC 4302 section 2.2). */
static size_t extension_length(uint8_t protocol, const uint8_t *extension)
{
	return protocol == IPPROTO_AH ? (extension[1] + 2) * 4 : (extension[1] + 1) * 8;
}

/* RFC 8200, sections 3 and 4 */
static void read_ipv6(struct rest *rest, struct frame *out)
{
	const uint8_t *header = rest->bytes;

	if (rest->length < 40 || header[0] >> 4 != 6)
		return;
	out->protocol = header[6];
	out->source.family = out->destination.family = 6;
	memcpy(out->source.bytes, header + 8, 16);
	memcpy(out->destination.bytes, header + 24, 16);
	skip(rest, 40);
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		const uint8_t *extension = rest->bytes;
		bool is_fragment = out->protocol == IPPROTO_FRAGMENT;
		size_t size;

		if (rest->length < 8 || !(is_fragment || is_extension(out->protocol)))
			break;
		size = is_fragment ? 8 : extension_length(out->protocol, extension);
		out->protocol = extension[0];
		out->is_fragment |= is_fragment;
		if (is_fragment && be16(extension + 2) & 0xfff8)
			return; /* the ports are in another one */
		if (!skip(rest, size))
			return;
	}
	read_ports(rest, out);
}

void frame_read(const uint8_t *bytes, size_t length, struct frame *out)
{
	struct rest rest = {bytes, length};

	*out = (struct frame){};
	if (!read_ethernet(&rest, out))
		return;
	if (out->ethertype == ETH_P_IP)
		read_ipv4(&rest, out);
	else if (out->ethertype == ETH_P_IPV6)
		read_ipv6(&rest, out);
}

const char *frame_protocol(const struct frame *frame, char out[FRAME_PROTOCOL_SIZE])
{
	static const struct {
		uint8_t number;
		const char *name;
	} names[] = {
		{IPPROTO_TCP, "tcp"},
		{IPPROTO_UDP, "udp"},
		{IPPROTO_ICMP, "icmp"},
		{IPPROTO_ICMPV6, "icmp6"},
	};

	if (!frame->source.family) {
		if (frame->ethertype == ETH_P_ARP)
			return "arp";
		snprintf(out, FRAME_PROTOCOL_SIZE, "ethernet/%04x", frame->ethertype);
		return out;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == frame->protocol)
			return names[i].name;
	snprintf(out, FRAME_PROTOCOL_SIZE, "ip/%u", frame->protocol);
	return out;
}
