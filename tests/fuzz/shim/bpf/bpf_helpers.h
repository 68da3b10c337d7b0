/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libbpf's header of this name, for BPF programs that are compiled for user space under a fuzzer: a map is memory, and a
 * helper a function of shim.c. Programs are compiled as they are, but for the constants that are set when one is loaded
 * (MAPS_CONSTANT).
 *
 * A context has room for 32 bits of an address, so frames lie below 4 GiB (shim_frame()); the bytes before and behind one
 * are poisoned, so that a read or write by so much as one byte beyond is found where it happens.
 */
#ifndef SHIM_BPF_HELPERS_H
#define SHIM_BPF_HELPERS_H

#include <stddef.h>
#include <stdint.h>

#include <linux/bpf.h>
#include <linux/types.h>

#define MAPS_CONSTANT volatile

#define SEC(name)
#define __uint(name, value) int(*name)[value]
#define __type(name, type)  typeof(type) *name
#define __array(name, type) typeof(type) *name[]
#define __noinline	    __attribute__((noinline))
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))

/* What the map has at a key, or NULL. */
void *shim_lookup(const void *map, const void *key);
#define bpf_map_lookup_elem(map, key) shim_lookup(map, key)

long bpf_xdp_adjust_head(struct xdp_md *ctx, int delta);
long bpf_xdp_adjust_tail(struct xdp_md *ctx, int delta);
int64_t bpf_csum_diff(const uint32_t *from, uint32_t from_size, const uint32_t *to,
		      uint32_t to_size, uint32_t seed);
uint64_t bpf_xdp_get_buff_len(struct xdp_md *ctx);
long bpf_skb_pull_data(struct __sk_buff *skb, uint32_t length);
long bpf_skb_adjust_room(struct __sk_buff *skb, int delta, uint32_t mode, uint64_t flags);
long bpf_skb_vlan_push(struct __sk_buff *skb, uint16_t type, uint16_t control);
long bpf_skb_vlan_pop(struct __sk_buff *skb);
long bpf_redirect_map(void *map, uint64_t key, uint64_t flags);
long bpf_redirect(uint32_t ifindex, uint64_t flags);
uint32_t bpf_get_smp_processor_id(void);
uint64_t bpf_jiffies64(void);
uint64_t bpf_ktime_get_ns(void);

#endif
