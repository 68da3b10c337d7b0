/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A listener table in memory of its own. */
#ifndef TESTS_LISTENERS_H
#define TESTS_LISTENERS_H

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dataplane/dataplane.h"

/* A view over a test's own arrays, as large as the limits say. */
struct fixture {
	struct dataplane_view view;
	struct sl_control control;
	struct sl_listeners4 *buckets4;
	struct sl_listeners6 *buckets6;
};

static inline void make_fixture(struct fixture *f, uint32_t listeners)
{
	memset(f, 0, sizeof(*f));
	f->view.limits.listeners = listeners;
	f->buckets4 = mem_array(sl_listener_buckets4(&f->view.limits), sizeof(*f->buckets4));
	f->buckets6 = mem_array(sl_listener_buckets6(&f->view.limits), sizeof(*f->buckets6));
	f->view.control = &f->control;
	f->view.listeners4 = f->buckets4;
	f->view.listeners6 = f->buckets6;
}

static inline void free_fixture(struct fixture *f)
{
	free(f->buckets4);
	free(f->buckets6);
}

static inline int build(struct fixture *f, const struct dataplane_listener *list, size_t count)
{
	uint64_t word;
	int err = listeners_build(list, count, f->buckets4, sl_listener_buckets4(&f->view.limits),
				  f->buckets6, sl_listener_buckets6(&f->view.limits), &word);

	if (!err)
		f->control.listeners = word;
	return err;
}

#endif
