/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration: text (YAML or JSON) -> nodes with line and column -> one immutable, checked object.
 * This folder knows no BPF and touches nothing but the text it is given. sluice.yaml(5) is the
 * format; schema.def holds key, type, range, default and help of each field, once.
 *
 * Story: config_read() parses the text by libyaml's events (reader.c), binds nodes to typed fields by
 * walking schema.def (binder.c), applies `defaults` and the built-in defaults, then checks what spans
 * fields (check.c). All errors are collected, each with file, line, column, field, value and what was
 * expected. Nothing is returned unless there is no error.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/log.h"

struct arena;
struct problems;

enum config_mode { CONFIG_MODE_AUTO, CONFIG_MODE_NATIVE, CONFIG_MODE_GENERIC };
enum config_attach { CONFIG_ATTACH_LINK, CONFIG_ATTACH_DISPATCHER };
enum config_protocol { CONFIG_TCP = 1, CONFIG_UDP = 2 }; /* bits of a mask */
enum config_encapsulation { CONFIG_IPIP, CONFIG_GUE, CONFIG_L2 };
enum config_affinity { CONFIG_AFFINITY_FLOW, CONFIG_AFFINITY_SOURCE, CONFIG_AFFINITY_QUIC };
enum config_tracking { CONFIG_TRACKING_CHANGES, CONFIG_TRACKING_NEVER };
enum config_drain_end { CONFIG_DRAIN_KEEP, CONFIG_DRAIN_MOVE };
enum config_state { CONFIG_UP, CONFIG_DRAIN, CONFIG_DOWN };
enum config_health_kind {
	CONFIG_HEALTH_NONE, /* no `health`: its backends are not probed, and count as healthy */
	CONFIG_HEALTH_TCP,
	CONFIG_HEALTH_HTTP,
	CONFIG_HEALTH_HTTPS,
	CONFIG_HEALTH_DNS,
	CONFIG_HEALTH_UDP,
	CONFIG_HEALTH_ICMP,
	CONFIG_HEALTH_EXEC,
};
/* Bits of a mask. With both the tunnel decides, and direct tells a broken tunnel from a dead server. */
enum config_health_via { CONFIG_VIA_TUNNEL = 1, CONFIG_VIA_DIRECT = 2 };

struct config_place {
	unsigned int line, column;
};

/* Words in config_interface.vlans. */
#define CONFIG_VLAN_UNTAGGED "untagged"
#define CONFIG_VLAN_ANY	     "any"

struct config_interface {
	const char *device;
	enum config_mode mode;
	enum config_attach attach;
	const char *vlans; /* "10,200,untagged"; see config_vlans() */
	struct config_place place;
};

struct config_backend {
	struct addr address;
	uint16_t weight; /* 0-1000; 0: takes no new flows */
	enum config_state state;
	bool is_fallback;
	const char *server_ids; /* config_server_id() reads them; NULL: none */
	struct config_place place;
};

/* One claim: address or prefix, port (0: any) and protocol (one bit). */
struct config_listener {
	struct addr address;
	uint8_t length; /* of a prefix, bits; 0: the address alone */
	uint16_t port;
	enum config_protocol protocol;
};

/* One of the ways in which a service's QUIC connection ids are made; the lengths are bytes. */
struct config_quic {
	uint8_t rotation; /* its number: the first three bits */
	uint8_t server_id_length, nonce_length;
	bool encodes_length; /* the next five bits are the length of what follows them */
	struct config_place place;
};

/* How a service's backends are probed. What a kind has no use for is at its default, or NULL. */
struct config_health {
	enum config_health_kind kind; /* NONE: no other field means anything */
	uint32_t via;		      /* enum config_health_via; never 0 */
	struct addr address;	      /* through the tunnel: where to. Direct: to the backend */
	uint16_t port;		      /* 0 with icmp and exec */
	/* timeout <= interval; retry <= interval: after a first failure the next probe comes sooner. */
	uint64_t interval_ms, timeout_ms, retry_ms;
	uint32_t rise, fall;
	bool initial_up; /* a new backend counts as healthy before its first result */
	const char *path, *method, *host; /* http(s); host NULL: the address */
	const char *match;		  /* http(s): in the body; NULL: anything */
	const char *status;		  /* http(s): "200,204,300-399", ascending */
	bool verify;			  /* https */
	const char *ca_file;		  /* https; NULL: the system's */
	const char *server_name;	  /* https; NULL: host, else the address */
	const char *query_name;		  /* dns */
	uint16_t query_type;		  /* dns: as in a packet */
	const char *send, *expect; /* udp: config_unescape() makes bytes of them; NULL: none, any */
	const char *command;	   /* exec: an absolute path */
};

struct config_service {
	const char *name;
	struct config_place place;
	struct config_listener *listeners; /* address x port x protocol, in a fixed order */
	size_t listener_count;
	enum config_encapsulation encapsulation;
	enum config_affinity affinity;
	enum config_tracking tracking;
	struct config_quic
		*quic; /* sorted by rotation; of no meaning but with CONFIG_AFFINITY_QUIC */
	size_t quic_count;
	bool echo;	     /* its addresses answer echo requests */
	uint16_t mss_clamp;  /* 0: off */
	uint32_t table_size; /* a prime */
	uint64_t idle_timeout_ms, drain_timeout_ms, dead_after_ms;
	enum config_drain_end drain_end;
	struct config_health health;
	uint32_t panic, max_ejected; /* percent */
	uint64_t slow_start_ms;	     /* 0: none */
	bool damping;
	struct config_backend *backends; /* both of the following, sorted by address */
	size_t backend_count;
	struct config_backend *primary, *fallback; /* as they are listed; likewise */
	size_t primary_count, fallback_count;
};

struct config_limits {
	uint32_t services, listeners, backends, flows, slots, fragments, deny;
};

/* Who is told of events. Exactly one of exec and webhook is set. */
struct config_alert {
	const char *exec;    /* a program's absolute path */
	const char *webhook; /* an http or https URL */
	const char
		*secret_file; /* webhook: the key that requests are signed with; NULL: unsigned */
	const char *ca_file;  /* webhook; NULL: the system's */
	enum log_level level; /* of events that it is told of: this and what is worse */
	uint64_t hold_ms;     /* how long something is wrong before it is told */
	uint64_t timeout_ms;  /* of one try */
	struct config_place place;
};

/* Immutable once config_read() has returned it. Freed whole. */
struct config {
	struct arena *arena;
	const char *file; /* as given, for messages */
	char *text;	  /* the text that it was read from */
	size_t text_length;
	struct config_interface *interfaces;
	size_t interface_count;
	struct addr source, source6;	 /* tunnel; none: the route's source address */
	struct prefix entropy, entropy6; /* where outer sources of ipip vary; none: they do not */
	uint32_t mtu;			 /* of the tunnel's way; 0: auto */
	struct config_limits limits;
	struct prefix *denied; /* sources, in the order of memcmp(), no two alike */
	size_t denied_count;
	const char *cluster_name;     /* NULL: no cluster */
	const char *cluster_key_file; /* NULL: the key in the state directory */
	enum log_level log_level;
	struct config_service *services; /* sorted by name */
	size_t service_count;
	struct config_alert *alerts; /* sorted by exec, then webhook */
	size_t alert_count;
	struct problems *warnings; /* accepted, but to be said: small tables ... */
};

/*
 * Reads a configuration. `file` names it in messages. Returns 0 and *out, or -EINVAL and every error in
 * `p`, sorted by place. The caller frees *out by config_free().
 */
int config_read(const char *file, const char *text, size_t length, struct config **out,
		struct problems *p);
void config_free(struct config *config); /* NULL is fine */

/*
 * The VLANs on which services listen at an interface: bit SL_VLAN_UNTAGGED for frames without a tag, and one for each number
 * (abi.h). Returns whether there is any but untagged.
 */
bool config_vlans(const struct config_interface *interface, uint64_t out[64]);

/* NULL: it is none of the configuration. */
const struct config_interface *config_find_interface(const struct config *config,
						     const char *device);
const struct config_service *config_find_service(const struct config *config, const char *name);
const struct config_backend *config_find_backend(const struct config_service *service,
						 const struct addr *address);

/* What counts towards limits.backends: those of all services, fallbacks, too. */
size_t config_backend_count(const struct config *config);
/* What counts towards limits.listeners: listeners and server ids of all services. */
size_t config_listener_count(const struct config *config);

/* Slots that all tables take together, and the largest prime table-size that all services could have. */
uint64_t config_slots_needed(const struct config *config);
uint32_t config_largest_table_size(const struct config *config);

/* Names as the user writes them: "up", "tcp", "ipip" ... for the enums above. */
const char *config_state_name(enum config_state state);
const char *config_protocol_name(enum config_protocol protocol);
const char *config_encapsulation_name(enum config_encapsulation encapsulation);
const char *config_affinity_name(enum config_affinity affinity);
const char *config_tracking_name(enum config_tracking tracking);
const char *config_drain_end_name(enum config_drain_end drain_end);
const char *config_mode_name(enum config_mode mode);
const char *config_health_kind_name(enum config_health_kind health_kind); /* "tcp" ... "none" */
int config_parse_state(const char *text, enum config_state *out);	  /* 0 or -EINVAL */

/*
 * The bytes of a text of config_health: \xHH, \n, \r, \t, \0 and \\ stand for one each. Returns how many
 * they are, at most strlen(text), for which `bytes` has room.
 */
size_t config_unescape(const char *text, uint8_t *bytes);

/*
 * Takes the next server id off a text of config_backend, which then begins behind it: its bytes, at most
 * CONFIG_SERVER_ID_MAX. Returns their number; 0: there is none left.
 */
#define CONFIG_SERVER_ID_MAX 15
size_t config_server_id(const char **text, uint8_t bytes[CONFIG_SERVER_ID_MAX]);

/* ---- differences ------------------------------------------------------------------------- */

enum config_change_kind { CONFIG_ADDED, CONFIG_REMOVED, CONFIG_CHANGED };

/* One difference that a person can read: what changed, from what to what. */
struct config_change {
	enum config_change_kind kind;
	char *path;	      /* "services[web].backends[10.0.1.11].weight" */
	char *before, *after; /* NULL: nothing to tell, always so before ADDED and after REMOVED */
};

struct config_changes {
	struct config_change *list;
	size_t count;
};

/*
 * Lists how `new` differs from `old` (NULL: nothing), in a fixed order: services by name, backends by
 * address; the order of lists in the text does not count. The caller frees it by config_changes_free().
 */
void config_diff(const struct config *old, const struct config *new, struct config_changes *out);
void config_changes_free(struct config_changes *changes);

/* Writes --help's and the manual's table of fields, and the JSON Schema, both from schema.def. */
struct text;
void config_schema_help(struct text *out);
void config_schema_json(struct text *out);

#endif
