/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client's packet to port 443 of a VIP, for tables of cases: V4("203.0.113.10", TCP, .payload = 10). */
#ifndef PACKET_CLIENT_H
#define PACKET_CLIENT_H

#include <netinet/in.h>

#include "packet/frame.h"

#define V4(vip, ...)                                                                \
	{                                                                           \
		.source = "198.51.100.7", .destination = vip, .source_port = 40000, \
		.destination_port = 443, __VA_ARGS__                                \
	}
#define V6(vip, ...)                                                                 \
	{                                                                            \
		.source = "2001:db8:c::7", .destination = vip, .source_port = 40000, \
		.destination_port = 443, __VA_ARGS__                                 \
	}
#define TCP .protocol = IPPROTO_TCP
#define UDP .protocol = IPPROTO_UDP

#endif
