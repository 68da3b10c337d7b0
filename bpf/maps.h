/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The maps, constants and knobs of the balancer. Names and value types of maps come from maps.def; numbers of
 * entries are set when the program is loaded.
 */
#ifndef BPF_MAPS_H
#define BPF_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include <sluice/abi.h>
#include <sluice/hash.h>

/* Set before the program is loaded, and loaded by packets, unlike knobs. The fuzzers set them as they go. */
#ifndef MAPS_CONSTANT
#define MAPS_CONSTANT const volatile
#endif
MAPS_CONSTANT struct sl_hash_key hash_key;
/* No program reads it, but the fuzzers do, by KNOB(). In an object it tells the loader which there are, and where. */
MAPS_CONSTANT struct sl_knobs knobs;

/*
 * A knob's value. It is an immediate: the program has a mark in its place, which the loader replaces
 * (user/dataplane/immediates.h). Read from memory, it would cost a packet two instructions also where the verifier removes the
 * branch that asks for it, which came to 1.5 ns for all that are off.
 */
#ifdef __bpf__
#define KNOB_AT(name_) __builtin_offsetof(struct sl_knobs, name_)
#define KNOB_NARROW(name_)                                                                   \
	({                                                                                   \
		__u32 value_;                                                                \
		asm volatile("%0 = %1" : "=w"(value_) : "i"(SL_KNOB_MARK + KNOB_AT(name_))); \
		value_;                                                                      \
	})
#define KNOB_WIDE(name_)                                                 \
	({                                                               \
		__u64 value_;                                            \
		asm volatile("%0 = %1 ll"                                \
			     : "=r"(value_)                              \
			     : "i"(SL_KNOB_WIDE_MARK + KNOB_AT(name_))); \
		value_;                                                  \
	})
#define KNOB(name_)                                                                   \
	__builtin_choose_expr(sizeof(((struct sl_knobs *)0)->name_) == sizeof(__u64), \
			      KNOB_WIDE(name_), KNOB_NARROW(name_))
#else
/* Of the type that it has in the program, too, so that comparisons are the same. */
#define KNOB(name_)                                                                        \
	((__typeof__(__builtin_choose_expr(sizeof(knobs.name_) == sizeof(__u64), (__u64)0, \
					   (__u32)0)))knobs.name_)
#endif

#define SL_ARRAY(name_, value_, entries_)          \
	struct {                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);  \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(max_entries, 1);            \
		__type(key, __u32);                \
		__type(value, value_);             \
	} name_ SEC(".maps");

#define SL_GLOBAL(name_, value_) value_ name_ SEC(".data." #name_);

#define SL_DEVMAP(name_, entries_)                      \
	struct {                                        \
		__uint(type, BPF_MAP_TYPE_DEVMAP_HASH); \
		__uint(max_entries, entries_);          \
		__type(key, __u32);                     \
		__type(value, struct bpf_devmap_val);   \
	} name_ SEC(".maps");

#define SL_LPM(name_, key_, value_, entries_)         \
	struct {                                      \
		__uint(type, BPF_MAP_TYPE_LPM_TRIE);  \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
		__uint(max_entries, 1);               \
		__type(key, key_);                    \
		__type(value, value_);                \
	} name_ SEC(".maps");

/* No packet reads it: the agent replaces its element and so waits for all running programs. */
struct grace_inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
};

#define SL_GRACE(name_)                                   \
	struct {                                          \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); \
		__uint(max_entries, 1);                   \
		__type(key, __u32);                       \
		__array(values, struct grace_inner);      \
	} name_ SEC(".maps");

#include <sluice/maps.def>

/* Words that the agent, or another CPU, changes while packets read them: one load, one compare-and-swap. */
#define LOAD(word)	     (*(volatile typeof(word) *)&(word))
#define SWAP(word, from, to) __sync_val_compare_and_swap(&(word), from, to)

#endif
