/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <netinet/in.h>
#include <string.h>

#include "packet/datagram.h"

static const uint8_t plain[] = {IPPROTO_FRAGMENT, 255};

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

size_t datagram_headers(const struct frame *f)
{
	const uint8_t *ip = f->data + 14, *next = ip + 40;
	uint8_t protocol = ip[6];

	if (ip[0] >> 4 == 4)
		return (ip[0] & 15) * 4;
	while (protocol != IPPROTO_FRAGMENT) {
		protocol = next[0];
		next += 8 + next[1] * 8;
	}
	return next + 8 - ip;
}

void datagram_move(struct frame *piece, size_t offset, bool more)
{
	uint8_t *ip = piece->data + 14;
	size_t headers = datagram_headers(piece);

	if (ip[0] >> 4 == 6) {
		put16(ip + headers - 6, offset | more);
		return;
	}
	put16(ip + 6, (ip[6] & 0x40) << 8 | offset / 8 | (more ? 0x2000 : 0));
	put16(ip + 10, 0);
	put16(ip + 10, frame_checksum(ip, headers, 0));
}

void datagram_cut(const struct frame *whole, unsigned int n, size_t piece, struct frame *out)
{
	size_t headers = datagram_headers(whole), all = whole->length - 14 - headers,
	       at = n * piece;
	size_t length = all - at < piece ? all - at : piece;
	bool is_v6 = whole->data[14] >> 4 == 6;
	uint8_t *ip = out->data + 14;

	memcpy(out->data, whole->data, 14 + headers);
	memcpy(ip + headers, whole->data + 14 + headers + at, length);
	out->length = 14 + headers + length;
	put16(ip + (is_v6 ? 4 : 2), headers - (is_v6 ? 40 : 0) + length);
	datagram_move(out, at, at + length < all);
}

void datagram_build(const struct datagram *d, struct frame *out)
{
	static const char *const to[2][2] = {{"203.0.113.10", "203.0.113.11"},
					     {"2001:db8:f::10", "2001:db8:f::11"}};
	struct packet packet = {
		.source = d->source ? d->source
			  : d->v6   ? "2001:db8:c::7"
				    : "198.51.100.7",
		.destination = d->vip ? d->vip : to[d->v6][d->backend == WORLD_V6],
		.source_port = 40000,
		.destination_port = d->port ? d->port : 443,
		.protocol = d->tcp ? IPPROTO_TCP : IPPROTO_UDP,
		.payload = d->payload ? d->payload : 2000,
		.id = d->id ? d->id : DATAGRAM_ID,
		.clear_df = !d->keep_df,
		.options = d->options,
		.extensions = !d->v6	      ? NULL
			      : d->extensions ? d->extensions
					      : plain,
	};

	frame_build(out, &packet);
	if (d->v6) /* the id's place in the fragment header */
		put16(out->data + 14 + datagram_headers(out) - 2, packet.id);
}

void datagram_piece(const struct datagram *d, unsigned int n, struct frame *out)
{
	struct frame whole;

	datagram_build(d, &whole);
	datagram_cut(&whole, n, DATAGRAM_PIECE, out);
}

uint64_t datagram_hash(const struct world *w, const struct frame *f)
{
	const uint8_t *ip = f->data + 14;
	uint32_t words[8], id = 0;

	if (ip[0] >> 4 == 4) {
		memcpy(words, ip + 12, 8);
		memcpy(&id, ip + 4, 2);
		return sl_hash4(&w->key, words[0], words[1], id, ip[9]);
	}
	memcpy(words, ip + 8, 32);
	memcpy(&id, ip + datagram_headers(f) - 4, 4);
	return sl_hash6(&w->key, words, words + 4, id, 0);
}

void datagram_expected(const struct world *w, enum world_backend backend, const struct frame *in,
		       struct frame *out)
{
	struct outer outer;

	world_outer_of(w, backend, in, datagram_hash(w, in), &outer);
	outer.no_checksum = true;
	/* Each piece is a packet of its own outside: its offset is mixed into the id. */
	if (in->data[14] >> 4 == 4)
		outer.id ^= (in->data[20] & 0x1f) << 8 | in->data[21];
	frame_encapsulate(out, in, &outer);
}

void datagram_expect_sent(struct world *w, enum world_backend backend, const struct frame *in,
			  const char *what)
{
	struct world_counts before, after;
	struct frame out, expected;
	size_t length = in->length - 14;

	datagram_expected(w, backend, in, &expected);
	world_count(w, &before);
	ck_assert_msg(world_run(w, in, &out, 1) == XDP_TX, "%s is not sent", what);
	world_count(w, &after);
	world_expect_frame(what, &out, &expected);
	before.verdict[SL_SEND_tx]++; /* by its backend's count */
	ck_assert_mem_eq(before.verdict, after.verdict, sizeof(before.verdict));
	for (int b = 0; b < WORLD_BACKENDS; b++) {
		ck_assert_uint_eq(after.backend[b][SL_BACKEND_packets],
				  before.backend[b][SL_BACKEND_packets] + (b == (int)backend));
		ck_assert_uint_eq(after.backend[b][SL_BACKEND_bytes],
				  before.backend[b][SL_BACKEND_bytes] +
					  (b == (int)backend ? length : 0));
	}
}

void datagram_expect_end(struct world *w, const struct frame *in, enum sl_verdict verdict,
			 const char *what)
{
	struct world_ran ran;

	world_run_counted(w, what, in, verdict, &ran);
	ck_assert_msg(ran.action == (int)world_verdict_action(verdict), "%s: action %d", what,
		      ran.action);
	world_expect_frame(what, &ran.out, in);
}

void datagram_expect_piece_sent(struct world *w, const struct datagram *d, unsigned int n,
				const char *what)
{
	struct frame in;

	datagram_piece(d, n, &in);
	datagram_expect_sent(w, d->backend, &in, what);
}

void datagram_expect_piece_end(struct world *w, const struct datagram *d, unsigned int n,
			       enum sl_verdict verdict, const char *what)
{
	struct frame in;

	datagram_piece(d, n, &in);
	datagram_expect_end(w, &in, verdict, what);
}
