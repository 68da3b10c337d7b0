/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What schema.def becomes: sections (maps) of fields, and the values that binder.c makes of nodes.
 * A value knows its node, so that checks across fields can name the place. Used within this folder.
 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/text.h"
#include "config/node.h"

enum field_kind {
	KIND_WORD,     /* one of `names` and nothing else */
	KIND_NUMBER,   /* lo to hi */
	KIND_PRIME,    /* a prime number from lo to hi */
	KIND_COUNT,    /* lo to hi; k and M allowed */
	KIND_DURATION, /* lo to hi, ms */
	KIND_ADDRESS,  /* of a host; lo: the family, 0: either */
	KIND_VIP,      /* the same, or a prefix */
	KIND_PREFIX,   /* lo: the family, 0: either */
	KIND_ENDPOINT, /* address:port, [address]:port */
	KIND_NAME,     /* [A-Za-z0-9._-], lo to hi characters */
	KIND_DEVICE,   /* a network interface */
	KIND_PATH,     /* of a file, from the root */
	KIND_HEX,      /* lo to hi bytes */
	KIND_STATUS,   /* an HTTP status or a range of such, lo to hi */
	KIND_VLAN,     /* a VLAN's number, lo to hi, or untagged, or any */
	KIND_BYTES,    /* lo to hi characters that config_unescape() makes bytes of */
	KIND_URL,      /* http or https, lo to hi bytes */
	KIND_TEXT,     /* lo to hi bytes */
	KIND_MAP,      /* of `section` */
	KIND_MAPS,     /* a list of such, lo to hi of them */
	FIELD_KINDS
};

enum field_flag {
	REQUIRED = 1,
	LATER = 2, /* refused as "not supported yet" unless it has its default */
	LIST = 4, /* a list, or one alone (KIND_MAPS, too, which is a list otherwise); kept: words as a mask of bits, texts as "a,b,c" in order */
	REFUSED = 8,  /* not a field: a mistake whose reason is in `help` */
	PRESETS = 16, /* a map whose values are the defaults of each later map of its section */
	OWN = 32,     /* may not be preset */
	/* A map that, left out, has no fields, and not their defaults; its first one is never 0 otherwise. */
	OPTIONAL = 64,
};

struct config_name {
	const char *name; /* NULL ends a list */
	uint64_t value;
};

struct field {
	const char *key;
	enum field_kind kind;
	unsigned int flags;
	const struct config_name *names; /* words that are allowed, too; NULL: none */
	const struct section *section;	 /* of KIND_MAP, KIND_MAPS */
	uint64_t lo, hi;
	const char *preset; /* the default as a user would write it; "[a]" for a list; NULL: none */
	/* Where it lies in the section's object; size 0: nowhere. KIND_MAPS: a pointer and,
	 * elsewhere, a count. */
	size_t offset, size, count_offset;
	const char *help;
};

struct section {
	const char *name;
	const struct field *fields;
	unsigned int count;
	size_t size;  /* of its object */
	int identity; /* the field that no two in a list may have alike; -1: the first that is set */
	ptrdiff_t place_offset; /* of a struct config_place; -1: none */
};

struct value {
	const struct node *node; /* NULL: a default */
	bool set;		 /* it has a valid value */
	uint32_t count;		 /* of items */
	uint64_t number;
	union {
		struct prefix prefix; /* addresses, too */
		const char *text;
		struct value *items; /* of a list; or of a map, in the schema's order */
	};
};

/* FIELD_<section>_<id>: indices into a map's values. */
/* clang-format off */
#define CONFIG_SECTION(section, object, identity, place) enum {
#define CONFIG_FIELD(section, id, ...) FIELD_##section##_##id,
#define CONFIG_END(section) FIELDS_##section };
#include "config/schema.def"
/* clang-format on */

#define VALUE(map, section, id) (&(map)->items[FIELD_##section##_##id])

extern const struct section *const schema_root, *const schema_service;
/* All sections, the root first. */
extern const struct section *const schema_sections[];
extern const size_t schema_section_count;

extern const struct config_name config_names_bool[], config_names_mode[], config_names_attach[],
	config_names_entropy[], config_names_auto[], config_names_off[], config_names_any[],
	config_names_on_off[], config_names_protocol[], config_names_encapsulation[],
	config_names_affinity[], config_names_tracking[], config_names_drain_end[],
	config_names_state[], config_names_log_level[], config_names_health_kind[],
	config_names_health_via[], config_names_peers_mode[], config_names_health_view[],
	config_names_announce_via[], config_names_initial[], config_names_query_type[],
	config_names_alert_level[];

/* The name of a value; NULL: it has none. `names` may be NULL. */
const char *names_find(const struct config_name *names, uint64_t value);

/*
 * Reads a scalar's text as a field's kind says. Returns NULL, or what is wrong ("" when what is
 * expected says it all). *value is set only on success, its node never. `arena` holds texts.
 */
const char *kind_parse(const struct field *field, const char *text, struct value *value);

/* Appends what the field takes: "a number from 1 to 65535 or any". */
void kind_expect(const struct field *field, struct text *out);

/* Appends a whole message about a text that kind_parse() found wrong: reason, what is expected,
 * what is near. */
void kind_explain(const struct field *field, const char *text, const char *wrong, struct text *out);

/* Appends a value as the user would write it. */
void kind_format(const struct field *field, const struct value *value, struct text *out);

/* Appends the JSON Schema of one value. */
void kind_json(const struct field *field, struct text *out);

/* Orders two values, both set, of one field that holds one scalar. */
int kind_compare(const struct field *field, const struct value *a, const struct value *b);

/* Binds the root's node; errors are in r->problems. Values that are wrong are not `set`. */
void bind_root(struct reading *r, const struct node *node, struct value *root);

/* What spans fields: errors and warnings. Also gives fields those defaults that depend on others. */
void check_all(struct reading *r, struct value *root);
/* The part of it that is about `health` and what health decides, and about `alerts`. */
void check_health(struct reading *r, struct value *root);
void check_quic(struct reading *r, const struct value *root);
void check_alerts(struct reading *r, const struct value *root);
/* The part of it that is about the prefixes of outer sources. */
void check_entropy(struct reading *r, struct value *root);
/* Whether a value is the text's, not a default. */
bool value_is_given(const struct value *value);
/* A service's name for messages. */
const char *value_name(const struct value *service);

/* Fills a section's object in from a map's values; texts and lists are copied into `arena`. */
void object_store(const struct section *section, const struct value *map, void *object,
		  struct arena *arena);
/* The value that a stored scalar field of an object has. Its text is the object's. */
void object_load(const struct field *field, const void *object, struct value *value);

/* The field that tells one object of a list from the others, and its value. */
const struct field *object_identity(const struct section *section, const void *object,
				    struct value *value);
/* Orders two objects of a list by it. */
int object_compare(const struct section *section, const void *a, const void *b);

/* The length that a service's address gives its listeners. */
uint8_t listener_length(const struct value *address);
/* Orders two struct config_listener: by address, length, port, protocol. */
int listener_compare(const void *left, const void *right);

/* The least prime at or above n, and the greatest at or below it (0: none). */
uint32_t prime_at_least(uint32_t n);
uint32_t prime_at_most(uint32_t n);
/* The largest prime table-size that `services` tables of `slots` slots in all could each have; 0:
 * none. */
uint32_t table_size_that_fits(uint64_t slots, size_t services);
/* Slots that a table takes: regions are whole cache lines of hot words. */
uint64_t table_slots(uint32_t table_size);

/* What `true` stands for: reserved for benchmarks (RFC 2544), and for addresses that nothing is sent to (RFC 6666). */
#define ENTROPY	 "198.18.0.0/15"
#define ENTROPY6 "100::/64"

#define FLOWS_MIN      4096
#define TABLE_SIZE_MIN 251
#define TABLE_SIZE_MAX 655373

#endif
