/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which configuration an agent starts with: the file, or the one that was applied last. Pure. */
#ifndef AGENT_START_H
#define AGENT_START_H

#include <stdbool.h>
#include <stddef.h>

struct problems;
struct state;

enum start_reason {
	START_FIRST,	 /* the file: nothing was ever applied */
	START_APPLIED,	 /* the file: its content is what was applied last, by sluicectl */
	START_CHANGED,	 /* the file: it has changed since it was last loaded */
	START_UNCHANGED, /* the state: the file is as it was when it was last loaded */
	START_NO_FILE,	 /* the state: there is no file */
};

/*
 * The file wins if its content has changed since it was last loaded. `text` NULL: there is no file.
 * Returns 0, or -ENOENT (neither a file nor a state).
 */
int start_choose(const char *text, size_t length, const struct state *state,
		 enum start_reason *out);

static inline bool start_takes_file(enum start_reason reason)
{
	return reason == START_FIRST || reason == START_APPLIED || reason == START_CHANGED;
}

/* The log's sentence about it; the caller frees it. */
char *start_sentence(enum start_reason reason, const char *file, const struct state *state);

#endif
