/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's side of sluice-prober: keeps one running while there is something for it to do, keeps what it probes true
 * to what is wanted, and hands its results on.
 *
 * Story: whoever knows what is to be probed says so by prober_set(); only what differs is sent (probeset.h). Each second
 * the prober is asked whether it lives (supervise.h). One that has ended is started again after a pause, and told
 * everything anew; one that hangs, or says what makes no sense, is killed first. Meanwhile nobody hears results, and so
 * the last known health stays. How a process is made and ended is not this module's: the agent's launcher does it, in
 * tests a fake.
 */
#ifndef AGENT_PROBER_H
#define AGENT_PROBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/prober.h"

struct arena;
struct prober;
struct problems;
struct uv_loop_s;

/* What makes and ends the process; launcher_spawn() and launcher_kill() (launcher.h). */
struct prober_spawner {
	void *self;
	int (*spawn)(void *self, int *fd, pid_t *pid, struct problems *p);
	int (*kill)(void *self);
};

enum prober_news {
	PROBER_STARTED,
	PROBER_ENDED,	    /* by itself, or somebody has killed it */
	PROBER_HUNG,	    /* and was killed */
	PROBER_NONSENSE,    /* it said what is no report, and was killed */
	PROBER_NOT_STARTED, /* it could not be started; not repeated while the reason is the same */
	PROBER_OTHER,	    /* it is of another version */
	PROBER_STOPPED,	    /* nothing is left for it to do */
};

/* Who hears of it. `self` is handed to each. None may call prober_close(). */
struct prober_host {
	void *self;
	void (*result)(void *self, const struct wire_probe_result *result);
	void (*alert)(void *self, const struct wire_alert_result *result);
	/* `sentence` says what happened and what becomes of it. */
	void (*tell)(void *self, enum prober_news news, const char *sentence);
};

/* How it is, for people. */
struct prober_look {
	bool is_wanted, is_running;
	pid_t pid;	       /* while it runs */
	uint64_t since_ms;     /* CLOCK_MONOTONIC, of is_running */
	unsigned int restarts; /* since the agent started */
	unsigned int unanswered;
	size_t probes;
};

/* Starts nothing yet. `spawner` and `host` are copied; what they point to must outlive it. */
struct prober *prober_new(struct uv_loop_s *loop, const struct prober_spawner *spawner,
			  const struct prober_host *host);
/*
 * Ends the prober. The loop must run until it has nothing left to do; then all is freed. The host is called no more.
 * NULL is fine.
 */
void prober_close(struct prober *prober);

/*
 * What is to be probed from now on. Takes over `arena`, in which the list and all of it lie. While there is nothing, and
 * no alert may come (`is_needed` false), no prober runs.
 */
void prober_set(struct prober *prober, struct arena *arena, struct wire_probe *list, size_t count,
		bool is_needed);

/*
 * Has probes of the set run once, now, or an alert sent: results come with the others. -ENOTCONN: no prober runs at
 * the moment; what it had not reported when it ended is lost, and said by PROBER_ENDED and its kin. -EMSGSIZE: an alert
 * whose order would be longer than WIRE_ORDER_MAX, which the prober would leave out.
 */
int prober_check(struct prober *prober, const uint32_t *ids, size_t count);
int prober_alert(struct prober *prober, const struct wire_alert_order *alert);

const struct wire_probe *prober_find(const struct prober *prober,
				     uint32_t id); /* NULL: not in the set */
void prober_look(const struct prober *prober, struct prober_look *out);

#endif
