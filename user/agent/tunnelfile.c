/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/sealed.h"
#include "agent/tunnelfile.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"

#define MAGIC	 "sluice-tunnel 1"
#define FILE_MAX (1 << 20)
#define BOOT_ID	 "/proc/sys/kernel/random/boot_id"
#define BOOT_MAX 64

void tunnelfile_free(struct tunnelfile *file)
{
	free(file->list);
	*file = (struct tunnelfile){};
}

struct tunnelfile_device *tunnelfile_find(const struct tunnelfile *file, const char *name)
{
	for (size_t i = 0; i < file->count; i++)
		if (strcmp(file->list[i].name, name) == 0)
			return &file->list[i];
	return NULL;
}

struct tunnelfile_device *tunnelfile_add(struct tunnelfile *file, const char *name)
{
	struct tunnelfile_device *device = tunnelfile_find(file, name);

	if (device)
		return device;
	file->list = mem_grow(file->list, file->count, sizeof(*file->list));
	device = &file->list[file->count++];
	*device = (struct tunnelfile_device){};
	snprintf(device->name, sizeof(device->name), "%s", name);
	return device;
}

void tunnelfile_remove(struct tunnelfile *file, struct tunnelfile_device *device)
{
	*device = file->list[--file->count];
}

/* ---- text ------------------------------------------------------------------------------------ */

void tunnelfile_encode(const struct tunnelfile *file, const char *boot, struct text *out)
{
	struct text body = {};

	text_add(&body, "boot %s\n", boot);
	for (size_t i = 0; i < file->count; i++) {
		text_add(&body, "device %s\n", file->list[i].name);
		if (file->list[i].accept_local)
			text_add(&body, "accept_local %s\n", file->list[i].name);
	}
	sealed_add(MAGIC, &body, out);
	text_free(&body);
}

/* One line after the first. Returns whether it makes sense. */
static bool take_line(char *line, struct tunnelfile *file)
{
	char *rest = line;
	const char *word = sealed_word(&rest), *name = rest;

	if (!word || !name || !*name || strlen(name) >= NET_NAME_SIZE || strchr(name, '/'))
		return false;
	if (strcmp(word, "accept_local") == 0)
		tunnelfile_add(file, name)->accept_local = true;
	else if (strcmp(word, "device") == 0)
		tunnelfile_add(file, name);
	else
		return false;
	return true;
}

int tunnelfile_decode(const char *name, const char *boot, const char *data, size_t length,
		      struct tunnelfile *out, struct problems *p)
{
	struct tunnelfile file = {};
	const char *what = NULL;
	struct sealed sealed;
	char *line, *rest;
	int err = sealed_open(MAGIC, data, length, &sealed, &what);
	bool is_ours = false;

	if (!err) {
		line = rest = sealed_line(&sealed);
		if (!line || strcmp(sealed_word(&rest) ?: "", "boot") || !rest)
			err = -EBADMSG;
		else
			is_ours = strcmp(rest, boot) == 0;
		free(line);
	}
	while (!err && (line = sealed_line(&sealed))) {
		if (!take_line(line, &file))
			err = -EBADMSG;
		free(line);
	}
	if (!err && sealed.at != sealed.end)
		err = -EBADMSG;
	if (err || !is_ours)
		tunnelfile_free(&file);
	if (err)
		return problems_add(p, -EBADMSG, name, NULL,
				    "%s; rules and routes of probes are found without it, but "
				    "accept_local may stay 1 where probes had set it: look at "
				    "sysctl net.ipv4.conf.DEVICE.accept_local",
				    what ?: "has a line that makes no sense");
	*out = file;
	return 0;
}

/* ---- the file -------------------------------------------------------------------------------- */

/* "" where the kernel has none: then every boot is the same one. */
static void read_boot(char boot[BOOT_MAX])
{
	char *text = NULL;
	size_t length;

	boot[0] = '\0';
	if (file_read(BOOT_ID, BOOT_MAX, &text, &length, NULL))
		return;
	snprintf(boot, BOOT_MAX, "%.*s", (int)strcspn(text, "\n"), text);
	free(text);
}

int tunnelfile_load(const char *dir, struct tunnelfile *out, struct problems *p)
{
	char *path = mem_format("%s/%s", dir, TUNNELFILE_NAME), *data, boot[BOOT_MAX];
	size_t length;
	int err;

	*out = (struct tunnelfile){};
	err = file_read_if_there(path, FILE_MAX, &data, &length, p);
	read_boot(boot);
	if (!err && data)
		err = tunnelfile_decode(path, boot, data, length, out, p);
	free(data);
	free(path);
	return err;
}

int tunnelfile_store(const char *dir, const struct tunnelfile *file, struct problems *p)
{
	char *path = mem_format("%s/%s", dir, TUNNELFILE_NAME), boot[BOOT_MAX];
	struct text document = {};
	int err = 0;

	if (file->count) {
		read_boot(boot);
		tunnelfile_encode(file, boot, &document);
		err = file_write_atomic(path, 0600, document.data, document.length, p);
	} else if (unlink(path) && errno != ENOENT) {
		err = problems_add(p, -errno, path, NULL, "cannot be removed: %s", strerror(errno));
	}
	text_free(&document);
	free(path);
	return err;
}
