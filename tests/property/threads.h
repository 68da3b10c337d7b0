/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two CPUs drive the same two buckets while the agent changes what it can; see threads.c. */
#ifndef PROPERTY_THREADS_H
#define PROPERTY_THREADS_H

#include <stddef.h>

/* Returns how many checks failed, each told. */
int threads_run(double seconds, const void *object, size_t size);

#endif
