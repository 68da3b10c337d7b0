/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/pcap.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"

#define FILE_HEADER   24
#define RECORD_HEADER 16
#define VERSION_MAJOR 2
#define LINK_ETHERNET 1
#define LINK_RAW      101 /* LINKTYPE_RAW */

#define CONVERT "convert it with `editcap -F pcap OLD NEW` or `tshark -r OLD -F pcap -w NEW`"

static int refuse(const struct pcap *pcap, size_t offset, struct problems *p, const char *format,
		  ...) __attribute__((format(printf, 4, 5)));

static int refuse(const struct pcap *pcap, size_t offset, struct problems *p, const char *format,
		  ...)
{
	char field[32], *why;
	va_list args;

	va_start(args, format);
	why = mem_vformat(format, args);
	va_end(args);
	snprintf(field, sizeof(field), "offset %zu", offset);
	problems_add_at(p, pcap->name, 0, 0, field, NULL, "%s", why);
	free(why);
	return -EINVAL;
}

static uint32_t swap32(uint32_t word)
{
	return __builtin_bswap32(word);
}

static uint32_t word_at(const struct pcap *pcap, size_t offset)
{
	uint32_t word;

	memcpy(&word, pcap->data + offset, sizeof(word));
	return pcap->is_swapped ? swap32(word) : word;
}

static uint16_t half_at(const struct pcap *pcap, size_t offset)
{
	uint16_t half;

	memcpy(&half, pcap->data + offset, sizeof(half));
	return pcap->is_swapped ? __builtin_bswap16(half) : half;
}

/* Magic numbers, as they are read by a host of the order that they were written in. */
static int read_magic(struct pcap *pcap, struct problems *p)
{
	static const struct {
		uint32_t magic;
		bool is_nano;
		const char *wrong; /* NULL: it is read */
	} formats[] = {
		{0xa1b2c3d4, false, NULL},
		{0xa1b23c4d, true, NULL},
		{0x0a0d0d0a, false, "is pcapng; " CONVERT},
		{0xa1b2cd34, false, "is pcap in a variant with longer records; " CONVERT},
	};
	uint32_t magic = word_at(pcap, 0);

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (magic != formats[i].magic && swap32(magic) != formats[i].magic)
			continue;
		if (formats[i].wrong)
			return refuse(pcap, 0, p, "%s", formats[i].wrong);
		pcap->is_nano = formats[i].is_nano;
		pcap->is_swapped = magic != formats[i].magic;
		return 0;
	}
	return refuse(pcap, 0, p, "is no capture: 0x%08x is not how a pcap file begins", magic);
}

int pcap_open(const char *name, const void *data, size_t length, struct pcap *out,
	      struct problems *p)
{
	struct pcap pcap = {.name = name, .data = data, .length = length, .offset = FILE_HEADER};
	unsigned int link;
	int err;

	if (length < sizeof(uint32_t))
		return refuse(&pcap, 0, p, "is no capture: it has %zu bytes", length);
	err = read_magic(&pcap, p);
	if (err)
		return err;
	if (length < FILE_HEADER)
		return refuse(&pcap, length, p,
			      "the file ends within its header of %d bytes: it was cut off",
			      FILE_HEADER);
	if (half_at(&pcap, 4) != VERSION_MAJOR)
		return refuse(&pcap, 4, p, "version %u.%u is not read, only %d; " CONVERT,
			      half_at(&pcap, 4), half_at(&pcap, 6), VERSION_MAJOR);
	link = word_at(&pcap, 20) & 0xffff; /* above it: what frames end in */
	if (link != LINK_ETHERNET && link != LINK_RAW)
		return refuse(&pcap, 20, p,
			      "link type %u is not read, only %d (Ethernet) and %d (raw IP): "
			      "capture at a device, not at `any`",
			      link, LINK_ETHERNET, LINK_RAW);
	pcap.is_raw_ip = link == LINK_RAW;
	*out = pcap;
	return 0;
}

/* Raw IP gets a header that is nobody's: the program judges no address but a group's. */
static int add_header(const struct pcap *pcap, struct pcap_packet *packet, struct problems *p)
{
	static const uint8_t to[6] = {2, 0, 0, 0, 0, 2}, from[6] = {2, 0, 0, 0, 0, 1};
	uint16_t type;

	if (!pcap->is_raw_ip)
		return 0;
	if (packet->captured == 0 || (packet->data[0] >> 4 != 4 && packet->data[0] >> 4 != 6))
		return refuse(pcap, packet->data - pcap->data, p,
			      "packet %llu is neither IPv4 nor IPv6, but the link type is raw IP",
			      (unsigned long long)pcap->number);
	type = packet->data[0] >> 4 == 4 ? ETH_P_IP : ETH_P_IPV6;
	memcpy(packet->header, to, sizeof(to));
	memcpy(packet->header + 6, from, sizeof(from));
	packet->header[12] = type >> 8;
	packet->header[13] = type & 0xff;
	packet->header_length = sizeof(packet->header);
	packet->length += sizeof(packet->header);
	return 0;
}

int pcap_next(struct pcap *pcap, struct pcap_packet *out, struct problems *p)
{
	size_t at = pcap->offset, left = pcap->length - at;
	struct pcap_packet packet;
	unsigned long long number = pcap->number + 1;
	uint32_t fraction, fractions = pcap->is_nano ? 1000000000 : 1000000;

	if (!left)
		return 0;
	if (left < RECORD_HEADER)
		return refuse(pcap, at, p,
			      "the file ends within the header of packet %llu: it was cut off, "
			      "or is still being written",
			      number);
	fraction = word_at(pcap, at + 4);
	packet = (struct pcap_packet){
		.seconds = word_at(pcap, at),
		.nanoseconds = pcap->is_nano ? fraction : fraction * 1000,
		.data = pcap->data + at + RECORD_HEADER,
		.captured = word_at(pcap, at + 8),
		.length = word_at(pcap, at + 12),
	};
	if (fraction >= fractions)
		return refuse(pcap, at + 4, p, "packet %llu: %u is no fraction of a second", number,
			      fraction);
	if (packet.captured > packet.length)
		return refuse(pcap, at + 8, p, "packet %llu: %zu bytes are captured of %zu", number,
			      packet.captured, packet.length);
	if (packet.length > PCAP_FRAME_MAX - sizeof(packet.header))
		return refuse(pcap, at + 12, p, "packet %llu: no frame has %zu bytes", number,
			      packet.length);
	if (packet.captured > left - RECORD_HEADER)
		return refuse(
			pcap, at + RECORD_HEADER, p,
			"the file ends within packet %llu, after %zu bytes of %zu: it was cut "
			"off, or is still being written",
			number, left - RECORD_HEADER, packet.captured);
	pcap->number++;
	if (add_header(pcap, &packet, p))
		return -EINVAL;
	pcap->offset = at + RECORD_HEADER + packet.captured;
	*out = packet;
	return 1;
}
