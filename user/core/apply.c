/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/flow.h>

#include "base/mem.h"
#include "base/problem.h"
#include "core/apply.h"

#define FORGET_TRIES 5

struct run {
	const struct dataplane_ops *ops;
	void *self;
	const struct dataplane_view *view;
	struct plan_operation *inverses; /* of the operations done so far */
	struct arena *arena;		 /* of what they hold */
	/*
	 * Undoing: an inverse has just unmade the way to something, and packets under way may still
	 * reach it.
	 */
	bool is_reached;
};

/* ---- doing ----------------------------------------------------------------------------------- */

static int do_open_way(struct run *run, const struct plan_operation *o)
{
	return run->ops->open_way(run->self, o->index);
}

static int do_clear_counters(struct run *run, const struct plan_operation *o)
{
	return run->ops->clear_counters(run->self, o->index);
}

static int do_write_backend(struct run *run, const struct plan_operation *o)
{
	return run->ops->write_backend(run->self, o->index, o->backend);
}

static int do_write_path(struct run *run, const struct plan_operation *o)
{
	return run->ops->write_path(run->self, o->index, o->path);
}

static int do_write_flags(struct run *run, const struct plan_operation *o)
{
	return run->ops->write_flags(run->self, o->index, o->flags);
}

static int do_write_service(struct run *run, const struct plan_operation *o)
{
	return run->ops->write_service(run->self, o->index, o->service);
}

static int do_write_mss(struct run *run, const struct plan_operation *o)
{
	return run->ops->write_mss(run->self, o->index, o->mss);
}

static int do_write_quic(struct run *run, const struct plan_operation *o)
{
	return run->ops->write_quic(run->self, o->index, o->quic);
}

static int do_write_listeners(struct run *run, const struct plan_operation *o)
{
	return run->ops->write_listeners(run->self, o->listeners, o->count);
}

static int do_store_cold(struct run *run, const struct plan_operation *o)
{
	return run->ops->store_cold(run->self, o->stores, o->count);
}

static int do_store_hot(struct run *run, const struct plan_operation *o)
{
	return run->ops->store_hot(run->self, o->stores, o->count);
}

/* ---- flows of slots that are out of force ---------------------------------------------------- */

struct forgetting {
	const bool *keep;
	size_t lines;
	unsigned int left;
};

static void judge(void *arg, const uint64_t *data, size_t count, bool *over)
{
	const struct forgetting *f = arg;

	for (size_t i = 0; i < count; i++) {
		uint32_t line = sl_flow_slot(data[i]) / SL_HOT_PER_LINE;

		over[i] = line >= f->lines || !f->keep[line];
	}
}

static void stays(void *arg, uint64_t data)
{
	struct forgetting *f = arg;

	(void)data;
	f->left++;
}

/*
 * One that a packet is just replacing is gone after a grace period. No packet writes another one,
 * since none finds these slots any more.
 */
static int do_forget_flows(struct run *run, const struct plan_operation *o)
{
	struct forgetting f = {.keep = o->keep, .lines = o->count};
	const struct dataplane_visitor visitor = {&f, judge, stays};
	int err = 0;

	for (int tries = 0; tries < FORGET_TRIES && !err; tries++) {
		f.left = 0;
		err = run->ops->scan_flows(run->self, &visitor);
		if (!err && !f.left)
			return 0;
		if (!err)
			err = run->ops->grace(run->self);
	}
	return err ? err : -EAGAIN;
}

static int do_grace(struct run *run, const struct plan_operation *o)
{
	(void)o;
	return run->ops->grace(run->self);
}

/* ---- inverses: from what the maps hold before the operation ---------------------------------- */

static void keep_backend(struct run *run, struct plan_operation *o)
{
	struct sl_backend *value = arena_alloc(run->arena, sizeof(*value));

	*value = run->view->backends[o->index];
	/* An index is written with its path in path[0] (dataplane.h). */
	value->path[0] = value->path[value->active & 1];
	value->active = 0;
	memset(&value->path[1], 0, sizeof(value->path[1]));
	o->backend = value;
}

static void keep_path(struct run *run, struct plan_operation *o)
{
	const struct sl_backend *backend = &run->view->backends[o->index];
	struct sl_path *value = arena_alloc(run->arena, sizeof(*value));

	*value = backend->path[backend->active & 1];
	o->path = value;
}

static void keep_flags(struct run *run, struct plan_operation *o)
{
	o->flags = run->view->backends[o->index].flags;
}

static void keep_service(struct run *run, struct plan_operation *o)
{
	struct sl_service *value = arena_alloc(run->arena, sizeof(*value));

	*value = run->view->services[o->index];
	o->service = value;
}

static void keep_mss(struct run *run, struct plan_operation *o)
{
	o->mss = run->view->services[o->index].mss;
}

static void keep_quic(struct run *run, struct plan_operation *o)
{
	memcpy(o->quic, run->view->services[o->index].quic, sizeof(o->quic));
}

static void keep_listeners(struct run *run, struct plan_operation *o)
{
	size_t count = dataplane_listeners(run->view, NULL, 0);
	struct dataplane_listener *list = arena_alloc(run->arena, count * sizeof(*list) + 1);

	o->count = dataplane_listeners(run->view, list, count);
	o->listeners = list;
}

static struct dataplane_store *copy_stores(struct run *run, struct plan_operation *o)
{
	struct dataplane_store *list = arena_alloc(run->arena, o->count * sizeof(*list));

	memcpy(list, o->stores, o->count * sizeof(*list));
	o->stores = list;
	return list;
}

static void keep_cold(struct run *run, struct plan_operation *o)
{
	struct dataplane_store *list = copy_stores(run, o);

	for (size_t i = 0; i < o->count; i++)
		list[i].word = dataplane_cold(run->view, list[i].slot);
}

static void keep_hot(struct run *run, struct plan_operation *o)
{
	struct dataplane_store *list = copy_stores(run, o);

	for (size_t i = 0; i < o->count; i++)
		list[i].word = dataplane_hot(run->view, list[i].slot);
}

/* What each kind of operation is. Without `keep` it leaves nothing to be undone. */
static const struct {
	int (*run)(struct run *run, const struct plan_operation *o);
	void (*keep)(struct run *run, struct plan_operation *o);
} kinds[PLAN_KINDS] = {
	[PLAN_OPEN_WAY] = {do_open_way, NULL},
	[PLAN_CLEAR_COUNTERS] = {do_clear_counters, NULL},
	[PLAN_WRITE_BACKEND] = {do_write_backend, keep_backend},
	[PLAN_WRITE_PATH] = {do_write_path, keep_path},
	[PLAN_WRITE_FLAGS] = {do_write_flags, keep_flags},
	[PLAN_WRITE_SERVICE] = {do_write_service, keep_service},
	[PLAN_WRITE_MSS] = {do_write_mss, keep_mss},
	[PLAN_WRITE_QUIC] = {do_write_quic, keep_quic},
	[PLAN_WRITE_LISTENERS] = {do_write_listeners, keep_listeners},
	[PLAN_STORE_COLD] = {do_store_cold, keep_cold},
	[PLAN_STORE_HOT] = {do_store_hot, keep_hot},
	[PLAN_FORGET_FLOWS] = {do_forget_flows, NULL},
	[PLAN_GRACE] = {do_grace, NULL},
};

/* ---- undoing --------------------------------------------------------------------------------- */

/* Whether an inverse takes a new record or index away again. */
static bool is_wipe(const struct plan_operation *inverse)
{
	return (inverse->kind == PLAN_WRITE_BACKEND && !inverse->backend->family) ||
	       (inverse->kind == PLAN_WRITE_SERVICE && !inverse->service->name[0]);
}

static int undo_one(struct run *run, const struct plan_operation *inverse)
{
	int err = 0;

	if (is_wipe(inverse) && run->is_reached)
		err = run->ops->grace(run->self);
	if (err)
		return err;
	run->is_reached = !is_wipe(inverse);
	return kinds[inverse->kind].run(run, inverse);
}

/*
 * Wipes that fail are left: what they were to wipe is reached by no packet, and retires as a
 * leftover (ids.h). Any other inverse that fails ends the undoing, since those before it rely on
 * it.
 */
static void undo(struct run *run, size_t done, struct problems *p)
{
	bool leave_wipes = false;

	for (size_t i = done; i-- > 0;) {
		const struct plan_operation *inverse = &run->inverses[i];
		int err;

		if (!kinds[inverse->kind].keep || (leave_wipes && is_wipe(inverse)))
			continue;
		err = undo_one(run, inverse);
		if (!err)
			continue;
		problems_add(
			p, err, "undo", inverse->text,
			"cannot be undone (%s); packets find all that they reach in order, and the "
			"agent goes on trying",
			strerror(-err));
		leave_wipes = true;
		if (!is_wipe(inverse))
			return;
	}
}

int apply_plan(const struct plan *plan, const struct dataplane_ops *ops, void *dataplane,
	       const struct dataplane_view *view, struct problems *p)
{
	struct run run = {
		.ops = ops,
		.self = dataplane,
		.view = view,
		.inverses = mem_array(plan->count, sizeof(*run.inverses)),
		.arena = arena_new(),
	};
	int err = 0;

	for (size_t i = 0; i < plan->count && !err; i++) {
		const struct plan_operation *o = &plan->list[i];

		run.inverses[i] = *o;
		if (kinds[o->kind].keep)
			kinds[o->kind].keep(&run, &run.inverses[i]);
		err = kinds[o->kind].run(&run, o);
		if (err) {
			problems_add(p, err, "change", o->text,
				     "failed (%s), so all of the change is taken back",
				     strerror(-err));
			undo(&run, i, p);
		}
	}
	arena_free(run.arena);
	free(run.inverses);
	return err;
}
