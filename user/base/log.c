/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One line a message, in one write(), so that lines of several processes do not mix. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"

/* Names as `log-level` has them, and the journal's priorities (syslog(3)). */
static const struct {
	const char *name;
	int priority;
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", 3},
	[LOG_LEVEL_WARNING] = {"warning", 4},
	[LOG_LEVEL_INFO] = {"info", 6},
	[LOG_LEVEL_DEBUG] = {"debug", 7},
};

static const char *program_name;
static enum log_level highest = LOG_LEVEL_INFO;
static bool to_journal;

/* JOURNAL_STREAM names the device and inode of the journal's socket (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat is;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &is) == 0 && is.st_dev == device && is.st_ino == inode;
}

void log_init(const char *program)
{
	program_name = program;
	to_journal = stderr_is_journal();
}

void log_set_level(enum log_level level)
{
	highest = level;
}

static void add_prefix(struct text *line, enum log_level level)
{
	struct timespec now;
	struct tm local;
	char stamp[32];

	if (to_journal) {
		text_add(line, "<%d>", levels[level].priority);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &local);
	strftime(stamp, sizeof(stamp), "%F %T", &local);
	text_add(line, "%s.%03ld ", stamp, now.tv_nsec / 1000000);
	if (program_name)
		text_add(line, "%s ", program_name);
	text_add(line, "%s: ", levels[level].name);
}

void log_at(enum log_level level, const char *format, ...)
{
	struct text line = {};
	va_list args;
	char *message;

	if (level > highest)
		return;
	va_start(args, format);
	message = mem_vformat(format, args);
	va_end(args);
	for (char *c = message; *c; c++)
		if (*c == '\n')
			*c = ' ';
	add_prefix(&line, level);
	text_add(&line, "%s\n", message);
	/* A message that cannot be written has nowhere else to go. */
	if (write(STDERR_FILENO, line.data, line.length) < 0)
		clearerr(stderr);
	free(message);
	text_free(&line);
}

void log_problems(enum log_level level, const struct problems *p)
{
	for (size_t i = 0; i < p->count; i++) {
		char *text = problem_text(&p->list[i]);

		log_at(level, "%s", text);
		free(text);
	}
}

void log_and_free_problems(enum log_level level, struct problems *p)
{
	log_problems(level, p);
	problems_free(p);
}
