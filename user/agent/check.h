/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sluiced --check: reads a configuration and says what is wrong with it; needs neither root nor an
 * agent.
 */
#ifndef AGENT_CHECK_H
#define AGENT_CHECK_H

#include "agent/options.h"
#include "wire/wire.h"

/*
 * Problems and warnings go to standard error, the answer to standard output; with --json all of it
 * is one document there. Returns the exit code.
 */
enum wire_code check_run(const struct options *options);

#endif
