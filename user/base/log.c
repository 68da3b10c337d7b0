/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One line a message, in one write(), so that lines of several processes do not mix. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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
static const char *journal_socket = LOG_JOURNAL_SOCKET;

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

/* ---- events ---------------------------------------------------------------------------------- */

void log_set_journal(const char *path)
{
	journal_socket = path;
}

/* A field of systemd's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), on one line. */
static void add_field(struct text *entry, const char *name, const char *value)
{
	text_add(entry, "%s=", name);
	for (const char *c = value; *c; c++)
		text_add_bytes(entry, *c == '\n' ? " " : c, 1);
	text_add_bytes(entry, "\n", 1);
}

/* In one datagram; whether the journal has taken it. */
static bool send_entry(const struct text *entry)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ssize_t sent;

	if (fd < 0)
		return false;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", journal_socket);
	sent = sendto(fd, entry->data, entry->length, MSG_NOSIGNAL | MSG_DONTWAIT,
		      (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return sent == (ssize_t)entry->length;
}

static bool send_to_journal(enum log_level level, const char *sentence, const char *document,
			    const struct log_field *fields, size_t count)
{
	struct text entry = {};
	bool is_sent;

	add_field(&entry, "MESSAGE", sentence);
	text_add(&entry, "PRIORITY=%d\n", levels[level].priority);
	if (program_name)
		add_field(&entry, "SYSLOG_IDENTIFIER", program_name);
	add_field(&entry, "SLUICE_JSON", document);
	for (size_t i = 0; i < count; i++)
		if (fields[i].value)
			add_field(&entry, fields[i].name, fields[i].value);
	is_sent = send_entry(&entry);
	text_free(&entry);
	return is_sent;
}

void log_event(enum log_level level, const char *sentence, const char *document,
	       const struct log_field *fields, size_t count)
{
	if (level > highest)
		return;
	if (to_journal && send_to_journal(level, sentence, document, fields, count))
		return;
	log_at(level, "%s", sentence);
	log_at(LOG_LEVEL_DEBUG, "event %s", document);
}

/* ---- problems -------------------------------------------------------------------------------- */

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
