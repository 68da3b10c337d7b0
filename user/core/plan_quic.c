/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server ids of a service: they lie in the listener table (abi.h), and so are switched to with the service's record.
 * A backend that leaves keeps its id for as long as its index, so that its connections find it until its drain is over;
 * unless another backend has got the id.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/plan_build.h"

_Static_assert(CONFIG_SERVER_ID_MAX == SL_SERVER_ID_MAX, "the maps hold every server id");

void plan_quic_words(const struct config_service *service, uint16_t words[SL_QUIC_CONFIGS])
{
	memset(words, 0, SL_QUIC_CONFIGS * sizeof(*words));
	if (service->affinity != CONFIG_AFFINITY_QUIC)
		return;
	for (size_t i = 0; i < service->quic_count; i++) {
		const struct config_quic *q = &service->quic[i];

		words[q->rotation] = q->server_id_length | q->nonce_length << SL_QUIC_NONCE_SHIFT |
				     (q->encodes_length ? SL_QUIC_ENCODES_LENGTH : 0);
	}
}

/* What the flags of a backend that is down do not say. */
static uint16_t closed(const struct model_backend *backend)
{
	bool is_closed = backend->leaves || (backend->reason != MODEL_TAKES_FLOWS &&
					     !(model_flags(backend->reason) & SL_BACKEND_DOWN));

	return is_closed ? SL_SERVER_ID_CLOSED : 0;
}

static void add(struct plan_builder *b, const struct dataplane_listener *listener)
{
	b->listeners = mem_grow(b->listeners, b->listener_count, sizeof(*b->listeners));
	b->listeners[b->listener_count++] = *listener;
}

static bool is_taken(const struct plan_builder *b, size_t first,
		     const struct dataplane_listener *listener)
{
	for (size_t i = first; i < b->listener_count; i++)
		if (dataplane_is_server_id(&b->listeners[i]) &&
		    addr_equal(&b->listeners[i].address, &listener->address))
			return true;
	return false;
}

/* The ids of a backend that is no longer configured, as they are in force. */
static void add_leaving(struct plan_builder *b, const struct ids_service *old, uint32_t record,
			const struct addr *address, size_t first)
{
	const struct ids_backend *known;
	uint32_t index = 0;
	size_t count;

	known = ids_backends_of(b->before, old->line, &count);
	for (size_t i = 0; i < count; i++)
		if (addr_equal(&known[i].address, address))
			index = known[i].index;
	for (size_t i = 0; index && i < b->before->listener_count; i++) {
		struct dataplane_listener id = b->before->listeners[i];

		if (!dataplane_is_server_id(&id) || (id.service & ~SL_SERVER_ID_CLOSED) != index)
			continue;
		id.port = record;
		id.service = index | SL_SERVER_ID_CLOSED;
		if (!is_taken(b, first, &id))
			add(b, &id);
	}
}

void plan_add_server_ids(struct plan_builder *b, const struct model_service *service,
			 const struct ids_service *old, uint32_t record, const uint16_t *indices)
{
	size_t first = b->listener_count;

	if (service->config->affinity != CONFIG_AFFINITY_QUIC)
		return;
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct model_backend *backend = &service->backends[i];
		const char *text =
			config_find_backend(service->config, &backend->address)->server_ids;
		uint8_t bytes[CONFIG_SERVER_ID_MAX];
		size_t length;

		while ((length = config_server_id(&text, bytes))) {
			struct dataplane_listener id = dataplane_server_id(
				record, bytes, length, indices[i] | closed(backend));

			add(b, &id);
		}
	}
	for (size_t i = 0; old && old->tracks && i < service->leaving_count; i++)
		add_leaving(b, old, record, &service->leaving[i].address, first);
}
