/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet/frame.h"

static const uint8_t router_mac[6] = {0x02, 0, 0, 0, 0, 0x01};
static const uint8_t balancer_mac[6] = {0x02, 0, 0, 0, 0, 0x02};

/* Also programs without Check build frames. */
static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "frame: %s\n", what);
	abort();
}

static void put(struct frame *f, const void *bytes, size_t length)
{
	require(f->length + length <= FRAME_MAX, "longer than FRAME_MAX");
	memcpy(f->data + f->length, bytes, length);
	f->length += length;
}

static void put8(struct frame *f, uint8_t value)
{
	put(f, &value, 1);
}

static void put16(struct frame *f, uint16_t value)
{
	put8(f, value >> 8);
	put8(f, value);
}

static void put32(struct frame *f, uint32_t value)
{
	put16(f, value >> 16);
	put16(f, value);
}

static void set16(struct frame *f, size_t at, uint16_t value)
{
	f->data[at] = value >> 8;
	f->data[at + 1] = value;
}

uint16_t frame_checksum(const void *bytes, size_t length, uint32_t start)
{
	const uint8_t *b = bytes;
	uint32_t sum = start;

	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? b[i] : b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void put_ethernet(struct frame *f, const uint8_t *to, const uint8_t *from, uint16_t type)
{
	put(f, to, 6);
	put(f, from, 6);
	put16(f, type);
}

static void parse(const char *text, struct addr *out)
{
	require(addr_parse(text, out) == 0, text);
}

/* RFC 8200 section 8.1, RFC 9293 section 3.1: the pseudo-header's part of a transport checksum. */
static uint32_t pseudo_sum(const struct addr *source, const struct addr *destination,
			   uint8_t protocol, uint32_t length)
{
	size_t size = source->family == 4 ? 4 : 16;

	return (uint16_t)~frame_checksum(source->bytes, size, 0) +
	       (uint16_t)~frame_checksum(destination->bytes, size, 0) + protocol + length;
}

static void put_ipv4(struct frame *f, const struct packet *p, const struct addr *s,
		     const struct addr *d)
{
	put8(f, (p->version ? p->version : 4) << 4 | (p->ihl ? p->ihl : 5 + p->options / 4));
	put8(f, p->tos);
	put16(f, 0); /* length: later */
	put16(f, p->id);
	put16(f, (p->clear_df ? 0 : 0x4000) | p->fragment);
	put8(f, p->ttl ? p->ttl : 57);
	put8(f, p->protocol);
	put16(f, 0); /* checksum: later */
	put(f, s->bytes, 4);
	put(f, d->bytes, 4);
	for (int i = 0; i < p->options; i++)
		put8(f, p->option_data ? p->option_data[i] : 1); /* no operation */
}

static void put_extension(struct frame *f, const struct packet *p, uint8_t kind, uint8_t next)
{
	put8(f, next);
	if (kind == IPPROTO_FRAGMENT) {
		put8(f, 0);
		put16(f, p->fragment);
		put32(f, 0xdeadbeef);
	} else if (kind == IPPROTO_ROUTING) {
		/* 24 bytes: type 2, and one segment left, an address (RFC 6275 section 6.4.1) */
		put(f, (uint8_t[]){2, 2, 1, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8}, 11);
		put(f, (uint8_t[12]){0xfe}, 12);
	} else if (kind == IPPROTO_AH) {
		/* 28 bytes: (5 + 2) * 4; SPI, sequence, 16 bytes of integrity check (RFC 4302 section 2) */
		put(f, (uint8_t[]){5, 0, 0, 0, 0, 1, 2, 0, 0, 0, 9}, 11);
		put(f, (uint8_t[16]){0xa5, 0x5a}, 16);
	} else {
		put8(f, 1); /* 16 bytes, filled by PadN (RFC 8200 section 4.2) */
		put(f, (uint8_t[14]){1, 12}, 14);
	}
}

static void put_ipv6(struct frame *f, const struct packet *p, const struct addr *s,
		     const struct addr *d)
{
	const uint8_t *e = p->extensions;

	put32(f, (uint32_t)(p->version ? p->version : 6) << 28 | (uint32_t)p->tos << 20 | 0x12345);
	put16(f, 0); /* length: later */
	put8(f, e && *e != 255 ? *e : p->protocol);
	put8(f, p->ttl ? p->ttl : 57);
	put(f, s->bytes, 16);
	put(f, d->bytes, 16);
	for (; e && *e != 255; e++)
		put_extension(f, p, *e, e[1] != 255 ? e[1] : p->protocol);
}

static void put_transport(struct frame *f, const struct packet *p)
{
	if (p->protocol != IPPROTO_TCP && p->protocol != IPPROTO_UDP)
		return;
	put16(f, p->source_port);
	put16(f, p->destination_port);
	if (p->protocol == IPPROTO_TCP) {
		put32(f, 1000);
		put32(f, 2000);
		put8(f, (p->tcp_offset ? p->tcp_offset : 5) << 4);
		put8(f, p->tcp_flags ? p->tcp_flags : 0x10);
		put16(f, 65535);
		put32(f, 0);
	} else {
		put16(f, 8 + p->payload + p->lie_udp_length);
		put16(f, 0);
	}
}

void frame_build(struct frame *f, const struct packet *p)
{
	struct addr s, d;
	size_t network, transport, checksum_at;
	uint8_t to[6];

	parse(p->source, &s);
	parse(p->destination, &d);
	memset(f, 0, sizeof(*f));
	memcpy(to, balancer_mac, 6);
	to[0] |= p->to_group;
	put_ethernet(f, to, router_mac,
		     p->ethertype    ? p->ethertype
		     : s.family == 4 ? 0x0800
				     : 0x86dd);
	network = f->length;
	if (s.family == 4)
		put_ipv4(f, p, &s, &d);
	else
		put_ipv6(f, p, &s, &d);
	transport = f->length;
	put_transport(f, p);
	for (size_t i = 0; i < p->payload; i++)
		put8(f, p->data ? p->data[i] : i * 7 + 3);
	if (p->protocol == IPPROTO_TCP || (p->protocol == IPPROTO_UDP && !p->no_checksum)) {
		checksum_at = transport + (p->protocol == IPPROTO_TCP ? 16 : 6);
		set16(f, checksum_at,
		      frame_checksum(f->data + transport, f->length - transport,
				     pseudo_sum(&s, &d, p->protocol, f->length - transport)));
	}
	if (s.family == 4) {
		set16(f, network + 2, f->length - network + p->lie_ip_length);
		set16(f, network + 10, frame_checksum(f->data + network, transport - network, 0));
	} else {
		set16(f, network + 4, f->length - network - 40 + p->lie_ip_length);
	}
	for (size_t i = 0; i < p->padding; i++)
		put8(f, 0xee);
	f->length -= p->cut;
}

void frame_tag(struct frame *f, const struct tagging *tags)
{
	size_t length = 4 * tags->count;

	require(f->length + length <= FRAME_MAX, "longer than FRAME_MAX");
	memmove(f->data + 12 + length, f->data + 12, f->length - 12);
	f->length += length;
	for (size_t i = 0; i < 2 * tags->count; i++)
		set16(f, 12 + 2 * i, tags->words[i]);
}

void frame_swap_macs(struct frame *frame)
{
	uint8_t mac[6];

	memcpy(mac, frame->data, sizeof(mac));
	memcpy(frame->data, frame->data + sizeof(mac), sizeof(mac));
	memcpy(frame->data + sizeof(mac), mac, sizeof(mac));
}

void frame_build_icmp(struct frame *out, const struct packet *packet, const struct icmp *icmp,
		      const struct frame *quoted)
{
	struct frame message = {.length = 0};
	struct packet p = *packet;
	size_t quote = quoted->length - 14;
	struct addr s, d;

	parse(p.source, &s);
	parse(p.destination, &d);
	put8(&message, icmp->type);
	put8(&message, icmp->code);
	put16(&message, 0); /* checksum: later */
	put32(&message, icmp->rest);
	put(&message, quoted->data + 14,
	    icmp->quoted && icmp->quoted < quote ? icmp->quoted : quote);
	p.protocol = s.family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	p.data = message.data;
	p.payload = message.length;
	set16(&message, 2,
	      frame_checksum(message.data, message.length,
			     s.family == 4 ? 0 : pseudo_sum(&s, &d, p.protocol, p.payload)));
	frame_build(out, &p);
}

/* UDP and GUE as the draft's figures have them. */
static void put_gue(struct frame *f, const struct outer *o, uint8_t protocol, size_t length)
{
	put16(f, o->source_port);
	put16(f, 6080);
	put16(f, 8 + 4 + length);
	put16(f, 0);
	put8(f, 0);
	put8(f, protocol);
	put16(f, 0);
}

/* RFC 8200 section 8.1, by a pass over all of the datagram. */
static void sum_gue(struct frame *f, size_t at, const struct addr *s, const struct addr *d)
{
	size_t length = f->data[at + 4] << 8 | f->data[at + 5];
	uint16_t sum = frame_checksum(f->data + at, length, pseudo_sum(s, d, IPPROTO_UDP, length));

	set16(f, at + 6, sum ? sum : 0xffff);
}

static void put_outer(struct frame *out, const uint8_t *inner, size_t length, const struct outer *o)
{
	bool inner4 = inner[0] >> 4 == 4, gue = o->kind == OUTER_GUE;
	uint8_t tos = inner4 ? inner[1] : inner[0] << 4 | inner[1] >> 4;
	uint8_t protocol = inner4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	bool df = inner4 ? inner[6] & 0x40 : true;
	size_t payload = length + (gue ? 12 : 0);
	struct addr s, d;

	parse(o->source, &s);
	parse(o->destination, &d);
	put_ethernet(out, o->destination_mac, o->source_mac, s.family == 4 ? 0x0800 : 0x86dd);
	if (s.family == 4) {
		put8(out, 0x45);
		put8(out, tos);
		put16(out, payload + 20);
		put16(out, df ? 0 : o->id);
		put16(out, df ? 0x4000 : 0);
		put8(out, 64);
		put8(out, gue ? IPPROTO_UDP : protocol);
		put16(out, 0);
		put(out, s.bytes, 4);
		put(out, d.bytes, 4);
		set16(out, 24, frame_checksum(out->data + 14, 20, 0));
	} else {
		put32(out, (uint32_t)6 << 28 | (uint32_t)tos << 20 | o->flow_label);
		put16(out, payload);
		put8(out, gue ? IPPROTO_UDP : protocol);
		put8(out, 64);
		put(out, s.bytes, 16);
		put(out, d.bytes, 16);
	}
	if (gue)
		put_gue(out, o, protocol, length);
}

void frame_encapsulate(struct frame *out, const struct frame *in, const struct outer *o)
{
	const uint8_t *inner = in->data + 14;
	bool inner4 = inner[0] >> 4 == 4;
	size_t length = inner4 ? inner[2] << 8 | inner[3] : 40 + (inner[4] << 8 | inner[5]);
	struct addr s, d;

	memset(out, 0, sizeof(*out));
	if (o->kind == OUTER_L2)
		put_ethernet(out, o->destination_mac, o->source_mac,
			     in->data[12] << 8 | in->data[13]);
	else
		put_outer(out, inner, length, o);
	put(out, inner, in->length - 14);
	if (o->kind != OUTER_GUE || o->no_checksum)
		return;
	parse(o->source, &s);
	parse(o->destination, &d);
	if (s.family == 6)
		sum_gue(out, 54, &s, &d);
}
