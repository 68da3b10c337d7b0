/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames at random: well-formed ones with a few bytes changed, cut short, repeated or aimed elsewhere, and plain
 * noise. A reading of each frame that shares nothing with the data path says what must become of it; the same frames
 * in each run, unless PACKET_SEED and PACKET_FRAMES say otherwise.
 */
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "packet/world.h"
#include "random.h"

#define FRAMES	20000
#define LONGEST 2000
#define HEADERS 6 /* extension headers that are read */

/* ---- what must become of a frame --------------------------------------------------------------------- */

enum fate {
	PASSES,	 /* it is not ours */
	DROPPED, /* it is ours, and wrong or without a way */
	SENT,
};

#define SPREAD WORLD_BACKENDS /* all backends in turn, by slot */

/* The VIPs of world.h: the last byte of each, its protocol (0: both), its port (0: any), and its backend. */
static const struct vip {
	uint8_t last;
	bool v4, v6;
	uint8_t protocol;
	uint16_t port;
	enum world_backend backend;
} vips[] = {
	{10, true, false, 0, 443, WORLD_V4},
	{11, true, false, 0, 443, WORLD_V6},
	{12, true, false, IPPROTO_TCP, 0, WORLD_V4},
	{20, true, false, 0, 443, WORLD_NOBODY},
	{21, true, false, 0, 443, WORLD_NO_WAY},
	{0x10, false, true, 0, 443, WORLD_V4},
	{0x11, false, true, 0, 443, WORLD_V6},
	{0x12, false, true, IPPROTO_TCP, 0, WORLD_V4},
	{0x20, false, true, 0, 443, WORLD_NOBODY},
	{22, true, false, IPPROTO_TCP, 443, SPREAD},
	{0x22, false, true, IPPROTO_TCP, 443, SPREAD},
};

/* A frame as its length fields have it. */
struct reading {
	const uint8_t *at; /* the IP header */
	size_t there;	   /* bytes of the frame from there on */
	size_t length;	   /* of the IP packet, as it says */
	size_t headers;
	uint8_t protocol;
	bool first, later, many; /* fragments; more headers than are read */
};

static uint16_t get16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

static bool read_ipv4(struct reading *r)
{
	if (r->there < 20 || r->at[0] >> 4 != 4 || (r->at[0] & 15) < 5)
		return false;
	r->length = get16(r->at + 2);
	r->headers = (r->at[0] & 15) * 4;
	r->protocol = r->at[9];
	r->later = get16(r->at + 6) & 0x1fff;
	r->first = !r->later && get16(r->at + 6) & 0x2000;
	return true;
}

static bool is_extension(uint8_t protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_FRAGMENT || protocol == IPPROTO_DSTOPTS ||
	       protocol == IPPROTO_AH;
}

static bool read_ipv6(struct reading *r)
{
	int count = 0;

	if (r->there < 40 || r->at[0] >> 4 != 6)
		return false;
	r->length = 40 + get16(r->at + 4);
	r->headers = 40;
	for (r->protocol = r->at[6]; is_extension(r->protocol) && !r->later; count++) {
		const uint8_t *header = r->at + r->headers;

		if (count == HEADERS) {
			r->many = true;
			return true;
		}
		if (r->there < r->headers + 8)
			return false;
		if (r->protocol == IPPROTO_FRAGMENT) {
			r->later = get16(header + 2) & 0xfff8;
			r->first |= !r->later && header[3] & 1;
			r->headers += 8;
		} else if (r->protocol == IPPROTO_AH) {
			r->headers += (header[1] + 2) * 4;
		} else {
			r->headers += 8 + header[1] * 8;
		}
		r->protocol = header[0];
	}
	return true;
}

static bool is_address(const struct reading *r, const struct vip *vip)
{
	static const uint8_t net6[15] = {0x20, 0x01, 0x0d, 0xb8, 0, 0x0f};

	if (r->at[0] >> 4 == 4)
		return vip->v4 && !memcmp(r->at + 16, "\xcb\x00\x71", 3) && r->at[19] == vip->last;
	return vip->v6 && !memcmp(r->at + 24, net6, 15) && r->at[39] == vip->last;
}

static bool is_well_formed(const struct reading *r)
{
	const uint8_t *transport = r->at + r->headers;
	size_t left = r->length - r->headers;

	if (r->length > r->there || r->length < r->headers)
		return false;
	if (r->protocol == IPPROTO_UDP)
		return left >= 8 && get16(transport + 4) >= 8 && get16(transport + 4) <= left;
	return left >= 20 && transport[12] >> 4 >= 5 && (size_t)(transport[12] >> 4) * 4 <= left;
}

static enum world_backend backend_at(const struct world *world, const struct vip *vip,
				     const struct frame *in)
{
	static const enum world_backend turn[] = {WORLD_V4, WORLD_V6, WORLD_V4B};

	if (vip->backend != SPREAD)
		return vip->backend;
	return turn[sl_hash_slot(world_hash(world, in), WORLD_SLOTS) % 3];
}

static enum fate fate_at(const struct world *world, const struct frame *in, const struct reading *r,
			 const struct vip *vip, enum world_backend *backend)
{
	bool ports = !r->later && !r->many;

	if (r->many)
		return DROPPED;
	if (vip->protocol && vip->protocol != r->protocol)
		return PASSES;
	if (ports && vip->port && get16(r->at + r->headers + 2) != vip->port)
		return PASSES;
	if (r->first || r->later || !is_well_formed(r))
		return DROPPED;
	*backend = backend_at(world, vip, in);
	if (*backend == WORLD_NOBODY || *backend == WORLD_NO_WAY)
		return DROPPED;
	return r->length + world_overhead(world, *backend) > WORLD_MTU ? DROPPED : SENT;
}

static enum fate expect(const struct world *world, const struct frame *in,
			enum world_backend *backend)
{
	struct reading r = {.at = in->data + 14, .there = in->length - 14};
	uint16_t type = get16(in->data + 12);

	if (in->data[0] & 1 || !(type == 0x0800 ? read_ipv4(&r) : type == 0x86dd && read_ipv6(&r)))
		return PASSES;
	if (!r.many && r.protocol != IPPROTO_TCP && r.protocol != IPPROTO_UDP)
		return PASSES;
	if (!r.many && !r.later && r.there < r.headers + 8)
		return PASSES;
	for (size_t i = 0; i < ARRAY_SIZE(vips); i++)
		if (is_address(&r, &vips[i]))
			return fate_at(world, in, &r, &vips[i], backend);
	return PASSES;
}

/* ---- frames -------------------------------------------------------------------------------------------- */

static const char *some_address(bool v6, char text[40])
{
	static const uint8_t lasts[] = {10, 10, 11, 12, 20, 21, 99};
	uint8_t last = lasts[random_below(ARRAY_SIZE(lasts))];

	snprintf(text, 40, v6 ? "2001:db8:f::%u" : "203.0.113.%u", last);
	return text;
}

static void make(struct frame *frame)
{
	static const uint8_t kinds[] = {0, 43, 44, 60, 60, 135, 51};
	static const char *const sources[2][4] = {
		{"198.51.100.7", "203.0.113.10", "0.0.0.0", "127.0.0.1"},
		{"2001:db8:c::7", "2001:db8:f::10", "::", "::1"},
	};
	static const uint8_t protocols[] = {6, 6, 6, 17, 17, 17, 1, 4, 41, 58};
	uint8_t extensions[9];
	bool v6 = random_below(2);
	size_t count = random_below(4) ? 0 : random_below(9);
	char destination[40];
	struct packet packet = {
		.source = sources[v6][random_below(4)],
		.destination = some_address(v6, destination),
		.source_port = random_below(65536),
		.destination_port = random_below(8) ? 443 : random_below(65536),
		.protocol = protocols[random_below(ARRAY_SIZE(protocols))],
		.tcp_flags = random_below(256),
		.payload = random_below(3) ? random_below(64) : random_below(LONGEST - 300),
		.tos = random_below(256),
		.id = random_below(65536),
		.clear_df = random_below(2),
		.options = random_below(4) ? 0 : 4 * random_below(11),
		.padding = random_below(3) ? 0 : random_below(30),
		.extensions = extensions,
	};

	for (size_t i = 0; i < count; i++)
		extensions[i] = kinds[random_below(ARRAY_SIZE(kinds))];
	extensions[count] = 255;
	if (random_below(8) == 0)
		packet.fragment = v6 ? (uint16_t[]){1, 8, 0}[random_below(3)]
				     : (uint16_t[]){0x2000, 1, 0x8000}[random_below(3)];
	frame_build(frame, &packet);
}

/* Changes a frame in its headers most of all. */
static void spoil(struct frame *frame)
{
	static const uint8_t telling[] = {0,	1,    5,    7,	  8,	0x0f, 0x40,
					  0x45, 0x4f, 0x60, 0x7f, 0x80, 0xff};
	size_t at = random_below(random_below(2) ? 80 : frame->length);
	size_t words[] = {12, 14, 16, 18, 20, 23, 30, 46, 48, 54, 55, 58, 62};

	if (random_below(3) == 0)
		at = words[random_below(ARRAY_SIZE(words))];
	if (at >= frame->length)
		return;
	switch (random_below(5)) {
	case 0:
		frame->data[at] ^= 1 << random_below(8);
		break;
	case 1:
		frame->data[at] = telling[random_below(sizeof(telling))];
		break;
	case 2:
		frame->data[at] += random_below(3) - 1;
		break;
	case 3: /* at least what a test run takes */
		frame->length = at < 14 ? 14 : at;
		break;
	default:
		frame->data[at] = random_below(256);
	}
}

static void noise(struct frame *frame)
{
	frame->length = 14 + random_below(random_below(2) ? 80 : LONGEST);
	for (size_t i = 0; i < frame->length; i++)
		frame->data[i] = random_below(256);
	if (random_below(4))
		memcpy(frame->data + 12, random_below(2) ? "\x08\x00\x45" : "\x86\xdd\x60", 3);
	frame->data[0] &= 0xfe;
}

/* ---- the test ------------------------------------------------------------------------------------------ */

static void tell(const struct frame *in, const char *what, unsigned int number)
{
	char hex[3 * 160] = "";

	for (size_t i = 0; i < in->length && i < 150; i++)
		sprintf(hex + 3 * i, "%02x ", in->data[i]);
	ck_abort_msg("frame %u %s; %zu bytes: %s", number, what, in->length, hex);
}

static uint64_t counted(const struct world_counts *counts)
{
	uint64_t sum = 0;

	for (int v = 0; v < SL_VERDICTS; v++)
		sum += counts->verdict[v];
	return sum;
}

/* Whether a packet's own checksum says, rightly or not, what its bytes sum up to. */
static bool has_own_sum(const struct reading *r)
{
	const uint8_t *transport = r->at + r->headers;

	if (r->first || r->headers != (r->at[0] >> 4 == 4 ? 20 : 40))
		return false;
	return r->protocol == IPPROTO_TCP ||
	       (get16(transport + 6) && get16(transport + 4) == r->length - r->headers);
}

static bool is_own_sum_right(const struct reading *r)
{
	bool four = r->at[0] >> 4 == 4;
	size_t addresses = four ? 12 : 8, left = r->length - r->headers;
	uint32_t pseudo = r->protocol + left;

	pseudo += (uint16_t)~frame_checksum(r->at + addresses, four ? 8 : 32, 0);
	return frame_checksum(r->at + r->headers, left, pseudo) == 0 &&
	       (!four || frame_checksum(r->at, 20, 0) == 0);
}

/*
 * What is sent for a packet to be sent. GUE's checksum over IPv6 is that of a pass over all the bytes, unless the
 * packet's own is wrong: then it is some other that is not 0.
 */
static void make_wanted(const struct world *world, enum world_backend backend,
			const struct frame *in, const struct frame *out, struct frame *wanted)
{
	struct reading r = {.at = in->data + 14, .there = in->length - 14};
	bool has_sum;
	struct outer outer;

	if (r.at[0] >> 4 == 4)
		read_ipv4(&r);
	else
		read_ipv6(&r);
	has_sum = has_own_sum(&r);
	world_outer(world, backend, in, &outer);
	outer.no_checksum = !has_sum;
	frame_encapsulate(wanted, in, &outer);
	if (outer.kind == OUTER_GUE && backend == WORLD_V6 && has_sum && !is_own_sum_right(&r) &&
	    get16(out->data + 60))
		memcpy(wanted->data + 60, out->data + 60, 2);
}

static void run_one(struct world *world, const struct frame *in, unsigned int number,
		    size_t fates[3])
{
	static struct frame out, wanted;
	enum world_backend backend = WORLD_NOBODY;
	enum fate fate = expect(world, in, &backend);
	int action = world_run(world, in, &out, 1);

	fates[fate]++;
	if (action != (fate == PASSES ? XDP_PASS : fate == SENT ? XDP_TX : XDP_DROP))
		tell(in,
		     fate == PASSES ? "should pass"
		     : fate == SENT ? "should be sent"
				    : "should be dropped",
		     number);
	wanted = *in;
	if (fate == SENT)
		make_wanted(world, backend, in, &out, &wanted);
	if (out.length != wanted.length || memcmp(out.data, wanted.data, wanted.length))
		tell(in, "came out other than it should", number);
}

static const struct world_way ways[] = {
	{.encapsulation = SL_ENCAP_IPIP},
	{.encapsulation = SL_ENCAP_IPIP, .entropy = true, .features.encaps = true},
	{.encapsulation = SL_ENCAP_GUE},
	{.encapsulation = SL_ENCAP_L2},
};

START_TEST(a_frame_at_random_is_sent_dropped_or_passed_as_an_independent_reading_says)
{
	unsigned int frames = random_setting("PACKET_FRAMES", FRAMES);
	static struct frame frame;
	struct world world;
	struct world_counts counts;
	size_t fates[3] = {0};

	random_state ^= random_setting("PACKET_SEED", 0) + _i;
	world_open_way(&world, &ways[_i]);
	for (unsigned int i = 0; i < frames; i++) {
		if (random_below(8) == 0)
			noise(&frame);
		else
			make(&frame);
		for (unsigned int times = random_below(5); times; times--)
			spoil(&frame);
		run_one(&world, &frame, i, fates);
	}
	world_count(&world, &counts);
	ck_assert_uint_eq(counted(&counts), frames);
	ck_assert_uint_eq(counts.verdict[SL_DROP_internal], 0);
	for (int i = 0; i < 3; i++)
		ck_assert_msg(fates[i] > frames / 50, "too few frames of fate %d: %zu", i,
			      fates[i]);
	world_close(&world);
}
END_TEST

Suite *balancer_random_suite(void)
{
	Suite *suite = suite_create("balancer_random");
	TCase *tc = tcase_create("random");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(
		tc, a_frame_at_random_is_sent_dropped_or_passed_as_an_independent_reading_says, 0,
		ARRAY_SIZE(ways));
	suite_add_tcase(suite, tc);
	return suite;
}
