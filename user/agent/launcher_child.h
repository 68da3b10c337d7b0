/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The launcher's process and what it says to launcher.c. */
#ifndef AGENT_LAUNCHER_CHILD_H
#define AGENT_LAUNCHER_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* One message each; the socket keeps their bounds. */
struct launcher_request {
	unsigned char what, serial;
};

enum { LAUNCHER_SPAWN = 'S', LAUNCHER_KILL = 'K' };

/* A prober's end of the channel comes with the answer to LAUNCHER_SPAWN when `error` is 0. */
struct launcher_answer {
	unsigned char serial; /* of the request; 0: it is ready */
	int error;	      /* a positive errno, or 0 */
	char step[32];	      /* what has failed: "setuid" */
	pid_t pid;	      /* of the prober that was started */
	int status; /* LAUNCHER_KILL: how it ended, as waitpid() says it; 0: none had run */
};

struct launcher_plan {
	int socket;   /* to the agent */
	int program;  /* an O_PATH descriptor: what was installed when the agent started */
	bool is_root; /* else the prober is started with what there is */
	uid_t uid;    /* the prober's, where is_root */
	gid_t gid;
};

/* Answers once when it is ready, then requests until the agent's end is closed. Never returns. */
void launcher_child(const struct launcher_plan *plan) __attribute__((noreturn));

#endif
