/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/children.h"
#include "base/mem.h"

ssize_t children_list(pid_t **out)
{
	char *path = mem_format("/proc/self/task/%d/children", getpid());
	FILE *file = fopen(path, "re");
	pid_t *list = NULL;
	ssize_t count = 0;
	int pid;

	free(path);
	if (!file)
		return -errno;
	while (fscanf(file, "%d", &pid) == 1) {
		list = mem_grow(list, (size_t)count, sizeof(*list));
		list[count++] = pid;
	}
	fclose(file);
	*out = list;
	return count;
}
