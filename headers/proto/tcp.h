/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* RFC 9293 section 3.1: what byte 13 of a TCP header holds; section 3.2: its options. */
#ifndef PROTO_TCP_H
#define PROTO_TCP_H

enum tcp_flag {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10,
};

/* Kinds. All but the first two have a byte of length, itself and the kind included. */
enum tcp_option {
	TCP_OPTION_END = 0,
	TCP_OPTION_NOP = 1,
	TCP_OPTION_MSS = 2, /* length 4 */
};
#define TCP_MSS_LENGTH 4

#endif
