/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "packet/quic.h"

void quic_service(struct world *w, uint32_t record, const uint16_t configs[SL_QUIC_CONFIGS])
{
	struct sl_service service = w->view->services[record];

	service.flags = configs ? SL_SERVICE_QUIC : 0;
	if (configs)
		memcpy(service.quic, configs, sizeof(service.quic));
	ck_assert_int_eq(w->ops->write_service(w->dp, record, &service), 0);
}

void quic_write_ids(struct world *w, uint32_t record, const struct quic_id *ids, size_t count,
		    bool alone)
{
	size_t listeners = dataplane_listeners(w->view, NULL, 0), kept = 0;
	struct dataplane_listener *list = mem_array(listeners + count, sizeof(*list));

	dataplane_listeners(w->view, list, listeners);
	for (size_t i = 0; i < listeners; i++)
		if (!alone || !dataplane_is_server_id(&list[i]))
			list[kept++] = list[i];
	for (size_t i = 0; i < count; i++)
		list[kept++] =
			dataplane_server_id(record, ids[i].bytes, ids[i].length, ids[i].value);
	ck_assert_int_eq(w->ops->write_listeners(w->dp, list, kept), 0);
	ck_assert_uint_eq(dataplane_listeners(w->view, NULL, 0), kept);
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_eq(
			dataplane_find_server_id(w->view, record, ids[i].bytes, ids[i].length),
			ids[i].value);
	free(list);
}

void quic_events(const struct world *w, uint64_t out[SL_EVENTS])
{
	uint64_t line[SL_COUNTERS_PER_LINE];

	for (uint32_t e = 0; e < SL_EVENTS; e++) {
		dataplane_count(w->view, SL_VERDICT_LINES + e / SL_COUNTERS_PER_LINE, line);
		out[e] = line[e % SL_COUNTERS_PER_LINE];
	}
}
