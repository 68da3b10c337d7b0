/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The header before a packet, byte by byte, and when there is none. */
#include <errno.h>
#include <string.h>

#include "core/path.h"
#include "unit/support/fake_host.h"
#include "unit/unit.h"

static struct net_nexthop way_from(const char *source)
{
	struct net_nexthop way = {
		.way = NET_WAY_READY,
		.ifindex = 7,
		.mtu = 1500,
		.device_mac = {2, 0, 0, 0, 0, 1},
		.neighbour_mac = {2, 0, 0, 0, 0, 2},
	};

	if (source)
		way.source = fake_address(source);
	return way;
}

static const struct addr none;

START_TEST(an_ipv4_header_is_written_byte_by_byte)
{
	static const uint8_t header[] = {
		2,    0, 0, 0,	0, 2, 2, 0, 0, 0, 0, 1, 8, 0, /* Ethernet: to, from, IPv4 */
		0x45, 0, 0, 0,				      /* version, ihl, tos, length */
		0,    0, 0, 0,				      /* id, fragment */
		64,   0, 0, 0,				      /* ttl, protocol, checksum */
		192,  0, 2, 10,				      /* source */
		10,   0, 1, 11,				      /* destination */
	};
	struct net_nexthop way = way_from("192.0.2.10");
	struct addr backend = fake_address("10.0.1.11");
	struct sl_path path;

	ck_assert_int_eq(path_build(&way, &none, &backend, SL_ENCAP_IPIP, 0, &path), 0);
	ck_assert_uint_eq(path.ifindex, 7);
	ck_assert_uint_eq(path.family, 4);
	ck_assert_uint_eq(path.encapsulation, SL_ENCAP_IPIP);
	ck_assert_uint_eq(path.inner_max, 1480);
	ck_assert_uint_eq(path.header_len, sizeof(header));
	ck_assert_mem_eq(path.header, header, sizeof(header));
	for (size_t i = sizeof(header); i < sizeof(path.header); i++)
		ck_assert_uint_eq(path.header[i], 0);
}
END_TEST

START_TEST(an_ipv6_header_is_written_byte_by_byte)
{
	static const uint8_t header[] = {
		2,    0,    0,	  0,	0, 2, 2, 0,  0, 0, 0, 1, 0x86, 0xdd, /* Ethernet: to, from, IPv6 */
		0x60, 0,    0,	  0,	0, 0, 0, 64, /* IPv6, up to the hop limit */
		0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0,  0, 0, 0, 0, 0,    0,    0, 0x10,
		0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0,  0, 0, 0, 0, 0,    0,    0, 0x12,
	};
	struct net_nexthop way = way_from("2001:db8::10");
	struct addr backend = fake_address("2001:db8:1::12");
	struct sl_path path;

	ck_assert_int_eq(path_build(&way, &none, &backend, SL_ENCAP_IPIP, 0, &path), 0);
	ck_assert_uint_eq(path.family, 6);
	ck_assert_uint_eq(path.inner_max, 1460);
	ck_assert_uint_eq(path.header_len, sizeof(header));
	ck_assert_mem_eq(path.header, header, sizeof(header));
	ck_assert_uint_eq(path.checksum4, 0);
}
END_TEST

/*
 * What a packet's filling-in makes of checksum4 must be the checksum of the whole header (RFC
 * 1071).
 */
START_TEST(the_partial_checksum_completes_to_a_right_one)
{
	struct addr backend = fake_address("10.255.254.253");
	struct net_nexthop way = way_from("203.0.113.255");
	struct sl_path path;
	uint32_t sum;

	ck_assert_int_eq(path_build(&way, &none, &backend, SL_ENCAP_IPIP, 0, &path), 0);
	for (uint32_t n = 0; n < 5000; n++) {
		uint8_t ip[20];
		uint16_t words[10];

		memcpy(ip, path.header + 14, sizeof(ip));
		ip[1] = n;
		ip[2] = n >> 3;
		ip[3] = n * 7;
		ip[4] = n * 11;
		ip[6] = n & 1 ? 0x40 : 0;
		ip[9] = n & 2 ? 4 : 41;
		memcpy(words, ip, sizeof(words));
		sum = path.checksum4;
		/*
		 * tos, length, id, flags, protocol: as the data path adds them, each in its word.
		 */
		sum += words[0] - ((const uint16_t *)(path.header + 14))[0];
		sum += words[1] + words[2] + words[3];
		sum += words[4] - ((const uint16_t *)(path.header + 14))[4];
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		words[5] = ~sum;
		sum = 0;
		for (int i = 0; i < 10; i++)
			sum += words[i];
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		if (sum != 0xffff)
			ck_abort_msg("header %u does not add up: %x", n, sum);
	}
}
END_TEST

START_TEST(the_configured_source_wins_over_the_routes)
{
	struct net_nexthop way = way_from("192.0.2.10");
	struct addr backend = fake_address("10.0.1.11"), source = fake_address("198.51.100.1");
	struct sl_path path;

	ck_assert_int_eq(path_build(&way, &source, &backend, SL_ENCAP_IPIP, 0, &path), 0);
	ck_assert_mem_eq(path.header + 26, source.bytes, 4);
}
END_TEST

START_TEST(the_smaller_mtu_counts)
{
	static const struct {
		uint32_t way, tunnel;
		uint16_t inner4, inner6;
	} cases[] = {
		{1500, 0, 1480, 1460}, {1500, 1400, 1380, 1360}, {1400, 1500, 1380, 1360},
		{9000, 0, 8980, 8960}, {65536, 0, 65515, 65495}, {1 << 20, 1 << 20, 65515, 65495},
		{41, 0, 21, 1},
	};
	struct addr v4 = fake_address("10.0.1.11"), v6 = fake_address("2001:db8:1::12");
	struct addr source4 = fake_address("192.0.2.10"), source6 = fake_address("2001:db8::10");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct net_nexthop way = way_from(NULL);
		struct sl_path path;

		way.mtu = cases[i].way;
		ck_assert_int_eq(
			path_build(&way, &source4, &v4, SL_ENCAP_IPIP, cases[i].tunnel, &path), 0);
		ck_assert_uint_eq(path.inner_max, cases[i].inner4);
		ck_assert_int_eq(
			path_build(&way, &source6, &v6, SL_ENCAP_IPIP, cases[i].tunnel, &path), 0);
		ck_assert_uint_eq(path.inner_max, cases[i].inner6);
	}
}
END_TEST

START_TEST(what_cannot_be_built_is_no_way)
{
	struct addr v4 = fake_address("10.0.1.11"), v6 = fake_address("2001:db8:1::12");
	struct net_nexthop way = way_from("192.0.2.10");
	struct sl_path path, zero = {};

	ck_assert_int_eq(path_build(&way, &none, &v6, SL_ENCAP_IPIP, 0, &path), -EADDRNOTAVAIL);
	ck_assert_mem_eq(&path, &zero, sizeof(path));
	way.source = none;
	ck_assert_int_eq(path_build(&way, &none, &v4, SL_ENCAP_IPIP, 0, &path), -EADDRNOTAVAIL);
	ck_assert_int_eq(path_build(&way, &v4, &v4, SL_ENCAP_GUE, 0, &path), -EOPNOTSUPP);
	ck_assert_int_eq(path_build(&way, &v4, &v4, SL_ENCAP_IPIP, 20, &path), -EMSGSIZE);
	way.mtu = 0;
	ck_assert_int_eq(path_build(&way, &v4, &v4, SL_ENCAP_IPIP, 0, &path), -EMSGSIZE);
	ck_assert_mem_eq(&path, &zero, sizeof(path));
}
END_TEST

RUN_TESTS("core_path", an_ipv4_header_is_written_byte_by_byte,
	  an_ipv6_header_is_written_byte_by_byte, the_partial_checksum_completes_to_a_right_one,
	  the_configured_source_wins_over_the_routes, the_smaller_mtu_counts,
	  what_cannot_be_built_is_no_way)
