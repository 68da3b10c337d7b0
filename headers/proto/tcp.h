/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* RFC 9293 section 3.1: what byte 13 of a TCP header holds. */
#ifndef PROTO_TCP_H
#define PROTO_TCP_H

enum tcp_flag {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10,
};

#endif
