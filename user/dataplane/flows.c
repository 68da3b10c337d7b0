/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flow table as userspace sees it: scanned, looked up, and copied into one of another size. Packets change it
 * all the while, so an entry is deleted by a compare-and-swap of its data, and what is being written (LOCK) stays.
 *
 * Pure: no map, no libbpf; tests use it over plain memory.
 */
#include <errno.h>
#include <string.h>

#include "dataplane/flows.h"

static uint64_t load(const __u64 *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* ---- scan ------------------------------------------------------------------------------------------- */

/* The count goes on: without it the entry could look to a packet's swap as it did before. */
static bool delete_entry(struct sl_flow *flow, uint64_t data)
{
	__u64 seen = data;

	return sl_flow_in_use(data) &&
	       __atomic_compare_exchange_n(&flow->data, &seen, data & SL_FLOW_COUNT, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

struct batch {
	uint64_t data[DATAPLANE_BATCH];
	uint16_t at[DATAPLANE_BATCH]; /* from the first entry that was looked at */
	bool over[DATAPLANE_BATCH];
};

/*
 * Returns how many of the entries are in use. Without a branch for each: in a table that is half full nobody could
 * foretell them. What will be looked at next is fetched meanwhile.
 */
static size_t gather(struct batch *batch, const struct sl_flow *flows, size_t count)
{
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t data = load(&flows[i].data);

		if (i % SL_FLOWS_PER_BUCKET == 0)
			__builtin_prefetch((const char *)&flows[i] +
					   sizeof(*flows) * DATAPLANE_BATCH);
		batch->data[used] = data;
		batch->at[used] = i;
		used += (data & SL_FLOW_BACKEND) != 0;
	}
	return used;
}

void flows_scan(struct sl_flow_bucket *buckets, uint32_t flows,
		const struct dataplane_visitor *visitor)
{
	struct sl_flow *flow = buckets[0].entry, *end = flow + flows;
	struct batch batch;

	_Static_assert(sizeof(*buckets) == SL_FLOWS_PER_BUCKET * sizeof(*flow),
		       "entries lie together");
	while (flow < end) {
		size_t left = end - flow, count = left < DATAPLANE_BATCH ? left : DATAPLANE_BATCH;
		size_t used = gather(&batch, flow, count);
		const bool *over = batch.over, *last = over + used;

		visitor->judge(visitor->arg, batch.data, used, batch.over);
		while ((over = memchr(over, true, last - over))) {
			size_t i = over++ - batch.over;

			if (!delete_entry(&flow[batch.at[i]], batch.data[i]))
				visitor->stays(visitor->arg, batch.data[i]);
		}
		flow += count;
	}
}

/* ---- look-up ---------------------------------------------------------------------------------------- */

static struct sl_flow_place place_of(const struct flows_places *places, uint64_t hash)
{
	return sl_flow_place(hash, places->xored, places->factor, places->mask, places->page);
}

struct flows_places flows_places(const uint8_t host_key[16], uint32_t flows)
{
	uint32_t buckets = flows / SL_FLOWS_PER_BUCKET;
	uint32_t in_page = 4096 / sizeof(struct sl_flow_bucket);
	struct flows_places places = {
		.mask = buckets - 1,
		.page = buckets < in_page ? buckets : in_page,
	};

	memcpy(&places.xored, host_key, 8);
	memcpy(&places.factor, host_key + 8, 8);
	places.factor |= 1; /* odd: no two hashes meet in the product */
	return places;
}

bool flows_find(const struct sl_flow_bucket *buckets, const struct flows_places *places,
		uint64_t hash, uint64_t *out)
{
	struct sl_flow_place place = place_of(places, hash);

	for (int b = 0; b < 2; b++)
		for (int way = 0; way < SL_FLOWS_PER_BUCKET; way++) {
			const struct sl_flow *flow = &buckets[place.bucket[b]].entry[way];
			uint64_t data = load(&flow->data), check = load(&flow->check);

			if (sl_flow_in_use(data) && sl_flow_fits(hash, data, check)) {
				*out = data;
				return true;
			}
		}
	return false;
}

/* ---- another size ----------------------------------------------------------------------------------- */

static uint64_t hash_of(const struct sl_flow *entry)
{
	return sl_flow_check(entry->check, sl_flow_backend(entry->data));
}

/* The first free way of a bucket, and how many there are. */
static struct sl_flow *free_way(struct sl_flow_bucket *bucket, unsigned int *count)
{
	struct sl_flow *first = NULL;

	*count = 0;
	for (int way = SL_FLOWS_PER_BUCKET - 1; way >= 0; way--)
		if (!(bucket->entry[way].data & SL_FLOW_BACKEND)) {
			first = &bucket->entry[way];
			++*count;
		}
	return first;
}

/* The emptier bucket first, as packets do. */
static struct sl_flow *free_place(struct sl_flow_bucket *buckets, struct sl_flow_place place)
{
	unsigned int counts[2];
	struct sl_flow *ways[2];

	for (int i = 0; i < 2; i++)
		ways[i] = free_way(&buckets[place.bucket[i]], &counts[i]);
	return counts[1] > counts[0] ? ways[1] : ways[0];
}

/* A bucket on the way to room: what its entry at `way` of the step `before` may go to. */
struct step {
	uint32_t bucket;
	int before; /* a step; -1: one of the two that the flow itself may be in */
	int way;
};

/* Each entry on the way goes on to its other bucket; returns the way that becomes free at the beginning. */
static struct sl_flow *move_along(struct sl_flow_bucket *buckets, const struct step *steps,
				  int last, struct sl_flow *free)
{
	for (; steps[last].before >= 0; last = steps[last].before) {
		struct sl_flow *from =
			&buckets[steps[steps[last].before].bucket].entry[steps[last].way];

		*free = *from;
		free = from;
	}
	return free;
}

/*
 * Room for a flow in a table that no packet uses: entries that have another bucket go there, as many as it takes. An
 * entry never leaves its page, so 64 steps are all there are; NULL: the page has no room for all of its flows.
 */
static struct sl_flow *make_room(struct sl_flow_bucket *buckets, const struct flows_places *places,
				 struct sl_flow_place place)
{
	struct step steps[64] = {{place.bucket[0], -1, 0}, {place.bucket[1], -1, 0}};
	uint64_t met = UINT64_C(1) << place.bucket[0] % 64 | UINT64_C(1) << place.bucket[1] % 64;
	int count = 2;

	for (int i = 0; i < count; i++) {
		struct sl_flow *entry = buckets[steps[i].bucket].entry;
		unsigned int free_ways;
		struct sl_flow *free = free_way(&buckets[steps[i].bucket], &free_ways);

		if (free)
			return move_along(buckets, steps, i, free);
		for (int way = 0; way < SL_FLOWS_PER_BUCKET; way++) {
			struct sl_flow_place its = place_of(places, hash_of(&entry[way]));
			uint32_t other = its.bucket[its.bucket[0] == steps[i].bucket];

			if (met >> other % 64 & 1)
				continue;
			met |= UINT64_C(1) << other % 64;
			steps[count++] = (struct step){other, i, way};
		}
	}
	return NULL;
}

/* What is being written is not copied: nobody would ever end it. */
static bool read_entry(const struct sl_flow *flow, struct sl_flow *out)
{
	out->data = load(&flow->data);
	out->check = load(&flow->check);
	return sl_flow_in_use(out->data);
}

int flows_copy(const struct sl_flow_bucket *from, uint32_t flows, struct sl_flow_bucket *to,
	       const struct flows_places *places)
{
	const struct sl_flow *flow = from[0].entry, *end = flow + flows;
	struct sl_flow entry, *place;

	for (; flow < end; flow++) {
		struct sl_flow_place its;

		if (!read_entry(flow, &entry))
			continue;
		its = place_of(places, hash_of(&entry));
		place = free_place(to, its);
		if (!place)
			place = make_room(to, places, its);
		if (!place)
			return -ENOSPC;
		*place = entry;
	}
	return 0;
}

void flows_copy_same(const struct sl_flow_bucket *from, uint32_t flows, struct sl_flow_bucket *to)
{
	struct sl_flow entry;

	for (uint32_t i = 0; i < flows; i++)
		if (read_entry(&from[0].entry[i], &entry))
			to[0].entry[i] = entry;
}

/* ---- count ------------------------------------------------------------------------------------------ */

uint32_t flows_young(const struct sl_flow_bucket *buckets, uint32_t flows, uint16_t tick,
		     uint16_t ticks)
{
	const struct sl_flow *flow = buckets[0].entry;
	uint32_t young = 0;

	for (uint32_t i = 0; i < flows; i++) {
		uint64_t data = load(&flow[i].data);

		young += sl_flow_in_use(data) && sl_flow_age(data, tick) <= ticks;
	}
	return young;
}
