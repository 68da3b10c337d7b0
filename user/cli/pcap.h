/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Captures of packets in the classic format (draft-ietf-opsawg-pcap): all four magic numbers, link types Ethernet and raw
 * IP. Strict: what is not understood, or contradicts itself, is refused with its offset. pcapng is not read, and said
 * how to convert. Pure, over a file's content in memory.
 */
#ifndef CLI_PCAP_H
#define CLI_PCAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct problems;

#define PCAP_FRAME_MAX (256 << 10) /* bytes of a frame: tcpdump's own bound */

struct pcap {
	const char *name; /* for problems */
	const uint8_t *data;
	size_t length, offset;
	bool is_swapped, is_nano, is_raw_ip;
	uint64_t number; /* of the last packet */
};

/* An Ethernet frame: `header`, then `data`. */
struct pcap_packet {
	uint32_t seconds, nanoseconds;
	uint8_t header[14]; /* made up where the capture has raw IP */
	size_t header_length;
	const uint8_t *data;
	size_t captured; /* bytes at `data` */
	size_t length;	 /* of the frame, header included, as it was on the wire */
};

/* Returns 0 or -EINVAL, explained in `p`. The data must outlive it. */
int pcap_open(const char *name, const void *data, size_t length, struct pcap *out,
	      struct problems *p);
/* Returns 1 and the next packet, 0 at the end, or -EINVAL, explained in `p`. */
int pcap_next(struct pcap *pcap, struct pcap_packet *out, struct problems *p);

#endif
