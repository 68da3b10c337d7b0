/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running packets through the driver. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "bench/bench.h"

/*
 * Points the driver at a program and tells it what to send, from the `first` of the case's flows on; `frame`
 * is what BPF_PROG_TEST_RUN is to start with.
 */
void run_prepare(struct bench *bench, const struct bench_case *c, enum bench_program program,
		 uint64_t first, uint8_t frame[FRAME_MAX]);
int run_driver_fd(const struct bench *bench, const struct bench_case *c);
/* The enum xdp_action that this program must answer to the case's packets. */
unsigned int run_action(const struct bench_case *c, enum bench_program program);

/*
 * Runs packets from the `first` of the case's flows on; returns the thread's CPU time a packet, in ns. Ends the
 * bench when not every packet got the verdict that the case says.
 */
double run_from(struct bench *bench, const struct bench_case *c, enum bench_program program,
		uint64_t first, uint64_t packets);
/* Sends the first fragment of what the case repeats, where it wants that. */
void run_first(struct bench *bench, const struct bench_case *c);
/* Runs as many packets of the case as are to be in a run, through a program. */
double run_packets(struct bench *bench, const struct bench_case *c, enum bench_program program);

#endif
