/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the bench found: one JSON document, which the tables are printed from. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "bench/bench.h"

json_t *facts_machine(const struct bench *bench);
json_t *facts_program(struct bench *bench, enum bench_world kind);
json_t *facts_memory(struct bench *bench); /* at the default limits */
json_t *facts_maglev(void);
/* What changes cost the agent. They undo the slots of the world of WORLD_REDIRECT. */
json_t *agent_run(struct bench *bench);
/* Moves this process into a network namespace of its own, with a pair of interfaces. */
void live_pair(struct bench *bench);
json_t *live_run(struct bench *bench);

/* {version, kind: "bench", data}; facts and live runs are left out when only some cases are asked for. */
json_t *report_make(struct bench *bench, const struct results *results);
void report_print(const json_t *report, FILE *to);

#endif
