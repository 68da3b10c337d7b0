/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sanitizer/asan_interface.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bpf/bpf_helpers.h"
#include "shim.h"

#define PLACE  0x20000000u /* nothing else is there in a position-independent program */
#define ARENA  (64u << 10)
#define FIRST  1024u /* a frame's first byte, or where it would be without room */
#define LOWEST (PLACE + FIRST)

static const struct shim_map *maps;
static size_t maps_count;
static uint32_t lowest, start, end; /* addresses: of the room, of the frame, and behind it */

void shim_fail(const char *what, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "not true: %s: ", what);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	abort();
}

static void *at(uint32_t address)
{
	return (void *)(uintptr_t)address;
}

/* ---- maps ---------------------------------------------------------------------------------------------------- */

void shim_set_maps(const struct shim_map *list, size_t count)
{
	maps = list;
	maps_count = count;
}

void *shim_lookup(const void *map, const void *key)
{
	uint32_t index;

	for (size_t i = 0; i < maps_count; i++) {
		if (maps[i].map != map)
			continue;
		if (maps[i].find)
			return maps[i].find(key);
		memcpy(&index, key, sizeof(index));
		return index < maps[i].entries ? maps[i].values + index * maps[i].value_size : NULL;
	}
	shim_fail("a map", "the program looks up in one that the harness does not know");
}

/* ---- the frame ----------------------------------------------------------------------------------------------- */

/* Bytes of the frame can be read and written, and no others. */
static void guard(void)
{
	ASAN_POISON_MEMORY_REGION(at(PLACE), ARENA);
	ASAN_UNPOISON_MEMORY_REGION(at(start), end - start);
}

void shim_frame(const uint8_t *data, size_t length, size_t room)
{
	static void *arena;

	if (!arena) {
		arena = mmap(at(PLACE), ARENA, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		SHIM_REQUIRE(arena == at(PLACE), "%m");
	}
	SHIM_REQUIRE(length <= SHIM_FRAME_MAX && room <= SHIM_ROOM_MAX, "%zu bytes", length);
	/* At a multiple of 8, which is how finely the poison lies before it. */
	start = LOWEST + SHIM_ROOM_MAX;
	lowest = start - room;
	end = start + length;
	guard();
	memcpy(at(start), data, length);
}

uint32_t shim_data(void)
{
	return start;
}

uint32_t shim_data_end(void)
{
	return end;
}

/* ---- helpers ------------------------------------------------------------------------------------------------- */

/* bpf_xdp_adjust_head() in net/core/filter.c: what is left has an Ethernet header at least. */
static int move_start(int64_t delta)
{
	int64_t wanted = (int64_t)start + delta;

	if (wanted < lowest || wanted > (int64_t)end - 14)
		return -EINVAL;
	start = wanted;
	guard();
	return 0;
}

long bpf_xdp_adjust_head(struct xdp_md *ctx, int delta)
{
	int err = move_start(delta);

	if (!err)
		ctx->data = ctx->data_meta = start;
	return err;
}

uint64_t bpf_xdp_get_buff_len(struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data;
}

/* All of the packet is there from the start, or no more than was asked for. */
long bpf_skb_pull_data(struct __sk_buff *skb, uint32_t length)
{
	if (length > skb->len)
		return -ENOMEM;
	skb->data = start;
	skb->data_end = end;
	return 0;
}

/* BPF_ADJ_ROOM_MAC: behind the Ethernet header, which moves; the new bytes are zeros. */
long bpf_skb_adjust_room(struct __sk_buff *skb, int delta, uint32_t mode, uint64_t flags)
{
	(void)flags;
	if (mode != BPF_ADJ_ROOM_MAC || delta < 0 || move_start(-(int64_t)delta))
		return -EINVAL;
	memmove(at(start), at(start + delta), 14);
	memset(at(start + 14), 0, delta);
	skb->data = start;
	skb->len += delta;
	return 0;
}

long bpf_redirect_map(void *map, uint64_t key, uint64_t flags)
{
	(void)map;
	(void)flags;
	return key ? XDP_REDIRECT : XDP_ABORTED;
}

long bpf_redirect(uint32_t ifindex, uint64_t flags)
{
	(void)flags;
	return ifindex ? 7 : 2; /* TC_ACT_REDIRECT, TC_ACT_SHOT */
}

uint32_t bpf_get_smp_processor_id(void)
{
	return 1;
}

uint64_t bpf_jiffies64(void)
{
	return 4711 << 10;
}

uint64_t bpf_ktime_get_ns(void)
{
	return 1000000000;
}
