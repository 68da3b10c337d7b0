/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes below this one, for programs that leave nothing behind: with
 * PR_SET_CHILD_SUBREAPER a process whose parent has died becomes a child, and so can be found.
 */
#ifndef BASE_CHILDREN_H
#define BASE_CHILDREN_H

#include <sys/types.h>

/*
 * The children of this process's first thread, living or not yet waited for, as a list that the
 * caller frees. Returns their number, or a negative errno (-ENOENT: a kernel without
 * CONFIG_PROC_CHILDREN).
 */
ssize_t children_list(pid_t **out);

#endif
