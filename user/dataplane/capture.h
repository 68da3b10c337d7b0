/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What libbpf and libxdp would print to standard error, kept instead: the end of it goes into the problem
 * when a call of theirs fails. One for the process, like their print callbacks.
 */
#ifndef DATAPLANE_CAPTURE_H
#define DATAPLANE_CAPTURE_H

#include <stddef.h>

/* Forgets what was kept, and keeps what is printed from now on. */
void capture_start(void);

/* The lines printed since, without the libraries' prefixes, joined by "; ". Valid until the next call. */
const char *capture_text(void);

/* libbpf has errors of its own beside the kernel's; whoever called us gets -EINVAL for these. */
int capture_errno(int err);

/* Of a verifier's log in it: the last lines that say why, joined by "; ". NULL: there is no such log. */
const char *capture_verifier(void);

#endif
