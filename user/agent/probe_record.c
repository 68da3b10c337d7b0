/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/probe_record.h"
#include "base/mem.h"
#include "base/text.h"
#include "dataplane/probe.h"

static const char *address_text(struct arena *arena, const struct addr *address)
{
	char text[ADDR_TEXT_SIZE];

	return addr_is_none(address) ? NULL : arena_string(arena, addr_format(address, text));
}

/* The bytes that a configured text stands for, in hexadecimal. */
static const char *bytes_text(struct arena *arena, const char *text)
{
	uint8_t *bytes;
	size_t count;
	char *hex;

	if (!text)
		return NULL;
	bytes = mem_alloc(strlen(text) + 1);
	count = config_unescape(text, bytes);
	hex = arena_alloc(arena, 2 * count + 1);
	text_format_hex(bytes, count, hex);
	free(bytes);
	return hex;
}

void probe_record(const struct health_probe *probe, const struct probe_way *way,
		  struct arena *arena, struct wire_probe *out)
{
	const struct config_health *how = probe->how;

	*out = (struct wire_probe){
		.id = probe->id,
		.kind = config_health_kind_name(how->kind),
		.service = arena_string(arena, probe->service),
		.backend = address_text(arena, &probe->backend),
		.address = address_text(arena, &probe->address),
		.port = probe->port,
		.interval_ms = how->interval_ms,
		.timeout_ms = how->timeout_ms,
		.retry_ms = how->retry_ms,
		.path = arena_string(arena, how->path),
		.host = arena_string(arena, how->host),
		.method = arena_string(arena, how->method),
		.match = arena_string(arena, how->match),
		.status = arena_string(arena, how->status),
		.verify = how->verify,
		.ca_file = arena_string(arena, how->ca_file),
		.server_name = arena_string(arena, how->server_name),
		.query_name = arena_string(arena, how->query_name),
		.query_type = how->query_type,
		.send = bytes_text(arena, how->send),
		.expect = bytes_text(arena, how->expect),
		.command = arena_string(arena, how->command),
	};
	if (!way)
		return;
	out->mark = dataplane_probe_mark(way->index);
	out->device = arena_string(arena, way->device);
	out->source = address_text(arena, &way->source);
}
