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

/* Here only to cut something off. */
long bpf_xdp_adjust_tail(struct xdp_md *ctx, int delta)
{
	if (delta > 0 || (int64_t)end + delta < (int64_t)start + 14)
		return -EINVAL;
	end += delta;
	guard();
	ctx->data_end = end;
	return 0;
}

/* Here only to add up `to`. */
int64_t bpf_csum_diff(const uint32_t *from, uint32_t from_size, const uint32_t *to,
		      uint32_t to_size, uint32_t seed)
{
	uint64_t sum = seed;

	(void)from;
	SHIM_REQUIRE(from_size == 0, "%u bytes", from_size);
	if (to_size % 4 || to_size > 512)
		return -EINVAL;
	for (uint32_t i = 0; i < to_size / 4; i++)
		sum += to[i];
	while (sum >> 32)
		sum = (sum & 0xffffffff) + (sum >> 32);
	return sum;
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

/* The kernel keeps a packet's outermost tag beside it (skb_vlan_push() and skb_vlan_pop() in net/core/skbuff.c). */
long bpf_skb_vlan_push(struct __sk_buff *skb, uint16_t type, uint16_t control)
{
	uint8_t tag[4] = {skb->vlan_proto, skb->vlan_proto >> 8, skb->vlan_tci >> 8, skb->vlan_tci};

	if (skb->vlan_present) {
		if (move_start(-4))
			return -ENOMEM;
		memmove(at(start), at(start + 4), 12);
		memcpy(at(start + 12), tag, 4);
		skb->len += 4;
	}
	skb->vlan_present = 1;
	skb->vlan_proto = type;
	skb->vlan_tci = control;
	skb->data = start;
	return 0;
}

static int take_tag(struct __sk_buff *skb)
{
	if (end - start < 18)
		return -ENOMEM;
	memmove(at(start + 4), at(start), 12);
	skb->len -= 4;
	return move_start(4);
}

static int is_tagged(void)
{
	const uint8_t *type = at(start + 12);

	return (type[0] == 0x81 && type[1] == 0) || (type[0] == 0x88 && type[1] == 0xa8);
}

long bpf_skb_vlan_pop(struct __sk_buff *skb)
{
	int err = 0;

	if (!skb->vlan_present && is_tagged())
		err = take_tag(skb);
	skb->vlan_present = 0;
	if (!err && is_tagged()) {
		const uint8_t *tag = at(start + 12);

		if (end - start < 18)
			return -ENOMEM;
		skb->vlan_present = 1;
		skb->vlan_proto = tag[0] | tag[1] << 8;
		skb->vlan_tci = tag[2] << 8 | tag[3];
		err = take_tag(skb);
	}
	skb->data = start;
	return err;
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
