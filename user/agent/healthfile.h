/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an agent knew of its backends, so that the next one goes on where it was: their health, how long drains
 * last and backends are down, and what alert sinks were told of. It changes with every flap, so it has a file of its own beside the state, and is
 * worth less: one that is missing or damaged is done without (health begins anew, forwarding goes on).
 *
 *	sluice-health 1 CHECKSUM	(sealed.h)
 *	boot MS				when that was: milliseconds since the host's boot, which the maps do not outlive
 *	health LENGTH			health_store() (health/health.h)
 *	LENGTH bytes
 *	clocks LENGTH			engine_clocks_store() (core/engine.h)
 *	LENGTH bytes
 *	alerts LENGTH			alerts_store() (alert/alert.h); absent in files of agents that kept none
 *	LENGTH bytes
 */
#ifndef AGENT_HEALTHFILE_H
#define AGENT_HEALTHFILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

struct problems;

#define HEALTHFILE_NAME "health"

struct healthfile {
	uint64_t boot_ms; /* 0: there is none */
	struct text health, clocks, alerts;
};

void healthfile_free(struct healthfile *file); /* and leaves it empty */

void healthfile_encode(const struct healthfile *file, struct text *out);
/* `name` names it in problems. Returns 0 or -EBADMSG; *out only then. */
int healthfile_decode(const char *name, const char *data, size_t length, struct healthfile *out,
		      struct problems *p);

/* Reads DIR/health; one that is not there is an empty one. Returns 0 or a negative errno, and then *out is empty, too. */
int healthfile_load(const char *dir, struct healthfile *out, struct problems *p);
/* How long ago it was written, whatever becomes of the clock of the wall; 0 for one of an earlier boot that ran for longer. */
uint64_t healthfile_away_ms(const struct healthfile *file);
/* Now, as `boot_ms` has it. */
uint64_t healthfile_boot_ms(void);

/* Replaces it, without waiting for the disk. Returns 0 or a negative errno. */
int healthfile_store(const char *dir, const struct healthfile *file, struct problems *p);

#endif
