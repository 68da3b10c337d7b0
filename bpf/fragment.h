/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Fragments (RFC 791 section 2.3, RFC 8200 section 4.5). Only the first one shows ports. It goes through the steps of its
 * flow's packets, and where it goes is remembered under what its packet's fragments have in common: source, destination,
 * id, and with IPv4 the protocol. Later ones follow, beside the steps. One that no first fragment came before is
 * dropped, and counted by verdict: nobody can say where its flow is. That a first fragment to a VIP passes, because its
 * port has no listener, is remembered as well: nothing else tells its packet's later fragments from those of services.
 *
 * The memory is bounded: four entries in the one bucket that the key's hash names, of the flow table's words (flow.h), with
 * the backend's generation in the place of the slot. An entry counts for 30 s, for which Linux waits for the rest of an
 * IPv4 packet (ipfrag_time; RFC 1122 section 3.3.2 wants at least 60 s, which no fragment takes to overtake another).
 * Expired entries are taken first, else the oldest, which is counted (fragment_evicted).
 *
 * Two CPUs. A claim swaps data to LOCK, stores check and then data; a reader loads data, then check, and believes only
 * a pair that fits its own hash (track.h). So a lost race loses one memory, and never leads to another's backend. Nor
 * does an index that has become another backend's: write_backend() raises its generation, and a packet that read the old one
 * has ended long before, since grace periods lie between the last slot's word that names an index and its next use.
 */
#ifndef BPF_FRAGMENT_H
#define BPF_FRAGMENT_H

#include <stdbool.h>

#include <linux/in.h>

#include <proto/ipv4.h>
#include <sluice/flow.h>

#include "deny.h"
#include "done.h"
#include "home.h"
#include "parse.h"
#include "pkt.h"
#include "service.h"
#include "too_big.h"
#include "track.h"
#include "vlan.h"

/*
 * The fragment header of an IPv6 fragment, as one word, whose IP header is so many bytes from the frame's start; the
 * outermost, if there are more, but not one with neither offset nor more to come (RFC 6946). Read here and not on the walk
 * of parse.h, where the verifier would follow each of its bytes through all steps.
 */
__noinline __u64 fragment_header(struct xdp_md *ctx, __u32 network)
{
	void *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip = (void *)(long)ctx->data + (network & 31);
	struct ipv6_extension *extension = (void *)(ip + 1);
	__u32 next, length;

	if ((void *)(ip + 1) > end)
		return 0;
	next = ip->nexthdr;
#pragma nounroll
	for (int i = 0; i < PARSE_EXTENSIONS; i++) {
		if ((void *)(extension + 1) > end)
			break;
		length = sizeof(*extension);
		if (next != IPPROTO_FRAGMENT)
			length = ipv6_extension_length(next, extension);
		else if (extension->fragment & (IPV6_OFFSET | IPV6_MORE))
			return *(__u64 *)extension;
		next = extension->next;
		extension = (void *)extension + length;
	}
	return 0; /* parse() has just read it */
}

/* What all fragments of a packet have in common, and what each has of its own. */
struct fragment {
	__u64 hash;
	__u32 offset; /* bytes */
};

/* IPv6's key has no protocol: what later fragments say of it does not count (RFC 8200 section 4.5). */
static __always_inline struct fragment fragment_of(const struct pkt *p)
{
	struct fragment f;
	__u64 header;

	if (p->family == 4) {
		f.offset = bpf_ntohs(p->fragment & IPV4_OFFSET) * 8;
		f.hash = sl_hash4(&hash_key, p->source[0], p->destination[0], p->id, p->protocol);
	} else {
		header = fragment_header(p->ctx, pkt_ethernet(p));
		f.offset = bpf_ntohs(header >> 16 & IPV6_OFFSET);
		f.hash = sl_hash6(&hash_key, p->source, p->destination, header >> 32, 0);
	}
	return f;
}

static __always_inline struct sl_flow_bucket *fragment_bucket(__u64 hash)
{
	__u32 i = (hash >> 32) & KNOB(fragment_mask);

	return bpf_map_lookup_elem(&fragments, &i);
}

/* Of the first fragment's entry the data; 0: there is none, or its time is over. */
static __always_inline __u64 fragment_recall(__u64 hash, __u16 tick)
{
	struct sl_flow_bucket *bucket = fragment_bucket(hash);
	__u64 found = 0;

	if (!bucket)
		return 0;
#pragma unroll
	for (int way = 0; way < SL_FLOWS_PER_BUCKET; way++) {
		struct sl_flow *entry = &bucket->entry[way];
		__u64 data = LOAD(entry->data), check;

		check = LOAD(*(__u64 *)((void *)&entry->check + track_after(data)));
		if (sl_flow_fits(hash, data, check) && sl_flow_in_use(data))
			found = data;
	}
	return sl_flow_age(found, tick) > KNOB(fragment_ticks) ? 0 : found;
}

#define FRAGMENT_FREE (1 << 16) /* more than any age */
#define FRAGMENT_OWN  (2 << 16)

/* How well an entry may be written over; -1: not at all. */
static __always_inline __s32 fragment_rank(__u64 hash, __u64 data, __u64 check, __u16 tick)
{
	if (!(data & SL_FLOW_BACKEND))
		return FRAGMENT_FREE;
	if (!sl_flow_in_use(data))
		return -1;
	return sl_flow_fits(hash, data, check) ? FRAGMENT_OWN : sl_flow_age(data, tick);
}

/*
 * Remembers that fragments of this hash go to a backend (its index), or FRAGMENT_PASSES. A function of its own for the
 * verifier, as track_write().
 */
__noinline int fragment_remember(__u64 hash, __u32 index)
{
	struct sl_flow_bucket *bucket = fragment_bucket(hash);
	struct sl_backend *backend = bpf_map_lookup_elem(&backends, &index);
	struct track_new new = {.hash = hash};
	__u16 tick = track_tick();
	struct sl_flow *at = NULL;
	__u64 seen = 0;
	__s32 best = -1;

	if (!bucket)
		return 0;
#pragma unroll
	for (int way = 0; way < SL_FLOWS_PER_BUCKET; way++) {
		struct sl_flow *entry = &bucket->entry[way];
		__u64 data = LOAD(entry->data);
		__s32 rank = fragment_rank(hash, data, LOAD(entry->check), tick);

		if (rank > best) {
			best = rank;
			seen = data;
			at = entry;
		}
	}
	if (!at)
		return 0;
	new.data = sl_flow_data(backend ? LOAD(backend->generation) : 0, 0, index, tick);
	if (best == FRAGMENT_OWN && (seen & ~SL_FLOW_COUNT) == new.data)
		return 0; /* sent twice */
	if (track_claim(at, seen, &new) && best < FRAGMENT_FREE &&
	    best <= (__s32)KNOB(fragment_ticks))
		count_event(SL_EVENT_fragment_evicted);
	return 0;
}

/*
 * Of a fragment without a backend: whose it is, nobody knows. One that goes on within IPv6's extension headers may be of
 * any transport, and passes, as what is not a service's does.
 */
static __always_inline enum sl_verdict fragment_unknown(const struct pkt *p)
{
	return parse_is_ours(p) ? SL_DROP_fragment : SL_PASS_other_protocol;
}

/* What the first fragment says of where a later one goes: to a backend that may be dead, or have lost its index by now. */
static __always_inline enum sl_verdict fragment_follow(struct pkt *p, __u64 found)
{
	__u32 index = sl_flow_backend(found);
	struct sl_backend *backend;

	if (index == SL_NOBODY)
		return fragment_unknown(p);
	if (index == FRAGMENT_PASSES)
		return SL_PASS_no_listener;
	backend = bpf_map_lookup_elem(&backends, &index);
	if (!backend || LOAD(backend->flags) & SL_BACKEND_DEAD ||
	    LOAD(backend->generation) != sl_flow_slot(found))
		return SL_DROP_fragment;
	p->backend_index = index;
	p->service_line = backend->service;
	return SL_GO_ON;
}

static __always_inline enum sl_verdict fragment_check(const struct pkt *p, __u32 offset)
{
	/* What would be written over the flags of a TCP header (RFC 1858 section 4.2): 8 bytes from its start. */
	if (p->protocol == IPPROTO_TCP && offset == 8)
		return SL_DROP_tiny_fragment;
	return service_holds(p, p->length) && p->length >= p->headers ? SL_GO_ON
								      : SL_DROP_bad_length;
}

/*
 * Reads a fragment. A first one: remembers where it goes, a backend's index or FRAGMENT_PASSES; returns what all fragments
 * of its packet have for the hash of their outer headers, so that they stay in order. A later one, with SL_NOBODY: returns
 * where it belongs, or its end (union home_number). One function for both, which the verifier checks once.
 */
__noinline __u64 fragment_read(struct xdp_md *ctx, __u32 goes_to)
{
	union home_number home = {.number = 0};
	enum sl_verdict verdict;
	struct pkt p = {0};
	struct fragment f;

	pkt_init(&p, ctx);
	verdict = parse(&p);
	f = fragment_of(&p);
	if (goes_to != SL_NOBODY) {
		fragment_remember(f.hash, goes_to);
		return f.hash;
	}
	verdict || (verdict = fragment_follow(&p, fragment_recall(f.hash, track_tick()))) ||
		(verdict = fragment_check(&p, f.offset)) || (verdict = deny(&p));
	if (verdict) {
		home.is.action = ended(&p, verdict, counter_row());
	} else {
		home.is.hash = f.hash;
		home.is.backend = p.backend_index;
		home.is.tags = p.tags | (p.family == 6);
	}
	return home.number;
}

/* Step 5: whether more fragments follow. The word's flag says so of IPv6, too (service.h). */
static __always_inline enum sl_verdict remember(struct pkt *p)
{
	if (KNOB(fragments) && p->fragment & IPV4_MF)
		p->hash = fragment_read(p->ctx, p->backend_index);
	return SL_GO_ON;
}

/* Apart from the sending, for the stack's sake. */
__noinline int fragment_count(__u64 number, __u32 length)
{
	union home_number home = {.number = number};
	const struct pkt p = {
		.backend_index = home.is.backend,
		.length = length,
	};

	count_sent(&p, counter_row());
	return 0;
}

/* Of a later fragment that does not fit the way to its backend; returns the XDP action. */
static __always_inline int fragment_too_big(struct xdp_md *ctx, __u32 index)
{
	struct sl_backend *backend = bpf_map_lookup_elem(&backends, &index);

	if (!backend)
		return XDP_DROP;
	return too_big(ctx, backend->path[LOAD(backend->active) & 1].inner_max, backend->service);
}

/* A later fragment to a VIP; returns the XDP action. */
static __always_inline int fragment_later(struct xdp_md *ctx)
{
	union home_number home = {.number = fragment_read(ctx, SL_NOBODY)};
	int action;

	if (!home.is.backend)
		return home.is.action;
	action = home_send(ctx, home.number, HOME_OWN | (home.is.tags & HOME_V6));
	if (action == HOME_SENT_TOO_BIG)
		return fragment_too_big(ctx, home.is.backend);
	if (action >> HOME_SENT_LENGTH)
		fragment_count(home.number, action >> HOME_SENT_LENGTH);
	return action & ((1 << HOME_SENT_LENGTH) - 1);
}

/* A fragment to a VIP that has no backend by the steps: it shows no ports, or no listener has them. Returns the XDP action. */
static __always_inline int fragment(const struct pkt *p)
{
	if (p->backend_index != FRAGMENT_PASSES)
		return fragment_later(p->ctx);
	fragment_read(p->ctx, FRAGMENT_PASSES);
	return done(p, SL_PASS_no_listener);
}

#endif
