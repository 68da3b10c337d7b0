/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets that the balancer does not send: what is not ours passes untouched, what is ours and cannot be
 * sent is dropped, each with its own verdict.
 */
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "packet/client.h"
#include "packet/world.h"

#define VIP    "203.0.113.10"
#define VIP6   "2001:db8:f::10"
#define OTHER  "203.0.113.99"
#define OTHER6 "2001:db8:f::99"

static const uint8_t seven[] = {0, 60, 43, 60, 60, 60, 60, 255};
static const uint8_t seven_with_ah[] = {0, 60, 43, 44, 51, 60, 60, 255};
static const uint8_t after_ah[] = {IPPROTO_AH, 255};
static const uint8_t fragment[] = {IPPROTO_FRAGMENT, 255};
static const uint8_t after_options[] = {IPPROTO_HOPOPTS, IPPROTO_FRAGMENT, 255};
static const uint8_t no_next[] = {IPPROTO_DSTOPTS, IPPROTO_NONE, 255};

static const struct {
	const char *name;
	struct packet packet;
	enum sl_verdict verdict;
} cases[] = {
	{"another address", V4(OTHER, TCP), SL_PASS_no_listener},
	{"another address v6", V6(OTHER6, UDP), SL_PASS_no_listener},
	{"another port",
	 {.source = "198.51.100.7", .destination = VIP, .destination_port = 22, TCP},
	 SL_PASS_no_listener},
	{"another port v6",
	 {.source = "2001:db8:c::7", .destination = VIP6, .destination_port = 22, TCP},
	 SL_PASS_no_listener},
	{"the any-port VIP's other protocol", V4("203.0.113.12", UDP), SL_PASS_no_listener},
	{"a TCP-only listener by UDP", V4("203.0.113.22", UDP), SL_PASS_no_listener},
	{"icmpv6 in IPv4 to a VIP", V4(VIP, .protocol = IPPROTO_ICMPV6, .payload = 40),
	 SL_PASS_other_protocol},
	{"icmp in IPv6 to a VIP", V6(VIP6, .protocol = IPPROTO_ICMP, .payload = 40),
	 SL_PASS_other_protocol},
	{"gre to a VIP", V4(VIP, .protocol = IPPROTO_GRE, .payload = 40), SL_PASS_other_protocol},
	{"no next header", V6(VIP6, TCP, .extensions = no_next), SL_PASS_other_protocol},
	{"arp", V4(VIP, TCP, .ethertype = 0x0806), SL_PASS_not_ip},
	{"lldp", V4(VIP, TCP, .ethertype = 0x88cc), SL_PASS_not_ip},
	{"802.1Q", V4(VIP, TCP, .ethertype = 0x8100), SL_PASS_tagged},
	{"802.1ad", V4(VIP, TCP, .ethertype = 0x88a8), SL_PASS_tagged},
	{"group address", V4(VIP, TCP, .to_group = true), SL_PASS_group},
	{"fragment to others", V4(OTHER, UDP, .fragment = 0x2000, .payload = 8),
	 SL_PASS_no_listener},
	{"later fragment to others", V4(OTHER, UDP, .fragment = 0x00b9, .payload = 8),
	 SL_PASS_no_listener},
	{"fragment to others v6", V6(OTHER6, UDP, .extensions = fragment, .fragment = 0x0001),
	 SL_PASS_no_listener},
	{"later fragment to others v6", V6(OTHER6, UDP, .extensions = fragment, .fragment = 0x0588),
	 SL_PASS_no_listener},
	{"first fragment to another port",
	 {.source = "198.51.100.7",
	  .destination = VIP,
	  .destination_port = 53,
	  UDP,
	  .fragment = 0x2000},
	 SL_PASS_no_listener},
	{"later fragment of a protocol without listener",
	 V4("203.0.113.22", UDP, .fragment = 0x00b9), SL_PASS_no_listener},
	{"later fragment of another protocol",
	 V4(VIP, .protocol = IPPROTO_ICMP, .fragment = 0x00b9, .payload = 20),
	 SL_PASS_other_protocol},
	{"options to others", V4(OTHER, TCP, .options = 20), SL_PASS_no_listener},
	{"extensions to others", V6(OTHER6, TCP, .extensions = seven), SL_PASS_no_listener},
	{"bad length to others", V4(OTHER, TCP, .lie_ip_length = 100), SL_PASS_no_listener},
	{"bad tcp to others", V4(OTHER, TCP, .tcp_offset = 1), SL_PASS_no_listener},

	{"ihl 0", V4(VIP, TCP, .ihl = 0x10), SL_PASS_unreadable},
	{"ihl 4", V4(VIP, TCP, .ihl = 4), SL_PASS_unreadable},
	{"ihl beyond the frame", V4(VIP, UDP, .ihl = 15), SL_PASS_unreadable},
	{"version 6 in IPv4", V4(VIP, TCP, .version = 6), SL_PASS_unreadable},
	{"version 4 in IPv6", V6(VIP6, TCP, .version = 4), SL_PASS_unreadable},
	{"cut within the IPv4 header", V4(VIP, TCP, .cut = 21), SL_PASS_unreadable},
	{"cut within the IPv6 header", V6(VIP6, TCP, .cut = 21), SL_PASS_unreadable},
	{"cut within the ports", V4(VIP, TCP, .cut = 17), SL_PASS_unreadable},
	{"cut within the UDP header", V6(VIP6, UDP, .cut = 1), SL_PASS_unreadable},
	{"cut within an extension header", V6(VIP6, TCP, .extensions = after_options, .cut = 40),
	 SL_PASS_unreadable},

	{"IP length beyond the frame", V4(VIP, TCP, .payload = 20, .lie_ip_length = 1),
	 SL_DROP_bad_length},
	{"IPv6 length beyond the frame", V6(VIP6, TCP, .payload = 20, .lie_ip_length = 1),
	 SL_DROP_bad_length},
	{"IP length below the IP header", V4(VIP, TCP, .lie_ip_length = -30), SL_DROP_bad_length},
	{"IP length 0", V4(VIP, TCP, .lie_ip_length = -40), SL_DROP_bad_length},
	{"IPv6 length 0, a jumbogram's", V6(VIP6, TCP, .lie_ip_length = -20), SL_DROP_bad_tcp},
	{"cut within the TCP header", V4(VIP, TCP, .cut = 3), SL_DROP_bad_length},
	{"cut within the payload", V4(VIP, TCP, .payload = 20, .cut = 1), SL_DROP_bad_length},
	{"IP length below the TCP header", V4(VIP, TCP, .lie_ip_length = -1), SL_DROP_bad_tcp},
	{"tcp offset 4", V4(VIP, TCP, .tcp_offset = 4, .payload = 20), SL_DROP_bad_tcp},
	{"tcp offset beyond the packet", V4(VIP, TCP, .tcp_offset = 15, .payload = 39),
	 SL_DROP_bad_tcp},
	{"tcp offset beyond the packet v6", V6(VIP6, TCP, .tcp_offset = 6), SL_DROP_bad_tcp},
	{"udp length 7", V4(VIP, UDP, .lie_udp_length = -1), SL_DROP_bad_udp},
	{"udp length 0", V6(VIP6, UDP, .lie_udp_length = -8), SL_DROP_bad_udp},
	{"udp length beyond the packet", V4(VIP, UDP, .payload = 4, .lie_udp_length = 1),
	 SL_DROP_bad_udp},
	{"udp length beyond the packet, in the padding",
	 V4(VIP, UDP, .padding = 18, .lie_udp_length = 1), SL_DROP_bad_udp},
	{"more extension headers than are read", V6(VIP6, TCP, .extensions = seven),
	 SL_DROP_many_headers},
	{"more extension headers than are read, an authentication header among them",
	 V6(VIP6, UDP, .extensions = seven_with_ah), SL_DROP_many_headers},
	{"esp v6", V6(VIP6, .protocol = IPPROTO_ESP, .extensions = after_ah, .payload = 30),
	 SL_PASS_other_protocol},
	{"first fragment", V4(VIP, UDP, .fragment = 0x2000, .payload = 8), SL_DROP_fragment},
	{"later fragment", V4(VIP, UDP, .fragment = 0x00b9, .payload = 8), SL_DROP_fragment},
	{"last fragment of tcp", V4("203.0.113.22", TCP, .fragment = 0x1fff), SL_DROP_fragment},
	{"first fragment v6", V6(VIP6, UDP, .extensions = fragment, .fragment = 0x0001),
	 SL_DROP_fragment},
	{"later fragment v6", V6(VIP6, UDP, .extensions = fragment, .fragment = 0x0588),
	 SL_DROP_fragment},
	{"first fragment after options v6",
	 V6(VIP6, UDP, .extensions = after_options, .fragment = 0x0001), SL_DROP_fragment},
	{"fragment to an any-port VIP", V4("203.0.113.12", TCP, .fragment = 0x2000),
	 SL_DROP_fragment},
	{"no backend", V4("203.0.113.20", TCP), SL_DROP_no_backend},
	{"no backend udp", V4("203.0.113.20", UDP), SL_DROP_no_backend},
	{"no backend v6", V6("2001:db8:f::20", TCP), SL_DROP_no_backend},
	{"no next hop", V4("203.0.113.21", TCP), SL_DROP_no_nexthop},
};

#define CASES (int)(sizeof(cases) / sizeof(cases[0]))

/* Services count what was dropped once it was known to be theirs: from the ports on. */
static bool is_counted_by_service(enum sl_verdict verdict, const struct packet *p)
{
	bool later =
		verdict == SL_DROP_fragment && (p->fragment & (p->extensions ? 0xfff8 : 0x1fff));

	return world_verdict_action(verdict) == XDP_DROP && verdict != SL_DROP_many_headers &&
	       !later;
}

static void check_untouched(struct world *w, int i, const struct frame *in,
			    enum sl_verdict expected)
{
	struct world_ran ran;

	world_run_counted(w, cases[i].name, in, expected, &ran);
	ck_assert_msg(ran.action == (int)world_verdict_action(expected), "%s: action %d",
		      cases[i].name, ran.action);
	world_expect_frame(cases[i].name, &ran.out, in);
	ck_assert_msg(world_dropped(&ran.after) - world_dropped(&ran.before) ==
			      is_counted_by_service(expected, &cases[i].packet),
		      "%s: the service's count", cases[i].name);
	ck_assert_mem_eq(ran.before.backend, ran.after.backend, sizeof(ran.before.backend));
}

START_TEST(what_is_not_sent_is_untouched_and_has_its_verdict)
{
	struct frame in;
	struct world w;

	world_open(&w, _i);
	for (int i = 0; i < CASES; i++) {
		frame_build(&in, &cases[i].packet);
		check_untouched(&w, i, &in, cases[i].verdict);
	}
	world_close(&w);
}
END_TEST

START_TEST(no_cut_or_bent_packet_is_sent_with_wrong_lengths)
{
	struct frame good, in, out;
	struct packet vips[] = {V4(VIP, TCP, .payload = 30, .options = 8),
				V6(VIP6, UDP, .payload = 30),
				V6(VIP6, TCP, .payload = 30, .extensions = after_options),
				V4(VIP, UDP, .payload = 30)};
	unsigned int state = 1, sent = 0;
	struct world w;

	world_open(&w, false);
	for (int n = 0; n < 40000; n++) {
		size_t ip_length, head;
		bool outer4;

		frame_build(&good, &vips[n % 4]);
		in = good;
		for (int bends = 1 + rand_r(&state) % 3; bends; bends--)
			in.data[14 + rand_r(&state) % 48] = rand_r(&state);
		in.length -= n % 5 ? 0 : rand_r(&state) % (in.length - 14);
		if (in.length < 14 || world_run(&w, &in, &out, 1) != XDP_TX)
			continue;
		sent++;
		ip_length = in.data[14] >> 4 == 4 ? in.data[16] << 8 | in.data[17]
						  : 40 + (in.data[18] << 8 | in.data[19]);
		ck_assert_uint_le(14 + ip_length, in.length);
		/* A bend may hit the address and so choose the VIP that goes out by IPv6. */
		outer4 = out.data[14] >> 4 == 4;
		head = outer4 ? 20 : 40;
		ck_assert_uint_eq(out.length, in.length + head);
		ck_assert_mem_eq(out.data + 14 + head, in.data + 14, in.length - 14);
		ck_assert_uint_eq((out.data[outer4 ? 16 : 18] << 8 | out.data[outer4 ? 17 : 19]),
				  ip_length + (outer4 ? 20 : 0));
		if (outer4)
			ck_assert_uint_eq(frame_checksum(out.data + 14, 20, 0), 0);
	}
	ck_assert_uint_gt(sent, 4000); /* else the test proved nothing */
	world_close(&w);
}
END_TEST

Suite *balancer_refuse_suite(void)
{
	Suite *suite = suite_create("balancer refuses");
	TCase *tcase = tcase_create("refuse");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, what_is_not_sent_is_untouched_and_has_its_verdict, 0, 2);
	tcase_add_test(tcase, no_cut_or_bent_packet_is_sent_with_wrong_lengths);
	suite_add_tcase(suite, tcase);
	return suite;
}
