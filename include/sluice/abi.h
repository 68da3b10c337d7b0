/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * What the data path and the agent share through BPF maps: the shape of every key and value.
 *
 * Maps are pinned and outlive the programs that fill and read them, so a change of any shape below
 * is a change of SL_LAYOUT_VERSION. What packets read lies in mmapable arrays, but for the devmap and the deny list: the agent
 * changes them by plain stores, a packet reads them without a helper call (the JIT inlines array look-ups).
 *
 * Integers are in host order unless their type is __be16 or __be32, or a comment says otherwise.
 */
#ifndef SLUICE_ABI_H
#define SLUICE_ABI_H

#include <linux/types.h>

/* Raised whenever a shape or a meaning in this file changes; kept in struct sl_meta. */
#define SL_LAYOUT_VERSION 3

#define SL_CACHE_LINE 64
#define SL_NAME_SIZE  64 /* a service's name with its NUL */
#define SL_KEY_SIZE   32 /* a cluster's hash key, bytes */

/* Backend 0 is nobody: a packet sent there is dropped as no_backend. Service 0 is never used. */
#define SL_NOBODY      0
#define SL_BACKEND_MAX 32767 /* 15 bits of a hot word; also 0xffff marks a locked flow entry */
#define SL_SLOTS_MAX   (1u << 24)

/* ---- what a packet reads first ------------------------------------------------------------- */

/*
 * The root of what packets read: one word that says all of the listener table in force, so that one store
 * switches to a whole new set of listeners. Two tables share each of the maps listeners4 and listeners6, one in
 * either half; the one that is not in force is the spare.
 *
 * A table is immutable while it is in force. A key hashes to one 64-byte bucket by multiplication (Dietzfelbinger
 * et al. 1997); the builder tries multipliers until no bucket overflows, so that one cache line answers,
 * hit or miss. The word:
 *
 *	bit 0		the half in force
 *	bit 1		some listener takes any port, so a miss is looked up once more
 *	bits 2-7	64 minus the logarithm of the number of IPv4 buckets
 *	bits 8-13	the same for IPv6
 *	bit 14		some listener is a prefix, so a miss is looked up in each prefix length in use
 *	bit 15		some listener's address answers echo requests
 *	bits 16-63	what the builder tried; all of the word, with bit 0 set, is the multiplier
 *
 * 0: no table was ever put in force.
 */
struct sl_control {
	__u64 listeners;
	__u16 longest_ticks; /* a flow entry older than that is expired for every service (flow.h) */
	__u16 tick;	     /* the clock, where the knob `manual_clock` is on (tests) */
	__u8 pad[52];
};

#define SL_LISTENERS_HALF     1ULL
#define SL_LISTENERS_ANY_PORT 2ULL
#define SL_LISTENERS_PREFIX   (1ULL << 14)
#define SL_LISTENERS_ECHO     (1ULL << 15)

static inline unsigned int sl_listeners_shift4(__u64 word)
{
	return word >> 2 & 63;
}

static inline unsigned int sl_listeners_shift6(__u64 word)
{
	return word >> 8 & 63;
}

/* The bucket of a key, from the start of the table's half; the shift is that of the key's family. */
static inline __u32 sl_listeners_bucket(__u64 word, __u64 key, unsigned int shift)
{
	return key * (word | SL_LISTENERS_HALF) >> shift;
}

/* A key's fourth part. */
enum sl_listener_kind {
	SL_LISTENER = 0, /* address, port (0: any), protocol: the value is a service record */
	/* address alone, port and protocol 0: the value is a mask of enum sl_address_has */
	SL_ADDRESS = 1,
	/* address and protocol 0, port: the rank of a prefix length in use, from 0 (the longest); the value is the length */
	SL_LENGTH = 2,
	/* IPv6 alone: a backend's server id (sl_server_id_key()); the value is its index, see SL_SERVER_ID_CLOSED */
	SL_SERVER_ID = 3,
	/* A prefix's listener, and with 1 more its mark: twice the rank of its length is added. */
	SL_PREFIX = 4,
};

/*
 * Different lengths of listeners that are prefixes, of one family. They lie in the same table, under the rank of their
 * length, so that one store switches to them with all others and no helper is called: a packet that no address answers
 * is looked up once for each length in use, longest first.
 */
#define SL_PREFIX_LENGTHS 7

static inline enum sl_listener_kind sl_prefix_kind(unsigned int rank, enum sl_listener_kind kind)
{
	return SL_PREFIX + 2 * rank + kind; /* kind: SL_LISTENER or SL_ADDRESS */
}

/* What an address (of kind SL_ADDRESS) has: packets that show no port are judged by it. */
enum sl_address_has {
	SL_HAS_TCP = 1, /* a TCP listener */
	SL_HAS_UDP = 2, /* a UDP listener */
	/* one whose service wants echo requests answered; the knob `echo` must be on */
	SL_HAS_ECHO = 4,
};

#define SL_WAYS4 6
#define SL_WAYS6 3

/* One cache line of IPv4 listeners. An empty way has key 0. Keys: sl_listener_key4(). */
struct sl_listeners4 {
	__u64 key[SL_WAYS4];
	__u16 value[SL_WAYS4];
	__u32 pad;
};

/* One cache line of IPv6 listeners. An empty way has protocol 0. Addresses as they lie on the wire. */
struct sl_listeners6 {
	__u64 address[SL_WAYS6][2];
	__be16 port[SL_WAYS6];
	__u16 value[SL_WAYS6];
	/* IPPROTO_TCP, IPPROTO_UDP; SL_PROTOCOL_ADDRESS: kind SL_ADDRESS; SL_PROTOCOL_LENGTH: kind SL_LENGTH;
	 * SL_PROTOCOL_SERVER_ID: kind SL_SERVER_ID; else sl_prefix_protocol() */
	__u8 protocol[SL_WAYS6];
	__u8 pad;
};
#define SL_PROTOCOL_ADDRESS 255 /* IANA reserves it */
#define SL_PROTOCOL_LENGTH  254 /* for experiments; no rank and protocol of a prefix make it */

/*
 * Server ids of QUIC services lie in the IPv6 table, too, so that the one store that leads to a service's record leads
 * to its backends' ids as well. The key: the id's length and its bytes in the place of the address, the service's
 * record in that of the port (as a port lies there: in wire order), and this in that of the protocol.
 */
#define SL_PROTOCOL_SERVER_ID 253 /* for experiments, as 254 */
#define SL_SERVER_ID_MAX      15  /* bytes */
/* Of the value: the backend takes no new flows, though it is neither down nor dead: it drains, or has left. */
#define SL_SERVER_ID_CLOSED 0x8000u

/* What stands for protocol and rank where an IPv6 listener is a prefix; protocol 0: its mark. */
static inline __u8 sl_prefix_protocol(unsigned int rank, __u8 protocol)
{
	return (rank + 1) << 5 | protocol; /* both protocols are below 32 */
}

/* The key of an IPv4 listener; address and port in wire order, as loaded from a packet. */
static inline __u64 sl_listener_key4(__be32 address, __be16 port, __u8 protocol,
				     enum sl_listener_kind kind)
{
	return (__u64)(__u32)address | (__u64)(__u16)port << 32 | (__u64)protocol << 48 |
	       (__u64)kind << 56;
}

/* An IPv6 listener folded into the 64 bits that are hashed; address halves as they lie in memory. Two listeners that
 * fold alike only share a bucket. The factors are odd and otherwise arbitrary. */
static inline __u64 sl_listener_key6(const __u64 address[2], __be16 port, __u8 protocol)
{
	__u64 rest = (__u64)(__u16)port << 8 | protocol;

	return address[0] + address[1] * 0x9e3779b97f4a7c15ULL + rest * 0xd1342543de82ef95ULL;
}

/* ---- services and their slots ---------------------------------------------------------------- */

/* A service's flags. */
enum sl_service_flag {
	/* For the agent alone: its slots may be looked up, and have entries (`tracking: changes`). */
	SL_SERVICE_TRACKS = 1,
	/* A flow's slot follows from sl_hash_source4() or 6 (`affinity: source`); the knob `affinity` must be on. */
	SL_SERVICE_BY_SOURCE = 2,
	/* A packet whose connection id names a backend goes there (`affinity: quic`); the knob `quic` must be on. */
	SL_SERVICE_QUIC = 4,
};

/*
 * How a service's connection ids are made (`quic`), one word for each configuration that a connection id may name in
 * its first three bits; 0: there is none of that number. The last number, 7, is none's: such ids name nobody.
 */
#define SL_QUIC_CONFIGS	    7
#define SL_QUIC_SERVER_ID   0x000fu /* its length, bytes */
#define SL_QUIC_NONCE_SHIFT 4
#define SL_QUIC_NONCE	    0x01f0u
/* The last five bits of the first octet are the length of what follows. */
#define SL_QUIC_ENCODES_LENGTH 0x8000u

/* Bytes of a connection id, the first octet included. */
static inline unsigned int sl_quic_length(__u16 config)
{
	return 1 + (config & SL_QUIC_SERVER_ID) + ((config & SL_QUIC_NONCE) >> SL_QUIC_NONCE_SHIFT);
}

/*
 * A service record. Immutable but for idle_ticks, mss and quic while a listener table in force names it: a change
 * writes a new record and switches the listener table. The second line is for the agent alone.
 */
struct sl_service {
	__u32 slots_base; /* first slot of its Maglev table */
	__u32 slots;	  /* number of slots, a prime */
	__u32 counters;	  /* its line in a CPU's row of counters; stays when the record changes */
	__u16 idle_ticks; /* a flow silent for longer is over: T of docs/tracking.md */
	__u16 flags;	  /* enum sl_service_flag */
	__u16 mss; /* a SYN's MSS is lowered to this; 0: it is not. The knob `mss_clamp` must be on */
	__u16 quic[SL_QUIC_CONFIGS];
	__u8 pad[32];
	char name[SL_NAME_SIZE]; /* "": the record is free */
};

/*
 * A slot's hot word: where new flows go and whether flows are looked up (docs/tracking.md). Its cold word:
 * where flows without an entry belong. Words are packed into cache lines, since an array map pads
 * each element to 8 bytes.
 */
#define SL_HOT_NOW  0x7fffu /* backend index */
#define SL_HOT_LOOK 0x8000u

#define SL_COLD_BASE	 0x7fffu /* backend index */
#define SL_COLD_CROWDED	 0x8000u
#define SL_COLD_HOLD_TCP 0x10000u
#define SL_COLD_HOLD_UDP 0x20000u

#define SL_HOT_PER_LINE	 32
#define SL_COLD_PER_LINE 16

struct sl_hot_line {
	__u16 word[SL_HOT_PER_LINE];
};

struct sl_cold_line {
	__u32 word[SL_COLD_PER_LINE];
};

/* ---- the flow table ----------------------------------------------------------------------------- */

/*
 * It holds exceptions only: flows that are not where their slot says (docs/tracking.md). A flow has two
 * candidate buckets of four entries each, two cache lines of one page; flow.h says which and what the words
 * of an entry hold.
 */
#define SL_FLOWS_PER_BUCKET 4

struct sl_flow {
	__u64 check;
	__u64 data;
};

struct sl_flow_bucket {
	struct sl_flow entry[SL_FLOWS_PER_BUCKET];
};

/* ---- backends --------------------------------------------------------------------------------- */

enum sl_encapsulation {
	SL_ENCAP_IPIP = 0, /* RFC 2003, 2473, 4213: 4in4, 4in6, 6in6, 6in4 */
	SL_ENCAP_GUE =
		1, /* the same in UDP (headers/proto/gue.h), which the data path writes itself */
	SL_ENCAP_L2 = 2, /* nothing: the packet goes to the backend's own MAC address */
};

#define SL_HEADER_MAX 72 /* Ethernet 14, IPv6 40, and 18 to spare */
#define SL_TAG	      4 /* bytes of a VLAN tag: its type and its control information (IEEE 802.1Q) */
#define SL_TAGS_MAX   2
#define SL_TAGS_KEEP  255 /* for sl_path.tags: a packet leaves with the tags that it came with */

/*
 * The way to a backend: the header that goes before the inner packet, built by the agent. A packet
 * copies it, fills in lengths, traffic class, id, flow label and checksum, and is sent.
 */
struct sl_path {
	__u32 ifindex;	 /* the way out; 0: no next hop is known (verdict no_nexthop) */
	__u16 inner_max; /* longest inner packet that fits the way out, bytes (verdict too_big) */
	__u8 family;	 /* of the backend's address and of the outer header: 4 or 6 */
	__u8 encapsulation; /* enum sl_encapsulation */
	/* Folded sum of constant 16-bit words (RFC 1071), each as loaded from memory. IPv4: the outer header's 0x45 0x00,
	 * ttl 0x00, source, destination. IPv6 and GUE: source, destination, protocol and port, for the UDP checksum. */
	__u16 checksum;
	__u8 header_len; /* bytes of `header` in use: 34 or 54; 14 for l2 */
	__u8 tags; /* bytes of `tag` that go before Ethernet's type: 0, 4, 8; or SL_TAGS_KEEP. The knob `vlans` must be on */
	__u32 entropy; /* bits that vary by flow of the source's last 32, which are 0 in `header`; as in memory */
	/* Ethernet, then the outer IP header, in wire order. What differs by packet is 0 here: IPv4's tos, length,
	 * id, fragment word, protocol and checksum; IPv6's traffic class, flow label, length and next header; for l2,
	 * Ethernet's type. */
	__u8 header[SL_HEADER_MAX];
	/* the outermost first, each type and VLAN id; the priority is the packet's */
	__be16 tag[2 * SL_TAGS_MAX];
};

/* The backend's flags. */
enum sl_backend_flag {
	SL_BACKEND_DOWN = 1, /* takes no new flows because it failed (not because it is drained) */
	SL_BACKEND_DEAD = 2, /* its flows are let go */
};

/*
 * A backend: an identity (service name, address) under an index that does not change while a slot or
 * a flow entry names it. `active` picks the path in force by one store; the other is the spare.
 */
struct sl_backend {
	__u64 active;	 /* 0 or 1 */
	__u32 flags;	 /* enum sl_backend_flag */
	__u32 service;	 /* counters line of its service: the service's stable id */
	__u8 family;	 /* of the address: 4 or 6; 0: the index is free */
	__u8 generation; /* raised whenever the index is written anew (bpf/fragment.h) */
	__u8 pad1[6];
	__u8 address[16]; /* wire order; an IPv4 address in the first 4 bytes */
	__u8 pad2[24];
	struct sl_path path[2];
};

/*
 * The mark of a packet (SO_MARK of its socket) that is to go to one backend through its tunnel, whatever the table says: a
 * probe (bpf/probe.bpf.c). The lower bits are the backend's index. The agent's routing rule matches mark and mask.
 */
#define SL_PROBE_MARK	   0x51750000u
#define SL_PROBE_MARK_MASK 0xffff8000u

/* ---- counters --------------------------------------------------------------------------------- */

/*
 * One array of 64-byte lines, one row of lines for each CPU (per-CPU arrays cannot be mmapped):
 *
 *	row of a CPU = SL_VERDICT_LINES lines of verdicts, SL_EVENT_LINES lines of events, one line a service,
 *	one line a backend
 *
 * Index of a line: cpu * knobs.counter_lines + line. Written by its own CPU alone, without atomics.
 */
#define SL_COUNTERS_PER_LINE 8

struct sl_counter_line {
	__u64 count[SL_COUNTERS_PER_LINE];
};

enum sl_service_counter {
#define SL_SERVICE_COUNTER(name, help) SL_SERVICE_##name,
#define SL_BACKEND_COUNTER(name, help)
#include <sluice/counters.def>
	SL_SERVICE_COUNTERS
};

enum sl_backend_counter {
#define SL_SERVICE_COUNTER(name, help)
#define SL_BACKEND_COUNTER(name, help) SL_BACKEND_##name,
#include <sluice/counters.def>
	SL_BACKEND_COUNTERS
};

/* What a step of the data path decided. SL_GO_ON: the next step; all others end the packet. */
enum sl_verdict {
	SL_GO_ON,
#define SL_VERDICT(name, action, help) SL_##action##_##name,
#include <sluice/verdicts.def>
	SL_VERDICTS
};

/* What happened to a packet besides its verdict: at most one thing by the flow table, one by its connection id. */
enum sl_event {
	SL_EVENT_NONE,
#define SL_EVENT(name, help) SL_EVENT_##name,
#include <sluice/events.def>
	SL_EVENTS
};

#define SL_EVENT_LINES	 ((SL_EVENTS + SL_COUNTERS_PER_LINE - 1) / SL_COUNTERS_PER_LINE)
#define SL_VERDICT_LINES ((SL_VERDICTS + SL_COUNTERS_PER_LINE - 1) / SL_COUNTERS_PER_LINE)

/* ---- answers ------------------------------------------------------------------------------------ */

/* One a CPU, which alone writes it: how many senders it has told in this tick that their packets are too big. */
struct sl_answers {
	__u32 tick, count;
	__u8 pad[56];
};

/* ---- sources that are not let in --------------------------------------------------------------- */

/*
 * A key of the map `denied`, for a prefix as for an address: the first bits of `family` and `address`. One trie holds both
 * families, since the first 32 bits differ.
 */
#define SL_DENY_FAMILY_BITS 32
struct sl_deny_key {
	__u32 bits;   /* SL_DENY_FAMILY_BITS and the prefix's length */
	__u32 family; /* 4 or 6 */
	/* as it lies in a packet; IPv4 in the first four */
	__u8 address[16] __attribute__((aligned(8)));
};

/* ---- for the agent alone ----------------------------------------------------------------------- */

/* One record that says what the other maps are; read before they are adopted. */
struct sl_meta {
	__u32 layout;	/* SL_LAYOUT_VERSION */
	__u32 cpus;	/* rows of counters */
	__u16 services; /* the limits that the maps were made for */
	__u8 fragments; /* the number's logarithm; 0: none */
	__u8 pad;
	__u32 listeners;
	__u32 backends;
	__u32 flows; /* entries */
	__u32 slots;
	__u32 deny;	   /* prefixes of sources */
	__u64 revision;	   /* of the configuration last applied */
	__u8 host_key[16]; /* mixes the placement of flow buckets on this host */
	__u8 key_id[8];	   /* fingerprint of the hash key that filled the slots */
};

/* ---- what a program is loaded with -------------------------------------------------------------- */

/*
 * The VLANs on which services listen, by interface: a constant of the program, where the knob `vlans` is on. An interface
 * has the row that its index hashes to (sl_vlans_row()): the loader tries factors until each has one of its own. What
 * is in no row listens to untagged frames alone.
 */
#define SL_VLAN_ROWS	   256
#define SL_VLAN_INTERFACES 64
#define SL_VLAN_UNTAGGED   0 /* also of frames with a priority alone (IEEE 802.1Q, table 9-2) */
#define SL_VLAN_MAX	   4094

struct sl_vlans {
	__u32 factor; /* odd */
	__u32 pad;
	struct {
		__u32 ifindex; /* 0: none */
		__u32 pad;
		/* a bit for each VLAN id of the outermost tag; SL_VLAN_UNTAGGED */
		__u64 listens[64];
	} row[SL_VLAN_ROWS];
};

static inline __u32 sl_vlans_row(__u32 factor, __u32 ifindex)
{
	return ifindex * factor >> 24;
}

/* Numbers in the program's instructions; the verifier removes what is off. One line each in knobs.def. */
struct sl_knobs {
#define SL_KNOB(type, name, off, on, help) type name;
#include <sluice/knobs.def>
};

/*
 * What stands in the object in the place of a knob's value: these and the knob's offset within struct sl_knobs. The first is
 * the immediate of a 32-bit move, for knobs of up to 4 bytes; the second that of a 64-bit load, for those of 8.
 */
#define SL_KNOB_MARK	  0x5e1d0000u
#define SL_KNOB_WIDE_MARK 0x5e1d5e1d5e1d0000ull

#define SL_ASSERT_SIZE(type, size) \
	_Static_assert(sizeof(type) == (size), #type " is not " #size " bytes")

_Static_assert((SL_PROBE_MARK & ~SL_PROBE_MARK_MASK) == 0 && SL_BACKEND_MAX == ~SL_PROBE_MARK_MASK,
	       "a mark holds any backend's index");
SL_ASSERT_SIZE(struct sl_control, SL_CACHE_LINE);
SL_ASSERT_SIZE(struct sl_listeners4, SL_CACHE_LINE);
SL_ASSERT_SIZE(struct sl_listeners6, SL_CACHE_LINE);
SL_ASSERT_SIZE(struct sl_service, 2 * SL_CACHE_LINE);
SL_ASSERT_SIZE(struct sl_hot_line, SL_CACHE_LINE);
SL_ASSERT_SIZE(struct sl_cold_line, SL_CACHE_LINE);
SL_ASSERT_SIZE(struct sl_flow_bucket, SL_CACHE_LINE);
SL_ASSERT_SIZE(struct sl_path, 96);
SL_ASSERT_SIZE(struct sl_backend, 4 * SL_CACHE_LINE);
SL_ASSERT_SIZE(struct sl_counter_line, SL_CACHE_LINE);
SL_ASSERT_SIZE(struct sl_deny_key, 24);
SL_ASSERT_SIZE(struct sl_answers, SL_CACHE_LINE);
SL_ASSERT_SIZE(struct sl_meta, SL_CACHE_LINE);
_Static_assert(SL_VLAN_ROWS == 1 << (32 - 24), "as many as sl_vlans_row() says");
_Static_assert(SL_SERVICE_COUNTERS <= SL_COUNTERS_PER_LINE, "a service's counters fill one line");
_Static_assert(SL_BACKEND_COUNTERS <= SL_COUNTERS_PER_LINE, "a backend's counters fill one line");

#endif
