/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "agent/probeset.h"

static int compare_id(const void *a, const void *b)
{
	uint64_t x = ((const struct wire_probe *)a)->id, y = ((const struct wire_probe *)b)->id;

	return x < y ? -1 : x > y;
}

struct probeset probeset_make(struct arena *arena, struct wire_probe *list, size_t count)
{
	if (count)
		qsort(list, count, sizeof(*list), compare_id);
	return (struct probeset){arena, list, count};
}

void probeset_free(struct probeset *set)
{
	arena_free(set->arena);
	*set = (struct probeset){};
}

const struct wire_probe *probeset_find(const struct probeset *set, uint64_t id)
{
	const struct wire_probe wanted = {.id = id};

	if (!set->count)
		return NULL;
	return bsearch(&wanted, set->list, set->count, sizeof(wanted), compare_id);
}

/* Orders that fill up. */
struct orders {
	struct wire_order order;
	void (*give)(void *arg, const struct wire_order *order);
	void *arg;
};

static void give_full(struct orders *o, size_t full)
{
	if (o->order.remove.count + o->order.set.count < full)
		return;
	o->give(o->arg, &o->order);
	o->order.remove.count = 0;
	o->order.set.count = 0;
}

/* Both are sorted by id. */
void probeset_orders(const struct probeset *from, const struct probeset *to,
		     void (*give)(void *arg, const struct wire_order *order), void *arg)
{
	const struct wire_probe *was = from->list, *was_end = was + from->count;
	const struct wire_probe *is = to->list, *is_end = is + to->count;
	struct orders o = {.give = give, .arg = arg};

	o.order.remove.list = mem_array(WIRE_ORDER_PROBES, sizeof(*o.order.remove.list));
	o.order.set.list = mem_array(WIRE_ORDER_PROBES, sizeof(*o.order.set.list));
	while (was < was_end || is < is_end) {
		if (is == is_end || (was < was_end && was->id < is->id)) {
			o.order.remove.list[o.order.remove.count++] = was++->id;
		} else if (was == was_end || is->id < was->id) {
			o.order.set.list[o.order.set.count++] = *is++;
		} else {
			if (!wire_probe_equal(was, is))
				o.order.set.list[o.order.set.count++] = *is;
			was++;
			is++;
		}
		give_full(&o, WIRE_ORDER_PROBES);
	}
	give_full(&o, 1);
	free(o.order.remove.list);
	free(o.order.set.list);
}
