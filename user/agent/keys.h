/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the hash key comes from: the cluster's key file, or one that is made once in the state
 * directory.
 */
#ifndef AGENT_KEYS_H
#define AGENT_KEYS_H

struct config;
struct key;
struct problems;

/* The file that the key of `config` is in; the caller frees it. */
char *keys_path(const struct config *config, const char *state_dir);

/*
 * Reads the key; without a key-file makes one (0600) if there is none yet. A key-file that is
 * missing, unreadable or wrong is refused: another key would move every flow. *warnings: it is
 * readable by others.
 */
int keys_load(const struct config *config, const char *state_dir, struct key *out,
	      struct problems *warnings, struct problems *p);

#endif
