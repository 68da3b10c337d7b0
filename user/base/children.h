/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes below this one, for programs that leave nothing behind: with
 * PR_SET_CHILD_SUBREAPER a process whose parent has died becomes a child, and so can be found.
 */
#ifndef BASE_CHILDREN_H
#define BASE_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * The children of this process's first thread, living or not yet waited for, as a list that the
 * caller frees. Returns their number, or a negative errno (-ENOENT: a kernel without
 * CONFIG_PROC_CHILDREN).
 */
ssize_t children_list(pid_t **out);

/* The threads of a process and of all below it; 0: it is not there. */
size_t children_count_tasks(pid_t pid);
/* The threads of a process alone. */
size_t children_tasks_of(pid_t pid);

/*
 * Kills what `list` gives, which is like children_list() (NULL: that itself), with all that is below. Each process is stopped first, and
 * `list` is asked again until nobody new is found: so what forks all the time is not outrun by one that forks once
 * more, for those that are stopped take its places. They are not waited for.
 */
void children_kill(ssize_t (*list)(void *self, pid_t **out), void *self);

#endif
