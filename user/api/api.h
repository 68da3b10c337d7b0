/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent answers on its socket: one JSON request and one reply a line (sluicectl(8);
 * the documents are those of wire/).
 *
 * Story: server.c listens, reads lines, knows who asks (SO_PEERCRED) and writes replies; it bounds
 * what slow, dead and greedy clients can cost. requests.c looks the command up in one table
 * {function}, checks that the client may use it, and answers from the engine and from what the
 * agent tells by struct api_host; it knows nothing of sockets. Neither blocks, but for what the
 * engine does.
 */
#ifndef API_API_H
#define API_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "core/engine.h"
#include "dataplane/dataplane.h"
#include "wire/wire.h"

struct api_client;
struct api_followers;
struct api_promise;
struct arena;
struct event;
struct health;
struct history;
struct problems;
struct tracer;
struct uv_loop_s;

/* An interface of the configuration, as it is. */
struct api_interface {
	const char *device;
	enum config_mode wanted;
	enum config_attach attach;
	bool attached;
	enum dataplane_mode mode; /* while attached */
	uint32_t others;	  /* XDP programs beside it */
	const char *problem;	  /* what is wrong with it: a sentence; NULL: nothing */
};

/* What one probe of a backend came to. */
struct api_probed {
	bool is_tunnel; /* else straight to the backend */
	struct addr address;
	uint16_t port; /* host order; 0: a kind without ports */
	bool ok;
	uint32_t latency_us;
	const char *what; /* in words */
};

/*
 * Takes the results of a check, each probe's. count 0: there are none, and `why` says why. Called
 * once.
 */
typedef void api_probed_function(void *arg, const struct api_probed *results, size_t count,
				 const char *why);

/* How one thing is that the agent has looked at. */
enum api_level { API_OK, API_NOTE, API_WARNING, API_ERROR };
struct api_condition {
	const char *name; /* of the check: "attachment" */
	enum api_level level;
	const char *about;    /* the interface, the backend ...; NULL: the agent as a whole */
	const char *evidence; /* what was seen: a sentence */
	const char *advice;   /* what to do; NULL: nothing */
};

/* A source that was denied at run time. */
struct api_denied {
	struct prefix prefix;
	uint64_t since_s; /* since 1970 */
};

/* What the agent owns. `self` is handed to each. Strings that it gives live until the next call. */
struct api_host {
	void *self;
	uint64_t (*now_ms)(void *self); /* CLOCK_MONOTONIC */
	/* Lists the interfaces, at most `max`; returns their number. */
	size_t (*interfaces)(void *self, struct api_interface *out, size_t max);
	/*
	 * Looks at everything that can go wrong outside the configuration, or with `quick` only lists what is
	 * wrong with what the agent does: repairs, the prober, alert sinks. *out lies in `arena`; returns how many.
	 */
	size_t (*conditions)(void *self, bool quick, struct arena *arena,
			     struct api_condition **out);
	/*
	 * Puts a configuration in force: attaches and detaches interfaces, then engine_apply(),
	 * whose contract this has: it takes `config` over, also on failure. The same that SIGHUP
	 * does.
	 */
	int (*apply)(void *self, struct config *config, bool force, struct engine_forecast *out,
		     struct problems *p);
	/* Whether apply() would find the interfaces of `config`: 0, or -ENODEV, each explained in `p`. */
	int (*find)(void *self, const struct config *config, struct problems *p);
	/* Adds to its warnings what this host lacks of what `config` names: programs, certificates, secrets. */
	void (*warn)(void *self, struct config *config);
	/* Detaches and unpins everything; the agent ends after the reply. */
	int (*down)(void *self, struct problems *p);
	/* Takes note of who changed what: "apply of FILE by uid 0" (alert/event.h). */
	void (*post)(void *self, const struct event *event);
	/*
	 * Probes a backend once, now, and calls `done` later, in a bounded time. Returns 0, or a
	 * negative errno, explained in `p`, and then does not call.
	 */
	int (*check)(void *self, const char *service, const struct addr *backend,
		     api_probed_function *done, void *arg, struct problems *p);
	/* Why a service cannot be probed through the tunnel at the moment: a phrase; NULL: it can, or is not to be. */
	const char *(*unprobed)(void *self, const char *service);
	/*
	 * Begins a trace of this client, or goes on with it: takes `promise` over, which will be kept in a bounded
	 * time. Or returns a negative errno, explained in `p`.
	 */
	int (*trace)(void *self, const struct api_client *client,
		     const struct wire_arguments *arguments, struct api_promise *promise,
		     struct problems *p);
	/* This client has hung up. */
	void (*gone)(void *self, const struct api_client *client);
	/* The sources that were denied at run time, in the order of memcmp(); returns how many. */
	size_t (*denied)(void *self, const struct api_denied **out);
	/*
	 * Denies sources at run time, or takes that back: all of them or none. *changed: how many were not denied
	 * already. Returns 0, or a negative errno, each reason in `p`.
	 */
	int (*deny)(void *self, bool adds, const struct prefix *list, size_t count, size_t *changed,
		    struct problems *p);
	/* Whether a source is denied; *by is the longest prefix that says so. */
	bool (*denies)(void *self, const struct addr *source, struct prefix *by);
};

struct api {
	struct engine *engine;
	const struct health *health;
	struct api_host host;
	uint64_t started_at_ms; /* CLOCK_MONOTONIC */
	const struct history *history;
	struct api_followers *followers;
	bool is_ending; /* `down` was answered: nothing is changed any more */
};

/* Who asks. */
struct api_client {
	uint64_t number; /* of its connection; no other has had it */
	uint32_t uid;
	bool may_change; /* root or the agent's own user; all others may read */
};

/* That the server will take the answer to a request later. */
struct api_promise {
	/* Gives the reply, which is taken over as the promise is. Called once, also when the client
	 * has gone. */
	void (*keep)(struct api_promise *promise, char *reply);
};

/*
 * Answers one request: `line` is one JSON document without its newline. Returns the reply,
 * likewise; the caller frees it. NULL: it takes time, and `promise` is taken over and will be kept;
 * else that stays the caller's. Never fails: what is wrong becomes a reply of kind error.
 */
char *api_answer(const struct api *api, const struct api_client *client,
		 struct api_promise *promise, const char *line, size_t length);

/*
 * Clients that wait for events. answer: to be called soon after an event, and each second, outside of api_answer(). end:
 * answers and frees them, before the server is closed.
 */
struct api_followers *api_followers_new(void);
void api_followers_answer(const struct api *api, uint64_t now_ms);
void api_followers_end(const struct api *api);

/*
 * Fills in what `check` answers about a configuration that was read without error. `running` (NULL:
 * no agent) gives the limits that are in force. Strings lie in `arena`. For `sluiced --check -j`,
 * too.
 */
void api_check_document(const struct config *config, const struct config *running,
			struct arena *arena, struct wire_check *out);

/* ---- traces (trace.c) ------------------------------------------------------------------------ */

/* Maps that packets can be tried on, and the engine that knows what they mean. */
struct tracer_world {
	const struct engine *engine;
	/* dataplane_try() */
	int (*try)(void *self, const void *frame, size_t length, struct dataplane_outcome *out);
	/* dataplane_denies() */
	bool (*denies)(void *self, const struct addr *source, struct prefix *by);
	void *self;
};

/* One world, or two to be compared; they stay the caller's. */
struct tracer *tracer_new(const struct tracer_world *worlds, size_t count);
void tracer_free(struct tracer *tracer);
/*
 * Tries the packets of a request (commands.def), and all that came before stay tried. Returns the reply: a document, or
 * what is wrong with them, and then *code is not WIRE_OK.
 */
char *tracer_answer(struct tracer *tracer, const struct wire_arguments *arguments,
		    enum wire_code *code);

/* ---- limits ---------------------------------------------------------------------------------- */

#define API_USAGES 6

/* How much of each limit is used, by its name in the configuration; `denied_at_run_time`: sources. */
void api_usage(const struct engine *engine, size_t denied_at_run_time,
	       struct wire_usage out[API_USAGES]);

/* ---- the socket ------------------------------------------------------------------------------ */

struct api_server;

/*
 * Listens at `path` (mode 0660, owned by the caller) on `loop`. A socket file that a dead agent
 * left is replaced. `api` must outlive the server. Errors, each explained in `p`: -EADDRINUSE an
 * agent answers there, -EEXIST what lies there is no socket, -ENAMETOOLONG, others of bind().
 */
int api_server_open(struct uv_loop_s *loop, const char *path, const struct api *api,
		    struct api_server **out, struct problems *p);

/* Closes all clients and the socket, and removes its file if it is still ours. The loop must run until it has
 * nothing left to do (uv_run() returns 0); then the server is freed. */
void api_server_close(struct api_server *server);

#endif
