/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of dataplane/ share; nobody else includes it. */
#ifndef DATAPLANE_INTERNAL_H
#define DATAPLANE_INTERNAL_H

#include <bpf/libbpf.h>

#include "dataplane/beside.h"
#include "dataplane/dataplane.h"
#include "dataplane/pins.h"

/* ---- maps.c: the list of maps.def, and maps as memory ------------------------------------------- */

enum map_id {
#define SL_ARRAY(name, value, entries)	  MAP_##name,
#define SL_DEVMAP(name, entries)	  MAP_##name,
#define SL_LPM(name, key, value, entries) MAP_##name,
#define SL_GRACE(name)			  MAP_##name,
#include <sluice/maps.def>
	MAPS
};

/* What maps.def says about a map made for given limits. */
struct map_shape {
	const char *name;
	enum bpf_map_type type;
	uint32_t key_size, value_size; /* bytes */
	uint32_t entries;
};

/* A whole set of maps: descriptors (-1: none), and the arrays as memory, with the names of maps.def. */
struct map_set {
	struct sl_limits limits;
	int fd[MAPS];
#define SL_ARRAY(name, value, entries) value *name;
#include <sluice/maps.def>
};

void map_shapes(const struct sl_limits *limits, struct map_shape out[MAPS]);
void map_set_init(struct map_set *set, const struct sl_limits *limits);
int map_set_mmap(struct map_set *set, struct problems *p); /* every array */
void map_set_close(struct map_set *set);

/* ---- load.c ------------------------------------------------------------------------------------- */

/* Opens the object, and compares its maps with maps.def. */
int load_open(const struct dataplane_options *options, struct bpf_object **out, struct problems *p);

/* Descriptors of the object's programs; they go with it. */
struct load_programs {
	int balancer, clock;
};

/* What stays for as long as a program is loaded. */
struct load_constants {
	const struct sl_knobs *knobs;
	const struct sl_hash_key *key;
	const struct sl_vlans *vlans; /* NULL: zeros */
};

/* Loads: maps that have a descriptor in `maps` are taken, the others are made; then all have one. */
int load_run(struct bpf_object *object, const struct load_constants *constants,
	     struct map_set *maps, struct load_programs *out, struct problems *p);

/* Loads the probes' program on maps that all have a descriptor. The descriptor goes with the object. */
int load_probe(const struct dataplane_options *options, const struct map_set *maps,
	       struct bpf_object **out, int *fd, struct problems *p);

/* ---- probe.c ------------------------------------------------------------------------------------ */

/* Detaches the probes' program wherever the pins say that it is. Returns 0, or the last error, in `p`. */
int probe_detach_all(const struct pins *pins, struct problems *p);

/* ---- clock.c ------------------------------------------------------------------------------------ */

/* The shift that makes a tick of jiffies64 about a second, and how long it is then. */
int clock_shift(uint8_t *shift, uint64_t *tick_ns, struct problems *p);
/* The clock that packets read. Returns 0 or a negative errno. */
int clock_read(const struct dataplane *dp, uint32_t *now);

/* ---- adopt.c ------------------------------------------------------------------------------------ */

enum adopt_how {
	ADOPT_NOTHING, /* nothing is pinned: the maps are to be made */
	ADOPT_ALL,     /* the pinned maps are taken as they are */
	ADOPT_COPY,    /* other limits: the contents are to be copied into new maps */
};

/*
 * Looks at the pinned maps, opens them into `pinned`, and says what is to be done with them. Their host key is
 * kept; fresh maps get a new one.
 */
int adopt_look(const struct pins *pins, const struct dataplane_options *options,
	       enum adopt_how *how, struct map_set *pinned, uint8_t host_key[16],
	       struct problems *p);

/*
 * A start with other limits that was killed between its links and its pins has left links with a program on maps that
 * are not pinned as those in force: packets have written there since. They are put in their place.
 */
int adopt_finish(struct pins *pins, struct problems *p);

/* Adds what the contents of the pinned maps need. */
void adopt_features(const struct map_set *pinned, struct dataplane_features *out);

/* Makes new flows go where their slots' flows belong, until the next agent; waits a grace period. */
int adopt_hold(struct map_set *from, struct dataplane *dp);
/* Nothing comes of the copy. */
void adopt_release(struct map_set *from);
/* Copies all contents into fresh maps. -EBUSY: something in use does not fit. */
int adopt_copy(const struct map_set *from, struct map_set *to, struct problems *p);

/* Programs' names, and their pins'. */
#define DATAPLANE_PROGRAM "balancer"
#define DATAPLANE_PROBE	  "probe"

/* ---- install.c ---------------------------------------------------------------------------------- */

/*
 * Pins, and switches the links where the maps are others now. (Else the links go on with the old program on
 * the same maps until dataplane_attach() switches each.)
 */
int install_all(struct dataplane *dp, enum adopt_how how, struct problems *p);
/* Puts another program on the same maps in force. On failure the present one is in force everywhere. */
int install_program(struct dataplane *dp, int program_fd, struct problems *p);

/* ---- dataplane.c -------------------------------------------------------------------------------- */

/* A link that is not pinned. */
struct held_link {
	struct dataplane_link link;
	int fd;
};

struct dataplane {
	struct dataplane_options options; /* that the program was loaded with */
	struct pins pins;
	struct map_set maps;
	struct dataplane_view view;
	struct bpf_object *object;
	struct load_programs programs;
	struct sl_vlans vlans;	  /* options.vlans */
	struct bpf_object *probe; /* NULL: not loaded yet */
	int probe_fd;
	bool is_probe_pinned; /* as progs/probe, by this process */
	uint8_t host_key[16];
	uint8_t tick_shift;
	bool adopted;
	struct held_link *links;
	size_t links_count;
	int beside_fd; /* the map of programs by which it runs beside others; -1: there is none */
	struct beside_by beside_by;
	/*
	 * Grace periods so far, and when each spare went out of force: a spare whose number is the current
	 * one may still be read by a packet.
	 */
	uint64_t graces;
	uint64_t *path_left; /* [backends + 1] */
	uint64_t listeners_left;
	struct audit *audit; /* what the maps should hold; NULL: not open yet */
	int grace_inner_fd;  /* what an update of the grace map puts there */
};

#endif
