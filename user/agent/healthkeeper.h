/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When the file of what an agent knew (healthfile.h) is written: soon after something in it has changed, and now and then
 * while clocks run. What cannot be written is said once, and tried again.
 */
#ifndef AGENT_HEALTHKEEPER_H
#define AGENT_HEALTHKEEPER_H

#include <stdbool.h>
#include <stdint.h>

struct agent;

struct healthkeeper {
	struct agent *agent;
	bool has_changed;   /* health has: the file is to be written */
	bool is_broken;	    /* the last write failed */
	uint64_t stored_ms; /* when the file was written last; at first now */
};

/* Writes it if that is due. */
void healthkeeper_look(struct healthkeeper *keeper);
void healthkeeper_store(struct healthkeeper *keeper);

#endif
