/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Within step 2: drops what comes from a source of the deny list. It is asked only for packets to a listener: others are not
 * ours to drop. A trie is no array, so that this look-up is a helper's call; hence the knob.
 */
#ifndef BPF_DENY_H
#define BPF_DENY_H

#include "maps.h"
#include "pkt.h"

/*
 * Whether the list has a prefix of this address, whose 16 bytes are two words. A function of its own, which the verifier
 * checks once, for all who ask.
 */
__noinline int is_denied(__u32 family, __u64 high, __u64 low)
{
	struct sl_deny_key key = {.bits = 8 * (sizeof(key) - sizeof(key.bits)), .family = family};

	((__u64 *)key.address)[0] = high;
	((__u64 *)key.address)[1] = low;
	return bpf_map_lookup_elem(&denied, &key) != NULL;
}

static __always_inline enum sl_verdict deny(const struct pkt *p)
{
	int is;

	if (!KNOB(deny))
		return SL_GO_ON;
	is = p->family == 4 ? is_denied(4, p->source[0], 0)
			    : is_denied(6, p->source64[0], p->source64[1]);
	return is ? SL_DROP_denied : SL_GO_ON;
}

#endif
