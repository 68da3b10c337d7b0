/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logging for programs (agent, cli and other mains); library code returns problems instead. One line a
 * message to standard error, with the journal's priority prefix ("<4>", sd-daemon(3)) when standard error is
 * the journal (JOURNAL_STREAM), else with time and level.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>

struct problems;

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_init(const char *program);
void log_set_level(enum log_level level); /* messages above it are dropped; at first: info */
void log_at(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

struct log_field {
	const char *name, *value; /* the journal's: "SLUICE_SERVICE"; a NULL value is left out */
};

/*
 * An event, for people and programs: one entry of the journal, the sentence its message and the document its field
 * SLUICE_JSON; or, where standard error is no journal, or the journal cannot be reached, the sentence, and at level
 * debug a line "event " with the document.
 */
void log_event(enum log_level level, const char *sentence, const char *document,
	       const struct log_field *fields, size_t count);
#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"
void log_set_journal(const char *path); /* the journal's socket is another one: for tests */

/* One line a problem. */
void log_problems(enum log_level level, const struct problems *p);
void log_and_free_problems(enum log_level level, struct problems *p);

#endif
