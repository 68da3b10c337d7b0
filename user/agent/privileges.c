/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <cap-ng.h>
#include <errno.h>
#include <fts.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/privileges.h"
#include "base/mem.h"
#include "base/problem.h"

#define USER_NAME "sluice"

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
	const struct passwd *user = geteuid() == 0 ? getpwnam(USER_NAME) : NULL;

	if (user)
		*out = (struct privileges){user->pw_uid, user->pw_gid, true};
	else
		*out = (struct privileges){geteuid(), getegid(), false};
}

int privileges_give(const struct privileges *to, const char *path, struct problems *p)
{
	char *roots[] = {(char *)path, NULL};
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
	FTSENT *entry;
	int err = 0;

	if (!walk)
		return problems_add(p, -errno, path, NULL, "cannot be read: %s", strerror(errno));
	while (!err && (errno = 0, entry = fts_read(walk))) {
		if (entry->fts_info == FTS_DP)
			continue;
		if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_DNR ||
		    entry->fts_info == FTS_NS)
			err = problems_add(p, -entry->fts_errno, entry->fts_path, NULL,
					   "cannot be read: %s", strerror(entry->fts_errno));
		else if ((entry->fts_statp->st_uid != to->uid ||
			  entry->fts_statp->st_gid != to->gid) &&
			 lchown(entry->fts_accpath, to->uid, to->gid))
			err = problems_add(p, -errno, entry->fts_path, NULL,
					   "cannot be given to user %s: %s", USER_NAME,
					   strerror(errno));
	}
	fts_close(walk);
	return err;
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
