/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The heart of the agent: keeps the maps true to the configuration, the overrides and the ways.
 *
 * Story: the engine holds what is wanted (struct config, overrides, the way to each backend) and
 * reads what is in force from the maps themselves, which name every service and backend (abi.h).
 * Whenever something wanted changes it computes the model (model.h: effective weights and why),
 * then a plan (plan.h: model against maps, as ordered operations with grace periods), then applies
 * it (apply.h: through struct dataplane_ops; a failure runs the inverse). A restarted agent is
 * nothing special: it plans against the maps that it adopted.
 *
 * The engine opens no file, no socket and reads no clock: the agent gives it events and `now_ms`,
 * and is called back to store what must survive. Nothing here blocks but ops->grace().
 */
#ifndef CORE_ENGINE_H
#define CORE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/text.h"
#include "config/config.h"
#include "core/key.h"
#include "core/model.h"
#include "core/overrides.h"
#include "core/track.h"
#include "dataplane/dataplane.h"
#include "net/net.h"

struct problems;
struct engine;

/* What the engine has to say by itself. */
enum engine_news {
	ENGINE_DEAD,	   /* a backend's probes failed for dead-after: its flows are let go */
	ENGINE_DRAIN_OVER, /* a backend is empty, or past its drain-timeout */
	ENGINE_HELD_OPEN,  /* one is past it, and slots cannot move away: the flow table was full */
	ENGINE_CROWDED,	   /* a service's change is held open: the flow table was full */
	ENGINE_UNCROWDED,  /* it goes on */
	ENGINE_STUCK,	   /* slots do not go on: an operation failed */
	ENGINE_GOES_ON,	   /* they do again */
	ENGINE_DAMAGE,	   /* slots or entries that nobody of us has written; they are mended */
};

/* What the engine needs from the agent. */
struct engine_host {
	void *self;
	/* The way to an address, from net/. Always answers; the way may not be ready. */
	void (*nexthop)(void *self, const struct addr *address, struct net_nexthop *out);
	/*
	 * How a backend is, from health/; asked only for backends of services that have a `health`,
	 * also for such as it does not know yet. NULL: nobody is probed, and all are healthy.
	 */
	void (*health)(void *self, const char *service, const struct addr *backend,
		       struct model_probe *out);
	/*
	 * Makes the next applied configuration and the overrides durable before anything is changed
	 * in the maps. Returns 0 or a negative errno, explained in `p`: then the change is refused.
	 */
	int (*store)(void *self, const struct config *config, const struct overrides *overrides,
		     uint64_t revision, struct problems *p);
	/*
	 * This configuration is in force now; the one before is freed when the call returns. May be
	 * NULL.
	 */
	void (*took)(void *self, const struct config *config);
	/*
	 * Tells what happened, in a sentence, and of which service and backend where it is about one (else NULL).
	 * May be NULL.
	 */
	void (*tell)(void *self, enum engine_news news, const char *service,
		     const struct addr *backend, const char *sentence);
};

struct engine_options {
	const struct dataplane_ops *ops;
	void *dataplane; /* the ops' self */
	const struct dataplane_view *view;
	const struct key *key;
	struct engine_host host;
	uint64_t revision; /* of the configuration last applied; 0: none */
	/*
	 * The configuration last applied; taken over, also on failure. The same again keeps the
	 * revision. NULL: unknown, and the first one applied counts as changed.
	 */
	struct config *config;
	const struct overrides *overrides; /* that were in force with it; copied; NULL: none */
	uint64_t now_ms;		   /* CLOCK_MONOTONIC, as everywhere below */
};

/*
 * Reads ids, regions and tables from the maps in `view`. -EPROTO: they contradict each other (named
 * in `p`).
 */
int engine_new(const struct engine_options *options, struct engine **out, struct problems *p);
void engine_free(struct engine *engine);

/* What a change would do or did. */
struct engine_forecast {
	struct config_changes changes; /* of the configuration, for people */
	uint32_t services_added, services_removed, services_changed;
	uint32_t backends_added, backends_removed;
	uint32_t slots_total; /* of all services after the change */
	/* Slots of services that stay, whose backend changes; with new backends as if they were reached and healthy. */
	uint32_t slots_moved;
	uint32_t slots_later; /* of these, those that wait until they are */
	/* Of these, those of services that track their flows, and not of a backend that is taken down. */
	uint32_t slots_tracked;
	uint32_t slots_cut; /* those of backends that are */
	/* Live TCP flows of the latter; an estimate, from the SYNs and FINs counted. */
	uint64_t flows_kept;
	uint64_t flows_moved; /* likewise of the others: these go elsewhere */
	uint64_t flows_cut;   /* likewise of backends that are taken down: these end */
	uint64_t flows_ended; /* likewise of services that are removed */
	char *warning;	      /* the flow table looks too small for them; NULL: it does not */
	char **operations;    /* the plan, one sentence each */
	size_t operation_count;
	bool force_needed; /* refused without --force: `unsafe` says why */
	char *unsafe;
};
void engine_forecast_free(struct engine_forecast *forecast);

/* Compares `config` with what is in force, with the present overrides and ways; changes nothing. */
int engine_plan(struct engine *engine, const struct config *config, struct engine_forecast *out,
		struct problems *p);

/*
 * Puts a configuration in force, all or nothing, and takes it over (also on failure: then it is
 * freed). Idempotent: the same configuration again changes nothing and keeps the revision. -EPERM:
 * force_needed (exit code 6) -- a live service would be emptied, or its table-size, affinity or
 * tracking would change; -EBUSY: `limits` differ from those of the running agent (named); others as
 * they come. *out (may be NULL) says what was done.
 */
int engine_apply(struct engine *engine, struct config *config, bool force, uint64_t now_ms,
		 struct engine_forecast *out, struct problems *p);

/* Sets, replaces or (with an empty one) clears a backend's override. -ENOENT: no such service or
 * backend. -EPERM as above: no backend of the service would take new flows any more. */
int engine_override(struct engine *engine, const char *service, const struct addr *backend,
		    const struct override *override, bool force, uint64_t now_ms,
		    struct problems *p);

/*
 * Something in routes, neighbours, links or health changed: asks for all ways and all backends'
 * health anew and applies what follows. What takes backends out acts at once; what brings them in is gathered like any
 * planned change. However many have changed, it is one change.
 */
int engine_refresh(struct engine *engine, uint64_t now_ms, struct problems *p);

/*
 * Does what waits for time: changes that are gathered, slots on their way, drains that end, what failed before.
 * Returns engine_due().
 */
unsigned int engine_tick(struct engine *engine, uint64_t now_ms);
/*
 * The milliseconds until engine_tick() is to be called next, at most 1000. A change may make it sooner, so ask whenever
 * something was done.
 */
unsigned int engine_due(const struct engine *engine, uint64_t now_ms);

/*
 * How long drains last and for how long backends count as failing: what would begin anew with a new
 * engine. Lines of text, times as ages.
 */
void engine_clocks_store(const struct engine *engine, uint64_t now_ms, struct text *out);
/*
 * Takes them over, after engine_new() and before anything is changed; lines of backends that are not in the maps are
 * passed over. `away_ms` have passed since: they count for drains, but not for dead-after, since nobody probed. Returns 0,
 * or -EINVAL, explained in `p`, and nothing is changed.
 */
int engine_clocks_restore(struct engine *engine, const char *text, size_t length, uint64_t now_ms,
			  uint64_t away_ms, struct problems *p);

/*
 * Whether anybody probes at the moment: at first somebody does. Without, health stays as it was last known, and nobody
 * dies of it: dead-after counts on from where it was when probing goes on.
 */
void engine_note_prober(struct engine *engine, bool is_there);

/* ---- looking --------------------------------------------------------------------------------- */

const struct config *engine_config(const struct engine *engine); /* NULL: none applied yet */
const struct overrides *engine_overrides(const struct engine *engine);
uint64_t engine_revision(const struct engine *engine);
const struct model *
engine_model(const struct engine *engine); /* services by name, backends by address */
const struct dataplane_view *engine_view(const struct engine *engine);

/* Where a service and a backend are in the maps, and their counters. */
struct engine_service_place {
	uint32_t record, slots_base, slots, counters_line;
};
struct engine_backend_place {
	struct addr address;
	uint32_t index, counters_line;
	uint32_t slots; /* slots of its service that name it */
	uint32_t bases; /* slots that move away from it, whose flows are still there */
	bool is_open;	/* some slot of its service moves or settles */
};
bool engine_service_place(const struct engine *engine, const char *service,
			  struct engine_service_place *out);
/* The index of a backend in the maps; 0: it has none. Without counting any slots. */
uint32_t engine_backend_index(const struct engine *engine, const char *service,
			      const struct addr *backend);
/*
 * Those of all backends of a service, sorted by address; *count of them. Slots are counted in one
 * pass over the service's table. The caller frees the list.
 */
struct engine_backend_place *engine_backend_places(const struct engine *engine, const char *service,
						   size_t *count);
/* One of such a list; NULL: it has none of this address. */
const struct engine_backend_place *engine_place_of(const struct engine_backend_place *list,
						   size_t count, const struct addr *backend);

/* How the slots of a service are that tracks its flows (track.h). */
struct engine_slots {
	uint32_t stable, moving, settling;
	uint32_t crowded; /* moving slots that are held open: the flow table was full */
	uint64_t open_ms; /* for how long not all of them have been stable; 0: they are */
	uint64_t since_ms,
		left_ms; /* the first window's begin, ago; the last one's end; 0: none is open */
};
/* False: no such service, or it does not track. */
bool engine_service_slots(const struct engine *engine, const char *service,
			  struct engine_slots *out);

/* What a backend that takes no new flows still holds. */
struct engine_holding {
	bool holds;		/* a slot's flows go there, or an entry may name it: */
	uint32_t entries, live; /* of the flow table, at the last scan; those of live flows */
	bool drains;
	uint64_t left_ms; /* until its drain-timeout; 0: it is over */
	bool leaves;	  /* it is no longer configured */
	bool is_failing;  /* its probes fail: */
	bool is_dead;	  /* and for so long that its flows were let go; else: */
	bool is_paused;	  /* dead-after does not count now */
	uint64_t dead_left_ms;
};
struct engine_holding engine_holding(const struct engine *engine, const char *service,
				     const struct engine_backend_place *place, uint64_t now_ms);
struct track_scans engine_scans(const struct engine *engine);
/* How long ago the last scan was; false: there was none. */
bool engine_scanned_ms(const struct engine *engine, uint64_t *ago);
/* Fragmented packets whose way is remembered at present. */
uint32_t engine_fragments(const struct engine *engine);
/* Why slots do not go on: the errno of an operation that failed, negative; 0: they do. */
int engine_track_error(const struct engine *engine);
/* The same as a sentence for people, of which the caller frees the memory; NULL: they do. */
char *engine_track_problem(const struct engine *engine);

/* Where a packet of this flow goes, from the maps as a packet reads them. */
struct engine_flow {
	struct addr source, destination;
	uint16_t source_port, destination_port;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	/* Of a QUIC packet with a short header: its connection id, and whatever follows. 0 bytes: none is known. */
	const uint8_t *connection_id;
	size_t connection_id_length;
};
enum engine_flow_from {
	ENGINE_FLOW_TABLE, /* the slot is stable: all of its flows go there */
	ENGINE_FLOW_ENTRY, /* the flow has an entry of its own */
	ENGINE_FLOW_BASE, /* the slot's table has changed; flows without an entry are still there */
	ENGINE_FLOW_ID,	  /* the packet's connection id names it */
};
struct engine_flow_answer {
	const char *service; /* NULL: no listener; the packet passes to the kernel */
	bool reads_ids;	     /* `affinity: quic`: connection ids name backends of the service */
	uint64_t hash;
	uint32_t slot; /* of the service's table */
	enum engine_flow_from from;
	bool has_backend;
	struct addr backend;
	struct net_nexthop way;
	const char *
		why; /* one sentence: "slot 4711 of 16381 names it", "no backend takes flows" ... */
};
int engine_flow_lookup(const struct engine *engine, const struct engine_flow *flow,
		       struct engine_flow_answer *out);

#endif
