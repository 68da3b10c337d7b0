/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The probes' program. An unmarked packet is left alone; a marked one leaves behind its backend's header, byte for byte as
 * it was, or is dropped.
 *
 *	input	backend, segment size (0: none), frame
 */
#include <stdlib.h>
#include <string.h>

#include "../../bpf/probe.bpf.c"
#include "reference/scene.h"
#include "shim.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

#define BACKENDS 9

static struct sl_backend *list;
static struct shim_map maps[1];

/* IP in IP, GUE and l2 by both families; the last has no way. */
static void make_backends(void)
{
	list = calloc(BACKENDS, sizeof(*list));
	for (int i = 1; i < BACKENDS; i++) {
		struct sl_path *path = &list[i].path[i & 1];

		list[i].active = i & 1;
		list[i].family = path->family = i % 2 ? 4 : 6;
		path->encapsulation = i / 2 % 3;
		path->ifindex = i == BACKENDS - 1 ? 0 : i % 3 + 1;
		path->inner_max = 1440;
		path->tags = i % 4 == 3 ? SL_TAGS_KEEP : i % 4 * SL_TAG;
		path->tag[0] = path->tag[2] = bpf_htons(ETH_P_8021Q);
		path->entropy = i > 4 ? 0xffff0000 : 0;
		for (size_t b = 0; b < 54; b++)
			path->header[b] = b + i;
	}
	maps[0] = (struct shim_map){.map = &backends,
				    .values = (uint8_t *)list,
				    .value_size = sizeof(*list),
				    .entries = BACKENDS};
	knobs.encaps = 1;
	knobs.vlans = 1;
	knobs.entropy = 1;
	for (size_t i = 0; i < sizeof(hash_key) / 8; i++)
		((volatile uint64_t *)&hash_key)[i] = (i + 1) * 0x9e3779b97f4a7c15u;
}

/* Bytes of the packet behind the Ethernet header: what is before them is the program's to change. */
static size_t packet_length(const uint8_t *frame, size_t length)
{
	size_t at = 12;

	/* With the last one that is taken off, the kernel takes the next one to its side. */
	for (int tag = 0; tag < SL_TAGS_MAX + 1 && at + 6 <= length; tag++)
		if ((frame[at] == 0x81 && frame[at + 1] == 0) ||
		    (frame[at] == 0x88 && frame[at + 1] == 0xa8))
			at += SL_TAG;
	return length - at - 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct __sk_buff skb = {.ifindex = 2};
	const uint8_t *out;
	size_t length, packet;
	int action;

	if (size < 2 + 14 || size > 2 + SHIM_FRAME_MAX)
		return 0;
	if (!list)
		make_backends();
	shim_set_maps(maps, 1);
	shim_frame(data + 2, size - 2, 128);
	skb.mark = data[0] == 255 ? 0 : SL_PROBE_MARK | data[0];
	skb.gso_size = data[1];
	skb.len = size - 2;
	skb.data = shim_data();
	skb.data_end = shim_data_end();
	action = probe(&skb);
	out = (const uint8_t *)(uintptr_t)shim_data();
	length = shim_data_end() - shim_data();
	if (data[0] == 255)
		SHIM_REQUIRE(action == TC_ACT_UNSPEC && length == size - 2 &&
				     !memcmp(out, data + 2, length),
			     "an unmarked packet, action %d", action);
	if (action == TC_ACT_SHOT || action == TC_ACT_UNSPEC)
		return 0;
	packet = packet_length(data + 2, size - 2);
	SHIM_REQUIRE(length >= 14 + packet && length <= 14 + packet + SL_TAGS_MAX * SL_TAG + 52,
		     "%zu bytes", length);
	SHIM_REQUIRE(!memcmp(out + length - packet, data + size - packet, packet),
		     "the packet was changed");
	return 0;
}

/* One in four inputs is a frame of the differential test's making. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	static struct reference_frame frame;
	static struct scene scene;

	if (seed % 4 || max_size < 2 + REFERENCE_FRAME_MAX)
		return LLVMFuzzerMutate(data, size, max_size);
	if (!scene.reference.listeners_count)
		scene_make(1, &scene);
	data[0] = (seed >> 2) % (BACKENDS + 1);
	data[1] = seed >> 8 & 3 ? 0 : seed >> 10;
	frames_start(seed);
	frames_make(&scene, &frame);
	memcpy(data + 2, frame.data, frame.length);
	return 2 + frame.length;
}
