/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/keys.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "config/config.h"
#include "core/key.h"

#define KEY_FILE_MAX (64 << 10)

char *keys_path(const struct config *config, const char *state_dir)
{
	if (config->cluster_key_file)
		return mem_string(config->cluster_key_file);
	return mem_format("%s/key", state_dir);
}

static int make_key(const char *path, struct problems *p)
{
	uint8_t master[SL_KEY_SIZE];
	char hex[2 * SL_KEY_SIZE + 1];
	struct text file = {};
	int err;

	key_random(master);
	text_add(
		&file,
		"# Made by sluiced for this host. It never changes: another key moves every flow.\n"
		"hash %s\n",
		text_format_hex(master, sizeof(master), hex));
	err = file_write_atomic(path, 0600, file.data, file.length, p);
	key_wipe(master, sizeof(master));
	key_wipe(hex, sizeof(hex));
	key_wipe(file.data, file.length);
	text_free(&file);
	return err;
}

static int read_key(const char *path, struct key *out, struct problems *p)
{
	char *data = NULL;
	size_t length = 0;
	int err = file_read(path, KEY_FILE_MAX, &data, &length, p);

	if (err)
		return err;
	err = key_parse(path, data, length, out, p);
	key_wipe(data, length);
	free(data);
	return err;
}

int keys_load(const struct config *config, const char *state_dir, struct key *out,
	      struct problems *warnings, struct problems *p)
{
	char *path = keys_path(config, state_dir);
	struct stat is;
	int err = 0;

	if (!config->cluster_key_file && access(path, F_OK) && errno == ENOENT)
		err = make_key(path, p);
	if (!err)
		err = read_key(path, out, p);
	if (err && config->cluster_key_file)
		problems_add(
			p, err, "cluster.key-file", path,
			"is needed: it decides which backend a flow goes to; `sluicectl key new` "
			"prints a new one");
	if (!err && stat(path, &is) == 0 && (is.st_mode & 07))
		problems_add(
			warnings, 0, "key file", path,
			"can be read by everybody, who can then aim flows at one backend; chmod "
			"o= it");
	free(path);
	return err;
}
