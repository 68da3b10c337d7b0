/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configurations and frames at random, each the same whenever it is asked for by the same seed. */
#ifndef REFERENCE_SCENE_H
#define REFERENCE_SCENE_H

#include "dataplane/dataplane.h"
#include "reference/reference.h"

/* What a balancer is loaded with. */
struct scene {
	struct dataplane_features features;
	struct sl_vlans vlans;
	struct reference reference;
};

/* For maps that hold any scene. */
extern const struct sl_limits scene_limits;

/* The interface that frames come in by, and another one. */
#define SCENE_IFINDEX 1
extern uint32_t scene_other_ifindex; /* 0: there is none; set before scenes are made */

void scene_make(uint64_t seed, struct scene *out);
/* Writes a scene into maps. Returns 0 or what the operation that failed said. */
int scene_fill(const struct scene *scene, const struct dataplane_ops *ops, void *self);
/* The sources that it denies, for dataplane_write_denied(). */
size_t scene_denied(const struct scene *scene, struct prefix out[REFERENCE_DENIED]);
void scene_print(const struct scene *scene);

/* frames.c: the frames of a seed, one after the other. */
void frames_start(uint64_t seed);
void frames_make(const struct scene *scene, struct reference_frame *out);
/*
 * Changes a frame that has been sent as `out` so that the checksum before it becomes one of those at the ends of its range,
 * where a carry that is lost would show. Returns whether it was changed.
 */
bool frames_aim(struct reference_frame *in, const struct reference_frame *out);

#endif
