/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interfaces that the program is attached to. A change of the list is all or nothing: the new
 * ones are attached first (their packets pass while no listener is in force), and either committed,
 * when those that left are detached, or taken back.
 */
#ifndef AGENT_INTERFACES_H
#define AGENT_INTERFACES_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "dataplane/dataplane.h"

struct net;
struct problems;
struct text;

/* An interface as the kernel has it. */
struct interface_state {
	bool attached;
	bool is_detached;	  /* by hand: the device is there, and we are not on it */
	enum dataplane_mode mode; /* while attached */
	uint32_t others;	  /* programs beside it */
	char *problem;		  /* a sentence; NULL: nothing is wrong */
};

struct interface {
	struct dataplane_link link;
	enum config_mode wanted;
	enum config_attach wanted_attach;
	bool has_vlans; /* services listen on other frames there than untagged ones */
	bool attached;	/* false: the device went away; `problem` says so */
	char *problem;
	uint32_t failed_ifindex; /* a device that came back and could not be attached; 0: none */
	struct interface_state seen; /* by interfaces_look() */
	/* While a change is open: what to go back to. */
	bool switched;		      /* this change attached it, or in another mode */
	struct dataplane_link before; /* device "": it was not attached */
};

struct interfaces {
	struct interface *list; /* in the configuration's order */
	size_t count;
};

/*
 * Attaches all that `config` lists and `now` does not have in this mode, and gives the new list.
 * What is pinned already counts as attached, so that a restarted agent only switches programs. On
 * failure everything is as it was. *warnings: why native mode failed, what the NIC hides.
 */
int interfaces_open(struct dataplane *dp, struct net *net, const struct config *config,
		    const struct interfaces *now, struct interfaces *out, struct problems *warnings,
		    struct problems *p);
/* Takes back what interfaces_open() did, and frees `next`. */
void interfaces_abort(struct dataplane *dp, struct interfaces *next, struct problems *p);
/* Detaches what is not in `next`; `now` becomes `next`. */
void interfaces_commit(struct dataplane *dp, struct interfaces *now, struct interfaces *next,
		       struct problems *p);
/* Detaches all, and forgets those that are; returns the error of the last one that stays, explained in `p`. */
int interfaces_close(struct interfaces *is, struct dataplane *dp, struct problems *p);
void interfaces_free(struct interfaces *is); /* attachments stay */

/*
 * Every device of `config` exists, and frames can be taken there? Adds a problem for each where not,
 * at its place in the file.
 */
int interfaces_find(struct net *net, const struct config *config, struct problems *p);

/*
 * Looks after devices that went away or came back as new ones, and attaches those again. Returns
 * whether something changed. `found` and `lost` say what, a problem each whose value is the device.
 */
bool interfaces_follow(struct interfaces *is, struct dataplane *dp, struct net *net,
		       struct problems *warnings, struct problems *found, struct problems *lost);

/*
 * Looks in the kernel how each interface is: others may have detached a link, or changed an
 * offload. Fills in `seen`, and changes nothing.
 */
void interfaces_look(struct interfaces *is, struct dataplane *dp, struct net *net);

/*
 * Attaches again where interfaces_look() finds that others have detached sluice. Returns 0, or the error of the last one
 * that could not be attached, explained in `p`.
 */
int interfaces_mend(struct interfaces *is, struct dataplane *dp, struct net *net,
		    struct problems *warnings, struct problems *p);

/* "eth0 native, eth1 generic" */
void interfaces_summary(const struct interfaces *is, struct text *out);

#endif
