/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a plan through struct dataplane_ops: all of it, or none of it as far as packets can see.
 *
 * When an operation fails, those before it are undone in reverse, each by its inverse, which is
 * made from what the maps held before it. Undoing passes through the same states as doing did, so
 * it may stop anywhere: should an inverse fail, too, packets still find all that they reach in
 * order, and what is not undone is planned anew against the maps as they are.
 */
#ifndef CORE_APPLY_H
#define CORE_APPLY_H

#include "core/plan.h"
#include "dataplane/dataplane.h"

struct problems;

/* Returns 0, or the negative errno of the operation that failed, which `p` names. */
int apply_plan(const struct plan *plan, const struct dataplane_ops *ops, void *dataplane,
	       const struct dataplane_view *view, struct problems *p);

#endif
