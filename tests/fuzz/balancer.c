/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The balancer's own sources under the fuzzer, against the reference (tests/reference): any frame, in one of a few
 * scenes, comes out with the verdict, the action and the bytes that the reference says, and nothing beyond the frame or a
 * map is touched.
 *
 *	input	scene, room before the frame, frame
 */
#include <stdlib.h>
#include <string.h>

#include "shim.h"

/* So that the program's clock() does not meet the library's. */
#define clock program_clock
#ifndef BALANCER
#define BALANCER "../../bpf/sluice.bpf.c"
#endif
#include BALANCER
#undef clock

#include "reference/scene.h"

#define SCENES 24

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* The maps of a scene; each by itself, so that what is beyond its end is found. */
struct memory {
	struct scene scene;
	struct sl_knobs knobs;
	struct sl_control control;
#define SL_ARRAY(name, value, entries) value *name;
#define SL_GLOBAL(name, value)
#include <sluice/maps.def>
#define SL_ARRAY(name, value, entries) struct shim_map map_##name;
#define SL_GLOBAL(name, value)
#include <sluice/maps.def>
};

static struct memory *memories[SCENES];

/* ---- the agent's part: struct dataplane_ops over these maps ---------------------------------------------------- */

static int write_service(void *self, uint32_t record, const struct sl_service *value)
{
	((struct memory *)self)->services[record] = *value;
	return 0;
}

static int write_backend(void *self, uint32_t index, const struct sl_backend *value)
{
	((struct memory *)self)->backends[index] = *value;
	return 0;
}

static int write_listeners(void *self, const struct dataplane_listener *list, size_t count)
{
	struct memory *m = self;

	return listeners_build(list, count, m->listeners4, sl_listener_buckets4(&scene_limits),
			       m->listeners6, sl_listener_buckets6(&scene_limits),
			       (uint64_t *)&m->control.listeners);
}

static int store_hot(void *self, const struct dataplane_store *stores, size_t count)
{
	struct memory *m = self;

	for (size_t i = 0; i < count; i++)
		m->hot[stores[i].slot / SL_HOT_PER_LINE].word[stores[i].slot % SL_HOT_PER_LINE] =
			stores[i].word;
	return 0;
}

static int store_cold(void *self, const struct dataplane_store *stores, size_t count)
{
	struct memory *m = self;

	for (size_t i = 0; i < count; i++)
		m->cold[stores[i].slot / SL_COLD_PER_LINE].word[stores[i].slot % SL_COLD_PER_LINE] =
			stores[i].word;
	return 0;
}

static const struct dataplane_ops operations = {
	.write_service = write_service,
	.write_backend = write_backend,
	.write_listeners = write_listeners,
	.store_hot = store_hot,
	.store_cold = store_cold,
};

static void make_memory(struct memory *m)
{
	const struct sl_limits *l = &scene_limits;

#define SL_ARRAY(name_, value_, entries_)                                 \
	m->name_ = calloc(entries_, sizeof(value_));                      \
	m->map_##name_ = (struct shim_map){.map = &name_,                 \
					   .values = (uint8_t *)m->name_, \
					   .value_size = sizeof(value_),  \
					   .entries = entries_};
#define SL_GLOBAL(name, value)
#include <sluice/maps.def>
	m->knobs = (struct sl_knobs){
		.counter_lines = sl_counter_lines(l),
		.backend_lines = sl_counter_backends(l),
		.half4 = sl_listener_buckets4(l),
		.half6 = sl_listener_buckets6(l),
		.flow_mask = l->flows / SL_FLOWS_PER_BUCKET - 1,
		.flow_page = 64,
		.place_factor = 1,
		.tick_shift = 10,
		.too_big_answers = 1000,
		.manual_clock = 1,
		.fragment_mask = sl_fragment_buckets(l) - 1,
		.fragment_ticks = 30,
	};
#define DATAPLANE_FEATURE(name, help) m->knobs.name = m->scene.features.name;
#include "dataplane/features.def"
}

/* What of a trie's keys is asked for: whether any prefix covers an address. */
static const struct reference *loaded;
static __u32 yes = 1;

static void *find_denied(const void *key)
{
	const struct sl_deny_key *k = key;

	SHIM_REQUIRE(k->bits == SL_DENY_FAMILY_BITS + 128, "%u bits", k->bits);
	for (size_t i = 0; i < loaded->denied_count; i++)
		if (reference_covers(&loaded->denied[i], k->family, k->address))
			return &yes;
	return NULL;
}

static struct memory *memory(unsigned int number)
{
	struct memory **m = &memories[number % SCENES];

	if (*m)
		return *m;
	*m = calloc(1, sizeof(**m));
	scene_other_ifindex = 2;
	scene_make(number % SCENES, &(*m)->scene);
	make_memory(*m);
	SHIM_REQUIRE(scene_fill(&(*m)->scene, &operations, *m) == 0, "scene %u", number);
	return *m;
}

/* Makes it the program's. */
static void load(struct memory *m)
{
	static struct shim_map list[16];
	size_t count = 0;

#define SL_ARRAY(name, value, entries) list[count++] = m->map_##name;
#define SL_GLOBAL(name, value)
#include <sluice/maps.def>
	list[count++] = (struct shim_map){.map = &denied, .find = find_denied};
	loaded = &m->scene.reference;
	shim_set_maps(list, count);
	memcpy((void *)&knobs, &m->knobs, sizeof(m->knobs));
	memcpy((void *)&hash_key, &m->scene.reference.key, sizeof(m->scene.reference.key));
	memcpy((void *)&vlans, &m->scene.vlans, sizeof(m->scene.vlans));
	control = m->control;
	memset(m->fragments, 0, m->map_fragments.entries * sizeof(*m->fragments));
	memset(m->counters, 0, m->map_counters.entries * sizeof(*m->counters));
	memset(m->answers, 0, m->map_answers.entries * sizeof(*m->answers));
}

/* ---- running --------------------------------------------------------------------------------------------------- */

static const struct sl_counter_line *row_of(const struct memory *m)
{
	return m->counters + bpf_get_smp_processor_id() * m->knobs.counter_lines;
}

/* The one verdict that was counted. What was sent and not redirected is counted by backend alone. */
static enum sl_verdict verdict_of(const struct memory *m)
{
	const struct sl_counter_line *row = row_of(m);
	enum sl_verdict found = SL_SEND_tx;

	for (int v = 1; v < SL_VERDICTS; v++) {
		uint64_t count = row[v / SL_COUNTERS_PER_LINE].count[v % SL_COUNTERS_PER_LINE];

		SHIM_REQUIRE(count <= 1 && (!count || found == SL_SEND_tx),
			     "more verdicts than one");
		if (count)
			found = v;
	}
	return found;
}

static void compare(const struct memory *m, int action, const struct reference_result *wanted,
		    const struct reference_frame *frame)
{
	const uint8_t *data = (const uint8_t *)(uintptr_t)shim_data();
	size_t length = shim_data_end() - shim_data();
	enum sl_verdict verdict = verdict_of(m);

	SHIM_REQUIRE(verdict == wanted->verdict, "verdict %d, wanted %d", verdict, wanted->verdict);
	SHIM_REQUIRE((action == XDP_REDIRECT) == wanted->is_redirected, "action %d", action);
	if (action == XDP_DROP)
		return;
	SHIM_REQUIRE(length == frame->length, "%zu bytes, wanted %zu", length, frame->length);
	for (size_t i = 0; i < length; i++) {
		if (wanted->any_checksum && i - wanted->any_checksum < 2)
			continue;
		SHIM_REQUIRE(data[i] == frame->data[i], "byte %zu is %02x, wanted %02x", i, data[i],
			     frame->data[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reference_memory memory_of_fragments;
	static struct reference_frame in, out;
	struct reference_result wanted;
	struct xdp_md context = {.ingress_ifindex = SCENE_IFINDEX};
	struct memory *m;
	size_t room;

	/* A driver hands over no less than an Ethernet header, and a test run no more than a page. */
	if (size < 2 + 14 || size > 2 + 3500)
		return 0;
	m = memory(data[0]);
	room = data[1];
	in.length = size - 2;
	memcpy(in.data, data + 2, in.length);
	load(m);
	memory_of_fragments.count = 0;
	shim_frame(in.data, in.length, room);
	context.data = context.data_meta = shim_data();
	context.data_end = shim_data_end();
	wanted = reference_run(&m->scene.reference, &memory_of_fragments, &in, SCENE_IFINDEX, room,
			       &out);
	compare(m, balancer(&context), &wanted, &out);
	return 0;
}

/* One in four inputs is a frame of the differential test's making, in some scene; the others are libFuzzer's. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	static struct reference_frame frame;

	if (seed % 4 || max_size < 2 + REFERENCE_FRAME_MAX)
		return LLVMFuzzerMutate(data, size, max_size);
	data[0] = seed >> 2;
	data[1] = seed >> 10 & 3 ? 255 : seed >> 12;
	frames_start(seed);
	frames_make(&memory(data[0])->scene, &frame);
	memcpy(data + 2, frame.data, frame.length);
	return 2 + frame.length;
}
