/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that survive a crash: the new content is complete on the disk under another name before a rename
 * puts it in place, and the directory is synced so that the rename is on the disk, too. (The quick ones leave the
 * disk to the kernel.)
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"

#define READ_STEP (64 << 10)

static int fail(struct problems *p, int error, const char *path, const char *what)
{
	return problems_add(p, -error, path, NULL, "%s: %s", what, strerror(error));
}

static int read_all(int fd, size_t max, struct text *content)
{
	char *step = mem_alloc(READ_STEP);
	int err = 0;

	for (;;) {
		ssize_t got = read(fd, step, READ_STEP);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			err = got < 0 ? -errno : 0;
			break;
		}
		if ((size_t)got > max - content->length) {
			err = -EFBIG;
			break;
		}
		text_add_bytes(content, step, got);
	}
	free(step);
	return err;
}

int file_read(const char *path, size_t max, char **data, size_t *length, struct problems *p)
{
	bool standard_input = strcmp(path, "-") == 0;
	const char *name = standard_input ? "standard input" : path;
	int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct text content = {};
	int err;

	if (fd < 0)
		return fail(p, errno, name, "cannot be opened");
	text_add_bytes(&content, "", 0); /* an empty file gives "" */
	err = read_all(fd, max, &content);
	if (!standard_input)
		close(fd);
	if (err) {
		text_free(&content);
		if (err == -EFBIG)
			return problems_add(p, err, name, NULL, "is longer than %zu bytes", max);
		return fail(p, -err, name, "cannot be read");
	}
	*data = content.data;
	*length = content.length;
	return 0;
}

int file_read_if_there(const char *path, size_t max, char **data, size_t *length,
		       struct problems *p)
{
	*data = NULL;
	*length = 0;
	if (access(path, F_OK) && errno == ENOENT)
		return 0;
	return file_read(path, max, data, length, p);
}

static int write_all(int fd, const char *data, size_t length)
{
	while (length) {
		ssize_t done = write(fd, data, length);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		data += done;
		length -= done;
	}
	return 0;
}

static int sync_directory_of(const char *path)
{
	char *copy = mem_string(path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = 0;

	free(copy);
	if (fd < 0)
		return -errno;
	if (fsync(fd))
		err = -errno;
	close(fd);
	return err;
}

/*
 * Makes `path`, which must not exist, with exactly this content and mode. `syncs`: and waits for the
 * disk.
 */
static int write_new(const char *path, mode_t mode, const void *data, size_t length, bool syncs)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0600);
	int err;

	if (fd < 0)
		return -errno;
	err = write_all(fd, data, length);
	if (!err && fchmod(fd, mode))
		err = -errno;
	if (!err && syncs && fsync(fd))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	return err;
}

static int replace(const char *path, mode_t mode, const void *data, size_t length, bool syncs,
		   struct problems *p)
{
	char *temporary = mem_format("%s.new", path);
	int err = 0;

	/* One that a crash left behind; never written through, since it might be a link. */
	if (unlink(temporary) && errno != ENOENT)
		err = -errno;
	if (!err)
		err = write_new(temporary, mode, data, length, syncs);
	if (!err && rename(temporary, path))
		err = -errno;
	if (err)
		unlink(temporary);
	else if (syncs)
		err = sync_directory_of(path);
	free(temporary);
	return err ? fail(p, -err, path, "cannot be written") : 0;
}

int file_write_atomic(const char *path, mode_t mode, const void *data, size_t length,
		      struct problems *p)
{
	return replace(path, mode, data, length, true, p);
}

int file_write_quick(const char *path, mode_t mode, const void *data, size_t length,
		     struct problems *p)
{
	return replace(path, mode, data, length, false, p);
}

int file_make_dirs(const char *path, mode_t mode, struct problems *p)
{
	char *copy = mem_string(path), *slash = copy;
	struct stat is;
	int err = 0;

	while (!err && slash) {
		slash = strchr(slash + (*slash == '/'), '/');
		if (slash)
			*slash = '\0';
		if (mkdir(copy, mode) && errno != EEXIST)
			err = fail(p, errno, copy, "cannot be made");
		if (slash)
			*slash = '/';
	}
	free(copy);
	if (err)
		return err;
	if (stat(path, &is))
		return fail(p, errno, path, "cannot be used");
	return S_ISDIR(is.st_mode) ? 0 : fail(p, ENOTDIR, path, "cannot be used");
}

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void file_close_others(int *keep, size_t count)
{
	int from = STDERR_FILENO + 1;

	qsort(keep, count, sizeof(*keep), compare_fds);
	for (size_t i = 0; i < count; i++) {
		if (keep[i] < from)
			continue;
		if (keep[i] > from)
			close_range((unsigned int)from, (unsigned int)keep[i] - 1, 0);
		from = keep[i] + 1;
	}
	close_range((unsigned int)from, ~0U, 0);
}
