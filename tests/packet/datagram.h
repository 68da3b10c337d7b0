/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets that are cut in fragments, by the text of RFC 791 section 2.3 and RFC 8200 section 4.5. */
#ifndef PACKET_DATAGRAM_H
#define PACKET_DATAGRAM_H

#include "packet/world.h"

#define DATAGRAM_ID    0xbeef
#define DATAGRAM_PIECE 800 /* bytes of the IP payload */

struct datagram {
	bool v6, tcp, keep_df;
	const uint8_t *extensions; /* NULL: a fragment header alone */
	uint8_t options;
	uint16_t id, port;	    /* 0: DATAGRAM_ID, 443 */
	size_t payload;		    /* 0: 2000 bytes */
	const char *source, *vip;   /* NULL: a client, and the VIP of the backend */
	enum world_backend backend; /* WORLD_V4 or WORLD_V6 */
};

/* All of it, with a fragment header that says so. */
void datagram_build(const struct datagram *d, struct frame *out);
/* Bytes of a packet that every piece has: up to the fragment header's end. */
size_t datagram_headers(const struct frame *f);
/* Piece `n` of a packet, cut every so many bytes. */
void datagram_cut(const struct frame *whole, unsigned int n, size_t piece, struct frame *out);
/* Piece `n`, cut every DATAGRAM_PIECE bytes. */
void datagram_piece(const struct datagram *d, unsigned int n, struct frame *out);
/* Makes a piece one of another place: `offset` bytes, the last one or not. */
void datagram_move(struct frame *piece, size_t offset, bool more);
/* What all pieces have for the hash of their outer headers. */
uint64_t datagram_hash(const struct world *w, const struct frame *f);
/* What a piece is when it is sent. */
void datagram_expected(const struct world *w, enum world_backend backend, const struct frame *in,
		       struct frame *out);

/* ---- what becomes of a frame that is run; `what` is its name ------------------------------------------ */

/* It is sent to this backend, which counts it. */
void datagram_expect_sent(struct world *w, enum world_backend backend, const struct frame *in,
			  const char *what);
/* It ends by this verdict as it came. */
void datagram_expect_end(struct world *w, const struct frame *in, enum sl_verdict verdict,
			 const char *what);
/* The same of piece `n`, which is sent to the datagram's backend. */
void datagram_expect_piece_sent(struct world *w, const struct datagram *d, unsigned int n,
				const char *what);
void datagram_expect_piece_end(struct world *w, const struct datagram *d, unsigned int n,
			       enum sl_verdict verdict, const char *what);

#endif
