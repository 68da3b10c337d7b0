/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What decap.bpf.c and sluice-decap share: keys of the maps, and the verdicts. */
#ifndef SLUICE_DECAP_H
#define SLUICE_DECAP_H

#include <linux/types.h>

/* Key of the map `own` (a hash: is there): an address of this host. Wire order; IPv4 in the first 4 bytes. */
struct sl_decap_address {
	__u8 family; /* 4 or 6 */
	__u8 bytes[16];
	__u8 pad[3];
};

/* Key of the map `from` (longest prefix match: is there): whom to take from. */
struct sl_decap_prefix {
	__u32 bits; /* of `address`, so 8 more than the prefix has */
	struct sl_decap_address address;
};

/* Index of the map `verdicts`, a counter each. */
enum sl_decap_verdict {
	SL_DECAP_GO_ON,
#define SL_DECAP_VERDICT(name, action, help) SL_DECAP_##action##_##name,
#include <sluice/decap.def>
	SL_DECAP_VERDICTS
};

#endif
