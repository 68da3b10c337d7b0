/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan that is being made: shared by plan.c (the whole), plan_service.c (one service) and plan_backends.c (its backends). */
#ifndef CORE_PLAN_BUILD_H
#define CORE_PLAN_BUILD_H

#include "core/plan.h"

enum plan_phase {
	PHASE_PREPARE,
	PHASE_FILL,
	PHASE_LISTENERS,
	PHASE_COLD,
	PHASE_HOT,
	PHASE_LATE,
	PHASE_FREE,
	PHASE_LOST,
	PHASES
};

struct plan_list {
	struct plan_operation *list;
	size_t count;
};

struct plan_builder {
	struct plan *plan;
	const struct dataplane_view *view;
	const struct ids *before;
	struct ids after; /* what is taken and retired so far */
	struct tables *tables;
	struct plan_list phases[PHASES];
	struct dataplane_listener *listeners; /* wanted */
	size_t listener_count;
	uint32_t *ways; /* opened so far, by ifindex */
	size_t way_count;
	bool forgets; /* a service whose flows were tracked goes */
	struct problems *p;
};

/* Appends to a phase; `format` is the sentence. */
void plan_add(struct plan_builder *b, enum plan_phase phase, struct plan_operation operation,
	      const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Appends the freeing of a record or a backend's index; `what` names it. */
void plan_free_record(struct plan_builder *b, uint32_t record, const char *what);
void plan_free_backend(struct plan_builder *b, uint32_t index, const char *what);
/* Wants the listeners of a service to lead to its record. */
void plan_add_listeners(struct plan_builder *b, const struct config_service *service,
			uint32_t record);

/* Wants its connection ids to name its backends (plan_quic.c): `indices` are those of its backends, in their order. */
void plan_add_server_ids(struct plan_builder *b, const struct model_service *service,
			 const struct ids_service *old, uint32_t record, const uint16_t *indices);
/* How a service's connection ids are made, as its record has it. */
void plan_quic_words(const struct config_service *service, uint16_t words[SL_QUIC_CONFIGS]);

/* What is planned of one service. */
struct service_plan {
	struct plan_builder *b;
	const struct model_service *wanted;
	const struct ids_service *old; /* NULL: a new service */
	uint32_t line, record, base;
	uint16_t *indices; /* of wanted->backends */
	uint16_t *table;   /* the index in each slot */
	uint16_t flags;	   /* enum sl_service_flag */
	bool tracks; /* of these: flows are kept, slots and backends' flags are changed by track.h */
};

/* Plans a service that is wanted. Returns 0, or -ENOSPC or -EINVAL explained in b->p. */
int plan_service(struct plan_builder *b, const struct model_service *service);
/* Plans its backends, and fills in s->indices; s->line is known. Returns 0, or -ENOSPC explained in b->p. */
int plan_backends(struct service_plan *s);

#endif
