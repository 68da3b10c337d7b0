/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "agent/start.h"
#include "agent/state.h"
#include "base/mem.h"

int start_choose(const char *text, size_t length, const struct state *state, enum start_reason *out)
{
	uint8_t hash[STATE_HASH_SIZE];

	if (!text) {
		if (!state->text)
			return -ENOENT;
		*out = START_NO_FILE;
		return 0;
	}
	state_hash(text, length, hash);
	if (!state->text)
		*out = START_FIRST;
	else if (state->has_loaded && memcmp(hash, state->loaded, sizeof(hash)) == 0)
		*out = START_UNCHANGED;
	else if (length == state->text_length && memcmp(text, state->text, length) == 0)
		*out = START_APPLIED;
	else
		*out = START_CHANGED;
	return 0;
}

char *start_sentence(enum start_reason reason, const char *file, const struct state *state)
{
	unsigned long long revision = state->revision;

	switch (reason) {
	case START_FIRST:
		return mem_format("configuration from %s: the first one", file);
	case START_APPLIED:
		return mem_format(
			"configuration from %s: it is what was applied last (revision %llu)", file,
			revision);
	case START_CHANGED:
		return mem_format("configuration from %s: it has changed since it was last loaded "
				  "(revision %llu was in force)",
				  file, revision);
	case START_UNCHANGED:
		return mem_format("configuration of revision %llu, applied last, from %s: %s is "
				  "unchanged since it was last loaded",
				  revision, state->name, file);
	case START_NO_FILE:
		return mem_format("configuration of revision %llu, applied last, from %s: there is "
				  "no %s",
				  revision, state->name, file);
	}
	return NULL;
}
