/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a frame is, for people: read as far as it can be, never refused. Not what decides about packets; that is the BPF
 * program alone. Pure.
 */
#ifndef CORE_FRAME_H
#define CORE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct frame {
	uint16_t ethertype; /* host order, behind VLAN tags */
	uint8_t protocol;   /* of IP, behind extension headers; while source is none, nothing */
	struct addr source, destination; /* family 0: no IP header could be read */
	bool has_ports;
	uint16_t source_port, destination_port; /* host order */
	bool is_fragment;
};

void frame_read(const uint8_t *bytes, size_t length, struct frame *out);

#define FRAME_PROTOCOL_SIZE 16
/* "tcp", "udp", "icmp", "icmp6", "ip/47", "arp", "ethernet/88cc" */
const char *frame_protocol(const struct frame *frame, char out[FRAME_PROTOCOL_SIZE]);

#endif
