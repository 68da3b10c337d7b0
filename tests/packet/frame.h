/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames, written byte by byte from the RFCs and from nothing that the data path uses, so that the two
 * check each other. Builders append; frame_finish() then fills in lengths and checksums from the outside in,
 * unless the builder was told a lie.
 */
#ifndef PACKET_FRAME_H
#define PACKET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define FRAME_MAX 4096

struct frame {
	uint8_t data[FRAME_MAX];
	size_t length;
};

/* One client packet. Zero is an ordinary value everywhere: 0 in a `lie` or an override means the truth. */
struct packet {
	const char *source, *destination; /* both of one family */
	uint16_t source_port, destination_port;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP, or another: then the payload follows the IP header */
	uint8_t tcp_flags;   /* 0: ACK */
	size_t payload;	     /* bytes of data */
	const uint8_t *data; /* these; NULL: made up */
	uint8_t tos;
	uint16_t id;
	bool clear_df;
	uint8_t options;	    /* bytes of IPv4 options, a multiple of 4 */
	const uint8_t *option_data; /* these; NULL: of no operation */
	const uint8_t *extensions;  /* IPv6 extension header types in order, 0-terminated by 255 */
	uint16_t fragment;	    /* IPv4 word or IPv6 fragment header word, besides DF */
	size_t padding;	    /* bytes after the IP packet, as short Ethernet frames have them */
	size_t cut;	    /* bytes cut off the end of the frame */
	int lie_ip_length;  /* added to the IP length */
	int lie_udp_length; /* added to the UDP length */
	bool no_checksum;   /* UDP's is 0 */
	uint8_t ttl, ihl, version, tcp_offset; /* these values instead, when not 0 */
	uint16_t ethertype;		       /* likewise */
	bool to_group;			       /* destination MAC is a group address */
};

void frame_build(struct frame *frame, const struct packet *packet);

/* VLAN tags in the order of the wire: type and control information of each (IEEE 802.1Q, clause 9). */
struct tagging {
	size_t count;
	uint16_t words[6];
};
/* Puts them between the addresses and the type of a frame. */
void frame_tag(struct frame *frame, const struct tagging *tags);

/* Sends it back to who has sent it. */
void frame_swap_macs(struct frame *frame);

/* An ICMP or ICMPv6 message that quotes the IP packet of a frame. */
struct icmp {
	uint8_t type, code;
	uint32_t rest; /* the second word of its header */
	size_t quoted; /* bytes of the packet that are quoted; 0: all */
};
void frame_build_icmp(struct frame *out, const struct packet *packet, const struct icmp *icmp,
		      const struct frame *quoted);

/* What a correct balancer sends for `in`: Ethernet and outer header before the IP packet of `in`. */
enum outer_kind { OUTER_IPIP, OUTER_GUE, OUTER_L2 };
struct outer {
	enum outer_kind kind;
	const char *source, *destination; /* not for L2 */
	uint8_t source_mac[6], destination_mac[6];
	uint16_t id;	      /* of an outer IPv4 header when DF is clear */
	uint32_t flow_label;  /* of an outer IPv6 header */
	uint16_t source_port; /* GUE */
	bool no_checksum;     /* GUE over IPv6; over IPv4 there is none anyway */
};
void frame_encapsulate(struct frame *out, const struct frame *in, const struct outer *outer);

/* RFC 1071, as its text has it: big-endian words, odd byte padded. */
uint16_t frame_checksum(const void *bytes, size_t length, uint32_t start);

#endif
