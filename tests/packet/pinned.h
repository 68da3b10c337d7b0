/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of the loader on the live kernel: a pin directory of this run's own, and a network namespace of
 * each test's own (tests run in forked children, so both end with them).
 */
#ifndef PACKET_PINNED_H
#define PACKET_PINNED_H

#include <check.h>

#include "base/problem.h"
#include "dataplane/dataplane.h"

extern char pinned_dir[64];

/* Adds both fixtures: the directory is taken down before each test and after the last. */
void pinned_add_fixtures(TCase *tc);

/* Small limits, a key, `pinned_dir`. */
struct dataplane_options pinned_options(void);

/* Opens, and fails the test with the problems when that fails. */
struct dataplane *pinned_open(const struct dataplane_options *options);

/* Opens, expects this error and a problem that contains `words`, and that nothing was opened. */
void pinned_refuse(const struct dataplane_options *options, int error, const char *words);

/* Fails unless some problem's text contains `words`. Empties the list. */
void pinned_expect(struct problems *p, const char *words);

/* Fails with the problems unless err is 0. */
void pinned_ok(int err, struct problems *p);

/* Does <pinned_dir>/<name> exist? */
bool pinned_exists(const char *name);
unsigned int pinned_count(const char *folder); /* entries in <pinned_dir>/<folder> */

/* Runs a command that must succeed. */
void pinned_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

void pinned_drop_capabilities(void); /* all of this process */

uint32_t pinned_map_id(int fd);
uint32_t pinned_program_id(int fd);
/* The program on a device; 0: none. */
uint32_t pinned_program_on(const char *device);

/* Another BPF object below $BUILD, e.g. "bpf-new/sluice.bpf.o". The caller frees it. */
char *pinned_object(const char *name, size_t *size);

#endif
