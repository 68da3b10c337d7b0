/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tunnel frames at random: well-formed ones, jumbo frames and tunnels within tunnels among them, with a few bytes
 * changed or cut short. What comes out is what went in, or what a reading that shares nothing with the data path
 * finds inside. The same frames in each run, unless PACKET_SEED and PACKET_FRAMES say otherwise.
 */
#include <bpf/bpf.h>
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "packet/backend.h"
#include "packet/frame.h"
#include "random.h"

#define FRAMES	10000
#define LONGEST 9014

/* Larger than struct frame: test runs take jumbo frames in several buffers. */
struct jumbo {
	uint8_t data[LONGEST];
	size_t length;
};

/* ---- what must come out ------------------------------------------------------------------------------- */

enum fate { PASSES, TAKEN, DROPPED, FATES };

static uint16_t get16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

static uint8_t family_of(uint8_t protocol)
{
	return protocol == IPPROTO_IPIP ? 4 : protocol == IPPROTO_IPV6 ? 6 : 0;
}

static bool is_at(const uint8_t *bytes, const char *address)
{
	struct addr addr;

	ck_assert_int_eq(addr_parse(address, &addr), 0);
	return memcmp(bytes, addr.bytes, addr.family == 4 ? 4 : 16) == 0;
}

/* Whether the inner packet, of which the outer one has `left` bytes, is one. */
static bool is_packet(const uint8_t *inner, uint8_t family, size_t left)
{
	size_t length;

	if (left < (family == 4 ? 20 : 40) || inner[0] >> 4 != family)
		return false;
	length = family == 4 ? get16(inner + 2) : 40 + get16(inner + 4);
	return length <= left &&
	       (family == 6 || ((inner[0] & 15) >= 5 && length >= (inner[0] & 15) * 4u));
}

/*
 * The bytes between the outer IP header and the inner packet, of which `*left` are then there; -1: it is no tunnel's, or
 * GUE with more than is taken.
 */
static int between(const uint8_t *next, uint8_t protocol, size_t *left, uint8_t *family)
{
	*family = family_of(protocol);
	if (*family)
		return 0;
	if (protocol != IPPROTO_UDP || *left < 12 || get16(next + 2) != 6080 ||
	    get16(next + 4) < 12 || get16(next + 4) > *left || next[8] || get16(next + 10))
		return -1;
	*family = family_of(next[9]);
	*left = get16(next + 4) - 12;
	return *family ? 12 : -1;
}

/* Fills in the bytes of the outer headers. */
static enum fate fate4(const uint8_t *ip, size_t there, size_t *headers)
{
	size_t left;
	uint8_t inner;
	int more;

	if (there < 20 || ip[0] != 0x45 || get16(ip + 2) < 20 || get16(ip + 2) > there ||
	    get16(ip + 6) & 0x3fff || frame_checksum(ip, 20, 0) || !is_at(ip + 12, BALANCER4) ||
	    !is_at(ip + 16, SELF4))
		return PASSES;
	left = get16(ip + 2) - 20;
	more = between(ip + 20, ip[9], &left, &inner);
	if (more < 0)
		return PASSES;
	*headers = 20 + more;
	return is_packet(ip + *headers, inner, left) ? TAKEN : DROPPED;
}

static enum fate fate6(const uint8_t *ip, size_t there, size_t *headers)
{
	size_t left;
	uint8_t inner;
	int more;

	if (there < 40 || ip[0] >> 4 != 6 || get16(ip + 4) + 40u > there ||
	    !is_at(ip + 8, BALANCER6) || !is_at(ip + 24, SELF6))
		return PASSES;
	left = get16(ip + 4);
	more = between(ip + 40, ip[6], &left, &inner);
	if (more < 0)
		return PASSES;
	*headers = 40 + more;
	return is_packet(ip + *headers, inner, left) ? TAKEN : DROPPED;
}

static uint8_t ecn_of(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? ip[1] & 3 : ip[1] >> 4 & 3;
}

/*
 * RFC 6040: what both agree on, except that the way may have marked a packet whose sender understands marks. An IPv4
 * checksum changes by as much as the field, whether it is right or not.
 */
static enum fate mark(uint8_t outer, uint8_t *ip)
{
	uint8_t inner = ecn_of(ip), joined = inner;
	uint32_t sum;

	if (outer == 3 && !inner)
		return DROPPED;
	if (outer == 3 || (outer == 1 && inner == 2))
		joined = outer;
	if (joined == inner)
		return TAKEN;
	if (ip[0] >> 4 == 6) {
		ip[1] = (ip[1] & 0xcf) | joined << 4;
		return TAKEN;
	}
	sum = (uint16_t)~get16(ip + 10) + (uint16_t)~get16(ip) + (get16(ip) - inner + joined);
	ip[1] = (ip[1] & 0xfc) | joined;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	ip[10] = ~sum >> 8;
	ip[11] = ~sum;
	return TAKEN;
}

static enum fate expect(const struct jumbo *in, struct jumbo *out)
{
	uint16_t type = get16(in->data + 12);
	size_t header = 0;
	enum fate fate = type == 0x0800	  ? fate4(in->data + 14, in->length - 14, &header)
			 : type == 0x86dd ? fate6(in->data + 14, in->length - 14, &header)
					  : PASSES;

	*out = *in;
	if (fate != TAKEN)
		return fate;
	if (mark(ecn_of(in->data + 14), out->data + 14 + header) == DROPPED)
		return DROPPED;
	out->length = in->length - header;
	memmove(out->data + 14, out->data + 14 + header, out->length - 14);
	memcpy(out->data + 12, out->data[14] >> 4 == 4 ? "\x08\x00" : "\x86\xdd", 2);
	return TAKEN;
}

/* ---- frames -------------------------------------------------------------------------------------------- */

static void wrap(struct frame *frame)
{
	bool v6 = random_below(2), foreign = random_below(16) == 0;
	struct outer outer = {
		.kind = random_below(2) ? OUTER_GUE : OUTER_IPIP,
		.source_port = random_below(65536),
		.source = v6	    ? BALANCER6
			  : foreign ? "192.0.2.11"
				    : BALANCER4,
		.destination = v6 ? foreign ? "2001:db8:1::12" : SELF6 : SELF4,
		.source_mac = {2, 0, 0, 0, 0, 2},
		.destination_mac = {2, 0, 0, 0, 1, 0x11},
		.id = random_below(65536),
	};
	struct frame inner = *frame;

	frame_encapsulate(frame, &inner, &outer);
}

static void fix_checksum(struct jumbo *frame)
{
	uint16_t sum;

	if (frame->length < 34 || get16(frame->data + 12) != 0x0800)
		return;
	memset(frame->data + 24, 0, 2);
	sum = frame_checksum(frame->data + 14, 20, 0);
	frame->data[24] = sum >> 8;
	frame->data[25] = sum;
}

/* Lengthens a frame, in truth or behind what its outer header says. */
static void lengthen(struct jumbo *frame)
{
	size_t more = random_below(LONGEST - frame->length);
	bool v6 = get16(frame->data + 12) == 0x86dd;
	uint8_t *length = frame->data + (v6 ? 18 : 16);
	uint16_t is = get16(length) + more;

	memset(frame->data + frame->length, 0xee, more);
	frame->length += more;
	if (random_below(4) == 0)
		return;
	length[0] = is >> 8;
	length[1] = is;
}

static void spoil(struct jumbo *frame)
{
	static const uint8_t telling[] = {0,	1,    4,    20,	  40,	41,  44,
					  0x3f, 0x44, 0x45, 0x46, 0x60, 0xff};
	static const uint8_t words[] = {12, 14, 15, 16, 17, 18, 19, 20, 23, 34, 36, 37,
					38, 39, 42, 43, 46, 54, 58, 59, 62, 63, 66};
	size_t at = random_below(2) ? words[random_below(sizeof(words))] : random_below(110);

	if (at >= frame->length)
		return;
	switch (random_below(4)) {
	case 0:
		frame->data[at] ^= 1 << random_below(8);
		break;
	case 1:
		frame->data[at] = telling[random_below(sizeof(telling))];
		break;
	case 2:
		frame->data[at] += random_below(3) - 1;
		break;
	default:
		frame->length = at < 14 ? 14 : at;
	}
}

static void make(struct jumbo *out)
{
	bool v6 = random_below(2);
	static struct frame frame;
	struct packet packet = {
		.source = v6 ? "2001:db8:c::7" : "203.0.113.200",
		.destination = v6 ? "2001:db8:f::10" : "203.0.113.10",
		.source_port = random_below(65536),
		.destination_port = 443,
		.protocol = random_below(2) ? IPPROTO_TCP : IPPROTO_UDP,
		.payload = random_below(200),
		.tos = random_below(256),
		.options = 4 * random_below(3),
		.padding = random_below(3) ? 0 : random_below(30),
	};

	frame_build(&frame, &packet);
	for (uint32_t times = 1 + (random_below(4) == 0 ? random_below(3) : 0); times; times--)
		wrap(&frame);
	memcpy(out->data, frame.data, frame.length);
	out->length = frame.length;
	if (random_below(4) == 0)
		lengthen(out);
	if (random_below(8) == 0) /* as a congested router marks it */
		out->data[15] |= out->data[12] == 0x08 ? 3 : 0x30;
	for (uint32_t times = random_below(4); times; times--)
		spoil(out);
	if (random_below(4))
		fix_checksum(out);
}

/* ---- the test ------------------------------------------------------------------------------------------ */

static int run(int program, const struct jumbo *in, struct jumbo *out)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->data, .data_size_in = in->length,
		    .data_out = out->data, .data_size_out = sizeof(out->data), .repeat = 1);

	ck_assert_msg(bpf_prog_test_run_opts(program, &options) == 0, "test run: %m");
	out->length = options.data_size_out;
	return options.retval;
}

START_TEST(a_frame_at_random_comes_out_as_an_independent_reading_says)
{
	static struct jumbo in, out, wanted;
	unsigned int frames = random_setting("PACKET_FRAMES", FRAMES), fates[FATES] = {0};
	struct decap_options options;
	struct prefix from[2];
	int program;

	random_state ^= random_setting("PACKET_SEED", 0);
	backend_make_device();
	options = backend_options();
	ck_assert_int_eq(prefix_parse(BALANCER4, &from[0]), 0);
	ck_assert_int_eq(prefix_parse(BALANCER6, &from[1]), 0);
	options.from = from;
	options.from_count = ARRAY_SIZE(from);
	backend_attach(&options);
	program = bpf_prog_get_fd_by_id(pinned_program_on("sl-a"));
	ck_assert_int_ge(program, 0);
	for (unsigned int i = 0; i < frames; i++) {
		enum fate fate;
		int action;

		make(&in);
		fate = expect(&in, &wanted);
		action = run(program, &in, &out);
		fates[fate]++;
		ck_assert_msg(action == (fate == DROPPED ? XDP_DROP : XDP_PASS),
			      "frame %u of %zu bytes: action %d, fate %d", i, in.length, action,
			      fate);
		ck_assert_msg(out.length == wanted.length &&
				      !memcmp(out.data, wanted.data, out.length),
			      "frame %u of %zu bytes, fate %d: came out as %zu other bytes", i,
			      in.length, fate, out.length);
	}
	for (int i = 0; i < FATES; i++)
		ck_assert_msg(fates[i] > frames / 50, "too few of fate %d: %u", i, fates[i]);
	close(program);
	backend_detach_all();
}
END_TEST

Suite *decap_random_suite(void)
{
	Suite *suite = suite_create("decap_random");
	TCase *tc = tcase_create("random");

	pinned_add_fixtures(tc);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_frame_at_random_comes_out_as_an_independent_reading_says);
	suite_add_tcase(suite, tc);
	return suite;
}
