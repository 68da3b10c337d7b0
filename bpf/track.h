/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Step 4: tracking by exception. Hold it beside docs/tracking.md, whose words it uses.
 *
 * In the steady state a slot does not want flows looked up, and this step is one test. While a change is under
 * way, a flow with an entry goes where the entry says; one without goes to the slot's base, or, when it is new, to
 * where the change sends new flows, and is written down. The agent and other CPUs change the same words at the
 * same time: each load, swap and fetch_or below stands in the order that the model (tests/model) has proved, and
 * none of them may be moved, merged or left out.
 *
 * No helper is called: bpf_jiffies64() is inlined (fixup_bpf_calls() in kernel/bpf/verifier.c).
 */
#ifndef BPF_TRACK_H
#define BPF_TRACK_H

#include <linux/in.h>

#include <proto/tcp.h>
#include <sluice/flow.h>

#include "count.h"
#include "maps.h"
#include "pkt.h"

/* The compiler does not know that it becomes 0. The fuzzers run elsewhere, on one thread. */
#ifdef __bpf__
#define TRACK_ZERO(value) asm volatile("%0 &= 0" : "+r"(value))
#else
#define TRACK_ZERO(value) ((value) = 0)
#endif

/*
 * 0, in a way that the processor cannot know before `value` is there: an address to which it is added is
 * loaded after `value` (an address dependency, Arm ARM B2.3). x86-64 keeps loads in order by itself.
 */
static __always_inline __u64 track_after(__u64 value)
{
	if (!KNOB(order_loads))
		return 0;
	TRACK_ZERO(value);
	return value;
}

static __always_inline __u16 track_tick(void)
{
	return KNOB(manual_clock) ? LOAD(control.tick) : bpf_jiffies64() >> KNOB(tick_shift);
}

static __always_inline __u32 *track_cold(__u32 slot)
{
	__u32 i = slot / SL_COLD_PER_LINE;
	struct sl_cold_line *line = bpf_map_lookup_elem(&cold, &i);

	return line ? &line->word[slot % SL_COLD_PER_LINE] : NULL;
}

static __always_inline __u32 track_backend_flags(__u32 index)
{
	struct sl_backend *backend = bpf_map_lookup_elem(&backends, &index);

	return backend ? LOAD(backend->flags) : SL_BACKEND_DEAD;
}

/* An entry and the data that was seen there. */
struct track_entry {
	struct sl_flow *at; /* NULL: none */
	__u64 data;
	__u64 order; /* track_after() all loads of the look-up */
};

/* Data first, then check: a claim stores them the other way round, so the two fit only if they are of one claim. */
static __always_inline struct track_entry track_find(__u64 hash, const struct sl_flow_place *place)
{
	struct track_entry entry = {};

#pragma unroll
	for (int b = 0; b < 2; b++) {
		struct sl_flow_bucket *bucket = bpf_map_lookup_elem(&flows, &place->bucket[b]);

		if (!bucket)
			return entry;
#pragma unroll
		for (int way = 0; way < SL_FLOWS_PER_BUCKET; way++) {
			struct sl_flow *flow = &bucket->entry[way];
			__u64 data = LOAD(flow->data), check;

			check = LOAD(*(__u64 *)((void *)&flow->check + track_after(data)));
			entry.order |= track_after(check);
			if (sl_flow_fits(hash, data, check) && sl_flow_in_use(data)) {
				entry.at = flow;
				entry.data = data;
				return entry;
			}
		}
	}
	return entry;
}

/* What kind of packet it is, for the rule: SYN, RST and FIN count for TCP alone. */
struct track_kind {
	bool udp, syn, rst, fin;
};

static __always_inline struct track_kind track_kind(const struct pkt *p)
{
	return (struct track_kind){
		.udp = p->protocol == IPPROTO_UDP,
		.syn = (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN,
		.rst = p->tcp_flags & TCP_RST,
		.fin = p->tcp_flags & TCP_FIN,
	};
}

/*
 * A void entry counts as a miss: its flow is over, has moved to another service, or lost its backend. A handshake that
 * waits for a backend that is down does not get on there; its SYN, sent again, begins anew, as where there is no entry.
 */
static __always_inline bool track_is_void(const struct pkt *p, __u64 data, bool syn, __u16 tick)
{
	__u32 flags = track_backend_flags(sl_flow_backend(data));
	__u16 age = sl_flow_age(data, tick);

	if (age > p->service->idle_ticks || sl_flow_slot(data) != p->slot)
		return true;
	if (flags & SL_BACKEND_DEAD)
		return true;
	return syn &&
	       (data & SL_FLOW_CLOSING ||
		(data & SL_FLOW_SYN_ONLY && (age > KNOB(syn_ticks) || flags & SL_BACKEND_DOWN)));
}

/* Swaps in what the packet tells of its flow. False: the entry has just been taken, which is a miss. */
static __always_inline bool track_refresh(const struct track_entry *entry, struct track_kind kind,
					  __u16 tick)
{
	__u64 data = (entry->data & ~SL_FLOW_TICK) | tick;

	if (!kind.syn)
		data &= ~SL_FLOW_SYN_ONLY;
	data = kind.fin || kind.rst ? data | SL_FLOW_CLOSING : data & ~SL_FLOW_CLOSING;
	return data == entry->data || SWAP(entry->at->data, entry->data, data) == entry->data;
}

/* A flow to be written. */
struct track_new {
	__u64 hash;
	__u64 data;	 /* without the count */
	__u64 void_data; /* of the flow's own entry, where it has one that is void; else 0 */
	struct sl_flow_place place;
	__u16 tick;
	__u16 only_rewrite; /* in a settling slot no entry may come to be: its own or none */
};

/* Takes an entry over, if `seen` is still there. Readers meet the old pair, LOCK, or the new pair. */
static __always_inline bool track_claim(struct sl_flow *flow, __u64 seen,
					const struct track_new *new)
{
	__u64 count = (seen + SL_FLOW_COUNT_ONE) & SL_FLOW_COUNT;

	if (SWAP(flow->data, seen, seen | SL_FLOW_LOCK) != seen)
		return false;
	LOAD(flow->check) = sl_flow_check(new->hash, sl_flow_backend(new->data));
	/* An exchange, not a store: it orders the two on arm64. */
	__sync_lock_test_and_set(&flow->data, new->data | count);
	return true;
}

/* Whether the flow may be written over what is there, by the order of enum sl_event. */
static __always_inline bool track_may_claim(enum sl_event how, const struct sl_flow *flow,
					    __u64 data, const struct track_new *new)
{
	__u16 age = sl_flow_age(data, new->tick);
	__u32 *word;

	if (how == SL_EVENT_inserted)
		return !(data & SL_FLOW_BACKEND);
	if (!sl_flow_in_use(data))
		return false;
	if (how == SL_EVENT_rewritten)
		return (data == new->void_data) && sl_flow_fits(new->hash, data, LOAD(flow->check));
	if (how == SL_EVENT_evicted_expired)
		return age > LOAD(control.longest_ticks);
	if (how == SL_EVENT_evicted_syn_only)
		return data & SL_FLOW_SYN_ONLY && age > KNOB(syn_ticks);
	if (how == SL_EVENT_evicted_closing)
		return data & SL_FLOW_CLOSING && age > KNOB(closing_ticks);
	/* Without its entry the flow would go to the same backend, as long as its slot is not rebased: crowded
	 * keeps the agent from that. Only the base that the fetch_or returned is still true after it. */
	word = track_cold(sl_flow_slot(data));
	return word && (LOAD(*word) & SL_COLD_BASE) == sl_flow_backend(data) &&
	       (__sync_fetch_and_or(word, SL_COLD_CROWDED) & SL_COLD_BASE) == sl_flow_backend(data);
}

/* 1 if a > b, both below 2^63: without a branch, of which the verifier would follow both sides for each way. */
static __always_inline __u64 track_more(__u64 a, __u64 b)
{
	return (b - a) >> 63;
}

/* The eight ways of a flow, the emptier bucket first. */
struct track_ways {
	struct sl_flow_bucket *bucket[2];
	__u64 worth; /* bits of enum sl_event: a closer look for this kind is worth it */
};

static __always_inline struct sl_flow *track_way(const struct track_ways *ways, int n)
{
	struct sl_flow_bucket *bucket = n < SL_FLOWS_PER_BUCKET ? ways->bucket[0] : ways->bucket[1];

	return &bucket->entry[n % SL_FLOWS_PER_BUCKET];
}

static __always_inline bool track_find_ways(const struct track_new *new, struct track_ways *ways)
{
	__u64 longest = LOAD(control.longest_ticks), free[2] = {}, expired = 0, flags = 0;
	/* On the stack: before Linux 6.4 a key may not lie in what a global function was given. */
	__u32 first = new->place.bucket[0], second = new->place.bucket[1];

	ways->bucket[0] = bpf_map_lookup_elem(&flows, &first);
	ways->bucket[1] = bpf_map_lookup_elem(&flows, &second);
	if (!ways->bucket[0] || !ways->bucket[1])
		return false;
#pragma unroll
	for (int n = 0; n < 2 * SL_FLOWS_PER_BUCKET; n++) {
		__u64 data = LOAD(track_way(ways, n)->data);

		free[n / SL_FLOWS_PER_BUCKET] += track_more(1, data & SL_FLOW_BACKEND);
		expired |= track_more((__u16)(new->tick - data), longest);
		flags |= data;
	}
	ways->worth = track_more(SL_FLOW_BACKEND & new->void_data, 0) << SL_EVENT_rewritten |
		      track_more(free[0] + free[1], 0) << SL_EVENT_inserted |
		      expired << SL_EVENT_evicted_expired |
		      (flags & SL_FLOW_SYN_ONLY) / SL_FLOW_SYN_ONLY << SL_EVENT_evicted_syn_only |
		      (flags & SL_FLOW_CLOSING) / SL_FLOW_CLOSING << SL_EVENT_evicted_closing |
		      1ULL << SL_EVENT_evicted_base;
	if (free[1] > free[0]) {
		struct sl_flow_bucket *swap = ways->bucket[0];

		ways->bucket[0] = ways->bucket[1];
		ways->bucket[1] = swap;
	}
	return true;
}

/* Claims the first way of the first kind, in the order of enum sl_event; a lost race: the next way. */
static __always_inline enum sl_event track_claim_one(const struct track_new *new)
{
	struct track_ways ways;

	if (!track_find_ways(new, &ways))
		return SL_EVENT_no_room;
	if (new->only_rewrite)
		ways.worth &= 1ULL << SL_EVENT_rewritten;
#pragma nounroll
	for (enum sl_event how = SL_EVENT_rewritten; how <= SL_EVENT_evicted_base; how++) {
		__u64 worth = ways.worth >> how & 1;

		/* So that the verifier does not learn, and remember, bits of the mask. */
		PKT_OPAQUE(worth);
		if (!worth)
			continue;
#pragma nounroll
		for (int n = 0; n < 2 * SL_FLOWS_PER_BUCKET; n++) {
			struct sl_flow *flow = track_way(&ways, n);
			__u64 seen = LOAD(flow->data);

			if (track_may_claim(how, flow, seen, new) && track_claim(flow, seen, new))
				return how;
		}
	}
	return SL_EVENT_no_room;
}

/*
 * Writes a flow into one of its eight ways and counts how; returns that (enum sl_event), SL_EVENT_no_room when it is
 * not written. A function of its own for the verifier, which checks it once and not for every state that a packet
 * may arrive in. It counts, so that packets that write nothing need not remember that they did not.
 */
__noinline int track_write(struct track_new *new)
{
	enum sl_event how;

	if (!new)
		return SL_EVENT_no_room;
	how = track_claim_one(new);
	if (how == SL_EVENT_no_room && new->only_rewrite)
		return SL_EVENT_NONE; /* its entry has just been taken; without one it goes to the same place */
	count_event(how);
	return how;
}

/*
 * A miss. Only now is the cold word read: a base read before the look-up could be older than the rebase that let
 * the agent delete the flow's entry.
 */
static __always_inline enum sl_verdict track_miss(struct pkt *p, struct track_entry *entry,
						  struct track_kind kind,
						  const struct sl_flow_place *place, __u16 tick)
{
	__u32 *word = track_cold(p->slot + entry->order);
	__u32 now = p->backend_index, seen, base, home;
	bool is_new = kind.syn || kind.udp;
	struct track_new new;
	bool held;

	if (!word)
		return SL_DROP_internal;
	seen = LOAD(*word);
	base = seen & SL_COLD_BASE;
	p->backend_index = base;
	/* In a settling slot only its own entry may be rewritten: one of another slot would become an entry of this one,
	 * perhaps behind the back of the scan that makes it stable. It is void here for whatever packet, so it may stay. */
	if (kind.rst ||
	    (now == base && !(entry->at && is_new && sl_flow_slot(entry->data) == p->slot)))
		return SL_GO_ON; /* nothing is written */

	held = seen & (kind.udp ? SL_COLD_HOLD_UDP : SL_COLD_HOLD_TCP) ||
	       (seen & SL_COLD_CROWDED && !(track_backend_flags(base) & SL_BACKEND_DOWN));
	home = is_new && !held ? now : base;
	p->backend_index = home;
	if (home == SL_NOBODY)
		return SL_GO_ON;
	new = (struct track_new){
		.hash = p->hash,
		.data = sl_flow_data(p->slot,
				     (kind.syn ? SL_FLOW_SYN_ONLY : 0) |
					     (kind.fin ? SL_FLOW_CLOSING : 0),
				     home, tick),
		.void_data = entry->at ? entry->data : 0,
		.place = *place,
		.tick = tick,
		.only_rewrite = now == base,
	};
	if (track_write(&new) == SL_EVENT_no_room)
		p->backend_index = __sync_fetch_and_or(word, SL_COLD_CROWDED) & SL_COLD_BASE;
	return SL_GO_ON;
}

/* Where the flow may be. What is loaded from there is loaded after the hot word: the agent stores cold, then hot. */
static __always_inline struct sl_flow_place track_place(const struct pkt *p)
{
	return sl_flow_place(p->hash + track_after(p->look), KNOB(place_xor), KNOB(place_factor),
			     KNOB(flow_mask), KNOB(flow_page));
}

static __always_inline enum sl_verdict track_look(struct pkt *p)
{
	struct sl_flow_place place = track_place(p);
	struct track_entry entry = track_find(p->hash, &place);
	struct track_kind kind = track_kind(p);
	__u16 tick = track_tick();

	if (entry.at && !track_is_void(p, entry.data, kind.syn, tick)) {
		if (track_refresh(&entry, kind, tick)) {
			p->backend_index = sl_flow_backend(entry.data);
			return SL_GO_ON;
		}
		entry.at = NULL;
	}
	return track_miss(p, &entry, kind, &place, tick);
}

/*
 * For a packet that is about a flow and not of it: the backend that has the flow now. Nothing is written, neither an
 * entry nor a mark on the slot. The order is that of track_look(): the cold word after the look-up.
 */
static __always_inline enum sl_verdict track_peek(struct pkt *p)
{
	struct sl_flow_place place;
	struct track_entry entry;
	__u32 *word;

	if (p->look) {
		place = track_place(p);
		entry = track_find(p->hash, &place);
		if (entry.at && !track_is_void(p, entry.data, false, track_tick())) {
			p->backend_index = sl_flow_backend(entry.data);
			return SL_GO_ON;
		}
		word = track_cold(p->slot + entry.order);
		if (!word)
			return SL_DROP_internal;
		p->backend_index = LOAD(*word) & SL_COLD_BASE;
	}
	return p->backend_index == SL_NOBODY ? SL_DROP_no_backend : SL_GO_ON;
}

static __always_inline enum sl_verdict track(struct pkt *p)
{
	enum sl_verdict verdict = p->look ? track_look(p) : SL_GO_ON;

	return !verdict && p->backend_index == SL_NOBODY ? SL_DROP_no_backend : verdict;
}

#endif
