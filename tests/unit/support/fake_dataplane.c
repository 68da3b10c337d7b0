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

/* ---- what packets reach ---------------------------------------------------------------------- */

static size_t list_listeners(const struct fake *fake, struct dataplane_listener **out)
{
	size_t count = dataplane_listeners(&fake->view, NULL, 0);

	*out = mem_array(count, sizeof(**out));
	dataplane_listeners(&fake->view, *out, count);
	return count;
}

/* Marks the records that listeners name, and the backends that their slots name. */
static void mark_reached(const struct fake *fake, bool *services, bool *backends)
{
	struct dataplane_listener *list;
	size_t count = list_listeners(fake, &list);

	for (size_t i = 0; i < count; i++) {
		uint32_t record = list[i].service;
		const struct sl_service *service = &fake->services[record];

		if (record >= sl_service_records(&fake->view.limits))
			ck_abort_msg("a listener names record %u", record);
		if (services[record])
			continue;
		services[record] = true;
		for (uint32_t s = service->slots_base; s < service->slots_base + service->slots;
		     s++) {
			uint32_t now = dataplane_hot(&fake->view, s) & SL_HOT_NOW;
			uint32_t base = dataplane_cold(&fake->view, s) & SL_COLD_BASE;

			if (now > fake->view.limits.backends || base > fake->view.limits.backends)
				ck_abort_msg("slot %u names backends %u, %u", s, now, base);
			backends[now] = backends[base] = true;
		}
	}
	free(list);
}

static void check_slot(const struct fake *fake, const struct sl_service *service, uint32_t slot)
{
	uint32_t now = dataplane_hot(&fake->view, slot) & SL_HOT_NOW;
	uint32_t base = dataplane_cold(&fake->view, slot) & SL_COLD_BASE;
	const uint32_t named[] = {now, base};

	for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
		const struct sl_backend *backend = &fake->backends[named[i]];

		if (named[i] == SL_NOBODY)
			continue;
		if (named[i] > fake->view.limits.backends || !backend->family ||
		    backend->service != service->counters || backend->active > 1)
			ck_abort_msg(
				"slot %u of %s names index %u, which is not one of its backends",
				slot, service->name, named[i]);
	}
}

void fake_check(const struct fake *fake)
{
	const struct sl_limits *limits = &fake->view.limits;
	bool *seen = mem_array(sl_service_records(limits), sizeof(*seen));
	uint8_t *owner = mem_array(limits->slots, 1);
	struct dataplane_listener *list;
	size_t count = list_listeners(fake, &list);

	for (size_t i = 0; i < count; i++) {
		const struct sl_service *service = &fake->services[list[i].service];

		if (seen[list[i].service])
			continue;
		seen[list[i].service] = true;
		if (!list[i].service || list[i].service >= sl_service_records(limits) ||
		    !service->name[0] || !service->slots ||
		    service->slots_base + service->slots > limits->slots)
			ck_abort_msg("a listener names record %u, which is none", list[i].service);
		for (uint32_t s = 0; s < service->slots; s++) {
			if (owner[service->slots_base + s]++)
				ck_abort_msg("slot %u is of two services", service->slots_base + s);
			check_slot(fake, service, service->slots_base + s);
		}
	}
	free(list);
	free(owner);
	free(seen);
}

static int compare_listeners(const void *left, const void *right)
{
	const struct dataplane_listener *a = left, *b = right;
	int order = addr_compare(&a->address, &b->address);

	if (!order)
		order = (a->port > b->port) - (a->port < b->port);
	return order ? order : (a->protocol > b->protocol) - (a->protocol < b->protocol);
}

static void image_slots(const struct fake *fake, const struct sl_service *service, struct text *out)
{
	for (uint32_t s = service->slots_base; s < service->slots_base + service->slots; s++)
		text_add(out, " %x/%x", dataplane_hot(&fake->view, s),
			 dataplane_cold(&fake->view, s));
	text_add(out, "\n");
}

static void image_backend(const struct fake *fake, uint32_t index, struct text *out)
{
	const struct sl_backend *backend = &fake->backends[index];
	char hex[2 * sizeof(backend->path[0]) + 1];

	text_add(out, "backend %u flags %u service %u address %s", index, backend->flags,
		 backend->service,
		 text_format_hex(backend->address, sizeof(backend->address), hex));
	text_add(out, " path %s\n",
		 text_format_hex(&backend->path[backend->active & 1], sizeof(backend->path[0]),
				 hex));
}

void fake_image(const struct fake *fake, struct text *out)
{
	const struct sl_limits *limits = &fake->view.limits;
	bool *services = mem_array(sl_service_records(limits), sizeof(*services));
	bool *backends = mem_array(limits->backends + 1, sizeof(*backends));
	struct dataplane_listener *list;
	size_t count = list_listeners(fake, &list);
	char address[ADDR_TEXT_SIZE];

	text_add(out, "%zu listeners\n", count);
	if (count)
		qsort(list, count, sizeof(*list), compare_listeners);
	for (size_t i = 0; i < count; i++)
		text_add(out, "listener %s %u/%u -> %u\n", addr_format(&list[i].address, address),
			 list[i].port, list[i].protocol, list[i].service);
	mark_reached(fake, services, backends);
	for (uint32_t r = 0; r < sl_service_records(limits); r++)
		if (services[r]) {
			text_add(out, "service %u %s: counters %u slots %u:", r,
				 fake->services[r].name, fake->services[r].counters,
				 fake->services[r].slots_base);
			image_slots(fake, &fake->services[r], out);
		}
	for (uint32_t b = 1; b <= limits->backends; b++)
		if (backends[b])
			image_backend(fake, b, out);
	free(list);
	free(services);
	free(backends);
}

void fake_compare(const char *before, const char *after)
{
	while (*before || *after) {
		int old = strcspn(before, "\n"), new = strcspn(after, "\n");

		if (old != new || strncmp(before, after, old))
			ck_abort_msg("was: %.*s\nis: %.*s", old < 400 ? old : 400, before,
				     new < 400 ? new : 400, after);
		before += old + (before[old] == '\n');
		after += new + (after[new] == '\n');
	}
}

/* ---- flows ----------------------------------------------------------------------------------- */

void fake_insert(struct fake *fake, uint64_t hash, uint32_t slot, uint32_t backend, uint32_t tick)
{
	const struct flows_places *places = &fake->view.places;
	struct sl_flow_place place =
		sl_flow_place(hash, places->xor, places->factor, places->mask, places->page);

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
		mark_reached(fake, fake->leaving_services, fake->leaving_backends);
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
		mark_reached(fake, fake->leaving_services, fake->leaving_backends);
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
