/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `affinity: quic`: what it needs, and what is of no use without it. Each backend has one server id of each length that
 * connection ids may have, and no two backends of a service have the same one, whatever their addresses' families.
 */
#include <string.h>

#include "base/mem.h"
#include "base/table.h"
#include "config/schema.h"

#define ID_LENGTH_MAX 20 /* bytes of a connection id: RFC 9000, section 17.2 */

size_t config_server_id(const char **text, uint8_t bytes[CONFIG_SERVER_ID_MAX])
{
	size_t digits = *text ? strcspn(*text, ",") : 0;
	char hex[2 * CONFIG_SERVER_ID_MAX + 1] = "";

	if (!digits || digits >= sizeof(hex))
		return 0;
	memcpy(hex, *text, digits);
	*text += digits + ((*text)[digits] == ',');
	return text_parse_hex(hex, bytes, digits / 2) ? 0 : digits / 2;
}

/* A server id, and the lengths that are in use. */
struct ids {
	struct reading *r;
	const struct value *service;
	struct table *first; /* of values, by their bytes */
	bool is_wanted[CONFIG_SERVER_ID_MAX + 1];
};

static void check_lengths(struct ids *ids, const struct value *config)
{
	const struct value *server_id = VALUE(config, quic, server_id_length);
	const struct value *nonce = VALUE(config, quic, nonce_length);

	if (!server_id->set || !nonce->set)
		return;
	ids->is_wanted[server_id->number] = true;
	if (1 + server_id->number + nonce->number > ID_LENGTH_MAX)
		reading_error(ids->r, nonce->node, NULL,
			      "makes connection ids of %llu bytes, the first octet and the server "
			      "id included; QUIC has at most %d: make it %llu or less",
			      (unsigned long long)(1 + server_id->number + nonce->number),
			      ID_LENGTH_MAX,
			      (unsigned long long)(ID_LENGTH_MAX - 1 - server_id->number));
}

static void check_id(struct ids *ids, const struct value *id, const struct value *seen[])
{
	uint8_t bytes[CONFIG_SERVER_ID_MAX];
	const char *text = id->text;
	size_t length = config_server_id(&text, bytes);
	const struct value *other = table_get(ids->first, bytes, length);

	if (!ids->is_wanted[length])
		reading_error(ids->r, id->node, NULL,
			      "is of %zu byte%s, which no server-id-length of service %s is",
			      length, length == 1 ? "" : "s", value_name(ids->service));
	else if (other)
		reading_error(ids->r, id->node, NULL,
			      "is the server id of another backend of service %s, too (line %u): "
			      "each has its own",
			      value_name(ids->service), other->node->place.line);
	else if (seen[length])
		reading_error(ids->r, id->node, NULL,
			      "is a second one of %zu bytes: a backend has one of each length",
			      length);
	seen[length] = id;
	if (!other)
		table_set(ids->first, bytes, length, (void *)id);
}

static void check_backend(struct ids *ids, const struct value *backend)
{
	const struct value *list = VALUE(backend, backend, server_id);
	const struct value *seen[CONFIG_SERVER_ID_MAX + 1] = {NULL};

	if (value_is_given(list) && !list->set)
		return; /* it is wrong, and that has been said */
	for (size_t i = 0; i < list->count; i++) {
		if (!list->items[i].set)
			return;
		check_id(ids, &list->items[i], seen);
	}
	for (size_t length = 1; length <= CONFIG_SERVER_ID_MAX; length++)
		if (ids->is_wanted[length] && !seen[length])
			reading_error(ids->r, backend->node, "server-id",
				      "is missing, or has none of %zu bytes, which connection ids "
				      "of service %s may name",
				      length, value_name(ids->service));
}

static void check_protocol(struct ids *ids)
{
	const struct value *protocols = VALUE(ids->service, service, protocol);

	for (size_t i = 0; i < protocols->count; i++)
		if (protocols->items[i].set && protocols->items[i].number != CONFIG_UDP) {
			reading_error(ids->r, ids->service->node, "protocol",
				      "has to be udp alone with affinity: quic; give TCP a service "
				      "of its own");
			return;
		}
}

static void check_service(struct reading *r, const struct value *service)
{
	const struct value *configs = VALUE(service, service, quic);
	const struct value *backends = VALUE(service, service, backends);
	struct ids ids = {.r = r, .service = service};

	check_protocol(&ids);
	if (!configs->set) {
		if (!value_is_given(configs))
			reading_error(r, service->node, "quic",
				      "is missing; affinity: quic needs to know how connection ids "
				      "are made, such as {rotation: 0, server-id-length: 2, "
				      "nonce-length: 6}");
		return;
	}
	for (size_t i = 0; i < configs->count; i++)
		if (configs->items[i].set)
			check_lengths(&ids, &configs->items[i]);
	ids.first = table_new();
	for (size_t i = 0; i < backends->count && !reading_is_hopeless(r); i++)
		if (backends->items[i].set)
			check_backend(&ids, &backends->items[i]);
	table_free(ids.first);
}

/* A `quic` in `defaults` is there for those that want it. */
static void refuse_useless(struct reading *r, const struct value *service)
{
	const struct value *configs = VALUE(service, service, quic);
	const struct value *backends = VALUE(service, service, backends);

	if (value_is_given(configs) && configs->node->parent == service->node)
		reading_error(r, configs->node, NULL,
			      "is of no use without affinity: quic, which service %s has not",
			      value_name(service));
	for (size_t i = 0; i < backends->count && !reading_is_hopeless(r); i++) {
		const struct value *id = backends->items[i].set
						 ? VALUE(&backends->items[i], backend, server_id)
						 : NULL;

		if (id && value_is_given(id) && id->count && id->items[0].set)
			reading_error(r, id->node, NULL,
				      "is of no use without affinity: quic, which service %s has "
				      "not",
				      value_name(service));
	}
}

void check_quic(struct reading *r, const struct value *root)
{
	const struct value *services = VALUE(root, root, services);

	for (size_t i = 0; i < services->count && !reading_is_hopeless(r); i++) {
		const struct value *service = &services->items[i];
		const struct value *affinity =
			service->set ? VALUE(service, service, affinity) : NULL;

		if (!affinity || !affinity->set)
			continue;
		if (affinity->number == CONFIG_AFFINITY_QUIC)
			check_service(r, service);
		else
			refuse_useless(r, service);
	}
}
