/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server ids of a service: they lie in the listener table (abi.h), and so are switched to with the service's record.
 * A backend that leaves keeps its id for as long as its index, so that its connections find it until its drain is over;
 * unless another backend has got the id.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/table.h"
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

/* Which indices are those of backends that leave: by index. */
static bool *mark_leaving(const struct plan_builder *b, const struct model_service *service,
			  const struct ids_service *old)
{
	bool *leaves = mem_array(b->view->limits.backends + 1, sizeof(*leaves));
	const struct ids_backend *known;
	size_t count;

	known = ids_backends_of(b->before, old->line, &count);
	for (size_t i = 0; i < count; i++)
		leaves[known[i].index] = model_find_leaving(service, &known[i].address);
	return leaves;
}

/* The ids of backends that are no longer configured, as they are in force, but for those that others have got. */
static void add_leaving(struct plan_builder *b, const struct model_service *service,
			const struct ids_service *old, uint32_t record, struct table *taken)
{
	bool *leaves = mark_leaving(b, service, old);

	for (size_t i = 0; i < b->before->listener_count; i++) {
		struct dataplane_listener id = b->before->listeners[i];
		uint32_t index = id.service & ~SL_SERVER_ID_CLOSED;

		if (!dataplane_is_server_id(&id) || !leaves[index] ||
		    table_get(taken, id.address.bytes, sizeof(id.address.bytes)))
			continue;
		id.port = record;
		id.service = index | SL_SERVER_ID_CLOSED;
		add(b, &id);
	}
	free(leaves);
}

/* The ids of backends that are configured; `taken`: they are written down there. */
static void add_configured(struct plan_builder *b, const struct model_service *service,
			   uint32_t record, const uint16_t *indices, struct table *taken)
{
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
			table_set(taken, id.address.bytes, sizeof(id.address.bytes), b);
		}
	}
}

void plan_add_server_ids(struct plan_builder *b, const struct model_service *service,
			 const struct ids_service *old, uint32_t record, const uint16_t *indices)
{
	struct table *taken;

	if (service->config->affinity != CONFIG_AFFINITY_QUIC)
		return;
	taken = table_new();
	add_configured(b, service, record, indices, taken);
	if (old && old->tracks && service->leaving_count)
		add_leaving(b, service, old, record, taken);
	table_free(taken);
}
