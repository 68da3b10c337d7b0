/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/children.h"
#include "prober/quota.h"

#define COUNT_MS 60000 /* between two looks at all processes of the host */

/* By its status and not by the owner of its folder: a process that has changed its user has one of root's. */
static bool is_ours(pid_t pid)
{
	unsigned int uid = ~0U;
	char path[64], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file) && sscanf(line, "Uid: %u", &uid) != 1)
		;
	fclose(file);
	return uid == getuid();
}

static uint64_t count_all(void)
{
	const struct dirent *entry;
	DIR *dir = opendir("/proc");
	uint64_t count = 0;

	while (dir && (entry = readdir(dir))) {
		pid_t pid =
			isdigit((unsigned char)entry->d_name[0]) ? (pid_t)atol(entry->d_name) : 0;

		if (pid && is_ours(pid))
			count += children_tasks_of(pid);
	}
	if (dir)
		closedir(dir);
	return count;
}

static void set_soft(rlim_t soft)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NPROC, &limit))
		return;
	limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
	setrlimit(RLIMIT_NPROC, &limit);
}

void quota_begin(struct quota *quota, uint64_t now_ms)
{
	uint64_t own = children_count_tasks(getpid());

	if (!quota->counted_ms || now_ms - quota->counted_ms >= COUNT_MS) {
		uint64_t all = count_all();

		quota->others = all > own ? all - own : 0;
		quota->counted_ms = now_ms;
	}
	own += QUOTA_EACH;
	set_soft(quota->others + (own < QUOTA_ALL ? own : QUOTA_ALL));
}

/* The prober itself has none, so that it can always kill, and make the threads that it needs. */
void quota_end(pid_t pid)
{
	struct rlimit limit;

	if (pid && !getrlimit(RLIMIT_NPROC, &limit)) {
		limit.rlim_max = limit.rlim_cur;
		prlimit(pid, RLIMIT_NPROC, &limit, NULL);
	}
	set_soft(RLIM_INFINITY);
}
