/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The header before a packet, byte by byte, and when there is none. */
#include <arpa/inet.h>
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

static struct prefix some_prefix(const char *text)
{
	struct prefix prefix;

	ck_assert_int_eq(prefix_parse(text, &prefix), 0);
	return prefix;
}

static const struct addr none;
static const struct path_options plain = {.encapsulation = SL_ENCAP_IPIP};

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

	ck_assert_int_eq(path_build(&way, &backend, &plain, &path), 0);
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

	ck_assert_int_eq(path_build(&way, &backend, &plain, &path), 0);
	ck_assert_uint_eq(path.family, 6);
	ck_assert_uint_eq(path.inner_max, 1460);
	ck_assert_uint_eq(path.header_len, sizeof(header));
	ck_assert_mem_eq(path.header, header, sizeof(header));
	ck_assert_uint_eq(path.checksum, 0);
}
END_TEST

/*
 * What a packet's filling-in makes of checksum must be the checksum of the whole header (RFC
 * 1071).
 */
START_TEST(the_partial_checksum_completes_to_a_right_one)
{
	struct addr backend = fake_address("10.255.254.253");
	struct net_nexthop way = way_from("203.0.113.255");
	struct sl_path path;
	uint32_t sum;

	ck_assert_int_eq(path_build(&way, &backend, &plain, &path), 0);
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
		sum = path.checksum;
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
	struct addr backend = fake_address("10.0.1.11");
	struct path_options options = {.source = fake_address("198.51.100.1")};
	struct sl_path path;

	ck_assert_int_eq(path_build(&way, &backend, &options, &path), 0);
	ck_assert_mem_eq(path.header + 26, options.source.bytes, 4);
}
END_TEST

START_TEST(the_smaller_mtu_counts_less_what_the_encapsulation_adds)
{
	static const struct {
		uint32_t way, tunnel;
		uint16_t l2, added4, added6;
	} cases[] = {
		{1500, 0, 1500, 20, 40},    {1500, 1400, 1400, 20, 40},
		{1400, 1500, 1400, 20, 40}, {9000, 0, 9000, 20, 40},
		{65536, 0, 65535, 20, 40},  {1 << 20, 1 << 20, 65535, 20, 40},
		{53, 0, 53, 20, 40},
	};
	struct addr v4 = fake_address("10.0.1.11"), v6 = fake_address("2001:db8:1::12");
	struct addr source4 = fake_address("192.0.2.10"), source6 = fake_address("2001:db8::10");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int encapsulation = SL_ENCAP_IPIP; encapsulation <= SL_ENCAP_L2;
		     encapsulation++) {
			struct net_nexthop way = way_from(NULL);
			struct path_options options = {.encapsulation = encapsulation,
						       .mtu = cases[i].tunnel};
			bool l2 = encapsulation == SL_ENCAP_L2;
			uint16_t gue = encapsulation == SL_ENCAP_GUE ? 12 : 0;
			struct sl_path path;

			way.mtu = cases[i].way;
			way.gateway = v4;
			options.source = source4;
			ck_assert_int_eq(path_build(&way, &v4, &options, &path), 0);
			ck_assert_uint_eq(path.inner_max,
					  cases[i].l2 - (l2 ? 0 : cases[i].added4 + gue));
			way.gateway = v6;
			options.source = source6;
			ck_assert_int_eq(path_build(&way, &v6, &options, &path), 0);
			ck_assert_uint_eq(path.inner_max,
					  cases[i].l2 - (l2 ? 0 : cases[i].added6 + gue));
		}
}
END_TEST

START_TEST(gue_has_the_ip_header_of_ipip_and_over_ipv6_a_sum_to_start_from)
{
	struct net_nexthop way4 = way_from("192.0.2.10"), way6 = way_from("2001:db8::10");
	struct addr v4 = fake_address("10.0.1.11"), v6 = fake_address("2001:db8:1::12");
	const struct path_options gue = {.encapsulation = SL_ENCAP_GUE};
	struct sl_path path, of_ipip;
	uint32_t sum = 0;

	ck_assert_int_eq(path_build(&way4, &v4, &gue, &path), 0);
	ck_assert_int_eq(path_build(&way4, &v4, &plain, &of_ipip), 0);
	ck_assert_uint_eq(path.encapsulation, SL_ENCAP_GUE);
	ck_assert_uint_eq(path.header_len, of_ipip.header_len);
	ck_assert_mem_eq(path.header, of_ipip.header, sizeof(path.header));
	ck_assert_uint_eq(path.checksum, of_ipip.checksum);
	ck_assert_int_eq(path_build(&way6, &v6, &gue, &path), 0);
	ck_assert_int_eq(path_build(&way6, &v6, &plain, &of_ipip), 0);
	ck_assert_mem_eq(path.header, of_ipip.header, sizeof(path.header));
	/* RFC 8200 section 8.1, in big-endian words: addresses, protocol 17, and UDP's port 6080. */
	for (int i = 22; i < 54; i += 2)
		sum += path.header[i] << 8 | path.header[i + 1];
	sum += 17 + 6080;
	sum = (sum & 0xffff) + (sum >> 16);
	ck_assert_uint_eq(ntohs(path.checksum), sum);
}
END_TEST

START_TEST(l2_has_two_mac_addresses_and_needs_no_source)
{
	static const uint8_t header[] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0, 0};
	struct net_nexthop way = way_from(NULL);
	struct addr backend = fake_address("10.0.1.11");
	const struct path_options l2 = {.encapsulation = SL_ENCAP_L2,
					.entropy = some_prefix("198.18.0.0/15")};
	struct sl_path path;

	way.gateway = backend;
	ck_assert_int_eq(path_build(&way, &backend, &l2, &path), 0);
	ck_assert_uint_eq(path.header_len, sizeof(header));
	ck_assert_mem_eq(path.header, header, sizeof(header));
	for (size_t i = sizeof(header); i < sizeof(path.header); i++)
		ck_assert_uint_eq(path.header[i], 0);
	ck_assert_uint_eq(path.entropy, 0);
	ck_assert_uint_eq(path.checksum, 0);
}
END_TEST

START_TEST(entropy_is_what_a_prefix_leaves_of_the_last_32_bits_and_ipips_alone)
{
	static const struct {
		const char *prefix, *backend;
		uint8_t bits[4];
	} cases[] = {
		{"198.18.0.0/15", "10.0.1.11", {0, 1, 255, 255}},
		{"198.18.7.0/24", "10.0.1.11", {0, 0, 0, 255}},
		{"198.18.7.128/26", "10.0.1.11", {0, 0, 0, 63}},
		{"198.18.7.8/31", "10.0.1.11", {0, 0, 0, 1}},
		{"100::/64", "2001:db8:1::12", {255, 255, 255, 255}},
		{"2001:db8:e::/96", "2001:db8:1::12", {255, 255, 255, 255}},
		{"2001:db8:e::/97", "2001:db8:1::12", {127, 255, 255, 255}},
		{"2001:db8:e::/127", "2001:db8:1::12", {0, 0, 0, 1}},
		{"100::/64", "10.0.1.11", {0}},
		{"198.18.0.0/15", "2001:db8:1::12", {0}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr backend = fake_address(cases[i].backend);
		bool four = backend.family == 4;
		struct net_nexthop way = way_from(four ? "192.0.2.10" : "2001:db8::10");
		struct path_options options = {.entropy = some_prefix(cases[i].prefix)};
		bool fits = options.entropy.addr.family == backend.family;
		struct sl_path path;

		ck_assert_int_eq(path_build(&way, &backend, &options, &path), 0);
		ck_assert_mem_eq(&path.entropy, cases[i].bits, 4);
		ck_assert_mem_eq(path.header + (four ? 26 : 22),
				 fits ? options.entropy.addr.bytes : way.source.bytes,
				 four ? 4 : 16);
		options.encapsulation = SL_ENCAP_GUE;
		ck_assert_int_eq(path_build(&way, &backend, &options, &path), 0);
		ck_assert_uint_eq(path.entropy, 0);
		ck_assert_mem_eq(path.header + (four ? 26 : 22), way.source.bytes, four ? 4 : 16);
	}
}
END_TEST

START_TEST(what_cannot_be_built_is_no_way)
{
	struct addr v4 = fake_address("10.0.1.11"), v6 = fake_address("2001:db8:1::12");
	struct net_nexthop way = way_from("192.0.2.10");
	struct path_options options = {.source = v4, .mtu = 20};
	struct sl_path path, zero = {};

	ck_assert_int_eq(path_build(&way, &v6, &plain, &path), -EADDRNOTAVAIL);
	ck_assert_mem_eq(&path, &zero, sizeof(path));
	way.source = none;
	ck_assert_int_eq(path_build(&way, &v4, &plain, &path), -EADDRNOTAVAIL);
	ck_assert_int_eq(path_build(&way, &v4, &options, &path), -EMSGSIZE);
	options.mtu = 32;
	ck_assert_int_eq(path_build(&way, &v4, &options, &path), 0);
	options.encapsulation = SL_ENCAP_GUE;
	ck_assert_int_eq(path_build(&way, &v4, &options, &path), -EMSGSIZE);
	ck_assert_mem_eq(&path, &zero, sizeof(path));
	options = (struct path_options){.encapsulation = SL_ENCAP_L2};
	way.gateway = fake_address("192.0.2.1");
	ck_assert_int_eq(path_build(&way, &v4, &options, &path), -EHOSTUNREACH);
	ck_assert_mem_eq(&path, &zero, sizeof(path));
	way.gateway = v4;
	way.mtu = 0;
	ck_assert_int_eq(path_build(&way, &v4, &options, &path), -EMSGSIZE);
	ck_assert_mem_eq(&path, &zero, sizeof(path));
}
END_TEST

START_TEST(a_path_has_the_tags_of_its_way)
{
	const uint8_t two[] = {0x88, 0xa8, 0x0f, 0xfe, 0x81, 0x00, 0x00, 0x07};
	struct net_nexthop way = way_from("192.0.2.10");
	struct addr backend = fake_address("10.0.1.11");
	struct sl_path path, kept;

	ck_assert_int_eq(path_build(&way, &backend, &plain, &kept), 0);
	ck_assert_uint_eq(kept.tags, SL_TAGS_KEEP);
	way.carries_vlans = true;
	ck_assert_int_eq(path_build(&way, &backend, &plain, &path), 0);
	ck_assert_uint_eq(path.tags, 0);
	way.carries_vlans = false;
	strcpy(way.parent, "eth9");
	way.parent_ifindex = 99;
	way.tag_count = 2;
	way.tags[0] = (struct net_tag){0x88a8, 4094};
	way.tags[1] = (struct net_tag){0x8100, 7};
	ck_assert_int_eq(path_build(&way, &backend, &plain, &path), 0);
	ck_assert_uint_eq(path.ifindex, 99);
	ck_assert_uint_eq(path.tags, 8);
	ck_assert_mem_eq(path.tag, two, sizeof(two));
	ck_assert_uint_eq(path.inner_max, kept.inner_max);
	ck_assert_mem_eq(path.header, kept.header, sizeof(path.header));
	way.tag_count = 1;
	ck_assert_int_eq(path_build(&way, &backend, &plain, &path), 0);
	ck_assert_uint_eq(path.tags, 4);
	ck_assert_mem_eq(path.tag, two, 4);
	ck_assert_uint_eq(path.tag[2] | path.tag[3], 0);
}
END_TEST

RUN_TESTS("core_path", a_path_has_the_tags_of_its_way, an_ipv4_header_is_written_byte_by_byte,
	  an_ipv6_header_is_written_byte_by_byte, the_partial_checksum_completes_to_a_right_one,
	  the_configured_source_wins_over_the_routes,
	  the_smaller_mtu_counts_less_what_the_encapsulation_adds,
	  gue_has_the_ip_header_of_ipip_and_over_ipv6_a_sum_to_start_from,
	  l2_has_two_mac_addresses_and_needs_no_source,
	  entropy_is_what_a_prefix_leaves_of_the_last_32_bits_and_ipips_alone,
	  what_cannot_be_built_is_no_way)
