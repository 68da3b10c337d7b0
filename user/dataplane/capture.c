/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <xdp/libxdp.h>

#include "base/mem.h"
#include "base/text.h"
#include "dataplane/capture.h"

/* How libbpf frames a verifier's log, and how the verifier ends it. */
#define LOG_BEGIN "-- BEGIN PROG LOAD LOG --\n"
#define LOG_END	  "-- END PROG LOAD LOG --"
#define LOG_STATS "processed "

/* Lines of a verifier's log that a person is shown. */
#define VERIFIER_LINES 4

static struct text printed, joined, verifier;

static void keep(const char *format, va_list args)
{
	char *line = mem_vformat(format, args);
	const char *text = line;

	if (strncmp(text, "libbpf: ", 8) == 0 || strncmp(text, "libxdp: ", 8) == 0)
		text += 8;
	text_add(&printed, "%s", text);
	free(line);
}

__attribute__((format(printf, 2, 0))) static int keep_libbpf(enum libbpf_print_level level,
							     const char *format, va_list args)
{
	if (level == LIBBPF_WARN)
		keep(format, args);
	return 0;
}

__attribute__((format(printf, 2, 0))) static int keep_libxdp(enum libxdp_print_level level,
							     const char *format, va_list args)
{
	if (level == LIBXDP_WARN)
		keep(format, args);
	return 0;
}

void capture_start(void)
{
	text_free(&printed);
	libbpf_set_print(keep_libbpf);
	libxdp_set_print(keep_libxdp);
}

/* Adds the lines from `line` to `end` to a text, joined. */
static void join(struct text *text, const char *line, const char *end)
{
	while (line < end) {
		int length = strcspn(line, "\n");

		if (length > 0)
			text_add(text, "%s%.*s", text->length ? "; " : "", length, line);
		line += length + 1;
	}
}

const char *capture_text(void)
{
	text_free(&joined);
	if (printed.data)
		join(&joined, printed.data, printed.data + printed.length);
	return joined.data ? joined.data : "nothing more is known";
}

int capture_errno(int err)
{
	return err <= -__LIBBPF_ERRNO__START ? -EINVAL : err;
}

/* The start of the line before `at`, in text that starts at `begin`. */
static const char *line_before(const char *begin, const char *at)
{
	if (at > begin)
		at--;
	while (at > begin && at[-1] != '\n')
		at--;
	return at;
}

const char *capture_verifier(void)
{
	const char *begin = printed.data ? strstr(printed.data, LOG_BEGIN) : NULL;
	const char *end = begin ? strstr(begin, LOG_END) : NULL;
	const char *first, *last;

	if (!end)
		return NULL;
	begin += strlen(LOG_BEGIN);
	last = line_before(begin, end);
	if (strncmp(last, LOG_STATS, strlen(LOG_STATS)) == 0)
		end = last;
	first = end;
	for (int i = 0; i < VERIFIER_LINES; i++)
		first = line_before(begin, first);
	text_free(&verifier);
	join(&verifier, first, end);
	return verifier.data ? verifier.data : "";
}
