/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/healthfile.h"
#include "agent/sealed.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"

#define MAGIC	 "sluice-health 1"
#define FILE_MAX (64 << 20)
#define BOOT_MAX (UINT64_C(1) << 53)

void healthfile_free(struct healthfile *file)
{
	text_free(&file->health);
	text_free(&file->clocks);
	text_free(&file->alerts);
	*file = (struct healthfile){};
}

/* ---- text ------------------------------------------------------------------------------------ */

static void encode_block(const char *word, const struct text *block, struct text *out)
{
	text_add(out, "%s %zu\n", word, block->length);
	text_add_bytes(out, block->data, block->length);
}

void healthfile_encode(const struct healthfile *file, struct text *out)
{
	struct text body = {};

	text_add(&body, "boot %llu\n", (unsigned long long)file->boot_ms);
	encode_block("health", &file->health, &body);
	encode_block("clocks", &file->clocks, &body);
	encode_block("alerts", &file->alerts, &body);
	sealed_add(MAGIC, &body, out);
	text_free(&body);
}

/* The number of a line WORD NUMBER, which must be the next one. */
static int take_number(struct sealed *s, const char *word, uint64_t max, uint64_t *number)
{
	char *line = sealed_line(s), *rest = line;
	const char *first = sealed_word(&rest);
	int err = -EBADMSG;

	if (rest && strcmp(first, word) == 0 && !text_parse_uint(rest, max, number))
		err = 0;
	free(line);
	return err;
}

static int take_block(struct sealed *s, const char *word, struct text *out)
{
	uint64_t length;
	int err = take_number(s, word, FILE_MAX, &length);
	char *bytes = err ? NULL : sealed_bytes(s, length);

	if (!bytes)
		return -EBADMSG;
	*out = (struct text){bytes, length};
	return 0;
}

int healthfile_decode(const char *name, const char *data, size_t length, struct healthfile *out,
		      struct problems *p)
{
	const char *what = "has a line that makes no sense";
	struct healthfile file = {};
	struct sealed s;
	int err = sealed_open(MAGIC, data, length, &s, &what);

	if (!err)
		err = take_number(&s, "boot", BOOT_MAX, &file.boot_ms);
	if (!err)
		err = take_block(&s, "health", &file.health);
	if (!err)
		err = take_block(&s, "clocks", &file.clocks);
	if (!err && s.at != s.end)
		err = take_block(&s, "alerts", &file.alerts);
	if (!err && s.at == s.end) {
		*out = file;
		return 0;
	}
	healthfile_free(&file);
	return problems_add(
		p, -EBADMSG, name, NULL,
		"%s; nothing in it is used: the health of all backends begins anew, and "
		"what lasts is alerted once more",
		what);
}

uint64_t healthfile_boot_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * UINT64_C(1000) + now.tv_nsec / 1000000;
}

uint64_t healthfile_away_ms(const struct healthfile *file)
{
	uint64_t now = healthfile_boot_ms();

	return now > file->boot_ms ? now - file->boot_ms : 0;
}

/* ---- the file -------------------------------------------------------------------------------- */

int healthfile_load(const char *dir, struct healthfile *out, struct problems *p)
{
	char *path = mem_format("%s/%s", dir, HEALTHFILE_NAME), *data;
	size_t length;
	int err;

	*out = (struct healthfile){};
	err = file_read_if_there(path, FILE_MAX, &data, &length, p);
	if (!err && data)
		err = healthfile_decode(path, data, length, out, p);
	free(data);
	free(path);
	return err;
}

int healthfile_store(const char *dir, const struct healthfile *file, struct problems *p)
{
	char *path = mem_format("%s/%s", dir, HEALTHFILE_NAME);
	struct text document = {};
	int err;

	healthfile_encode(file, &document);
	err = file_write_quick(path, 0600, document.data, document.length, p);
	text_free(&document);
	free(path);
	return err;
}
