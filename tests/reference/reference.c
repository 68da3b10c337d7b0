/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose a frame is, and what becomes of it. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "reference/reference.h"

/* ---- whose it is ------------------------------------------------------------------------------------- */

bool reference_covers(const struct reference_prefix *prefix, uint8_t family, const uint8_t *address)
{
	if (prefix->family != family)
		return false;
	for (unsigned int bit = 0; bit < prefix->length; bit++)
		if ((prefix->bytes[bit / 8] ^ address[bit / 8]) >> (7 - bit % 8) & 1)
			return false;
	return true;
}

/* Address before prefixes, and of these the longest; for each its port before any. */
static const struct reference_listener *find(const struct reference *r, uint8_t family,
					     const uint8_t *address, uint16_t port,
					     uint8_t protocol)
{
	const struct reference_listener *best = NULL;

	for (size_t i = 0; i < r->listeners_count; i++) {
		const struct reference_listener *l = &r->listeners[i];

		if (l->protocol != protocol || (l->port && l->port != port) ||
		    !reference_covers(&l->on, family, address))
			continue;
		if (!best || l->on.length > best->on.length ||
		    (l->on.length == best->on.length && l->port))
			best = l;
	}
	return best;
}

/* Whether anything listens at an address; protocol 0: any. */
static bool is_vip(const struct reference *r, const struct reference_packet *p, uint8_t protocol)
{
	for (size_t i = 0; i < r->listeners_count; i++)
		if ((!protocol || r->listeners[i].protocol == protocol) &&
		    reference_covers(&r->listeners[i].on, p->family, reference_destination(p)))
			return true;
	return false;
}

static bool is_denied(const struct reference *r, const struct reference_packet *p)
{
	for (size_t i = 0; i < r->denied_count; i++)
		if (reference_covers(&r->denied[i], p->family, reference_source(p)))
			return true;
	return false;
}

/* ---- where it goes ----------------------------------------------------------------------------------- */

/* hash.h: pairs of words, each with a key of its own, multiplied and summed up; the upper half of the sum. */
static uint32_t half(const uint64_t *keys, const uint32_t *words, size_t count)
{
	uint64_t sum = keys[0];

	for (size_t i = 0; i < count; i += 2)
		sum += (words[i] + keys[i + 1]) * (words[i + 1] + keys[i + 2]);
	return sum >> 32;
}

static uint64_t hash(const struct reference *r, uint8_t family, const uint8_t *source,
		     const uint8_t *destination, uint32_t ports, uint32_t protocol)
{
	uint32_t words[10], count = 0;
	uint64_t x;

	for (size_t i = 0; i < (family == 4 ? 4 : 16); i += 4)
		words[count++] = reference_get32(source + i);
	for (size_t i = 0; i < (family == 4 ? 4 : 16); i += 4)
		words[count++] = reference_get32(destination + i);
	words[count++] = ports;
	words[count++] = protocol;
	if (family == 4)
		x = (uint64_t)half((const uint64_t *)r->key.v4[0], words, count) << 32 |
		    half((const uint64_t *)r->key.v4[1], words, count);
	else
		x = (uint64_t)half((const uint64_t *)r->key.v6[0], words, count) << 32 |
		    half((const uint64_t *)r->key.v6[1], words, count);
	/* splitmix64's finaliser */
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* A flow, from its client's end. */
struct flow {
	uint8_t family, protocol;
	const uint8_t *client, *vip;
	uint16_t client_port, vip_port;
	uint8_t named; /* a backend, by a connection id; 0: none */
};

static uint16_t swapped(uint16_t value)
{
	return value << 8 | value >> 8;
}

static enum sl_verdict choose(const struct reference *r, const struct reference_service *service,
			      const struct flow *f, uint64_t *flow_hash,
			      const struct reference_backend **out)
{
	uint32_t ports = swapped(f->client_port) | (uint32_t)swapped(f->vip_port) << 16;
	uint64_t slot_hash;
	uint8_t backend;

	*flow_hash = hash(r, f->family, f->client, f->vip, ports, f->protocol);
	slot_hash = service->by_source ? hash(r, f->family, f->client, f->vip, 0, 0) : *flow_hash;
	backend = service->slot[(slot_hash >> 32) * service->slots >> 32];
	if (f->named)
		backend = f->named;
	*out = &r->backends[backend];
	if (!backend)
		return SL_DROP_no_backend;
	return (*out)->ifindex ? SL_GO_ON : SL_DROP_no_nexthop;
}

/* A frame on its way: what reference_run() was given. */
struct run {
	const struct reference *r;
	struct reference_memory *memory;
	const struct reference_frame *in;
	size_t room;
	struct reference_frame *out;
	struct reference_result *result;
};

/* Tags do not count where a packet must fit an MTU, but take room before the frame. */
static enum sl_verdict fits(const struct reference_backend *b, const struct reference_packet *p,
			    size_t room)
{
	struct reference_tag tags[REFERENCE_TAGS];
	size_t overhead = reference_overhead(b);

	if (p->length + overhead > b->mtu)
		return SL_DROP_too_big;
	overhead += 4 * reference_tags(b, p, tags);
	return overhead > room + 4 * p->tags_count ? SL_DROP_no_headroom : SL_GO_ON;
}

/* RFC 1122 section 3.2.2: an address of one host, which can be written to. */
static bool is_host(uint8_t family, const uint8_t *address)
{
	static const uint8_t none[16];

	if (family == 4)
		return address[0] != 0 && address[0] != 127 && address[0] < 224;
	return address[0] != 0xff && memcmp(address, none, sizeof(none));
}

/* One that is too big: its sender is told. */
static enum sl_verdict tell_sender(const struct run *run, const struct reference_packet *p,
				   const struct reference_backend *b)
{
	uint32_t least = p->family == 4 ? 576 : 1280, mtu = b->mtu - reference_overhead(b);

	if (mtu < least)
		mtu = least;
	if (p->length <= mtu || !is_host(p->family, reference_source(p)))
		return SL_DROP_too_big;
	if (run->room < (p->family == 4 ? 28 : 48))
		return SL_DROP_no_headroom;
	reference_tell(run->in, p, mtu, run->out);
	return SL_SEND_too_big_told;
}

/* ---- TCP and UDP --------------------------------------------------------------------------------------- */

/*
 * RFC 9293 section 3.1, RFC 768; RFC 791 and 8200 for the length. A first fragment has the whole transport header (RFC 1858);
 * UDP's length is that of all fragments together.
 */
static enum sl_verdict check_lengths(const struct reference_packet *p)
{
	const uint8_t *transport = p->at + p->headers;
	size_t left, claimed;

	if (p->length > p->there || p->length < p->headers)
		return SL_DROP_bad_length;
	left = p->length - p->headers;
	if (p->protocol == IPPROTO_UDP) {
		claimed = reference_get16(transport + 4);
		if (claimed < 8)
			return SL_DROP_bad_udp;
		if (p->first)
			return left < 8 ? SL_DROP_tiny_fragment : SL_GO_ON;
		return claimed > left ? SL_DROP_bad_udp : SL_GO_ON;
	}
	if (p->there < p->headers + 20)
		return p->first ? SL_DROP_tiny_fragment : SL_DROP_bad_length;
	claimed = 4 * (transport[12] >> 4);
	if (claimed < 20)
		return SL_DROP_bad_tcp;
	if (claimed > left)
		return p->first ? SL_DROP_tiny_fragment : SL_DROP_bad_tcp;
	return SL_GO_ON;
}

/* ---- fragments ------------------------------------------------------------------------------------------ */

static bool is_same_packet(const struct reference_memory *m, size_t i,
			   const struct reference_packet *p)
{
	size_t size = p->family == 4 ? 4 : 16;

	return m->list[i].family == p->family && m->list[i].id == p->id &&
	       (p->family == 6 || m->list[i].protocol == p->protocol) &&
	       !memcmp(m->list[i].source, reference_source(p), size) &&
	       !memcmp(m->list[i].destination, reference_destination(p), size);
}

/* Its place in the memory; -1: nothing is known, or no longer. */
static int recall(const struct reference_memory *m, const struct reference_packet *p)
{
	for (size_t i = m->count; i > 0; i--)
		if (is_same_packet(m, i - 1, p))
			return m->now - m->list[i - 1].since > m->lifetime ? -1 : (int)i - 1;
	return -1;
}

/* Backend 0: it passes. */
static void remember(struct reference_memory *m, const struct reference_packet *p, uint8_t backend)
{
	size_t size = p->family == 4 ? 4 : 16;

	if (m->count == REFERENCE_MEMORY) /* no more frames than that are run */
		abort();
	m->list[m->count].family = p->family;
	m->list[m->count].protocol = p->protocol;
	m->list[m->count].backend = backend;
	m->list[m->count].id = p->id;
	m->list[m->count].since = m->now;
	memcpy(m->list[m->count].source, reference_source(p), size);
	memcpy(m->list[m->count].destination, reference_destination(p), size);
	m->count++;
}

/* What all fragments of a packet have in common, for their outer headers. */
static uint64_t fragment_hash(const struct reference *r, const struct reference_packet *p)
{
	return hash(r, p->family, reference_source(p), reference_destination(p), p->id,
		    p->family == 4 ? p->protocol : 0);
}

/* A later fragment goes where its packet's first one went. */
static enum sl_verdict for_later(const struct run *run, const struct reference_packet *p)
{
	const struct reference_backend *backend;
	enum sl_verdict verdict;
	int known;

	if (!reference_has_ports(p->protocol) && !run->r->fragments)
		return SL_PASS_other_protocol;
	if (!is_vip(run->r, p, reference_has_ports(p->protocol) ? p->protocol : 0))
		return SL_PASS_no_listener;
	known = run->r->fragments ? recall(run->memory, p) : -1;
	if (known < 0)
		return reference_has_ports(p->protocol) ? SL_DROP_fragment : SL_PASS_other_protocol;
	if (!run->memory->list[known].backend)
		return SL_PASS_no_listener;
	backend = &run->r->backends[run->memory->list[known].backend];
	if (backend->is_dead)
		return SL_DROP_fragment;
	/* It would write over the flags of a TCP header (RFC 1858 section 4.2). */
	if (p->protocol == IPPROTO_TCP && p->offset == 8)
		return SL_DROP_tiny_fragment;
	if (p->length > p->there || p->length < p->headers)
		return SL_DROP_bad_length;
	if (is_denied(run->r, p))
		return SL_DROP_denied;
	if (!backend->ifindex)
		return SL_DROP_no_nexthop;
	verdict = fits(backend, p, run->room);
	if (verdict == SL_DROP_too_big && p->family == 6) /* RFC 1122 section 3.2.2 is of IPv4 */
		return tell_sender(run, p, backend);
	if (verdict)
		return verdict;
	reference_send(backend, p, fragment_hash(run->r, p), false, run->out, run->result);
	return SL_SEND_tx;
}

/* A transport checksum that covers all that is behind the addresses: it says what the packet's bytes sum up to. */
static bool has_own_sum(const struct reference_packet *p)
{
	const uint8_t *transport = p->at + p->headers;

	if (p->first || p->headers != (p->family == 4 ? 20 : 40))
		return false;
	return p->protocol == IPPROTO_TCP ||
	       (reference_get16(transport + 6) != 0 &&
		reference_get16(transport + 4) == p->length - p->headers);
}

static enum sl_verdict for_ports(const struct run *run, const struct reference_packet *p)
{
	const uint8_t *transport = p->at + p->headers;
	const struct reference_listener *listener;
	const struct reference_service *service;
	const struct reference_backend *backend;
	struct reference_packet sent = *p;
	struct reference_frame clamped;
	size_t left, datagram;
	enum sl_verdict verdict;
	struct flow flow;
	uint64_t h;

	listener = find(run->r, p->family, reference_destination(p), reference_get16(transport + 2),
			p->protocol);
	if (!listener && p->first && run->r->fragments && is_vip(run->r, p, p->protocol))
		remember(run->memory, p, 0);
	if (!listener)
		return SL_PASS_no_listener;
	if (p->first && !run->r->fragments)
		return SL_DROP_fragment;
	flow = (struct flow){.family = p->family,
			     .protocol = p->protocol,
			     .client = reference_source(p),
			     .vip = reference_destination(p),
			     .client_port = reference_get16(transport),
			     .vip_port = reference_get16(transport + 2)};
	service = &run->r->services[listener->service];
	verdict = check_lengths(p);
	if (verdict)
		return verdict;
	if (is_denied(run->r, p))
		return SL_DROP_denied;
	left = p->there - p->headers - 8;
	datagram = reference_get16(transport + 4) - 8;
	if (service->is_quic && p->protocol == IPPROTO_UDP)
		flow.named = reference_quic(run->r, service, transport + 8, datagram, left);
	verdict = choose(run->r, service, &flow, &h, &backend);
	if (p->first && verdict != SL_DROP_no_backend) {
		remember(run->memory, p, backend - run->r->backends);
		h = fragment_hash(run->r, p);
	}
	if (verdict)
		return verdict;
	verdict = fits(backend, p, run->room);
	if (verdict == SL_DROP_too_big)
		return tell_sender(run, p, backend);
	if (verdict)
		return verdict;
	clamped = *run->in;
	if (service->mss && p->protocol == IPPROTO_TCP && transport[13] & 2)
		reference_clamp(&clamped, transport - run->in->data, service->mss);
	sent.at = clamped.data + (p->at - run->in->data);
	reference_send(backend, &sent, h, has_own_sum(p), run->out, run->result);
	return SL_SEND_tx;
}

/* ---- echo requests --------------------------------------------------------------------------------------- */

/* To an address of which some listener allows it; without options and extension headers, and whole. */
static enum sl_verdict for_request(const struct run *run, const struct reference_packet *p)
{
	bool allowed = false;

	for (size_t i = 0; i < run->r->listeners_count; i++)
		allowed |= run->r->listeners[i].echo &&
			   reference_covers(&run->r->listeners[i].on, p->family,
					    reference_destination(p));
	if (!run->r->echo || !allowed || p->headers != (p->family == 4 ? 20 : 40) ||
	    !is_host(p->family, reference_source(p)) ||
	    !is_host(p->family, reference_destination(p)))
		return SL_PASS_other_protocol;
	if (p->length > p->there || p->length < p->headers + 8)
		return SL_DROP_bad_length;
	if (is_denied(run->r, p))
		return SL_DROP_denied;
	reference_answer(run->in, p, run->out);
	return SL_SEND_echo_answered;
}

/* ---- ICMP errors ----------------------------------------------------------------------------------------- */

/* RFC 792 and RFC 4443: about a packet on its way. */
static bool is_error(uint8_t family, uint8_t type)
{
	if (family == 4)
		return type == 3 || type == 11 || type == 12;
	return type >= 1 && type <= 4;
}

/*
 * What is quoted went from the service's address to a client, and the error comes to that address. The flow is that of the
 * packets the other way.
 */
static enum sl_verdict for_error(const struct run *run, const struct reference_packet *p)
{
	const uint8_t *message = p->at + p->headers, *transport;
	const struct reference_listener *listener;
	const struct reference_backend *backend;
	struct reference_packet quote = {.at = message + 8};
	enum sl_verdict verdict;
	struct flow flow;
	uint64_t h;

	if (p->there < p->headers + 8)
		return SL_PASS_unreadable;
	if (message[0] == (p->family == 4 ? 8 : 128))
		return for_request(run, p);
	if (!is_error(p->family, message[0]))
		return SL_PASS_other_protocol;
	quote.there = p->there - p->headers - 8;
	verdict = reference_read_packet(p->family, &quote);
	if (verdict)
		return verdict;
	if (quote.later || quote.many ||
	    memcmp(reference_source(&quote), reference_destination(p), p->family == 4 ? 4 : 16) !=
		    0)
		return SL_PASS_other_protocol;
	transport = quote.at + quote.headers;
	flow = (struct flow){.family = p->family,
			     .protocol = quote.protocol,
			     .client = reference_destination(&quote),
			     .vip = reference_source(&quote),
			     .client_port = reference_get16(transport + 2),
			     .vip_port = reference_get16(transport)};
	listener = find(run->r, flow.family, flow.vip, flow.vip_port, flow.protocol);
	if (!listener)
		return SL_PASS_no_listener;
	/* By its own source; before anything in it is believed. */
	if (is_denied(run->r, p))
		return SL_DROP_denied;
	if (p->length > p->there || p->length < p->headers + 8 + quote.headers + 8)
		return SL_DROP_bad_length;
	if ((verdict = choose(run->r, &run->r->services[listener->service], &flow, &h, &backend)) ||
	    (verdict = fits(backend, p, run->room)))
		return verdict;
	reference_send(backend, p, h, false, run->out, run->result);
	return SL_SEND_icmp_error;
}

static bool is_icmp(const struct reference_packet *p)
{
	return !p->first && !p->later &&
	       p->protocol == (p->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static enum sl_verdict judge(const struct run *run)
{
	struct reference_packet p;
	enum sl_verdict verdict = reference_read(run->r, run->in, &p);

	if (verdict == SL_PASS_other_protocol && is_icmp(&p))
		return for_error(run, &p);
	if (verdict)
		return verdict;
	if (p.many)
		return is_vip(run->r, &p, 0) ? SL_DROP_many_headers : SL_PASS_no_listener;
	if (p.later)
		return for_later(run, &p);
	return for_ports(run, &p);
}

struct reference_result reference_run(const struct reference *r, struct reference_memory *memory,
				      const struct reference_frame *in, uint32_t ifindex,
				      size_t room, struct reference_frame *out)
{
	struct reference_result result = {0};
	struct run run = {
		.r = r, .memory = memory, .in = in, .room = room, .out = out, .result = &result};

	*out = *in;
	result.verdict = judge(&run);
	result.is_redirected = result.way && result.way != ifindex;
	if (result.verdict == SL_SEND_tx && result.is_redirected)
		result.verdict = SL_SEND_redirect;
	return result;
}
