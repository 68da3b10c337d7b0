/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory that the state and the generated key lie in. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "agent/denyfile.h"
#include "agent/healthfile.h"
#include "agent/state.h"
#include "agent/tunnelfile.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"

#define STATE_FILE "state"
#define STATE_MAX  (64 << 20)

/*
 * All that a state directory may hold, and names that begin so: what a crash or a person leaves
 * beside.
 */
static const char *const own_files[] = {STATE_FILE, DENYFILE_NAME, HEALTHFILE_NAME, TUNNELFILE_NAME,
					"key"};

static bool is_own(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(own_files); i++) {
		size_t length = strlen(own_files[i]);

		if (strncmp(name, own_files[i], length) == 0 &&
		    (name[length] == '\0' || name[length] == '.'))
			return true;
	}
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int refuse_others_files(const char *dir, struct problems *p)
{
	DIR *list = opendir(dir);
	struct dirent *entry;
	int err = 0;

	if (!list)
		return problems_add(p, -errno, "state-dir", dir, "cannot be read: %s",
				    strerror(errno));
	while (!err && (entry = readdir(list)))
		if (!is_own(entry->d_name))
			err = problems_add(
				p, -ENOTEMPTY, "state-dir", dir,
				"holds '%s', which is not sluice's: it needs a directory of "
				"its own",
				entry->d_name);
	closedir(list);
	return err;
}

int state_open_dir(const char *dir, struct problems *p)
{
	int err = file_make_dirs(dir, 0700, p), fd;

	if (!err)
		err = refuse_others_files(dir, p);
	if (err)
		return err;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return problems_add(p, -errno, "state-dir", dir, "cannot be opened: %s",
				    strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		err = -errno;
		problems_add(p, err, "state-dir", dir, "%s",
			     err == -EWOULDBLOCK
				     ? "another sluiced is running with it; stop that one "
				       "first, or give each its own --state-dir and "
				       "--pin-dir"
				     : strerror(-err));
		close(fd);
		return err;
	}
	return fd;
}

int state_load(const char *dir, struct state *out, struct problems *p)
{
	char *path = mem_format("%s/%s", dir, STATE_FILE), *data;
	size_t length;
	int err;

	*out = (struct state){};
	err = file_read_if_there(path, STATE_MAX, &data, &length, p);
	if (!err && data)
		err = state_decode(path, data, length, out, p);
	free(data);
	free(path);
	return err;
}

int state_store(const char *dir, const struct state *state, struct problems *p)
{
	char *path = mem_format("%s/%s", dir, STATE_FILE);
	struct text document = {};
	int err;

	state_encode(state, &document);
	err = file_write_atomic(path, 0600, document.data, document.length, p);
	text_free(&document);
	free(path);
	return err;
}
