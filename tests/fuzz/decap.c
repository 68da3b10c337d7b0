/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The backend's program. What passes is as it came; what is taken is the inner packet, behind the addresses of the old
 * Ethernet header and its VLAN tags, but for its ECN field and the checksum of its header.
 *
 *	input	frame
 */
#include <string.h>

#include "../../bpf/decap.bpf.c"
#include "reference/scene.h"
#include "shim.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static uint64_t counts[SL_DECAP_VERDICTS];
static __u32 yes = 1;

/* This host has 10.0.1.11 and 2001:db8:1::11; balancers are in 192.0.2.0/24 and 2001:db8::/64. */
static void *find_own(const void *key)
{
	static const uint8_t six[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = 0x11};
	const struct sl_decap_address *address = key;

	if (address->family == 4)
		return memcmp(address->bytes, (uint8_t[16]){10, 0, 1, 11}, 16) ? NULL : &yes;
	return memcmp(address->bytes, six, 16) ? NULL : &yes;
}

static void *find_from(const void *key)
{
	static const uint8_t six[8] = {0x20, 0x01, 0x0d, 0xb8};
	const struct sl_decap_prefix *prefix = key;

	if (prefix->address.family == 4)
		return prefix->bits == 40 &&
				       !memcmp(prefix->address.bytes, (uint8_t[]){192, 0, 2}, 3)
			       ? &yes
			       : NULL;
	return prefix->bits == 136 && !memcmp(prefix->address.bytes, six, 8) ? &yes : NULL;
}

static const struct shim_map list[] = {
	{.map = &from, .find = find_from},
	{.map = &own, .find = find_own},
	{.map = &verdicts,
	 .values = (uint8_t *)counts,
	 .value_size = sizeof(counts[0]),
	 .entries = SL_DECAP_VERDICTS},
};

static enum sl_decap_verdict counted(void)
{
	enum sl_decap_verdict found = SL_DECAP_GO_ON;

	for (int v = 0; v < SL_DECAP_VERDICTS; v++) {
		SHIM_REQUIRE(counts[v] <= 1 && (!counts[v] || !found), "more verdicts than one");
		if (counts[v])
			found = v;
	}
	SHIM_REQUIRE(found, "nothing was counted");
	return found;
}

static bool is_taken(enum sl_decap_verdict verdict)
{
	switch (verdict) {
#define SL_DECAP_VERDICT(name, action, help) \
	case SL_DECAP_##action##_##name:     \
		return IS_##action;
#define IS_TAKE true
#define IS_PASS false
#define IS_DROP false
#include <sluice/decap.def>
	default:
		return false;
	}
}

/* Where the type of a frame stands: behind up to two tags. */
static size_t type_at(const uint8_t *frame)
{
	size_t at = 12;

	while (at < 20 && ((frame[at] == 0x81 && frame[at + 1] == 0) ||
			   (frame[at] == 0x88 && frame[at + 1] == 0xa8)))
		at += 4;
	return at;
}

static void check_taken(const uint8_t *in, size_t size)
{
	const uint8_t *out = (const uint8_t *)(uintptr_t)shim_data();
	size_t length = shim_data_end() - shim_data(), cut = size - length, type = type_at(in);
	size_t ip = type + 2;
	bool four = out[type] == 0x08;

	SHIM_REQUIRE(cut == 20 || cut == 32 || cut == 40 || cut == 52, "%zu bytes are gone", cut);
	SHIM_REQUIRE(!memcmp(out, in, type), "addresses or tags differ");
	SHIM_REQUIRE(four ? out[ip] >> 4 == 4 : out[type] == 0x86 && out[ip] >> 4 == 6,
		     "type %02x%02x", out[type], out[type + 1]);
	for (size_t i = ip; i < length; i++)
		SHIM_REQUIRE(out[i] == in[i + cut] || i == ip + 1 ||
				     (four && (i == ip + 10 || i == ip + 11)),
			     "byte %zu differs", i);
	SHIM_REQUIRE(((out[ip + 1] ^ in[ip + 1 + cut]) & (four ? 0xfc : 0xcf)) == 0,
		     "more than ECN");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xdp_md context = {0};
	enum sl_decap_verdict verdict;
	int action;

	if (size < 14 || size > SHIM_FRAME_MAX)
		return 0;
	shim_set_maps(list, sizeof(list) / sizeof(list[0]));
	memset(counts, 0, sizeof(counts));
	shim_frame(data, size, 0);
	context.data = context.data_meta = shim_data();
	context.data_end = shim_data_end();
	action = decap(&context);
	verdict = counted();
	SHIM_REQUIRE(verdict != SL_DECAP_DROP_internal, "the verifier's alone");
	if (is_taken(verdict)) {
		SHIM_REQUIRE(action == XDP_PASS, "action %d", action);
		check_taken(data, size);
	} else if (action == XDP_PASS) {
		SHIM_REQUIRE(shim_data_end() - shim_data() == size &&
				     !memcmp((void *)(uintptr_t)shim_data(), data, size),
			     "what passes was changed");
	}
	return 0;
}

/* What a balancer sends: a packet of the differential test's making behind any of the outer headers. */
static void make_tunnelled(unsigned int seed, struct reference_frame *out)
{
	static const struct reference_prefix here[2] = {
		{.family = 4, .bytes = {10, 0, 1, 11}},
		{.family = 6, .bytes = {0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = 0x11}}};
	static const struct reference_prefix there[2] = {
		{.family = 4, .bytes = {192, 0, 2, 10}},
		{.family = 6, .bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x10}}};
	struct reference_backend backend = {.encapsulation =
						    seed >> 3 & 1 ? SL_ENCAP_GUE : SL_ENCAP_IPIP,
					    .address = here[seed >> 2 & 1],
					    .source = there[seed >> 2 & 1],
					    .tags_count = (seed >> 6) % 5 % 3,
					    .tags = {{0x88a8, 7}, {0x8100, 8}}};
	static struct reference_frame frame;
	static struct scene scene;
	struct reference_result result = {0};
	struct reference_packet packet;

	if (!scene.reference.listeners_count)
		scene_make(1, &scene);
	frames_start(seed);
	frames_make(&scene, &frame);
	packet = (struct reference_packet){.at = frame.data + 14,
					   .there = frame.length - 14,
					   .length = frame.length - 14,
					   .family = frame.data[12] == 0x08 ? 4 : 6,
					   .headers = 40};
	reference_send(&backend, &packet, seed, false, out, &result);
	/* A mark of congestion, sometimes. */
	if (backend.address.family == 6 && !backend.tags_count && out->length > 16)
		out->data[15] = (out->data[15] & 0xcf) | (seed >> 4 & 3) << 4;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	static struct reference_frame frame;

	if (seed % 4 || max_size < REFERENCE_FRAME_MAX)
		return LLVMFuzzerMutate(data, size, max_size);
	make_tunnelled(seed, &frame);
	memcpy(data, frame.data, frame.length);
	return frame.length;
}
