/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reader of captures: what it takes, and what it says of all else. */
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "cli/pcap.h"
#include "unit/unit.h"

#define FRAME 60 /* bytes of a packet that is whole */

/* How a file is written; some fields are wrong on purpose. */
struct writing {
	bool is_swapped;
	uint32_t magic, link, version;
	uint32_t seconds, fraction, captured, length;
};
static const struct writing usual = {
	.magic = 0xa1b2c3d4,
	.link = 1,
	.version = 2,
	.seconds = 1764041000,
	.fraction = 123456,
	.captured = FRAME,
	.length = FRAME,
};

static void add32(struct text *file, const struct writing *w, uint32_t word)
{
	word = w->is_swapped ? __builtin_bswap32(word) : word;
	text_add_bytes(file, &word, sizeof(word));
}

static void add16(struct text *file, const struct writing *w, uint16_t half)
{
	half = w->is_swapped ? __builtin_bswap16(half) : half;
	text_add_bytes(file, &half, sizeof(half));
}

static void add_record(struct text *file, const struct writing *w)
{
	uint8_t data[FRAME] = {0x45};

	add32(file, w, w->seconds);
	add32(file, w, w->fraction);
	add32(file, w, w->captured);
	add32(file, w, w->length);
	text_add_bytes(file, data, w->captured < FRAME ? w->captured : FRAME);
}

static struct text write_file(const struct writing *w, size_t packets)
{
	struct text file = {};

	add32(&file, w, w->magic);
	add16(&file, w, w->version);
	add16(&file, w, 4);
	add32(&file, w, 0);
	add32(&file, w, 0);
	add32(&file, w, 262144);
	add32(&file, w, w->link);
	for (size_t i = 0; i < packets; i++)
		add_record(&file, w);
	return file;
}

/* Reads all of a file; its last packet in *out. Returns their number, or -1 and what was said in *said. */
static int read_all(const struct text *file, struct pcap_packet *out, char **said)
{
	struct problems p = {};
	struct pcap pcap;
	int got = pcap_open("a.pcap", file->data, file->length, &pcap, &p);

	*said = NULL;
	if (!got)
		while ((got = pcap_next(&pcap, out, &p)) > 0)
			;
	if (got) {
		ck_assert_uint_eq(p.count, 1);
		*said = problem_text(&p.list[0]);
	}
	problems_free(&p);
	return got ? -1 : (int)pcap.number;
}

static void expect_refused(struct text file, const char *complaint)
{
	struct pcap_packet packet;
	char *said;

	ck_assert_int_eq(read_all(&file, &packet, &said), -1);
	ck_assert_msg(strncmp(said, complaint, strlen(complaint)) == 0, "says: %s", said);
	free(said);
	text_free(&file);
}

START_TEST(both_orders_of_bytes_and_both_units_of_time_are_read)
{
	for (int i = 0; i < 4; i++) {
		bool is_nano = i & 2;
		struct writing w = usual;
		struct pcap_packet packet;
		struct text file;
		char *said;

		w.is_swapped = i & 1;
		w.magic = is_nano ? 0xa1b23c4d : usual.magic;
		w.fraction = is_nano ? 123456789 : 123456;
		w.length = 1500;
		file = write_file(&w, 3);
		ck_assert_int_eq(read_all(&file, &packet, &said), 3);
		ck_assert_uint_eq(packet.seconds, 1764041000);
		ck_assert_uint_eq(packet.nanoseconds, is_nano ? 123456789 : 123456000);
		ck_assert_uint_eq(packet.captured, FRAME);
		ck_assert_uint_eq(packet.length, 1500);
		ck_assert_uint_eq(packet.header_length, 0);
		ck_assert_int_eq(packet.data[0], 0x45);
		text_free(&file);
	}
}
END_TEST

START_TEST(raw_ip_gets_an_ethernet_header)
{
	struct writing w = usual;
	struct pcap_packet packet;
	struct text file;
	char *said;

	w.link = 101;
	file = write_file(&w, 1);
	ck_assert_int_eq(read_all(&file, &packet, &said), 1);
	ck_assert_uint_eq(packet.header_length, 14);
	ck_assert_uint_eq(packet.length, FRAME + 14);
	ck_assert_int_eq(packet.header[12] << 8 | packet.header[13], 0x0800);
	file.data[24 + 16] = 0x60;
	ck_assert_int_eq(read_all(&file, &packet, &said), 1);
	ck_assert_int_eq(packet.header[12] << 8 | packet.header[13], 0x86dd);
	file.data[24 + 16] = 0x20;
	expect_refused(file, "a.pcap: offset 40: packet 1 is neither IPv4 nor IPv6, but the link "
			     "type is raw IP");
}
END_TEST

START_TEST(other_formats_are_named_with_the_way_out)
{
	struct writing w = usual;

	w.magic = 0x0a0d0d0a;
	expect_refused(write_file(&w, 1), "a.pcap: offset 0: is pcapng; convert it with `editcap "
					  "-F pcap OLD NEW` or `tshark -r OLD -F pcap -w NEW`");
	w.magic = 0xa1b2cd34;
	expect_refused(write_file(&w, 1),
		       "a.pcap: offset 0: is pcap in a variant with longer records; convert");
	w.magic = 0x12345678;
	expect_refused(write_file(&w, 1), "a.pcap: offset 0: is no capture: 0x12345678 is not how "
					  "a pcap file begins");
	w = usual;
	w.version = 3;
	expect_refused(write_file(&w, 1), "a.pcap: offset 4: version 3.4 is not read, only 2");
	w = usual;
	w.link = 113;
	expect_refused(write_file(&w, 1), "a.pcap: offset 20: link type 113 is not read, only 1 "
					  "(Ethernet) and 101 (raw IP): capture at a device");
	/* What lies above the link type says what frames end in. */
	w.link = 1 | 0x24000000;
	{
		struct text file = write_file(&w, 1);
		struct pcap_packet packet;
		char *said;

		ck_assert_int_eq(read_all(&file, &packet, &said), 1);
		text_free(&file);
	}
}
END_TEST

START_TEST(records_that_contradict_themselves_are_refused_at_their_offset)
{
	struct writing w = usual;

	w.captured = FRAME + 1;
	expect_refused(write_file(&w, 1),
		       "a.pcap: offset 32: packet 1: 61 bytes are captured of 60");
	w = usual;
	w.fraction = 1000000;
	expect_refused(write_file(&w, 1),
		       "a.pcap: offset 28: packet 1: 1000000 is no fraction of a second");
	w = usual;
	w.length = 0xffffffff;
	expect_refused(write_file(&w, 1),
		       "a.pcap: offset 36: packet 1: no frame has 4294967295 bytes");
	w.captured = 0xffffffff;
	expect_refused(write_file(&w, 1),
		       "a.pcap: offset 36: packet 1: no frame has 4294967295 bytes");
}
END_TEST

/* With a sanitizer: no byte beyond the end is read. */
START_TEST(a_file_that_ends_anywhere_is_read_or_refused)
{
	struct text whole = write_file(&usual, 2);
	size_t record = 16 + FRAME;

	for (size_t length = 0; length <= whole.length; length++) {
		bool is_whole = length >= 24 && (length - 24) % record == 0;
		struct text file = {.data = mem_array(length + !length, 1), .length = length};
		struct pcap_packet packet;
		char *said;
		int count;

		memcpy(file.data, whole.data, length);
		count = read_all(&file, &packet, &said);
		ck_assert_int_eq(count, is_whole ? (int)((length - 24) / record) : -1);
		free(said);
		text_free(&file);
	}
	text_free(&whole);
	whole = write_file(&usual, 2);
	whole.length = 24 + record + 10;
	expect_refused(whole, "a.pcap: offset 100: the file ends within the header of packet 2: it "
			      "was cut off, or is still being written");
	whole = write_file(&usual, 2);
	whole.length = 24 + record + 16 + 7;
	expect_refused(whole, "a.pcap: offset 116: the file ends within packet 2, after 7 bytes of "
			      "60: it was cut off, or is still being written");
	whole = write_file(&usual, 0);
	whole.length = 20;
	expect_refused(whole, "a.pcap: offset 20: the file ends within its header of 24 bytes");
}
END_TEST

RUN_TESTS("cli_pcap", both_orders_of_bytes_and_both_units_of_time_are_read,
	  raw_ip_gets_an_ethernet_header, other_formats_are_named_with_the_way_out,
	  records_that_contradict_themselves_are_refused_at_their_offset,
	  a_file_that_ends_anywhere_is_read_or_refused)
