/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "dataplane/pins.h"

#define BPFFS	 "/sys/fs/bpf"
#define DIR_MODE 0700

static int fail(struct problems *p, int error, const char *path, const char *what)
{
	bool forbidden = error == EPERM || error == EACCES;
	const char *advice = forbidden ? "; run this as root" : "";

	return problems_add(p, forbidden ? -EPERM : -error, "pin directory", path, "%s: %s%s", what,
			    strerror(error), advice);
}

char *pins_path(const struct pins *pins, const char *kind, const char *name)
{
	return name ? mem_format("%s/%s/%s", pins->dir, kind, name)
		    : mem_format("%s/%s", pins->dir, kind);
}

char *pins_at(const struct pins *pins, const char *kind, const char *name)
{
	return mem_format("/proc/self/fd/%d/%s%s%s", pins->fd, kind, name ? "/" : "",
			  name ? name : "");
}

static void translate(const char *from, char to[16], char what, char into)
{
	snprintf(to, 16, "%s", from);
	for (; *to; to++)
		if (*to == what)
			*to = into;
}

/* No device has a colon in its name (dev_valid_name() in net/core/dev.c). */
void pins_from_device(const char *device, char name[16])
{
	translate(device, name, '.', ':');
}

void pins_to_device(const char *name, char device[16])
{
	translate(name, device, ':', '.');
}

/* ---- the directory itself ---------------------------------------------------------------------- */

/* The longest start of `path` that exists; the caller frees it. */
static char *existing_part(const char *path)
{
	char *part = mem_string(path), *slash;
	struct stat is;

	while (stat(part, &is) && (slash = strrchr(part, '/'))) {
		if (slash == part)
			slash++;
		*slash = '\0';
		if (strcmp(part, "/") == 0)
			break;
	}
	return part;
}

static bool on_bpffs(const char *path)
{
	char *part = existing_part(path);
	struct statfs fs;
	bool yes = statfs(part, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;

	free(part);
	return yes;
}

static int check_bpffs(const char *dir, struct problems *p)
{
	bool below = strncmp(dir, BPFFS "/", strlen(BPFFS "/")) == 0;

	if (on_bpffs(dir))
		return 0;
	if (!below)
		return problems_add(
			p, -EINVAL, "pin directory", dir,
			"is not on a BPF file system; choose one below %s, or mount one there "
			"(mount -t bpf bpf DIR)",
			BPFFS);
	if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return fail(p, errno, BPFFS,
			    "no BPF file system is mounted there, and mounting one failed");
	return 0;
}

/* Opens and locks. A directory that another process removes meanwhile (down) is -ESTALE. */
static int lock_dir(const char *dir, int *out, struct problems *p)
{
	struct stat opened, named;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : fail(p, errno, dir, "cannot be opened");
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		int error = errno;

		close(fd);
		if (error != EWOULDBLOCK)
			return fail(p, error, dir, "cannot be locked");
		return problems_add(
			p, -EWOULDBLOCK, "pin directory", dir,
			"is held by another process (a running agent?); stop that one, or "
			"choose another directory");
	}
	if (fstat(fd, &opened) || stat(dir, &named) || opened.st_ino != named.st_ino ||
	    opened.st_dev != named.st_dev) {
		close(fd);
		return -ESTALE;
	}
	*out = fd;
	return 0;
}

int pins_open(struct pins *pins, const char *dir, struct problems *p)
{
	struct stat is;
	bool made;
	int fd, err;

	err = check_bpffs(dir, p);
	if (err)
		return err;
	do {
		made = stat(dir, &is) != 0;
		if (made)
			err = file_make_dirs(dir, DIR_MODE, p);
		if (err == -EACCES)
			err = -EPERM;
		if (!err)
			err = lock_dir(dir, &fd, p);
	} while (err == -ENOENT || err == -ESTALE);
	if (!err)
		*pins = (struct pins){.dir = mem_string(dir), .fd = fd, .made = made};
	return err;
}

int pins_open_existing(struct pins *pins, const char *dir, struct problems *p)
{
	int fd, err = lock_dir(dir, &fd, p);

	if (err == -ESTALE || err == -ENOENT)
		return -ENOENT;
	if (err)
		return err;
	if (!on_bpffs(dir)) {
		close(fd);
		return problems_add(p, -EINVAL, "pin directory", dir,
				    "is not on a BPF file system: nothing can be pinned there");
	}
	*pins = (struct pins){.dir = mem_string(dir), .fd = fd};
	return 0;
}

void pins_close(struct pins *pins)
{
	if (!pins->dir)
		return;
	close(pins->fd);
	free(pins->dir);
	*pins = (struct pins){0};
}

/* ---- what is in it ------------------------------------------------------------------------------ */

int pins_each(const struct pins *pins, const char *kind, int (*each)(void *arg, const char *name),
	      void *arg)
{
	char *path = pins_at(pins, kind, NULL);
	DIR *dir = opendir(path);
	struct dirent *entry;
	int stop = 0;

	free(path);
	while (dir && !stop && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			stop = each(arg, entry->d_name);
	if (dir)
		closedir(dir);
	return stop;
}

/* In the order in which they go. */
static const char *const kinds[] = {"links", "beside", "probes", "clsact", "progs", "maps"};

bool pins_has(const struct pins *pins, const char *kind, const char *name)
{
	char *path = pins_at(pins, kind, name);
	bool is_there = access(path, F_OK) == 0;

	free(path);
	return is_there;
}

int pins_remove(const struct pins *pins, const char *kind, const char *name)
{
	char *path = mem_format("%s/%s", kind, name);
	int err = unlinkat(pins->fd, path, 0) && errno != ENOENT ? -errno : 0;

	unlinkat(pins->fd, kind, AT_REMOVEDIR); /* unless there is more in it */
	free(path);
	return err;
}

/* The way from the pin directory to what is being removed. */
struct removal {
	int fd;
	const char *kind;
};

static int remove_one(void *arg, const char *name)
{
	const struct removal *r = arg;
	char *path = mem_format("%s/%s", r->kind, name);
	int err = unlinkat(r->fd, path, 0) ? -errno : 0;

	free(path);
	return err;
}

/* Unpins what is in <dir>/<kind> and removes the folder. 0: it is gone, or was not there. */
static int remove_kind(struct pins *pins, const char *kind)
{
	struct removal r = {.fd = pins->fd, .kind = kind};
	int err = pins_each(pins, kind, remove_one, &r);

	if (!err && unlinkat(pins->fd, kind, AT_REMOVEDIR) && errno != ENOENT)
		err = -errno;
	return err;
}

static int remove_new(struct pins *pins)
{
	int err = remove_kind(pins, "new/maps");

	return err ? err : remove_kind(pins, "new");
}

void pins_tidy(struct pins *pins)
{
	if (!pins->dir)
		return;
	remove_new(pins);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		unlinkat(pins->fd, kinds[i], AT_REMOVEDIR);
	if (pins->made)
		rmdir(pins->dir);
}

static int detach_one(void *arg, const char *name)
{
	char *path = pins_at(arg, "links", name);
	int fd = bpf_obj_get(path);

	/* Unpinning detaches too, unless a process still holds the link. */
	if (fd >= 0) {
		bpf_link_detach(fd);
		close(fd);
	}
	free(path);
	return 0;
}

int pins_remove_all(struct pins *pins, struct problems *p)
{
	int err = 0;

	pins_each(pins, "links", detach_one, pins);
	for (size_t i = 0; !err && i < ARRAY_SIZE(kinds); i++)
		err = remove_kind(pins, kinds[i]);
	if (!err)
		err = remove_new(pins);
	/* It stays when it is a mount point, holds what is not ours, or lies where only root may remove it. */
	if (!err && rmdir(pins->dir) && errno != EBUSY && errno != ENOTEMPTY && errno != EACCES &&
	    errno != EPERM)
		err = -errno;
	return err ? fail(p, -err, pins->dir, "not all of it could be removed") : 0;
}

static int make_dir(const struct pins *pins, const char *kind, struct problems *p)
{
	if (mkdirat(pins->fd, kind, DIR_MODE) == 0 || errno == EEXIST)
		return 0;
	return fail(p, errno, pins->dir, "a folder could not be made below it");
}

int pins_stage(struct pins *pins, struct problems *p)
{
	int err = remove_new(pins);

	if (err)
		return fail(p, -err, pins->dir,
			    "what an earlier start left in `new` could not be removed");
	err = make_dir(pins, "new", p);
	return err ? err : make_dir(pins, "new/maps", p);
}

int pins_stage_map(const struct pins *pins, int fd, const char *name, struct problems *p)
{
	char *path = pins_path(pins, "new/maps", name);
	int err = 0;

	if (bpf_obj_pin(fd, path))
		err = problems_add(p, -errno, "map", path, "could not be pinned: %s",
				   strerror(errno));
	free(path);
	return err;
}

int pins_commit_maps(struct pins *pins, struct problems *p)
{
	/* bpffs exchanges since Linux 5.16. */
	if (renameat2(pins->fd, "new/maps", pins->fd, "maps", RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EEXIST &&
	    renameat2(pins->fd, "new/maps", pins->fd, "maps", RENAME_EXCHANGE) == 0)
		return 0;
	return fail(p, errno, pins->dir, "the new maps could not be put in their place");
}

int pins_replace(const struct pins *pins, int fd, const char *kind, const char *name,
		 struct problems *p)
{
	char *made = pins_at(pins, "new", "pin"), *at = pins_at(pins, kind, name);
	char *path = pins_path(pins, kind, name);
	int err = make_dir(pins, "new", p);

	if (!err)
		err = make_dir(pins, kind, p);
	if (!err) {
		unlink(made);
		if (bpf_obj_pin(fd, made))
			err = fail(p, errno, path, "could not be pinned");
		else if (rename(made, at)) {
			err = fail(p, errno, path, "could not be put in its place");
			unlink(made);
		}
		unlinkat(pins->fd, "new", AT_REMOVEDIR); /* unless there is more in it */
	}
	free(made);
	free(at);
	free(path);
	return err;
}
