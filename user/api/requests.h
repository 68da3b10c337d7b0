/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of api/ share: one request on its way to a reply. */
#ifndef API_REQUESTS_H
#define API_REQUESTS_H

#include "api/api.h"
#include "base/problem.h"
#include "wire/wire.h"

struct request {
	const struct api *api;
	const struct api_client *client;
	const struct wire_arguments *arguments;
	struct arena *arena; /* of the reply and what it points to */
	/* For what takes time; whoever sets is_promised takes it over. */
	struct api_promise *promise;
	bool is_promised;
	enum wire_kind kind; /* the reply, once it is known */
	const void *data;
	struct problems errors;
};

/* Why a packet is dropped, before the prefix. */
#define DENIED_BY "its source is denied (sluicectl deny list), by "

/*
 * Each fills in kind and data, or takes the promise over, or returns an exit code, explained in the
 * errors.
 */
typedef enum wire_code answer_function(struct request *request);

/* look.c, status.c */
answer_function answer_status, answer_service_list, answer_service_show, answer_backend_list,
	answer_counters, answer_version;
/* probe.c */
answer_function answer_backend_check;
/* events.c */
answer_function answer_events;
/* deny.c */
answer_function answer_deny_add, answer_deny_del, answer_deny_list;
/* doctor.c */
answer_function answer_doctor;
/* flows.c */
answer_function answer_flow_lookup, answer_flow_stats;
/* trace.c */
answer_function answer_trace;
/* change.c */
answer_function answer_check, answer_diff, answer_apply, answer_backend_drain,
	answer_backend_enable, answer_backend_disable, answer_backend_weight, answer_down;

enum wire_code answer_with(struct request *request, enum wire_kind kind, const void *data);

/* The service and the backend that the arguments name; NULL: the errors say so. */
const struct model_service *find_service(struct request *request);
const struct model_backend *find_backend(struct request *request,
					 const struct model_service *service);
/* A backend as a document. */
void describe_backend(struct request *request, const struct model_service *service,
		      const struct model_backend *backend, struct wire_backend *out);

/* health.c: what its probes say of a backend; of a service how it is probed and why its health is ignored, or NULL. */
void describe_health(struct request *request, const struct model_backend *backend,
		     struct wire_backend *out);
void describe_death(const struct engine_holding *holding, struct wire_backend *out);
const char *health_text(struct arena *arena, const struct config_service *service);
/* That fallbacks take the new flows, or NULL. */
const char *fallback_text(const struct model_service *service);
const char *panic_text(struct arena *arena, const struct model_service *service);

/* How far a change of a service's table is, as documents.def's WIRE_SLOTS() says it. */
struct slots_document {
	struct engine_slots slots;
	const char *held_open; /* NULL: only time */
};
struct slots_document describe_slots(struct request *request, const char *service);
const char *track_problem(struct request *request); /* engine_track_problem(), in the arena */

#define SLOTS_FIELDS(document)                                                                    \
	.slots_stable = (document).slots.stable, .slots_moving = (document).slots.moving,         \
	.slots_settling = (document).slots.settling, .changing_for_ms = (document).slots.open_ms, \
	.moving_for_ms = (document).slots.since_ms, .moving_left_ms = (document).slots.left_ms,   \
	.slots_crowded = (document).slots.crowded, .held_open = (document).held_open

/* NULL: no address, no device. */
const char *addr_text(struct arena *arena, const struct addr *address);
const char *device_text(struct arena *arena, const struct net_nexthop *way);

/* "192.0.2.1:443", "[2001:db8::1]:443"; port 0: "any". parse returns 0 or -EINVAL. */
#define ENDPOINT_TEXT_SIZE (PREFIX_TEXT_SIZE + 8)
const char *endpoint_format(const struct addr *address, uint16_t port,
			    char out[ENDPOINT_TEXT_SIZE]);
const char *endpoint_format_prefix(const struct prefix *prefix, uint16_t port,
				   char out[ENDPOINT_TEXT_SIZE]);
int endpoint_parse(const char *text, struct addr *address, uint16_t *port);

#endif
