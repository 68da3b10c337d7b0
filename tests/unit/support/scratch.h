/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory for the files of one test. */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

/* Its path, after scratch_enter(). */
extern char scratch[];

void scratch_enter(void); /* makes it the working directory */
void scratch_leave(void); /* and removes it with all that is in it */

#endif
