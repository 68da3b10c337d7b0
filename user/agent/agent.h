/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent: everything that one sluiced holds, and its four deeds: start, apply, reload, end.
 *
 * Story of a start: the state directory (locked), the configuration (file or last applied:
 * start.h), the key, netlink, a moment for the neighbours, the data plane (made fresh, or what is
 * pinned is adopted), the engine. So far no packet sees a difference; then the socket, and the
 * configuration is put in force. Fresh maps are filled before an interface is attached. A start
 * that fails takes back what it made, and leaves in force what was there.
 *
 * Each later change of configuration is agent_apply(), whoever asks for it: new interfaces first,
 * then the engine, then the interfaces that left.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/denyfile.h"
#include "agent/doubts.h"
#include "agent/events.h"
#include "agent/hostfiles.h"
#include "agent/interfaces.h"
#include "agent/options.h"
#include "agent/program.h"
#include "agent/repair.h"
#include "agent/state.h"
#include "agent/tunnel.h"
#include "agent/ways.h"
#include "core/engine.h"
#include "core/key.h"

struct problems;

#define AGENT_CONFIG_MAX (4 << 20) /* bytes of a configuration; what fits a request of the socket */

struct agent {
	struct options options;
	struct hostfiles_users users;
	int state_fd;		/* locks the state directory; -1: not open */
	struct state state;	/* as it is on the disk */
	struct denyfile denied; /* at run time; as it is on the disk */
	struct key key;
	struct net *net;
	struct dataplane *dp;
	struct engine *engine;
	struct interfaces interfaces;
	struct ways ways;
	struct events *events;
	struct doubts doubts;
	struct repair repair;
	struct health *health;
	struct launcher *launcher; /* main's; NULL: there is none, and why: */
	const char *no_launcher;
	struct probing *probing; /* the loop's, while there is one */
	struct tunnel tunnel;
	/*
	 * The configuration to start with, until it is in force: where it came from (a sentence),
	 * and its hash if that is the file.
	 */
	struct config *first;
	char *source;
	bool first_is_file;
	uint8_t first_hash[STATE_HASH_SIZE];
	bool is_config_refused; /* agent_open() failed at the configuration's own text */
	/* The file's hash while its content is being put in force, else NULL. */
	const uint8_t *loading;
};

/*
 * The start's first part: all that can fail before a packet sees anything. Returns 0 or a negative
 * errno; then all is closed, and is_config_refused says whether that was for the configuration
 * (exit code 3).
 */
int agent_open(struct agent *agent, const struct options *options, struct problems *p);
/* The second part: puts the configuration in force. On failure the caller abandons. */
int agent_enforce(struct agent *agent, struct problems *p);

/*
 * Puts `config` in force or changes nothing; takes it over, also on failure. As engine_apply(),
 * with interfaces.
 */
int agent_apply(struct agent *agent, struct config *config, bool force, struct engine_forecast *out,
		struct problems *p);

/* Reads the file again and applies it (SIGHUP). */
int agent_reload(struct agent *agent, struct problems *p);

/* Takes in what netlink has said. Returns whether ways may have changed, or a negative errno. */
int agent_net_input(struct agent *agent, struct problems *p);
/*
 * Whether this host can do what `config` wants: its interfaces, its probes. Asked before a change. -ENODEV,
 * -EADDRINUSE.
 */
int agent_check_host(struct agent *agent, const struct config *config, struct problems *p);
/* Makes true what probes through the tunnel need, as the configuration in force and the ways are (tunnel.h). */
int agent_set_tunnel(struct agent *agent, struct problems *p);

/* Asks for all ways and all backends' health anew, and says what changed. */
int agent_refresh(struct agent *agent, struct problems *p);

/* Detaches all interfaces: forwarding ends. */
int agent_detach(struct agent *agent, struct problems *p);
/* Detaches and unpins everything; agent_close() is left to do. */
int agent_down(struct agent *agent, struct problems *p);

/* ---- shared by agent.c and open.c ------------------------------------------------------------ */

struct engine_host agent_engine_host(struct agent *agent);
/* Loads the balancer for what the configuration in force and its ways need, and for no more. */
int agent_set_program(struct agent *agent, struct problems *p);
/* What maps and program of a configuration are opened with, under the agent's key; without pins. Points to `program`. */
struct dataplane_options agent_dataplane_options(const struct agent *agent,
						 const struct config *config,
						 const struct program *program);
/* engine_apply() between the interfaces that come and those that go. */
int agent_apply_between(struct agent *agent, struct config *config, bool force,
			struct engine_forecast *out, struct problems *p);
/* agent_set_tunnel(), and says what fails and what keeps answers out: after each change. */
void agent_say_tunnel(struct agent *agent);
/*
 * Stores the hash of a file in which nothing differed but its bytes, so that the engine had nothing
 * to store.
 */
int agent_store_loaded(struct agent *agent, struct problems *p);

/* Of `err`, from a file in the state directory that could not be written, says what it means. Returns it. */
int agent_kept(const struct agent *agent, int err, struct problems *p);

/* ---- the end --------------------------------------------------------------------------------- */

/* Closes all; forwarding goes on. */
void agent_close(struct agent *agent);

/*
 * Takes a start back that goes no further: what it adopted goes on as it is, what it made is taken
 * down.
 */
void agent_abandon(struct agent *agent, struct problems *p);

/* "eth0 native; 5 of 6 backends take new flows: ..."; the caller frees it. */
char *agent_summary(const struct agent *agent);

#endif
