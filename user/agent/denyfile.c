/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/denyfile.h"
#include "agent/sealed.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"

#define MAGIC	 "sluice-deny 1"
#define FILE_MAX (128 << 20) /* the most prefixes, each as long as can be */
#define TIME_MAX (UINT64_C(1) << 53)

void denyfile_free(struct denyfile *file)
{
	free(file->list);
	*file = (struct denyfile){};
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct prefix)); /* which both begin with */
}

const struct api_denied *denyfile_find(const struct denyfile *file, const struct prefix *prefix)
{
	if (!file->count)
		return NULL;
	return bsearch(prefix, file->list, file->count, sizeof(*file->list), compare);
}

static struct prefix *in_order(const struct prefix *list, size_t count)
{
	struct prefix *sorted = mem_array(count + 1, sizeof(*sorted));

	if (count) {
		memcpy(sorted, list, count * sizeof(*sorted));
		qsort(sorted, count, sizeof(*sorted), compare);
	}
	return sorted;
}

void denyfile_with(const struct denyfile *file, const struct prefix *list, size_t count,
		   uint64_t now_s, struct denyfile *out)
{
	struct prefix *sorted = in_order(list, count);
	size_t old = 0, new = 0;

	*out = (struct denyfile){.list = mem_array(file->count + count + 1, sizeof(*out->list))};
	while (old < file->count || new < count) {
		int order = old == file->count ? 1
			    : new == count     ? -1
					       : compare(&file->list[old].prefix, &sorted[new]);

		if (order <= 0)
			out->list[out->count++] = file->list[old++];
		else if (!out->count || compare(&out->list[out->count - 1].prefix, &sorted[new]))
			out->list[out->count++] = (struct api_denied){sorted[new], now_s};
		new += order >= 0;
	}
	free(sorted);
}

void denyfile_without(const struct denyfile *file, const struct prefix *list, size_t count,
		      struct denyfile *out)
{
	struct prefix *sorted = in_order(list, count);

	*out = (struct denyfile){.list = mem_array(file->count + 1, sizeof(*out->list))};
	for (size_t i = 0; i < file->count; i++)
		if (!bsearch(&file->list[i].prefix, sorted, count, sizeof(*sorted), compare))
			out->list[out->count++] = file->list[i];
	free(sorted);
}

/* ---- text ------------------------------------------------------------------------------------ */

void denyfile_encode(const struct denyfile *file, struct text *out)
{
	char prefix[PREFIX_TEXT_SIZE];
	struct text body = {};

	for (size_t i = 0; i < file->count; i++)
		text_add(&body, "%s %llu\n", prefix_format(&file->list[i].prefix, prefix),
			 (unsigned long long)file->list[i].since_s);
	sealed_add(MAGIC, &body, out);
	text_free(&body);
}

/* Each comes after the one before: the file is written in order. */
static int take_line(char *line, struct denyfile *file)
{
	char *rest = line;
	const char *word = sealed_word(&rest);
	struct api_denied denied;

	if (!rest || prefix_parse(word, &denied.prefix) ||
	    text_parse_uint(rest, TIME_MAX, &denied.since_s))
		return -EBADMSG;
	if (file->count && compare(&file->list[file->count - 1], &denied) >= 0)
		return -EBADMSG;
	file->list = mem_grow(file->list, file->count, sizeof(*file->list));
	file->list[file->count++] = denied;
	return 0;
}

int denyfile_decode(const char *name, const char *data, size_t length, struct denyfile *out,
		    struct problems *p)
{
	const char *what = "has a line that makes no sense";
	struct denyfile file = {};
	struct sealed sealed;
	int err = sealed_open(MAGIC, data, length, &sealed, &what);

	while (!err && sealed.at < sealed.end) {
		char *line = sealed_line(&sealed);

		err = line ? take_line(line, &file) : -EBADMSG;
		free(line);
	}
	if (!err) {
		*out = file;
		return 0;
	}
	denyfile_free(&file);
	return problems_add(p, -EBADMSG, name, NULL,
			    "%s; nothing in it is used. Move it away to start without the sources "
			    "that were denied at run time",
			    what);
}

/* ---- the file -------------------------------------------------------------------------------- */

int denyfile_load(const char *dir, struct denyfile *out, struct problems *p)
{
	char *path = mem_format("%s/%s", dir, DENYFILE_NAME), *data;
	size_t length;
	int err;

	*out = (struct denyfile){};
	err = file_read_if_there(path, FILE_MAX, &data, &length, p);
	if (!err && data)
		err = denyfile_decode(path, data, length, out, p);
	free(data);
	free(path);
	return err;
}

int denyfile_store(const char *dir, const struct denyfile *file, struct problems *p)
{
	char *path = mem_format("%s/%s", dir, DENYFILE_NAME);
	struct text document = {};
	int err;

	denyfile_encode(file, &document);
	err = file_write_atomic(path, 0600, document.data, document.length, p);
	text_free(&document);
	free(path);
	return err;
}
