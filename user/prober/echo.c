/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>

#include "prober/echo.h"

/* RFC 1071; `length` is even. */
static uint16_t checksum(const uint8_t *bytes, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i += 2)
		sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return (uint16_t)~sum;
}

/* Type, code, checksum, identifier, sequence number, data. */
static void fill(uint8_t type, uint64_t token, uint8_t out[ECHO_SIZE])
{
	memset(out, 0, ECHO_SIZE);
	out[0] = type;
	memcpy(out + 4, &token, 4);
	memcpy(out + 8, &token, 8);
}

size_t echo_request(int family, uint64_t token, uint8_t out[ECHO_SIZE])
{
	uint16_t sum;

	fill(family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST, token, out);
	if (family == AF_INET) {
		sum = checksum(out, ECHO_SIZE);
		out[2] = sum >> 8;
		out[3] = (uint8_t)sum;
	}
	return ECHO_SIZE;
}

enum judge echo_judge(int family, uint64_t token, const uint8_t *packet, size_t length)
{
	uint8_t expected[ECHO_SIZE];
	size_t header = 0;

	if (family == AF_INET) {
		header = length ? (packet[0] & 0xf) * 4u : 0;
		if (header < 20)
			return JUDGE_NOT_OURS;
	}
	if (length < header + ECHO_SIZE)
		return JUDGE_NOT_OURS;
	fill(family == AF_INET ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY, token, expected);
	packet += header;
	/* All but the checksum, which the kernel has checked. */
	if (memcmp(packet, expected, 2) || memcmp(packet + 4, expected + 4, ECHO_SIZE - 4))
		return JUDGE_NOT_OURS;
	return JUDGE_GOOD;
}
