/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A run: one probe or alert on its way. A kind starts it and ends it by run_end(), at once or later;
 * or the prober stops it, when its time is over or it is not wanted any more.
 */
#ifndef PROBER_RUN_H
#define PROBER_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "prober/schedule.h"
#include "prober/spec.h"
#include "prober/watch.h"

struct processes;
struct run;
struct web;

#define RUN_WHAT_SIZE 320

/* What runs are run by; one a program. */
struct run_host {
	uv_loop_t *loop;
	struct watcher *watcher;
	struct web *web, *other_web; /* with the system's certificates to trust, and others */
	struct processes *processes;
};

struct run_kind {
	void (*start)(struct run *run);
	/* Frees what it holds, kills what it has started; also after its end, and then it does nothing. */
	void (*stop)(struct run *run);
	/* What it waits for at present: "the answer". */
	const char *(*waits_for)(const struct run *run);
};

extern const struct run_kind run_tcp, run_packet, run_http, run_exec;

struct run {
	const struct spec *spec;
	struct run_host *host;
	void (*on_end)(struct run *run, bool ok, const char *what);
	uint64_t started_us;

	/* The kind's own. */
	struct watch watch; /* fd -1: closed */
	void *own;	    /* NULL: none */
	uint64_t token;	    /* packets: what the answer must repeat */
	uint32_t ignored;   /* packets that were not for it */
};

/* Before its first start. */
void run_init(struct run *run, const struct spec *spec, struct run_host *host,
	      void (*on_end)(struct run *run, bool ok, const char *what));
void run_start(struct run *run, uint64_t now_us);
void run_stop(struct run *run);
/* Stops it and reports: what it waited for, in vain. */
void run_give_up(struct run *run);

/* Stops it and reports; `format` gives the result's `what`. */
void run_end(struct run *run, bool ok, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for a system call: "connect: connection refused". */
void run_failed(struct run *run, const char *step, int error);

/* Closes the run's socket; for kinds. */
void run_close(struct run *run);

enum schedule_class run_class(const struct spec *spec);

#endif
