/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has which record, counters line, backend index and region of slots. All of it is read from
 * the maps, which name every service and backend; nothing is kept anywhere else, so a restarted
 * agent knows what its predecessor knew, wherever that one was cut off.
 *
 * Story: a service is in force if the listener table in force names its record; a backend belongs
 * to a service in force. Such things must be in order, or the maps are refused. What is there and
 * is not in force is a leftover of a change that was cut off, whole or half-written: it is
 * retiring, that is taken until a grace period has passed since its last use. A plan (plan.h) takes
 * what is free, retires what it puts out of force, and frees all that retires at its end.
 */
#ifndef CORE_IDS_H
#define CORE_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "dataplane/dataplane.h"

struct problems;

enum ids_state { IDS_FREE, IDS_USED, IDS_RETIRING };

/* Slots of a service; `base` is a multiple of SL_HOT_PER_LINE, so that no cache line is shared. */
struct ids_region {
	uint32_t base, slots;
	enum ids_state state;
};

/* A service in force. */
struct ids_service {
	char name[SL_NAME_SIZE];
	uint32_t record, line; /* line: of counters, as in struct sl_service */
	uint32_t base, slots;
	uint16_t idle_ticks;
	uint16_t flags; /* enum sl_service_flag */
	bool tracks;	/* SL_SERVICE_TRACKS: its flows may have entries */
};

/* A backend of a service in force. */
struct ids_backend {
	uint32_t line; /* its service's */
	struct addr address;
	uint32_t index;
};

struct ids {
	struct sl_limits limits;
	uint8_t *records;	    /* enum ids_state of each; record 0 is never free */
	uint8_t *lines;		    /* of services' counters, the first one at 0 */
	uint8_t *backends;	    /* index 0 is never free */
	struct ids_region *regions; /* sorted by base */
	size_t region_count;
	struct ids_service *services; /* in force, sorted by name */
	size_t service_count;
	struct ids_backend *known; /* of services in force, sorted by line and address */
	size_t known_count;
	struct dataplane_listener *listeners; /* in force, sorted by ids_compare_listeners() */
	size_t listener_count;
};

/* Reads the maps. -EPROTO: they contradict themselves, as `p` says; then *out is empty. */
int ids_read(const struct dataplane_view *view, struct ids *out, struct problems *p);
/*
 * Of `count` slots of a service in force, from `first` on: those that name something else than nobody or a backend of
 * that service. They can be mended one by one.
 */
uint32_t ids_slots_astray(const struct ids *ids, const struct dataplane_view *view,
			  const struct ids_service *service, uint32_t first, uint32_t count);
void ids_copy(const struct ids *from, struct ids *to);
void ids_free(struct ids *ids); /* and leaves it empty */

const struct ids_service *ids_find_service(const struct ids *ids, const char *name);
/* The backends of a service in force, sorted by address; *count of them. */
const struct ids_backend *ids_backends_of(const struct ids *ids, uint32_t line, size_t *count);
int ids_compare_listeners(const void *a, const void *b); /* by address, length, protocol, port */

/* Take what is free, the lowest. Return 0 or -ENOSPC. */
int ids_take_record(struct ids *ids, uint32_t *record);
int ids_take_line(struct ids *ids, uint32_t *line);
int ids_take_backend(struct ids *ids, uint32_t *index);
int ids_take_region(struct ids *ids, uint32_t slots, uint32_t *base);

/* What a plan puts out of force; `keeps_line`: the service goes on in another record. */
void ids_retire_service(struct ids *ids, const struct ids_service *service, bool keeps_line);
void ids_retire_backend(struct ids *ids, uint32_t index);

/* What is left of something, for messages. */
struct ids_room {
	uint32_t all, free, retiring;
	uint32_t largest; /* slots: of the largest hole */
};
struct ids_room ids_room_lines(const struct ids *ids);
struct ids_room ids_room_backends(const struct ids *ids);
struct ids_room ids_room_slots(const struct ids *ids);

#endif
