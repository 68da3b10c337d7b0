/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames at random: to what listens and near it, well-formed and with options, extension headers, fragments, ICMP errors,
 * lengths that lie and checksums that are wrong; then some bytes of some of them changed, some cut short, and noise.
 */
#include <netinet/in.h>
#include <string.h>

#include "base/mem.h"
#include "random.h"
#include "reference/bytes.h"
#include "reference/scene.h"

#define PAYLOAD_MAX 1600

static bool one_in(uint32_t n)
{
	return random_below(n) == 0;
}

/* Where the IP header of a frame is. */
static size_t network_at(const struct reference_frame *f)
{
	size_t at = 12;

	while (at + 8 < f->length && (f->data[at] == 0x81 || f->data[at] == 0x88))
		at += 4;
	return at + 2;
}

/* Makes the checksum of an IPv4 header right. */
static void sum_ipv4(struct reference_frame *f, size_t network)
{
	set16(f, network + 10, 0);
	set16(f, network + 10,
	      reference_checksum(f->data + network, (f->data[network] & 15) * 4, 0));
}

/* Who speaks to whom. */
struct ends {
	uint8_t family, protocol;
	uint8_t source[16], destination[16];
	uint16_t source_port, destination_port;
};

static void make_client(uint8_t family, uint8_t out[16])
{
	static const uint8_t start[2][6] = {{198, 51, 100}, {0x20, 0x01, 0x0d, 0xb8, 0, 0x0c}};

	memset(out, 0, 16);
	memcpy(out, start[family == 6], 6);
	for (unsigned int i = family == 4 ? 2 : 12; i < (family == 4 ? 4 : 16); i++)
		out[i] = random_below(256);
}

/* A flow to a listener, or to the neighbourhood of one. */
static void make_ends(const struct scene *scene, struct ends *e)
{
	const struct reference *r = &scene->reference;
	const struct reference_listener *l = &r->listeners[random_below(r->listeners_count)];
	unsigned int size = l->on.family == 4 ? 4 : 16;

	*e = (struct ends){.family = l->on.family, .protocol = l->protocol};
	make_client(e->family, e->source);
	memcpy(e->destination, l->on.bytes, 16);
	for (unsigned int bit = l->on.length; bit < 8 * size; bit++)
		if (one_in(2))
			e->destination[bit / 8] ^= 0x80 >> bit % 8;
	e->source_port = random_below(65536);
	e->destination_port = l->port && !one_in(8) ? l->port : random_below(65536);
	if (one_in(10))
		e->destination[size - 1] ^= 1 << random_below(5);
	if (one_in(12))
		e->protocol ^= IPPROTO_TCP ^ IPPROTO_UDP;
}

/* The last first fragment that was made, and where in it the word of offset and flags stands. */
static struct reference_frame first;
static size_t fragment_at, first_at;

/* ---- headers ------------------------------------------------------------------------------------------- */

static void put_ethernet(struct reference_frame *f, uint8_t family)
{
	f->length = 0;
	put(f, (uint8_t[]){2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}, 12);
	if (one_in(50))
		f->data[0] |= 1;
	for (unsigned int tags = one_in(4) ? random_below(8) : 0; tags;
	     tags = tags > 3 ? 0 : tags - 1) {
		put16(f, one_in(3) ? 0x88a8 : 0x8100);
		put16(f,
		      one_in(3) ? random_below(65536) : random_below(16) << 12 | random_below(8));
	}
	put16(f, family == 4 ? 0x0800 : 0x86dd);
}

/* Lengths and checksums are filled in by finish(). */
static void put_ipv4(struct reference_frame *f, const struct ends *e, bool may_be_odd)
{
	unsigned int options = may_be_odd && one_in(6) ? random_below(11) : 0;
	uint16_t fragment = one_in(2) ? 0x4000 : 0;

	if (may_be_odd && one_in(20))
		fragment = (uint16_t[]){
			0x2000, 0x2000, 0x0001, 0x2010, 0x8000, 0x1fff}[random_below(6)];
	fragment_at = (fragment & 0x3fff) == 0x2000 ? f->length + 6 : 0;
	put8(f, 0x45 + options);
	put8(f, random_below(256));
	put16(f, 0);
	put16(f, random_below(65536));
	put16(f, fragment);
	put8(f, 57);
	put8(f, e->protocol);
	put16(f, 0);
	put(f, e->source, 4);
	put(f, e->destination, 4);
	for (unsigned int i = 0; i < 4 * options; i++)
		put8(f, 1);
}

static void put_ipv6(struct reference_frame *f, const struct ends *e, bool may_be_odd)
{
	static const uint8_t kinds[] = {0, 43, 44, 51, 60, 60};
	unsigned int count = may_be_odd && one_in(4) ? random_below(9) : 0;
	bool is_first = may_be_odd && one_in(16);
	size_t next = f->length + 6;

	fragment_at = 0;
	count += is_first;
	put32(f, 6u << 28 | random_below(1 << 28));
	put16(f, 0);
	put8(f, e->protocol);
	put8(f, 57);
	put(f, e->source, 16);
	put(f, e->destination, 16);
	for (; count; count--) {
		uint8_t kind = is_first && (count == 1 || one_in(2))
				       ? 44
				       : kinds[random_below(ARRAY_SIZE(kinds))];
		unsigned int units = one_in(3) ? random_below(4) : 0;
		uint16_t word = kind == 44 && one_in(2)
					? (uint16_t[]){1, 8, 9, 0xfff8}[random_below(4)]
					: 0;

		if (is_first && kind == 44) {
			is_first = false;
			word = 1;
		}
		if (kind == 44 && word == 1)
			fragment_at = f->length + 2;
		f->data[next] = kind;
		next = f->length;
		put8(f, e->protocol);
		put8(f, kind == 44 ? 0 : units);
		put16(f, word);
		put32(f, random_below(1u << 31));
		for (unsigned int i = 0; kind != 44 && i < (kind == 51 ? 4 : 8) * units; i++)
			put8(f, 0);
	}
}

static void put_ip(struct reference_frame *f, const struct ends *e, bool may_be_odd)
{
	if (e->family == 4)
		put_ipv4(f, e, may_be_odd);
	else
		put_ipv6(f, e, may_be_odd);
}

/* TCP options of at most 40 bytes: an MSS among others, at even and at odd places. */
static void put_tcp_options(struct reference_frame *f)
{
	size_t end = f->length + 4 * random_below(11);

	while (f->length < end) {
		size_t left = end - f->length;
		uint8_t kinds[] = {1, 1, 2, 2, 3, 4, 8, 0, 5};
		uint8_t kind = kinds[random_below(ARRAY_SIZE(kinds))];
		uint8_t length = kind == 2 ? 4 : kind == 3 ? 3 : kind == 4 ? 2 : 10;

		if (kind < 2 || left < length) {
			put8(f, left < 3 || kind == 1 ? 1 : one_in(4) ? 0 : 1);
			continue;
		}
		put8(f, kind);
		put8(f, one_in(12) ? random_below(256) : length);
		for (unsigned int i = 2; i < length; i++)
			put8(f, random_below(one_in(2) ? 256 : 8));
	}
}

/* The start of a QUIC packet: a connection id of some configuration, that has a server id of those of scene.c. */
static void make_quic(uint8_t *data, size_t length)
{
	uint8_t start[7] = {one_in(2) ? 0xc0 : 0x40, 0, 0, 0, 1, 0, random_below(8) << 5};
	uint8_t said = 3 + random_below(one_in(3) ? 18 : 4);
	bool is_long = start[0] & 0x80;
	size_t id = is_long ? 6 : 1;

	if (length < 28)
		return;
	start[5] = said;
	start[6] |= one_in(3) ? random_below(32) : said - 1u;
	memcpy(data, start, is_long ? 6 : 1);
	data[id] = start[6];
	memset(data + id + 1, 0, 16);
	data[id + 1] = random_below(8);
}

static void put_transport(struct reference_frame *f, const struct ends *e, size_t payload)
{
	size_t start = f->length;

	put16(f, e->source_port);
	put16(f, e->destination_port);
	if (e->protocol == IPPROTO_UDP) {
		put16(f, 8 + payload);
		put16(f, 0);
	} else {
		put32(f, random_below(1u << 31));
		put32(f, random_below(1u << 31));
		put8(f, 0);
		put8(f, one_in(3) ? 2 : random_below(256));
		put16(f, 65535);
		put32(f, 0);
		if (one_in(2))
			put_tcp_options(f);
		f->data[start + 12] = (f->length - start) / 4 << 4;
	}
	start = f->length;
	for (size_t i = 0; i < payload; i++)
		put8(f, random_below(256));
	if (e->protocol == IPPROTO_UDP && one_in(2))
		make_quic(f->data + start, payload);
}

/* Lengths and checksums, from the inside out. */
static void finish(struct reference_frame *f, size_t network, size_t transport,
		   const struct ends *e)
{
	size_t length = f->length - transport, at = 0;
	uint32_t pseudo = 0;
	uint16_t sum;

	if (e->family == 4) {
		set16(f, network + 2, f->length - network);
		set16(f, network + 10,
		      reference_checksum(f->data + network, transport - network, 0));
	} else {
		set16(f, network + 4, f->length - network - 40);
	}
	at = e->protocol == IPPROTO_TCP	     ? 16
	     : e->protocol == IPPROTO_UDP    ? 6
	     : e->protocol == IPPROTO_ICMPV6 ? 2
	     : e->protocol == IPPROTO_ICMP   ? 2
					     : 0;
	if (!at || (e->protocol == IPPROTO_UDP && one_in(8)))
		return;
	if (e->protocol != IPPROTO_ICMP)
		pseudo =
			(uint16_t)~reference_checksum(f->data + network + (e->family == 4 ? 12 : 8),
						      e->family == 4 ? 8 : 32, 0) +
			e->protocol + length;
	sum = reference_checksum(f->data + transport, length, pseudo);
	set16(f, transport + at, sum || e->protocol != IPPROTO_UDP ? sum : 0xffff);
}

static size_t some_payload(void)
{
	return one_in(5) ? random_below(PAYLOAD_MAX) : random_below(40);
}

static void make_packet(const struct scene *scene, struct reference_frame *f)
{
	static const uint8_t others[] = {1, 4, 41, 47, 58, 59};
	size_t network, transport;
	struct ends e;

	make_ends(scene, &e);
	put_ethernet(f, e.family);
	network = f->length;
	if (one_in(20))
		e.protocol = others[random_below(ARRAY_SIZE(others))];
	put_ip(f, &e, true);
	transport = f->length;
	put_transport(f, &e, some_payload());
	finish(f, network, transport, &e);
	if (!fragment_at)
		return;
	first = *f;
	first_at = fragment_at;
	if (one_in(2)) { /* it ends in or soon after the transport header */
		f->length = transport + 8 * (1 + random_below(3));
		set16(f, network + (e.family == 4 ? 2 : 4),
		      f->length - network - (e.family == 4 ? 0 : 40));
	}
}

/* A later fragment of the packet that the last first one was of; mostly. */
static void make_later(struct reference_frame *f)
{
	uint16_t offset = 1 + random_below(one_in(2) ? 3 : 200);
	size_t network = network_at(&first);
	bool is_v6 = first.data[network] >> 4 == 6;
	size_t payload_at = is_v6 ? first_at + 6 : network + (first.data[network] & 15) * 4;

	*f = first;
	if (one_in(3)) { /* the last one may be of any length */
		f->length = payload_at + random_below(12);
		set16(f, network + (is_v6 ? 4 : 2), f->length - network - (is_v6 ? 40 : 0));
	}
	if (is_v6) {
		set16(f, first_at, offset << 3 | random_below(2));
		if (one_in(4))
			f->data[first_at - 2] =
				60; /* it begins with destination options, it says */
		return;
	}
	set16(f, first_at, (one_in(2) ? 0x2000 : 0) | offset);
	sum_ipv4(f, network);
}

/* What a server has sent, quoted by a router on its way. */
static void make_error(const struct scene *scene, struct reference_frame *f)
{
	size_t network, transport, quote, quoted_transport, quoted;
	struct ends e, from;

	make_ends(scene, &from);
	e = from;
	e.protocol = e.family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	memcpy(from.source, e.destination, 16);
	memcpy(from.destination, e.source, 16);
	from.source_port = e.destination_port;
	from.destination_port = e.source_port;
	make_client(e.family, e.source);
	if (one_in(15))
		from.source[3] ^= 1;

	put_ethernet(f, e.family);
	network = f->length;
	put_ip(f, &e, one_in(3));
	transport = f->length;
	put8(f, e.family == 4 ? (uint8_t[]){3, 11, 12, 8, 5}[random_below(5)] : random_below(6));
	put8(f, random_below(5));
	put16(f, 0);
	put32(f, 1400);
	quote = f->length;
	put_ip(f, &from, one_in(3));
	quoted_transport = f->length;
	put_transport(f, &from, some_payload());
	finish(f, quote, quoted_transport, &from);
	quoted = quoted_transport + (one_in(6) ? random_below(12) : 8 + random_below(600));
	if (quoted < f->length)
		f->length = quoted;
	finish(f, network, transport, &e);
}

/* An echo request to where a service listens, or near it; of some all is 0 that can be. */
static void make_request(const struct scene *scene, struct reference_frame *f)
{
	static const uint8_t nobodies[] = {0, 127, 224, 255};
	size_t network, transport;
	bool is_zero = one_in(6);
	struct ends e;

	make_ends(scene, &e);
	e.protocol = e.family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	if (one_in(20))
		e.source[0] = nobodies[random_below(4)];
	put_ethernet(f, e.family);
	network = f->length;
	put_ip(f, &e, one_in(3));
	transport = f->length;
	put8(f, e.family == 4 ? 8 : 128);
	put8(f, is_zero || !one_in(5) ? 0 : random_below(256));
	put16(f, 0);
	put32(f, is_zero ? 0 : random_next());
	for (size_t i = some_payload(); i; i--)
		put8(f, is_zero ? 0 : random_below(256));
	finish(f, network, transport, &e);
}

/* ---- damage --------------------------------------------------------------------------------------------- */

static void spoil(struct reference_frame *f)
{
	static const uint8_t telling[] = {0,	1,    4,    5,	  6,	8,    0x0f, 0x11,
					  0x3a, 0x40, 0x45, 0x4f, 0x60, 0x7f, 0x80, 0xff};
	size_t at = random_below(random_below(2) ? 100 : f->length);

	if (at >= f->length)
		return;
	switch (random_below(6)) {
	case 0:
		f->data[at] ^= 1 << random_below(8);
		break;
	case 1:
		f->data[at] = telling[random_below(sizeof(telling))];
		break;
	case 2:
		f->data[at] += random_below(5) - 2;
		break;
	case 3: /* at least what a test run takes */
		f->length = at < 14 ? 14 : at;
		break;
	case 4: /* an IP length */
		at = f->data[12] == 8 ? 17 : 19;
		if (at < f->length)
			f->data[at] += random_below(41) - 20;
		break;
	default:
		f->data[at] = random_below(256);
	}
}

static void noise(struct reference_frame *f)
{
	f->length = 14 + random_below(random_below(2) ? 120 : PAYLOAD_MAX);
	for (size_t i = 0; i < f->length; i++)
		f->data[i] = random_below(256);
	if (random_below(4))
		memcpy(f->data + 12, random_below(2) ? "\x08\x00\x45" : "\x86\xdd\x60", 3);
	f->data[0] &= 0xfe;
}

void frames_start(uint64_t seed)
{
	first_at = 0;
	random_state = (seed + 1) * 0xd1342543de82ef95u;
	for (int i = 0; i < 8; i++)
		random_next();
}

void frames_make(const struct scene *scene, struct reference_frame *out)
{
	if (one_in(30)) {
		noise(out);
		return;
	}
	if (one_in(15))
		make_request(scene, out);
	else if (first_at && one_in(12))
		make_later(out);
	else if (one_in(5))
		make_error(scene, out);
	else
		make_packet(scene, out);
	if (one_in(6))
		for (unsigned int n = random_below(30); n; n--)
			put8(out, random_below(256));
	if (one_in(3))
		for (unsigned int times = 1 + random_below(4); times; times--)
			spoil(out);
}

/* ---- aiming --------------------------------------------------------------------------------------------- */

/* Adds to a word of the frame, in ones' complement, what makes a checksum over it `target`. */
static void aim_word(struct reference_frame *f, size_t at, uint16_t checksum, uint16_t target)
{
	uint32_t sum = (f->data[at] << 8 | f->data[at + 1]) + checksum + (uint16_t)~target;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	set16(f, at, sum);
}

bool frames_aim(struct reference_frame *in, const struct reference_frame *out)
{
	/* The sum may be of words in either byte order. */
	static const uint16_t targets[] = {0, 1, 0xffff, 0xfffe, 0xfffd, 0x0100, 0xfeff, 0xfdff};
	uint16_t target = targets[random_below(ARRAY_SIZE(targets))];
	size_t from = network_at(in), to = network_at(out), udp = to + 40;
	struct reference_frame wanted = *out;

	if (in->length < from + 20 || out->length < udp + 12 || !one_in(3))
		return false;
	/* The id of an outer IPv4 header follows the packet's bit by bit where DF is clear. */
	if (out->data[to] == 0x45 && !(out->data[to + 6] & 0x40)) {
		aim_word(&wanted, to + 4, out->data[to + 10] << 8 | out->data[to + 11], target);
		in->data[from + 4] ^= out->data[to + 4] ^ wanted.data[to + 4];
		in->data[from + 5] ^= out->data[to + 5] ^ wanted.data[to + 5];
		sum_ipv4(in, from);
		return true;
	}
	/* The UDP checksum of GUE over IPv6 covers the packet's flow label, which its own does not. */
	if (out->data[to] >> 4 == 6 && out->data[to + 6] == IPPROTO_UDP &&
	    in->data[from] >> 4 == 6) {
		aim_word(in, from + 2, out->data[udp + 6] << 8 | out->data[udp + 7], target);
		return true;
	}
	return false;
}
