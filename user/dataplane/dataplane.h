/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only user of libbpf and libxdp: loads the balancer, pins it, attaches it, adopts what is pinned, and
 * changes the maps.
 *
 * Story: dataplane_open() takes the lock of the pin directory (flock on the directory itself), then
 * either makes fresh maps or adopts the pinned ones. Maps are adopted only when struct sl_meta says the same
 * layout; other limits mean new maps, filled from the old ones, to which the links are then switched; a
 * smaller limit that cuts off something in use is refused. The program is always loaded anew from this
 * binary and put into the pinned links by bpf_link_update(), which loses no packet: so an upgrade is a restart.
 * dataplane_close() leaves everything in force; dataplane_down() takes it all away.
 *
 * Writes go through struct dataplane_ops, whose implementation here stores into mmapped arrays. Tests of
 * core/ give their own implementation, in plain memory and with failures.
 */
#ifndef DATAPLANE_DATAPLANE_H
#define DATAPLANE_DATAPLANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/abi.h>
#include <sluice/hash.h>

#include "base/addr.h"
#include "dataplane/limits.h"

struct beside_by;
struct problems;
struct dataplane;

/* Where flows lie in the flow table: what sl_flow_place() takes (flow.h). */
struct flows_places {
	uint64_t xored, factor;
	uint32_t mask, page;
};

/* The maps as memory, for reading: mmapped, or a test's own arrays. Lengths follow from `limits`. */
struct dataplane_view {
	struct sl_limits limits;
	const struct sl_meta *meta;
	const struct sl_control *control;
	const struct sl_listeners4 *listeners4;
	const struct sl_listeners6 *listeners6;
	const struct sl_service *services; /* [sl_service_records()] */
	const struct sl_hot_line *hot;
	const struct sl_cold_line *cold;
	const struct sl_flow_bucket *flows;
	const struct sl_flow_bucket *fragments;
	const struct sl_backend *backends; /* [limits.backends + 1] */
	const struct sl_answers *answers;
	const struct sl_counter_line *counters;
	struct flows_places places;
	uint64_t tick_ns;    /* length of a tick, in which entries count */
	uint8_t clock_shift; /* a tick is 2 to the power of this many units of ops->clock */
};

/* Ticks that last at least so long. */
static inline uint32_t dataplane_ticks(const struct dataplane_view *v, uint64_t ms)
{
	return (ms * 1000000 + v->tick_ns - 1) / v->tick_ns;
}

/* For so long it is known where a first fragment went (bpf/fragment.h). */
#define DATAPLANE_FRAGMENT_MS 30000

/* The length of a unit of ops->clock. */
static inline uint64_t dataplane_unit_ns(const struct dataplane_view *v)
{
	return v->tick_ns >> v->clock_shift;
}

/* Units that last at least so long. */
static inline uint32_t dataplane_units(const struct dataplane_view *v, uint64_t ms)
{
	return (ms * 1000000 + dataplane_unit_ns(v) - 1) / dataplane_unit_ns(v);
}

static inline uint16_t dataplane_hot(const struct dataplane_view *v, uint32_t slot)
{
	return __atomic_load_n(&v->hot[slot / SL_HOT_PER_LINE].word[slot % SL_HOT_PER_LINE],
			       __ATOMIC_ACQUIRE);
}

static inline uint32_t dataplane_cold(const struct dataplane_view *v, uint32_t slot)
{
	return __atomic_load_n(&v->cold[slot / SL_COLD_PER_LINE].word[slot % SL_COLD_PER_LINE],
			       __ATOMIC_ACQUIRE);
}

/* One listener of the table to be put in force. */
struct dataplane_listener {
	struct addr address;
	bool echo; /* its address answers echo requests, for this listener's part; read back: for any one's */
	uint16_t port;	  /* host order; 0: any */
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	uint8_t length;	  /* of a prefix, bits; 0: the address alone */
	uint16_t service; /* record */
};

/*
 * A server id is a listener of its own kind (abi.h): `address` has its length and its bytes, `port` its service's record,
 * and `service` the index of the backend that it names, with SL_SERVER_ID_CLOSED where that takes no new flows.
 */
static inline bool dataplane_is_server_id(const struct dataplane_listener *listener)
{
	return listener->protocol == SL_PROTOCOL_SERVER_ID;
}

/* At most SL_SERVER_ID_MAX bytes. */
static inline struct dataplane_listener dataplane_server_id(uint32_t record, const uint8_t *id,
							    size_t length, uint16_t value)
{
	struct dataplane_listener listener = {
		.address = {.family = 6, .bytes = {length}},
		.port = record,
		.protocol = SL_PROTOCOL_SERVER_ID,
		.service = value,
	};

	for (size_t i = 0; i < length; i++)
		listener.address.bytes[1 + i] = id[i];
	return listener;
}

/* The record that a listener leads to, or that a server id is of. */
static inline uint32_t dataplane_record(const struct dataplane_listener *listener)
{
	return dataplane_is_server_id(listener) ? listener->port : listener->service;
}

/* One store into a slot's hot or cold word. */
struct dataplane_store {
	uint32_t slot;
	uint32_t word;
};

/* A compare-and-swap of a slot's cold word. */
struct dataplane_swap {
	uint32_t slot;
	uint32_t from, to;
	bool done; /* it was `from`, and is `to` now */
};

/* What looks at the entries of the flow table (flow.h), a batch at a time. */
struct dataplane_visitor {
	void *arg;
	/*
	 * Sets over[i] where entry i is to be deleted. Shown are all that are in use, and those that are being
	 * written at the moment (backend SL_FLOW_LOCK), by their words of data; at most DATAPLANE_BATCH.
	 */
	void (*judge)(void *arg, const uint64_t *data, size_t count, bool *over);
	/* An entry that was to be deleted is still there: a packet has changed it meanwhile. */
	void (*stays)(void *arg, uint64_t data);
};
#define DATAPLANE_BATCH 256

/*
 * Every change of the maps. Each returns 0 or a negative errno and then has changed nothing that a packet
 * sees. Stores are releases, in the order of the calls; all but `grace` and `open_way` make no syscall, except
 * that a spare which was in force since the last grace period is waited for first. A new one is named in
 * operations.def, too.
 */
struct dataplane_ops {
	/* Writes a record that no listener table in force names. */
	int (*write_service)(void *self, uint32_t record, const struct sl_service *value);
	/* Writes an index that no slot and no entry names. Of `value`, path[0] is in force. */
	int (*write_backend)(void *self, uint32_t index, const struct sl_backend *value);
	/* Writes the spare path of a backend and switches to it by one store. */
	int (*write_path)(void *self, uint32_t index, const struct sl_path *path);
	int (*write_flags)(void *self, uint32_t index, uint32_t flags); /* enum sl_backend_flag */
	/* Zeroes a line of counters (abi.h) on every CPU: one that no record and no slot in force counts in. */
	int (*clear_counters)(void *self, uint32_t line);
	/* Builds the spare listener table and switches to it by one store. -ENOSPC: no multiplier was found. */
	int (*write_listeners)(void *self, const struct dataplane_listener *list, size_t count);
	int (*store_cold)(void *self, const struct dataplane_store *stores, size_t count);
	int (*store_hot)(void *self, const struct dataplane_store *stores, size_t count);
	/* Does not fail where a word is another one: each swap says whether it was done. */
	int (*swap_cold)(void *self, struct dataplane_swap *swaps, size_t count);
	/* T of a service, in a record that may be in force. */
	int (*write_idle)(void *self, uint32_t record, uint32_t ticks);
	/* The MSS that SYNs are lowered to, 0: none; likewise. */
	int (*write_mss)(void *self, uint32_t record, uint16_t mss);
	/* How a service's connection ids are made (abi.h); likewise, one store for each number. */
	int (*write_quic)(void *self, uint32_t record, const uint16_t quic[SL_QUIC_CONFIGS]);
	/* Entries older than that are expired for every service. */
	int (*write_longest)(void *self, uint16_t ticks);
	/* Shows every flow entry to the visitor. */
	int (*scan_flows)(void *self, const struct dataplane_visitor *visitor);
	/*
	 * The clock that packets read, in units of its own (`clock_shift`); it wraps. Shifted to ticks its lower
	 * 16 bits are what packets write into entries.
	 */
	int (*clock)(void *self, uint32_t *now);
	/* Lets packets be redirected out by this interface; idempotent. */
	int (*open_way)(void *self, uint32_t ifindex);
	/* Returns when every program that was running at the call has ended. */
	int (*grace)(void *self);
	void (*set_revision)(void *self, uint64_t revision);
};

/* What the program is loaded for (features.def). */
struct dataplane_features {
#define DATAPLANE_FEATURE(name, help) bool name;
#include "dataplane/features.def"
};

static inline struct dataplane_features dataplane_features_or(struct dataplane_features a,
							      struct dataplane_features b)
{
	return (struct dataplane_features){
#define DATAPLANE_FEATURE(name, help) .name = a.name || b.name,
#include "dataplane/features.def"
	};
}

struct dataplane_options {
	const char *pin_dir; /* NULL: nothing is pinned (tests) */
	struct sl_limits limits;
	struct sl_hash_key key;
	/* The key's fingerprint: maps pinned under another one are refused, their flows would all move. */
	uint8_t key_id[8];
	struct dataplane_features features; /* and those that adopted maps need */
	const struct sl_vlans *vlans;	    /* copied; NULL: untagged everywhere */
	/* 16 bytes that place flows in the table; NULL: new ones, or those of the maps that are adopted. */
	const uint8_t *host_key;
	bool manual_clock;	  /* knob: the tick is control.tick, which tests set */
	uint32_t too_big_answers; /* knob; 0: as many as in service (else the bench) */
	/* Another BPF object than the built-in one (tests, other clang); NULL: built in. */
	const void *object;
	size_t object_size;
	const void *probe_object; /* the same for the probes' program (probe.h) */
	size_t probe_object_size;
};

/*
 * Errors (each explained in `p`): -EWOULDBLOCK another agent holds the pins; -EPERM no privilege; -EOPNOTSUPP the
 * kernel lacks something; -EPROTO pinned maps of another layout or key; -EBUSY a smaller limit cuts off what is in use.
 */
int dataplane_open(const struct dataplane_options *options, struct dataplane **out,
		   struct problems *p);
void dataplane_close(struct dataplane *dp); /* all that is pinned stays in force; NULL is fine */

/* What the program in force is loaded for. */
struct dataplane_features dataplane_features(const struct dataplane *dp);
/*
 * Changes that: loads the program anew on the same maps and puts it into every link, which loses no packet. On failure
 * the present program stays everywhere. What the maps' contents need is to be on before they are written, and off only
 * after the last of them is gone.
 */
int dataplane_set_features(struct dataplane *dp, struct dataplane_features features,
			   struct problems *p);

/*
 * Changes the VLANs on which services listen, in the same way: a packet sees the old ones or the new ones. Nothing is
 * loaded while the feature `vlans` is off.
 */
int dataplane_set_vlans(struct dataplane *dp, const struct sl_vlans *vlans, struct problems *p);
/* Those in force. */
const struct sl_vlans *dataplane_vlans(const struct dataplane *dp);

/*
 * Adds an interface, or VLANs to one that is there (vlans.c); `listens` as in struct sl_vlans, which is all zeros to begin
 * with. -E2BIG: there are more interfaces than rows can be found for; at least SL_VLAN_INTERFACES fit. *vlans is unchanged
 * then. Pure.
 */
int vlans_add(struct sl_vlans *vlans, uint32_t ifindex, const uint64_t listens[64]);
/* Adds all of another. */
int vlans_add_all(struct sl_vlans *vlans, const struct sl_vlans *more);

bool dataplane_adopted(const struct dataplane *dp); /* false: the maps were made fresh */
const struct dataplane_view *dataplane_view(const struct dataplane *dp);
const struct dataplane_ops *dataplane_operations(void); /* `self` is the struct dataplane */
int dataplane_program_fd(const struct dataplane *dp);	/* for BPF_PROG_TEST_RUN and the bench */
/* A map by its name in maps.def; -ENOENT. */
int dataplane_map_fd(const struct dataplane *dp, const char *name);

/* ---- packets on trial (simulate.c) --------------------------------------------------------------- */

/*
 * A data plane of its own, which no interface and no pin knows: the same program, and a copy of all maps as they are now,
 * with counters at zero. It is for packets on trial; the running one is only read. Errors as dataplane_open()'s, and
 * -EAGAIN: the maps change too fast to be copied.
 */
int dataplane_copy(const struct dataplane *running, struct dataplane **out, struct problems *p);

/* How a packet on trial ended. */
struct dataplane_outcome {
	enum sl_verdict verdict;
	uint32_t service; /* its line of counters; 0: it is none's, or nobody counted */
	uint32_t backend; /* its index; SL_NOBODY: it was sent to none */
	/* What its connection id said, one of SL_EVENT_quic_*; SL_EVENT_NONE: nobody asked. */
	enum sl_event connection_id;
};

/*
 * Sends a frame through the program as if it had come in by an interface (0: none in particular). No packet leaves; what
 * the program writes into maps stays there, but for the counters, by which the outcome is known: so nobody else may use
 * the maps. -EMSGSIZE: the kernel cannot try a frame so long; -EINVAL: it has no whole Ethernet header.
 */
int dataplane_try(struct dataplane *dp, const void *frame, size_t length, uint32_t ifindex,
		  struct dataplane_outcome *out);
/* The descriptors of all maps, for a process that closes others; at most `max`. Their number. */
size_t dataplane_map_fds(const struct dataplane *dp, int *out, size_t max);

enum dataplane_mode { DATAPLANE_AUTO, DATAPLANE_NATIVE, DATAPLANE_GENERIC };

static inline const char *dataplane_mode_name(enum dataplane_mode mode)
{
	static const char *const names[] = {
		[DATAPLANE_AUTO] = "auto",
		[DATAPLANE_NATIVE] = "native",
		[DATAPLANE_GENERIC] = "generic",
	};

	return names[mode];
}

struct dataplane_link {
	char device[16];
	uint32_t ifindex;	  /* 0: the device is gone, and the link with it */
	enum dataplane_mode mode; /* as it is; AUTO only where the device is gone */
	uint32_t program_id;	  /* of the program on the device, or beside others; 0: none */
	bool is_beside;		  /* by libxdp's dispatcher (beside.h) */
	uint32_t others;	  /* programs beside it */
};

/*
 * Attaches to a device, or switches the pinned link that is already there to this program. AUTO tries native,
 * then generic, and then says in `warnings` why native failed, in the driver's own words. A foreign program
 * on the device is named (libxdp) and left alone: -EBUSY. A pinned link of a device that is another one by
 * now (ifindex differs) is replaced. One that is attached beside others is detached first.
 *
 * -EPERM: no privilege; -ENODEV: the device has gone; else what the kernel says, in its own words.
 */
int dataplane_attach(struct dataplane *dp, const char *device, uint32_t ifindex,
		     enum dataplane_mode mode, struct dataplane_link *out,
		     struct problems *warnings, struct problems *p);
/*
 * The same beside other programs, by libxdp's dispatcher. -EOPNOTSUPP: the kernel cannot do it; -EBUSY: a program that is
 * not the dispatcher's holds the device. It needs pins, and CAP_SYS_ADMIN where it is not attached yet.
 */
int dataplane_attach_beside(struct dataplane *dp, const char *device, uint32_t ifindex,
			    enum dataplane_mode mode, struct dataplane_link *out,
			    struct problems *warnings, struct problems *p);
/* Who asks libxdp from now on; copied. To begin with, this process does. */
void dataplane_ask_beside_by(struct dataplane *dp, const struct beside_by *by);
/* The id of the program that is in force, to be compared with a link's. */
uint32_t dataplane_program_id(const struct dataplane *dp);
/* -ENOENT: no program of ours is attached there. */
int dataplane_detach(struct dataplane *dp, const char *device, struct problems *p);
/* The pinned links (those held by this process where nothing is pinned); returns their number, at most `max`. */
size_t dataplane_links(struct dataplane *dp, struct dataplane_link *out, size_t max);

/* Detaches and unpins everything, and closes. Needs no more rights than changing the pins does. */
int dataplane_destroy(struct dataplane *dp, struct problems *p);

/*
 * Detaches and unpins everything below `pin_dir`, with or without an agent's maps in order; idempotent. It takes
 * the lock; an agent calls dataplane_destroy() instead. -EWOULDBLOCK: an agent holds the pins.
 */
int dataplane_down(const char *pin_dir, struct problems *p);

/* ---- sources that are not let in ------------------------------------------------------------------ */

/*
 * Makes this the list of sources whose packets to services are dropped: in the order of memcmp(), no two alike. What is
 * in the old list and the new one is denied all the time. The feature `deny` is the caller's affair. Returns 0, or a
 * negative errno, explained in `p`, and then the old list stays.
 */
int dataplane_write_denied(struct dataplane *dp, const struct prefix *list, size_t count,
			   struct problems *p);
/* Whether the list has this source; *by is the longest of its prefixes. */
bool dataplane_denies(const struct dataplane *dp, const struct addr *source, struct prefix *by);

/* ---- what others have done by hand --------------------------------------------------------------- */

/* Records in the maps that are not as this agent wrote them (or found them at its start). */
struct dataplane_damage {
	uint32_t services, backends; /* records */
	bool listeners;		     /* the table in force, or the word that says which it is */
	bool meta;		     /* struct sl_meta, or the longest idle-timeout */
	uint32_t ways;		     /* ways out that are shut */
	uint32_t denied;	     /* prefixes that are missing, or that nobody has asked for */
	uint32_t pins;		     /* maps and programs that the next agent would not find */
};

/*
 * Compares all that packets only read with our copy of it; the slots' words are core's affair. Returns whether
 * anything differs. About a millisecond at most: of the deny list, which is no memory, a part at each call.
 */
bool dataplane_audit(const struct dataplane *dp, struct dataplane_damage *out);
/*
 * Writes again what differs; paths and listeners so that no packet sees half of one. Returns 0 or a negative errno, and
 * names in `p` what could not be put right.
 */
int dataplane_mend(struct dataplane *dp, struct problems *p);

/* Sums a line of counters over all CPUs; `line` as in abi.h. */
void dataplane_count(const struct dataplane_view *v, uint32_t line,
		     uint64_t out[SL_COUNTERS_PER_LINE]);

/* All packets by verdict (enum sl_verdict), over all CPUs. */
void dataplane_count_verdicts(const struct dataplane_view *v, uint64_t out[SL_VERDICTS]);

/* The counters of a service: its own line's and those of its backends (counters.def). */
void dataplane_count_service(const struct dataplane_view *v, uint32_t line,
			     uint64_t out[SL_COUNTERS_PER_LINE]);

/* Looks a listener up in the table in force, exactly as a packet does. Returns the record, 0: none. */
uint32_t dataplane_find_listener(const struct dataplane_view *v, const struct addr *address,
				 uint16_t port, uint8_t protocol);
/* Likewise a server id of 1 to SL_SERVER_ID_MAX bytes: its value (abi.h), 0: it is no backend's of the service. */
uint32_t dataplane_find_server_id(const struct dataplane_view *v, uint32_t record,
				  const uint8_t *id, size_t length);
/* Lists the listeners and server ids in force, at most `max`; returns how many there are. */
size_t dataplane_listeners(const struct dataplane_view *v, struct dataplane_listener *out,
			   size_t max);

/*
 * Builds a listener table into `buckets4`/`buckets6` (arrays of at most max4/max6 buckets, zeroed here) and gives the
 * word that puts it in force when it lies in half 0 (struct sl_control). Pure.
 *
 * -ENOSPC: no multiplier without overflow was found; -EEXIST: a listener is listed twice; -EINVAL: its record is 0, its
 * protocol or family is none that has listeners, or its prefix's length none; -E2BIG: prefixes of one family have more
 * than SL_PREFIX_LENGTHS different lengths. Nothing is written then.
 */
int listeners_build(const struct dataplane_listener *list, size_t count,
		    struct sl_listeners4 *buckets4, uint32_t max4, struct sl_listeners6 *buckets6,
		    uint32_t max6, uint64_t *out);

#endif
