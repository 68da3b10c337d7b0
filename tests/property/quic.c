/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service RIG_UDP is one of QUIC. About half of its clients speak that: they begin with a long header and an id that
 * they have made up, which by chance may name a backend; whoever takes them gives them an id, and from then on they send
 * short headers with it, now and then from another address and port. The operator rotates the ids' configuration.
 *
 * What is promised of an id (docs/quic.md) has none of the limits of flows: wherever its packets come from, and whatever becomes
 * of slots, tables, regions and listeners meanwhile, they go to its backend until that one is let go, or until the operator takes the
 * id's configuration away; also while it is down or drained, but for long headers, which might begin a connection.
 */
#include <string.h>

#include "property/world.h"

#define NONCE	4
#define LENGTHS 3
#define PAYLOAD 32

/* Of the server id, by the configuration's number: mostly another one than that of the one before. */
static size_t length_of(uint8_t rotation)
{
	return 1 + rotation % LENGTHS;
}

/* The server id of a backend: another one for each backend that has had its index. */
static void server_id(const struct world *w, uint16_t b, uint8_t bytes[SL_SERVER_ID_MAX])
{
	memset(bytes, 0xa5, SL_SERVER_ID_MAX);
	bytes[0] = b | w->quic.generation[b] << 5;
}

static bool is_read(const struct world *w, uint8_t rotation)
{
	return rotation == w->quic.rotation || rotation == w->quic.old;
}

void quic_words(const struct world *w, uint16_t words[SL_QUIC_CONFIGS])
{
	for (uint8_t r = 0; r < SL_QUIC_CONFIGS; r++)
		words[r] = is_read(w, r) ? length_of(r) | NONCE << SL_QUIC_NONCE_SHIFT : 0;
}

/* Whether ids of this length are read: a backend has one of each, whatever number of configurations have it. */
static bool has_length(const struct world *w, size_t length)
{
	return length_of(w->quic.rotation) == length || length_of(w->quic.old) == length;
}

static bool is_closed(const struct world *w, uint16_t b)
{
	return w->backend[b].drained || w->backend[b].leaves;
}

/* As the plan has them: also those of backends that leave, until their index is another's. */
void quic_list(struct world *w)
{
	const struct world_service *service = &w->service[RIG_UDP];
	struct rig *rig = w->rig;
	uint8_t bytes[SL_SERVER_ID_MAX];

	rig->id_count = 0;
	for (uint16_t b = 1; b <= WORLD_BACKENDS; b++)
		w->quic.closed[b] = is_closed(w, b);
	for (size_t length = 1; service->is_present && length <= LENGTHS; length++)
		for (uint16_t b = 1; has_length(w, length) && b <= WORLD_BACKENDS; b++) {
			server_id(w, b, bytes);
			rig->ids[rig->id_count++] = dataplane_server_id(
				service->record, bytes, length,
				b | (w->quic.closed[b] ? SL_SERVER_ID_CLOSED : 0));
		}
}

void quic_publish(struct world *w)
{
	bool is_other = false;

	for (uint16_t b = 1; b <= WORLD_BACKENDS; b++)
		is_other |= w->quic.closed[b] != is_closed(w, b);
	if (is_other && regions_listen(w))
		world_break(w, 0, "the server ids cannot be written");
}

/* Both configurations are read for a while. */
void quic_rotate(struct world *w, uint16_t number)
{
	uint16_t words[SL_QUIC_CONFIGS];

	(void)number;
	if (w->change.is_on)
		return;
	if (w->quic.old == w->quic.rotation)
		w->quic.rotation = (w->quic.rotation + 1) % SL_QUIC_CONFIGS;
	else
		w->quic.old = w->quic.rotation;
	w->progress[WORLD_rotated]++;
	quic_words(w, words);
	if (regions_listen(w) ||
	    w->rig->ops->write_quic(w->rig->dp, w->service[RIG_UDP].record, words))
		world_break(w, 0, "the configuration of connection ids cannot be written");
	world_tell(w, "connection ids are made as of rotation %u", w->quic.rotation);
}

void quic_renew(struct world *w, uint16_t b)
{
	w->quic.generation[b] = (w->quic.generation[b] + 1) % 8;
	if (regions_listen(w))
		world_break(w, 0, "the server ids cannot be written");
}

/* ---- clients ------------------------------------------------------------------------------------ */

bool quic_reads(const struct world *w, const struct client *c)
{
	return c->quic.is_on && w->listener[c->tuple.service] == RIG_UDP;
}

/* A short header, or a long one of whatever version. `b` 0: the id is nobody's. */
static void write_packet(struct client *c, bool is_long, uint8_t rotation, uint16_t b)
{
	uint8_t payload[PAYLOAD] = {is_long ? 0xc0 : 0x40, 0x1a, 0x2a, 0x3a, 0x4a};
	size_t at = is_long ? 5 : 1;

	if (is_long)
		payload[at++] = 1 + length_of(rotation) + NONCE;
	payload[at] = b ? rotation << 5 : 0xe0;
	if (b)
		memcpy(payload + at + 1, c->quic.bytes, length_of(rotation));
	rig_set_payload(&c->frame, &c->tuple, payload, sizeof(payload));
}

/* From another address and port, of the same family. */
static void move(struct world *w, struct client *c)
{
	c->tuple.client = world_random(w);
	c->tuple.port = 1 + world_below(w, 65535);
	rig_build(w->rig, &c->tuple, &c->frame);
	c->hash = rig_hash(w->rig, &c->tuple);
	w->progress[WORLD_roamed]++;
	world_tell(w, "the client moves");
}

/* Where its packets find themselves by now: no reason for an id to lead elsewhere. */
static void locate(struct world *w, struct client *c)
{
	c->era = w->era[c->tuple.service];
	c->flow.slot = regions_slot(w, c->tuple.service, c->hash);
	c->flow.service = w->service[RIG_UDP].record;
}

static void give_id(struct world *w, struct client *c)
{
	c->quic.backend = c->flow.backend;
	c->quic.rotation = w->quic.rotation;
	server_id(w, c->quic.backend, c->quic.bytes);
}

/* Sends the frame. Whether an id led it there is known from its counter. */
static uint16_t run(struct world *w, struct client *c, bool *was_named)
{
	uint64_t before = rig_event(w->rig, SL_EVENT_quic_named);
	uint16_t to = clients_run(w, &c->frame, ORACLE_UDP, c->tuple.service, c->flow.slot);

	*was_named = rig_event(w->rig, SL_EVENT_quic_named) != before;
	return to;
}

static void judge(struct world *w, const struct client *c, enum oracle_word word, uint16_t had,
		  uint16_t to)
{
	if (w->trace == c->id)
		world_tell(w, "QUIC, %s, goes to %u (its backend: %u)", oracle_word_name(word), to,
			   had);
	if (oracle_is_broken(word))
		world_break(
			w, c->id, "tick %lld: flow %u (QUIC, slot %u, backend %u) went to %u: %s",
			(long long)w->now, c->id, c->flow.slot, had, to, oracle_word_name(word));
}

static bool send_named(struct world *w, struct client *c)
{
	const uint16_t backend = c->quic.backend;
	enum oracle_word word;
	bool was_named;
	uint16_t to;

	if (world_chance(w, .2))
		move(w, c);
	locate(w, c);
	write_packet(c, false, c->quic.rotation, backend);
	to = run(w, c, &was_named);
	if (!regions_listens(w, c->tuple.service))
		return true; /* it may come back, and the id is the same then */
	word = oracle_named(&w->oracle, &c->flow, to);
	judge(w, c, word, backend, to);
	if (word == ORACLE_HELD && !was_named)
		world_break(w, c->id, "a packet went where its id says, and not by that");
	w->progress[WORLD_named] += was_named;
	w->progress[WORLD_stayed] +=
		was_named && (w->quic.closed[backend] || w->oracle.backends[backend].down);
	return word == ORACLE_HELD;
}

/* Who takes what may begin a connection. */
static bool takes_new(const struct world *w, uint16_t b)
{
	return !(w->rig->view->backends[b].flags & (SL_BACKEND_DOWN | SL_BACKEND_DEAD)) &&
	       !w->quic.closed[b];
}

/* The id is made up: nobody's, or by chance a backend's. */
static bool send_first(struct world *w, struct client *c)
{
	uint16_t aimed = world_chance(w, .3) ? 1 + world_below(w, WORLD_BACKENDS) : SL_NOBODY, to;
	enum oracle_word word;
	bool was_named, may;

	if (c->flow.backend != SL_NOBODY)
		aimed = SL_NOBODY;
	may = aimed && takes_new(w, aimed);
	if (aimed)
		server_id(w, aimed, c->quic.bytes);
	write_packet(c, true, w->quic.rotation, aimed);
	to = run(w, c, &was_named);
	if (!regions_listens(w, c->tuple.service))
		return false;
	word = oracle_packet(&w->oracle, &c->flow, ORACLE_UDP, to);
	judge(w, c, word, SL_NOBODY, to);
	if (was_named != may || (may && to != aimed))
		world_break(w, c->id, "a first packet with an id of %u went to %u", aimed, to);
	w->progress[WORLD_aimed] += may;
	w->progress[WORLD_not_begun] += aimed && !may;
	if (c->flow.backend)
		give_id(w, c);
	return c->flow.backend != SL_NOBODY;
}

bool quic_send(struct world *w, struct client *c)
{
	/* The operator has waited for long enough, he thinks: it is a new connection. */
	if (c->quic.backend && !is_read(w, c->quic.rotation)) {
		c->quic.backend = SL_NOBODY;
		c->flow.backend = SL_NOBODY;
	}
	return c->quic.backend ? send_named(w, c) : send_first(w, c);
}
