/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pin directory: what keeps the data path in force when no process holds it.
 *
 *	<dir>/progs/<name>	programs
 *	<dir>/links/<device>	links; the dots of a device's name are colons, since bpffs reserves dots
 *	<dir>/beside/<device>	devices where it runs beside other programs (beside.h), as pins of one map
 *	<dir>/probes/<device>	devices that have the probes' program (probe.h), as pins of the program
 *	<dir>/clsact/<device>	devices whose qdisc for it was made by us, likewise
 *	<dir>/maps/<name>	maps; the whole folder comes and goes by one rename
 *	<dir>/new/...		what is being made; left behind only by a crash, and removed by the next start
 *
 * Whoever changes anything below it holds a lock (flock) on the directory itself.
 */
#ifndef DATAPLANE_PINS_H
#define DATAPLANE_PINS_H

#include <stdbool.h>
#include <stddef.h>

struct problems;

struct pins {
	char *dir; /* NULL: nothing is pinned */
	int fd;	   /* of the directory, locked */
	bool made; /* the directory was not there before */
};

/*
 * Makes the directory if need be (mode 0700; mounts a bpffs at /sys/fs/bpf if it is to be below it and there is
 * none) and locks it. -EWOULDBLOCK: somebody else holds the lock; -EINVAL: it would not be on a bpffs.
 */
int pins_open(struct pins *pins, const char *dir, struct problems *p);

/* The same for a directory that exists. -ENOENT, without a problem: it does not. */
int pins_open_existing(struct pins *pins, const char *dir, struct problems *p);

/* Unlocks. What is pinned stays. */
void pins_close(struct pins *pins);

/* Removes `new`, then the directories that are empty; the last one only if pins_open() has made it. */
void pins_tidy(struct pins *pins);

/*
 * Unpins all below the directory, links first, and removes it; what is not ours in it stays. The probes' program
 * goes on where it is attached (probe.h).
 */
int pins_remove_all(struct pins *pins, struct problems *p);

/* "<dir>/<kind>/<name>", or "<dir>/<kind>" if name is NULL, for people; the caller frees it. */
char *pins_path(const struct pins *pins, const char *kind, const char *name);

/*
 * The same for the kernel, by way of the directory's descriptor: an agent that has dropped root may use its own
 * directory, but not walk through a /sys/fs/bpf that systemd mounts with mode 0700.
 */
char *pins_at(const struct pins *pins, const char *kind, const char *name);

/* A device's name as a file name in bpffs, and back. Both fit IFNAMSIZ. */
void pins_from_device(const char *device, char name[16]);
void pins_to_device(const char *name, char device[16]);

/* An empty <dir>/new/maps. */
int pins_stage(struct pins *pins, struct problems *p);

/* Pins a map there, under its name. */
int pins_stage_map(const struct pins *pins, int fd, const char *name, struct problems *p);

/* Puts <dir>/new/maps in the place of <dir>/maps, by one rename; the old folder is then <dir>/new/maps. */
int pins_commit_maps(struct pins *pins, struct problems *p);

/* Pins an object as <dir>/<kind>/<name>, in the place of what is there, by one rename. */
int pins_replace(const struct pins *pins, int fd, const char *kind, const char *name,
		 struct problems *p);

/* Whether <dir>/<kind>/<name> is there; and unpins it, which is 0 too where it is not. */
bool pins_has(const struct pins *pins, const char *kind, const char *name);
int pins_remove(const struct pins *pins, const char *kind, const char *name);

/* Calls `each` with every name in <dir>/<kind> until it returns non-zero, and returns that. */
int pins_each(const struct pins *pins, const char *kind, int (*each)(void *arg, const char *name),
	      void *arg);

#endif
