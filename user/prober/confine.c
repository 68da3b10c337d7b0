/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls, and not libcap-ng: the prober links little. */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/problem.h"
#include "prober/confine.h"

#define FILES_MAX  8192	       /* more probes than this in flight are held back */
#define SIZE_BOUND (1UL << 30) /* of a file and of a process's data */
#define FILES_OWN  256	       /* the loop's, programs' pipes, what libraries open */

static int failed(struct problems *p, const char *what)
{
	return problems_add(p, -errno, what, NULL, "%s", strerror(errno));
}

/* Where it may: the launcher's child has dropped them already, and has no CAP_SETPCAP. */
static int drop_bounding(struct problems *p)
{
	for (unsigned long capability = 0; capability <= CAP_LAST_CAP; capability++)
		if (capability != CAP_NET_RAW && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) &&
		    errno != EPERM && errno != EINVAL)
			return failed(p, "PR_CAPBSET_DROP");
	return 0;
}

static int drop_capabilities(struct problems *p)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
	const unsigned int raw = 1u << CAP_NET_RAW;
	int err = drop_bounding(p);

	if (err)
		return err;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
		return failed(p, "PR_CAP_AMBIENT");
	if (syscall(SYS_capget, &header, data))
		return failed(p, "capget");
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted &= i ? 0 : raw;
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) ? failed(p, "capset") : 0;
}

static int limit_files(unsigned int *sockets_max, struct problems *p)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return failed(p, "RLIMIT_NOFILE");
	limit.rlim_cur = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
	if (limit.rlim_cur < 2 * FILES_OWN)
		return problems_add(p, -EMFILE, "RLIMIT_NOFILE", NULL,
				    "allows only %lu open files, at least %d are needed",
				    (unsigned long)limit.rlim_cur, 2 * FILES_OWN);
	if (setrlimit(RLIMIT_NOFILE, &limit))
		return failed(p, "RLIMIT_NOFILE");
	*sockets_max = (unsigned int)limit.rlim_cur - FILES_OWN;
	return 0;
}

/* Of programs, which have it from us. What they write is no more than that, and each of their processes is no larger. */
static int limit_sizes(struct problems *p)
{
	static const struct {
		int what;
		const char *name;
		rlim_t most;
	} limits[] = {
		{RLIMIT_CORE, "RLIMIT_CORE", 0},
		{RLIMIT_FSIZE, "RLIMIT_FSIZE", SIZE_BOUND},
		{RLIMIT_DATA, "RLIMIT_DATA", SIZE_BOUND},
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit limit;

		if (getrlimit(limits[i].what, &limit))
			return failed(p, limits[i].name);
		if (limit.rlim_max > limits[i].most)
			limit.rlim_max = limits[i].most;
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(limits[i].what, &limit))
			return failed(p, limits[i].name);
	}
	return 0;
}

int confine(unsigned int *sockets_max, struct problems *p)
{
	int err;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return failed(p, "PR_SET_NO_NEW_PRIVS");
	umask(022);
	if (chdir("/"))
		return failed(p, "/");
	err = limit_sizes(p);
	if (!err)
		err = drop_capabilities(p);
	return err ? err : limit_files(sockets_max, p);
}
