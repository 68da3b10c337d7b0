/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent/hostfiles.h"
#include "agent/launcher.h"
#include "agent/privileges.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/table.h"
#include "config/config.h"

enum use { PROBE_PROGRAM, PROBE_CA, ALERT_PROGRAM, ALERT_CA, ALERT_SECRET, USES };

enum { MAY_READ = 4, MAY_EXECUTE = 1 };

static const struct {
	mode_t needs;
	bool is_agents; /* the prober's */
	bool is_text;	/* which is not empty */
	const char *verb, *loss;
} uses[USES] = {
	[PROBE_PROGRAM] = {MAY_EXECUTE, false, false, "executed", "its probes fail"},
	[PROBE_CA] = {MAY_READ, false, true, "read", "its probes fail"},
	[ALERT_PROGRAM] = {MAY_EXECUTE, false, false, "executed", "no alert is sent"},
	[ALERT_CA] = {MAY_READ, false, true, "read", "no alert is sent"},
	[ALERT_SECRET] = {MAY_READ, true, true, "read", "no alert is sent"},
};

/* ---- users ----------------------------------------------------------------------------------- */

static void find_user(const char *name, const char *other, struct hostfiles_user *out)
{
	const struct passwd *user = getpwnam(name);

	if (!user) {
		name = other;
		user = getpwnam(other);
	}
	if (user)
		*out = (struct hostfiles_user){user->pw_uid, user->pw_gid, name};
}

void hostfiles_find_users(bool is_root, struct hostfiles_users *out)
{
	out->agent = out->prober =
		(struct hostfiles_user){geteuid(), getegid(), "of the agent's own"};
	if (!is_root)
		return;
	find_user(PRIVILEGES_USER, "root", &out->agent);
	find_user(LAUNCHER_USER, LAUNCHER_OTHER, &out->prober);
}

/* ---- what a user may ------------------------------------------------------------------------- */

/* Also root: the agent keeps no capability that goes beyond modes. */
static bool permits(const char *path, const struct stat *is, const struct hostfiles_user *user,
		    mode_t needs)
{
	unsigned int shift = user->uid == is->st_uid ? 6 : user->gid == is->st_gid ? 3 : 0;

	/* Who has a list of their own is not judged by the mode. */
	return (is->st_mode >> shift & needs) == needs ||
	       getxattr(path, "system.posix_acl_access", NULL, 0) > 0;
}

/* The first folder on the way that the user may not pass, in memory of its own; NULL: there is none. */
static char *find_barrier(const char *path, const struct hostfiles_user *user)
{
	for (const char *slash = path; slash; slash = strchr(slash + 1, '/')) {
		char *folder = mem_format("%.*s", slash == path ? 1 : (int)(slash - path), path);
		struct stat is;

		if (!stat(folder, &is) && !permits(folder, &is, user, MAY_EXECUTE))
			return folder;
		free(folder);
	}
	return NULL;
}

/* What is wrong, for the caller to free; NULL: nothing that can be seen from here. */
static char *find_fault(const char *path, enum use use, const struct hostfiles_user *user)
{
	char *real = realpath(path, NULL), *barrier, *fault = NULL;
	struct stat is;

	if (!real && errno == EACCES && (!uses[use].is_agents || user->uid != geteuid()))
		return NULL;
	if (!real || stat(real, &is)) {
		free(real);
		return mem_format("%s", errno == ENOENT ? "is not there" : strerror(errno));
	}
	barrier = find_barrier(real, user);
	if (!S_ISREG(is.st_mode))
		fault = mem_format("is no regular file");
	else if (barrier)
		fault = mem_format("cannot be %s by user %s, who may not pass %s", uses[use].verb,
				   user->name, barrier);
	else if (!permits(real, &is, user, uses[use].needs))
		fault = mem_format("cannot be %s by user %s, as its mode is %03o", uses[use].verb,
				   user->name, is.st_mode & 0777);
	else if (uses[use].is_text && !is.st_size)
		fault = mem_format("is empty");
	free(barrier);
	free(real);
	return fault;
}

/* ---- a configuration's ----------------------------------------------------------------------- */

struct looking {
	const struct config *config;
	const struct hostfiles_users *users;
	struct problems *warnings;
	struct table *seen; /* by use and path */
};

static void look(struct looking *l, enum use use, const struct config_place *place,
		 const char *field, const char *path)
{
	const struct hostfiles_user *user =
		uses[use].is_agents ? &l->users->agent : &l->users->prober;
	char *key, *fault;

	if (!path)
		return;
	key = mem_format("%d %s", use, path);
	if (!table_set(l->seen, key, strlen(key), l)) {
		fault = find_fault(path, use, user);
		if (fault)
			problems_add_at(l->warnings, l->config->file, place->line, place->column,
					field, path, "%s: %s until that is mended", fault,
					uses[use].loss);
		free(fault);
	}
	free(key);
}

static void look_at_service(struct looking *l, const struct config_service *service)
{
	char *program = mem_format("services[%s].health.command", service->name);
	char *ca = mem_format("services[%s].health.ca-file", service->name);

	look(l, PROBE_PROGRAM, &service->place, program, service->health.command);
	look(l, PROBE_CA, &service->place, ca, service->health.ca_file);
	free(program);
	free(ca);
}

void hostfiles_check(const struct config *config, const struct hostfiles_users *users,
		     struct problems *warnings)
{
	struct looking l = {config, users, warnings, table_new()};

	for (size_t i = 0; i < config->service_count; i++)
		look_at_service(&l, &config->services[i]);
	for (size_t i = 0; i < config->alert_count; i++) {
		const struct config_alert *alert = &config->alerts[i];

		look(&l, ALERT_PROGRAM, &alert->place, "alerts.exec", alert->exec);
		look(&l, ALERT_SECRET, &alert->place, "alerts.secret-file", alert->secret_file);
		look(&l, ALERT_CA, &alert->place, "alerts.ca-file", alert->ca_file);
	}
	table_free(l.seen);
	problems_sort(warnings);
}
