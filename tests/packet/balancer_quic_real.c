/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `affinity: quic` and packets that clients of two libraries have sent (record-quic). */
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "packet/quic.h"
#include "packet/quic_packets.h"
#include "packet/world.h"

#define RECORD	    1 /* all of its slots name V4 */
#define PAYLOAD_MAX 1400

static struct world w;

static void open_world(bool encodes_length)
{
	static const struct quic_id id = {2, {0x0a, 0x0b}, WORLD_V6};
	const uint16_t configs[SL_QUIC_CONFIGS] = {QUIC_CONFIG(2, 15) |
						   (encodes_length ? SL_QUIC_ENCODES_LENGTH : 0)};

	world_open_way(&w, &(struct world_way){.features.quic = true});
	quic_service(&w, RECORD, configs);
	quic_write_ids(&w, RECORD, &id, 1, true);
}

/* What is not recorded is ciphertext, which nobody reads. */
static void build(struct frame *out, const struct quic_packet *recorded, int client, bool v6)
{
	static uint8_t data[PAYLOAD_MAX];
	char source[40];
	const struct packet packet = {.source = source,
				      .destination = v6 ? "2001:db8:f::10" : "203.0.113.10",
				      .source_port = 40000 + client * 7,
				      .destination_port = 443,
				      .protocol = IPPROTO_UDP,
				      .data = data,
				      .payload = recorded->length};
	size_t known = recorded->length < sizeof(recorded->data) ? recorded->length
								 : sizeof(recorded->data);

	ck_assert_uint_le(recorded->length, sizeof(data));
	memset(data, 0xa5, sizeof(data));
	memcpy(data, recorded->data, known);
	snprintf(source, sizeof(source), v6 ? "2001:db8:c::%x" : "198.51.100.%d", client + 1);
	frame_build(out, &packet);
}

static void expect_at(const struct frame *in, enum world_backend backend, const char *name)
{
	struct frame out, expected;
	struct outer outer;

	world_outer(&w, backend, in, &outer);
	frame_encapsulate(&expected, in, &outer);
	ck_assert_msg(world_run(&w, in, &out, 1) == XDP_TX, "%s: is not sent", name);
	ck_assert_msg(out.length == expected.length && !memcmp(out.data, expected.data, out.length),
		      "%s: not at backend %d", name, backend);
}

START_TEST(all_packets_but_a_client_s_first_go_to_the_server_that_made_their_ids)
{
	struct frame in;

	open_world(false);
	for (size_t i = 0; i < sizeof(quic_packets) / sizeof(quic_packets[0]); i++)
		for (int client = 0; client < 20; client++) {
			build(&in, &quic_packets[i], client, _i);
			expect_at(&in, quic_packets[i].is_first ? WORLD_V4 : WORLD_V6,
				  quic_packets[i].name);
		}
	world_close(&w);
}
END_TEST

/* This server's ids do not, but at random. */
START_TEST(ids_that_should_encode_their_length_and_do_not_go_by_the_flow)
{
	struct frame in;

	open_world(true);
	for (size_t i = 0; i < sizeof(quic_packets) / sizeof(quic_packets[0]); i++) {
		const struct quic_packet *p = &quic_packets[i];
		uint8_t first = p->data[p->data[0] & 0x80 ? 6 : 1];

		build(&in, p, 0, _i);
		expect_at(&in, !p->is_first && (first & 31) == 17 ? WORLD_V6 : WORLD_V4, p->name);
	}
	world_close(&w);
}
END_TEST

Suite *balancer_quic_real_suite(void)
{
	Suite *suite = suite_create("balancer QUIC of libraries");
	TCase *tcase = tcase_create("real");

	tcase_set_timeout(tcase, 60);
	/* IPv4, IPv6 */
	tcase_add_loop_test(
		tcase, all_packets_but_a_client_s_first_go_to_the_server_that_made_their_ids, 0, 2);
	tcase_add_loop_test(tcase, ids_that_should_encode_their_length_and_do_not_go_by_the_flow, 0,
			    2);
	suite_add_tcase(suite, tcase);
	return suite;
}
