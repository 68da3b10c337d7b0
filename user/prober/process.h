/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs that are run for a while: each in a session and process group of its own, which is killed
 * whole when its time is over and when it has ended. What has escaped into another group is found
 * when its parent is dead (the prober is the subreaper), and killed when no program runs any more that
 * it can be of.
 */
#ifndef PROBER_PROCESS_H
#define PROBER_PROCESS_H

#include <stdint.h>
#include <uv.h>

struct process;
struct processes;
struct watcher;

#define PROCESS_LINE_SIZE 256

struct process_order {
	const char *command;	  /* an absolute path; it gets no argument */
	char *const *environment; /* NULL at the end; SLUICE_RUN is added, a number of its own */
	const char *input;	  /* its standard input; NULL: empty */
	/* It has ended, and nothing of it is left. `line`: the first of its output. Not after process_kill(). */
	void (*on_end)(void *self, int code, int signal, const char *line);
	void *self;
};

int processes_open(uv_loop_t *loop, struct watcher *watcher, struct processes **out);
/* Kills all that runs and waits for that. The program ends after it. */
void processes_end(struct processes *processes);

/* Returns 0 and *out, or a negative errno; -EAGAIN: there are too many processes, of programs or of the user. */
int process_start(struct processes *processes, const struct process_order *order,
		  struct process **out);
void process_kill(struct process *process);

#endif
