/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dataplane/flows.h"
#include "unit/support/fake_dataplane.h"

/* ---- life ------------------------------------------------------------------------------------ */

/* Every array: its number of elements follows from the limits. */
#define ARRAYS(each, l)                                 \
	each(listeners4, 2 * sl_listener_buckets4(l));  \
	each(listeners6, 2 * sl_listener_buckets6(l));  \
	each(services, sl_service_records(l));          \
	each(hot, (l)->slots / SL_HOT_PER_LINE);        \
	each(cold, (l)->slots / SL_COLD_PER_LINE);      \
	each(flows, (l)->flows / SL_FLOWS_PER_BUCKET);  \
	each(fragments, sl_fragment_buckets(l));        \
	each(backends, (l)->backends + 1);              \
	each(counters, (l)->cpus *sl_counter_lines(l)); \
	each(leaving_services, sl_service_records(l));  \
	each(leaving_backends, (l)->backends + 1)

struct fake *fake_new(const struct sl_limits *limits)
{
	struct fake *fake = mem_alloc(sizeof(*fake));

#define MAKE(array, count) fake->array = mem_array(count, sizeof(*fake->array))
	ARRAYS(MAKE, limits);
#undef MAKE
	fake->is_checked = true;
	fake->view = (struct dataplane_view){
		.limits = *limits,
		.meta = &fake->meta,
		.control = &fake->control,
		.listeners4 = fake->listeners4,
		.listeners6 = fake->listeners6,
		.services = fake->services,
		.hot = fake->hot,
		.cold = fake->cold,
		.flows = fake->flows,
		.fragments = fake->fragments,
		.backends = fake->backends,
		.counters = fake->counters,
		.places = flows_places(fake->meta.host_key, limits->flows),
		.tick_ns = 1000000000,
	};
	return fake;
}

struct fake *fake_copy(const struct fake *from)
{
	struct fake *to = fake_new(&from->view.limits);

	to->meta = from->meta;
	to->control = from->control;
#define COPY(array, count) memcpy(to->array, from->array, (count) * sizeof(*to->array))
	ARRAYS(COPY, &from->view.limits);
#undef COPY
	memcpy(to->ways, from->ways, sizeof(to->ways));
	to->way_count = from->way_count;
	return to;
}

void fake_free(struct fake *fake)
{
#define FREE(array, count) free(fake->array)
	ARRAYS(FREE, NULL);
#undef FREE
	free(fake);
}

/* ---- flows ----------------------------------------------------------------------------------- */

void fake_insert(struct fake *fake, uint64_t hash, uint32_t slot, uint32_t backend, uint32_t tick)
{
	const struct flows_places *places = &fake->view.places;
	struct sl_flow_place place =
		sl_flow_place(hash, places->xored, places->factor, places->mask, places->page);

	for (int way = 0; way < 2 * SL_FLOWS_PER_BUCKET; way++) {
		struct sl_flow *flow = &fake->flows[place.bucket[way / SL_FLOWS_PER_BUCKET]]
						.entry[way % SL_FLOWS_PER_BUCKET];

		if (flow->data & SL_FLOW_BACKEND)
			continue;
		flow->check = sl_flow_check(hash, backend);
		flow->data = sl_flow_data(slot, 0, backend, tick) |
			     ((flow->data + SL_FLOW_COUNT_ONE) & SL_FLOW_COUNT);
		return;
	}
	ck_abort_msg("no room for a flow");
}

void fake_refresh(struct fake *fake, uint64_t hash, uint32_t tick)
{
	for (uint32_t i = 0; i < fake->view.limits.flows; i++) {
		struct sl_flow *flow =
			&fake->flows[i / SL_FLOWS_PER_BUCKET].entry[i % SL_FLOWS_PER_BUCKET];

		if (sl_flow_in_use(flow->data) &&
		    flow->check == sl_flow_check(hash, sl_flow_backend(flow->data)))
			flow->data = (flow->data & ~SL_FLOW_TICK) | (tick & SL_FLOW_TICK);
	}
}

uint32_t fake_entry(const struct fake *fake, uint64_t hash)
{
	uint64_t data;

	return flows_find(fake->flows, &fake->view.places, hash, &data) ? sl_flow_backend(data)
									: SL_NOBODY;
}

unsigned int fake_entries_of_slot(const struct fake *fake, uint32_t slot)
{
	unsigned int count = 0;

	for (uint32_t i = 0; i < fake->view.limits.flows; i++) {
		uint64_t data =
			fake->flows[i / SL_FLOWS_PER_BUCKET].entry[i % SL_FLOWS_PER_BUCKET].data;

		count += data & SL_FLOW_BACKEND && sl_flow_slot(data) == slot;
	}
	return count;
}

bool fake_has_way(const struct fake *fake, uint32_t ifindex)
{
	for (unsigned int i = 0; i < fake->way_count; i++)
		if (fake->ways[i] == ifindex)
			return true;
	return false;
}

/* ---- operations ------------------------------------------------------------------------------ */

/*
 * Counts a call; true: it is one that fails. What was reached before it may still be read after it.
 */
static bool begin(struct fake *fake)
{
	fake->calls++;
	if (fake->fail_at &&
	    (fake->calls == fake->fail_at ||
	     (fake->fails_on && fake->calls > fake->fail_at &&
	      fake->calls * 2654435761u >> 31))) /* Knuth's multiplier: no pattern */
		return true;
	if (fake->is_checked)
		fake_mark_reached(fake, fake->leaving_services, fake->leaving_backends);
	return false;
}

static int end(struct fake *fake)
{
	if (fake->is_checked)
		fake_check(fake);
	return 0;
}

static int write_service(void *self, uint32_t record, const struct sl_service *value)
{
	struct fake *fake = self;

	if (begin(fake))
		return -EIO;
	ck_assert_uint_gt(record, 0);
	ck_assert_uint_lt(record, sl_service_records(&fake->view.limits));
	ck_assert_msg(!fake->leaving_services[record], "record %u may still be read", record);
	fake->services[record] = *value;
	return end(fake);
}

static int write_backend(void *self, uint32_t index, const struct sl_backend *value)
{
	struct fake *fake = self;

	if (begin(fake))
		return -EIO;
	ck_assert_uint_gt(index, 0);
	ck_assert_uint_le(index, fake->view.limits.backends);
	ck_assert_msg(!fake->leaving_backends[index], "index %u may still be read", index);
	ck_assert_uint_eq(value->active, 0);
	fake->backends[index] = *value;
	return end(fake);
}

static int write_path(void *self, uint32_t index, const struct sl_path *path)
{
	struct fake *fake = self;
	struct sl_backend *backend = &fake->backends[index];

	if (begin(fake))
		return -EIO;
	ck_assert_msg(!path->ifindex || fake_has_way(fake, path->ifindex), "way %u is not open",
		      path->ifindex);
	ck_assert_uint_ne(backend->family, 0);
	backend->path[!backend->active] = *path;
	backend->active = !backend->active;
	return end(fake);
}

static int write_flags(void *self, uint32_t index, uint32_t flags)
{
	struct fake *fake = self;

	if (begin(fake))
		return -EIO;
	fake->backends[index].flags = flags;
	return end(fake);
}

static int write_mss(void *self, uint32_t record, uint16_t mss)
{
	struct fake *fake = self;

	if (begin(fake))
		return -EIO;
	fake->services[record].mss = mss;
	return end(fake);
}

static int write_quic(void *self, uint32_t record, const uint16_t quic[SL_QUIC_CONFIGS])
{
	struct fake *fake = self;

	if (begin(fake))
		return -EIO;
	memcpy(fake->services[record].quic, quic, sizeof(fake->services[record].quic));
	return end(fake);
}

static int clear_counters(void *self, uint32_t line)
{
	struct fake *fake = self;
	uint32_t lines = sl_counter_lines(&fake->view.limits);

	if (begin(fake))
		return -EIO;
	ck_assert_uint_lt(line, lines);
	for (uint32_t cpu = 0; cpu < fake->view.limits.cpus; cpu++)
		fake->counters[cpu * lines + line] = (struct sl_counter_line){};
	return end(fake);
}

static int write_listeners(void *self, const struct dataplane_listener *list, size_t count)
{
	struct fake *fake = self;
	uint64_t spare = ~fake->control.listeners & SL_LISTENERS_HALF, word;
	uint32_t max4 = sl_listener_buckets4(&fake->view.limits);
	uint32_t max6 = sl_listener_buckets6(&fake->view.limits);
	int err;

	if (begin(fake))
		return -EIO;
	err = listeners_build(list, count, fake->listeners4 + spare * max4, max4,
			      fake->listeners6 + spare * max6, max6, &word);
	if (err)
		return err;
	fake->control.listeners = word | spare;
	return end(fake);
}

static int store_cold(void *self, const struct dataplane_store *stores, size_t count)
{
	struct fake *fake = self;

	if (begin(fake))
		return -EIO;
	for (size_t i = 0; i < count; i++)
		fake->cold[stores[i].slot / SL_COLD_PER_LINE]
			.word[stores[i].slot % SL_COLD_PER_LINE] = stores[i].word;
	return end(fake);
}

static int store_hot(void *self, const struct dataplane_store *stores, size_t count)
{
	struct fake *fake = self;

	if (begin(fake))
		return -EIO;
	for (size_t i = 0; i < count; i++)
		fake->hot[stores[i].slot / SL_HOT_PER_LINE].word[stores[i].slot % SL_HOT_PER_LINE] =
			stores[i].word;
	return end(fake);
}

static int swap_cold(void *self, struct dataplane_swap *swaps, size_t count)
{
	struct fake *fake = self;

	if (begin(fake))
		return -EIO;
	if (fake->before_swap)
		fake->before_swap(fake);
	for (size_t i = 0; i < count; i++) {
		__u32 *word = &fake->cold[swaps[i].slot / SL_COLD_PER_LINE]
				       .word[swaps[i].slot % SL_COLD_PER_LINE];

		swaps[i].done = *word == swaps[i].from;
		if (swaps[i].done)
			*word = swaps[i].to;
	}
	return end(fake);
}

static int write_idle(void *self, uint32_t record, uint32_t ticks)
{
	struct fake *fake = self;

	if (begin(fake))
		return -EIO;
	ck_assert_uint_le(ticks, UINT16_MAX);
	fake->services[record].idle_ticks = ticks;
	return end(fake);
}

static int write_longest(void *self, uint16_t ticks)
{
	struct fake *fake = self;

	if (begin(fake))
		return -EIO;
	fake->control.longest_ticks = ticks;
	return end(fake);
}

static int scan_flows(void *self, const struct dataplane_visitor *visitor)
{
	struct fake *fake = self;

	if (begin(fake))
		return -EIO;
	flows_scan(fake->flows, fake->view.limits.flows, visitor);
	return end(fake);
}

static int read_clock(void *self, uint32_t *now)
{
	const struct fake *fake = self;

	*now = fake->now;
	return 0;
}

static int open_way(void *self, uint32_t ifindex)
{
	struct fake *fake = self;

	if (begin(fake))
		return -EIO;
	if (!fake_has_way(fake, ifindex)) {
		ck_assert_uint_lt(fake->way_count, ARRAY_SIZE(fake->ways));
		fake->ways[fake->way_count++] = ifindex;
	}
	return end(fake);
}

static int grace(void *self)
{
	struct fake *fake = self;

	if (begin(fake))
		return -EIO;
	memset(fake->leaving_services, 0, sl_service_records(&fake->view.limits) * sizeof(bool));
	memset(fake->leaving_backends, 0, (fake->view.limits.backends + 1) * sizeof(bool));
	fake->graces++;
	if (fake->is_checked)
		fake_mark_reached(fake, fake->leaving_services, fake->leaving_backends);
	return end(fake);
}

static void set_revision(void *self, uint64_t revision)
{
	struct fake *fake = self;

	fake->meta.revision = revision;
}

const struct dataplane_ops *fake_operations(void)
{
	static const struct dataplane_ops ops = {
#define DATAPLANE_OPERATION(name, function) .name = function,
#include "dataplane/operations.def"
	};

	return &ops;
}
