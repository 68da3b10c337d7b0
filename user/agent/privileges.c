/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/privileges.h"
#include "base/mem.h"
#include "base/problem.h"

/* What stays. BPF and PERFMON: load and attach; NET_ADMIN: attach, and ask for neighbours. */
static const struct {
	unsigned int capability;
	const char *name;
} kept[] = {
	{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
	{CAP_BPF, "CAP_BPF"},
	{CAP_PERFMON, "CAP_PERFMON"},
};

int privileges_check(struct problems *p)
{
	if (capng_get_caps_process())
		return problems_add(p, -EPERM, "capabilities", NULL, "cannot be read");
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (!capng_have_capability(CAPNG_EFFECTIVE, kept[i].capability))
			return problems_add(p, -EPERM, "privileges", NULL,
					    "%s is missing: run sluiced as root, or give it "
					    "CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON",
					    kept[i].name);
	return 0;
}

void privileges_find(struct privileges *out)
{
	const struct passwd *user = geteuid() == 0 ? getpwnam(PRIVILEGES_USER) : NULL;

	if (user)
		*out = (struct privileges){user->pw_uid, user->pw_gid, true};
	else
		*out = (struct privileges){geteuid(), getegid(), false};
}

/* ---- giving ---------------------------------------------------------------------------------- */

/*
 * What lies in a directory of the user may be replaced by the user while root looks at it. So a
 * file is opened once, without following links, and judged and given by that descriptor alone.
 */
struct giving {
	const struct privileges *to;
	dev_t device; /* mounts are not entered */
	struct problems *p;
};

static int refuse_gift(const struct giving *g, int error, const char *path, const char *what)
{
	return problems_add(g->p, -error, path, NULL, "%s: %s", what, strerror(error));
}

static int give_one(const struct giving *g, int parent, const char *name, const char *path);

static int give_all_in(const struct giving *g, int fd, const char *path)
{
	int list = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = list < 0 ? NULL : fdopendir(list);
	struct dirent *entry;
	int err = 0;

	if (!dir) {
		err = refuse_gift(g, errno, path, "cannot be read");
		if (list >= 0)
			close(list);
		return err;
	}
	while (!err && (entry = readdir(dir))) {
		char *below = mem_format("%s/%s", path, entry->d_name);

		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			err = give_one(g, list, entry->d_name, below);
		free(below);
	}
	closedir(dir);
	return err;
}

/* Gives what is open as `fd`. Another name of a file may be anywhere, and somebody else's. */
static int give_opened(const struct giving *g, int fd, const struct stat *is, const char *path)
{
	bool is_directory = S_ISDIR(is->st_mode);
	bool is_given = is->st_uid == g->to->uid && is->st_gid == g->to->gid;

	if (!is_given && !is_directory && is->st_nlink > 1)
		return problems_add(
			g->p, -EMLINK, path, NULL,
			"has another name (a hard link), so it is not given to user %s; "
			"find out whose it is, and remove this name",
			PRIVILEGES_USER);
	if (!is_given && fchownat(fd, "", g->to->uid, g->to->gid, AT_EMPTY_PATH))
		return refuse_gift(g, errno, path, "cannot be given to user " PRIVILEGES_USER);
	return is_directory ? give_all_in(g, fd, path) : 0;
}

static int give_one(const struct giving *g, int parent, const char *name, const char *path)
{
	int fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), err = 0;
	struct stat is;

	if (fd < 0)
		return errno == ENOENT ? 0 : refuse_gift(g, errno, path, "cannot be opened");
	if (fstat(fd, &is))
		err = refuse_gift(g, errno, path, "cannot be read");
	else if (!S_ISLNK(is.st_mode) && is.st_dev == g->device)
		err = give_opened(g, fd, &is, path);
	close(fd);
	return err;
}

int privileges_give(const struct privileges *to, const char *path, struct problems *p)
{
	struct giving g = {.to = to, .p = p};
	struct stat is;

	if (lstat(path, &is))
		return refuse_gift(&g, errno, path, "cannot be read");
	g.device = is.st_dev;
	return give_one(&g, AT_FDCWD, path, path);
}

int privileges_drop(const struct privileges *to, struct problems *p)
{
	int failed;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return problems_add(p, -errno, "PR_SET_NO_NEW_PRIVS", NULL, "%s", strerror(errno));
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, kept[i].capability);
	if (to->is_user)
		failed = capng_change_id(to->uid, to->gid,
					 CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
	else
		failed = capng_apply(CAPNG_SELECT_CAPS);
	if (failed)
		return problems_add(p, -EPERM, "privileges", NULL,
				    "cannot be dropped (libcap-ng says %d)", failed);
	return 0;
}
