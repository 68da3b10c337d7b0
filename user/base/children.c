/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/children.h"
#include "base/mem.h"

/* Each finds somebody new, but for the last one; a bound for a kernel that says nonsense. */
#define ROUNDS_MAX 10000

struct pids {
	pid_t *list;
	size_t count;
};

static void add(struct pids *pids, pid_t pid)
{
	pids->list = mem_grow(pids->list, pids->count, sizeof(*pids->list));
	pids->list[pids->count++] = pid;
}

static bool has(const struct pids *pids, pid_t pid)
{
	for (size_t i = 0; i < pids->count; i++)
		if (pids->list[i] == pid)
			return true;
	return false;
}

/* The children of one thread. Returns 0 or a negative errno. */
static int read_children(pid_t pid, pid_t thread, struct pids *out)
{
	char path[64];
	FILE *file;
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, thread);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (fscanf(file, "%d", &child) == 1)
		add(out, child);
	fclose(file);
	return 0;
}

ssize_t children_list(pid_t **out)
{
	struct pids children = {};
	int err = read_children(getpid(), getpid(), &children);

	if (err)
		return err;
	*out = children.list;
	return (ssize_t)children.count;
}

/* The children of all threads. */
static void read_all_children(pid_t pid, struct pids *out)
{
	const struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			read_children(pid, (pid_t)atol(entry->d_name), out);
	closedir(dir);
}

/* ---- counting -------------------------------------------------------------------------------- */

size_t children_tasks_of(pid_t pid)
{
	struct stat is;
	char path[64];

	/* The kernel counts a folder for each thread, as it does for folders in a folder. */
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	return stat(path, &is) || is.st_nlink < 2 ? 0 : is.st_nlink - 2;
}

size_t children_count_tasks(pid_t pid)
{
	size_t count = children_tasks_of(pid);
	struct pids below = {};

	read_all_children(pid, &below);
	for (size_t i = 0; i < below.count; i++) {
		count += children_tasks_of(below.list[i]);
		read_all_children(below.list[i], &below);
	}
	free(below.list);
	return count;
}

/* ---- killing --------------------------------------------------------------------------------- */

/* Stops those that are new. */
static void stop(const struct pids *found, struct pids *stopped)
{
	for (size_t i = 0; i < found->count; i++) {
		if (has(stopped, found->list[i]))
			continue;
		/* From here on it has no new children: a fork that a signal meets begins anew after it. */
		kill(found->list[i], SIGSTOP);
		add(stopped, found->list[i]);
	}
}

void children_kill(ssize_t (*list)(void *self, pid_t **out), void *self)
{
	struct pids stopped = {};

	for (int round = 0; round < ROUNDS_MAX; round++) {
		size_t before = stopped.count;
		struct pids found = {};
		ssize_t count = list ? list(self, &found.list) : children_list(&found.list);

		found.count = count < 0 ? 0 : (size_t)count;
		stop(&found, &stopped);
		free(found.list);
		for (size_t i = 0; i < stopped.count; i++) {
			found = (struct pids){};
			read_all_children(stopped.list[i], &found);
			stop(&found, &stopped);
			free(found.list);
		}
		if (stopped.count == before)
			break;
	}
	for (size_t i = 0; i < stopped.count; i++)
		kill(stopped.list[i], SIGKILL);
	free(stopped.list);
}
