/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading a frame: tags, and IP headers with what they carry. */
#include <netinet/in.h>
#include <string.h>

#include "reference/reference.h"

#define ETHERNET   14
#define EXTENSIONS 6 /* that are read; docs/sluiced.8 */

uint16_t reference_get16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

bool reference_has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

/* RFC 791 section 3.1. */
static bool read_ipv4(struct reference_packet *p)
{
	uint16_t word;

	if (p->there < 20 || p->at[0] >> 4 != 4 || (p->at[0] & 15) < 5)
		return false;
	p->family = 4;
	p->length = reference_get16(p->at + 2);
	p->headers = 4 * (p->at[0] & 15);
	p->protocol = p->at[9];
	word = reference_get16(p->at + 6);
	p->later = (word & 0x1fff) != 0;
	p->offset = 8 * (word & 0x1fff);
	p->id = p->at[4] | p->at[5] << 8;
	p->first = !p->later && word & 0x2000;
	return true;
}

uint32_t reference_get32(const uint8_t *bytes)
{
	return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* RFC 8200 section 4. */
static bool is_extension(uint8_t protocol)
{
	return protocol == 0 || protocol == 43 || protocol == 44 || protocol == 51 ||
	       protocol == 60;
}

/* RFC 8200 section 4.5; one with neither an offset nor more to come is by itself (RFC 6946). The outermost is meant. */
static void read_fragment_header(struct reference_packet *p, const uint8_t *header)
{
	uint16_t offset = reference_get16(header + 2) & 0xfff8;

	if (!p->first && (offset || header[3] & 1)) {
		p->offset = offset;
		p->id = reference_get32(header + 4);
	}
	p->later = offset != 0;
	p->first = p->first || (!offset && header[3] & 1);
}

static bool read_ipv6(struct reference_packet *p)
{
	unsigned int seen = 0;

	if (p->there < 40 || p->at[0] >> 4 != 6)
		return false;
	p->family = 6;
	p->length = 40 + reference_get16(p->at + 4);
	p->headers = 40;
	p->protocol = p->at[6];
	while (is_extension(p->protocol) && !p->later) {
		const uint8_t *header = p->at + p->headers;

		if (seen++ == EXTENSIONS) {
			p->many = true;
			return true;
		}
		if (p->there < p->headers + 8)
			return false;
		if (p->protocol == 44) {
			read_fragment_header(p, header);
			p->headers += 8;
		} else if (p->protocol == 51) { /* RFC 4302 section 2.2 */
			p->headers += 4 * (header[1] + 2);
		} else {
			p->headers += 8 + 8 * header[1];
		}
		p->protocol = header[0];
	}
	return true;
}

enum sl_verdict reference_read_packet(uint8_t family, struct reference_packet *p)
{
	if (!(family == 4 ? read_ipv4(p) : read_ipv6(p)))
		return SL_PASS_unreadable;
	if (p->many)
		return SL_GO_ON;
	/* One that goes on within extension headers does not say of which transport it is. */
	if (p->later && p->family == 6 && is_extension(p->protocol))
		return SL_GO_ON;
	if (!reference_has_ports(p->protocol))
		return SL_PASS_other_protocol;
	return !p->later && p->there < p->headers + 8 ? SL_PASS_unreadable : SL_GO_ON;
}

static bool is_tag(uint16_t type)
{
	return type == 0x8100 || type == 0x88a8;
}

/* IEEE 802.1Q: up to two tags between the addresses and the type. `type` is what follows them. */
static enum sl_verdict read_tags(const struct reference *r, const struct reference_frame *in,
				 struct reference_packet *p, uint16_t *type)
{
	size_t at = 12;
	uint16_t id = 0;

	while (is_tag(*type = reference_get16(in->data + at)) && p->tags_count < REFERENCE_TAGS) {
		p->tags[p->tags_count++] =
			(struct reference_tag){*type, reference_get16(in->data + at + 2)};
		at += 4;
	}
	if (p->tags_count)
		id = p->tags[0].control & 0xfff;
	p->at = in->data + at + 2;
	p->there = in->length - at - 2;
	if (r->listens[id / 64] >> id % 64 & 1)
		return SL_GO_ON;
	/* A tag without an id gives a priority alone. */
	return id ? SL_PASS_tagged : SL_PASS_untagged;
}

enum sl_verdict reference_read(const struct reference *r, const struct reference_frame *in,
			       struct reference_packet *p)
{
	enum sl_verdict verdict;
	uint16_t type;

	memset(p, 0, sizeof(*p));
	/* With VLANs a frame has room for two tags, or holds no IP packet anyway. */
	if (in->length < ETHERNET + (r->vlans ? 4u * REFERENCE_TAGS : 0u))
		return SL_PASS_unreadable;
	if (in->data[0] & 1)
		return SL_PASS_group;
	p->at = in->data + ETHERNET;
	p->there = in->length - ETHERNET;
	type = reference_get16(in->data + 12);
	if (r->vlans) {
		verdict = read_tags(r, in, p, &type);
		if (verdict)
			return verdict;
	}
	if (is_tag(type))
		return SL_PASS_tagged;
	if (type != 0x0800 && type != 0x86dd)
		return SL_PASS_not_ip;
	return reference_read_packet(type == 0x0800 ? 4 : 6, p);
}

const uint8_t *reference_source(const struct reference_packet *p)
{
	return p->at + (p->family == 4 ? 12 : 8);
}

const uint8_t *reference_destination(const struct reference_packet *p)
{
	return p->at + (p->family == 4 ? 16 : 24);
}
