/* SPDX-License-Identifier: GPL-2.0-or-later */
/* docs/quic.md: the backend that a connection id names (RFC 8999, draft-ietf-quic-load-balancers, plaintext form). */
#include <string.h>

#include "reference/reference.h"

static const struct reference_server_id *find(const struct reference_service *service,
					      const uint8_t *id, size_t length)
{
	for (size_t i = 0; i < service->ids_count; i++)
		if (service->ids[i].length == length && !memcmp(service->ids[i].bytes, id, length))
			return &service->ids[i];
	return NULL;
}

/* Whether the id can be one of this configuration. `said`: the length that a long header gives, or 0. */
static bool is_well_formed(const struct reference_quic *config, const uint8_t *id, size_t there,
			   size_t said)
{
	size_t length = 1 + config->server_id + config->nonce;

	if (there < length || (said && said != length))
		return false;
	return !config->encodes_length || (id[0] & 31u) == length - 1;
}

uint8_t reference_quic(const struct reference *r, const struct reference_service *service,
		       const uint8_t *datagram, size_t length, size_t there)
{
	bool is_long = length && there && datagram[0] & 0x80;
	size_t at = is_long ? 6 : 1, said = 0;
	const struct reference_server_id *id;
	const struct reference_quic *config;

	/* RFC 9001 section 5.4.2: 20 bytes follow the id; so 16 follow where it begins, or the datagram is not QUIC's. */
	if (length < at + 16 || there < at + 16)
		return 0;
	if (is_long) {
		said = datagram[5];
		if (!said)
			return 0;
	}
	if (datagram[at] >> 5 == 7)
		return 0;
	config = &service->quic[datagram[at] >> 5];
	if (!config->server_id || !is_well_formed(config, datagram + at, length - at, said))
		return 0;
	id = find(service, datagram + at + 1, config->server_id);
	if (!id || r->backends[id->backend].is_dead)
		return 0;
	/* Only a long header can begin a connection. */
	if (is_long && (id->is_closed || r->backends[id->backend].is_down))
		return 0;
	return id->backend;
}
