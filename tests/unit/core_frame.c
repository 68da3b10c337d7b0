/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a frame is, for people; read as far as it can be. */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "core/frame.h"
#include "unit/unit.h"

#define ETHERNET "020000000002020000000001"
#define IPV4	 "0800450000280000400040060000c0000201cb00710a"
#define TCP	 "9c4001bb00000000000000005002ffff00000000"
#define ADDRESSES6                         \
	"20010db8000c00000000000000000002" \
	"20010db8000f00000000000000000010"

static struct frame read_hex(const char *hex)
{
	struct frame frame;
	size_t size = strlen(hex) / 2;
	uint8_t *bytes = mem_alloc(size + 1), *exact;

	ck_assert_int_eq(text_parse_hex(hex, bytes, size), 0);
	/* So that a sanitizer sees a read beyond the end. */
	exact = mem_array(size ? size : 1, 1);
	memcpy(exact, bytes, size);
	frame_read(exact, size, &frame);
	free(bytes);
	free(exact);
	return frame;
}

static void expect(const char *hex, const char *protocol, const char *source, int source_port,
		   int destination_port)
{
	struct frame frame = read_hex(hex);
	char text[ADDR_TEXT_SIZE], name[FRAME_PROTOCOL_SIZE];

	ck_assert_str_eq(frame_protocol(&frame, name), protocol);
	if (source)
		ck_assert_str_eq(addr_format(&frame.source, text), source);
	else
		ck_assert(addr_is_none(&frame.source));
	ck_assert_int_eq(frame.has_ports, source_port != 0);
	ck_assert_int_eq(frame.source_port, source_port);
	ck_assert_int_eq(frame.destination_port, destination_port);
}

START_TEST(addresses_and_ports_are_read_of_both_families)
{
	expect(ETHERNET IPV4 TCP, "tcp", "192.0.2.1", 40000, 443);
	expect(ETHERNET "86dd6000000000081140" ADDRESSES6 "9c40003500080000", "udp",
	       "2001:db8:c::2", 40000, 53);
}
END_TEST

START_TEST(tags_options_and_extension_headers_are_passed_over)
{
	expect(ETHERNET "88a80064"
			"81000065" IPV4 TCP,
	       "tcp", "192.0.2.1", 40000, 443);
	expect(ETHERNET "0800"
			"4600002c0000400040110000"
			"c0000201cb00710a"
			"01010100"
			"9c40003500080000",
	       "udp", "192.0.2.1", 40000, 53);
	expect(ETHERNET "86dd6000000000180040" ADDRESSES6 "3c00010400000000"
			"1100010400000000"
			"9c40003500080000",
	       "udp", "2001:db8:c::2", 40000, 53);
}
END_TEST

START_TEST(only_the_first_fragment_has_ports)
{
	struct frame frame;

	expect(ETHERNET "0800"
			"450000281234200040110000"
			"c0000201cb00710a"
			"9c40003500080000",
	       "udp", "192.0.2.1", 40000, 53);
	frame = read_hex(ETHERNET "0800"
				  "450000281234200040110000"
				  "c0000201cb00710a"
				  "9c40003500080000");
	ck_assert(frame.is_fragment);
	expect(ETHERNET "0800"
			"450000281234200140110000"
			"c0000201cb00710a"
			"9c40003500080000",
	       "udp", "192.0.2.1", 0, 0);
	expect(ETHERNET "86dd6000000000102c40" ADDRESSES6 "1100000100000001"
			"9c40003500080000",
	       "udp", "2001:db8:c::2", 40000, 53);
	expect(ETHERNET "86dd6000000000102c40" ADDRESSES6 "1100000900000001"
			"9c40003500080000",
	       "udp", "2001:db8:c::2", 0, 0);
}
END_TEST

START_TEST(what_is_not_read_is_named)
{
	expect(ETHERNET "0806"
			"0001080006040001",
	       "arp", NULL, 0, 0);
	expect(ETHERNET "88cc"
			"0207",
	       "ethernet/88cc", NULL, 0, 0);
	expect(ETHERNET "0800"
			"450000280000400040010000"
			"c0000201cb00710a",
	       "icmp", "192.0.2.1", 0, 0);
	expect(ETHERNET "0800"
			"4500002800004000402f0000"
			"c0000201cb00710a",
	       "ip/47", "192.0.2.1", 0, 0);
	expect(ETHERNET "86dd6000000000083a40" ADDRESSES6 "8000000000000000", "icmp6",
	       "2001:db8:c::2", 0, 0);
	/* An IPv4 header in name only. */
	expect(ETHERNET "0800"
			"650000280000400040010000"
			"c0000201cb00710a",
	       "ethernet/0800", NULL, 0, 0);
}
END_TEST

/* With a sanitizer: no byte beyond the end is read. */
START_TEST(any_length_is_read)
{
	static const char *const frames[] = {
		ETHERNET "88a80064"
			 "81000065" IPV4 TCP,
		ETHERNET "86dd6000000000180040" ADDRESSES6 "2c00010400000000"
			 "3c00000100000001"
			 "0600ff0400000000" TCP,
		ETHERNET "0800"
			 "4f00002c0000400040110000"
			 "c0000201cb00710a"
			 "01010100",
	};

	for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
		for (size_t length = 0; length <= strlen(frames[i]); length += 2) {
			char *part = mem_format("%.*s", (int)length, frames[i]);

			read_hex(part);
			free(part);
		}
}
END_TEST

RUN_TESTS("core_frame", addresses_and_ports_are_read_of_both_families,
	  tags_options_and_extension_headers_are_passed_over, only_the_first_fragment_has_ports,
	  what_is_not_read_is_named, any_length_is_read)
