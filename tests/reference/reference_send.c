/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes before a packet, and what is changed in it. */
#include <netinet/in.h>
#include <string.h>

#include "reference/bytes.h"

#define GUE_BYTES 12 /* UDP 8, GUE 4 */

uint16_t reference_checksum(const uint8_t *bytes, size_t length, uint32_t start)
{
	uint64_t sum = start;

	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? bytes[i] : bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

size_t reference_overhead(const struct reference_backend *b)
{
	size_t ip = b->address.family == 4 ? 20 : 40;

	switch (b->encapsulation) {
	case SL_ENCAP_L2:
		return 0;
	case SL_ENCAP_GUE:
		return ip + GUE_BYTES;
	default:
		return ip;
	}
}

/* RFC 1071 over the pseudo-header of RFC 8200 section 8.1 (or RFC 768, of which the sum is alike) and what is behind it. */
static uint16_t transport_checksum(uint8_t family, const uint8_t *addresses, uint8_t protocol,
				   const uint8_t *bytes, size_t length)
{
	uint32_t start = (uint16_t)~reference_checksum(addresses, family == 4 ? 8 : 32, 0);

	return reference_checksum(bytes, length, start + protocol + length);
}

/* Whether a packet's checksums are right: then all of its bytes are what they say. */
static bool is_sound(const struct reference_packet *p)
{
	const uint8_t *addresses = p->at + (p->family == 4 ? 12 : 8);

	if (p->family == 4 && reference_checksum(p->at, p->headers, 0) != 0)
		return false;
	return transport_checksum(p->family, addresses, p->protocol, p->at + p->headers,
				  p->length - p->headers) == 0;
}

/* The outer source: a prefix's other bits are the hash's, which is mixed into the last 32 as it lies in memory. */
static void make_source(const struct reference_backend *b, uint64_t hash, uint8_t out[16])
{
	unsigned int size = b->source.family == 4 ? 4 : 16;

	memcpy(out, b->source.bytes, 16);
	if (!b->varies || b->encapsulation != SL_ENCAP_IPIP)
		return;
	for (unsigned int bit = b->source.length; bit < 8 * size; bit++) {
		unsigned int byte = bit / 8, mask = 0x80 >> bit % 8;

		if (byte >= size - 4 && hash >> 8 * (byte - (size - 4)) & mask)
			out[byte] |= mask;
	}
}

static uint8_t tos_of(const struct reference_packet *p)
{
	return p->family == 4 ? p->at[1] : reference_get16(p->at) >> 4;
}

/* RFC 2003 section 3.1, RFC 4213 section 3.5: DF as the inner says, an IPv6 packet is never fragmented. */
static void put_ipv4(const struct reference_backend *b, const struct reference_packet *p,
		     uint64_t hash, uint8_t protocol, size_t payload, struct reference_frame *out)
{
	bool df = p->family == 6 || p->at[6] & 0x40;
	uint16_t later = p->family == 4 ? p->offset / 8 : 0;
	size_t start = out->length;
	uint8_t source[16];

	make_source(b, hash, source);
	put8(out, 0x45);
	put8(out, tos_of(p));
	put16(out, 20 + payload);
	/* Fragments of one packet are packets of their own outside. */
	put8(out, df ? 0 : p->at[4] ^ (hash & 0xff) ^ (later >> 8));
	put8(out, df ? 0 : p->at[5] ^ (hash >> 8 & 0xff) ^ later);
	put16(out, df ? 0x4000 : 0);
	put8(out, 64);
	put8(out, protocol);
	put16(out, 0);
	put(out, source, 4);
	put(out, b->address.bytes, 4);
	set16(out, start + 10, reference_checksum(out->data + start, 20, 0));
}

static void put_ipv6(const struct reference_backend *b, const struct reference_packet *p,
		     uint64_t hash, uint8_t protocol, size_t payload, struct reference_frame *out)
{
	uint32_t label = hash & 0xfffff;
	uint8_t source[16];

	make_source(b, hash, source);
	put8(out, 0x60 | tos_of(p) >> 4);
	put8(out, (tos_of(p) << 4 & 0xf0) | label >> 16);
	put16(out, label);
	put16(out, payload);
	put8(out, protocol);
	put8(out, 64);
	put(out, source, 16);
	put(out, b->address.bytes, 16);
}

static void put_gue(uint64_t hash, uint8_t protocol, size_t length, struct reference_frame *out)
{
	put16(out, 0xc000 | (hash & 0x3fff));
	put16(out, 6080);
	put16(out, GUE_BYTES + length);
	put16(out, 0);
	put8(out, 0);
	put8(out, protocol);
	put16(out, 0);
}

/* Over IPv6 a datagram has a checksum, by a pass over all of it, unless the packet has none to go by (RFC 6935). */
static void sum_gue(const struct reference_packet *p, size_t udp, struct reference_frame *out,
		    struct reference_result *result)
{
	uint16_t sum = transport_checksum(6, out->data + udp - 32, IPPROTO_UDP, out->data + udp,
					  GUE_BYTES + p->length);

	set16(out, udp + 6, sum ? sum : 0xffff);
	if (!is_sound(p))
		result->any_checksum = udp + 6;
}

/* The priority stays the packet's: each tag has that of the packet's own in its place, or of its outermost. */
size_t reference_tags(const struct reference_backend *b, const struct reference_packet *p,
		      struct reference_tag out[REFERENCE_TAGS])
{
	size_t count = b->keep ? p->tags_count : b->tags_count;

	for (size_t i = 0; i < count; i++) {
		const struct reference_tag *own = &p->tags[i < p->tags_count ? i : 0];

		out[i] = b->keep ? *own : b->tags[i];
		if (!b->keep && p->tags_count)
			out[i].control |= own->control & 0xf000;
	}
	return count;
}

void reference_send(const struct reference_backend *b, const struct reference_packet *p,
		    uint64_t hash, bool own_sum, struct reference_frame *out,
		    struct reference_result *result)
{
	uint8_t protocol = p->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	bool gue = b->encapsulation == SL_ENCAP_GUE, outer4 = b->address.family == 4;
	size_t payload = p->length + (gue ? GUE_BYTES : 0), udp;
	uint8_t outer_protocol = gue ? IPPROTO_UDP : protocol;
	struct reference_tag tags[REFERENCE_TAGS];
	size_t count = reference_tags(b, p, tags);

	result->way = b->ifindex;
	out->length = 0;
	put(out, b->mac, 6);
	put(out, b->device_mac, 6);
	for (size_t i = 0; i < count; i++) {
		put16(out, tags[i].type);
		put16(out, tags[i].control);
	}
	if (b->encapsulation == SL_ENCAP_L2) {
		put16(out, p->family == 4 ? 0x0800 : 0x86dd);
		put(out, p->at, p->there);
		return;
	}
	put16(out, outer4 ? 0x0800 : 0x86dd);
	if (outer4)
		put_ipv4(b, p, hash, outer_protocol, payload, out);
	else
		put_ipv6(b, p, hash, outer_protocol, payload, out);
	udp = out->length;
	if (gue)
		put_gue(hash, protocol, p->length, out);
	put(out, p->at, p->there);
	if (gue && !outer4 && own_sum)
		sum_gue(p, udp, out, result);
}

/* ---- MSS --------------------------------------------------------------------------------------------------- */

/* RFC 9293 section 3.1: the checksum that a segment would have, had its 16-bit words been these from the start. */
static uint16_t changed_checksum(uint16_t sum, uint16_t from, uint16_t to)
{
	/* RFC 1624, eqn. 3 */
	uint32_t s = (uint16_t)~sum + (uint16_t)~from + to;

	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return ~s;
}

void reference_clamp(struct reference_frame *out, size_t at, uint16_t mss)
{
	uint8_t *header = out->data + at;
	size_t length = 4 * (header[12] >> 4), i = 20;
	uint8_t before[64];

	memcpy(before, header, length);
	while (i < length && header[i] != 0) {
		if (header[i] == 1) {
			i++;
			continue;
		}
		if (i + 1 >= length || header[i + 1] < 2)
			return;
		if (header[i] == 2)
			break;
		i += header[i + 1];
	}
	if (i + 4 > length || header[i] != 2 || header[i + 1] != 4 ||
	    reference_get16(header + i + 2) <= mss)
		return;
	header[i + 2] = mss >> 8;
	header[i + 3] = mss;
	for (i = 20; i < length; i += 2)
		set16(out, at + 16,
		      changed_checksum(reference_get16(header + 16), reference_get16(before + i),
				       reference_get16(header + i)));
}

/* By how much a sum is off: the ones' complement of a right one's fault is 0xffff. */
static uint16_t as_wrong_as(uint16_t fault, uint16_t right)
{
	uint32_t sum = (uint16_t)~fault + right;

	return (sum & 0xffff) + (sum >> 16);
}

/*
 * The same bytes back, with another type and hop limit; checksums that are wrong stay so by as much. Those of messages
 * are not 0, which would be wrong where all other words are 0; those of IPv4 headers not 0xffff, as always.
 */
void reference_answer(const struct reference_frame *in, const struct reference_packet *p,
		      struct reference_frame *out)
{
	bool is4 = p->family == 4;
	size_t ip = p->at - in->data, icmp = ip + p->headers, size = is4 ? 4 : 16;
	size_t from = ip + (is4 ? 12 : 8), length = p->length - p->headers;
	const uint8_t protocol = is4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	uint16_t wrong =
		transport_checksum(p->family, in->data + from, protocol, in->data + icmp, length);
	uint16_t header = is4 ? reference_checksum(p->at, p->headers, 0) : 0, sum;

	*out = *in;
	memcpy(out->data, in->data + 6, 6);
	memcpy(out->data + 6, in->data, 6);
	memcpy(out->data + from, in->data + from + size, size);
	memcpy(out->data + from + size, in->data + from, size);
	out->data[ip + (is4 ? 8 : 7)] = 64;
	out->data[icmp] = is4 ? 0 : 129;
	set16(out, icmp + 2, 0);
	sum = transport_checksum(p->family, out->data + from, protocol, out->data + icmp, length);
	sum = as_wrong_as(wrong, sum);
	set16(out, icmp + 2, sum ? sum : 0xffff);
	if (!is4)
		return;
	set16(out, ip + 10, 0);
	sum = as_wrong_as(header, reference_checksum(out->data + ip, p->headers, 0));
	set16(out, ip + 10, sum == 0xffff ? 0 : sum);
}

void reference_tell(const struct reference_frame *in, const struct reference_packet *p,
		    uint32_t mtu, struct reference_frame *out)
{
	bool is4 = p->family == 4;
	size_t ethernet = p->at - in->data, ip, icmp;

	out->length = 0;
	put(out, in->data + 6, 6);
	put(out, in->data, 6);
	put(out, in->data + 12, ethernet - 12);
	ip = out->length;
	if (is4) {
		put(out,
		    (const uint8_t[]){0x45, 0xc0, 576 >> 8, 576 & 0xff, 0, 0, 0x40, 0, 64, 1, 0, 0},
		    12);
		put(out, p->at + 16, 4);
		put(out, p->at + 12, 4);
		set16(out, ip + 10, reference_checksum(out->data + ip, 20, 0));
	} else {
		put(out, (const uint8_t[]){0x60, 0, 0, 0, 1240 >> 8, 1240 & 0xff, 58, 64}, 8);
		put(out, p->at + 24, 16);
		put(out, p->at + 8, 16);
	}
	icmp = out->length;
	put8(out, is4 ? 3 : 2);
	put8(out, is4 ? 4 : 0);
	put16(out, 0);
	put16(out, mtu >> 16);
	put16(out, mtu);
	put(out, p->at, is4 ? 576 - 28 : 1280 - 48);
	if (is4)
		set16(out, icmp + 2, reference_checksum(out->data + icmp, 576 - 20, 0));
	else
		set16(out, icmp + 2,
		      transport_checksum(6, out->data + ip + 8, 58, out->data + icmp, 1240));
}
