/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Beside other XDP programs on an interface, by libxdp's dispatcher (`attach: dispatcher`).
 *
 * Story: libxdp runs our member (bpf/member.bpf.c), which goes on to what lies in a map of programs. That map is pinned for
 * each interface as beside/<device>, and holds the balancer; so another balancer is put in force by one update of the map,
 * which loses no packet and needs neither libxdp nor its rights. Members are known by that map.
 *
 * Whatever asks libxdp needs CAP_SYS_ADMIN, which an agent has at its start alone. So all of that is one call here, of plain
 * records, which an agent leaves to a process that has kept the right.
 */
#ifndef DATAPLANE_BESIDE_H
#define DATAPLANE_BESIDE_H

#include "dataplane/dataplane.h"

struct pins;
struct xdp_attach;

enum beside_what {
	BESIDE_LOOK,   /* says what is there */
	BESIDE_ATTACH, /* where it is not there yet; a dispatcher that is there keeps its mode */
	BESIDE_DETACH, /* fine where it is not there */
};

struct beside_request {
	enum beside_what what;
	char device[16];
	uint32_t ifindex;
	enum dataplane_mode mode; /* wanted */
};

struct beside_answer {
	int error;		  /* 0 or a negative errno, explained in `text` */
	bool is_member;		  /* our program is among the dispatcher's */
	uint32_t others;	  /* programs beside it */
	enum dataplane_mode mode; /* of what is attached; AUTO: nothing is */
	char text[768];		  /* what an error says of the interface */
	char warning[512];	  /* of what went otherwise than wanted; "": nothing */
};

/* Asks libxdp, in this process; `pin_dir` has beside/<device>. */
void beside_ask(const char *pin_dir, const struct beside_request *request,
		struct beside_answer *out);

/* Who asks libxdp instead; NULL ask: this process does. */
struct beside_by {
	void (*ask)(void *arg, const struct beside_request *request, struct beside_answer *out);
	void *arg;
};

/* ---- beside_pins.c: the map of programs and its pins ---------------------------------------------- */

/* What is pinned already; -1: none is. */
int beside_open(const struct pins *pins);

/*
 * Puts the program into the map and the member among the dispatcher's programs. *map_fd is the map, made here when it is
 * -1. Errors are explained in `p`.
 */
int beside_attach(const struct xdp_attach *a, int *map_fd, const struct beside_by *by,
		  struct dataplane_link *out, struct problems *warnings, struct problems *p);
/* -ENOENT: it is not attached so. */
int beside_detach(struct pins *pins, const struct beside_by *by, const char *device,
		  struct problems *p);
/* The same where nobody else is on the dispatcher, so that a link may take its place; else -EBUSY. */
int beside_leave(struct pins *pins, const struct beside_by *by, const char *device,
		 struct problems *p);
bool beside_has(const struct pins *pins, const char *device);
/* Appends those that are pinned; returns their number, at most `max`. */
size_t beside_links(const struct pins *pins, const struct beside_by *by, struct dataplane_link *out,
		    size_t max);

/* Puts another program into the map. Returns 0 or a negative errno, explained in `p`. */
int beside_switch(int map_fd, int program_fd, struct problems *p);
/* The id of the program in the map of a device; 0: none. */
uint32_t beside_program(const struct pins *pins, const char *pin);

/* Detaches all as far as that can be done. A member that stays passes every packet once the pins are gone. */
int beside_detach_all(struct pins *pins, const struct beside_by *by, struct problems *p);

#endif
